/* fuse-overlayfs, for kernels that do not mount an overlay in a user namespace. */
#ifndef MRUN_RUNTIME_CONTAINER_FUSE_H
#define MRUN_RUNTIME_CONTAINER_FUSE_H

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container/container.h"

/* Whether it is installed and /dev/fuse can be used. */
bool fuse_overlayfs_available(struct arena *a);

/* Starts it in the user namespace of PID, with a mount namespace of its own (one that it shared
 * with the container would lose its /proc when the container pivots), with CACHE_PATH as its
 * directory. Returns a detached mount of the merged tree; *ret_pid is the process that holds it
 * all: to be ended with fuse_overlayfs_end() after the container; it ends with us in any case. */
int fuse_overlayfs_start(struct arena *a, const struct overlay_root *o, const char *cache_path,
			 pid_t pid, pid_t *ret_pid, struct error *e);
void fuse_overlayfs_end(pid_t pid);

#endif
