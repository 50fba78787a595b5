/*
 * mrun events: what a container uses, once or again and again, and when the kernel killed one of
 * its processes for want of memory. A line of JSON each, in runc's shape, which containerd and
 * cAdvisor read. It ends when the container does.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/options.h"
#include "runtime/container/state.h"

#define LOOK_MS                                                                           \
	200 /* how often for OOM kills: the kernel tells of them differently on v1 and v2 \
	     */

struct events_args {
	const char *interval;
	bool stats;
};
static const struct opt events_opts[] = {
	{ "interval", 0, OPT_STR, offsetof(struct events_args, interval), "TIME",
	  "how often, as in 5s, 500ms or 1m30s" },
	{ "stats", 0, OPT_BOOL, offsetof(struct events_args, stats), NULL,
	  "print the statistics once" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec events_spec = {
	.command = "events",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "print statistics and out-of-memory events of a container",
	.opts = events_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

/* One "1.5h" of a duration; *TEXT moves behind it. */
static bool parse_part(const char **text, double *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ns", 1e-6 }, { "us", 1e-3 }, { "µs", 1e-3 }, { "ms", 1 },
		      { "s", 1e3 },   { "m", 60e3 },  { "h", 3600e3 } };
	char *end = NULL;
	double v;

	if (**text < '0' || **text > '9')
		return false;
	v = strtod(*text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(end, units[i].name, len) == 0 &&
		    (!end[len] || (end[len] >= '0' && end[len] <= '9'))) {
			*ret_ms = v * units[i].ms;
			*text = end + len;
			return true;
		}
	}
	return false;
}

/* A duration as Go writes it; milliseconds, at least 1; -1 with E. */
static int64_t parse_interval(const char *text, struct error *e)
{
	const char *p = text;
	double total = 0, part;

	while (*p && !str_eq(text, "0")) { /* the one number that needs no unit */
		if (!parse_part(&p, &part))
			return err_msg(e, "events: --interval: '%s' is not a duration such as 5s",
				       text);
		total += part;
	}
	if (!(total > 0) || total > 1e12)
		return err_msg(e, "duration interval must be greater than 0");
	return total < 1 ? 1 : (int64_t)total;
}

/* Memory of its own: the command may run for weeks. */
static int print_stats(const struct container *ct, struct error *e)
{
	struct arena a = { 0 };
	struct json_out *o = json_out_new(&a, false);
	struct cgroup *cg;
	int r = -1;

	json_out_object(o);
	json_out_kstr(o, "type", "stats");
	json_out_kstr(o, "id", ct->id);
	json_out_str(o, "data");
	cg = cgroup_restore(&a, ct->record->cgroup, e);
	if (cg && cgroup_stats(&a, cg, o, e) == 0) {
		json_out_object_end(o);
		puts(json_out_finish(o, NULL));
		r = format_flush(e);
	}
	arena_free(&a);
	return r;
}

static int print_ooms(const struct container *ct, const struct cgroup *cg, int64_t *seen,
		      struct error *e)
{
	int64_t now = cgroup_oom_kills(cg);

	for (; *seen >= 0 && now > *seen; ++*seen)
		printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", ct->id);
	if (now >= 0)
		*seen = now;
	return format_flush(e);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int watch(struct arena *a, const struct container *ct, int64_t interval, struct error *e)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, ct->pid, 0);
	struct cgroup *cg = cgroup_restore(a, ct->record->cgroup, e);
	int64_t next = now_ms() + interval, ooms;

	if (!cg)
		return -1;
	ooms = cgroup_oom_kills(cg);
	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		int64_t left = next - now_ms();
		bool ended;

		if (left > 0)
			poll(&p, 1, (int)(left < LOOK_MS ? left : LOOK_MS));
		ended = state_process_start_time(ct->pid) != ct->start_time;
		if (print_ooms(ct, cg, &ooms, e) < 0)
			return -1;
		if (ended)
			return 0;
		if (now_ms() < next)
			continue;
		if (print_stats(ct, e) < 0)
			return state_process_start_time(ct->pid) != ct->start_time ? 0 : -1;
		next += interval;
	}
}

int cmd_events(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct events_args args = { .interval = "5s" };
	struct container ct;
	int64_t interval;
	const char *root;
	char **rest;
	int n, r = opt_parse(c->arena, &events_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	interval = parse_interval(args.interval, e);
	root = interval < 0 ? NULL : state_root(c, false, e);
	if (!root || state_peek(c->arena, root, rest[0], &ct, e) < 0)
		return -1;
	if (state_status(c->arena, &ct, false) == STATUS_STOPPED)
		return err_msg(e, "container with id %s is not running", ct.id);
	if (!ct.record->cgroup)
		return err_msg(e, "events of container %s: it has no cgroup", ct.id);
	r = args.stats ? print_stats(&ct, e) : watch(c->arena, &ct, interval, e);
	state_close(&ct);
	return r;
}
