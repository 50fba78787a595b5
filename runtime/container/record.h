/* What is remembered of a container (state.json), and what becomes of it in the end. */
#ifndef MRUN_RUNTIME_CONTAINER_RECORD_H
#define MRUN_RUNTIME_CONTAINER_RECORD_H

#include "runtime/cgroup/cgroup.h"
#include "runtime/container/container.h"
#include "runtime/container/state.h"

/* The record of a container to be made; *ret_cgroup is its planned cgroup, NULL: none. */
struct container_record *record_make(struct cmd_context *c, const struct oci_spec *spec,
				     const struct container_options *o, struct cgroup **ret_cgroup,
				     struct error *e);
/* Writes the record again with the cgroup as it came to be. */
int record_update_cgroup(struct cmd_context *c, struct container *ct, const struct cgroup *cg,
			 struct error *e);
/* The configuration that the container was made from; NULL (with E) when it was not recorded. */
struct oci_spec *record_spec(struct arena *a, const struct container_record *r, struct error *e);

#endif
