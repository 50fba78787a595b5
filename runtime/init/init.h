/* The container's side, from clone to execve. */
#ifndef MRUN_RUNTIME_INIT_INIT_H
#define MRUN_RUNTIME_INIT_INIT_H

#include "runtime/init/plan.h"

/* Makes the container's first process according to the plan: new namespaces by one clone3 (clone
 * where that is not allowed), joined ones by setns, in a process in between where they need it.
 * CGROUP_FD: the cgroup to be born into, -1: none. Returns its pid; SYNC is the parent's end of the
 * pair. */
pid_t init_spawn(struct init_plan *p, int cgroup_fd, int sync, struct error *e);

/* Why the kernel did not make namespaces (FLAGS of clone(2), ERR), and the command that mends it:
 * the error into E. Returns -1. */
int namespaces_explain(uint64_t flags, int err, struct error *e);

/* In the first process: before anything runs that is not ours, waits until the parent has recorded
 * the container and set up its cgroup; after the first time nothing. -1 with E. */
int init_wait_until_ready(struct init_plan *p, struct error *e);

/* In the first process: enters what is made while it is at work, the network namespace that a
 * thread makes and v1's cgroups; after the first time, and where there is neither, nothing. -1 with
 * E. */
int init_enter_outside(struct init_plan *p, struct error *e);

/* What the first process does; never returns. */
_Noreturn void init_main(struct init_plan *p);

#endif
