/*
 * See net_thread.h. The thread has the process's memory and descriptors, and of the C library not
 * even an errno of its own: it makes five system calls, each by its number, and writes down what
 * they said.
 */
#include "runtime/init/net_thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "runtime/init/init.h"
#include "runtime/shim/syscall.h"

enum { STACK_SIZE = 4096 };

NOT_INSTRUMENTED static void raise_loopback(struct net_thread *t)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	t->socket = (int)SYS(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0);
	t->up = t->socket < 0 ? t->socket : (int)SYS(ioctl, t->socket, SIOCSIFFLAGS, &r, 0);
}

NOT_INSTRUMENTED static int thread(void *arg)
{
	struct net_thread *t = arg;

	t->unshared = (int)SYS(unshare, CLONE_NEWNET, 0, 0, 0);
	if (t->unshared < 0)
		return 0;
	raise_loopback(t);
	/* No name in any /proc, which need not be there. */
	if (t->up == 0)
		t->namespace = (int)SYS(ioctl, t->socket, SIOCGSKNS, 0, 0);
	return 0;
}

bool net_thread_begin(struct net_thread *t)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));
	const int flags = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

	*t = (struct net_thread){ .socket = -1, .namespace = -1 };
	t->begun = clone(thread, stack + STACK_SIZE, flags, t, &t->tid, NULL, &t->tid) > 0;
	return t->begun;
}

static int loopback_failed(const struct net_thread *t, struct error *e)
{
	return err_sys(e, -t->up, "bring the loopback interface up");
}

int net_thread_finish(struct net_thread *t, struct error *e)
{
	pid_t tid;

	while ((tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)) != 0)
		syscall(SYS_futex, &t->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
	fd_closep(&t->socket);
	if (t->unshared < 0)
		return namespaces_explain(CLONE_NEWNET, -t->unshared, e);
	if (t->up < 0)
		return loopback_failed(t, e);
	if (t->namespace < 0)
		return err_sys(e, -t->namespace, "find the container's network namespace");
	return t->namespace;
}

int net_loopback_up(struct error *e)
{
	struct net_thread t = { .socket = -1 };

	raise_loopback(&t);
	fd_closep(&t.socket);
	return t.up < 0 ? loopback_failed(&t, e) : 0;
}
