/* A mount of type cgroup: on v2 the hierarchy itself (the cgroup namespace makes it the container's
 * part), on v1 a tmpfs with one mount a hierarchy and the links that people expect (cpu -> …). */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/tree.h"

static unsigned long fs_flags(const struct mount_plan *m)
{
	return (m->flags & ~(unsigned long)(MS_BIND | MS_REC)) | MS_NOSUID | MS_NODEV | MS_NOEXEC;
}

/* Binds PATH of the host onto the directory TARGET, with the mount's flags. */
static int bind_dir(const struct mount_plan *m, const char *path, int target, struct error *e)
{
	struct mount_attr attr = { .attr_set = m->attr_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC };
	_cleanup_fd_ int tree = tree_clone(AT_FDCWD, path, AT_RECURSIVE, &attr);

	if (tree < 0)
		return err_sys(e, errno, "mount %s: open %s", m->dest, path);
	if (sys_move_mount(tree, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount %s from %s", m->dest, path);
	return 0;
}

static int mount_unified(const struct init_plan *p, const struct mount_plan *m,
			 const struct cgroup_hierarchy *h, int target, struct error *e)
{
	bool own_ns = ((p->late_flags | p->clone_flags) & CLONE_NEWCGROUP) != 0;

	if (own_ns) {
		if (tree_mount("cgroup", target, "cgroup2", fs_flags(m), NULL) == 0)
			return 0;
		if (errno != EPERM && errno != EBUSY)
			return err_sys(e, errno, "mount %s (cgroup2)", m->dest);
	}
	return bind_dir(m, arena_printf(p->arena, "%s%s", h->mount_point, h->path), target, e);
}

static int mount_v1(const struct init_plan *p, const struct mount_plan *m,
		    const struct cgroup_hierarchy *h, int dir, struct error *e)
{
	bool own_ns = ((p->late_flags | p->clone_flags) & CLONE_NEWCGROUP) != 0;
	_cleanup_fd_ int target = -1;
	bool unified = !*h->options;

	if (mkdirat(dir, h->name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "mount %s: make %s", m->dest, h->name);
	target = openat(dir, h->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return err_sys(e, errno, "mount %s: open %s", m->dest, h->name);
	if (own_ns && tree_mount("cgroup", target, unified ? "cgroup2" : "cgroup", fs_flags(m),
				 unified ? NULL : h->options) == 0)
		return 0;
	if (bind_dir(m, arena_printf(p->arena, "%s%s", h->mount_point, h->path), target, e) < 0)
		return e->code == ENOENT || e->code == EACCES ? 0 : -1;
	return 0;
}

/* "cpu,cpuacct" is also found as cpu and as cpuacct. */
static int link_parts(const struct init_plan *p, const char *name, int dir, struct error *e)
{
	char **parts;

	if (!strchr(name, ','))
		return 0;
	for (parts = str_split(p->arena, name, ','); *parts; parts++)
		if (symlinkat(name, dir, *parts) < 0 && errno != EEXIST)
			return err_sys(e, errno, "link the cgroup %s", *parts);
	return 0;
}

/* The image mode without a cgroup of its own (no limit was asked for): on v2 there is one mount to
 * make; a dozen of v1's, which would only show the host's root, are not worth their time. */
static int mount_without_own(const struct init_plan *p, const struct mount_plan *m, int target,
			     struct error *e)
{
	const struct cgroup_hierarchy v2 = { .mount_point = "/sys/fs/cgroup", .path = "" };
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return 0;
	return mount_unified(p, m, &v2, target, e);
}

int mounts_cgroup(const struct init_plan *p, const struct mount_plan *m, int rootfd,
		  struct error *e)
{
	_cleanup_fd_ int target = path_mkdirs_in_root(rootfd, m->dest, 0755, e), dir = -1;
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (target < 0)
		return err_wrap(e, "mount %s", m->dest);
	if (!p->cgroups && !p->options->bundle)
		return mount_without_own(p, m, target, e);
	if (!p->cgroups || !p->cgroups->len) {
		struct mount_plan shown = *m;

		/* --cgroup-manager disabled, or no cgroups on this host: what is there is shown.
		 * It is the host's, or the caller's own part of it, and not to be written to
		 * (CVE-2023-25809). */
		if (access("/sys/fs/cgroup", F_OK) != 0)
			return 0;
		shown.attr_set |= MOUNT_ATTR_RDONLY;
		return bind_dir(&shown, "/sys/fs/cgroup", target, e);
	}
	if (p->cgroups->unified)
		return mount_unified(p, m, &p->cgroups->hierarchies[0], target, e);
	if (tree_mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0)
		return err_sys(e, errno, "mount %s (tmpfs)", m->dest);
	dir = path_open_in_root(rootfd, m->dest, O_RDONLY | O_DIRECTORY, 0, e);
	if (dir < 0)
		return -1;
	for (size_t i = 0; i < p->cgroups->len; i++)
		if (mount_v1(p, m, &p->cgroups->hierarchies[i], dir, e) < 0 ||
		    link_parts(p, p->cgroups->hierarchies[i].name, dir, e) < 0)
			return -1;
	if ((m->flags & MS_RDONLY) && sys_mount_setattr(dir, "", AT_EMPTY_PATH, &ro) < 0)
		return err_sys(e, errno, "make %s read-only", m->dest);
	return 0;
}
