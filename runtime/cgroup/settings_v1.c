/* Resources to the files of cgroup v1. See settings.h; the order within a controller does not
 * matter, as apply.c tries again what the kernel refuses because of another value. */
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/settings.h"

#define F "linux.resources."

/* 0 is "not given" for clients written in Go before the fields were pointers; negative: no limit.
 */
static void add_bytes(struct arena *a, struct settings *s, enum cgroup_ctl ctl, const char *field,
		      const char *file, const int64_t *v)
{
	if (v && *v)
		settings_add(a, s, ctl, field, file, arena_printf(a, "%lld", (long long)*v))
			->relax = *v < 0;
}

static void add_u64(struct arena *a, struct settings *s, enum cgroup_ctl ctl, const char *field,
		    const char *file, const uint64_t *v)
{
	if (v && *v)
		settings_add(a, s, ctl, field, file,
			     arena_printf(a, "%llu", (unsigned long long)*v));
}

static int memory(struct arena *a, const struct oci_memory *m, struct settings *s, struct error *e)
{
	static const int64_t unlimited = -1;
	const int64_t *swap = m->swap;

	/* kernel is deprecated in the specification and gone from the kernel: as runc does, it is
	 * taken and has no effect. */
	if (m->limit && *m->limit == -1 && (!swap || *swap == 0))
		swap = &unlimited;
	if (m->limit && swap && *m->limit > 0 && *swap > 0 && *swap < *m->limit)
		return err_msg(e,
			       F "memory.swap: %lld is less than memory.limit %lld; it is memory "
				 "and swap together",
			       (long long)*swap, (long long)*m->limit);
	add_bytes(a, s, CTL_MEMORY, F "memory.limit", "memory.limit_in_bytes", m->limit);
	add_bytes(a, s, CTL_MEMORY, F "memory.swap", "memory.memsw.limit_in_bytes", swap);
	if (swap && *swap == -1)
		s->items[s->n - 1].optional = true;
	add_bytes(a, s, CTL_MEMORY, F "memory.reservation", "memory.soft_limit_in_bytes",
		  m->reservation);
	add_bytes(a, s, CTL_MEMORY, F "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes",
		  m->kernel_tcp);
	if (m->swappiness) {
		/* Go clients send the whole range of uint64 for "-1, not set". */
		if (*m->swappiness <= 100)
			settings_add(a, s, CTL_MEMORY, F "memory.swappiness", "memory.swappiness",
				     arena_printf(a, "%u", (unsigned)*m->swappiness));
		else if (*m->swappiness != UINT64_MAX)
			return err_msg(e, F "memory.swappiness: %llu is not between 0 and 100",
				       (unsigned long long)*m->swappiness);
	}
	if (m->disable_oom_killer && *m->disable_oom_killer)
		settings_add(a, s, CTL_MEMORY, F "memory.disableOOMKiller", "memory.oom_control",
			     "1");
	if (m->use_hierarchy)
		settings_add(a, s, CTL_MEMORY, F "memory.useHierarchy", "memory.use_hierarchy",
			     *m->use_hierarchy ? "1" : "0");
	return 0;
}

static int cpu(struct arena *a, const struct oci_cpu *c, struct settings *s, struct error *e)
{
	/* The kernel would take the nearest that it has, and say nothing. */
	if (c->shares && *c->shares && (*c->shares < 2 || *c->shares > 262144))
		return err_msg(e, F "cpu.shares: %llu is not between 2 and 262144",
			       (unsigned long long)*c->shares);
	add_u64(a, s, CTL_CPU, F "cpu.shares", "cpu.shares", c->shares);
	/* Sorted so that the kernel accepts them at the first try where nothing was set before. */
	add_u64(a, s, CTL_CPU, F "cpu.realtimePeriod", "cpu.rt_period_us", c->realtime_period);
	add_bytes(a, s, CTL_CPU, F "cpu.realtimeRuntime", "cpu.rt_runtime_us", c->realtime_runtime);
	add_u64(a, s, CTL_CPU, F "cpu.period", "cpu.cfs_period_us", c->period);
	add_bytes(a, s, CTL_CPU, F "cpu.quota", "cpu.cfs_quota_us", c->quota);
	if (c->burst)
		settings_add(a, s, CTL_CPU, F "cpu.burst", "cpu.cfs_burst_us",
			     arena_printf(a, "%llu", (unsigned long long)*c->burst))
			->relax = *c->burst == 0;
	if (c->idle)
		settings_add(a, s, CTL_CPU, F "cpu.idle", "cpu.idle",
			     arena_printf(a, "%lld", (long long)*c->idle))
			->relax = *c->idle == 0;
	if (c->cpus && *c->cpus)
		settings_add(a, s, CTL_CPUSET, F "cpu.cpus", "cpuset.cpus", c->cpus);
	if (c->mems && *c->mems)
		settings_add(a, s, CTL_CPUSET, F "cpu.mems", "cpuset.mems", c->mems);
	return 0;
}

static void weight_device(struct arena *a, const struct oci_weight_device *w, struct settings *s)
{
	long long major = w->major ? *w->major : 0, minor = w->minor ? *w->minor : 0;

	if (w->weight && *w->weight) {
		char *v = arena_printf(a, "%lld:%lld %u", major, minor, *w->weight);
		struct setting *i = settings_add(a, s, CTL_IO, F "blockIO.weightDevice",
						 "blkio.bfq.weight_device", v);

		i->alt_file = "blkio.weight_device";
		i->alt_value = v;
	}
	if (w->leaf_weight && *w->leaf_weight)
		settings_add(a, s, CTL_IO, F "blockIO.weightDevice", "blkio.leaf_weight_device",
			     arena_printf(a, "%lld:%lld %u", major, minor, *w->leaf_weight));
}

static void throttle(struct arena *a, const struct oci_throttle_device *t, size_t n,
		     const char *field, const char *file, struct settings *s)
{
	for (size_t i = 0; i < n; i++) {
		unsigned long long rate = t[i].rate ? *t[i].rate : 0;

		settings_add(a, s, CTL_IO, field, file,
			     arena_printf(a, "%lld:%lld %llu",
					  (long long)(t[i].major ? *t[i].major : 0),
					  (long long)(t[i].minor ? *t[i].minor : 0), rate))
			->relax = rate == 0;
	}
}

static void block_io(struct arena *a, const struct oci_block_io *b, struct settings *s)
{
	if (b->weight && *b->weight) {
		char *v = arena_printf(a, "%u", *b->weight);
		struct setting *i =
			settings_add(a, s, CTL_IO, F "blockIO.weight", "blkio.bfq.weight", v);

		i->alt_file = "blkio.weight";
		i->alt_value = v;
	}
	if (b->leaf_weight && *b->leaf_weight)
		settings_add(a, s, CTL_IO, F "blockIO.leafWeight", "blkio.leaf_weight",
			     arena_printf(a, "%u", *b->leaf_weight));
	for (size_t i = 0; i < b->weight_device_len; i++)
		weight_device(a, &b->weight_device[i], s);
	throttle(a, b->read_bps, b->read_bps_len, F "blockIO.throttleReadBpsDevice",
		 "blkio.throttle.read_bps_device", s);
	throttle(a, b->write_bps, b->write_bps_len, F "blockIO.throttleWriteBpsDevice",
		 "blkio.throttle.write_bps_device", s);
	throttle(a, b->read_iops, b->read_iops_len, F "blockIO.throttleReadIOPSDevice",
		 "blkio.throttle.read_iops_device", s);
	throttle(a, b->write_iops, b->write_iops_len, F "blockIO.throttleWriteIOPSDevice",
		 "blkio.throttle.write_iops_device", s);
}

static void network(struct arena *a, const struct oci_network *n, struct settings *s)
{
	if (n->class_id && *n->class_id)
		settings_add(a, s, CTL_NET_CLS, F "network.classID", "net_cls.classid",
			     arena_printf(a, "%u", *n->class_id));
	for (size_t i = 0; i < n->priorities_len; i++)
		settings_add(
			a, s, CTL_NET_PRIO, F "network.priorities", "net_prio.ifpriomap",
			arena_printf(a, "%s %u", n->priorities[i].name ? n->priorities[i].name : "",
				     n->priorities[i].priority ? *n->priorities[i].priority : 0));
}

static void hugepages(struct arena *a, const struct oci_hugepage_limit *l, struct settings *s)
{
	char *v = arena_printf(a, "%llu", (unsigned long long)(l->limit ? *l->limit : 0));

	settings_add(a, s, CTL_HUGETLB, F "hugepageLimits",
		     arena_printf(a, "hugetlb.%s.limit_in_bytes", l->page_size), v);
	settings_add(a, s, CTL_HUGETLB, F "hugepageLimits",
		     arena_printf(a, "hugetlb.%s.rsvd.limit_in_bytes", l->page_size), v)
		->optional = true;
}

int settings_v1(struct arena *a, const struct oci_resources *r, struct settings *ret,
		struct error *e)
{
	struct settings s = { 0 };

	if (r->memory && memory(a, r->memory, &s, e) < 0)
		return -1;
	if (r->cpu && cpu(a, r->cpu, &s, e) < 0)
		return -1;
	if (r->pids && r->pids->limit)
		settings_add(a, &s, CTL_PIDS, F "pids.limit", "pids.max",
			     *r->pids->limit < 0
				     ? "max"
				     : arena_printf(a, "%lld", (long long)*r->pids->limit))
			->relax = *r->pids->limit < 0;
	if (r->block_io)
		block_io(a, r->block_io, &s);
	for (size_t i = 0; i < r->hugepage_limits_len; i++) {
		const char *size = r->hugepage_limits[i].page_size;

		if (!size || !*size || strchr(size, '/'))
			return err_msg(e, F "hugepageLimits[%zu].pageSize: '%s' is not a page size",
				       i, size ? size : "");
		hugepages(a, &r->hugepage_limits[i], &s);
	}
	if (r->network)
		network(a, r->network, &s);
	for (size_t i = 0; i < r->rdma_len; i++) {
		const struct oci_rdma *d = &r->rdma[i];
		char *v = arena_strdup(a, d->key);

		if (d->hca_handles)
			v = arena_printf(a, "%s hca_handle=%u", v, *d->hca_handles);
		if (d->hca_objects)
			v = arena_printf(a, "%s hca_object=%u", v, *d->hca_objects);
		settings_add(a, &s, CTL_RDMA, F "rdma", "rdma.max", v);
	}
	if (r->unified_len) {
		err_msg(e, F "unified: '%s' needs cgroup v2, and this host has v1",
			r->unified[0].key);
		return err_hint(e, "use the fields of linux.resources, or boot with "
				   "systemd.unified_cgroup_hierarchy=1");
	}
	*ret = s;
	return 0;
}
