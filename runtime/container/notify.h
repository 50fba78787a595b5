/* NOTIFY_SOCKET (sd_notify(3)) for a container, as runc has it: the container sees a socket of ours
 * at /run/notify/notify.sock, in ROOT/ID/notify, and what arrives there goes on to the caller's.
 * `create` prepares it; `start` and `run -d` stay until the container is ready, `run` to its end.
 */
#ifndef MRUN_RUNTIME_CONTAINER_NOTIFY_H
#define MRUN_RUNTIME_CONTAINER_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/container/state.h"

struct notify {
	int sock;   /* the container's end, non-blocking; -1: there is nothing to pass on */
	int host;   /* connected to the caller's */
	pid_t main; /* what READY comes with as MAINPID */
	bool ready; /* it was */
};
#define NOTIFY_NONE                    \
	{                              \
		.sock = -1, .host = -1 \
	}

/* Whether the environment has NOTIFY_SOCKET. */
bool notify_wanted(void);
/* Where the environment has NOTIFY_SOCKET: makes ROOT/ID/notify, and gives SPEC its mount and its
 * variable. A container without a mount namespace of its own does not get it. */
int notify_prepare(struct arena *a, const struct container *ct, struct oci_spec *spec,
		   struct error *e);
/* Before the program runs: makes the socket, where the container was prepared for it and the
 * environment says where to send. A caller that cannot be reached is a warning. */
int notify_open(struct cmd_context *c, const struct container *ct, struct notify *ret,
		struct error *e);
/* Passes on what is there now, without waiting. Only what says something of the service itself:
 * never a MAINPID, a descriptor or another setting of systemd's, which the container has no say in.
 */
void notify_forward(struct notify *n);
/* Waits until it is ready, or its first process has ended; the caller has heard it all then
 * (sd_notify_barrier(3)). */
void notify_wait_ready(struct notify *n, const struct container *ct);
void notify_close(struct notify *n);

#endif
