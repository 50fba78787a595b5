/* What the parent and the container's first process say to each other, over a socket pair of type
 * SOCK_SEQPACKET: one tag a packet, descriptors beside it, or an error as it is. */
#ifndef MRUN_RUNTIME_INIT_SYNC_H
#define MRUN_RUNTIME_INIT_SYNC_H

#include <stdint.h>
#include <sys/types.h>

#include "oci/base/error.h"
#include "runtime/shim/shim.h"

enum sync_tag {
	SYNC_MAPPED = 'm', /* parent: ids are mapped, what is outside is there */
	/* parent: the container is recorded, its cgroup has its device rules; here is the shim (one
	 * descriptor) */
	SYNC_READY = 'd',
	SYNC_IGNORING = 'i', /* the same, and the caller had some signals ignored */
	SYNC_NETWORK = 'w',  /* parent: here is the network namespace (one descriptor) */
	SYNC_TASKS = 'k',    /* parent: here are the cgroups to move into (cgroup_late.h) */
	SYNC_HOOKS = 'h',    /* child: namespaces and mounts are there, run the runtime's hooks */
	SYNC_FUSE = 'f',     /* child: start fuse-overlayfs in my namespaces */
	SYNC_GO = 'g',	     /* parent: go on */
	SYNC_TERMINAL = 't', /* child: here is the terminal's master (one descriptor) */
	SYNC_NOTIFY = 'n',   /* child: here is the seccomp notify descriptor */
	SYNC_CREATED = 'c',  /* child: all is set up, waiting for start */
	SYNC_PID = 'p',	     /* the process in between: a pid follows, a child of ours */
	SYNC_CGROUP = 'q',   /* exec's process in between: move me into the cgroup */
	SYNC_AMBIENT = 'a',  /* child: these ambient capabilities could not be raised */
	SYNC_ERROR = 'e',    /* struct error follows */
	SYNC_REPORT = 'r',   /* struct shim_report: execve failed (recognised by its length) */
	SYNC_END = 0,	     /* end of file: the program runs, or the child is gone */
};

struct sync_packet {
	enum sync_tag tag;
	int fd; /* SYNC_TERMINAL, SYNC_NOTIFY, SYNC_NETWORK, SYNC_READY: the descriptor, else -1 */
	pid_t pid;	  /* SYNC_PID */
	uint64_t ambient; /* SYNC_AMBIENT: bits */
	struct error error;
	struct shim_report report;
};

int sync_send(int sock, enum sync_tag tag, int fd, struct error *e);
int sync_send_pid(int sock, pid_t pid, struct error *e);
/* Says nothing when MISSING is 0. */
int sync_send_ambient(int sock, uint64_t missing, struct error *e);
/* The child's last words. */
void sync_send_error(int sock, const struct error *e);
/* The same when the program can't be executed: execve(2) would fail with ERR. */
void sync_send_report(int sock, int err);
/* Waits for a packet, as long as the other end is open somewhere: its owner's death is seen when
 * nobody else has a copy. -1 with E when the socket fails. */
int sync_receive(int sock, struct sync_packet *p, struct error *e);
/* The same, while a program of the container's may hold a copy of the socket: the shim keeps one
 * until its execve(2) is through, and another process of the container can take it out of the shim
 * (pidfd_getfd(2)). So each of *EXPECTED (SYNC_BITs, cleared here as they come) is taken once, an
 * error, a report and the end at any time, and anything else is an error. After sync_watch(), the
 * end of FROM, a child of ours, is the end, too, whoever else has the socket. */
int sync_receive_expected(int sock, pid_t from, struct sync_packet *p, unsigned *expected,
			  struct error *e);
/* Has receiving on SOCK look now and then whether the other side's process is still there. */
int sync_watch(int sock, struct error *e);
#define SYNC_BIT(tag) (1U << ((tag) - 'a'))
/* E for a packet that is not the one waited for: what the other side sent as one, else that it
 * ended. Returns -1. */
int sync_unexpected(const struct sync_packet *p, struct error *e);
/* Waits for exactly TAG; an error the other side sent becomes E. */
int sync_expect(int sock, enum sync_tag tag, struct error *e);

#endif
