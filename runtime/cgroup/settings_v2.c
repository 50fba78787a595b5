/* Resources to the files of cgroup v2. See settings.h; apply.c knows about the order. */
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/settings.h"

#define F "linux.resources."

static int only_v1(struct error *e, const char *field)
{
	err_msg(e, "%s: cgroup v2 has nothing like it", field);
	return err_hint(e, "leave it out; a host with cgroup v1 still has it");
}

static struct setting *add_limit(struct arena *a, struct settings *s, enum cgroup_ctl ctl,
				 const char *field, const char *file, int64_t v)
{
	struct setting *i = settings_add(a, s, ctl, field, file,
					 v < 0 ? "max" : arena_printf(a, "%lld", (long long)v));

	i->relax = v < 0;
	return i;
}

static int memory(struct arena *a, const struct oci_memory *m, const struct settings_now *now,
		  struct settings *s, struct error *e)
{
	int64_t limit = m->limit ? *m->limit : 0, swap = -2;
	int64_t known = limit ? limit : now->memory_limit == -2 ? 0 : now->memory_limit;

	if (m->kernel_tcp && *m->kernel_tcp > 0)
		return only_v1(e, F "memory.kernelTCP");
	if (m->swappiness && *m->swappiness != UINT64_MAX)
		return only_v1(e, F "memory.swappiness");
	if (m->disable_oom_killer && *m->disable_oom_killer)
		return only_v1(e, F "memory.disableOOMKiller");
	if (m->use_hierarchy && !*m->use_hierarchy)
		return only_v1(e, F "memory.useHierarchy false");
	/* Without a swap of its own, memory -1 lifts both; only then does the limit count alone. */
	if ((m->swap && *m->swap) || limit == -1)
		if (convert_swap(m->swap && *m->swap ? known : limit, m->swap ? *m->swap : 0, &swap,
				 e) < 0)
			return -1;
	if (swap != -2)
		/* No swap accounting at all is the same as none used, and as no limit. */
		add_limit(a, s, CTL_MEMORY, F "memory.swap", "memory.swap.max", swap)->optional =
			swap <= 0;
	if (limit)
		add_limit(a, s, CTL_MEMORY, F "memory.limit", "memory.max", limit);
	if (m->reservation && *m->reservation)
		add_limit(a, s, CTL_MEMORY, F "memory.reservation", "memory.low", *m->reservation);
	return 0;
}

static void cpu_max(struct arena *a, const struct oci_cpu *c, const struct settings_now *now,
		    struct settings *s)
{
	bool quota_given = c->quota && *c->quota, period_given = c->period && *c->period;
	int64_t quota = quota_given ? *c->quota : now->cpu_quota;
	const char *field = quota_given ? F "cpu.quota" : F "cpu.period";
	char *v;

	if (!quota_given && !period_given)
		return;
	v = quota > 0 ? arena_printf(a, "%lld", (long long)quota) : arena_strdup(a, "max");
	/* A quota alone leaves the period as it is. */
	if (period_given)
		v = arena_printf(a, "%s %llu", v, (unsigned long long)*c->period);
	settings_add(a, s, CTL_CPU, field, "cpu.max", v)->relax = quota <= 0 && !period_given;
}

static int cpu(struct arena *a, const struct oci_cpu *c, const struct settings_now *now,
	       struct settings *s, struct error *e)
{
	bool idle = c->idle && *c->idle;

	if (c->realtime_runtime && *c->realtime_runtime > 0)
		return only_v1(e, F "cpu.realtimeRuntime");
	if (c->realtime_period && *c->realtime_period > 0)
		return only_v1(e, F "cpu.realtimePeriod");
	/* An idle group takes no weight, and leaving idle resets it. */
	if (c->idle && !idle)
		settings_add(a, s, CTL_CPU, F "cpu.idle", "cpu.idle", "0")->relax = true;
	if (c->shares && *c->shares)
		settings_add(
			a, s, CTL_CPU, F "cpu.shares", "cpu.weight",
			arena_printf(a, "%llu", (unsigned long long)convert_shares(*c->shares)));
	if (idle)
		settings_add(a, s, CTL_CPU, F "cpu.idle", "cpu.idle",
			     arena_printf(a, "%lld", (long long)*c->idle));
	cpu_max(a, c, now, s);
	if (c->burst)
		settings_add(a, s, CTL_CPU, F "cpu.burst", "cpu.max.burst",
			     arena_printf(a, "%llu", (unsigned long long)*c->burst))
			->relax = *c->burst == 0;
	if (c->cpus && *c->cpus)
		settings_add(a, s, CTL_CPUSET, F "cpu.cpus", "cpuset.cpus", c->cpus);
	if (c->mems && *c->mems)
		settings_add(a, s, CTL_CPUSET, F "cpu.mems", "cpuset.mems", c->mems);
	return 0;
}

/* bfq's file takes v1's range as it is; io.weight (iocost) has its own. */
static void io_weight(struct arena *a, struct settings *s, const char *field, const char *who,
		      uint16_t weight)
{
	struct setting *i = settings_add(a, s, CTL_IO, field, "io.bfq.weight",
					 arena_printf(a, "%s %u", who, weight));

	i->alt_file = "io.weight";
	i->alt_value =
		arena_printf(a, "%s %llu", who, (unsigned long long)convert_blkio_weight(weight));
}

static void throttle(struct arena *a, const struct oci_throttle_device *t, size_t n,
		     const char *field, const char *key, struct settings *s)
{
	for (size_t i = 0; i < n; i++) {
		unsigned long long rate = t[i].rate ? *t[i].rate : 0;
		char *v =
			arena_printf(a, "%lld:%lld %s=", (long long)(t[i].major ? *t[i].major : 0),
				     (long long)(t[i].minor ? *t[i].minor : 0), key);

		v = rate ? arena_printf(a, "%s%llu", v, rate) : arena_printf(a, "%smax", v);
		settings_add(a, s, CTL_IO, field, "io.max", v)->relax = rate == 0;
	}
}

static int block_io(struct arena *a, const struct oci_block_io *b, struct settings *s,
		    struct error *e)
{
	if (b->leaf_weight && *b->leaf_weight)
		return only_v1(e, F "blockIO.leafWeight");
	if (b->weight && *b->weight)
		io_weight(a, s, F "blockIO.weight", "default", *b->weight);
	for (size_t i = 0; i < b->weight_device_len; i++) {
		const struct oci_weight_device *w = &b->weight_device[i];

		if (w->leaf_weight && *w->leaf_weight)
			return only_v1(e, F "blockIO.weightDevice.leafWeight");
		if (w->weight && *w->weight)
			io_weight(a, s, F "blockIO.weightDevice",
				  arena_printf(a, "%lld:%lld",
					       (long long)(w->major ? *w->major : 0),
					       (long long)(w->minor ? *w->minor : 0)),
				  *w->weight);
	}
	throttle(a, b->read_bps, b->read_bps_len, F "blockIO.throttleReadBpsDevice", "rbps", s);
	throttle(a, b->write_bps, b->write_bps_len, F "blockIO.throttleWriteBpsDevice", "wbps", s);
	throttle(a, b->read_iops, b->read_iops_len, F "blockIO.throttleReadIOPSDevice", "riops", s);
	throttle(a, b->write_iops, b->write_iops_len, F "blockIO.throttleWriteIOPSDevice", "wiops",
		 s);
	return 0;
}

static int hugepages(struct arena *a, const struct oci_resources *r, struct settings *s,
		     struct error *e)
{
	for (size_t i = 0; i < r->hugepage_limits_len; i++) {
		const char *size = r->hugepage_limits[i].page_size;
		const uint64_t *limit = r->hugepage_limits[i].limit;
		char *v = arena_printf(a, "%llu", (unsigned long long)(limit ? *limit : 0));

		if (!size || !*size || strchr(size, '/'))
			return err_msg(e, F "hugepageLimits[%zu].pageSize: '%s' is not a page size",
				       i, size ? size : "");
		settings_add(a, s, CTL_HUGETLB, F "hugepageLimits",
			     arena_printf(a, "hugetlb.%s.max", size), v);
		/* Since Linux 5.7, and what mmap fails on instead of a SIGBUS later. */
		settings_add(a, s, CTL_HUGETLB, F "hugepageLimits",
			     arena_printf(a, "hugetlb.%s.rsvd.max", size), v)
			->optional = true;
	}
	return 0;
}

/* The keys are file names of the cgroup: one that could leave the directory is refused. A value of
 * several lines is written a line at a time, as such files expect it. */
static int unified(struct arena *a, const struct json_pair *p, size_t n, struct settings *s,
		   struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *dot = strchr(p[i].key, '.');
		const char *field = arena_printf(a, F "unified.%s", p[i].key);
		enum cgroup_ctl ctl = CTL_COUNT;
		char **lines;

		if (strchr(p[i].key, '/') || !dot || dot == p[i].key)
			return err_msg(e, F "unified: '%s' is not of the form CONTROLLER.PARAMETER",
				       p[i].key);
		for (int c = 0; c < CTL_COUNT; c++) {
			const char *name = ctl_name((enum cgroup_ctl)c, true);

			if (name && strlen(name) == (size_t)(dot - p[i].key) &&
			    strncmp(name, p[i].key, strlen(name)) == 0)
				ctl = (enum cgroup_ctl)c;
		}
		if (ctl == CTL_COUNT)
			ctl = CTL_CORE; /* a controller younger than this program: just try */
		lines = str_split(a, p[i].value ? p[i].value : "", '\n');
		for (size_t l = 0; lines[l]; l++)
			if (*lines[l] || !lines[1])
				settings_add(a, s, ctl, field, p[i].key, lines[l]);
	}
	return 0;
}

int settings_v2(struct arena *a, const struct oci_resources *r, const struct settings_now *now,
		struct settings *ret, struct error *e)
{
	struct settings s = { 0 };

	if (r->memory && memory(a, r->memory, now, &s, e) < 0)
		return -1;
	if (r->cpu && cpu(a, r->cpu, now, &s, e) < 0)
		return -1;
	if (r->pids && r->pids->limit)
		add_limit(a, &s, CTL_PIDS, F "pids.limit", "pids.max", *r->pids->limit);
	if (r->block_io && block_io(a, r->block_io, &s, e) < 0)
		return -1;
	if (hugepages(a, r, &s, e) < 0)
		return -1;
	if (r->network && r->network->class_id && *r->network->class_id)
		return only_v1(e, F "network.classID");
	if (r->network && r->network->priorities_len)
		return only_v1(e, F "network.priorities");
	for (size_t i = 0; i < r->rdma_len; i++) {
		const struct oci_rdma *d = &r->rdma[i];
		char *v = arena_strdup(a, d->key);

		if (d->hca_handles)
			v = arena_printf(a, "%s hca_handle=%u", v, *d->hca_handles);
		if (d->hca_objects)
			v = arena_printf(a, "%s hca_object=%u", v, *d->hca_objects);
		settings_add(a, &s, CTL_RDMA, F "rdma", "rdma.max", v);
	}
	if (unified(a, r->unified, r->unified_len, &s, e) < 0)
		return -1;
	*ret = s;
	return 0;
}
