/*
 * See shim.h. No C library: it must be small, start at once and touch nothing. In plain mode it
 * makes one system call, execve. To join a pid namespace it clones a sibling first. As an init
 * (docker's --init) it forks, gives the child the terminal, forwards every signal it gets and reaps
 * every orphan; its exit status is the child's (128+n for a signal).
 */
#define SHIM_ITSELF
#include "runtime/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "runtime/shim/syscall.h"

#if defined(__x86_64__)
__asm__(".global _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall "
	"shim_main\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".global _start\n_start:\n\tmov x29,#0\n\tmov x0,sp\n\tbl shim_main\n\tbrk #0\n");
#elif defined(__riscv) && __riscv_xlen == 64
__asm__(".global _start\n_start:\n\tmv a0,sp\n\tandi sp,sp,-16\n\tcall shim_main\n\tebreak\n");
#endif

static _Noreturn void leave(int code)
{
	for (;;)
		SYS(exit_group, code, 0, 0, 0);
}

static int number(char **p)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n * 10 + (**p - '0');
	(*p)++;
	return n;
}

static _Noreturn void fail_label(int fd, long err)
{
	struct shim_report report;

	report.err = (int)-err;
	report.label = 1;
	report.head_len = 0;
	SYS(write, fd, &report, sizeof(report), 0);
	leave(126);
}

/* The procfs is the container's: who may mount there could have put a file of his own over ours,
 * which would swallow the label (CVE-2025-52881). */
static void set_label(char *p, int report)
{
	struct open_how how;
	int proc = number(&p);
	char *file = p;
	long fd, len, n;

	while (*p != ':')
		p++;
	*p++ = 0;
	for (len = 0; p[len];)
		len++;
	how.flags = O_WRONLY | O_CLOEXEC;
	how.mode = 0;
	how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
	fd = SYS(openat2, proc, file, &how, sizeof(how));
	if (fd < 0)
		fail_label(report, fd);
	n = SYS(write, fd, p, len, 0);
	if (n != len)
		fail_label(report, n < 0 ? n : -EIO);
	SYS(close, fd, 0, 0, 0);
	SYS(close, proc, 0, 0, 0);
}

static _Noreturn void fail(const char *path, int fd, long err)
{
	struct shim_report report; /* on the stack: the program has no writable segment */
	long file = SYS(openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	long n = 0;

	report.err = (int)-err;
	report.label = 0;
	if (file >= 0)
		n = SYS(pread64, file, report.head, SHIM_HEAD_MAX, 0);
	report.head_len = n > 0 ? (int)n : 0;
	SYS(write, fd, &report, sizeof(report), 0);
	leave(err == -ENOENT ? 127 : 126);
}

static int be_init(const char *path, int fd, char **argv, char **envp)
{
	unsigned long all = ~0UL, none = 0;
	long child;

	SYS(rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	child = SYS(clone, SIGCHLD, 0, 0, 0);
	if (child < 0)
		fail(path, fd, child);
	if (child == 0) {
		long pgrp = SYS(getpid, 0, 0, 0, 0);

		SYS(setpgid, 0, 0, 0, 0);
		/* Only where stdin is a terminal; TIOCSPGRP from the background would stop us, but
		 * every signal is still blocked here. */
		SYS(ioctl, 0, 0x5410, &pgrp, 0);
		SYS(rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
		fail(path, fd, SYS(execve, path, argv, envp, 0));
	}
	SYS(close, fd, 0, 0, 0);
	for (;;) {
		char info[128];
		long sig = SYS(rt_sigtimedwait, &all, info, 0, 8), pid;
		int st = 0;

		if (sig != SIGCHLD) {
			if (sig > 0)
				SYS(kill, child, sig, 0, 0);
			continue;
		}
		while ((pid = SYS(wait4, -1, &st, WNOHANG, 0)) > 0)
			if (pid == child)
				return (st & 0x7f) ? 128 + (st & 0x7f) : (st >> 8) & 0xff;
	}
}

struct call {
	char *path;
	int report, sync, wait;
	int init, join, terminal, label; /* flags */
};

static int parse(char *p, struct call *c)
{
	c->init = c->join = c->terminal = c->label = 0;
	for (; *p && *p != ':'; p++) {
		c->init |= *p == SHIM_INIT;
		c->join |= *p == SHIM_JOIN;
		c->terminal |= *p == SHIM_TERMINAL;
		c->label |= *p == SHIM_LABEL;
	}
	if (*p++ != ':')
		return 0;
	c->report = c->sync = c->wait = number(&p);
	if (c->join) {
		c->sync = number(&p);
		c->wait = number(&p);
	}
	c->path = p;
	return 1;
}

/* Silent at its end: then mrun has given up. */
static void await(const struct call *c, int fd)
{
	char byte;
	long n;

	do
		n = SYS(read, fd, &byte, 1, 0);
	while (n == -EINTR);
	if (n < 0)
		fail(c->path, c->report, n);
	if (n != 1)
		leave(1);
}

/* Returns in the child, which is in the pid namespace, once it may go on. */
static void join(const struct call *c)
{
	long pid = SYS(clone, CLONE_PARENT | SIGCHLD, 0, 0, 0), n;
	char said[1 + sizeof(int)];

	if (pid < 0)
		fail(c->path, c->sync, pid);
	if (pid > 0) {
		said[0] = SHIM_PID;
		for (unsigned i = 0; i < sizeof(int); i++)
			said[1 + i] =
				((char *)&pid)[i]; /* little-endian, as the processors above */
		if (SYS(write, c->sync, said, sizeof(said), 0) == sizeof(said))
			leave(0);
		/* Nobody knows of it. */
		SYS(kill, pid, SIGKILL, 0, 0);
		leave(1);
	}
	SYS(setsid, 0, 0, 0, 0);
	if (c->terminal && (n = SYS(ioctl, 0, 0x540e, 0, 0)) < 0) /* TIOCSCTTY */
		fail(c->path, c->report, n);
	await(c, c->sync);
	if (c->sync != c->report)
		SYS(close, c->sync, 0, 0, 0);
	if (c->wait == c->sync)
		return;
	await(c, c->wait);
	if (c->wait != c->report)
		SYS(close, c->wait, 0, 0, 0);
}

_Noreturn void shim_main(long *stack);
_Noreturn void shim_main(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
	struct call c;

	/* Not from mrun: an image's entry point of /proc/self/exe. */
	if (argc < 2 || !parse(argv[0], &c) || argc < 2 + c.label)
		leave(125);
	/* The program must not get it: it leads to mrun. */
	/* It came through the execve that started us; through the next one it must not go. */
	SYS(fcntl, c.report, F_SETFD, FD_CLOEXEC, 0);
	if (c.join) {
		SYS(fcntl, c.sync, F_SETFD, FD_CLOEXEC, 0);
		join(&c);
	}
	if (c.label)
		set_label(*++argv, c.report);
	if (c.init)
		leave(be_init(c.path, c.report, argv + 1, envp));
	fail(c.path, c.report, SYS(execve, c.path, argv + 1, envp, 0));
}
