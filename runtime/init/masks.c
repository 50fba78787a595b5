/*
 * Masked and read-only paths (runtime-spec config-linux.md). A file is covered with the host's
 * /dev/null, which is opened once and checked to be the 1:3 device (CVE-2025-31133: a container
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
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"

static int open_null(struct error *e)
{
	_cleanup_fd_ int fd = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_msg(e, "/dev/null is not the null device");
	return fd_take(&fd);
}

/* What the paths of one container share. */
struct cover {
	int rootfd;
	int null_fd;   /* the host's /dev/null */
	int null_tree; /* a read-only clone of it that has no place yet */
	int proc_fd;   /* the container's /proc if that is a procfs */
	bool proc_tried;
	const char *tmpfs_data;
};

static int readonly_tree(int dir, const char *name, int flags)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	static bool no_attr;
	_cleanup_fd_ int tree = -1;

	flags |= (int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) | AT_RECURSIVE;
	if (!no_attr) {
		int fd = (int)syscall(SYS_open_tree_attr, dir, name, flags, &ro, sizeof(ro));

		if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
			return fd;
		no_attr = true; /* before Linux 6.15, or a filter that does not know it */
	}
	tree = sys_open_tree(dir, name, (unsigned)flags);
	if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro) < 0)
		return -1;
	return fd_take(&tree);
}

static int null_clone(struct cover *c, const char *path, struct error *e)
{
	if (c->null_tree >= 0)
		return 0;
	if (c->null_fd < 0 && (c->null_fd = open_null(e)) < 0)
		return err_wrap(e, "mask %s", path);
	c->null_tree = readonly_tree(c->null_fd, "", AT_EMPTY_PATH);
	return c->null_tree < 0 ? err_sys(e, errno, "mask %s: clone /dev/null", path) : 0;
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
		if (c->proc_fd >= 0 &&
		    (fstatfs(c->proc_fd, &s) < 0 || s.f_type != PROC_SUPER_MAGIC)) {
			fd_close(c->proc_fd);
			c->proc_fd = -1;
		}
	}
	return c->proc_fd >= 0 ? name : NULL;
}

static bool is_missing(int err)
{
	return err == ENOENT || err == ENOTDIR || err == EACCES;
}

static int mask_any(struct cover *c, const char *path, struct error *e)
{
	_cleanup_fd_ int target = -1;
	struct stat st;
	int fd = path_try_open_in_root(c->rootfd, path, O_PATH, 0);

	if (fd < 0)
		return is_missing(-fd) ? 0 : err_sys(e, -fd, "mask %s", path);
	target = fd;
	if (fstat(target, &st) < 0)
		return err_sys(e, errno, "mask %s", path);
	if (S_ISDIR(st.st_mode)) {
		if (fchdir(target) < 0)
			return err_sys(e, errno, "mask %s: enter it", path);
		if (mount("tmpfs", ".", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  c->tmpfs_data) < 0)
			return err_sys(e, errno, "mask %s", path);
		return 0;
	}
	if (null_clone(c, path, e) < 0)
		return -1;
	if (sys_move_mount(c->null_tree, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mask %s", path);
	fd_close(c->null_tree);
	c->null_tree = -1;
	return 0;
}

static int mask(struct cover *c, const char *path, struct error *e)
{
	const char *name = name_in_proc(c, path);

	if (!name)
		return mask_any(c, path, e);
	if (null_clone(c, path, e) < 0)
		return -1;
	if (sys_move_mount(c->null_tree, "", c->proc_fd, name, MOVE_MOUNT_F_EMPTY_PATH) == 0) {
		fd_close(c->null_tree);
		c->null_tree = -1;
		return 0;
	}
	/* A directory does not take a file. */
	return is_missing(errno) ? 0 : mask_any(c, path, e);
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
	struct cover c = { .rootfd = rootfd, .null_fd = -1, .null_tree = -1, .proc_fd = -1 };
	int r = 0;

	c.tmpfs_data = plan_mount_data(p, "size=0k,nr_inodes=1");
	for (size_t i = 0; r == 0 && l->readonly_paths && l->readonly_paths[i]; i++)
		if (!listed_before(l->readonly_paths, i))
			r = make_readonly(&c, l->readonly_paths[i], e);
	for (size_t i = 0; r == 0 && l->masked_paths && l->masked_paths[i]; i++)
		if (!listed_before(l->masked_paths, i))
			r = mask(&c, l->masked_paths[i], e);
	fd_closep(&c.null_fd);
	fd_closep(&c.null_tree);
	fd_closep(&c.proc_fd);
	return r;
}
