/*
 * See oom.h. Who is killed gets a SIGKILL like any other, and an exit code of 137 says nothing of
 * the reason; the cgroup counts what the OOM killer did to it (admin-guide/cgroup-v2,
 * memory.events).
 */
#include "runtime/container/oom.h"

#include <signal.h>
#include <stdio.h>

#include "runtime/container/log.h"

/* " (limit 20 MiB)": in the largest unit that keeps it exact. */
static char *limit_text(struct arena *a, const struct cgroup *cg)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	int64_t limit = cgroup_memory_limit(cg);
	size_t unit = 0;

	if (limit < 0)
		return arena_printf(a, " (the container has no limit of its own)");
	for (; limit >= 1024 && limit % 1024 == 0 && unit < 4; unit++)
		limit /= 1024;
	return arena_printf(a, " (limit %lld %s)", (long long)limit, units[unit]);
}

void oom_report(struct cmd_context *c, const struct cgroup *cg, const char *id, int code)
{
	int64_t n = cg ? cgroup_oom_kills(cg) : 0;
	bool killed = code == 128 + SIGKILL, likely = n < 0 && killed && cgroup_oom_likely(cg);
	char *text;

	if (n <= 0 && !likely)
		return;
	text = arena_printf(c->arena, "container %s: ", id);
	if (killed)
		text = arena_printf(c->arena, "%skilled: %sout of memory%s", text,
				    likely ? "most likely " : "", limit_text(c->arena, cg));
	else
		text = arena_printf(c->arena,
				    "%sout of memory%s: the kernel killed %lld of its processes",
				    text, limit_text(c->arena, cg), (long long)n);
	fprintf(stderr, "mrun: %s\n", text);
	log_line(c, "warning", text);
}

void oom_explain(const struct cgroup *cg, struct error *e)
{
	struct arena a = { 0 };

	if (cg && cgroup_oom_kills(cg) > 0) {
		err_msg(e, "start the container: its first process was killed: out of memory%s",
			limit_text(&a, cg));
		err_hint(e, "give linux.resources.memory.limit, or --memory, more");
	}
	arena_free(&a);
}
