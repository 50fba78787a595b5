/* See tree.h. */
#include "runtime/init/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "runtime/init/syscalls.h"

int tree_clone(int dir, const char *name, unsigned flags, const struct mount_attr *attr)
{
	static bool missing;
	_cleanup_fd_ int tree = -1;

	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	if (!missing) {
		int fd = (int)syscall(SYS_open_tree_attr, dir, name, flags, attr, sizeof(*attr));

		if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
			return fd;
		missing = true; /* before Linux 6.15, or a filter that does not know it */
	}
	tree = sys_open_tree(dir, name, flags);
	if (tree < 0 ||
	    sys_mount_setattr(tree, "", AT_EMPTY_PATH | (flags & AT_RECURSIVE), attr) < 0)
		return -1;
	return fd_take(&tree);
}

int tree_mount(const char *source, int target, const char *type, unsigned long flags,
	       const char *data)
{
	if (mount(source, path_of_fd(target), type, flags, data) == 0)
		return 0;
	/* Without a /proc there is the longer way, for directories. */
	if (errno != ENOENT || fchdir(target) < 0)
		return -1;
	return mount(source, ".", type, flags, data);
}
