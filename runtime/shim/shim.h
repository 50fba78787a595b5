/*
 * The last program before the container's own: what the container's init executes from a sealed
 * memory file, and which then executes the container's program.
 *
 * Why: while execve(2) runs, /proc/self/exe is the program that calls it. Were that mrun, an image
 * whose entry point is /proc/self/exe, or a script with that interpreter, would run mrun's own
 * binary inside the container and, through /proc/PID/exe, could later write to it on the host
 * (CVE-2019-5736). With the shim it finds two kilobytes of sealed memory. Copying all of mrun to a
 * memory file and executing it again would cost ten times as much.
 *
 * A process that enters a pid namespace in which others are already makes its last step with the
 * shim as well (the flags SHIM_JOIN): only a child can be in there, and this child is a copy of a
 * kilobyte that holds nothing, with the container's rights and filter, when it is first seen
 * (CVE-2016-9962).
 *
 * argv of the shim: [0] "FLAGS:FD:PATH", with SHIM_JOIN "FLAGS:FD:SYNC:WAIT:PATH", then the
 * container's argv. FD is where a failure is reported as struct shim_report; it is close-on-exec
 * and vanishes when the program starts. The child's pid is said on SYNC, as sync.h has it; the
 * child goes on when one byte came there and, if that is another descriptor, one on WAIT; it ends
 * when either ends.
 *
 * With SHIM_LABEL, [1] is "PROC:FILE:TEXT": TEXT is written to FILE below the
 * procfs PROC, which sets the security label for the next execve. Not before the shim: AppArmor and
 * SELinux would then ask whether the label may execute a memory file and, a second time, the
 * program.
 */
#ifndef MRUN_RUNTIME_SHIM_SHIM_H
#define MRUN_RUNTIME_SHIM_SHIM_H

#define SHIM_HEAD_MAX 4096

struct shim_report {
	int err;		  /* errno of execve(2), or of setting the label */
	int label;		  /* it was the label */
	int head_len;		  /* bytes of the file that follow, 0 when it can't be read */
	char head[SHIM_HEAD_MAX]; /* start of the file, for the reason: ELF interpreter, machine */
};

/* FLAGS: one of the first two, behind those of the others that apply. */
#define SHIM_INIT 'i' /* stay as pid 1: run the program as a child, forward signals, reap */
#define SHIM_PLAIN 'p'
#define SHIM_LABEL 'l'	  /* a label comes with it */
#define SHIM_JOIN 'j'	  /* clone a sibling, in a session of its own, that does the rest */
#define SHIM_TERMINAL 't' /* with SHIM_JOIN: descriptor 0 becomes its controlling terminal */
#define SHIM_PID 'p'	  /* the tag in front of the pid on SYNC: SYNC_PID */

#ifndef SHIM_ITSELF
extern const unsigned char shim_program[];
extern const unsigned int shim_program_size;
#endif

#endif
