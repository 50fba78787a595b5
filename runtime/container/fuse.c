/*
 * See fuse.h. mrun forks a holder; the holder enters the container's user namespace, makes a mount
 * namespace, starts fuse-overlayfs, waits until it has mounted and passes a clone of the mount
 * back. Each dies with its parent, so nothing outlives mrun. The program is found in a fixed list
 * of directories and gets no environment.
 */
#include "runtime/container/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/quiet.h"
#include "runtime/init/host_program.h"
#include "runtime/init/syscalls.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
#define MOUNT_WAIT_MS 10000

bool fuse_overlayfs_available(struct arena *a)
{
	_cleanup_fd_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (geteuid() != 0 || (~st.st_mode & 06) == 0) &&
	       host_program(a, "fuse-overlayfs");
}

struct holder {
	char **argv;
	const char *cache_path, *mount_point;
	pid_t container;
	int sock;
};

static int enter(const struct holder *h, struct error *e)
{
	_cleanup_fd_ int user = -1;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)h->container);
	user = open(path, O_RDONLY | O_CLOEXEC);
	if (user < 0 || setns(user, CLONE_NEWUSER) < 0)
		return err_sys(e, errno, "enter the container's user namespace");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return err_sys(e, errno, "make a mount namespace for fuse-overlayfs");
	if (chdir(h->cache_path) < 0)
		return err_sys(e, errno, "enter the layer cache");
	/* It looks its directories up by their whole names, and what leads to the cache may be
	 * closed to the container's root. */
	if (mount(".", "/tmp", NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/tmp") < 0)
		return err_sys(e, errno, "bind the layer cache on /tmp");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the container");
	return 0;
}

static _Noreturn void exec_fuse(const struct holder *h, int out)
{
	static char *no_env[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 1);
	dup2(out, 2);
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(h->argv[0], h->argv, no_env);
	_exit(127);
}

/* Until it has mounted, ended, or used up its time. */
static int wait_mounted(const struct holder *h, pid_t fuse, int out, struct error *e)
{
	struct timespec pause = { 0, 1000000 };
	char said[300] = "", *last;
	ssize_t n;

	for (int ms = 0; ms < MOUNT_WAIT_MS; ms++) {
		struct statfs fs;

		if (statfs(h->mount_point, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC)
			return 0;
		if (waitpid(fuse, NULL, WNOHANG) == fuse)
			break;
		nanosleep(&pause, NULL);
	}
	fcntl(out, F_SETFL, O_NONBLOCK);
	n = read(out, said, sizeof(said) - 1);
	/* The last line is the reason; warnings come before it. */
	while (n > 0 && said[n - 1] == '\n')
		n--;
	said[n > 0 ? n : 0] = 0;
	last = strrchr(said, '\n');
	last = last ? last + 1 : said;
	return err_msg(e, "fuse-overlayfs did not mount%s%s", *last ? ": " : "", last);
}

static _Noreturn void hold(const struct holder *h)
{
	struct error e;
	sigset_t set;
	struct pollfd signals = { .events = POLLIN };
	int p[2], tree = -1;
	pid_t fuse;

	err_clear(&e);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (enter(h, &e) < 0)
		goto failed;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user, which clears it */
	if (pipe2(p, O_CLOEXEC) < 0) {
		err_sys(&e, errno, "pipe");
		goto failed;
	}
	fuse = fork();
	if (fuse == 0)
		exec_fuse(h, p[1]);
	close(p[1]);
	if (wait_mounted(h, fuse, p[0], &e) < 0)
		goto failed;
	tree = sys_open_tree(AT_FDCWD, h->mount_point, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0) {
		err_sys(&e, errno, "clone fuse-overlayfs's mount");
		goto failed;
	}
	/* Before mrun counts on us: without it we would never be told to end. */
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals.fd < 0) {
		err_sys(&e, errno, "signalfd");
		goto failed;
	}
	if (fd_send(h->sock, "m", 1, &tree, 1, &e) < 0)
		goto failed;
	if (signals.fd > 0)
		syscall(SYS_close_range, 0U, (unsigned)signals.fd - 1, 0U);
	syscall(SYS_close_range, (unsigned)signals.fd + 1, ~0U, 0U);
	/* Until mrun says so, or fuse-overlayfs itself ends. */
	while (quiet_poll(&signals, 1) < 0 && errno == EINTR)
		;
	kill(fuse, SIGKILL);
	while (waitpid(fuse, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(0);
failed:
	fd_send(h->sock, &e, sizeof(e), NULL, 0, &e);
	_exit(1);
}

int fuse_overlayfs_start(struct arena *a, const struct overlay_root *o, const char *cache_path,
			 pid_t pid, pid_t *ret_pid, struct error *e)
{
	const char *lower = o->lower[0];
	char *argv[] = { (char *)(uintptr_t)host_program(a, "fuse-overlayfs"),
			 (char *)(uintptr_t) "-f",
			 (char *)(uintptr_t) "-o",
			 NULL,
			 NULL,
			 NULL };
	struct holder h = { .argv = argv, .cache_path = cache_path, .container = pid };
	struct error answer;
	int pair[2], tree = -1;
	size_t nfds = 1;
	ssize_t n;

	if (!argv[0])
		return err_msg(e, "fuse-overlayfs is not installed");
	for (size_t i = 1; o->lower[i]; i++)
		lower = arena_printf(a, "%s:%s", lower, o->lower[i]);
	argv[3] = arena_printf(a, "lowerdir=%s,upperdir=%s/u,workdir=%s/w", lower, o->slot_name,
			       o->slot_name);
	argv[4] = arena_printf(a, "%s/m", o->slot_name);
	h.mount_point = argv[4];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	h.sock = pair[1];
	*ret_pid = fork();
	if (*ret_pid == 0)
		hold(&h);
	close(pair[1]);
	n = *ret_pid > 0 ? fd_recv(pair[0], &answer, sizeof(answer), &tree, &nfds, e) : 0;
	close(pair[0]);
	if (n == 1 && nfds == 1)
		return tree;
	fuse_overlayfs_end(*ret_pid);
	*ret_pid = 0;
	if (n == (ssize_t)sizeof(answer))
		*e = answer;
	else
		err_msg(e, "fuse-overlayfs could not be started");
	e->code = EOPNOTSUPP;
	return -1;
}

void fuse_overlayfs_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
