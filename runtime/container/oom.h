/* What is said when the kernel ended processes of a container for want of memory. */
#ifndef MRUN_RUNTIME_CONTAINER_OOM_H
#define MRUN_RUNTIME_CONTAINER_OOM_H

#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/cmd.h"

/* After container ID's first process ended with CODE (128+n: by signal n): a line on standard
 * error, and in the log, if the kernel's OOM killer was at work in CG (NULL: nothing to look at).
 */
void oom_report(struct cmd_context *c, const struct cgroup *cg, const char *id, int code);

/* A start failed: if that was the OOM killer's work, E says so instead. */
void oom_explain(const struct cgroup *cg, struct error *e);

#endif
