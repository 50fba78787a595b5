/*
 * The v1 cgroups of a container, made by the parent while the first process is at work, which then
 * moves itself into them: the files to write to are passed over the socket pair.
 */
#ifndef MRUN_RUNTIME_INIT_CGROUP_LATE_H
#define MRUN_RUNTIME_INIT_CGROUP_LATE_H

#include "runtime/cgroup/cgroup.h"
#include "runtime/init/plan.h"

/* The parent's side; J's descriptors stay the caller's. */
int cgroup_late_send(int sock, const struct cgroup_join *j, struct error *e);
/* The child's: waits for them, moves this process into each and makes its cgroup namespace, if it
 * is to have one. Clears p->cgroup_late. */
int cgroup_late_enter(struct init_plan *p, struct error *e);

#endif
