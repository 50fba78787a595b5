/* The mount options that mrun understands. */
#ifndef MRUN_RUNTIME_INIT_MOUNT_OPTIONS_H
#define MRUN_RUNTIME_INIT_MOUNT_OPTIONS_H

#include "oci/base/arena.h"

/* Their names, NULL-terminated. */
const char *const *mount_option_names(struct arena *a);

#endif
