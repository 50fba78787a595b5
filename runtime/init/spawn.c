/* See init.h: making the first process, in new and joined namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/init/attributes.h"
#include "runtime/init/init.h"
#include "runtime/init/process.h"
#include "runtime/init/sync.h"
#include "runtime/init/syscalls.h"

static bool proc_is(const char *file, const char *value)
{
	char buf[16] = "";
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	return n > 0 && strncmp(buf, value, strlen(value)) == 0;
}

int namespaces_explain(uint64_t flags, int err, struct error *e)
{
	bool userns = (flags & CLONE_NEWUSER) != 0;

	err_sys(e, err,
		userns ? "make the container's user namespace" : "make the container's namespaces");
	if (proc_is("/proc/sys/user/max_user_namespaces", "0"))
		return err_hint(e, "user namespaces are switched off: sysctl -w "
				   "user.max_user_namespaces=15000");
	if (userns && proc_is("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return err_hint(e, "Debian's switch is off: sysctl -w "
				   "kernel.unprivileged_userns_clone=1");
	if (userns && proc_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		return err_hint(e, "Ubuntu's AppArmor restricts user namespaces: sysctl -w "
				   "kernel.apparmor_restrict_unprivileged_userns=0, or give mrun "
				   "a profile");
	if (err == ENOSPC || err == EUSERS)
		return err_hint(e, "a limit of /proc/sys/user/max_*_namespaces is reached");
	if (err == EPERM && !userns)
		return err_hint(e, "without root a container needs a user namespace in "
				   "linux.namespaces (mrun spec --rootless)");
	if (err == EPERM)
		return err_hint(e,
				"a container manager's seccomp profile or the kernel forbids user "
				"namespaces here (inside docker: --security-opt "
				"seccomp=unconfined)");
	return -1;
}

static pid_t do_clone(const struct init_plan *p, uint64_t more, int cgroup_fd)
{
	struct clone_args args = { .flags = p->clone_flags | more, .exit_signal = SIGCHLD };
	pid_t pid;

	if (more & CLONE_PARENT)
		args.exit_signal = 0; /* the kernel takes the one of the process in between */
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)cgroup_fd;
	}
	pid = sys_clone3(&args, sizeof(args));
	if (pid < 0 && (errno == ENOSYS || errno == EPERM) && cgroup_fd < 0) {
		/* Old kernels, and filters that answer for a call they do not know. */
		int err = errno;
		unsigned long flags = p->clone_flags | more | SIGCHLD;

		pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
		if (pid < 0 && errno == ENOSYS)
			errno = err;
	}
	return pid;
}

static const char *join_name(int type)
{
	return type == CLONE_NEWNET	 ? "network"
	       : type == CLONE_NEWPID	 ? "pid"
	       : type == CLONE_NEWNS	 ? "mount"
	       : type == CLONE_NEWIPC	 ? "ipc"
	       : type == CLONE_NEWUTS	 ? "uts"
	       : type == CLONE_NEWUSER	 ? "user"
	       : type == CLONE_NEWCGROUP ? "cgroup"
					 : "time";
}

/* The user namespace first: the rights to join the others may come from it. The mount namespace
 * last: paths mean something else afterwards. */
static int join_all(const struct init_plan *p, struct error *e)
{
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < p->joins_len; i++) {
			int type = p->joins[i].type;
			int when = type == CLONE_NEWUSER ? 0 : type == CLONE_NEWNS ? 2 : 1;

			if (when == round && setns(p->joins[i].fd, type) < 0)
				return err_sys(e, errno, "join the %s namespace", join_name(type));
		}
	return 0;
}

/* The labels first: afterwards they are not ours to write any more. */
static int hide(struct init_plan *p, struct error *e)
{
	_cleanup_fd_ int proc = process_open_proc(e);

	if (proc < 0 || attributes_write_proc(&p->process, proc, e) < 0)
		return -1;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "prctl");
	return 0;
}

/* A process joins the namespaces and clones the container's first process as its own sibling, or
 * becomes it as far as everything but the pid namespace goes. */
static _Noreturn void in_between(struct init_plan *p, int cgroup_fd)
{
	struct error e;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(p->parent_fd);
	err_clear(&e);
	/* Others of the user and pid namespaces that we join could trace the first process, or
	 * reach the host through its root, while it still has the host's files (CVE-2016-9962). */
	if (p->watched && hide(p, &e) < 0)
		goto failed;
	if (join_all(p, &e) < 0)
		goto failed;
	if (p->exposed) {
		/* It sets all up itself, unseen. */
		if (unshare((int)p->clone_flags) < 0) {
			namespaces_explain(p->clone_flags, errno, &e);
			goto failed;
		}
		if (sync_send_pid(p->sync_fd, getpid(), &e) < 0)
			goto failed;
		init_main(p);
	}
	pid = do_clone(p, CLONE_PARENT, cgroup_fd);
	if (pid == 0)
		init_main(p);
	if (pid < 0) {
		namespaces_explain(p->clone_flags, errno, &e);
		goto failed;
	}
	if (sync_send_pid(p->sync_fd, pid, &e) == 0)
		_exit(0);
failed:
	sync_send_error(p->sync_fd, &e);
	_exit(1);
}

static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
				   .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)(unsigned)cgroup_fd };

	return cgroup_fd < 0 ? fork() : sys_clone3(&args, sizeof(args));
}

pid_t init_spawn(struct init_plan *p, int cgroup_fd, int sync, struct error *e)
{
	unsigned expected = SYNC_BIT(SYNC_PID);
	struct sync_packet packet;
	pid_t pid, middle;
	int r;

	if (!p->joins_len) {
		pid = do_clone(p, 0, cgroup_fd);
		if (pid == 0) {
			/* With a copy of it open, the parent's death would never be seen. */
			close(p->parent_fd);
			fd_closep(&p->state_fd);
			init_main(p);
		}
		return pid < 0 ? namespaces_explain(p->clone_flags, errno, e) : pid;
	}
	middle = p->exposed ? fork_into(cgroup_fd) : fork();
	if (middle == 0)
		in_between(p, cgroup_fd);
	if (middle < 0)
		return err_sys(e, errno, "make a process that joins the namespaces");
	/* Our copy of its end must go, or its death would not be seen. */
	close(p->sync_fd);
	p->sync_fd = -1;
	r = sync_receive_expected(sync, middle, &packet, &expected, e);
	if (r == 0 && packet.tag == SYNC_PID && packet.pid == middle && p->exposed)
		return middle;
	/* It may be waiting for us. What it has cloned ends when our end is closed. */
	if (r < 0 || packet.tag != SYNC_PID || p->exposed)
		kill(middle, SIGKILL);
	while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (packet.tag == SYNC_ERROR) {
		*e = packet.error;
		return -1;
	}
	if (packet.tag != SYNC_PID)
		return err_msg(e, "the process that joins the namespaces ended");
	return packet.pid;
}
