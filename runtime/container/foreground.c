/* See foreground.h. One loop: signals through a descriptor, the terminal beside it. */
#include "runtime/container/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/quiet.h"
#include "runtime/container/terminal.h"

#define LAST_WORDS 512 /* messages: the kernel's default holds 10 (net.unix.max_dgram_qlen) */

static void passed_on(sigset_t *set)
{
	sigfillset(set);
	/* Faults are ours; stopping and continuing the command in a shell stops mrun itself (with a
	 * terminal: stops_terminal). */
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
	sigdelset(set, SIGFPE);
	sigdelset(set, SIGILL);
	sigdelset(set, SIGABRT);
	sigdelset(set, SIGTRAP);
	sigdelset(set, SIGSYS);
	sigdelset(set, SIGTSTP);
	sigdelset(set, SIGTTIN);
	sigdelset(set, SIGTTOU);
	sigdelset(set, SIGCONT);
}

void foreground_block_signals(void)
{
	sigset_t set;

	passed_on(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* What stops and continues us has to be seen while the terminal is in another mode. */
static void stops_terminal(sigset_t *set)
{
	sigaddset(set, SIGTSTP);
	sigaddset(set, SIGCONT);
	sigprocmask(SIG_BLOCK, set, NULL);
}

struct interrupts {
	time_t at[3];
	unsigned n;
};

/* Whether this was the third within two seconds. */
static bool third(struct interrupts *in)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	in->at[in->n++ % 3] = now.tv_sec;
	return in->n >= 3 && now.tv_sec - in->at[in->n % 3] <= 2;
}

/* Reaps whatever ended; true when PID did. */
static bool reap(pid_t pid, int *status)
{
	pid_t got;
	int st;
	bool ended = false;

	while (!ended && (got = waitpid(-1, &st, WNOHANG)) > 0)
		if (got == pid) {
			*status = st;
			ended = true;
		}
	return ended;
}

static void handle(int sig, pid_t pid, const struct foreground *f, struct interrupts *in)
{
	if (sig == SIGWINCH && f->master >= 0) {
		terminal_copy_size(f->master);
		return;
	}
	if (sig == SIGTSTP)
		terminal_stop();
	if (sig == SIGTSTP || sig == SIGCONT) {
		terminal_continue(f->master);
		return;
	}
	if (sig == SIGPIPE || sig == SIGURG)
		return;
	if (sig == SIGTERM && f->stop_signal)
		sig = f->stop_signal;
	if (sig == SIGINT && f->interrupts_end && third(in)) {
		fputs("mrun: three interrupts: the container is killed\n", stderr);
		sig = SIGKILL;
	}
	kill(pid, sig);
}

/* The next signal, which has come when SIGS (a signalfd of SET) is there, and else is waited for;
 * -1 with errno. */
static int next_signal(int sigs, const sigset_t *set)
{
	struct signalfd_siginfo si;
	ssize_t n;

	if (sigs < 0)
		return sigwaitinfo(set, NULL);
	n = read(sigs, &si, sizeof(si));
	return n == sizeof(si) ? (int)si.ssi_signo : -1;
}

/* What the container has written and nobody read yet: until it is read, or we are told to end. */
static void deliver_rest(int sigs, const sigset_t *set, struct relay *r)
{
	while (relay_rest(r)) {
		struct pollfd p[2] = { { sigs, POLLIN, 0 }, { r->out_fd, POLLOUT, 0 } };
		int sig;

		if (poll(p, 2, -1) < 0 && errno != EINTR) {
			r->lost = errno;
			return;
		}
		if (p[1].revents)
			relay_write(r);
		sig = p[0].revents ? next_signal(sigs, set) : 0;
		if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT)
			return;
	}
}

/* SIGS is -1 where there is nothing but signals to wait for. */
static int loop(int sigs, const sigset_t *set, pid_t pid, struct relay *r,
		const struct foreground *f, struct error *e)
{
	struct interrupts in = { .n = 0 };

	for (;;) {
		struct pollfd p[5] = { { sigs, POLLIN, 0 } };
		int relayed = r ? relay_poll(r, p + 1) : 0, n = 1 + relayed, status;
		int ready = 1, sig;

		if (f->notify)
			p[n++] = (struct pollfd){ f->notify->sock, POLLIN, 0 };
		if (sigs >= 0)
			ready = f->quiet ? quiet_poll(p, (nfds_t)n) : poll(p, (nfds_t)n, -1);
		if (ready < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "wait for the container");
		}
		/* A signal comes first: after SIGCONT the terminal may not be ours, and not raw. */
		if (n > 1 && !p[0].revents) {
			if (relayed)
				relay_move(r, p + 1, relayed);
			if (f->notify && p[n - 1].revents)
				notify_forward(f->notify);
			continue;
		}
		sig = next_signal(sigs, set);
		if (sig < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return err_sys(e, errno, "wait for the container");
		}
		if (sig != SIGCHLD) {
			handle(sig, pid, f, &in);
			continue;
		}
		if (!reap(pid, &status))
			continue;
		if (r)
			deliver_rest(sigs, set, r);
		/* Its last words; no more than a socket holds. */
		for (int i = 0; f->notify && i < LAST_WORDS; i++)
			notify_forward(f->notify);
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

int foreground_wait(pid_t pid, const struct foreground *f, struct error *e)
{
	_cleanup_fd_ int sigs = -1;
	struct relay r;
	sigset_t set;
	int code;

	relay_init(&r, f->master, f->pass_stdin);
	r.sink = f->sink;
	r.sink_ctx = f->sink_ctx;
	passed_on(&set);
	if (f->master >= 0 && !f->quiet)
		stops_terminal(&set);
	if ((f->master >= 0 || f->quiet || f->notify) &&
	    (sigs = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return err_sys(e, errno, "signalfd");
	code = loop(sigs, &set, pid, f->master >= 0 ? &r : NULL, f, e);
	if (r.lost)
		fprintf(stderr, "mrun: warning: write to stdout: %s\n", err_text(r.lost));
	relay_close(&r);
	return code;
}
