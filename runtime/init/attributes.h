/* Properties of a process that are neither rights nor limits: scheduling, I/O priority, memory
 * policy, personality, OOM score, security labels (runtime-spec config.md, process). */
#ifndef MRUN_RUNTIME_INIT_ATTRIBUTES_H
#define MRUN_RUNTIME_INIT_ATTRIBUTES_H

#include "runtime/init/plan.h"

/* On the calling process. PROC as for process_prepare. */
int attributes_apply(const struct process_plan *p, int proc, struct error *e);

#endif
