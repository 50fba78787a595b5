/* Detached copies of mounts, and mounting on a descriptor. */
#ifndef MRUN_RUNTIME_INIT_TREE_H
#define MRUN_RUNTIME_INIT_TREE_H

#include <linux/mount.h>

/* open_tree(2) of NAME below DIR as a copy with ATTR set: by one call since Linux 6.15. FLAGS:
 * AT_RECURSIVE (for both), AT_EMPTY_PATH and the like. Returns its descriptor, -1 with errno. */
int tree_clone(int dir, const char *name, unsigned flags, const struct mount_attr *attr);

/* mount(2) on the directory or file that TARGET is a descriptor of, whatever its name leads to by
 * now. 0, or -1 with errno. */
int tree_mount(const char *source, int target, const char *type, unsigned long flags,
	       const char *data);

#endif
