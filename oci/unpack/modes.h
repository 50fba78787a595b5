/* What mrun-unpack can be asked for; main.c has the table. Each runs after confine_start(), sends
 * its replies and returns 0, or -1 with the error set. */
#ifndef MRUN_OCI_UNPACK_MODES_H
#define MRUN_OCI_UNPACK_MODES_H

#include "oci/unpack/request.h"

typedef int mode_run(struct arena *a, const struct request *q, struct error *e);

mode_run mode_archive; /* archive.c: a tar's files into a staging directory */
mode_run mode_digest;  /* archive.c: what a blob inflates to */
mode_run mode_pack;    /* pack.c: a tar of given files */
mode_run mode_layers;  /* layers.c: layers into directories for an overlay */
mode_run mode_flat;    /* layers.c: all layers into one directory */
mode_run mode_root;    /* trees.c: an empty directory with another's attributes */
mode_run mode_remove;  /* trees.c: removes directories */

#endif
