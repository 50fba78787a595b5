/*
 * See calls.h. The rules: ENOMEM from whatever needs memory of the kernel, EIO from what reads or
 * writes files, EPERM from what a filter or a security module may forbid, EMFILE from what makes a
 * descriptor. Left out is what cannot fail so that a program could notice: close(2) gives the
 * descriptor back whatever it returns, getpid(2) and its kin return no errors, exit(2) does not
 * return, waiting for a child and killing one's own child fail for no such reason, and memory that
 * is given back (munmap, brk, madvise) is.
 */
#include "tests/faults/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

enum { MEM = 1, IO = 2, PERM = 4, FD = 8 };

#define CALL(name, may)                \
	{                              \
		SYS_##name, #name, may \
	}
static const struct {
	long nr;
	const char *name;
	int may;
} calls[] = {
	/* paths and descriptors */
	CALL(openat, MEM | IO | PERM | FD),
	CALL(openat2, MEM | IO | PERM | FD),
	CALL(read, MEM | IO),
	CALL(pread64, MEM | IO),
	CALL(readv, MEM | IO),
	CALL(write, MEM | IO | PERM),
	CALL(writev, MEM | IO | PERM),
	CALL(pwrite64, MEM | IO | PERM),
	CALL(ftruncate, MEM | IO | PERM),
	CALL(fallocate, MEM | IO | PERM),
	CALL(copy_file_range, MEM | IO | PERM),
	CALL(sendfile, MEM | IO),
	CALL(splice, MEM | IO),
	CALL(lseek, IO),
	CALL(fstat, MEM | IO),
	CALL(newfstatat, MEM | IO | PERM),
	CALL(statx, MEM | IO | PERM),
	CALL(statfs, MEM | IO),
	CALL(fstatfs, MEM | IO),
	CALL(faccessat, MEM | IO | PERM),
	CALL(faccessat2, MEM | IO | PERM),
	CALL(readlinkat, MEM | IO | PERM),
	CALL(getdents64, MEM | IO),
	CALL(mkdirat, MEM | IO | PERM),
	CALL(mknodat, MEM | IO | PERM),
	CALL(symlinkat, MEM | IO | PERM),
	CALL(linkat, MEM | IO | PERM),
	CALL(unlinkat, MEM | IO | PERM),
	CALL(renameat, MEM | IO | PERM),
	CALL(renameat2, MEM | IO | PERM),
	CALL(fchmod, MEM | IO | PERM),
	CALL(fchmodat, MEM | IO | PERM),
	CALL(fchown, MEM | IO | PERM),
	CALL(fchownat, MEM | IO | PERM),
	CALL(utimensat, MEM | IO | PERM),
	CALL(getxattr, MEM | IO),
	CALL(fgetxattr, MEM | IO),
	CALL(fsetxattr, MEM | IO | PERM),
	CALL(flistxattr, MEM | IO),
	CALL(setxattr, MEM | IO | PERM),
	CALL(lsetxattr, MEM | IO | PERM),
	CALL(fsync, MEM | IO),
	CALL(fdatasync, MEM | IO),
	CALL(syncfs, MEM | IO),
	CALL(flock, MEM),
	CALL(chdir, MEM | IO | PERM),
	CALL(fchdir, IO | PERM),
	CALL(getcwd, MEM),
	CALL(dup, FD),
	CALL(dup3, FD),
	CALL(fcntl, FD),
	CALL(pipe2, MEM | FD),
	CALL(memfd_create, MEM | PERM | FD),
	CALL(signalfd4, MEM | FD),
	CALL(eventfd2, MEM | FD),
	CALL(epoll_create1, MEM | FD),
	CALL(inotify_init1, MEM | FD),
	CALL(poll, MEM),
	CALL(ppoll, MEM),
	CALL(ioctl, MEM | IO | PERM),
	/* mounts */
	CALL(mount, MEM | IO | PERM),
	CALL(umount2, MEM | PERM),
	CALL(pivot_root, MEM | PERM),
	CALL(chroot, MEM | PERM),
	CALL(open_tree, MEM | PERM | FD),
	CALL(move_mount, MEM | PERM),
	CALL(fsopen, MEM | PERM | FD),
	CALL(fsconfig, MEM | IO | PERM),
	CALL(fsmount, MEM | PERM | FD),
	CALL(mount_setattr, MEM | PERM),
	/* processes and rights */
	CALL(clone, MEM | PERM),
	CALL(clone3, MEM | PERM | FD),
	CALL(execve, MEM | IO | PERM),
	CALL(execveat, MEM | IO | PERM),
	CALL(unshare, MEM | PERM),
	CALL(setns, MEM | PERM),
	CALL(prctl, MEM | PERM),
	CALL(prlimit64, PERM),
	CALL(seccomp, MEM | PERM),
	CALL(capset, PERM),
	CALL(capget, PERM),
	CALL(setgroups, MEM | PERM),
	CALL(setresuid, MEM | PERM),
	CALL(setresgid, MEM | PERM),
	CALL(setuid, MEM | PERM),
	CALL(setgid, MEM | PERM),
	CALL(setsid, PERM),
	CALL(sethostname, PERM),
	CALL(setdomainname, PERM),
	CALL(keyctl, MEM | PERM),
	CALL(pidfd_open, MEM | FD),
	CALL(pidfd_send_signal, PERM),
	CALL(kill, PERM),
	CALL(bpf, MEM | PERM | FD),
	CALL(sched_setaffinity, MEM | PERM),
	CALL(getrandom, MEM),
	/* sockets */
	CALL(socket, MEM | PERM | FD),
	CALL(socketpair, MEM | FD),
	CALL(connect, MEM | PERM),
	CALL(bind, MEM | PERM),
	CALL(listen, PERM),
	CALL(accept4, MEM | FD),
	CALL(sendto, MEM | PERM),
	CALL(sendmsg, MEM | PERM),
	CALL(recvfrom, MEM),
	CALL(recvmsg, MEM),
	CALL(shutdown, MEM),
	/* memory */
	CALL(mmap, MEM | PERM),
	CALL(mprotect, MEM),
	CALL(mremap, MEM),
#ifdef __x86_64__
	CALL(open, MEM | IO | PERM | FD),
	CALL(stat, MEM | IO | PERM),
	CALL(lstat, MEM | IO | PERM),
	CALL(access, MEM | IO | PERM),
	CALL(readlink, MEM | IO | PERM),
	CALL(mkdir, MEM | IO | PERM),
	CALL(rmdir, MEM | IO | PERM),
	CALL(unlink, MEM | IO | PERM),
	CALL(rename, MEM | IO | PERM),
	CALL(chmod, MEM | IO | PERM),
	CALL(chown, MEM | IO | PERM),
	CALL(fork, MEM | PERM),
	CALL(vfork, MEM | PERM),
	CALL(dup2, FD),
	CALL(pipe, MEM | FD),
#endif
};

static const struct {
	int errnum, bit;
	const char *name;
} errnos[] = {
	{ ENOMEM, MEM, "ENOMEM" },
	{ EIO, IO, "EIO" },
	{ EPERM, PERM, "EPERM" },
	{ EMFILE, FD, "EMFILE" },
};
#define LEN(array) (sizeof(array) / sizeof(array[0]))

const char *calls_left;

const char *call_name(long nr)
{
	static char other[32];

	for (size_t i = 0; i < LEN(calls); i++)
		if (calls[i].nr == nr)
			return calls[i].name;
	snprintf(other, sizeof(other), "call %ld", nr);
	return other;
}

static bool is_left(long nr)
{
	const char *name = call_name(nr);
	size_t len = strlen(name);

	for (const char *at = calls_left; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, len) == 0 && (!at[len] || at[len] == ','))
			return true;
	return false;
}

bool call_may_fail(long nr, const unsigned long long *args, int errnum)
{
	int bit = 0;

	if (nr == SYS_fcntl && args && args[1] != F_DUPFD && args[1] != F_DUPFD_CLOEXEC)
		return false;
	if (is_left(nr))
		return false;

	for (size_t i = 0; i < LEN(errnos); i++)
		if (errnos[i].errnum == errnum)
			bit = errnos[i].bit;
	for (size_t i = 0; i < LEN(calls); i++)
		if (calls[i].nr == nr)
			return (calls[i].may & bit) != 0;
	return false;
}

int errno_of_name(const char *name)
{
	for (size_t i = 0; i < LEN(errnos); i++)
		if (strcmp(errnos[i].name, name) == 0)
			return errnos[i].errnum;
	return 0;
}

const char *name_of_errno(int errnum)
{
	for (size_t i = 0; i < LEN(errnos); i++)
		if (errnos[i].errnum == errnum)
			return errnos[i].name;
	return "errno";
}
