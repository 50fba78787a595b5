/* Handing a seccomp notify descriptor to the agent that answers for the container. */
#ifndef MRUN_RUNTIME_INIT_SECCOMP_NOTIFY_H
#define MRUN_RUNTIME_INIT_SECCOMP_NOTIFY_H

#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/init/seccomp.h"

/* Sends the container process state (runtime-spec config-linux.md, "The Container Process State")
 * and NOTIFY_FD to F->listener_path over a connection of its own, which is closed afterwards;
 * NOTIFY_FD stays the caller's. PID is the container's process as the runtime sees it, STATE the
 * state JSON of runtime.md (LEN bytes). Waits at most ten seconds for an agent that does not
 * accept. */
int seccomp_notify_send(struct arena *a, const struct seccomp_filter *f, int notify_fd, pid_t pid,
			const char *state, size_t len, struct error *e);

#endif
