/* The id mapping of an image's container, and what of the specification depends on it. */
#ifndef MRUN_RUNTIME_IMAGE_RUN_IDS_H
#define MRUN_RUNTIME_IMAGE_RUN_IDS_H

#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/to_spec.h"
#include "runtime/init/idmap.h"

/* idmap_default(), or with KEEP_ID one in which the caller's uid and gid are their own numbers and
 * the subordinate ids fill the rest (podman-run(1), --userns keep-id). */
int run_ids_make(struct arena *a, bool keep_id, struct idmap *ret, struct error *e);
/* The same range turned so that container id ID is host id OWN: pure. */
void run_ids_keep(struct arena *a, const struct oci_id_mapping *from, size_t n, uint32_t id,
		  struct oci_id_mapping **ret, size_t *ret_len);
/* Sets what of S depends on the mapping: the mappings, gid 5, the ping range. */
void run_ids_apply(const struct idmap *m, struct spec_options *s);

#endif
