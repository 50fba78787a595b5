/*
 * cpuid PROGRAM [ARGUMENT...]: steps through PROGRAM and prints how many cpuid instructions it
 * executed, or stops at LIMIT steps. x86-64.
 */
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 2000000, CPUID = 0xa20f, FAILED = 127 };

int main(int argc, char **argv)
{
	struct user_regs_struct regs;
	long found = 0, steps = 0;
	int status;
	pid_t pid;

	if (argc < 2)
		return FAILED;
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execv(argv[1], argv + 1);
		_exit(FAILED);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && steps++ < LIMIT) {
		if (ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0 &&
		    (ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0) & 0xffff) == CPUID)
			found++;
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) != 0)
			return FAILED;
	}
	printf("%ld\n", found);
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}
