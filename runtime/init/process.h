/* From a set-up root to the program: credentials, limits, filter, execve. Shared by the container's
 * init and by exec. */
#ifndef MRUN_RUNTIME_INIT_PROCESS_H
#define MRUN_RUNTIME_INIT_PROCESS_H

#include "runtime/init/plan.h"

/* No signal blocked, and with DISPOSITIONS none ignored, as a fresh process has them: a caller that
 * ignores SIGPIPE (systemd's services do) or SIGINT (a shell's background jobs) must not make the
 * container do so. */
void process_reset_signals(bool dispositions);

/* Called while the process still has all its rights: session keyring, scheduling and, through the
 * host's /proc, what the kernel wants set from there (oom_score_adj, AppArmor and SELinux for the
 * next execve). PROC is a verified descriptor of it; -1: that part was done already, by a process
 * that we are a fork of. */
int process_prepare(struct process_plan *p, int proc, struct error *e);

/* Inside the container: user, working directory, capabilities, no_new_privs, filter. Returns the
 * seccomp notify descriptor in *ret_notify (-1: none), and the file to execute in *ret_path. */
int process_drop(struct arena *a, struct process_plan *p, int *ret_notify, const char **ret_path,
		 struct error *e);

/* What execve(2) of PATH would fail with, as far as that shows beforehand: an errno, 0 if nothing
 * is seen to be wrong. `create` tells it, since clients of runc expect a missing program there. */
int process_refuses(const char *path);

/* How the shim is to go on (shim.h). */
struct process_call {
	int report_fd; /* where a failure goes */
	/* The program is to run in a clone, which is in the pid namespace that we have joined. Its
	 * pid is said on SYNC_FD, and it waits for a byte on WAIT_FD. */
	bool join;
	int sync_fd, wait_fd;
	bool terminal; /* with JOIN: descriptor 0 becomes its controlling terminal */
};

/* Whether the shim can do that, with the filter of P loaded: it must let pass what it takes. */
bool process_can_join(const struct process_plan *p, bool terminal);

/* Executes the shim, which executes PATH. Only returns on error. */
int process_exec(struct arena *a, const struct process_plan *p, const char *path,
		 const struct process_call *call, struct error *e);

/* Resource limits of process PID (0: the caller). */
int process_limits(const struct process_plan *p, pid_t pid, struct error *e);

/* A descriptor of the host's /proc, found to be a procfs; -1 with E. */
int process_open_proc(struct error *e);

#endif
