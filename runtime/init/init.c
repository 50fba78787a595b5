/*
 * The container's first process, from top to bottom. It is a fork of mrun that only has to make
 * system calls: what it needs was parsed, opened and computed before (plan.h).
 *
 *   wait until the ids are mapped · become root of the namespaces · mount the root, the file
 *   systems, the devices · runtime hooks · mask · enter the root · sysctls, names · limits, labels
 * · drop what the program may not have · wait for start · execute the shim
 */
#include "runtime/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/init/cgroup_late.h"
#include "runtime/init/hooks.h"
#include "runtime/init/mounts.h"
#include "runtime/init/process.h"
#include "runtime/init/seccomp_notify.h"
#include "runtime/init/sync.h"
#include "runtime/init/sysctl.h"
#include "runtime/init/volumes.h"

/* From here on the process must not be read or traced by others of the container: once the root is
 * mounted, since the parent may have to enter its namespaces to start fuse-overlayfs; where others
 * are there from the start, before that (spawn.c). */
static void hide(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool has_hooks(const struct init_plan *p)
{
	const struct oci_hooks *h = p->spec->hooks;

	return h && (h->create_container_len || h->start_container_len);
}

/* Root of the new user namespace: files that we make then have a mapped owner. */
static int become_root(struct init_plan *p, struct error *e)
{
	bool single = p->idmap.single;
	/* The ids that we have are called 0 in there. */
	bool is_root = !p->joined_userns && idmap_host_uid(&p->idmap, 0) == (int64_t)self_uid() &&
		       idmap_host_gid(&p->idmap, 0) == (int64_t)self_gid();

	if (idmap_host_uid(&p->idmap, 0) < 0 && !p->joined_userns)
		return 0;
	if (!single) {
		p->process.no_groups = setgroups(0, NULL) == 0;
		if (!p->process.no_groups && errno != EPERM)
			return err_sys(e, errno, "drop the supplementary groups");
	}
	if (!is_root && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_sys(e, errno, "become root of the user namespace");
	p->process.ids_are_zero = true;
	return 0;
}

/* user_namespaces(7): where a single id is mapped, the namespace that we joined may deny it. */
static bool setgroups_denied(int proc)
{
	_cleanup_fd_ int fd = openat(proc, "self/setgroups", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && str_has_prefix(text, "deny");
}

/* A time namespace takes its offsets before the first process is in it (time_namespaces(7)). */
static int enter_time_namespace(const struct init_plan *p, int proc, struct error *e)
{
	const struct oci_linux *l = p->spec->linux_;
	_cleanup_fd_ int ns = -1;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "make a time namespace");
	for (size_t i = 0; i < l->time_offsets_len; i++) {
		const struct oci_time_offset *t = &l->time_offsets[i];
		char line[96];

		snprintf(line, sizeof(line), "%s %lld %u\n", t->key, (long long)t->secs,
			 t->nanosecs);
		if (file_write_existing(proc, "self/timens_offsets", line, e) < 0)
			return err_wrap(e, "linux.timeOffsets.%s", t->key);
	}
	ns = openat(proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "enter the time namespace");
	return 0;
}

static int set_names(const struct init_plan *p, struct error *e)
{
	/* The default filters of container managers forbid it where the outer container lacks
	 * CAP_SYS_ADMIN. */
	if (p->hostname && sethostname(p->hostname, strlen(p->hostname)) < 0 &&
	    !(errno == EPERM && p->options->hostname_optional)) {
		err_sys(e, errno, "set the host name '%s'", p->hostname);
		return e->code == EPERM && p->new_userns
			       ? err_hint(e, "a seccomp filter around us forbids it (inside a "
					     "container: --security-opt seccomp=unconfined)")
			       : -1;
	}
	if (p->domainname && setdomainname(p->domainname, strlen(p->domainname)) < 0)
		return err_sys(e, errno, "set the domain name '%s'", p->domainname);
	return 0;
}

static bool has_mount_namespace(const struct init_plan *p)
{
	for (size_t i = 0; i < p->joins_len; i++)
		if (p->joins[i].type == CLONE_NEWNS)
			return false;
	return (p->clone_flags & CLONE_NEWNS) != 0;
}

/* The terminal's master goes to the console socket, else to the parent. */
static int make_terminal(const struct init_plan *p, int rootfd, struct error *e)
{
	_cleanup_fd_ int master = console_make(p, rootfd, e);
	char name[16] = "/dev/ptmx";

	if (master < 0)
		return -1;
	if (p->console_fd >= 0)
		return fd_send(p->console_fd, name, strlen(name), &master, 1, e) < 0 ? -1 : 0;
	return sync_send(p->sync_fd, SYNC_TERMINAL, master, e);
}

static int receive_network(const struct init_plan *p, struct error *e)
{
	struct sync_packet packet;

	if (sync_receive(p->sync_fd, &packet, e) < 0)
		return -1;
	if (packet.tag != SYNC_NETWORK || packet.fd < 0)
		return sync_unexpected(&packet, e);
	return packet.fd;
}

int init_wait_until_ready(struct init_plan *p, struct error *e)
{
	struct sync_packet packet;

	if (p->ready)
		return 0;
	if (p->mapped_unheard && sync_expect(p->sync_fd, SYNC_MAPPED, e) < 0)
		return -1;
	p->mapped_unheard = false;
	if (init_enter_outside(p, e) < 0 || sync_receive(p->sync_fd, &packet, e) < 0)
		return -1;
	if ((packet.tag != SYNC_READY && packet.tag != SYNC_IGNORING) || packet.fd < 0)
		return sync_unexpected(&packet, e);
	p->process.shim_fd = packet.fd;
	p->ready = true;
	process_reset_signals(packet.tag == SYNC_IGNORING);
	/* Else the parent did so; a low one would have been in the way until here. */
	return p->at_once ? process_limits(&p->process, 0, e) : 0;
}

static int run_container_hooks(const struct init_plan *p, int rootfd, struct error *e)
{
	const struct oci_hooks *h = p->spec->hooks;

	if (p->hooks_runtime && (sync_send(p->sync_fd, SYNC_HOOKS, -1, e) < 0 ||
				 sync_expect(p->sync_fd, SYNC_GO, e) < 0))
		return -1;
	if (!h || !h->create_container_len)
		return 0;
	/* In the root that is being made, as with runc. */
	if (fchdir(rootfd) < 0)
		return err_sys(e, errno, "enter the container's root");
	return hooks_run(h->create_container, h->create_container_len,
			 &(struct hook_call){ "createContainer",
					      p->hook_state(p, "creating", getpid()), NULL, NULL },
			 e);
}

/* net.* are the network namespace's. */
static int enter_outside(struct init_plan *p, struct error *e)
{
	int r = init_enter_outside(p, e) < 0 ? -1 : sysctl_apply(p->spec, p->host_proc, e);

	fd_closep(&p->host_proc);
	p->host_proc = -1;
	return r;
}

/* Nothing of the outside shall be open in the new root, whoever opened it, nor anything to be
 * written to. */
static int close_others(const struct init_plan *p, int rootfd, struct error *e)
{
	const int always[] = { rootfd, p->sync_fd, p->process.shim_fd, p->start_fd, p->result_fd };
	size_t n = sizeof(always) / sizeof(*always);
	int *keep = ARENA_ARRAY(p->arena, n + p->mounts_len, int);

	memcpy(keep, always, sizeof(always));
	for (size_t i = 0; i < p->mounts_len; i++)
		if (p->mounts[i].readonly_fd >= 0)
			keep[n++] = p->mounts[i].readonly_fd;
	return fd_close_others(3 + p->process.preserve_fds, keep, n) < 0
		       ? err_sys(e, errno, "close_range")
		       : 0;
}

/* Everything that has to do with files: from the host's root to the container's. */
static int set_up_root(struct init_plan *p, struct error *e)
{
	_cleanup_fd_ int rootfd = -1;
	size_t first;
	int dev;
	bool hooks = p->hooks_runtime || (p->spec->hooks && p->spec->hooks->create_container_len);

	umask(0);
	rootfd = rootfs_mount(p, e);
	if (rootfd < 0)
		return -1;
	hide();
	first = p->net || p->cgroup_late ? mounts_before_outside(p) : p->mounts_len;
	if (mounts_apply(p, rootfd, 0, first, &dev, e) < 0 || devices_make(p, rootfd, dev, e) < 0 ||
	    mounts_files(p, rootfd, e) < 0 || enter_outside(p, e) < 0 ||
	    mounts_apply(p, rootfd, first, p->mounts_len, NULL, e) < 0)
		return -1;
	if (p->terminal && make_terminal(p, rootfd, e) < 0)
		return -1;
	if (hooks) {
		if (init_wait_until_ready(p, e) < 0)
			return -1;
		fd_close_now();
		umask(0022);
		if (run_container_hooks(p, rootfd, e) < 0)
			return -1;
		umask(0);
		fd_close_later();
	}
	if (masks_apply(p, rootfd, e) < 0)
		return -1;
	if (p->options->volumes &&
	    volumes_make(rootfd, p->options->volumes, p->spec->root->readonly, e) < 0)
		return -1;
	if (close_others(p, rootfd, e) < 0 || mounts_readonly(p, e) < 0)
		return -1;
	if (rootfs_enter(p, rootfd, e) < 0 || rootfs_propagation(p, e) < 0)
		return -1;
	umask(0022); /* the program's own comes last */
	p->process.in_root = true;
	p->process.root_fd = fd_take(&rootfd);
	return 0;
}

static int send_notify(const struct init_plan *p, int fd, struct error *e)
{
	int r = sync_send(p->sync_fd, SYNC_NOTIFY, fd, e);

	close(fd);
	if (r < 0 || p->exposed) /* the pid that it is announced with is not there yet */
		return r;
	return sync_expect(p->sync_fd, SYNC_GO, e);
}

/* Waits on the FIFO for `mrun start`; from then on failures go to its other FIFO. */
static int wait_for_start(struct init_plan *p, struct error *e)
{
	char c;
	ssize_t n;

	fd_close_now();
	/* The parent ends as soon as it has read this. */
	if (sync_send(p->sync_fd, SYNC_CREATED, -1, e) < 0)
		return -1;
	close(p->sync_fd);
	p->sync_fd = p->result_fd;
	do
		n = read(p->start_fd, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return err_msg(e, "wait for start: the FIFO was closed");
	close(p->start_fd);
	return 0;
}

/* docker's rule: without -i the program reads nothing. */
static int close_stdin(struct error *e)
{
	_cleanup_fd_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return err_sys(e, errno, "open /dev/null");
	return 0;
}

static bool needs_proc(const struct init_plan *p)
{
	const struct oci_process *s = p->spec->process;

	return (p->late_flags & CLONE_NEWTIME) || p->joined_userns || p->spec->linux_->sysctl_len ||
	       s->apparmor_profile || s->selinux_label;
}

/* Once the process has moved itself into its cgroups, which the thread is then born into. */
static int begin_network(struct init_plan *p, struct error *e)
{
	static struct net_thread net;

	if (net_thread_begin(&net)) {
		p->net = &net;
		p->net_ours = true;
		return 0;
	}
	return unshare(CLONE_NEWNET) < 0 ? namespaces_explain(CLONE_NEWNET, errno, e)
					 : net_loopback_up(e);
}

static int enter_namespace(struct init_plan *p, struct error *e)
{
	_cleanup_fd_ int ns = p->net_ours ? net_thread_finish(p->net, e) : receive_network(p, e);

	p->net = NULL;
	if (ns >= 0 && setns(ns, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the container's network namespace");
	return ns < 0 ? -1 : 0;
}

int init_enter_outside(struct init_plan *p, struct error *e)
{
	if (p->cgroup_late && cgroup_late_enter(p, e) < 0)
		return -1;
	return p->net ? enter_namespace(p, e) : 0;
}

/* Until the ids are mapped. Where the helpers' end is seen, what they have done is looked at: ids
 * that are not mapped are all the same one (user_namespaces(7)). */
static int wait_until_mapped(struct init_plan *p, struct error *e)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	ssize_t n;
	char c;

	if (p->helpers_fd[0]) {
		close(p->helpers_fd[1]);
		do
			n = read(p->helpers_fd[0], &c, 1);
		while (n < 0 && errno == EINTR);
		close(p->helpers_fd[0]);
		p->mapped_unheard = n == 0 && getuid() != uid && getgid() != gid;
	}
	return p->mapped_unheard ? 0 : sync_expect(p->sync_fd, SYNC_MAPPED, e);
}

static int prepare(struct init_plan *p, struct error *e)
{
	int late = (int)(p->late_flags & (CLONE_NEWIPC | (p->cgroup_late ? 0 : CLONE_NEWCGROUP)));

	if (!p->options->bundle && !p->options->interactive && !p->terminal) {
		if (close_stdin(e) < 0)
			return -1;
		p->stdio_null |= devices_owns_host_nodes(p);
	}
	if (p->stdio_null && devices_null_stdio(p->stdio_null, &p->null_tree, e) < 0)
		return -1;
	if (p->cgroup_join && !p->cgroup_late && cgroup_join_self(p->cgroup_join, e) < 0)
		return -1;
	if (!p->net && (p->late_flags & CLONE_NEWNET) && begin_network(p, e) < 0)
		return -1;
	if (!p->at_once && wait_until_mapped(p, e) < 0)
		return -1;
	/* Between the two: what leads there may be the caller's alone, and it itself is the mapped
	 * root's, over which only the mapping gives us rights. */
	if (p->cache_path && chdir(p->cache_path) < 0)
		return err_sys(e, errno, "enter the layer cache %s", p->cache_path);
	/* execve(2) of mrun has made the saved ids what the effective ones are, and main() refuses
	 * to run where the real ones differ. */
	p->process.ids_are_zero =
		!p->new_userns && !p->joined_userns && self_uid() == 0 && self_gid() == 0;
	if ((p->new_userns || p->joined_userns) && become_root(p, e) < 0)
		return -1;
	if (p->watched)
		hide(); /* changing the user may have undone it (fs.suid_dumpable) */
	/* Only now: changing the user clears it. Where nothing takes long before the parent has to
	 * say that all is ready, its death is seen there. */
	if (p->at_once && p->process.goes_on && !has_hooks(p))
		p->process.goes_on = false;
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, errno, "prctl");
	p->host_proc = needs_proc(p) ? process_open_proc(e) : -1;
	if (needs_proc(p) && p->host_proc < 0)
		return -1;
	if (p->joined_userns && setgroups_denied(p->host_proc))
		p->process.setgroups_allowed = false;
	if (late && unshare(late) < 0)
		return err_sys(e, errno, "make a cgroup or ipc namespace");
	if ((p->late_flags & CLONE_NEWTIME) &&
	    (init_enter_outside(p, e) < 0 || enter_time_namespace(p, p->host_proc, e) < 0))
		return -1; /* the kernel wants a single thread for that */
	if (setsid() < 0 && errno != EPERM)
		return err_sys(e, errno, "setsid");
	if ((p->clone_flags & CLONE_NEWNET) && net_loopback_up(e) < 0)
		return -1;
	if (set_names(p, e) < 0)
		return -1;
	return process_prepare(&p->process, p->watched ? -1 : p->host_proc, e);
}

/* create: a program that can't be executed is told now. */
static void check_program(const struct init_plan *p, const char *path)
{
	int refused = p->start_fd < 0 ? 0 : process_refuses(path);

	if (!refused)
		return;
	sync_send_report(p->sync_fd, refused);
	_exit(1);
}

/* The shim makes the first process, which waits for the parent and, if that is asked for, for
 * `mrun start`. */
static int exec_exposed(struct init_plan *p, const char *path, struct error *e)
{
	const struct process_call call = {
		.report_fd = p->start_fd >= 0 ? p->result_fd : p->sync_fd,
		.join = true,
		.sync_fd = p->sync_fd,
		.wait_fd = p->start_fd >= 0 ? p->start_fd : p->sync_fd,
		.terminal = p->terminal,
	};

	check_program(p, path);
	/* Changing the user clears it. The clone does not inherit it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return process_exec(p->arena, &p->process, path, &call, e);
}

static int run(struct init_plan *p, struct error *e)
{
	const struct oci_hooks *h = p->spec->hooks;
	struct process_call call = { .join = false };
	const char *path;
	int notify = -1;

	if (prepare(p, e) < 0)
		return -1;
	if (has_mount_namespace(p)) {
		int r;

		fd_close_later();
		r = set_up_root(p, e);
		fd_close_now();
		if (r < 0)
			return -1;
	} else {
		hide();
		if (enter_outside(p, e) < 0)
			return -1;
		if (p->rootfs && chroot(p->rootfs) < 0)
			return err_sys(e, errno, "chroot to %s", p->rootfs);
	}
	/* What it opens ends with the execve that follows. */
	fd_close_later();
	if (init_wait_until_ready(p, e) < 0 ||
	    process_drop(p->arena, &p->process, &notify, &path, e) < 0 ||
	    sync_send_ambient(p->sync_fd, p->process.ambient_missing, e) < 0)
		return -1;
	if (notify >= 0 && send_notify(p, notify, e) < 0)
		return -1;
	if (p->exposed)
		return exec_exposed(p, path, e);
	check_program(p, path);
	if (p->start_fd >= 0 && wait_for_start(p, e) < 0)
		return -1;
	if (h && h->start_container_len &&
	    hooks_run(h->start_container, h->start_container_len,
		      &(struct hook_call){ "startContainer", p->hook_state(p, "created", getpid()),
					   NULL, p->process.env },
		      e) < 0)
		return -1;
	call.report_fd = p->sync_fd;
	return process_exec(p->arena, &p->process, path, &call, e);
}

_Noreturn void init_main(struct init_plan *p)
{
	struct error e;

	err_clear(&e);
	run(p, &e);
	sync_send_error(p->sync_fd, &e);
	_exit(e.exit_code ? e.exit_code : 1);
}
