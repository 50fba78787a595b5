/*
 * Freezing and thawing. v1's freezer walks the tasks once and can miss one that forks meanwhile
 * (cgroup-v1/freezer-subsystem, state FREEZING): it is asked again, and now and then thawed in
 * between, as runc found to be needed. v2 keeps at it by itself and says when all are frozen in
 * cgroup.events, which can be polled. Either way it ends after a while, and a cgroup that would not
 * freeze is left thawed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

#define PAUSE_MS 10000
#define V1_STEP_US 500
#define V1_THAW_EVERY 100

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct hierarchy *freezer(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find(cg, CTL_FREEZER);

	if (!h || !hierarchy_joined(h))
		h = cg_find_v2(cg);
	return h && hierarchy_joined(h) ? h : NULL;
}

static int freeze_v1(const char *dir, int timeout_ms, struct error *e)
{
	int64_t end = now_ms() + timeout_ms;
	char state[32];

	for (unsigned i = 1; now_ms() < end; i++) {
		int r;

		if (i % V1_THAW_EVERY == 0) {
			cg_write(dir, "freezer.state", "THAWED");
			cg_sleep_us(V1_STEP_US);
		}
		r = cg_write(dir, "freezer.state", "FROZEN");
		if (r < 0)
			return err_sys(e, -r, "freeze cgroup %s", dir);
		if (cg_read(dir, "freezer.state", state, sizeof(state)) > 0 &&
		    str_eq(state, "FROZEN"))
			return 0;
		cg_sleep_us(V1_STEP_US);
	}
	cg_write(dir, "freezer.state", "THAWED");
	return err_sys(e, ETIMEDOUT, "freeze cgroup %s", dir);
}

/* Waits for "frozen 1" in cgroup.events. */
static int wait_frozen(const char *dir, int timeout_ms, struct error *e)
{
	char path[PATH_MAX], buf[256];
	int64_t end = now_ms() + timeout_ms;
	int n = snprintf(path, sizeof(path), "%s/cgroup.events", dir);
	_cleanup_fd_ int fd =
		n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return err_sys(e, errno, "open cgroup.events of cgroup %s", dir);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		int64_t left = end - now_ms();
		ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);
		char *line;

		if (len < 0)
			return err_sys(e, errno, "read cgroup.events of cgroup %s", dir);
		buf[len] = 0;
		line = strstr(buf, "frozen ");
		if (line && line[7] == '1')
			return 0;
		if (left <= 0)
			return err_sys(e, ETIMEDOUT, "wait until cgroup %s is frozen", dir);
		poll(&p, 1, (int)left);
	}
}

static int freeze_v2(const char *dir, int timeout_ms, struct error *e)
{
	int r = cg_write(dir, "cgroup.freeze", "1");

	if (r < 0)
		return err_sys(e, -r, "freeze cgroup %s", dir);
	if (wait_frozen(dir, timeout_ms, e) < 0) {
		cg_write(dir, "cgroup.freeze", "0");
		return -1;
	}
	return 0;
}

int cg_freeze(const struct cgroup *cg, bool frozen, int timeout_ms, struct error *e)
{
	const struct hierarchy *h = freezer(cg);
	int r;

	if (!h) {
		err_msg(e, "%s the container: it has no cgroup with a freezer",
			frozen ? "pause" : "resume");
		return cg->rootless ? cgroup_hint_delegate(cg, e) : -1;
	}
	if (frozen)
		return h->v2 ? freeze_v2(h->dir, timeout_ms, e) : freeze_v1(h->dir, timeout_ms, e);
	r = cg_write(h->dir, h->v2 ? "cgroup.freeze" : "freezer.state", h->v2 ? "0" : "THAWED");
	if (r < 0)
		return err_sys(e, -r, "thaw cgroup %s", h->dir);
	return 0;
}

int cgroup_freeze(const struct cgroup *cg, bool frozen, struct error *e)
{
	return cg_freeze(cg, frozen, PAUSE_MS, e);
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	const struct hierarchy *h = freezer(cg);
	char buf[32];

	if (!h || cg_read(h->dir, h->v2 ? "cgroup.freeze" : "freezer.state", buf, sizeof(buf)) <= 0)
		return false;
	return h->v2 ? *buf == '1' : !str_eq(buf, "THAWED");
}
