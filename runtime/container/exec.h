/* A further process in a container that runs (or was created): exec. */
#ifndef MRUN_RUNTIME_CONTAINER_EXEC_H
#define MRUN_RUNTIME_CONTAINER_EXEC_H

#include "runtime/cmd/cmd.h"
#include "runtime/container/state.h"

struct exec_options {
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *user; /* image mode: docker's USER string; NULL: the process's uid and gid */
	char *const *group_add;
	char *const *cgroups; /* "[CONTROLLER[,CONTROLLER…]:]PATH" below the container's cgroup */
	bool detach, ignore_paused;
	int preserve_fds; /* from 3 on; the caller found them to be open */
};

/* Runs P (which has been validated) in container CT, opened by state_open_shared, whose
 * configuration is SPEC: what P leaves open comes from there. Returns the exit code of the process
 * (128+n when a signal ended it), 0 with detach once its program runs, -1 with E. */
int exec_run(struct cmd_context *c, struct container *ct, const struct oci_spec *spec,
	     const struct oci_process *p, const struct exec_options *o, struct error *e);

#endif
