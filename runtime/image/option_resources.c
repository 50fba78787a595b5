/*
 * The options that limit a container, docker's names and rules, as linux.resources. Whether a limit
 * can be had is the cgroup's to find out; one that was asked for and cannot is an error there.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/image/options.h"

#define MIN_MEMORY (6 << 20) /* docker's: less does not start a program */
#define CPU_PERIOD 100000
#define NOT_GIVEN INT64_MIN

static const int64_t *new_i64(struct arena *a, int64_t v)
{
	int64_t *p = ARENA_NEW(a, int64_t);

	*p = v;
	return p;
}

static const uint64_t *new_u64(struct arena *a, uint64_t v)
{
	uint64_t *p = ARENA_NEW(a, uint64_t);

	*p = v;
	return p;
}

static int size_value(struct arena *a, const char *option, const char *s, const int64_t **ret,
		      struct error *e)
{
	int64_t v;

	if (!s)
		return 0;
	if (!str_to_size(s, &v) || v <= 0)
		return err_msg(e, "--%s '%s' is not a size as in 512m", option, s);
	*ret = new_i64(a, v);
	return 0;
}

/* v1 may have been booted without accounting for swap (swapaccount=0); v2 leaves the file out when
 * there is none, which counts as a limit that holds. */
static bool swap_is_counted(void)
{
	return access("/sys/fs/cgroup/memory", F_OK) < 0 ||
	       access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
}

static int memory_values(struct arena *a, const struct run_options *o, struct oci_resources *r,
			 struct error *e)
{
	struct oci_memory *m = ARENA_NEW(a, struct oci_memory);

	if (size_value(a, "memory", o->memory, &m->limit, e) < 0 ||
	    size_value(a, "memory-reservation", o->memory_reservation, &m->reservation, e) < 0)
		return -1;
	if (m->limit && *m->limit < MIN_MEMORY)
		return err_msg(e, "--memory '%s': at least 6m", o->memory);
	if (o->memory_swap && str_eq(o->memory_swap, "-1"))
		m->swap = new_i64(a, -1);
	else if (o->memory_swap && !str_eq(o->memory_swap, "0") &&
		 size_value(a, "memory-swap", o->memory_swap, &m->swap, e) < 0)
		return -1;
	if (m->swap && !m->limit)
		return err_msg(e, "--memory-swap needs --memory as well");
	if (m->swap && *m->swap >= 0 && *m->swap < *m->limit)
		return err_msg(e, "--memory-swap counts memory and swap together: it cannot be "
				  "below --memory");
	if (m->limit && m->reservation && *m->reservation > *m->limit)
		return err_msg(e, "--memory-reservation is above --memory");
	/* docker's default: as much swap as memory. */
	if (m->limit && !m->swap && *m->limit <= INT64_MAX / 2 && swap_is_counted())
		m->swap = new_i64(a, 2 * *m->limit);
	if (o->memory_swappiness != NOT_GIVEN && o->memory_swappiness != -1) {
		if (o->memory_swappiness < 0 || o->memory_swappiness > 100)
			return err_msg(e, "--memory-swappiness %lld is not between 0 and 100",
				       (long long)o->memory_swappiness);
		m->swappiness = new_u64(a, (uint64_t)o->memory_swappiness);
	}
	r->memory = m;
	return 0;
}

static int cpu_time(struct arena *a, const struct run_options *o, struct oci_cpu *c,
		    struct error *e)
{
	char *end;
	double v;

	if (o->cpus && (o->cpu_period > 0 || o->cpu_quota != NOT_GIVEN))
		return err_msg(e,
			       "--cpus is --cpu-period and --cpu-quota in one: give one of them");
	if (o->cpus) {
		v = strtod(o->cpus, &end);
		if (!isdigit((unsigned char)*o->cpus) || *end || !(v >= 0.01) || v > 8192)
			return err_msg(e, "--cpus '%s' is not a number of processors as in 1.5",
				       o->cpus);
		c->period = new_u64(a, CPU_PERIOD);
		c->quota = new_i64(a, (int64_t)(v * CPU_PERIOD + 0.5));
	}
	if (o->cpu_period > 0) {
		if (o->cpu_period < 1000 || o->cpu_period > 1000000)
			return err_msg(e,
				       "--cpu-period %lld is not between 1000 and 1000000 "
				       "microseconds",
				       (long long)o->cpu_period);
		c->period = new_u64(a, (uint64_t)o->cpu_period);
	}
	if (o->cpu_quota != NOT_GIVEN) {
		if (o->cpu_quota > 0 && o->cpu_quota < 1000)
			return err_msg(e, "--cpu-quota %lld is below 1000 microseconds",
				       (long long)o->cpu_quota);
		c->quota = new_i64(a, o->cpu_quota > 0 ? o->cpu_quota : -1);
	}
	return 0;
}

static int cpu_values(struct arena *a, const struct run_options *o, struct oci_resources *r,
		      struct error *e)
{
	struct oci_cpu *c = ARENA_NEW(a, struct oci_cpu);

	if (cpu_time(a, o, c, e) < 0)
		return -1;
	if (o->cpu_shares != -1) {
		if (o->cpu_shares < 0)
			return err_msg(e, "--cpu-shares %lld is negative",
				       (long long)o->cpu_shares);
		if (o->cpu_shares)
			c->shares = new_u64(a, (uint64_t)o->cpu_shares);
	}
	if ((o->cpuset_cpus && strspn(o->cpuset_cpus, "0123456789,-") != strlen(o->cpuset_cpus)) ||
	    (o->cpuset_mems && strspn(o->cpuset_mems, "0123456789,-") != strlen(o->cpuset_mems)))
		return err_msg(e, "--cpuset-cpus and --cpuset-mems take a list as in 0-2,4");
	c->cpus = o->cpuset_cpus ? arena_strdup(a, o->cpuset_cpus) : NULL;
	c->mems = o->cpuset_mems ? arena_strdup(a, o->cpuset_mems) : NULL;
	r->cpu = c;
	return 0;
}

/* DEVICE:RATE; BYTES: the rate is a size. */
static int throttle(struct arena *a, const char *option, const char *s, bool bytes,
		    struct oci_throttle_device *ret, struct error *e)
{
	const char *colon = strrchr(s, ':');
	const char *path = colon ? arena_strndup(a, s, (size_t)(colon - s)) : s;
	struct stat st;
	int64_t rate = 0;

	if (!colon || !(bytes ? str_to_size(colon + 1, &rate) : str_to_i64(colon + 1, &rate)) ||
	    rate <= 0)
		return err_msg(e, "--%s '%s' is not DEVICE:%s", option, s,
			       bytes ? "BYTES as in /dev/sda:1m" : "NUMBER as in /dev/sda:100");
	if (stat(path, &st) < 0)
		return err_sys(e, errno, "--%s: %s", option, path);
	if (!S_ISBLK(st.st_mode))
		return err_msg(e, "--%s: %s is not a block device", option, path);
	*ret = (struct oci_throttle_device){ .major = new_i64(a, major(st.st_rdev)),
					     .minor = new_i64(a, minor(st.st_rdev)),
					     .rate = new_u64(a, (uint64_t)rate) };
	return 0;
}

static int io_values(struct arena *a, const struct run_options *o, struct oci_resources *r,
		     struct error *e)
{
	struct oci_block_io *io = ARENA_NEW(a, struct oci_block_io);
	const struct {
		const char *option;
		const struct strlist *given;
		bool bytes;
		struct oci_throttle_device **items;
		size_t *n;
	} kinds[] = {
		{ "device-read-bps", &o->device_read_bps, true, &io->read_bps, &io->read_bps_len },
		{ "device-write-bps", &o->device_write_bps, true, &io->write_bps,
		  &io->write_bps_len },
		{ "device-read-iops", &o->device_read_iops, false, &io->read_iops,
		  &io->read_iops_len },
		{ "device-write-iops", &o->device_write_iops, false, &io->write_iops,
		  &io->write_iops_len },
	};

	if (o->blkio_weight) {
		uint16_t *w = ARENA_NEW(a, uint16_t);

		if (o->blkio_weight < 10 || o->blkio_weight > 1000)
			return err_msg(e, "--blkio-weight %lld is not between 10 and 1000",
				       (long long)o->blkio_weight);
		*w = (uint16_t)o->blkio_weight;
		io->weight = w;
		r->block_io = io;
	}
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		*kinds[k].items = ARENA_ARRAY(a, kinds[k].given->n + 1, struct oci_throttle_device);
		for (size_t i = 0; i < kinds[k].given->n; i++) {
			if (throttle(a, kinds[k].option, kinds[k].given->items[i], kinds[k].bytes,
				     &(*kinds[k].items)[i], e) < 0)
				return -1;
			*kinds[k].n = i + 1;
			r->block_io = io;
		}
	}
	return 0;
}

int value_resources(struct arena *a, const struct run_options *o, struct oci_resources **ret,
		    struct error *e)
{
	struct oci_resources *r = ARENA_NEW(a, struct oci_resources);

	if ((o->memory || o->memory_reservation || o->memory_swap ||
	     (o->memory_swappiness != NOT_GIVEN && o->memory_swappiness != -1)) &&
	    memory_values(a, o, r, e) < 0)
		return -1;
	if ((o->cpus || o->cpu_shares != -1 || o->cpuset_cpus || o->cpuset_mems ||
	     o->cpu_period > 0 || o->cpu_quota != NOT_GIVEN) &&
	    cpu_values(a, o, r, e) < 0)
		return -1;
	if (o->pids_limit != NOT_GIVEN) {
		r->pids = ARENA_NEW(a, struct oci_pids);
		r->pids->limit = new_i64(a, o->pids_limit > 0 ? o->pids_limit : -1);
	}
	if (io_values(a, o, r, e) < 0)
		return -1;
	*ret = r->memory || r->cpu || r->pids || r->block_io ? r : NULL;
	return 0;
}
