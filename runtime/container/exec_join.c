/*
 * See exec_join.h. In order, the process in between: CPUs · cgroup · labels through the host's
 * /proc · limits, some of which only the host's root may raise · not dumpable · all namespaces at
 * once, by the pidfd of the container's first process (setns(2), Linux 5.8), else one by one · root
 * of the user namespace · terminal · drop what the process may not have · execute the shim, which
 * clones the process, waits for the parent, and executes the program.
 *
 * What it stops. Others of the container's pid namespace see the process from the clone on, and
 * with CAP_SYS_PTRACE in our own user namespace nothing of it can be hidden from them: neither
 * memory nor descriptors nor /proc/PID/exe (CVE-2016-9962, CVE-2019-5736). So the clone comes last,
 * when there is nothing left to gain: a sealed kilobyte in memory, with the container's
 * capabilities, filter, root and environment, and no descriptor but the standard ones and the
 * socket, whose other end believes nothing (exec.c). The process in between is not in that pid
 * namespace; others of the user namespace can't trace it because it is not dumpable. It is a fork
 * of mrun: not one byte of the container's is executed or read for configuration, except the files
 * that init reads too (passwd, under the container's root). The working directory must exist and be
 * inside the root, all descriptors are closed on exec (CVE-2024-21626), labels are written through
 * a procfs that the container has no hand in (CVE-2019-16884).
 *
 * A filter may forbid what that takes (clone, say). Then the clone comes first, and only not being
 * dumpable protects what it still has; exec.c refuses to do it where that is not enough.
 */
#include "runtime/container/exec_join.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/self.h"
#include "runtime/container/state.h"
#include "runtime/init/attributes.h"
#include "runtime/init/process.h"
#include "runtime/init/sync.h"

/* The user namespace first: the rights to join the others come from it. The mount namespace last.
 */
static const struct {
	int type;
	const char *file, *name;
} namespaces[] = {
	{ CLONE_NEWUSER, "user", "user" }, { CLONE_NEWIPC, "ipc", "ipc" },
	{ CLONE_NEWUTS, "uts", "uts" },	   { CLONE_NEWNET, "net", "network" },
	{ CLONE_NEWPID, "pid", "pid" },	   { CLONE_NEWCGROUP, "cgroup", "cgroup" },
	{ CLONE_NEWTIME, "time", "time" }, { CLONE_NEWNS, "mnt", "mount" },
};
#define NAMESPACES (sizeof(namespaces) / sizeof(namespaces[0]))

static int join_each(const struct exec_plan *p, struct error *e)
{
	int fds[NAMESPACES];
	char path[64];

	for (size_t i = 0; i < NAMESPACES; i++) {
		fds[i] = -1;
		if (!(p->namespaces & namespaces[i].type))
			continue;
		snprintf(path, sizeof(path), "%d/ns/%s", (int)p->init, namespaces[i].file);
		fds[i] = openat(p->proc, path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return err_sys(e, errno, "open the %s namespace of the container",
				       namespaces[i].name);
	}
	/* All of them are of the process that we mean only if it is still there. */
	if (state_process_start_time(p->init) != p->init_start)
		return err_msg(e, "the container ended");
	for (size_t i = 0; i < NAMESPACES; i++) {
		if (fds[i] < 0)
			continue;
		if (setns(fds[i], namespaces[i].type) < 0)
			return err_sys(e, errno, "join the %s namespace of the container",
				       namespaces[i].name);
		close(fds[i]);
	}
	return 0;
}

static int join(const struct exec_plan *p, struct error *e)
{
	if (!p->namespaces || (p->pidfd >= 0 && setns(p->pidfd, p->namespaces) == 0))
		return 0;
	if (p->pidfd >= 0 && errno == ESRCH)
		return err_msg(e, "the container ended");
	return join_each(p, e);
}

static int join_cgroup(struct exec_plan *p, struct error *e)
{
	bool parent_moves = p->parent_moves;

	if (p->cpus_before && sched_setaffinity(0, sizeof(cpu_set_t), p->cpus_before) < 0)
		return err_sys(e, errno, "process.execCPUAffinity.initial: set it");
	if (!parent_moves && cgroup_join_self(&p->join, e) < 0) {
		/* The container has made children of its cgroup: the parent knows where to. */
		if (e->code != EBUSY)
			return -1;
		parent_moves = true;
	}
	if (parent_moves && (sync_send(p->sync_fd, SYNC_CGROUP, -1, e) < 0 ||
			     sync_expect(p->sync_fd, SYNC_GO, e) < 0))
		return -1;
	if (p->cpus_after && sched_setaffinity(0, sizeof(cpu_set_t), p->cpus_after) < 0)
		return err_sys(e, errno, "process.execCPUAffinity.final: set it");
	return 0;
}

/* Root of the user namespace; one that does not map 0 leaves us who we are. */
static int become_root(struct error *e)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_sys(e, errno, "drop the supplementary groups");
	if ((setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) && errno != EINVAL)
		return err_sys(e, errno, "become root of the user namespace");
	/* Changing the user may have set it anew (fs.suid_dumpable). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int enter_root(struct exec_plan *p, struct error *e)
{
	if (p->root_fd < 0)
		return 0;
	if (fchdir(p->root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, errno, "enter the container's root");
	close(p->root_fd);
	return 0;
}

/* The parent gets the master, or the client. */
static int make_terminal(struct exec_plan *p, struct error *e)
{
	static const char name[] = "/dev/ptmx";
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int slave = -1, master = -1;

	if (root < 0)
		return err_sys(e, errno, "open the container's root");
	master = console_open(root, &p->console, &slave, e);
	if (master < 0)
		return -1;
	if (p->console_fd < 0) {
		if (sync_send(p->sync_fd, SYNC_TERMINAL, master, e) < 0)
			return -1;
	} else {
		if (fd_send(p->console_fd, name, strlen(name), &master, 1, e) < 0)
			return err_wrap(e, "--console-socket");
		close(p->console_fd);
	}
	return console_attach(slave, p->late, e);
}

/* From all that mrun may do to what the program may do. */
static int settle(struct exec_plan *p, const char **ret_path, struct error *e)
{
	int notify = -1;

	process_reset_signals(p->ignores);
	p->process.ids_are_zero =
		!(p->namespaces & CLONE_NEWUSER) && self_uid() == 0 && self_gid() == 0;
	if ((p->namespaces & CLONE_NEWUSER) && become_root(e) < 0)
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, errno, "prctl");
	if (enter_root(p, e) < 0)
		return -1;
	if (p->late && setsid() < 0 && errno != EPERM)
		return err_sys(e, errno, "setsid");
	if (process_prepare(&p->process, -1, e) < 0)
		return -1;
	if (p->terminal && make_terminal(p, e) < 0)
		return -1;
	if (process_drop(p->arena, &p->process, &notify, ret_path, e) < 0 ||
	    sync_send_ambient(p->sync_fd, p->process.ambient_missing, e) < 0)
		return -1;
	if (notify < 0)
		return 0;
	if (sync_send(p->sync_fd, SYNC_NOTIFY, notify, e) < 0)
		return -1;
	close(notify);
	return p->late ? sync_expect(p->sync_fd, SYNC_GO, e) : 0;
}

/* The usual order: the shim makes the process. */
static int run(struct exec_plan *p, struct error *e)
{
	const struct process_call call = { .report_fd = p->sync_fd,
					   .join = true,
					   .sync_fd = p->sync_fd,
					   .wait_fd = p->sync_fd,
					   .terminal = p->terminal };
	const char *path;

	if (settle(p, &path, e) < 0)
		return -1;
	/* Changing the user clears it. The clone does not inherit it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return process_exec(p->arena, &p->process, path, &call, e);
}

static int run_late(struct exec_plan *p, struct error *e)
{
	const struct process_call call = { .report_fd = p->sync_fd };
	const char *path;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return exec_join_no_process(errno, e);
	if (pid > 0) {
		if (sync_send_pid(p->sync_fd, pid, e) < 0)
			return -1;
		_exit(0);
	}
	if (sync_expect(p->sync_fd, SYNC_MAPPED, e) < 0 || settle(p, &path, e) < 0)
		return -1;
	return process_exec(p->arena, &p->process, path, &call, e);
}

int exec_join_no_process(int err, struct error *e)
{
	err_sys(e, err, "make a process in the container");
	return err == EAGAIN ? err_hint(e, "it has as many processes as its limit allows "
					   "(linux.resources.pids.limit, or the user's "
					   "RLIMIT_NPROC)")
			     : -1;
}

_Noreturn void exec_join_main(struct exec_plan *p)
{
	struct error e;

	err_clear(&e);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Root inside another container may not have the right to, and then does not need it. */
	if (geteuid() == 0 && devices_null_stdio(devices_null_among_stdio(), NULL, &e) < 0 &&
	    !(e.code == EPERM && (p->namespaces & CLONE_NEWUSER)))
		goto failed;
	err_clear(&e);
	if (join_cgroup(p, &e) < 0 || attributes_oom_score(&p->process, p->proc, 0, &e) < 0 ||
	    attributes_write_proc(&p->process, p->proc, &e) < 0 ||
	    process_limits(&p->process, 0, &e) < 0)
		goto failed;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		err_sys(&e, errno, "prctl");
		goto failed;
	}
	if (join(p, &e) < 0)
		goto failed;
	/* Not one descriptor that leads to the host's files is in there with it. */
	fd_closep(&p->proc);
	fd_closep(&p->pidfd);
	if (p->late)
		run_late(p, &e);
	else
		run(p, &e);
failed:
	sync_send_error(p->sync_fd, &e);
	_exit(e.exit_code ? e.exit_code : 1);
}
