/* Writing a tar with libarchive: ustar, with pax headers only where a name or a size needs them,
 * owner 0 and the epoch for everything, so that the same input gives the same bytes. */
#ifndef MRUN_OCI_LAYER_PACK_H
#define MRUN_OCI_LAYER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

struct pack;
/* Writes to FD. NULL on error. */
struct pack *pack_open(struct arena *a, int fd, struct error *e);
int pack_dir(struct pack *p, const char *name, struct error *e);
int pack_link(struct pack *p, const char *name, const char *target, struct error *e);
/* SIZE bytes from offset 0 of FD. */
int pack_file(struct pack *p, const char *name, int fd, uint64_t size, struct error *e);
/* Writes the end mark. */
int pack_close(struct pack *p, struct error *e);

#endif
