/* linux.sysctl (runtime-spec config-linux.md, "Sysctl"). */
#ifndef MRUN_RUNTIME_INIT_SYSCTL_H
#define MRUN_RUNTIME_INIT_SYSCTL_H

#include "oci/spec/spec.h"

/* Every sysctl must belong to a namespace that the container has for itself, else it would change
 * the host: checked before anything is made. */
int sysctl_check(const struct oci_spec *s, struct error *e);
/* Writes them below PROC, a descriptor that was found to be a procfs. */
int sysctl_apply(const struct oci_spec *s, int proc, struct error *e);

#endif
