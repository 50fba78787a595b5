/*
 * The container's directory in one v1 hierarchy. A fresh cpuset has no processors and no memory
 * nodes, and nothing can be put into it before it has: it is filled from its parent, from the top
 * down.
 */
#include <errno.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

/* A cpuset as the kernel prints it may be long (1-3,5,7,…): as much as the kernel's own page. */
#define CPUSET_MAX 4096

static int cpuset_copy(const char *parent, const char *dir, const char *file, struct error *e)
{
	char buf[CPUSET_MAX];
	ssize_t n = cg_read(dir, file, buf, sizeof(buf));
	int r;

	if (n > 0)
		return 0;
	if (n == 0)
		n = cg_read(parent, file, buf, sizeof(buf));
	if (n < 0)
		return err_sys(e, (int)-n, "read %s of cgroup %s", file, n ? dir : parent);
	r = cg_write(dir, file, buf);
	return r < 0 ? err_sys(e, -r, "write '%s' to %s/%s", buf, dir, file) : 0;
}

static int cpuset_fill(struct cgroup *cg, const struct hierarchy *h, const char *path,
		       struct error *e)
{
	char buf[CPUSET_MAX];
	const char *dir = arena_printf(cg->arena, "%s%s", h->mount, path), *parent, *up;

	if (str_eq(path, "/"))
		return 0;
	if (cg_read(dir, "cpuset.cpus", buf, sizeof(buf)) > 0 &&
	    cg_read(dir, "cpuset.mems", buf, sizeof(buf)) > 0)
		return 0;
	up = layout_parent(cg->arena, path);
	if (cpuset_fill(cg, h, up, e) < 0)
		return -1;
	parent = arena_printf(cg->arena, "%s%s", h->mount, str_eq(up, "/") ? "" : up);
	if (cpuset_copy(parent, dir, "cpuset.cpus", e) < 0)
		return -1;
	return cpuset_copy(parent, dir, "cpuset.mems", e);
}

int v1_create(struct cgroup *cg, struct hierarchy *h, struct error *e)
{
	if (hierarchy_mkdir(cg, h, e) < 0)
		return -1;
	if (h->ctls & 1u << CTL_CPUSET)
		return cpuset_fill(cg, h, h->path, e);
	return 0;
}
