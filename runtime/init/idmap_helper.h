/* newuidmap and newgidmap, which write a mapping that its owner may not write (newuidmap(1)). */
#ifndef MRUN_RUNTIME_INIT_IDMAP_HELPER_H
#define MRUN_RUNTIME_INIT_IDMAP_HELPER_H

#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"

struct idmap_helper {
	const char *name; /* newuidmap or newgidmap: the caller's to set */
	const char *path;
	char *const *argv;
	int open_fd;	    /* the caller's to set: it has that open until it ends; 0: none */
	pid_t pid;	    /* 0: not started, or done with */
	int out, child_out; /* the two ends of a pipe for what it says */
	volatile int
		exec_errno; /* written by the child, whose memory is ours: why execve(2) failed */
};

/* Starts to map N ranges M for process PID. The helper runs beside the caller from its first
 * instruction on; idmap_helper_finish() waits for it. -1 with E. */
int idmap_helper_start(struct arena *a, pid_t pid, const struct oci_id_mapping *m, size_t n,
		       struct idmap_helper *h, struct error *e);
/* 0, also when it was never started; -1 with E: what it said. */
int idmap_helper_finish(struct idmap_helper *h, struct error *e);

#endif
