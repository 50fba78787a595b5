/* What v1's and v2's settings have in common. See settings.h. */
#include "runtime/cgroup/settings.h"

#include <string.h>

static const struct {
	const char *v1, *v2;
} names[CTL_COUNT] = {
	[CTL_CPU] = { "cpu", "cpu" },
	[CTL_CPUACCT] = { "cpuacct", NULL },
	[CTL_CPUSET] = { "cpuset", "cpuset" },
	[CTL_MEMORY] = { "memory", "memory" },
	[CTL_PIDS] = { "pids", "pids" },
	[CTL_IO] = { "blkio", "io" },
	[CTL_HUGETLB] = { "hugetlb", "hugetlb" },
	[CTL_RDMA] = { "rdma", "rdma" },
	[CTL_DEVICES] = { "devices", NULL },
	[CTL_FREEZER] = { "freezer", NULL },
	[CTL_NET_CLS] = { "net_cls", NULL },
	[CTL_NET_PRIO] = { "net_prio", NULL },
	[CTL_PERF_EVENT] = { "perf_event", "perf_event" },
	[CTL_MISC] = { "misc", "misc" },
	[CTL_CORE] = { NULL, "cgroup" },
};

const char *ctl_name(enum cgroup_ctl ctl, bool v2)
{
	return v2 ? names[ctl].v2 : names[ctl].v1;
}

struct setting *settings_add(struct arena *a, struct settings *s, enum cgroup_ctl ctl,
			     const char *field, const char *file, const char *value)
{
	struct setting *item;

	if (s->n == s->cap) {
		struct setting *bigger;

		s->cap = s->cap ? s->cap * 2 : 16;
		bigger = ARENA_ARRAY(a, s->cap, struct setting);
		if (s->n)
			memcpy(bigger, s->items, s->n * sizeof(*bigger));
		s->items = bigger;
	}
	item = &s->items[s->n++];
	*item = (struct setting){ .ctl = ctl, .field = field, .file = file, .value = value };
	return item;
}

uint32_t settings_needed(const struct settings *s)
{
	uint32_t r = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->items[i].relax)
			r |= 1u << s->items[i].ctl;
	return r;
}
