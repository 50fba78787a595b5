/* Root directories of layers. */
#ifndef MRUN_OCI_UNPACK_TREES_H
#define MRUN_OCI_UNPACK_TREES_H

#include "oci/base/error.h"

/* Makes (or takes) the directory NAME with the attributes of an image's root that nothing is
 * said of. Returns a descriptor. */
int tree_make(const char *name, struct error *e);
/* Owner, mode, extended attributes and times of directory FROM for directory TO. */
int tree_copy_attributes(int from, int to, struct error *e);

#endif
