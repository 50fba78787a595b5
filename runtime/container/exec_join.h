/* exec's way into a container: the process in between, and the process itself up to its program. */
#ifndef MRUN_RUNTIME_CONTAINER_EXEC_JOIN_H
#define MRUN_RUNTIME_CONTAINER_EXEC_JOIN_H

#include <sched.h>

#include "runtime/cgroup/cgroup.h"
#include "runtime/init/mounts.h"
#include "runtime/init/plan.h"

/* All that can be found out and opened before the fork. */
struct exec_plan {
	struct arena *arena;
	struct process_plan process;
	pid_t init;		 /* the container's first process … */
	uint64_t init_start;	 /* … and its start time: it and no other */
	int pidfd;		 /* of it, -1 where the kernel has none */
	int proc;		 /* the host's /proc, verified */
	int namespaces;		 /* CLONE_NEW*: those of init that are not ours */
	int root_fd;		 /* where to chroot to, -1: the mount namespace's root */
	struct cgroup_join join; /* empty: none to join, or parent_moves */
	bool parent_moves;	 /* the parent puts us into the cgroup (SYNC_CGROUP) */
	const cpu_set_t *cpus_before, *cpus_after; /* execCPUAffinity, NULL: leave it */
	bool ignores;				   /* we have signals ignored, as our caller had */
	bool terminal;
	struct console_plan console;
	int console_fd; /* connected console socket; -1: the master goes to the parent */
	int sync_fd;	/* our end of the pair with the parent */
	bool late;	/* the filter forbids what the usual order takes: clone first, drop then */
};

/* The process in between, a fork of mrun: joins cgroup and namespaces, makes the process as its own
 * sibling (pid namespaces(7): only children are in the joined one), sends its pid, and ends. The
 * parent answers with SYNC_MAPPED. */
_Noreturn void exec_join_main(struct exec_plan *p);
/* E for a clone that failed with ERR; always -1. */
int exec_join_no_process(int err, struct error *e);

#endif
