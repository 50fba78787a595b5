/*
 * Runs a program under a seccomp filter that answers as a container manager's does: the fault that
 * a test wants, made with the kernel's own means.
 *
 *   filter RULE… -- PROGRAM [ARG…]
 *
 * RULE is CALL=ERRNO for one system call by name, or userns=ERRNO for clone and unshare with a
 * namespace's flag (what Docker's default profile denies; clone3's flags no filter can see).
 * Without CAP_SYS_ADMIN no_new_privs is set, as seccomp(2) demands.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_FLAGS                                                                                   \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{ "clone3", SYS_clone3 },
	{ "fsconfig", SYS_fsconfig },
	{ "fsopen", SYS_fsopen },
	{ "mount", SYS_mount },
	{ "openat2", SYS_openat2 },
	{ "pivot_root", SYS_pivot_root },
	{ "setns", SYS_setns },
	{ "unshare", SYS_unshare },
}, errors[] = {
	{ "EPERM", EPERM },
	{ "ENOSYS", ENOSYS },
	{ "ENODEV", ENODEV },
	{ "ENOSPC", ENOSPC },
	{ "EINVAL", EINVAL },
};

static struct sock_filter code[128];
static unsigned short len;

static void put(unsigned short op, unsigned char yes, unsigned char no, unsigned k)
{
	if (len == sizeof(code) / sizeof(code[0]))
		exit(125);
	code[len++] = (struct sock_filter){ op, yes, no, k };
}

static unsigned error_number(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].nr;
	fprintf(stderr, "filter: unknown error %s\n", name);
	exit(125);
}

/* clone's flags are its first argument, except on s390. */
static void put_userns(unsigned nr, unsigned err)
{
	put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, nr);
	put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[0]));
	put(BPF_JMP | BPF_JSET | BPF_K, 0, 1, NS_FLAGS);
	put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | err);
}

static void put_rule(char *rule)
{
	char *value = strchr(rule, '=');
	unsigned err;

	if (!value) {
		fprintf(stderr, "filter: %s is not CALL=ERRNO\n", rule);
		exit(125);
	}
	*value++ = 0;
	err = error_number(value);
	if (strcmp(rule, "userns") == 0) {
		put_userns(SYS_clone, err);
		put_userns(SYS_unshare, err);
		return;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, rule) == 0) {
			put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
			put(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, calls[i].nr);
			put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | err);
			return;
		}
	fprintf(stderr, "filter: unknown system call %s\n", rule);
	exit(125);
}

int main(int argc, char **argv)
{
	struct sock_fprog prog;
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		put_rule(argv[i]);
	if (i + 1 >= argc) {
		fputs("usage: filter RULE... -- PROGRAM [ARG...]\n", stderr);
		return 125;
	}
	put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	prog = (struct sock_fprog){ len, code };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)) {
		perror("filter: seccomp");
		return 125;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 127;
}
