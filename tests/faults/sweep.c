/*
 * Sweeps over the system calls of some commands: in each trial one call of one process fails, or
 * the process is killed at it, and then everything must be as promised: success or one clear error,
 * no hang, and nothing left behind.
 *
 *   sweep [OPTION…] STEP…
 *
 *   --name TEXT        what is swept, for the messages
 *   --errnos A,B,…     of ENOMEM, EIO, EPERM, EMFILE; or
 *   --kill             SIGKILL instead
 *   --codes A,B,…      exit codes that a failure may have
 *   --user UID:GID     who runs the commands      --env NAME=VALUE    --dir DIR
 *   --watch DIR        its files must be as before a trial, or as after one without a fault
 *   --either           … all as before or all as after, not some of both
 *   --wipe DIR         is emptied before each trial
 *   --blur             digests are another each time, and so not compared
 *   --told             a success may have another output where a warning says so
 *   --cgroups PREFIX   no cgroup of a name that begins so may stay
 *   --bound SECONDS    that a command may take (20)
 *   --budget SECONDS   as many trials as fit, at random (default: all)     --seed N
 *   --of NAME          only calls that the program NAME makes, which a process executes last
 *   --leave A,B,…      calls that do not fail (they may be killed at)
 *   --only P:N:E       this trial alone: process, call, errno or KILL (repeatable)
 *   --max N            stops after so many problems (20)
 *   --messages         lists what was said in the end
 *
 * A STEP is a word and a command, split at blanks: `once` (before everything), `before` (each
 * trial), `trace` (what is swept; several go on as one), `after` (each trial), `end`. All but the
 * traced ones must succeed. The command @settle waits until the traced processes have ended.
 *
 * Processes count in the order in which they are made, calls from 1. The container's program is
 * left alone. Exit status: 0, or 1 where a trial went wrong (each is told on standard output).
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/faults/calls.h"
#include "tests/faults/options.h"

#define PATIENCE 3 /* seconds until what is left must be gone */

static struct {
	struct lines files_before, files_after, mounts, processes, cgroups;
	struct record record;
} base;

static struct lines problems, messages;

/* --- one trial --- */

static void explain_trial(const struct session *s)
{
	const struct fault *f = &s->fault;

	if (!f->errnum)
		printf("# %s, without a fault:\n", o.name);
	else
		printf("# %s, process %d (%s), call %ld (%s), %s: --only %d:%ld:%s\n", o.name,
		       f->process, s->name, f->call, s->done ? call_name(s->nr) : "not reached",
		       f->errnum == TRACE_KILL ? "KILL" : name_of_errno(f->errnum), f->process,
		       f->call, f->errnum == TRACE_KILL ? "KILL" : name_of_errno(f->errnum));
}

static void problem(const struct session *s, const char *what, const char *detail)
{
	explain_trial(s);
	printf("#   %s\n", what);
	while (detail && *detail) {
		size_t len = strcspn(detail, "\n");

		printf("#     | %.*s\n", (int)len, detail);
		detail += len + (detail[len] == '\n');
	}
	fflush(stdout);
	lines_add(&problems, "%s", what);
}

static bool code_allowed(int code)
{
	for (size_t i = 0; i < o.codes_n; i++)
		if (o.codes[i] == code)
			return true;
	return false;
}

/* What of it was not said without the fault as well. */
static void news(const struct step *st, const char *err, struct lines *ret)
{
	struct lines all = { 0 };

	lines_split(&all, err);
	for (size_t i = 0; i < all.n; i++)
		if (!lines_has(&st->err, all.items[i]))
			lines_add(ret, "%s", all.items[i]);
	lines_free(&all);
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* One clear error: a line of mrun's (after warnings, which say so) and perhaps a hint. */
static const char *judge_error(const struct lines *said)
{
	size_t errors = 0, hints = 0;

	for (size_t i = 0; i < said->n; i++)
		if (begins(said->items[i], "mrun: warning: "))
			continue;
		else if (begins(said->items[i], "mrun: "))
			errors++;
		else if (begins(said->items[i], "hint: "))
			hints++;
		else
			return "said something that is neither an error of mrun's nor a hint";
	return errors == 0  ? "failed without an error"
	       : errors > 1 ? "more than one error"
	       : hints > 1  ? "more than one hint"
			    : NULL;
}

static bool has_warning(const struct lines *said)
{
	for (size_t i = 0; i < said->n; i++)
		if (begins(said->items[i], "mrun: warning: "))
			return true;
	return false;
}

static const char *judge(const struct session *s, const struct step *st, const struct outcome *x)
{
	struct lines said = { 0 };
	const char *wrong = NULL;
	bool killed_other = s->fault.errnum == TRACE_KILL && s->done && s->fault.process > 0;

	news(st, x->err, &said);
	if (x->hung)
		wrong = "hangs";
	else if (x->killed || (x->code == 137 && killed_other && said.n == 0))
		wrong = NULL;
	else if (x->code == st->code)
		/* Of what was killed it may be the exit code. */
		wrong = !killed_other && strcmp(x->out, st->out) != 0 &&
					!(o.told && has_warning(&said))
				? "succeeded with another output"
				: NULL;
	else if (!code_allowed(x->code))
		wrong = "exit code";
	else
		wrong = judge_error(&said);
	for (size_t i = 0; i < said.n; i++)
		lines_add(&messages, "%s%s", x->code == st->code ? "(succeeded) " : "",
			  said.items[i]);
	lines_free(&said);
	return wrong;
}

static void show(const struct session *s, const struct step *st, const struct outcome *x,
		 const char *wrong)
{
	char head[256], *text;

	snprintf(head, sizeof(head), "%s: `%.150s` (exit code %d)", wrong, st->text, x->code);
	if (x->code == st->code && st->out && strcmp(st->out, x->out) != 0) {
		struct lines l = { 0 };

		lines_compare(&l, st->out, x->out);
		problem(s, head, x->err);
		for (size_t i = 0; i < l.n; i++)
			printf("#     | stdout: %s\n", l.items[i]);
		lines_free(&l);
		return;
	}
	if (asprintf(&text, "%s%s%s", x->err, *x->out ? "stdout: " : "", x->out) < 0)
		abort();
	problem(s, head, text);
	free(text);
}

static bool untraced(struct session *s, enum kind kind)
{
	bool ok = true;

	for (size_t i = 0; i < o.steps_n; i++) {
		struct step *st = &o.steps[i];
		struct outcome x;

		if (st->kind != kind)
			continue;
		s->deadline = now() + o.bound;
		if (strcmp(st->argv[0], "@settle") == 0) {
			session_settle(s, 5);
			continue;
		}
		session_run(s, st->argv, false, &x);
		if (x.hung || x.code != 0) {
			show(s, st, &x, x.hung ? "hangs" : "fails");
			ok = false;
		}
		free(x.out);
		free(x.err);
	}
	return ok;
}

static void run_traced(struct session *s, bool first)
{
	for (size_t i = 0; i < o.steps_n; i++) {
		struct step *st = &o.steps[i];
		const char *wrong;
		struct outcome x;
		double began = now();
		bool stop;

		if (st->kind != TRACE)
			continue;
		s->deadline = began + o.bound;
		if (strcmp(st->argv[0], "@settle") == 0) {
			session_settle(s, 5);
			continue;
		}
		session_run(s, st->argv, true, &x);
		if (o.blur)
			text_blur(x.out);
		if (first) {
			st->code = x.code;
			st->out = x.out;
			lines_split(&st->err, x.err);
			lines_sort(&st->err);
			if (x.hung || x.code != 0)
				show(s, st, &x, "fails without a fault");
			free(x.err);
			continue;
		}
		wrong = judge(s, st, &x);
		if (!wrong && now() - began > o.bound / 2)
			wrong = "takes long";
		if (wrong)
			show(s, st, &x, wrong);
		stop = x.hung || x.code != st->code;
		free(x.out);
		free(x.err);
		if (stop)
			break;
	}
}

/* --- what is left --- */

static void files_now(struct lines *l)
{
	for (size_t i = 0; i < o.watch.n; i++)
		remains_files(l, o.watch.items[i]);
	for (size_t i = 0; o.blur && i < l->n; i++)
		text_blur(l->items[i]);
	lines_sort(l);
}

/* Without a mount namespace of our own others' are seen, too: those of what is watched are ours. */
static void mounts_now(struct lines *l)
{
	struct lines all = { 0 };

	remains_mounts(&all);
	for (size_t i = 0; i < all.n; i++) {
		bool ours = geteuid() == 0;

		for (size_t k = 0; k < o.watch.n && !ours; k++)
			ours = strstr(all.items[i], o.watch.items[k]) != NULL;
		if (ours)
			lines_add(l, "%s", all.items[i]);
	}
	lines_free(&all);
}

static void differences(struct lines *ret, const char *what, const struct lines *a,
			const struct lines *allowed, const struct lines *also)
{
	for (size_t i = 0; i < a->n; i++)
		if (!lines_has(allowed, a->items[i]) && !(also && lines_has(also, a->items[i])))
			lines_add(ret, "%s: %s", what, a->items[i]);
}

static bool same(const struct lines *a, const struct lines *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static void look(struct session *s, struct lines *ret)
{
	struct lines now_there = { 0 };

	session_serve(s);
	remains_processes(&now_there);
	differences(ret, "process", &now_there, &base.processes, NULL);
	lines_free(&now_there);
	mounts_now(&now_there);
	differences(ret, "mount", &now_there, &base.mounts, NULL);
	lines_free(&now_there);
	if (o.cgroups)
		remains_cgroups(&now_there, o.cgroups);
	differences(ret, "cgroup", &now_there, &base.cgroups, NULL);
	lines_free(&now_there);
	files_now(&now_there);
	differences(ret, "file", &now_there, &base.files_before, &base.files_after);
	if (o.either && ret->n == 0 && !same(&now_there, &base.files_before) &&
	    !same(&now_there, &base.files_after)) {
		differences(ret, "neither as before nor as after: missing", &base.files_after,
			    &now_there, NULL);
		differences(ret, "neither as before nor as after: more", &now_there,
			    &base.files_before, NULL);
	}
	lines_free(&now_there);
}

/* The kernel takes a moment to end what was killed. */
static void check_remains(struct session *s)
{
	struct lines left = { 0 };
	double end = now() + PATIENCE;
	char text[4096] = "";

	for (;;) {
		look(s, &left);
		if (!left.n || now() > end)
			break;
		lines_free(&left);
		usleep(3000);
	}
	for (size_t i = 0; i < left.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", left.items[i]);
	if (left.n)
		problem(s, "left behind", text);
	/* So that the next trial is one of its own. */
	for (size_t i = left.n; i-- > 0;) {
		const char *path = strchr(left.items[i], '/');

		if (path && (begins(left.items[i], "cgroup: ") || begins(left.items[i], "file: ")))
			remove(path);
	}
	lines_free(&left);
}

static void end_processes(struct session *s)
{
	struct lines there = { 0 };

	for (int i = 0; i < 300; i++) {
		session_serve(s);
		lines_free(&there);
		remains_processes(&there);
		if (same(&there, &base.processes) || there.n == 0)
			break;
		remains_kill_processes(&base.processes);
		usleep(10000);
	}
	lines_free(&there);
}

static void new_session(struct session *s, const struct fault *f)
{
	*s = (struct session){ .uid = o.uid,
			       .gid = o.gid,
			       .env = o.env.items,
			       .dir = o.dir,
			       .deadline = now() + o.bound };
	if (f)
		s->fault = *f;
}

static void wipe(void)
{
	for (size_t i = 0; i < o.wipe.n; i++)
		remains_wipe(o.wipe.items[i]);
}

/* True where the fault happened. */
static bool trial(const struct fault *f)
{
	static struct session s;
	size_t before = problems.n;

	new_session(&s, f);
	wipe();
	if (untraced(&s, BEFORE))
		run_traced(&s, false);
	session_serve(&s);
	untraced(&s, AFTER);
	check_remains(&s);
	if (problems.n > before)
		end_processes(&s);
	return s.done && !s.unfit;
}

/* --- all of them --- */

static bool first_run(void)
{
	static struct session s;
	size_t before = problems.n;

	new_session(&s, NULL);
	if (!untraced(&s, ONCE))
		return false;
	wipe();
	if (!untraced(&s, BEFORE))
		return false;
	session_serve(&s);
	remains_processes(&base.processes);
	mounts_now(&base.mounts);
	if (o.cgroups)
		remains_cgroups(&base.cgroups, o.cgroups);
	files_now(&base.files_before);
	s.record = &base.record;
	run_traced(&s, true);
	s.record = NULL;
	if (problems.n > before)
		return false;
	session_settle(&s, 5);
	files_now(&base.files_after);
	untraced(&s, AFTER);
	check_remains(&s);
	return problems.n == before;
}

static bool is_start(long nr)
{
	return nr == SYS_readlinkat || nr == SYS_readlink || nr == SYS_getrandom || nr == SYS_brk ||
	       nr == SYS_mprotect || nr == SYS_munmap;
}

/* Where the C library is done that a program started with call FIRST: its last calls are, for a
 * program that is linked dynamically (it opens files first), prlimit64(RLIMIT_STACK) and a few
 * more, for mrun mprotect. N: none, it has no C library, as the shim. */
static size_t start_ends(const long *calls, size_t n, size_t first)
{
	size_t at = first;

	while (at < n && calls[at] != SYS_mprotect && calls[at] != SYS_openat)
		at++;
	if (at < n && calls[at] == SYS_mprotect)
		return at;
	for (at = first; at < n && calls[at] != SYS_prlimit64;)
		at++;
	while (at + 1 < n && is_start(calls[at + 1]))
		at++;
	return at;
}

/* From a program's start to its main: the C library's business, which ends such a program by a line
 * of its own. */
static bool before_main(int process, size_t call)
{
	const size_t *execs = base.record.p[process].execs;
	const long *calls = base.record.p[process].calls;
	size_t n = base.record.p[process].n;

	for (size_t i = 0; i < base.record.p[process].execs_n; i++) {
		size_t main_at = start_ends(calls, n, execs[i]);

		if (main_at < n && call >= execs[i] && call <= main_at)
			return true;
	}
	return false;
}

static bool is_left_out(int process, size_t call)
{
	size_t execs = base.record.p[process].execs_n;

	if (!o.of)
		return false;
	return strcmp(base.record.p[process].name, o.of) != 0 ||
	       (execs && call < base.record.p[process].execs[execs - 1]);
}

static struct fault *all_faults(size_t *ret_n)
{
	struct fault *f = NULL;
	size_t n = 0;

	for (int p = 0; p < base.record.processes && p < TRACE_PROCESSES; p++)
		for (size_t i = 0; i < base.record.p[p].n; i++)
			for (size_t k = 0; k < o.errnos_n; k++) {
				if (is_left_out(p, i))
					continue;
				if (o.errnos[k] != TRACE_KILL &&
				    (before_main(p, i) ||
				     !call_may_fail(base.record.p[p].calls[i], NULL, o.errnos[k])))
					continue;
				f = realloc(f, (n + 1) * sizeof(*f));
				if (!f)
					abort();
				f[n++] = (struct fault){ p, (long)i + 1, o.errnos[k] };
			}
	*ret_n = n;
	return f;
}

static void shuffle(struct fault *f, size_t n)
{
	srandom(o.seed);
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)random() % i;
		struct fault swap = f[i - 1];

		f[i - 1] = f[k];
		f[k] = swap;
	}
}

static void sweep(void)
{
	size_t n, tried = 0, happened = 0;
	struct fault *f = all_faults(&n);
	double began = now();

	if (o.only_n) {
		f = o.only;
		n = o.only_n;
	} else if (o.budget > 0) {
		shuffle(f, n);
	}
	for (; tried < n && problems.n < o.max; tried++) {
		if (o.budget > 0 && now() - began > o.budget)
			break;
		happened += trial(&f[tried]);
	}
	printf("# %s:", o.name);
	for (int p = 0; p < base.record.processes && p < TRACE_PROCESSES; p++)
		printf(" %s %zu", base.record.p[p].name, base.record.p[p].n);
	printf(" calls; %zu of %zu trials, %zu with the fault, %.1f s, %zu problems", tried, n,
	       happened, now() - began, problems.n);
	if (tried < n)
		printf(" (--seed %u)", o.seed);
	puts("");
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction a = { .sa_handler = on_alarm };
	struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
	static struct session s;

	options_parse(argc, argv);
	lines_add(&o.env, "%s", "LC_ALL=C");
	o.env.items = realloc(o.env.items, (o.env.n + 1) * sizeof(*o.env.items));
	if (!o.env.items)
		abort();
	o.env.items[o.env.n] = NULL;
	/* What is orphaned is ours to see; mounts are ours alone, and shared as systemd has them.
	 */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (geteuid() == 0 &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0))
		options_bad("mount namespace", strerror(errno));
	/* So that waiting sees the deadline. */
	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	if (first_run())
		sweep();
	new_session(&s, NULL);
	untraced(&s, END);
	if (o.messages)
		lines_tell(&messages);
	return problems.n ? 1 : 0;
}
