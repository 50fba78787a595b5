/* Properties of a process that are neither rights nor limits: scheduling, I/O priority, memory
 * policy, personality, OOM score, security labels (runtime-spec config.md, process). */
#ifndef MRUN_RUNTIME_INIT_ATTRIBUTES_H
#define MRUN_RUNTIME_INIT_ATTRIBUTES_H

#include "runtime/init/plan.h"

/* OOM score and security labels of the calling process, through PROC, a verified descriptor of the
 * host's /proc. They survive a fork. */
int attributes_write_proc(const struct process_plan *p, int proc, struct error *e);
/* All the others, on the calling process. */
int attributes_apply(const struct process_plan *p, struct error *e);

#endif
