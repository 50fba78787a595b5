/* Making a container up to the moment its program runs (run) or waits for start (create). */
#ifndef MRUN_RUNTIME_CONTAINER_LAUNCH_H
#define MRUN_RUNTIME_CONTAINER_LAUNCH_H

#include "runtime/cgroup/cgroup.h"
#include "runtime/container/container.h"
#include "runtime/container/notify.h"
#include "runtime/container/state.h"
#include "runtime/init/plan.h"
#include "runtime/shim/shim.h"

struct launched {
	struct container state;
	struct cgroup *cgroup; /* NULL: none */
	struct oci_spec *spec;
	pid_t pid;
	pid_t fuse;	      /* the holder of fuse-overlayfs, 0: none */
	int master;	      /* the terminal's, when it came to us; else -1 */
	struct notify notify; /* what it says on NOTIFY_SOCKET (not when it WAITS) */
};

/* WAITS: create, the process waits for `mrun start`. On failure everything is undone and E says
 * why; on success the caller closes the descriptors. Signals must be blocked by the caller when it
 * wants to see them all. */
int launch(struct cmd_context *c, struct oci_spec *spec, const struct container_options *o,
	   bool waits, struct launched *ret, struct error *e);

/* Ends what is left of a container and removes its cgroup and its state; poststop hooks are run
 * (a failing one is a warning). */
int launch_destroy(struct cmd_context *c, struct container *ct, struct error *e);

/* Of launch(): the part of l->cgroup that comes before the clone (cgroup_create_first). */
int launch_begin_cgroup(struct cmd_context *c, struct launched *l, struct error *e);
/* Of launch(): makes the cgroup that l->cgroup plans; with systemd this waits until it has. */
int launch_make_cgroup(struct cmd_context *c, const struct init_plan *p, struct launched *l,
		       struct error *e);

/* Writes PID into the file PATH (--pid-file), by rename. */
int launch_write_pid_file(const char *path, pid_t pid, struct error *e);

/* Why execve failed, from what the shim saw: message, exit code and hint into E. */
int explain_exec(const char *program, const struct shim_report *r, struct error *e);

#endif
