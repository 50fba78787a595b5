/*
 * How a process gets into the container's cgroups: the first one is born into the v2 directory
 * (clone3), and goes into those of v1 by its own hand.
 *
 * Why by its own hand: moving another process waits for a grace period of the kernel's RCU in each
 * hierarchy (cgroup_threadgroup_rwsem), 4 to 8 ms for the nine of a hybrid host; a thread that
 * moves itself by writing 0 to v1's `tasks` takes no such lock, and nine moves cost 0.1 ms. v2 has
 * no such file (its cgroup.procs waits even then): there the clone is what is cheap, so a hybrid
 * host's v2 side is entered by clone3 as well.
 *
 * Security: the files are opened by the parent; v1 checks the rights of the one who opened
 * them, and the container never sees a descriptor of them (close-on-exec, closed in the child).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

bool cg_is_permission(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == EROFS;
}

/* Nothing was asked of H that only it can give. */
bool cg_dispensable(const struct hierarchy *h, uint32_t needed)
{
	return h->v2 ? needed == 0 : !(needed & h->ctls);
}

/* EINVAL may mean that the process is too young to be moved: as runc does, ask again. */
static int write_pid(const char *dir, const char *file, const char *pid)
{
	int r = -EINVAL;

	for (int tries = 0; tries < 5 && r == -EINVAL; tries++) {
		if (tries)
			cg_sleep_us(30000);
		r = cg_write(dir, file, pid);
	}
	return r;
}

static int attach_failed(const struct cgroup *cg, struct hierarchy *h, int errnum, struct error *e)
{
	struct settings s;
	struct error ignored;

	if (cg->rootless && cg_is_permission(errnum) &&
	    apply_settings(cg, cg->resources, true, &s, &ignored) == 0 &&
	    cg_dispensable(h, settings_needed(&s))) {
		if (h->state == HIER_MADE && rmdir(h->dir) == 0)
			hierarchy_remove_parents(h);
		h->state = HIER_ABSENT;
		return 0;
	}
	err_sys(e, errnum, "move the container into cgroup %s", h->dir);
	if (cg_is_permission(errnum))
		return cgroup_hint_delegate(cg, e);
	if (errnum == EBUSY)
		return err_hint(e, "it hands controllers to children, so that it can hold no "
				   "processes itself");
	return -1;
}

int cgroup_attach(const struct cgroup *cg, pid_t pid, bool cloned_into, struct error *e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];
		int r;

		if (!hierarchy_joined(h) || (h->v2 && cloned_into))
			continue;
		r = write_pid(h->dir, "cgroup.procs", text);
		if (r < 0 && attach_failed(cg, h, -r, e) < 0)
			return -1;
	}
	return 0;
}

int cgroup_join_open(const struct cgroup *cg, bool cloned_into, struct cgroup_join *ret,
		     struct error *e)
{
	struct settings s;

	*ret = (struct cgroup_join){ .cg = cg };
	if (cloned_into && cg->n == 1)
		return 0;
	/* Left out, the container would be in the caller's. */
	if (cg->n > CGROUP_JOIN_MAX)
		return err_msg(
			e,
			"move the container into its cgroups: %zu hierarchies, more than the "
			"%d that mrun knows to enter",
			cg->n, CGROUP_JOIN_MAX);
	if (apply_settings(cg, cg->resources, true, &s, e) < 0)
		return -1;
	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];
		int fd;

		if (!hierarchy_joined(h) || (h->v2 && cloned_into))
			continue;
		fd = cg_open(h->dir, h->v2 ? "cgroup.procs" : "tasks", O_WRONLY);
		if (fd < 0) {
			if (attach_failed(cg, h, errno, e) == 0)
				continue;
			cgroup_join_close(ret);
			return -1;
		}
		ret->which[ret->n] = (uint8_t)i;
		if (cg->rootless && cg_dispensable(h, settings_needed(&s)))
			ret->which[ret->n] |= CGROUP_JOIN_OPTIONAL;
		ret->fds[ret->n++] = fd;
	}
	return 0;
}

int cgroup_join_self(struct cgroup_join *j, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < j->n && r == 0; i++) {
		size_t which = j->which[i] & ~CGROUP_JOIN_OPTIONAL;
		bool optional = (j->which[i] & CGROUP_JOIN_OPTIONAL) != 0;

		if (write(j->fds[i], "0", 1) == 1 || (optional && cg_is_permission(errno)))
			continue;
		r = err_sys(e, errno, "move the container into cgroup %s",
			    which < j->cg->n ? j->cg->h[which].dir : "");
		if (cg_is_permission(e->code))
			cgroup_hint_delegate(j->cg, e);
	}
	cgroup_join_close(j);
	return r;
}

void cgroup_join_close(struct cgroup_join *j)
{
	for (size_t i = 0; i < j->n; i++)
		fd_close(j->fds[i]);
	j->n = 0;
}
