/* See volumes.h. The paths are the image author's: each is resolved beneath the root to a
 * descriptor and bound by it (CVE-2022-23648). */
#include "runtime/init/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "runtime/init/syscalls.h"

int volumes_make(int rootfd, char *const *paths, bool read_only, struct error *e)
{
	for (; paths && *paths; paths++) {
		_cleanup_fd_ int dir = path_mkdirs_in_root(rootfd, *paths, 0755, e);
		_cleanup_fd_ int tree = -1;

		if (dir < 0)
			return err_wrap(e, "make the volume %s", *paths);
		if (!read_only)
			continue;
		tree = sys_open_tree(dir, "",
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
					     AT_RECURSIVE);
		if (tree < 0 ||
		    sys_move_mount(tree, "", dir, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return err_sys(e, errno, "mount the volume %s", *paths);
	}
	return 0;
}
