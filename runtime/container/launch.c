/*
 * See launch.h. In order: find the cgroup, write the state, make the plan, make the cgroup, clone,
 * limits and ids and network for the child, then follow what the child says until its program runs
 * or waits. Whatever fails, what was made is unmade before the error is passed up.
 */
#include "runtime/container/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/container/client_socket.h"
#include "runtime/container/log.h"
#include "runtime/container/fuse.h"
#include "runtime/container/launch_equip.h"
#include "runtime/container/launch_follow.h"
#include "runtime/container/oom.h"
#include "runtime/container/record.h"
#include "runtime/container/terminal.h"
#include "runtime/init/attributes.h"
#include "runtime/init/hooks.h"
#include "runtime/init/init.h"
#include "runtime/init/net_device.h"
#include "runtime/init/process.h"
#include "runtime/init/sync.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/sysctl.h"

static int make_fifos(struct launch *l, struct error *e)
{
	int dir = l->out->state.dir_fd;

	l->plan.start_fd = l->plan.result_fd = -1;
	if (!l->waits)
		return 0;
	if (mkfifoat(dir, "exec.fifo", 0600) < 0 || mkfifoat(dir, "result.fifo", 0600) < 0)
		return err_sys(e, errno, "make the FIFO that start uses");
	l->out->state.has_fifo = true;
	/* Opened for both ways: neither side ever blocks in open(2), and no end of file comes. */
	l->plan.start_fd = openat(dir, "exec.fifo", O_RDWR | O_CLOEXEC);
	l->plan.result_fd = openat(dir, "result.fifo", O_RDWR | O_CLOEXEC);
	if (l->plan.start_fd < 0 || l->plan.result_fd < 0)
		return err_sys(e, errno, "open the FIFO that start uses");
	return 0;
}

static int connect_clients(struct launch *l, struct error *e)
{
	if (l->o->console_socket) {
		l->plan.console_fd = client_socket_connect(l->o->console_socket, "console", e);
		if (l->plan.console_fd < 0)
			return -1;
	}
	if (l->o->pidfd_socket) {
		l->pidfd_socket = client_socket_connect(l->o->pidfd_socket, "pidfd", e);
		if (l->pidfd_socket < 0)
			return -1;
	}
	return 0;
}

/* One name: below a real path it is real as well, unless it is a link. */
static bool is_plain(const char *path)
{
	return *path && !strchr(path, '/') && !str_eq(path, ".") && !str_eq(path, "..");
}

static int plan_rootfs(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	const struct oci_spec *s = p->spec;
	_cleanup_fd_ int dir = -1;
	struct stat st;

	if (l->o->overlay) {
		char buf[4096];
		ssize_t n = readlink(path_of_fd(l->o->overlay->cache_fd), buf, sizeof(buf) - 1);

		if (n <= 0)
			return err_sys(e, errno, "find the layer cache");
		buf[n] = 0;
		p->cache_path = arena_strdup(l->a, buf);
		return 0;
	}
	p->rootfs = l->o->rootfs_fd >= 0
			    ? arena_strdup(l->a, path_of_fd(l->o->rootfs_fd))
			    : path_join(l->a, l->o->bundle ? l->o->bundle : "/", s->root->path);
	if (l->o->rootfs_fd >= 0 || !is_plain(s->root->path) || lstat(p->rootfs, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		p->rootfs = path_real_dir(l->a, p->rootfs, &dir, e);
	if (!p->rootfs)
		return err_wrap(e, "root.path");
	/* The directories above it may be root's alone. */
	if (p->new_userns && self_uid() == 0)
		p->rootfs_tree = plan_open_tree(p, p->rootfs, AT_RECURSIVE);
	return 0;
}

static int plan_process(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	const struct oci_spec *s = p->spec;
	struct process_plan *pp = &p->process;

	if (process_plan_make(l->a, s->process, pp, e) < 0)
		return -1;
	log_warnings(l->c, &pp->warnings);
	log_without_effect(l->c, s->linux_->resources);
	pp->user = l->o->user;
	pp->group_add = l->o->group_add;
	pp->set_home = true;
	pp->init = l->o->init;
	pp->label_late = attributes_label_late(s);
	pp->preserve_fds = l->o->preserve_fds;
	pp->personality_spec = s->linux_->personality;
	pp->memory_policy_spec = s->linux_->memory_policy;
	pp->setgroups_allowed = !(p->new_userns && p->idmap.single);
	pp->user_namespace = p->new_userns || p->joined_userns;
	if (!l->o->no_new_keyring)
		pp->session_keyring = arena_printf(l->a, "_ses.%s", l->o->id);
	p->terminal = s->process->terminal;
	if (s->process->console_size) {
		p->rows = (unsigned short)s->process->console_size->height;
		p->cols = (unsigned short)s->process->console_size->width;
	} else if (p->terminal) {
		struct winsize w;

		if (terminal_size(&w)) {
			p->rows = w.ws_row;
			p->cols = w.ws_col;
		}
	}
	if (s->linux_->seccomp && seccomp_prepare(l->a, s->linux_->seccomp, &pp->seccomp, e) < 0)
		return -1;
	return 0;
}

/* A procfs shows the pid namespace of who mounts it, or since Linux 6.17 the one that it is told.
 */
static bool mount_proc_of(struct init_plan *p, int pid_namespace)
{
	const char *path = path_of_fd(pid_namespace);
	bool able = true;

	for (size_t i = 0; i < p->mounts_len; i++) {
		struct mount_plan *m = &p->mounts[i];
		_cleanup_fd_ int fs = -1;

		if (!m->fstype || !str_eq(m->fstype, "proc"))
			continue;
		fs = sys_fsopen("proc", FSOPEN_CLOEXEC);
		able = able && fs >= 0 &&
		       sys_fsconfig(fs, FSCONFIG_SET_STRING, "pidns", path, 0) == 0;
		if (able)
			m->data = arena_printf(p->arena, "%s%spidns=%s", m->data ? m->data : "",
					       m->data && *m->data ? "," : "", path);
	}
	return able;
}

/* What cannot be done in that order is done in the other. */
static void plan_exposed(struct launch *l)
{
	struct init_plan *p = &l->plan;
	const struct oci_hooks *h = p->spec->hooks;

	p->exposed = !p->pdeathsig && !(h && h->start_container_len) &&
		     process_can_join(&p->process, p->terminal);
	for (size_t i = 0; i < p->joins_len && p->exposed; i++)
		if (p->joins[i].type == CLONE_NEWPID)
			p->exposed = mount_proc_of(p, p->joins[i].fd);
	p->process.parent_schedules = p->exposed;
}

/* In the child. */
static char *hook_state(const struct init_plan *p, const char *status, pid_t pid)
{
	return state_json(p->arena, p->hook_state_ctx, status, pid, false);
}

static int make_plan(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	const struct oci_hooks *h = p->spec->hooks;
	struct cgroup_mount_info *info;

	p->options = l->o;
	p->arena = l->a;
	p->state_fd = l->out->state.dir_fd; /* -1: not made yet */
	p->hook_state = hook_state;
	p->hook_state_ctx = l->record;
	if (sysctl_check(p->spec, e) < 0 || net_devices_check(p->spec->linux_, e) < 0 ||
	    plan_make(p, e) < 0 || plan_rootfs(l, e) < 0 || plan_process(l, e) < 0)
		return -1;
	p->devices_by_bind = p->new_userns || p->joined_userns;
	p->hooks_runtime = h && (h->prestart_len || h->create_runtime_len);
	/* A foreground container of the image mode dies with the mrun that waits for it. */
	p->pdeathsig = l->record->image && !l->o->detach;
	if (p->exposed)
		plan_exposed(l);
	p->process.ends_with_mrun = p->pdeathsig;
	p->process.goes_on = !p->pdeathsig && !p->exposed;
	if (!l->out->cgroup) {
		p->clone_flags |= p->late_flags & CLONE_NEWCGROUP;
		p->late_flags &= ~(uint64_t)CLONE_NEWCGROUP;
		return 0;
	}
	info = ARENA_NEW(l->a, struct cgroup_mount_info);
	for (size_t i = 0; i < p->mounts_len; i++)
		if (p->mounts[i].fstype && str_has_prefix(p->mounts[i].fstype, "cgroup")) {
			if (cgroup_mount_info(l->a, l->out->cgroup, info, e) < 0)
				return -1;
			p->cgroups = info;
			break;
		}
	return 0;
}

static int make_pair(struct launch *l, struct error *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	l->plan.sync_fd = pair[0];
	l->plan.parent_fd = l->sync = pair[1];
	return 0;
}

static int spawn_once(struct launch *l, int cgroup_fd, struct error *e)
{
	struct cgroup_join join = { .n = 0 };

	if (l->out->cgroup) {
		join.cg = l->out->cgroup;
		if (!l->plan.cgroup_late && cgroup_join_open(join.cg, cgroup_fd >= 0, &join, e) < 0)
			return -1;
		l->plan.cgroup_join = &join;
	}
	l->cloned_into = cgroup_fd >= 0;
	if ((l->sync < 0 && make_pair(l, e) < 0) ||
	    (l->plan.joins_len && sync_watch(l->sync, e) < 0))
		goto out;
	l->out->pid = init_spawn(&l->plan, cgroup_fd, l->sync, e);
	fd_closep(&l->plan.sync_fd); /* for good in launch_equip(), with all that the child has */
	l->plan.sync_fd = -1;
	if (l->out->pid < 0) {
		l->out->pid = 0;
		fd_closep(&l->sync);
		l->sync = -1;
	}
out:
	cgroup_join_close(&join);
	l->plan.cgroup_join = NULL;
	return l->out->pid > 0 ? 0 : -1;
}

/* The child's own error, if it sent one before it ended: it knows better than we, who only saw a
 * broken pipe. */
static void prefer_childs_error(struct launch *l, struct error *e)
{
	struct pollfd said = { .fd = l->sync, .events = POLLIN };
	struct sync_packet p;
	struct error ignored;

	/* It says so before it ends, and only its end can be the reason of a failure here. */
	if (poll(&said, 1, 0) == 1 && sync_receive(l->sync, &p, &ignored) == 0 &&
	    p.tag == SYNC_ERROR)
		*e = p.error;
}

static int spawn(struct launch *l, struct error *e)
{
	int cgroup_fd = l->out->cgroup ? cgroup_clone_fd(l->out->cgroup) : -1;

	if (spawn_once(l, cgroup_fd, e) < 0 && cgroup_fd >= 0 && e->code == EOPNOTSUPP) {
		err_clear(e);
		if (cgroup_make_enterable(l->out->cgroup, e) == 0)
			spawn_once(l, cgroup_fd, e);
	}
	if (l->out->pid <= 0) {
		/* The right to be born into it may be missing where moving there is allowed. */
		if (cgroup_fd < 0 || (e->code != EACCES && e->code != EPERM && e->code != EBUSY &&
				      e->code != ENOSYS))
			return -1;
		err_clear(e);
		if (spawn_once(l, -1, e) < 0)
			return -1;
	}
	log_debug(l->c, "container %s: first process %d, namespaces %#llx", l->o->id,
		  (int)l->out->pid, (unsigned long long)(l->plan.clone_flags | l->plan.late_flags));
	if (launch_equip(l, e) == 0) {
		log_debug(l->c, "container %s: ids, limits, cgroup and network are set", l->o->id);
		return launch_follow(l, e);
	}
	prefer_childs_error(l, e);
	return -1;
}

/* Unmakes all of it; E keeps the reason. */
static void undo(struct launch *l)
{
	struct launched *out = l->out;
	struct error ignored;
	const struct oci_hooks *h = l->plan.spec->hooks;

	/* Before its namespace goes, and they with it. */
	net_devices_give_back(l->net_devices);
	if (out->pid > 0) {
		kill(out->pid, SIGKILL);
		while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fuse_overlayfs_end(out->fuse);
	if (out->cgroup) {
		cgroup_kill(out->cgroup, SIGKILL, &ignored);
		cgroup_delete(out->cgroup, 5000, &ignored);
	}
	if (h && h->poststop_len && out->pid > 0) {
		char *state = state_json(l->a, l->record, "stopped", 0, false);

		hooks_poststop(h, state, l->o->bundle);
	}
	if (out->state.dir_fd >= 0)
		state_remove(&out->state, &ignored);
	state_close(&out->state);
	fd_closep(&out->master);
	notify_close(&out->notify);
}

/* What the first process has and exec has not: the record is written without it. */
static int pass_environment(struct launch *l, struct error *e)
{
	struct oci_spec *spec = l->out->spec;
	struct strlist env = { 0 };

	if (!l->o->bundle)
		return 0;
	if (l->o->environment) {
		for (char **v = spec->process->env; v && *v; v++)
			strlist_add(l->a, &env, *v);
		for (char *const *v = l->o->environment; *v; v++)
			strlist_add(l->a, &env, *v);
		spec->process->env = env.items;
	}
	return notify_prepare(l->a, &l->out->state, spec, e);
}

/* Whether the first process can do something while we do the rest: nothing outside waits for its
 * network namespace, no other process for what it says. */
static bool side_by_side(const struct launch *l, const struct oci_spec *s)
{
	for (size_t i = 0; i < s->linux_->namespaces_len; i++)
		if (s->linux_->namespaces[i].path && *s->linux_->namespaces[i].path)
			return false;
	return !l->o->setup_network && !s->linux_->net_devices_len &&
	       !(l->o->overlay && l->o->overlay->fuse);
}

static void begin_network(struct launch *l, const struct oci_spec *s)
{
	static struct net_thread net;

	if (oci_spec_namespace(s, CLONE_NEWNET) && !oci_spec_namespace(s, CLONE_NEWUSER) &&
	    side_by_side(l, s) && net_thread_begin(&net))
		l->plan.net = &net;
}

/* Nothing has been made yet that would have to be found again after a crash, and the first process
 * ends with us until it is told that it is recorded. */
static bool state_can_wait(const struct launch *l)
{
	return !l->waits && !notify_wanted() &&
	       (!l->out->cgroup || cgroup_out_of_reach(l->out->cgroup));
}

/* With a user namespace the first process waits for its ids, and where systemd is to move it, for
 * that. */
static int plan_side_by_side(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	struct cgroup *cg = l->out->cgroup;

	if (!side_by_side(l, p->spec))
		return 0;
	p->late_flags |= p->clone_flags & CLONE_NEWNET;
	p->clone_flags &= ~(uint64_t)CLONE_NEWNET;
	l->side_by_side = !cg || !cgroup_needs_pid(cg);
	p->at_once = l->side_by_side && !p->new_userns;
	p->cgroup_late = p->at_once && cg && cgroup_comes_later(cg);
	if (l->side_by_side && p->new_userns && !p->idmap.single && self_uid() != 0 &&
	    pipe2(p->helpers_fd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	return 0;
}

static int make_cgroup(struct launch *l, struct error *e)
{
	if (!l->out->cgroup || cgroup_needs_pid(l->out->cgroup))
		return 0;
	return l->plan.cgroup_late ? launch_begin_cgroup(l->c, l->out, e)
				   : launch_make_cgroup(l->c, &l->plan, l->out, e);
}

static int launch_steps(struct launch *l, struct error *e)
{
	if (l->out->cgroup && cgroup_begin(l->out->cgroup, e) < 0)
		return -1;
	if (pass_environment(l, e) < 0)
		return -1;
	if (l->o->bundle && !l->waits && notify_open(l->c, &l->out->state, &l->out->notify, e) < 0)
		return -1;
	if (make_plan(l, e) < 0 || make_fifos(l, e) < 0 || connect_clients(l, e) < 0)
		return -1;
	if (plan_side_by_side(l, e) < 0 || make_cgroup(l, e) < 0)
		return -1;
	return spawn(l, e);
}

int launch(struct cmd_context *c, struct oci_spec *spec, const struct container_options *o,
	   bool waits, struct launched *ret, struct error *e)
{
	struct launch l = { .c = c,
			    .a = c->arena,
			    .o = o,
			    .plan = { .spec = spec,
				      .rootfs_tree = -1,
				      .process = { .shim_fd = -1 },
				      .sync_fd = -1,
				      .start_fd = -1,
				      .result_fd = -1,
				      .console_fd = -1 },
			    .out = ret,
			    .waits = waits,
			    .sync = -1,
			    .notify = -1,
			    .pidfd_socket = -1 };
	int result = -1;

	*ret = (struct launched){
		.state = { .dir_fd = -1 },
		.spec = spec,
		.master = -1,
		.notify = NOTIFY_NONE,
	};
	fd_close_later();
	/* What the child keeps comes first: the others can be closed in a row. */
	if (make_pair(&l, e) < 0)
		goto not_begun;
	begin_network(&l, spec);
	if (!(l.record = record_make(c, spec, o, &ret->cgroup, e)))
		goto not_begun;
	l.state_late = state_can_wait(&l);
	if (!l.state_late && launch_begin_state(&l, e) < 0)
		goto not_begun;
	result = launch_steps(&l, e);
not_begun:
	/* Its other end went when the program was executed: no reason to close this one before mrun
	 * ends. */
	if (result < 0 || waits)
		fd_closep(&l.sync);
	fd_closep(&l.notify);
	fd_closep(&l.pidfd_socket);
	fd_closep(&l.plan.sync_fd);
	launch_close_plan(&l.plan);
	fd_close_now();
	if (ret->state.dir_fd < 0 && ret->pid <= 0)
		return -1;
	if (result == 0 && o->pid_file && launch_write_pid_file(o->pid_file, ret->pid, e) < 0)
		result = -1;
	if (result < 0) {
		oom_explain(ret->cgroup, e);
		undo(&l);
	} else {
		net_devices_release(l.net_devices);
	}
	log_debug(c, "container %s: %s", o->id,
		  result < 0 ? e->msg
		  : waits    ? "waits for start"
			     : "runs");
	return result;
}

int launch_write_pid_file(const char *path, pid_t pid, struct error *e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (file_replace(AT_FDCWD, path, text, (size_t)n, 0644, false, e) < 0)
		return err_wrap(e, "--pid-file");
	return 0;
}
