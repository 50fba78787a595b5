/* Id-mapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP). */
#ifndef MRUN_RUNTIME_INIT_IDMAPPED_H
#define MRUN_RUNTIME_INIT_IDMAPPED_H

#include "runtime/init/plan.h"

/* Gives the detached tree m->source_fd the mount's own mapping, else CONTAINER's (NULL: error).
 * I is the mount's index, for messages. The error names the file system where it cannot. */
int idmapped_apply(struct arena *a, struct mount_plan *m, const struct idmap *container, size_t i,
		   struct error *e);

#endif
