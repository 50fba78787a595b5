/* The second half of a launch: following what the container's first process says. */
#ifndef MRUN_RUNTIME_CONTAINER_LAUNCH_FOLLOW_H
#define MRUN_RUNTIME_CONTAINER_LAUNCH_FOLLOW_H

#include "runtime/container/launch.h"
#include "runtime/init/plan.h"

/* Everything one launch works on. */
struct launch {
	struct cmd_context *c;
	struct arena *a;
	const struct container_options *o;
	struct init_plan plan;
	struct launched *out;
	bool waits;
	struct container_record *record;
	bool state_late;   /* the state directory is made while the first process is at work */
	bool side_by_side; /* it works while we do, nobody outside has to do with it */
	bool ignores;	   /* the caller had signals ignored */
	bool cloned_into;  /* the first process was born into its v2 cgroup */
	int sync;	   /* our end */
	int notify;	   /* the filter's, which waits for the pid; -1 */
	int pidfd_socket;  /* --pidfd-socket, connected; -1: none */
	struct net_devices *net_devices; /* moved into the container; NULL: none */
};

/* Follows the child until its program runs, or it waits for start. */
int launch_follow(struct launch *l, struct error *e);
/* A descriptor of the first process to --pidfd-socket, if there is one. */
int launch_send_pidfd(const struct launch *l, struct error *e);

#endif
