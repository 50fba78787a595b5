/* The mount options that mrun understands. */
#ifndef MRUN_RUNTIME_INIT_MOUNT_OPTIONS_H
#define MRUN_RUNTIME_INIT_MOUNT_OPTIONS_H

#include "oci/base/arena.h"

/* Their names, NULL-terminated. */
const char *const *mount_option_names(struct arena *a);
/* DATA of a bind mount without what was said to the client, which has done it and leaves it there
 * all the same: podman copying into volumes, buildah labels and owners (runc 1.1 ignores it with
 * all else that no bind mount has). NULL: nothing is left. */
const char *mount_options_not_clients(struct arena *a, const char *data);

#endif
