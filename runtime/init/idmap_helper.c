/* See idmap_helper.h. posix_spawn(3) waits until the program is executed and resets 64 signals one
 * by one; two helpers after each other were the longest part of a start with subordinate ids. So
 * here the child is a vfork(2) that nobody waits for: it has our memory, on a stack of its own, and
 * makes a few system calls by their numbers. */
#include "runtime/init/idmap_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/init/host_program.h"
#include "runtime/shim/syscall.h"

enum { STACK_SIZE = 4096, KEPT_FD = 3 };

/* No environment: an LD_PRELOAD of the caller's is none of its business. A setuid program gets
 * nothing that our caller left open. */
NOT_INSTRUMENTED static int execute(void *arg)
{
	struct idmap_helper *h = arg;
	char *const no_environment[] = { NULL };

	SYS(dup3, h->child_out, STDOUT_FILENO, 0, 0);
	SYS(dup3, h->child_out, STDERR_FILENO, 0, 0);
	if (h->open_fd)
		SYS(dup3, h->open_fd, KEPT_FD, 0, 0);
	SYS(close_range, h->open_fd ? KEPT_FD + 1 : KEPT_FD, ~0u, 0, 0);
	h->exec_errno = (int)-SYS(execve, h->path, h->argv, no_environment, 0);
	return 127;
}

static char *const *arguments(struct arena *a, const char *name, pid_t pid,
			      const struct oci_id_mapping *m, size_t n)
{
	struct strlist argv = { 0 };

	strlist_add(a, &argv, name);
	strlist_add(a, &argv, arena_printf(a, "%d", (int)pid));
	for (size_t i = 0; i < n; i++) {
		strlist_add(a, &argv, arena_printf(a, "%u", m[i].container_id));
		strlist_add(a, &argv, arena_printf(a, "%u", m[i].host_id));
		strlist_add(a, &argv, arena_printf(a, "%u", m[i].size));
	}
	return argv.items;
}

int idmap_helper_start(struct arena *a, pid_t pid, const struct oci_id_mapping *m, size_t n,
		       struct idmap_helper *h, struct error *e)
{
	char *stack = ARENA_ARRAY(a, STACK_SIZE, char);
	uintptr_t top = ((uintptr_t)stack + STACK_SIZE) & ~(uintptr_t)15;
	int p[2], err;

	h->path = host_program(a, h->name);
	if (!h->path) {
		err_msg(e, "map ids: %s is not installed", h->name);
		return err_hint(e, "install the package uidmap (Debian, Ubuntu) or shadow-utils");
	}
	h->argv = arguments(a, h->name, pid, m, n);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	h->out = p[0];
	h->child_out = p[1];
	h->pid = clone(execute, (void *)top, CLONE_VM | SIGCHLD, h);
	err = errno;
	close(p[1]);
	if (h->pid > 0)
		return 0;
	h->pid = 0;
	close(p[0]);
	return err_sys(e, err, "start %s", h->path);
}

static int failed(const struct idmap_helper *h, char *text, struct error *e)
{
	if (h->exec_errno)
		return err_sys(e, h->exec_errno, "start %s", h->path);
	text[strcspn(text, "\n")] = 0;
	err_msg(e, "map ids: %s failed%s%s", h->name, text[0] ? ": " : "", text);
	if (strstr(text, "not permitted") || strstr(text, "Could not set caps"))
		return err_hint(e,
				"is %s setuid root or has it file capabilities? chmod u+s %s, or "
				"reinstall the package uidmap",
				h->name, h->path);
	return err_hint(e, "check the ranges in /etc/subuid and /etc/subgid");
}

int idmap_helper_finish(struct idmap_helper *h, struct error *e)
{
	char text[512] = "";
	pid_t pid = h->pid;
	ssize_t n;
	int st;

	if (pid <= 0)
		return 0;
	h->pid = 0;
	n = read(h->out, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	close(h->out);
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for %s", h->name);
	return WIFEXITED(st) && WEXITSTATUS(st) == 0 ? 0 : failed(h, text, e);
}
