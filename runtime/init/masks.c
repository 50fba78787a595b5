/*
 * Masked and read-only paths (runtime-spec config-linux.md). A file is covered with the host's
 * /dev/null, which is checked to be the 1:3 device (CVE-2025-31133: a container
 * that replaced its own /dev/null had any host path bound instead) and is mounted read-only:
 * through a writable mount a container's root that is root outside, too, could change the device's
 * mode for the whole host. A directory is covered with an empty read-only tmpfs. Missing paths are
 * skipped, one listed twice is covered once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/tree.h"

/* What the paths of one container share. The first mask of each kind is made, the others are bind
 * mounts of it, by its name in /proc. */
struct cover {
	const struct init_plan *p;
	int rootfd;
	int null_tree;	      /* a read-only clone of the host's /dev/null that has no place yet */
	const char *null_at;  /* where it lies in the container's /proc, NULL: not there yet */
	const char *empty_at; /* the same for an empty directory */
	int proc_fd;	      /* the container's /proc if that is a procfs */
	const char *tmpfs_data;
	bool proc_tried, in_proc; /* in_proc: it is the working directory */
};

static int null_clone(struct cover *c, const char *path, struct error *e)
{
	if (c->null_tree < 0 && (c->null_tree = devices_null_clone(e)) < 0)
		return err_wrap(e, "mask %s", path);
	return 0;
}

/* Whether what lies on /proc is a procfs that we made. */
static bool proc_is_new(const struct init_plan *p)
{
	for (size_t i = p->mounts_len; i-- > 0;)
		if (str_eq(p->mounts[i].dest, "/proc"))
			return p->mounts[i].is_new && str_eq(p->mounts[i].fstype, "proc");
	return false;
}

/* Most paths are entries of /proc itself. Those of a procfs are the kernel's, and but for the four
 * below no links: PATH's name there needs no look at what it is before it is covered. */
static const char *name_in_proc(struct cover *c, const char *path)
{
	static const char *const links[] = { "self", "thread-self", "mounts", "net" };
	const char *name = path + strlen("/proc/");
	struct statfs s;

	if (!str_has_prefix(path, "/proc/") || !*name || *name == '.' || strchr(name, '/'))
		return NULL;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (str_eq(name, links[i]))
			return NULL;
	if (!c->proc_tried) {
		c->proc_tried = true;
		c->proc_fd = path_try_open_in_root(c->rootfd, "/proc", O_PATH | O_DIRECTORY, 0);
		if (c->proc_fd >= 0 && !proc_is_new(c->p) &&
		    (fstatfs(c->proc_fd, &s) < 0 || s.f_type != PROC_SUPER_MAGIC)) {
			fd_close(c->proc_fd);
			c->proc_fd = -1;
		}
	}
	return c->proc_fd >= 0 ? name : NULL;
}

static int enter_proc(struct cover *c, struct error *e)
{
	if (!c->in_proc && fchdir(c->proc_fd) < 0)
		return err_sys(e, errno, "enter the container's /proc");
	c->in_proc = true;
	return 0;
}

static bool is_missing(int err)
{
	return err == ENOENT || err == ENOTDIR || err == EACCES;
}

static int mount_empty(const struct cover *c, const char *target)
{
	return mount("tmpfs", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     c->tmpfs_data);
}

/* On the directory that TARGET is a descriptor of; -1 with errno. */
static int cover_dir(struct cover *c, int target)
{
	const char *place = path_of_fd(target);

	if (c->empty_at && c->in_proc && mount(c->empty_at, place, NULL, MS_BIND, NULL) == 0)
		return 0;
	if (mount_empty(c, place) == 0)
		return 0;
	/* No /proc around us: mounting on "." mounts on the directory that we are in. */
	if (errno != ENOENT || fchdir(target) < 0)
		return -1;
	c->in_proc = false;
	return mount_empty(c, ".");
}

static int mask_any(struct cover *c, const char *path, struct error *e)
{
	_cleanup_fd_ int target = -1;
	int fd = path_try_open_in_root(c->rootfd, path, O_PATH, 0);

	if (fd < 0)
		return is_missing(-fd) ? 0 : err_sys(e, -fd, "mask %s", path);
	target = fd;
	if (cover_dir(c, target) == 0)
		return 0;
	if (errno != ENOTDIR)
		return err_sys(e, errno, "mask %s", path);
	if (null_clone(c, path, e) < 0)
		return -1;
	if (sys_move_mount(c->null_tree, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mask %s", path);
	fd_close(c->null_tree);
	c->null_tree = -1;
	return 0;
}

/* An entry of the container's /proc, which is the working directory. A file first: most are. */
static int mask_in_proc(struct cover *c, const char *name, const char *path, struct error *e)
{
	if (c->null_at) {
		if (mount(c->null_at, name, NULL, MS_BIND, NULL) == 0)
			return 0;
		if (errno == ENOTDIR)
			errno = EINVAL; /* move_mount(2)'s word for it */
	} else {
		if (null_clone(c, path, e) < 0)
			return -1;
		if (sys_move_mount(c->null_tree, "", c->proc_fd, name, MOVE_MOUNT_F_EMPTY_PATH) ==
		    0) {
			fd_close(c->null_tree);
			c->null_tree = -1;
			c->null_at = name;
			return 0;
		}
	}
	if (errno != EINVAL)
		return is_missing(errno) ? 0 : err_sys(e, errno, "mask %s", path);
	if (c->empty_at ? mount(c->empty_at, name, NULL, MS_BIND, NULL) : mount_empty(c, name))
		return err_sys(e, errno, "mask %s", path);
	if (!c->empty_at)
		c->empty_at = name;
	return 0;
}

static int mask(struct cover *c, const char *path, struct error *e)
{
	const char *name = name_in_proc(c, path);

	if (!name)
		return mask_any(c, path, e);
	return enter_proc(c, e) < 0 ? -1 : mask_in_proc(c, name, path, e);
}

static int readonly_tree(int dir, const char *name, unsigned flags)
{
	const struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	return tree_clone(dir, name, flags | AT_RECURSIVE, &ro);
}

static int make_readonly(struct cover *c, const char *path, struct error *e)
{
	const char *name = name_in_proc(c, path);
	_cleanup_fd_ int target = -1, tree = -1;
	int r;

	if (name) {
		tree = readonly_tree(c->proc_fd, name, AT_SYMLINK_NOFOLLOW);
		r = tree < 0 ? -1
			     : sys_move_mount(tree, "", c->proc_fd, name, MOVE_MOUNT_F_EMPTY_PATH);
		if (r < 0 && is_missing(errno))
			return 0;
	} else {
		int fd = path_try_open_in_root(c->rootfd, path, O_PATH, 0);

		if (fd < 0)
			return is_missing(-fd) ? 0 : err_sys(e, -fd, "make %s read-only", path);
		target = fd;
		tree = readonly_tree(target, "", AT_EMPTY_PATH);
		r = tree < 0 ? -1
			     : sys_move_mount(tree, "", target, "",
					      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	}
	return r < 0 ? err_sys(e, errno, "make %s read-only", path) : 0;
}

static bool listed_before(char *const *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(list[k], list[i]))
			return true;
	return false;
}

int masks_apply(const struct init_plan *p, int rootfd, struct error *e)
{
	const struct oci_linux *l = p->spec->linux_;
	struct cover c = { .p = p, .rootfd = rootfd, .null_tree = p->null_tree, .proc_fd = -1 };
	int r = 0;

	c.tmpfs_data = plan_mount_data(p, "size=0k,nr_inodes=1");
	for (size_t i = 0; r == 0 && l->readonly_paths && l->readonly_paths[i]; i++)
		if (!listed_before(l->readonly_paths, i))
			r = make_readonly(&c, l->readonly_paths[i], e);
	for (size_t i = 0; r == 0 && l->masked_paths && l->masked_paths[i]; i++)
		if (!listed_before(l->masked_paths, i))
			r = mask(&c, l->masked_paths[i], e);
	fd_closep(&c.null_tree);
	fd_closep(&c.proc_fd);
	return r;
}
