/*
 * The default profile of the image mode: what Docker's documentation ("Seccomp security profiles
 * for Docker") lets through, from one table of our own.
 *
 * How it decides, in this order:
 *  1. guards look at one argument: no new namespaces through clone(2) without CAP_SYS_ADMIN, no
 *     TIOCSTI and TIOCLINUX (typing into the caller's terminal), no socket families that reach the
 *     kernel's cryptography (AF_ALG), the host's hypervisor (AF_VSOCK), AFS (AF_RXRPC), or that
 *     Docker leaves out; personality(2) only with the values that C libraries and setarch use;
 *  2. a row of the table: allowed, or allowed with a capability and otherwise EPERM;
 *  3. everything else, thus every call newer than the table: ENOSYS, on which C libraries and
 *     language runtimes take the older way.
 *
 * clone3(2) is ENOSYS without CAP_SYS_ADMIN: its flags lie in memory, where no filter can look.
 *
 * It differs from Docker's profile in this: the default is ENOSYS, not EPERM; TIOCSTI, TIOCLINUX
 * and AF_RXRPC are denied; socketpair(2) is held to socket(2)'s families. What it cannot close is
 * i386's socketcall(2), whose arguments lie in memory as well and which 32-bit programs need.
 */
#include "runtime/image/default_seccomp.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/personality.h>
#include <sched.h>
#include <sys/socket.h>

#include "oci/base/str.h"
#include "runtime/init/seccomp_compile.h"

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif
#define LAST_FAMILY 45 /* AF_MCTP */
#define ARRAY_LEN(x) (sizeof(x) / sizeof((x)[0]))
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *const no_caps[] = { NULL };

/* A row: the calls, and the capabilities of which any one opens them; no_caps: open to all, NULL:
 * closed to all. Calls that an architecture does not have are skipped there. */
static const struct row {
	const char *const *caps, *const *names;
} rows[] = {
	/* Files by name. */
	{ no_caps,
	  NAMES("access", "chdir", "chmod", "chown", "chown32", "creat", "faccessat", "faccessat2",
		"fchmodat", "fchmodat2", "fchownat", "fstatat64", "futimesat", "getcwd", "lchown",
		"lchown32", "link", "linkat", "lstat", "lstat64", "mkdir", "mkdirat", "mknod",
		"mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2",
		"readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat",
		"stat64", "statfs", "statfs64", "statx", "symlink", "symlinkat", "truncate",
		"truncate64", "umask", "unlink", "unlinkat", "utime", "utimensat",
		"utimensat_time64", "utimes", "listmount", "statmount") },
	{ no_caps,
	  NAMES("fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "getxattrat",
		"lgetxattr", "listxattr", "listxattrat", "llistxattr", "lremovexattr", "lsetxattr",
		"removexattr", "removexattrat", "setxattr", "setxattrat") },
	/* Open files. */
	{ no_caps,
	  NAMES("_llseek", "cachestat", "close", "close_range", "copy_file_range", "dup", "dup2",
		"dup3", "fadvise64", "fadvise64_64", "fallocate", "fchdir", "fchmod", "fchown",
		"fchown32", "fcntl", "fcntl64", "fdatasync", "flock", "fstat", "fstat64", "fstatfs",
		"fstatfs64", "fsync", "ftruncate", "ftruncate64", "getdents", "getdents64", "ioctl",
		"lseek", "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev",
		"pwritev2", "read", "readahead", "readdir", "readv", "sendfile", "sendfile64",
		"splice", "sync", "sync_file_range", "sync_file_range2", "syncfs", "tee",
		"vmsplice", "write", "writev", "arm_fadvise64_64", "arm_sync_file_range") },
	/* Waiting for several. */
	{ no_caps,
	  NAMES("_newselect", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old",
		"epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd",
		"eventfd2", "fanotify_mark", "inotify_add_watch", "inotify_init", "inotify_init1",
		"inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents",
		"io_pgetevents_time64", "io_setup", "io_submit", "poll", "ppoll", "ppoll_time64",
		"pselect6", "pselect6_time64", "select", "signalfd", "signalfd4", "timerfd_create",
		"timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64") },
	/* Sockets. */
	{ no_caps, NAMES("accept", "accept4", "bind", "connect", "getpeername", "getsockname",
			 "getsockopt", "listen", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64",
			 "recvmsg", "send", "sendmmsg", "sendmsg", "sendto", "setsockopt",
			 "shutdown", "socket", "socketcall", "socketpair") },
	/* Memory. */
	{ no_caps,
	  NAMES("brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret",
		"mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap",
		"mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
		"pkey_mprotect", "process_mrelease", "remap_file_pages") },
	/* Processes and threads. */
	{ no_caps,
	  NAMES("arch_prctl", "clone", "execve", "execveat", "exit", "exit_group", "fork",
		"get_robust_list", "get_thread_area", "getcpu", "getpgid", "getpgrp", "getpid",
		"getppid", "getsid", "gettid", "landlock_add_rule", "landlock_create_ruleset",
		"landlock_restrict_self", "modify_ldt", "pidfd_open", "pidfd_send_signal", "prctl",
		"process_vm_readv", "process_vm_writev", "ptrace", "restart_syscall", "rseq",
		"seccomp", "set_robust_list", "set_thread_area", "set_tid_address", "set_tls",
		"setpgid", "setsid", "swapcontext", "uretprobe", "vfork", "wait4", "waitid",
		"waitpid", "breakpoint", "cacheflush", "riscv_flush_icache", "riscv_hwprobe",
		"s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr") },
	{ no_caps, NAMES("futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv",
			 "futex_wake") },
	/* Who it is. */
	{ no_caps,
	  NAMES("capget", "capset", "getegid", "getegid32", "geteuid", "geteuid32", "getgid",
		"getgid32", "getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid",
		"getresuid32", "getuid", "getuid32", "setfsgid", "setfsgid32", "setfsuid",
		"setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setregid",
		"setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid",
		"setreuid32", "setuid", "setuid32") },
	/* Scheduling and limits. */
	{ no_caps,
	  NAMES("getpriority", "getrlimit", "getrusage", "ioprio_get", "ioprio_set", "prlimit64",
		"sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
		"sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
		"sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr",
		"sched_setparam", "sched_setscheduler", "sched_yield", "setpriority", "setrlimit",
		"times", "ugetrlimit") },
	/* Signals. */
	{ no_caps,
	  NAMES("kill", "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
		"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
		"rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sigaction", "sigaltstack", "signal",
		"sigpending", "sigprocmask", "sigreturn", "sigsuspend", "tgkill", "tkill") },
	/* Time. */
	{ no_caps,
	  NAMES("adjtimex", "alarm", "clock_adjtime", "clock_adjtime64", "clock_getres",
		"clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
		"clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep", "setitimer",
		"time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
		"timer_gettime64", "timer_settime", "timer_settime64") },
	/* System V and POSIX IPC. */
	{ no_caps,
	  NAMES("ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
		"mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink",
		"msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop",
		"semtimedop_time64", "shmat", "shmctl", "shmdt", "shmget") },
	{ no_caps, NAMES("getrandom", "sysinfo", "uname") },

	/* With a capability. */
	{ NAMES("CAP_SYS_ADMIN"),
	  NAMES("fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie",
		"lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mount",
		"mount_setattr", "move_mount", "open_tree", "open_tree_attr", "quotactl",
		"quotactl_fd", "setdomainname", "sethostname", "setns", "umount", "umount2",
		"unshare") },
	{ NAMES("CAP_SYS_ADMIN", "CAP_BPF"), NAMES("bpf") },
	{ NAMES("CAP_SYS_ADMIN", "CAP_PERFMON"), NAMES("perf_event_open") },
	{ NAMES("CAP_SYS_ADMIN", "CAP_SYSLOG"), NAMES("syslog") },
	{ NAMES("CAP_DAC_READ_SEARCH"), NAMES("open_by_handle_at") },
	{ NAMES("CAP_SYS_BOOT"), NAMES("reboot") },
	{ NAMES("CAP_SYS_CHROOT"), NAMES("chroot") },
	{ NAMES("CAP_SYS_MODULE"), NAMES("delete_module", "finit_module", "init_module") },
	{ NAMES("CAP_SYS_NICE"),
	  NAMES("get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node") },
	{ NAMES("CAP_SYS_PACCT"), NAMES("acct") },
	{ NAMES("CAP_SYS_PTRACE"), NAMES("kcmp", "pidfd_getfd", "process_madvise") },
	{ NAMES("CAP_SYS_RAWIO"), NAMES("ioperm", "iopl") },
	{ NAMES("CAP_SYS_TIME"),
	  NAMES("clock_settime", "clock_settime64", "settimeofday", "stime") },
	{ NAMES("CAP_SYS_TTY_CONFIG"), NAMES("vhangup") },

	/* Never: they are there, but what they reach is not the container's own. */
	{ NULL, NAMES("add_key", "io_uring_enter", "io_uring_register", "io_uring_setup",
		      "kexec_file_load", "kexec_load", "keyctl", "migrate_pages", "move_pages",
		      "nfsservctl", "personality", "pivot_root", "request_key", "swapoff", "swapon",
		      "sysfs", "userfaultfd", "uselib", "ustat", "vm86", "vm86old") },
};

/* One argument decides (SECCOMP_GUARD_*). CAP lifts a guard. */
static const struct guard {
	const char *const *names;
	const char *cap;
	int action, op;
	uint64_t value;
} guards[] = {
#define NS_FLAGS                                                                                   \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)
	{ NAMES("clone"), "CAP_SYS_ADMIN", OCI_ACT_ERRNO, SECCOMP_GUARD_ANY, NS_FLAGS },
	{ NAMES("ioctl"), NULL, OCI_ACT_ERRNO, SECCOMP_GUARD_EQ, TIOCSTI },
	{ NAMES("ioctl"), NULL, OCI_ACT_ERRNO, SECCOMP_GUARD_EQ, TIOCLINUX },
#define PERSONALITY(v)                                                         \
	{                                                                      \
		NAMES("personality"), NULL, OCI_ACT_ALLOW, SECCOMP_GUARD_EQ, v \
	}
	PERSONALITY(PER_LINUX),
	PERSONALITY(PER_LINUX32),
	PERSONALITY(UNAME26),
	PERSONALITY(UNAME26 | PER_LINUX32),
	PERSONALITY(0xffffffff), /* asks for the present one */
#define NO_FAMILY(v, op)                                                  \
	{                                                                 \
		NAMES("socket", "socketpair"), NULL, OCI_ACT_ERRNO, op, v \
	}
	NO_FAMILY(12, SECCOMP_GUARD_EQ), /* AF_DECnet */
	NO_FAMILY(19, SECCOMP_GUARD_EQ), /* AF_ECONET */
	NO_FAMILY(20, SECCOMP_GUARD_EQ), /* AF_ATMSVC */
	NO_FAMILY(23, SECCOMP_GUARD_EQ), /* AF_IRDA */
	NO_FAMILY(25, SECCOMP_GUARD_EQ), /* AF_WANPIPE */
	NO_FAMILY(33, SECCOMP_GUARD_EQ), /* AF_RXRPC */
	NO_FAMILY(34, SECCOMP_GUARD_EQ), /* AF_ISDN */
	NO_FAMILY(37, SECCOMP_GUARD_EQ), /* AF_CAIF */
	NO_FAMILY(38, SECCOMP_GUARD_EQ), /* AF_ALG */
	NO_FAMILY(40, SECCOMP_GUARD_EQ), /* AF_VSOCK */
	NO_FAMILY(LAST_FAMILY, SECCOMP_GUARD_GT),
};

/* The architecture and those whose programs it runs as well. */
static const char *const architectures[] = {
#if defined(__x86_64__)
	"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
#elif defined(__aarch64__)
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#elif defined(__s390x__)
	"SCMP_ARCH_S390X", "SCMP_ARCH_S390",
#endif
	NULL, /* elsewhere the native one alone, which is always there */
};

static const char *const clone3_names[] = { "clone3", NULL };
static const uint32_t nosys = ENOSYS;
static const uint32_t first = 0, second = 1;
#if defined(__s390x__)
#define CLONE_FLAGS (&second)
#else
#define CLONE_FLAGS (&first)
#endif

static bool has_any(char *const *caps, const char *const *wanted)
{
	if (!wanted)
		return false;
	if (!wanted[0])
		return true;
	for (size_t i = 0; caps && wanted[i]; i++)
		if (str_list_has(caps, wanted[i]))
			return true;
	return false;
}

/* The structure is the JSON decoder's, whose lists are not const; nobody writes to them. */
static char **list(const char *const *names)
{
	return (char **)(uintptr_t)names;
}

static const uint32_t *guard_argument(const struct guard *g)
{
	if (str_eq(g->names[0], "ioctl"))
		return &second;
	return str_eq(g->names[0], "clone") ? CLONE_FLAGS : &first;
}

const struct oci_seccomp *seccomp_default_profile(struct arena *a, char *const *caps)
{
	struct oci_seccomp *s = ARENA_NEW(a, struct oci_seccomp);
	struct oci_syscall *out =
		ARENA_ARRAY(a, ARRAY_LEN(guards) + ARRAY_LEN(rows) + 1, struct oci_syscall);
	struct oci_syscall_arg *args = ARENA_ARRAY(a, ARRAY_LEN(guards), struct oci_syscall_arg);
	bool admin = caps && str_list_has(caps, "CAP_SYS_ADMIN");

	*s = (struct oci_seccomp){ .default_action = OCI_ACT_ERRNO,
				   .default_errno_ret = &nosys,
				   .architectures = list(architectures),
				   .syscalls = out };
	for (size_t i = 0; i < ARRAY_LEN(guards); i++) {
		const struct guard *g = &guards[i];

		if (g->cap && caps && str_list_has(caps, g->cap))
			continue;
		args[i] = (struct oci_syscall_arg){ .index = guard_argument(g),
						    .value = &g->value,
						    .op = g->op };
		*out++ = (struct oci_syscall){ .names = list(g->names),
					       .action = g->action,
					       .args = &args[i],
					       .args_len = 1 };
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		*out++ = (struct oci_syscall){ .names = list(rows[i].names),
					       .action = has_any(caps, rows[i].caps)
								 ? OCI_ACT_ALLOW
								 : OCI_ACT_ERRNO };
	if (admin)
		*out++ = (struct oci_syscall){ .names = list(clone3_names),
					       .action = OCI_ACT_ALLOW };
	s->syscalls_len = (size_t)(out - s->syscalls);
	return s;
}
