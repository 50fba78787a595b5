/*
 * instructions: counts the user-space instructions of a command and all its descendants, by
 * stepping.
 *
 *   instructions [--output FILE] [--processes] [--profile FILE] CMD [ARG...]
 *
 * FILE (default: standard error) gets one line, the sum; with --processes then a line for each
 * process or thread: its id, its instructions, its program. --profile: every instruction (see
 * profile). The exit status is CMD's. If this program dies, by whatever signal, all that it traces
 * dies with it.
 *
 * What is counted: instructions from the first one of CMD's program on, in the order the processor
 * retires them, the vDSO's too. A string instruction with a repeat prefix counts once, though it
 * traps after each iteration. The last system call of a process (exit) counts, the one that a
 * signal ended does not; nor does an instruction that faulted, until it is done again. Not told
 * apart from a step: an int3 and a SIGTRAP from elsewhere. Addresses are not randomised, so that a
 * count repeats.
 *
 * What it can't see: what CLONE_UNTRACED keeps from tracers. A set-id program has no more rights
 * than its caller when a tracer without privileges looks on (newuidmap, say): start as one who
 * needs none.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TASKS = 4096, NAME_SIZE = 128, EVENT_SHIFT = 16 };

struct task {
	pid_t pid; /* 0: ended */
	pid_t id;
	unsigned long count;
	uint64_t rip;  /* of the instruction that runs next */
	int stepping;  /* resumed with PTRACE_SINGLESTEP */
	int signalled; /* resumed with a signal: the next stop may be its handler's beginning */
	char name[NAME_SIZE];
};

static struct task tasks[MAX_TASKS];
static size_t task_count;
static FILE *profile;

static void fail(const char *what)
{
	fprintf(stderr, "instructions: %s: %s\n", what, strerror(errno));
	exit(125);
}

static struct task *task_of(pid_t pid)
{
	static struct task *last = tasks;

	if (last->pid == pid)
		return last;
	for (size_t i = task_count; i-- > 0;) {
		if (tasks[i].pid == pid)
			return last = &tasks[i];
	}
	if (task_count == MAX_TASKS) {
		errno = ENOMEM;
		fail("the table of processes");
	}
	last = &tasks[task_count++];
	*last = (struct task){ .pid = pid, .id = pid };
	return last;
}

static void name_task(struct task *task)
{
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", task->pid);
	length = readlink(path, task->name, sizeof(task->name) - 1);
	task->name[length > 0 ? length : 0] = '\0';
}

static uint64_t peek_user(pid_t pid, size_t offset)
{
	long value;

	errno = 0;
	value = ptrace(PTRACE_PEEKUSER, pid, offset, NULL);
	return errno ? 0 : (uint64_t)value;
}

/* Whether RIP is a string instruction with a repeat prefix. Asked only where a step led nowhere. */
static int is_repeated(pid_t pid, uint64_t rip)
{
	unsigned char code[2 * sizeof(long)];
	int repeat = 0;

	for (size_t i = 0; i < 2; i++) {
		long word = ptrace(PTRACE_PEEKTEXT, pid, rip + i * sizeof(long), NULL);

		memcpy(code + i * sizeof(long), &word, sizeof(word));
	}
	for (size_t i = 0; i < sizeof(code); i++) {
		unsigned char c = code[i];

		if (c == 0xf2 || c == 0xf3)
			repeat = 1;
		else if (c != 0x66 && c != 0x67 && (c & 0xf0) != 0x40) /* sizes, REX */
			return repeat && ((c >= 0xa4 && c <= 0xa7) || (c >= 0xaa && c <= 0xaf) ||
					  (c >= 0x6c && c <= 0x6f));
	}
	return 0;
}

/* The beginning of a signal's handler is reported like a step, but nothing was executed. */
static int is_handler(struct task *task)
{
	siginfo_t info;

	if (!task->signalled)
		return 0;
	task->signalled = 0;
	return ptrace(PTRACE_GETSIGINFO, task->pid, NULL, &info) == 0 && info.si_code == SIGTRAP;
}

static void stepped(struct task *task)
{
	uint64_t before = task->rip;

	task->rip = peek_user(task->pid, offsetof(struct user, regs.rip));
	if (is_handler(task) || (task->rip == before && is_repeated(task->pid, before)))
		return;
	task->count++;
	if (profile)
		fprintf(profile, "%d %lu %lu\n", task->id, before,
			peek_user(task->pid, offsetof(struct user, regs.rsp)));
}

static void executed(struct task *task)
{
	unsigned long former = 0;

	/* A thread that is not the first takes the first one's id as it executes. */
	if (ptrace(PTRACE_GETEVENTMSG, task->pid, NULL, &former) == 0 && former != 0 &&
	    (pid_t)former != task->pid)
		task_of((pid_t)former)->pid = 0;
	name_task(task);
	if (profile)
		fprintf(profile, "exec %d %s\n", task->id, task->name);
}

static void cloned(struct task *task)
{
	unsigned long child = 0;

	if (ptrace(PTRACE_GETEVENTMSG, task->pid, NULL, &child) != 0)
		return;
	memcpy(task_of((pid_t)child)->name, task->name, sizeof(task->name));
	if (profile)
		fprintf(profile, "fork %d %lu\n", task->id, child);
}

/* Looks at a stop and goes on. A stopped task can be gone by a SIGKILL at any point: that is ESRCH.
 */
static void stopped(struct task *task, int status)
{
	int event = status >> EVENT_SHIFT, signal = WSTOPSIG(status), how = PTRACE_SINGLESTEP;

	switch (event) {
	case 0:
		if (signal == SIGTRAP && task->stepping) {
			stepped(task);
			signal = 0;
		}
		break;
	case PTRACE_EVENT_EXEC:
		executed(task);
		signal = 0;
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		cloned(task);
		signal = 0;
		break;
	case PTRACE_EVENT_STOP:
		/* A new task's first stop is a SIGTRAP; by another signal all of it stops, and
		 * stays so. */
		if (signal != SIGTRAP)
			how = PTRACE_LISTEN;
		signal = 0;
		break;
	default:
		signal = 0;
	}
	if (event != 0 || !task->stepping)
		task->rip = peek_user(task->pid, offsetof(struct user, regs.rip));
	task->signalled = signal != 0;
	task->stepping = how == PTRACE_SINGLESTEP;
	if (ptrace(how, task->pid, NULL, signal) != 0 && errno != ESRCH)
		fail("ptrace");
}

static pid_t start(char **argv)
{
	const unsigned long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
				      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int go[2], status;
	pid_t pid;
	char c = 0;

	if (pipe(go) != 0 || (pid = fork()) < 0)
		fail("fork");
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1 || personality(ADDR_NO_RANDOMIZE) < 0)
			_exit(125);
		close(go[0]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, options) != 0)
		fail("ptrace(PTRACE_SEIZE)");
	close(go[0]);
	if (write(go[1], &c, 1) != 1)
		fail("write");
	close(go[1]);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (!WIFSTOPPED(status) || status >> EVENT_SHIFT != PTRACE_EVENT_EXEC)
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
	/* The next stop is the end of execve(2), which was not its program's: one less. */
	task_of(pid)->count = (unsigned long)-1;
	stopped(task_of(pid), status);
	return pid;
}

/* Until nothing is left of it. The status of PID, as a shell has it. */
static int trace(pid_t pid)
{
	int status, result = 0;

	for (;;) {
		pid_t got = waitpid(-1, &status, __WALL);
		struct task *task;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return result;
		task = task_of(got);
		if (WIFSTOPPED(status)) {
			stopped(task, status);
			continue;
		}
		task->count += WIFEXITED(status) && task->stepping;
		task->pid = 0;
		if (got == pid)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static void report(FILE *out, int processes)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < task_count; i++)
		sum += tasks[i].count;
	fprintf(out, "%lu\n", sum);
	for (size_t i = 0; processes && i < task_count; i++)
		fprintf(out, "%d\t%lu\t%s\n", tasks[i].id, tasks[i].count, tasks[i].name);
	if (fflush(out) != 0)
		fail("write");
}

static FILE *output_of(const char *name)
{
	FILE *file = fopen(name, "we");

	if (!file)
		fail(name);
	return file;
}

int main(int argc, char **argv)
{
	int processes = 0, status;
	FILE *out = stderr;

	(void)argc;
	for (argv++; *argv && argv[0][0] == '-'; argv++) {
		if (strcmp(*argv, "--processes") == 0) {
			processes = 1;
		} else if (strcmp(*argv, "--output") == 0 && argv[1]) {
			out = output_of(*++argv);
		} else if (strcmp(*argv, "--profile") == 0 && argv[1]) {
			profile = output_of(*++argv);
		} else {
			*argv = NULL;
			break;
		}
	}
	if (!*argv) {
		fputs("usage: instructions [--output FILE] [--processes] [--profile FILE] CMD "
		      "[ARG...]\n",
		      stderr);
		return 125;
	}
	status = trace(start(argv));
	report(out, processes);
	if (profile && fclose(profile) != 0)
		fail("write");
	return status;
}
