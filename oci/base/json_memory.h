/* yajl's memory comes from the arena, so that a start needs no heap beside it. Nobody but the JSON
 * files includes this. */
#ifndef MRUN_OCI_BASE_JSON_MEMORY_H
#define MRUN_OCI_BASE_JSON_MEMORY_H

#include <yajl/yajl_common.h>

#include "oci/base/arena.h"

/* For yajl_alloc() and yajl_gen_alloc(), which copy it. */
yajl_alloc_funcs json_memory(struct arena *a);

#endif
