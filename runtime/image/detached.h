/*
 * `mrun -d IMAGE`: a fork of mrun stays as the container's parent, without the caller's terminal,
 * descriptors and directory, to take what the program writes, to keep its exit code and to give
 * back what it used: the slot, the network's helper, fuse-overlayfs, the cgroup. It ends with the
 * container, and the container ends with it.
 *
 * The caller's mrun waits until the program runs or has failed, and says so.
 */
#ifndef MRUN_RUNTIME_IMAGE_DETACHED_H
#define MRUN_RUNTIME_IMAGE_DETACHED_H

#include <sys/types.h>

#include "runtime/image/output_log.h"

struct detached {
	pid_t pid;     /* caller: of the process that stays, 0: it could not be made */
	int answer;    /* between the two, -1: all is said */
	int err;       /* the caller's stderr, for warnings until then */
	int stdin_end; /* -i: keeps the program's standard input open */
	struct output_log log;
};

/* Forks. In the caller: waits for the other's answer and returns 0, or -1 with E, by when the other
 * has cleaned up. In the process that stays, a session of its own: returns 1. */
int detached_fork(struct detached *d, struct error *e);
/* In the caller: the user has the container's id. Without this the container is ended again. */
void detached_told(struct detached *d);

/* In the process that stays, before the container is made: the caller's descriptors are closed; the
 * program's stdin (nothing, or, with INTERACTIVE, a pipe that nobody writes to) and one pipe for
 * both outputs, whose other end is *ret_output; the log is in SLOT. */
int detached_streams(struct detached *d, bool interactive, int slot, int *ret_output,
		     struct error *e);
/* From here on nothing of the caller's is held any more. -1: the caller is gone (interrupted, say)
 * and nobody knows of the container. */
int detached_running(struct detached *d, struct error *e);
/* Answers why it did not come to that. */
void detached_failed(struct detached *d, const struct error *e);

/* A warning for the caller, while it waits. */
void detached_warn(const struct detached *d, const char *text);

#endif
