/*
 * A new network namespace, made by a thread while all else is done. It is what the kernel takes
 * longest for (0.4 ms of a start), and nothing needs it before sysfs is mounted
 * (network_namespaces(7)). Without a user namespace, mrun begins it before it plans the container;
 * with one, the container's first process does, as the namespace is to belong to its own.
 */
#ifndef MRUN_RUNTIME_INIT_NET_THREAD_H
#define MRUN_RUNTIME_INIT_NET_THREAD_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/error.h"

struct net_thread {
	pid_t tid; /* while it runs; the kernel clears it and wakes who waits for that */
	bool begun;
	int socket, namespace; /* its descriptors; -errno where they could not be had */
	int unshared, up;      /* what making the namespace and raising lo said: 0 or -errno */
};

/* Starts the thread, which uses *T until net_thread_finish(). False where there may be none (a
 * limit on processes): then clone or unshare can make the namespace as well. */
bool net_thread_begin(struct net_thread *t);
/* Waits for it. A descriptor of the namespace, whose loopback interface is up, for the caller to
 * close; -1 with E. */
int net_thread_finish(struct net_thread *t, struct error *e);

/* The loopback interface of this process's network namespace. -1 with E. */
int net_loopback_up(struct error *e);

#endif
