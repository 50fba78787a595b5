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
/* Image mode: writes the specification beside the record. Not part of it: this happens while the
 * container's first process works, and nothing but exec needs it. */
int record_write_config(struct arena *a, const struct container *ct, const struct oci_spec *spec,
			struct error *e);
/* The configuration that the container was made from; NULL (with E) when it was not recorded. Where
 * the record says default_seccomp, the filter is left out. */
struct oci_spec *record_spec(struct arena *a, const struct container *ct, struct error *e);

#endif
