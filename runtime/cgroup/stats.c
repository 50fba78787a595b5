/*
 * The data object of `events --stats`: the names and the shape of runc's (types/events.go), which
 * containerd's and cAdvisor's users parse. Numbers that are 0 are left out where runc leaves them
 * out; times are nanoseconds; a limit that does not exist is 2^64-1. A file that is missing counts
 * as zeros: controllers come and go with kernels and hosts.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

#define FILE_MAX 65536
/* Unit of cpuacct.stat: USER_HZ is part of the ABI. */
#define NS_PER_TICK 10000000ull

struct stats {
	struct arena *a;
	const struct cgroup *cg;
	struct json_out *o;
	char *buf; /* FILE_MAX */
};

static const char *dir_of(const struct stats *s, enum cgroup_ctl ctl, bool *ret_v2)
{
	const struct hierarchy *h = cg_find(s->cg, ctl);

	if (!h)
		h = cg_find_v2(s->cg);
	*ret_v2 = h && h->v2;
	return h && hierarchy_joined(h) ? h->dir : NULL;
}

/* A single number; "max" and v1's "no limit" are 2^64-1. */
static uint64_t number(const char *dir, const char *file)
{
	char buf[64];
	uint64_t v;

	if (!dir || cg_read(dir, file, buf, sizeof(buf)) <= 0)
		return 0;
	if (str_eq(buf, "max"))
		return UINT64_MAX;
	return str_to_u64(buf, UINT64_MAX, &v) ? v : 0;
}

static uint64_t key(const char *dir, const char *file, const char *name, uint64_t factor)
{
	uint64_t v;

	return dir && cg_read_key(dir, file, name, &v) ? v * factor : 0;
}

static void put(struct json_out *o, const char *name, uint64_t v)
{
	json_out_str(o, name);
	json_out_u64(o, v);
}

static void put_nonzero(struct json_out *o, const char *name, uint64_t v)
{
	if (v)
		put(o, name, v);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": the numbers go over as they stand. */
static void psi_line(struct stats *s, const char *line)
{
	static const char *const names[] = { "avg10", "avg60", "avg300", "total" };

	json_out_object(s->o);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *p = strstr(line, names[i]);
		struct json_value v = { .type = JSON_NUMBER, .text = "0" };

		if (p) {
			p += strlen(names[i]) + 1;
			v.text = arena_strndup(s->a, p, strspn(p, "0123456789."));
		}
		json_out_str(s->o, names[i]);
		json_out_value(s->o, *v.text ? &v : &(struct json_value){ .type = JSON_NULL });
	}
	json_out_object_end(s->o);
}

static void psi(struct stats *s, enum cgroup_ctl ctl, const char *file)
{
	static const char *const kinds[] = { "some", "full" };
	bool v2;
	const char *dir = dir_of(s, ctl, &v2), *line;

	/* Hybrid hosts have the files as well, on the v2 side. */
	if (!v2) {
		const struct hierarchy *h = cg_find_v2(s->cg);

		dir = h && hierarchy_joined(h) ? h->dir : NULL;
	}
	if (!dir || cg_read(dir, file, s->buf, FILE_MAX) <= 0)
		return;
	json_out_str(s->o, "psi");
	json_out_object(s->o);
	for (size_t i = 0; i < 2; i++) {
		line = strstr(s->buf, kinds[i]);
		if (!line)
			continue;
		json_out_str(s->o, kinds[i]);
		psi_line(s, arena_strndup(s->a, line, strcspn(line, "\n")));
	}
	json_out_object_end(s->o);
}

static void put_list(struct stats *s, const char *name, const char *text, uint64_t factor)
{
	char **items = str_split(s->a, text, ' ');
	uint64_t v;

	if (!**items)
		return;
	json_out_str(s->o, name);
	json_out_array(s->o);
	for (; *items; items++)
		if (str_to_u64(*items, UINT64_MAX, &v))
			json_out_u64(s->o, v * factor);
	json_out_array_end(s->o);
}

/* cpuacct.usage_all: "cpu user system", a line a processor. Column 0 or 1 as a list. */
static char *usage_column(struct stats *s, const char *text, int column)
{
	char *r = arena_strdup(s->a, ""), **lines = str_split(s->a, text, '\n');

	for (size_t i = 1; lines[0] && lines[i]; i++) {
		char **f = str_split(s->a, lines[i], ' ');

		if (str_list_len(f) == 3)
			r = arena_printf(s->a, "%s%s%s", r, *r ? " " : "", f[1 + column]);
	}
	return r;
}

static void cpu_usage_v1(struct stats *s, const char *dir)
{
	put_nonzero(s->o, "total", number(dir, "cpuacct.usage"));
	if (dir && cg_read(dir, "cpuacct.usage_percpu", s->buf, FILE_MAX) > 0)
		put_list(s, "percpu", s->buf, 1);
	if (dir && cg_read(dir, "cpuacct.usage_all", s->buf, FILE_MAX) > 0) {
		char *text = arena_strdup(s->a, s->buf);

		put_list(s, "percpu_kernel", usage_column(s, text, 1), 1);
		put_list(s, "percpu_user", usage_column(s, text, 0), 1);
	}
	put(s->o, "kernel", key(dir, "cpuacct.stat", "system", NS_PER_TICK));
	put(s->o, "user", key(dir, "cpuacct.stat", "user", NS_PER_TICK));
}

static void cpu(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, CTL_CPU, &v2), *acct;
	uint64_t us = v2 ? 1000 : 1;

	json_out_str(s->o, "cpu");
	json_out_object(s->o);
	json_out_str(s->o, "usage");
	json_out_object(s->o);
	if (v2) {
		put_nonzero(s->o, "total", key(dir, "cpu.stat", "usage_usec", 1000));
		put(s->o, "kernel", key(dir, "cpu.stat", "system_usec", 1000));
		put(s->o, "user", key(dir, "cpu.stat", "user_usec", 1000));
	} else {
		acct = dir_of(s, CTL_CPUACCT, &v2);
		cpu_usage_v1(s, v2 ? NULL : acct);
		v2 = false;
	}
	json_out_object_end(s->o);
	json_out_str(s->o, "throttling");
	json_out_object(s->o);
	put_nonzero(s->o, "periods", key(dir, "cpu.stat", "nr_periods", 1));
	put_nonzero(s->o, "throttledPeriods", key(dir, "cpu.stat", "nr_throttled", 1));
	put_nonzero(s->o, "throttledTime",
		    key(dir, "cpu.stat", v2 ? "throttled_usec" : "throttled_time", us));
	json_out_object_end(s->o);
	psi(s, CTL_CPU, "cpu.pressure");
	json_out_object_end(s->o);
}

/* "0-2,5" to numbers. */
static void put_set(struct stats *s, const char *name, const char *dir, const char *file)
{
	char *save = NULL;
	uint64_t from, to, total = 0;

	if (cg_read(dir, file, s->buf, FILE_MAX) <= 0)
		return;
	json_out_str(s->o, name);
	json_out_array(s->o);
	for (char *p = strtok_r(s->buf, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(p, '-');

		if (dash)
			*dash = 0;
		if (!str_to_u64(p, UINT16_MAX, &from) ||
		    !str_to_u64(dash ? dash + 1 : p, UINT16_MAX, &to))
			continue;
		for (; from <= to && total <= UINT16_MAX; from++, total++)
			json_out_u64(s->o, from);
	}
	json_out_array_end(s->o);
}

static void cpuset(struct stats *s)
{
	static const char *const numbers[] = { "cpu_exclusive",	     "mem_hardwall",
					       "mem_exclusive",	     "memory_migrate",
					       "memory_spread_page", "memory_spread_slab",
					       "memory_pressure",    "sched_load_balance" };
	const struct hierarchy *h = cg_find(s->cg, CTL_CPUSET);
	const char *dir = h && hierarchy_joined(h) ? h->dir : NULL;
	char level[32] = "";
	int64_t v = 0;

	json_out_str(s->o, "cpuset");
	json_out_object(s->o);
	if (dir) {
		put_set(s, "cpus", dir, "cpuset.cpus");
		put_set(s, "mems", dir, "cpuset.mems");
		if (cg_read(dir, "cpuset.sched_relax_domain_level", level, sizeof(level)) <= 0 ||
		    !str_to_i64(level, &v))
			v = 0;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		put(s->o, numbers[i], number(dir, arena_printf(s->a, "cpuset.%s", numbers[i])));
	json_out_ki64(s->o, "sched_relax_domain_level", v);
	json_out_object_end(s->o);
}

static void memory_entry(struct stats *s, const char *name, uint64_t limit, uint64_t usage,
			 uint64_t max, uint64_t failcnt)
{
	json_out_str(s->o, name);
	json_out_object(s->o);
	put(s->o, "limit", limit);
	put_nonzero(s->o, "usage", usage);
	put_nonzero(s->o, "max", max);
	put(s->o, "failcnt", failcnt);
	json_out_object_end(s->o);
}

static void memory_v1(struct stats *s, const char *dir)
{
	static const struct {
		const char *name, *prefix;
	} entries[] = { { "usage", "memory." },
			{ "swap", "memory.memsw." },
			{ "kernel", "memory.kmem." },
			{ "kernelTCP", "memory.kmem.tcp." } };

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		const char *p = entries[i].prefix;

		memory_entry(s, entries[i].name,
			     number(dir, arena_printf(s->a, "%slimit_in_bytes", p)),
			     number(dir, arena_printf(s->a, "%susage_in_bytes", p)),
			     number(dir, arena_printf(s->a, "%smax_usage_in_bytes", p)),
			     number(dir, arena_printf(s->a, "%sfailcnt", p)));
	}
}

/* v1's readers expect memory and swap together. */
static void memory_v2(struct stats *s, const char *dir)
{
	uint64_t usage = number(dir, "memory.current"), limit = number(dir, "memory.max");
	uint64_t swap = number(dir, "memory.swap.current");
	uint64_t swap_limit = number(dir, "memory.swap.max");

	if (limit != UINT64_MAX && swap_limit != UINT64_MAX)
		swap_limit += limit;
	else
		swap_limit = limit ? UINT64_MAX : 0;
	memory_entry(s, "usage", limit, usage, number(dir, "memory.peak"),
		     key(dir, "memory.events", "max", 1));
	memory_entry(s, "swap", swap_limit, usage + swap, 0, 0);
	memory_entry(s, "kernel", 0, 0, 0, 0);
	memory_entry(s, "kernelTCP", 0, 0, 0, 0);
}

static void memory_raw(struct stats *s, const char *dir)
{
	char *save = NULL;

	if (!dir || cg_read(dir, "memory.stat", s->buf, FILE_MAX) <= 0)
		return;
	json_out_str(s->o, "raw");
	json_out_object(s->o);
	for (char *l = strtok_r(s->buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(l, ' ');
		uint64_t v;

		if (!blank || !str_to_u64(blank + 1, UINT64_MAX, &v))
			continue;
		*blank = 0;
		put(s->o, l, v);
	}
	json_out_object_end(s->o);
}

static void memory(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, CTL_MEMORY, &v2);

	json_out_str(s->o, "memory");
	json_out_object(s->o);
	put_nonzero(s->o, "cache", key(dir, "memory.stat", v2 ? "file" : "cache", 1));
	if (v2)
		memory_v2(s, dir);
	else
		memory_v1(s, dir);
	memory_raw(s, dir);
	psi(s, CTL_MEMORY, "memory.pressure");
	json_out_object_end(s->o);
}

static void pids(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, CTL_PIDS, &v2);
	uint64_t limit = number(dir, "pids.max");

	json_out_str(s->o, "pids");
	json_out_object(s->o);
	put_nonzero(s->o, "current", number(dir, "pids.current"));
	put_nonzero(s->o, "limit", limit == UINT64_MAX ? 0 : limit);
	json_out_object_end(s->o);
}

static void blkio_entry(struct stats *s, const char *dev, const char *op, uint64_t v)
{
	char **n = str_split(s->a, dev, ':');
	uint64_t major, minor;

	if (str_list_len(n) != 2 || !str_to_u64(n[0], UINT32_MAX, &major) ||
	    !str_to_u64(n[1], UINT32_MAX, &minor))
		return;
	json_out_object(s->o);
	put_nonzero(s->o, "major", major);
	put_nonzero(s->o, "minor", minor);
	if (op)
		json_out_kstr(s->o, "op", op);
	put_nonzero(s->o, "value", v);
	json_out_object_end(s->o);
}

/* "8:0 Read 4096", or without an operation; the line "Total 0" has no device. */
static void blkio_v1(struct stats *s, const char *dir)
{
	static const struct {
		const char *name, *files[3];
	} tables[] = {
		{ "ioServiceBytesRecursive",
		  { "bfq.io_service_bytes_recursive", "throttle.io_service_bytes_recursive",
		    "throttle.io_service_bytes" } },
		{ "ioServicedRecursive",
		  { "bfq.io_serviced_recursive", "throttle.io_serviced_recursive",
		    "throttle.io_serviced" } },
		{ "ioQueueRecursive", { "bfq.io_queued_recursive", "io_queued_recursive" } },
		{ "ioServiceTimeRecursive",
		  { "bfq.io_service_time_recursive", "io_service_time_recursive" } },
		{ "ioWaitTimeRecursive",
		  { "bfq.io_wait_time_recursive", "io_wait_time_recursive" } },
		{ "ioMergedRecursive", { "bfq.io_merged_recursive", "io_merged_recursive" } },
		{ "ioTimeRecursive", { "bfq.time_recursive", "time_recursive" } },
		{ "sectorsRecursive", { "bfq.sectors_recursive", "sectors_recursive" } },
	};

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
		char *save = NULL;
		bool open = false;

		for (size_t f = 0; f < 3 && tables[t].files[f]; f++)
			if (cg_read(dir, arena_printf(s->a, "blkio.%s", tables[t].files[f]), s->buf,
				    FILE_MAX) > 0 &&
			    strchr(s->buf, ':'))
				break;
			else
				*s->buf = 0;
		for (char *l = strtok_r(s->buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
			char **w = str_split(s->a, l, ' ');
			size_t n = str_list_len(w);
			uint64_t v;

			if (n < 2 || n > 3 || !strchr(w[0], ':') ||
			    !str_to_u64(w[n - 1], UINT64_MAX, &v))
				continue;
			if (!open) {
				json_out_str(s->o, tables[t].name);
				json_out_array(s->o);
			}
			open = true;
			blkio_entry(s, w[0], n == 3 ? w[1] : NULL, v);
		}
		if (open)
			json_out_array_end(s->o);
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" */
static void blkio_v2(struct stats *s, const char *dir)
{
	static const struct {
		const char *name, *read, *write;
	} tables[] = { { "ioServiceBytesRecursive", "rbytes=", "wbytes=" },
		       { "ioServicedRecursive", "rios=", "wios=" } };
	char **lines;

	if (cg_read(dir, "io.stat", s->buf, FILE_MAX) <= 0)
		return;
	lines = str_split(s->a, s->buf, '\n');
	for (size_t t = 0; t < 2; t++) {
		json_out_str(s->o, tables[t].name);
		json_out_array(s->o);
		for (char **l = lines; *l; l++) {
			char **w = str_split(s->a, *l, ' ');
			uint64_t v;

			for (size_t i = 1; w[0] && w[i]; i++) {
				bool r = str_has_prefix(w[i], tables[t].read);

				if ((r || str_has_prefix(w[i], tables[t].write)) &&
				    str_to_u64(strchr(w[i], '=') + 1, UINT64_MAX, &v))
					blkio_entry(s, w[0], r ? "Read" : "Write", v);
			}
		}
		json_out_array_end(s->o);
	}
}

static void blkio(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, CTL_IO, &v2);

	json_out_str(s->o, "blkio");
	json_out_object(s->o);
	if (dir && v2)
		blkio_v2(s, dir);
	else if (dir)
		blkio_v1(s, dir);
	psi(s, CTL_IO, "io.pressure");
	json_out_object_end(s->o);
}

static void hugetlb_size(struct stats *s, const char *dir, bool v2, const char *size)
{
	const char *p = arena_printf(s->a, "hugetlb.%s.rsvd", size);
	const char *current = v2 ? "current" : "usage_in_bytes";

	/* Reservations are what is limited; older kernels only have the pages in use. */
	if (cg_read(dir, arena_printf(s->a, "%s.%s", p, current), s->buf, FILE_MAX) < 0)
		p = arena_printf(s->a, "hugetlb.%s", size);
	json_out_str(s->o, size);
	json_out_object(s->o);
	put_nonzero(s->o, "usage", number(dir, arena_printf(s->a, "%s.%s", p, current)));
	if (!v2)
		put_nonzero(s->o, "max",
			    number(dir, arena_printf(s->a, "%s.max_usage_in_bytes", p)));
	put(s->o, "failcnt",
	    v2 ? key(dir, arena_printf(s->a, "hugetlb.%s.events", size), "max", 1)
	       : number(dir, arena_printf(s->a, "%s.failcnt", p)));
	json_out_object_end(s->o);
}

/* "hugepages-2048kB" to "2MB", as the cgroup's files are called; NULL for anything else. */
static char *page_size(struct arena *a, const char *name)
{
	static const char *const units[] = { "KB", "MB", "GB" };
	const char *number = name + strlen("hugepages-");
	size_t unit = 0;
	uint64_t kb;

	if (!str_has_prefix(name, "hugepages-") || !str_has_suffix(name, "kB") ||
	    !str_to_u64(arena_strndup(a, number, strlen(number) - 2), UINT32_MAX, &kb))
		return NULL;
	for (; kb >= 1024 && unit < 2; unit++)
		kb /= 1024;
	return arena_printf(a, "%llu%s", (unsigned long long)kb, units[unit]);
}

static void hugetlb(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, CTL_HUGETLB, &v2);
	DIR *d = dir ? opendir("/sys/kernel/mm/hugepages") : NULL;
	struct dirent *de;

	json_out_str(s->o, "hugetlb");
	json_out_object(s->o);
	while (d && (de = readdir(d))) {
		char *size = page_size(s->a, de->d_name);

		if (!size)
			continue;
		/* Without the controller no file is there at all. */
		if (cg_read(dir,
			    arena_printf(s->a, "hugetlb.%s.%s", size,
					 v2 ? "current" : "usage_in_bytes"),
			    s->buf, FILE_MAX) > 0)
			hugetlb_size(s, dir, v2, size);
	}
	if (d)
		closedir(d);
	json_out_object_end(s->o);
}

int cgroup_stats(struct arena *a, const struct cgroup *cg, struct json_out *o, struct error *e)
{
	struct stats s = { .a = a, .cg = cg, .o = o };

	if (!cg_main(cg)) {
		err_msg(e, "read statistics: the container has no cgroup");
		return cg->rootless ? cgroup_hint_delegate(cg, e) : -1;
	}
	s.buf = arena_alloc(a, FILE_MAX);
	json_out_object(o);
	cpu(&s);
	cpuset(&s);
	memory(&s);
	pids(&s);
	blkio(&s);
	hugetlb(&s);
	json_out_object_end(o);
	return 0;
}
