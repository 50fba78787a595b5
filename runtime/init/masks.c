/*
 * Masked and read-only paths (runtime-spec config-linux.md). A file is covered with the host's
 * /dev/null, which is opened once and checked to be the 1:3 device (CVE-2025-31133: a container
 * that replaced its own /dev/null had any host path bound instead), a directory with an empty
 * read-only tmpfs. Missing paths are skipped, one listed twice is covered once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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

static int mask(const char *path, int rootfd, int *null_fd, struct error *e)
{
	_cleanup_fd_ int target = -1, tree = -1;
	struct stat st;
	int fd = path_try_open_in_root(rootfd, path, O_PATH, 0);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return 0;
	if (fd < 0)
		return err_sys(e, -fd, "mask %s", path);
	target = fd;
	if (fstat(target, &st) < 0)
		return err_sys(e, errno, "mask %s", path);
	if (S_ISDIR(st.st_mode)) {
		if (fchdir(target) < 0)
			return err_sys(e, errno, "mask %s: enter it", path);
		if (mount("tmpfs", ".", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  "size=0k,nr_inodes=1") < 0)
			return err_sys(e, errno, "mask %s", path);
		return 0;
	}
	if (*null_fd < 0 && (*null_fd = open_null(e)) < 0)
		return err_wrap(e, "mask %s", path);
	tree = sys_open_tree(*null_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(e, errno, "mask %s: clone /dev/null", path);
	if (sys_move_mount(tree, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mask %s", path);
	return 0;
}

static int make_readonly(const char *path, int rootfd, struct error *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_fd_ int target = -1, tree = -1;
	int fd = path_try_open_in_root(rootfd, path, O_PATH, 0);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return 0;
	if (fd < 0)
		return err_sys(e, -fd, "make %s read-only", path);
	target = fd;
	tree = sys_open_tree(target, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro) < 0 ||
	    sys_move_mount(tree, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "make %s read-only", path);
	return 0;
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
	_cleanup_fd_ int null_fd = -1;

	for (size_t i = 0; l->readonly_paths && l->readonly_paths[i]; i++)
		if (!listed_before(l->readonly_paths, i) &&
		    make_readonly(l->readonly_paths[i], rootfd, e) < 0)
			return -1;
	for (size_t i = 0; l->masked_paths && l->masked_paths[i]; i++)
		if (!listed_before(l->masked_paths, i) &&
		    mask(l->masked_paths[i], rootfd, &null_fd, e) < 0)
			return -1;
	return 0;
}
