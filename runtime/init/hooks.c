/* See hooks.h. */
#include "runtime/init/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

struct running {
	pid_t pid;
	int in, out; /* our ends: its stdin, its stderr */
};

static _Noreturn void exec_hook(const struct oci_hook *h, const struct hook_call *c, int in,
				int out)
{
	char *no_args[] = { h->path, NULL };
	char *const *env = h->env ? h->env : c->env ? c->env : environ;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A bundle that was removed before the container is no reason to fail. */
	if (c->dir && chdir(c->dir) < 0 && chdir("/") < 0)
		_exit(127);
	execve(h->path, h->args && h->args[0] ? h->args : no_args, env);
	dprintf(2, "%s", err_text(errno));
	_exit(127);
}

static int start(const struct oci_hook *h, const struct hook_call *c, struct running *r,
		 struct error *e)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		int err = errno;

		close(in[0]);
		close(in[1]);
		return err_sys(e, err, "pipe");
	}
	r->pid = fork();
	if (r->pid == 0)
		exec_hook(h, c, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	if (r->pid > 0)
		return 0;
	err_sys(e, errno, "fork");
	close(r->in);
	close(r->out);
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Feeds the state and collects what the hook says, until it closes its end or time is up. */
static bool converse(struct running *r, const char *state, int64_t deadline, char *said,
		     size_t room)
{
	size_t left = strlen(state), got = 0;

	fcntl(r->in, F_SETFL, O_NONBLOCK);
	while (r->out >= 0) {
		struct pollfd p[2] = { { r->out, POLLIN, 0 }, { r->in, POLLOUT, 0 } };
		int64_t wait = deadline < 0 ? -1 : deadline - now_ms();
		char buf[1024];
		ssize_t n;

		if (deadline >= 0 && wait <= 0)
			return false;
		if (poll(p, r->in >= 0 ? 2 : 1, (int)wait) < 0 && errno != EINTR)
			return true;
		if (r->in >= 0 && p[1].revents) {
			n = left ? write(r->in, state + strlen(state) - left, left) : 0;
			if (n > 0)
				left -= (size_t)n;
			if (!left || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				close(r->in);
				r->in = -1;
			}
		}
		if (!p[0].revents)
			continue;
		n = read(r->out, buf, sizeof(buf));
		if (n <= 0 && !(n < 0 && errno == EINTR)) {
			close(r->out);
			r->out = -1;
		}
		for (ssize_t i = 0; i < n && got + 1 < room; i++)
			said[got++] = buf[i];
		said[got] = 0;
	}
	return true;
}

/* A hook may close its output and go on: its end is waited for as well. */
static bool reap(pid_t pid, int64_t deadline, int *st)
{
	for (;;) {
		pid_t n = waitpid(pid, st, deadline < 0 ? 0 : WNOHANG);

		if (n == pid)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (deadline >= 0 && now_ms() >= deadline)
			return false;
		if (n == 0)
			poll(NULL, 0, 5);
	}
}

static int run_one(const struct oci_hook *h, const struct hook_call *c, size_t i, struct error *e)
{
	const char *kind = c->kind;
	int64_t deadline = h->timeout ? now_ms() + *h->timeout * 1000 : -1;
	struct running r = { -1, -1, -1 };
	char said[600] = "";
	bool in_time;
	int st = 0;

	if (start(h, c, &r, e) < 0)
		return err_wrap(e, "hooks.%s[%zu] (%s)", kind, i, h->path);
	in_time = converse(&r, c->state, deadline, said, sizeof(said));
	fd_closep(&r.in);
	fd_closep(&r.out);
	if (!in_time || !reap(r.pid, deadline, &st)) {
		kill(r.pid, SIGKILL);
		waitpid(r.pid, NULL, 0);
		return err_msg(e, "hooks.%s[%zu] (%s): not done within its timeout of %lld s", kind,
			       i, h->path, h->timeout ? (long long)*h->timeout : 0LL);
	}
	while (said[0] && said[strlen(said) - 1] == '\n')
		said[strlen(said) - 1] = 0;
	if (WIFSIGNALED(st))
		return err_msg(e, "hooks.%s[%zu] (%s): ended by signal %d%s%s", kind, i, h->path,
			       WTERMSIG(st), said[0] ? ": " : "", said);
	if (WEXITSTATUS(st) != 0)
		return err_msg(e, "hooks.%s[%zu] (%s): exit status %d%s%s", kind, i, h->path,
			       WEXITSTATUS(st), said[0] ? ": " : "", said);
	return 0;
}

int hooks_run(const struct oci_hook *hooks, size_t n, const struct hook_call *call, struct error *e)
{
	void (*before)(int);
	int r = 0;

	if (!n)
		return 0;
	before = signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < n && r == 0; i++)
		r = run_one(&hooks[i], call, i, e);
	signal(SIGPIPE, before);
	return r;
}

void hooks_poststop(const struct oci_hooks *h, const char *state, const char *dir)
{
	const struct hook_call call = { .kind = "poststop", .state = state, .dir = dir };
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	struct error e;

	for (size_t i = 0; h && i < h->poststop_len; i++) {
		err_clear(&e);
		if (run_one(&h->poststop[i], &call, i, &e) < 0)
			fprintf(stderr, "mrun: warning: %s\n", e.msg);
	}
	signal(SIGPIPE, before);
}
