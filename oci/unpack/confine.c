/* See confine.h. */
#include "oci/unpack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not <sys/mount.h>: its names clash with the kernel's header in glibc 2.36. */
#define MNT_DETACH_FLAG 2
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);

#define MEMORY_LIMIT (1536ull << 20) /* a zstd window of 128 MiB, buffers, thread stacks, names */
#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define CPU_LIMIT 7200 /* seconds */

static int set_limit(__rlimit_resource_t what, uint64_t value, struct error *e)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return err_sys(e, errno, "read resource limit %d", (int)what);
	if (l.rlim_max != RLIM_INFINITY && value > l.rlim_max)
		value = l.rlim_max;
	l.rlim_cur = l.rlim_max = value;
	if (setrlimit(what, &l) < 0)
		return err_sys(e, errno, "set resource limit %d", (int)what);
	return 0;
}

int confine_start(uint64_t max_file_size, struct error *e)
{
	struct rlimit files;

	/* A "deny" in setgroups (user_namespaces(7)) leaves nothing to drop that would count. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_sys(e, errno, "drop the supplementary groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the user namespace");
	/* After the ids, whose change clears it. The core has not sent the request before this
	 * process reads it, so a core that died earlier shows as an empty request. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, errno, "set the parent-death signal");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "set no_new_privs");
	umask(0);
	/* Writing past RLIMIT_FSIZE is then an error like others (setrlimit(2)). */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (set_limit(RLIMIT_CORE, 0, e) < 0 || set_limit(RLIMIT_CPU, CPU_LIMIT, e) < 0 ||
	    set_limit(RLIMIT_FSIZE, max_file_size, e) < 0)
		return -1;
#ifndef __SANITIZE_ADDRESS__
	if (set_limit(RLIMIT_AS, MEMORY_LIMIT, e) < 0)
		return -1;
#endif
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

/* A mount of DIRFD, or of an empty tmpfs, that is attached nowhere. */
static int detached_mount(int dirfd)
{
	int fs, fd;

	if (dirfd >= 0)
		return (int)syscall(SYS_open_tree, dirfd, "",
				    AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -1;
	fd = syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
		     ? -1
		     : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return fd;
}

/* Changes the root. pivot_root(2) takes every other mount away; where that is not possible (a
 * chroot, a rootfs that is an initramfs), chroot(2), which holds since no descriptor of a directory
 * outside stays open and the filter has no chroot. */
static int change_root(int dirfd, struct error *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC };
	int tree;

	if (mount(NULL, "/", NULL, 0x44000 /* MS_REC | MS_PRIVATE */, NULL) < 0)
		return err_sys(e, errno, "make the mounts private");
	tree = detached_mount(dirfd);
	if (tree < 0) {
		/* Old kernels. Without a directory the filter, which allows no open, must do. */
		if (dirfd < 0)
			return 0;
		if (fchdir(dirfd) < 0 || chroot(".") < 0)
			return err_sys(e, errno, "change the root directory");
		return 0;
	}
	syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(tree) < 0)
		return err_sys(e, errno, "mount the root directory");
	close(tree);
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH_FLAG) < 0)
			return err_sys(e, errno, "unmount the old root");
	} else if (chroot(".") < 0) {
		return err_sys(e, errno, "change the root directory");
	}
	return 0;
}

static int drop_capabilities(bool trusted, struct error *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };
	uint64_t keep = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER |
			1ull << CAP_FSETID | 1ull << CAP_MKNOD | 1ull << CAP_SETFCAP;

	if (trusted)
		keep |= 1ull << CAP_SYS_ADMIN;
	d[0].effective = d[0].permitted = (uint32_t)keep;
	d[1].effective = d[1].permitted = (uint32_t)(keep >> 32);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "drop capabilities");
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int confine_enter(int dirfd, bool trusted, int *keep, unsigned n, struct error *e)
{
	unsigned next = 3;
	int root = 0;

	if (change_root(dirfd, e) < 0)
		return -1;
	qsort(keep, n, sizeof(*keep), compare);
	for (unsigned i = 0; i <= n; i++) {
		unsigned fd = i < n ? (unsigned)keep[i] : ~0u;

		if (fd > next && syscall(SYS_close_range, next, i < n ? fd - 1 : ~0u, 0) < 0)
			return err_sys(e, errno, "close descriptors");
		if (fd >= next)
			next = fd + 1;
	}
	if (dirfd >= 0) {
		if (chdir("/") < 0)
			return err_sys(e, errno, "enter the root directory");
		root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return err_sys(e, errno, "open the root directory");
	}
	return drop_capabilities(trusted, e) < 0 ? -1 : root;
}

static const int base_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(sched_yield),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(fadvise64),
	SCMP_SYS(_llseek),
	SCMP_SYS(fstat64),
	SCMP_SYS(futex_time64),
	SCMP_SYS(clock_gettime64),
};

static const int file_calls[] = {
	SCMP_SYS(open),	      SCMP_SYS(openat),	     SCMP_SYS(openat2),
	SCMP_SYS(mkdirat),    SCMP_SYS(symlinkat),   SCMP_SYS(linkat),
	SCMP_SYS(mknodat),    SCMP_SYS(unlinkat),    SCMP_SYS(readlinkat),
	SCMP_SYS(newfstatat), SCMP_SYS(fstatat64),   SCMP_SYS(statx),
	SCMP_SYS(fchmod),     SCMP_SYS(fchmodat),    SCMP_SYS(fchown),
	SCMP_SYS(fchownat),   SCMP_SYS(utimensat),   SCMP_SYS(utimensat_time64),
	SCMP_SYS(ftruncate),  SCMP_SYS(ftruncate64), SCMP_SYS(fallocate),
	SCMP_SYS(getdents64), SCMP_SYS(fcntl),	     SCMP_SYS(fcntl64),
	SCMP_SYS(fchdir),     SCMP_SYS(fsetxattr),   SCMP_SYS(lsetxattr),
	SCMP_SYS(fgetxattr),  SCMP_SYS(flistxattr),  SCMP_SYS(fremovexattr),
	SCMP_SYS(renameat),   SCMP_SYS(renameat2),
};

int confine_filter(bool files, struct error *e)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = c ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sizeof(base_calls) / sizeof(base_calls[0]); i++)
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, base_calls[i], 0);
	for (size_t i = 0; r == 0 && files && i < sizeof(file_calls) / sizeof(file_calls[0]); i++)
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, file_calls[i], 0);
	/* Memory, but none that could be executed. */
	if (r == 0)
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap2), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* Threads, but no processes, and none in namespaces of its own. clone3's flags cannot be
	 * seen: glibc then takes clone. */
	if (r == 0)
		r = seccomp_rule_add(
			c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | NAMESPACES, CLONE_THREAD));
	if (r == 0)
		r = seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
#ifndef __SANITIZE_ADDRESS__
	if (r == 0)
		r = seccomp_load(c);
#endif
	if (c)
		seccomp_release(c);
	return r < 0 ? err_sys(e, -r, "load the system-call filter") : 0;
}
