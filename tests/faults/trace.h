/* Runs commands, some of them under ptrace(2) so that one system call of one process fails, or the
 * process is killed at it. */
#ifndef MRUN_TESTS_FAULTS_TRACE_H
#define MRUN_TESTS_FAULTS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TRACE_PROCESSES 32
#define TRACE_KILL (-1)

/* The CALLth system call (from 1) of process PROCESS (from 0, in the order in which they were made;
 * threads count) fails with ERRNUM, or with TRACE_KILL its process is killed before it. */
struct fault {
	int process;
	long call;
	int errnum; /* 0: none */
};

/* What the processes did: recorded where there is no fault. */
struct record {
	struct {
		char name[24]; /* of the program that it last executed and that was traced */
		long *calls;   /* numbers of the system calls, in order */
		size_t n, cap;
		size_t execs[4]; /* before which call it started which program */
		size_t execs_n;
	} p[TRACE_PROCESSES];
	int processes;
};

struct tracee {
	pid_t pid;
	int index;    /* -1: its parent's report of having made it has not come yet */
	bool waits;   /* stopped until then */
	bool foreign; /* it executed a program that is not ours: left alone from there on */
	bool alive;
	bool fails; /* it is in the call that is to fail */
	long calls;
	char name[24];
};

/* Everything that one trial starts. */
struct session {
	struct fault fault;
	struct record *record; /* NULL: none */
	struct tracee t[4 * TRACE_PROCESSES];
	size_t n;
	int processes;
	bool done;     /* the fault has happened … */
	bool unfit;    /* … or at its place stood a call that cannot fail so */
	long nr;       /* the call */
	char name[24]; /* … of this program */
	/* How the commands are started. */
	uid_t uid;
	gid_t gid;
	char *const *env;
	const char *dir;
	double deadline; /* as now() counts */
};

struct outcome {
	int code; /* exit code, 128+n for a signal */
	bool hung;
	bool killed; /* by the fault itself */
	char *out, *err;
};

double now(void);
/* Runs ARGV to its end; what it leaves behind goes on. OUTCOME's strings are the caller's to free.
 */
void session_run(struct session *s, char *const *argv, bool traced, struct outcome *o);
/* Serves what goes on, until every traced process has ended or SECONDS are over. */
void session_settle(struct session *s, double seconds);
/* Reaps and serves whatever is there, without waiting. */
void session_serve(struct session *s);

#endif
