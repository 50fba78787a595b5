/*
 * What the kernel's OOM killer did to the container (admin-guide/cgroup-v2, memory.events).
 *
 * systemd removes a scope's cgroup as soon as its last process has ended, and may do so before we
 * are told of that end: with the cgroup goes its count. The counts of the cgroups above it include
 * it, so those are noted when a container with a limit starts. Other containers count there, too:
 * likely is all that can be said from them.
 */
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

struct cgroup_above {
	const char *dir;
	uint64_t oom_kills; /* when the container started */
};

static const struct hierarchy *memory_hierarchy(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find(cg, CTL_MEMORY);

	if (!h)
		h = cg_find_v2(cg);
	return h && hierarchy_joined(h) ? h : NULL;
}

int64_t cgroup_oom_kills(const struct cgroup *cg)
{
	const struct hierarchy *h = memory_hierarchy(cg);
	uint64_t n;

	if (!h ||
	    !cg_read_key(h->dir, h->v2 ? "memory.events" : "memory.oom_control", "oom_kill", &n))
		return -1;
	return (int64_t)n;
}

static bool asked_limit(const struct cgroup *cg, int64_t *ret)
{
	const struct oci_memory *m = cg->resources ? cg->resources->memory : NULL;

	if (!m || !m->limit || *m->limit <= 0)
		return false;
	*ret = *m->limit;
	return true;
}

void cg_oom_watch(struct cgroup *cg)
{
	const struct hierarchy *h = memory_hierarchy(cg);
	int64_t limit;
	size_t n = 0;

	/* v1's counts are of one cgroup each. */
	if (!h || !h->v2 || !asked_limit(cg, &limit))
		return;
	for (const char *p = h->path; *p; p++)
		n += *p == '/';
	cg->above = ARENA_ARRAY(cg->arena, n, struct cgroup_above);
	for (const char *p = layout_parent(cg->arena, h->path); !str_eq(p, "/");
	     p = layout_parent(cg->arena, p)) {
		struct cgroup_above *above = &cg->above[cg->above_len];

		above->dir = hierarchy_dir(cg->arena, h, p);
		if (cg_read_key(above->dir, "memory.events", "oom_kill", &above->oom_kills))
			cg->above_len++;
	}
}

bool cgroup_oom_likely(const struct cgroup *cg)
{
	uint64_t now;

	/* The nearest that is still there: an empty slice goes as well. */
	for (size_t i = 0; i < cg->above_len; i++)
		if (cg_read_key(cg->above[i].dir, "memory.events", "oom_kill", &now))
			return now > cg->above[i].oom_kills;
	return false;
}

/* v1's "no limit": LONG_MAX rounded down to a page. */
#define V1_NO_LIMIT 0x7ffffffffffff000

int64_t cgroup_memory_limit(const struct cgroup *cg)
{
	const struct hierarchy *h = memory_hierarchy(cg);
	char text[32];
	int64_t v;

	if (!h)
		return -1;
	if (cg_read(h->dir, h->v2 ? "memory.max" : "memory.limit_in_bytes", text, sizeof(text)) <=
	    0)
		return asked_limit(cg, &v) ? v : -1;
	/* "max" is no number. */
	return str_to_i64(text, &v) && (h->v2 || v < V1_NO_LIMIT) ? v : -1;
}
