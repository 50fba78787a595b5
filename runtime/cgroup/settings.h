/*
 * Resources of the specification turned into file names and values, for v1 and for v2. Pure: these
 * functions open nothing, so that every conversion is tested without a cgroup.
 *
 * runtime-spec config-linux.md ("Control groups"), kernel admin-guide/cgroup-v1 and cgroup-v2.
 * What v2 has no place for (swappiness, real-time, network classes, …) is refused by name.
 */
#ifndef MRUN_RUNTIME_CGROUP_SETTINGS_H
#define MRUN_RUNTIME_CGROUP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"

enum cgroup_ctl {
	CTL_CPU,
	CTL_CPUACCT,
	CTL_CPUSET,
	CTL_MEMORY,
	CTL_PIDS,
	CTL_IO, /* blkio on v1 */
	CTL_HUGETLB,
	CTL_RDMA,
	CTL_DEVICES,
	CTL_FREEZER,
	CTL_NET_CLS,
	CTL_NET_PRIO,
	CTL_PERF_EVENT,
	CTL_MISC,
	CTL_CORE, /* cgroup.* files: always there on v2 */
	CTL_COUNT,
};
/* The controller's name; NULL where that version has none of that name. */
const char *ctl_name(enum cgroup_ctl ctl, bool v2);

struct setting {
	enum cgroup_ctl ctl;
	const char *field; /* "linux.resources.memory.limit" */
	const char *file, *value;
	const char *alt_file, *alt_value; /* tried when FILE does not exist */
	bool relax;			  /* takes a limit away: needs no cgroup to be fulfilled */
	bool optional;			  /* a missing file is fine */
};
struct settings {
	struct setting *items;
	size_t n, cap;
};

/* What an update has to know of the present state; -2: unknown. */
struct settings_now {
	int64_t memory_limit; /* bytes, -1 for "max" */
	int64_t cpu_quota;    /* microseconds, -1 for "max" */
};

int settings_v1(struct arena *a, const struct oci_resources *r, struct settings *ret,
		struct error *e);
int settings_v2(struct arena *a, const struct oci_resources *r, const struct settings_now *now,
		struct settings *ret, struct error *e);
/* Bit set of the controllers that S needs; relaxing settings do not count. */
uint32_t settings_needed(const struct settings *s);
/* Appends; also the two versions' common parts (settings.c). */
struct setting *settings_add(struct arena *a, struct settings *s, enum cgroup_ctl ctl,
			     const char *field, const char *file, const char *value);

/* convert.c */

/* cpu.shares (2..262144, default 1024) to cpu.weight (1..10000, default 100): the conversion of
 * runc since 1.3.2 and crun since 1.23, 10^((l^2 + 125 l) / 612 - 7/34) with l = log2(shares),
 * rounded up (opencontainers/cgroups pull request 20). 0 stays 0, "not set". */
uint64_t convert_shares(uint64_t shares);
/* blkio weight (10..1000) to io.weight (1..10000), linear. 0 stays 0. */
uint64_t convert_blkio_weight(uint16_t weight);
/* v1's memory+swap to v2's swap alone. LIMIT: bytes, -1 unlimited, 0 unknown. *ret: -1 is "max",
 * -2 "leave it". */
int convert_swap(int64_t limit, int64_t swap, int64_t *ret, struct error *e);

#endif
