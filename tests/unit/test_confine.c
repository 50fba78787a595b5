/*
 * oci/unpack/confine.h, tried from inside: a process that went through the walls as mrun-unpack's
 * do tries, by bare system calls, what one that an image's author took over would. Each attempt
 * must fail with the error that the wall in its way gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "oci/unpack/confine.h"

#define FILE_MAX ((uint64_t)1 << 20)
#define LEFT_FD 50 /* a descriptor of the host's root that the caller forgot */
#define REPORT_FD 60

struct attempt {
	const char *name;
	long number, a[6];
	int want; /* the error; 0: it succeeds */
};
#define PTR(p) ((long)(intptr_t)(p))
static char page[4096];
static const char *const no_args[] = { NULL };

static const struct attempt always[] = {
	{ "socket unix", SYS_socket, { AF_UNIX, SOCK_STREAM }, EPERM },
	{ "socket inet", SYS_socket, { AF_INET, SOCK_STREAM }, EPERM },
	{ "socketpair", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, PTR(page) }, EPERM },
	{ "sendmsg", SYS_sendmsg, { REPORT_FD, PTR(page) }, EPERM },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME }, EPERM },
	{ "process_vm_writev", SYS_process_vm_writev, { 1 }, EPERM },
	{ "kill", SYS_kill, { 1, 0 }, EPERM },
	{ "tgkill", SYS_tgkill, { 1, 1, 0 }, EPERM },
	{ "pidfd_open", SYS_pidfd_open, { 1 }, EPERM },
	{ "execve", SYS_execve, { PTR("/bin/sh"), PTR(no_args), PTR(no_args) }, EPERM },
	{ "execveat", SYS_execveat, { LEFT_FD, PTR("bin/sh"), PTR(no_args), PTR(no_args) }, EPERM },
	{ "fork", SYS_clone, { SIGCHLD }, EPERM },
	{ "clone3", SYS_clone3, { PTR(page), 64 }, ENOSYS },
	{ "thread in a namespace",
	  SYS_clone,
	  { CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNET },
	  EPERM },
	{ "mount", SYS_mount, { PTR("none"), PTR("/"), PTR("tmpfs") }, EPERM },
	{ "umount2", SYS_umount2, { PTR("/"), 2 }, EPERM },
	{ "pivot_root", SYS_pivot_root, { PTR("."), PTR(".") }, EPERM },
	{ "chroot", SYS_chroot, { PTR(".") }, EPERM },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER }, EPERM },
	{ "setns", SYS_setns, { LEFT_FD }, EPERM },
	{ "open_tree", SYS_open_tree, { LEFT_FD, PTR(""), 1 }, EPERM },
	{ "fsopen", SYS_fsopen, { PTR("tmpfs") }, EPERM },
	{ "move_mount", SYS_move_mount, { LEFT_FD, PTR("") }, EPERM },
	{ "open_by_handle_at", SYS_open_by_handle_at, { LEFT_FD, PTR(page) }, EPERM },
	{ "ioctl", SYS_ioctl, { 2, 0x5412 /* TIOCSTI */, PTR(page) }, EPERM },
	{ "prctl", SYS_prctl, { 4 /* PR_SET_DUMPABLE */, 1 }, EPERM },
	{ "prlimit", SYS_prlimit64, { 0, 9 /* RLIMIT_AS */, PTR(page) }, EPERM },
	{ "capset", SYS_capset, { PTR(page), PTR(page) }, EPERM },
	{ "setuid", SYS_setuid, { 1 }, EPERM },
	{ "personality", SYS_personality, { 0x0400000 /* READ_IMPLIES_EXEC */ }, EPERM },
	{ "memfd_create", SYS_memfd_create, { PTR("x") }, EPERM },
	{ "executable memory",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1 },
	  EPERM },
	{ "memory made executable",
	  SYS_mprotect,
	  { PTR(page), 4096, PROT_READ | PROT_EXEC },
	  EPERM },
	{ "pkey_mprotect", SYS_pkey_mprotect, { PTR(page), 4096, PROT_EXEC, -1 }, EPERM },
	{ "2 GiB of memory",
	  SYS_mmap,
	  { 0, 1L << 31, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1 },
	  ENOMEM },
	{ "keyctl", SYS_keyctl, { 0 }, EPERM },
	{ "bpf", SYS_bpf, { 0 }, EPERM },
	{ "io_uring_setup", SYS_io_uring_setup, { 1, PTR(page) }, EPERM },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, EPERM },
	{ "perf_event_open", SYS_perf_event_open, { PTR(page) }, EPERM },
	{ "the host's root by a descriptor", SYS_fstat, { LEFT_FD, PTR(page) }, EBADF },
};

static const struct attempt with_files[] = {
	{ "a file of the host", SYS_openat, { AT_FDCWD, PTR("/etc/passwd"), O_RDONLY }, ENOENT },
	{ "through ..", SYS_openat, { AT_FDCWD, PTR("../../../../etc/passwd"), O_RDONLY }, ENOENT },
	{ "/proc", SYS_openat, { AT_FDCWD, PTR("/proc/self/exe"), O_RDONLY }, ENOENT },
	{ "the descriptor left open", SYS_openat, { LEFT_FD, PTR("etc/passwd"), O_RDONLY }, EBADF },
	{ "a file of its own", SYS_openat, { AT_FDCWD, PTR("/own"), O_RDWR | O_CREAT, 0600 }, 0 },
	{ "a device", SYS_mknodat, { AT_FDCWD, PTR("/null"), S_IFCHR | 0600, 0x103 }, EPERM },
	{ "mkdir", SYS_mkdirat, { AT_FDCWD, PTR("/dir"), 0700 }, 0 },
};

static const struct attempt without_files[] = {
	{ "open", SYS_openat, { AT_FDCWD, PTR("/"), O_RDONLY | O_DIRECTORY }, EPERM },
	{ "openat2", SYS_openat2, { AT_FDCWD, PTR("/"), PTR(page), 24 }, EPERM },
	{ "mkdir", SYS_mkdirat, { AT_FDCWD, PTR("/dir"), 0700 }, EPERM },
	{ "fchmod", SYS_fchmod, { REPORT_FD, 0777 }, EPERM },
	{ "fcntl", SYS_fcntl, { REPORT_FD, F_SETFL, 0 }, EPERM },
};

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(77);
	close(fd);
}

/* In a child: into the namespaces that the core makes, and through the walls. */
static void go_in(const char *dir, bool files)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];
	int keep[] = { REPORT_FD }, fd = -1, left;
	struct error e = { 0 };

	/* Where user namespaces are not to be had there is nothing to test. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0)
		_exit(77);
	write_to("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_to("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_to("/proc/self/gid_map", map);
	left = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (left < 0 || dup2(left, LEFT_FD) < 0)
		_exit(1);
	if (files)
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (confine_start(FILE_MAX, &e) < 0 || confine_enter(fd, false, keep, 1, &e) < 0 ||
	    confine_filter(files, &e) < 0) {
		dprintf(REPORT_FD, "%s\n", e.msg);
		_exit(1);
	}
}

static void try_all(const struct attempt *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct attempt *t = &list[i];
		long r = syscall(t->number, t->a[0], t->a[1], t->a[2], t->a[3], t->a[4], t->a[5]);
		int got = r < 0 ? errno : 0;
		char line[200];
		int len;

		if (got == t->want)
			continue;
		len = snprintf(line, sizeof(line), "%s: %s, not %s\n", t->name,
			       got ? strerrorname_np(got) : "success",
			       t->want ? strerrorname_np(t->want) : "success");
		if (write(REPORT_FD, line, (size_t)len) < 0)
			_exit(1);
	}
}

static void check_file_size(void)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/big", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || pwrite(fd, "x", 1, FILE_MAX) >= 0 || errno != EFBIG)
		if (write(REPORT_FD, "a file grew\n", 12) < 0)
			_exit(1);
}

/* What an i386 program would call: openat by int $0x80, which a filter for x86-64 alone would not
 * see. */
static void old_call(void)
{
#ifdef __x86_64__
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory");
#endif
	_exit(0);
}

enum what { FILES, NO_FILES, OLD_CALL };

static int run(enum what what, char *report, size_t size)
{
	char dir[] = "/tmp/mrun-confine.XXXXXX";
	size_t got = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (dup2(fds[1], REPORT_FD) < 0)
			_exit(1);
		go_in(dir, what != NO_FILES);
		if (what == OLD_CALL)
			old_call();
		try_all(always, sizeof(always) / sizeof(always[0]));
		if (what == FILES) {
			try_all(with_files, sizeof(with_files) / sizeof(with_files[0]));
			check_file_size();
		} else {
			try_all(without_files, sizeof(without_files) / sizeof(without_files[0]));
		}
		_exit(0);
	}
	assert_true(pid > 0);
	close(fds[1]);
	while (got < size - 1 && (n = read(fds[0], report + got, size - 1 - got)) > 0)
		got += (size_t)n;
	report[got] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (const char *const *name = (const char *const[]){ "own", "big", "dir", NULL }; *name;
	     name++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", dir, *name);
		remove(path);
	}
	assert_int_equal(rmdir(dir), 0);
	return status;
}

static void check(enum what what)
{
	char report[8192];
	int status = run(what, report, sizeof(report));

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_string_equal(report, "");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void walls_with_files(void **state)
{
	(void)state;
	check(FILES);
}

static void walls_without_files(void **state)
{
	(void)state;
	check(NO_FILES);
}

static void walls_for_i386(void **state)
{
	char report[8192];
	int status = run(OLD_CALL, report, sizeof(report));

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
#ifdef __x86_64__
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walls_with_files),
		cmocka_unit_test(walls_without_files),
		cmocka_unit_test(walls_for_i386),
	};

#ifdef __SANITIZE_ADDRESS__
	return 0; /* the sanitizer and the filter do not go together */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
