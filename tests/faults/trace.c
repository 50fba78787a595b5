/*
 * See trace.h. One loop serves every child: a command's processes are followed through clone and
 * execve, each runs free until the fault's process is the one, and that one stops at every system
 * call until its count is reached. A call fails by being skipped: its number becomes -1 and its
 * result the error. Whatever was started ends with us (PTRACE_O_EXITKILL).
 */
#include "tests/faults/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/calls.h"

#define OPTIONS                                                                                   \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
#define SYSCALL_STOP (SIGTRAP | 0x80)

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long tell(int request, pid_t pid, unsigned long data)
{
	return ptrace((enum __ptrace_request)request, pid, NULL, (void *)data);
}

static struct tracee *find(struct session *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->t[i].pid == pid && s->t[i].alive)
			return &s->t[i];
	return NULL;
}

static struct tracee *add(struct session *s, pid_t pid)
{
	struct tracee *t;

	if (s->n == sizeof(s->t) / sizeof(s->t[0])) {
		fputs("sweep: too many processes\n", stderr);
		exit(2);
	}
	t = &s->t[s->n++];
	*t = (struct tracee){ .pid = pid, .index = -1, .alive = true };
	return t;
}

/* Has it stop at its system calls, or not. */
static void go_on(struct session *s, struct tracee *t, int sig)
{
	bool step = t->index >= 0 && !t->foreign &&
		    (s->record || (s->fault.errnum && !s->done && t->index == s->fault.process));

	tell(step ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, (unsigned long)sig);
}

static void number(struct session *s, struct tracee *t, const struct tracee *parent)
{
	t->index = s->processes++;
	t->foreign = parent && parent->foreign;
	memcpy(t->name, parent ? parent->name : "", parent ? sizeof(t->name) : 1);
	if (s->record && t->index < TRACE_PROCESSES) {
		s->record->processes = s->processes;
		memcpy(s->record->p[t->index].name, t->name, sizeof(t->name));
	}
}

/* mrun, its programs and those of others that it starts for its own ends; the shim is a memory
 * file. */
static bool is_ours(const char *path)
{
	static const char *const names[] = { "mrun",  "newuidmap",   "newgidmap",      "pasta",
					     "passt", "slirp4netns", "fuse-overlayfs", "memfd:" };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void executed(struct session *s, struct tracee *t)
{
	char link[64], path[4096];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)t->pid);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	t->foreign = !is_ours(path);
	if (t->foreign)
		return;
	name = strrchr(path, '/');
	snprintf(t->name, sizeof(t->name), "%.20s",
		 strncmp(path, "/memfd:", 7) == 0 ? "shim"
		 : name				  ? name + 1
						  : path);
	if (s->record && t->index >= 0 && t->index < TRACE_PROCESSES) {
		memcpy(s->record->p[t->index].name, t->name, sizeof(t->name));
		if (s->record->p[t->index].execs_n < 4)
			s->record->p[t->index].execs[s->record->p[t->index].execs_n++] =
				s->record->p[t->index].n;
	}
}

static void note_call(struct record *r, int index, long nr)
{
	if (index >= TRACE_PROCESSES)
		return;
	if (r->p[index].n == r->p[index].cap) {
		r->p[index].cap = r->p[index].cap ? 2 * r->p[index].cap : 1024;
		r->p[index].calls =
			realloc(r->p[index].calls, r->p[index].cap * sizeof(*r->p[index].calls));
		if (!r->p[index].calls)
			abort();
	}
	r->p[index].calls[r->p[index].n++] = nr;
}

/* At the call's entry: it becomes none. At its exit: the result (a filter may have had its own idea
 * of a call of that number). Other processors than x86-64 need their own. */
static void set_call(pid_t pid)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}
static void set_result(pid_t pid, int errnum)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), (long)-errnum);
}

static void at_call(struct session *s, struct tracee *t)
{
	struct __ptrace_syscall_info info;

	if (t->fails) {
		set_result(t->pid, s->fault.errnum);
		t->fails = false;
		s->done = true;
		return;
	}
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	t->calls++;
	if (s->record)
		note_call(s->record, t->index, (long)info.entry.nr);
	if (!s->fault.errnum || s->done || t->index != s->fault.process ||
	    t->calls != s->fault.call)
		return;
	s->nr = (long)info.entry.nr;
	memcpy(s->name, t->name, sizeof(s->name));
	if (s->fault.errnum == TRACE_KILL) {
		s->done = true;
		kill(t->pid, SIGKILL);
	} else if (!call_may_fail(s->nr, (const unsigned long long *)info.entry.args,
				  s->fault.errnum)) {
		s->done = s->unfit = true;
	} else {
		set_call(t->pid);
		t->fails = true;
	}
}

static void born(struct session *s, struct tracee *parent)
{
	unsigned long pid = 0;
	struct tracee *t;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) < 0)
		return;
	t = find(s, (pid_t)pid);
	if (!t)
		t = add(s, (pid_t)pid);
	number(s, t, parent);
	if (t->waits) {
		t->waits = false;
		go_on(s, t, 0);
	}
}

static void stopped(struct session *s, pid_t pid, int status)
{
	struct tracee *t = find(s, pid);
	int sig = WSTOPSIG(status), event = status >> 16;

	if (!t) {
		/* A new one whose parent's report is still to come. */
		t = add(s, pid);
		t->waits = true;
		return;
	}
	if (sig == SYSCALL_STOP) {
		at_call(s, t);
		sig = 0;
	} else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK ||
		   event == PTRACE_EVENT_VFORK) {
		born(s, t);
		sig = 0;
	} else if (event == PTRACE_EVENT_EXEC) {
		executed(s, t);
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP) {
		if (t->index < 0) {
			t->waits = true;
			return;
		}
		sig = 0;
	}
	go_on(s, t, sig);
}

/* The next change of a child; false: none (WNOHANG), no children, or the time is over. */
static bool serve(struct session *s, int flags, pid_t *ret_ended, int *ret_status)
{
	struct tracee *t;
	int status;
	pid_t pid = waitpid(-1, &status, __WALL | flags);

	*ret_ended = 0;
	if (pid <= 0)
		return pid < 0 && errno == EINTR && now() < s->deadline;
	if (WIFSTOPPED(status)) {
		stopped(s, pid, status);
		return true;
	}
	t = find(s, pid);
	if (t)
		t->alive = false;
	/* Killed before it could report the one that it had made. */
	for (size_t i = 0; t && WIFSIGNALED(status) && i < s->n; i++)
		if (s->t[i].alive && s->t[i].waits) {
			s->t[i].waits = false;
			go_on(s, &s->t[i], 0);
		}
	*ret_ended = pid;
	*ret_status = status;
	return true;
}

static char *contents(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !(text = malloc((size_t)st.st_size + 1)))
		abort();
	n = pread(fd, text, (size_t)st.st_size, 0);
	text[n > 0 ? n : 0] = 0;
	close(fd);
	return text;
}

static _Noreturn void become(const struct session *s, char *const *argv, int out, int err, int hold)
{
	int null = open("/dev/null", O_RDONLY);
	char byte;

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(120);
	if (geteuid() == 0 && s->uid &&
	    (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
	     setresuid(s->uid, s->uid, s->uid) < 0))
		_exit(121);
	/* Until we are traced. */
	if (chdir(s->dir) < 0 || read(hold, &byte, 1) < 0)
		_exit(122);
	execve(argv[0], argv, s->env);
	_exit(123);
}

static int memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		abort();
	/* Whoever the command is, and opens it again by /proc/self/fd. */
	fchmod(fd, 0666);
	return fd;
}

void session_run(struct session *s, char *const *argv, bool traced, struct outcome *o)
{
	int out = memory_file("out"), err = memory_file("err"), hold[2], status = 0;
	struct tracee *t;
	pid_t pid, ended = 0;

	*o = (struct outcome){ .hung = true };
	fflush(NULL);
	if (pipe2(hold, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		close(hold[1]);
		become(s, argv, out, err, hold[0]);
	}
	close(hold[0]);
	if (traced) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS) < 0) {
			perror("sweep: PTRACE_SEIZE");
			exit(2);
		}
		t = add(s, pid);
		number(s, t, NULL);
		t->foreign = true; /* until it has executed the command */
	}
	close(hold[1]);
	while (serve(s, 0, &ended, &status))
		if (ended == pid) {
			o->hung = false;
			break;
		}
	o->killed = s->fault.errnum == TRACE_KILL && s->done && WIFSIGNALED(status) &&
		    WTERMSIG(status) == SIGKILL;
	o->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	o->out = contents(out);
	o->err = contents(err);
}

static bool any_alive(const struct session *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->t[i].alive)
			return true;
	return false;
}

void session_serve(struct session *s)
{
	pid_t ended;
	int status;

	while (serve(s, WNOHANG, &ended, &status))
		;
	/* Whoever made these was killed before it could report them. */
	for (size_t i = 0; i < s->n; i++)
		if (s->t[i].alive && s->t[i].waits) {
			s->t[i].waits = false;
			go_on(s, &s->t[i], 0);
		}
}

void session_settle(struct session *s, double seconds)
{
	double end = now() + seconds;

	while (any_alive(s) && now() < end) {
		session_serve(s);
		usleep(1000);
	}
}
