/* Properties of a process that are neither rights nor limits: scheduling, I/O priority, memory
 * policy, personality, OOM score, security labels (runtime-spec config.md, process). */
#ifndef MRUN_RUNTIME_INIT_ATTRIBUTES_H
#define MRUN_RUNTIME_INIT_ATTRIBUTES_H

#include "runtime/init/plan.h"

/* process.oomScoreAdj of process PID (0: the caller), through PROC, a verified descriptor of the
 * host's /proc. Of a container's first process only its parent may set it: in a user namespace that
 * process has changed its user, and its files in /proc are root's then. It survives a fork. Returns
 * 1 where lowering it is not allowed: it is the caller's then. */
int attributes_oom_score(const struct process_plan *p, int proc, pid_t pid, struct error *e);
/* The security label of the calling process for its next execve, likewise; or, with p->label_late,
 * only a check that the kernel knows it, and p->label for the shim (shim.h). */
int attributes_write_proc(struct process_plan *p, int proc, struct error *e);
/* Whether the container has a /proc by which the shim can set a label. */
bool attributes_label_late(const struct oci_spec *spec);
/* process.scheduler of process PID (0: the caller). */
int attributes_scheduler(const struct process_plan *p, pid_t pid, struct error *e);
/* All the others, and the scheduler unless the parent sets it, on the calling process. */
int attributes_apply(const struct process_plan *p, struct error *e);

#endif
