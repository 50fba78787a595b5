/* Directories of an image's container that are to be there and writable: its VOLUMEs and -v PATH.
 */
#ifndef MRUN_RUNTIME_INIT_VOLUMES_H
#define MRUN_RUNTIME_INIT_VOLUMES_H

#include <stdbool.h>

#include "oci/base/error.h"

/* Makes the directories PATHS (NULL-terminated, may be NULL) beneath ROOTFD. They lie in the
 * container's own upper directory, so they are writable and show what the image has there; with a
 * root that is about to become READ_ONLY each is bound to itself, to stay writable. To be called
 * after the other mounts and before the root is made read-only. */
int volumes_make(int rootfd, char *const *paths, bool read_only, struct error *e);

#endif
