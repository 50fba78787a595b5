/*
 * See exec.h. In order: look at the container, plan the process from its specification and the
 * container's, fork the process in between (exec_join.c) and follow what it and the process that it
 * makes say, until the program runs; then leave it, or wait for it.
 */
#include "runtime/container/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/container/client_socket.h"
#include "runtime/container/exec_join.h"
#include "runtime/container/foreground.h"
#include "runtime/container/launch.h"
#include "runtime/container/log.h"
#include "runtime/container/terminal.h"
#include "runtime/init/attributes.h"
#include "runtime/init/process.h"
#include "runtime/init/seccomp_notify.h"
#include "runtime/init/sync.h"
#include "runtime/init/syscalls.h"

struct exec {
	struct arena *a;
	struct container *ct;
	const struct oci_spec *spec;
	const struct exec_options *o;
	struct exec_plan plan;
	struct cgroup *cgroup; /* NULL: none */
	int clone_fd;	       /* the v2 directory to be born into, -1: none */
	int sync;	       /* our end */
	int pidfd_socket;
	int notify; /* the filter's, which waits for the pid that it is announced with; -1 */
	pid_t middle, pid;
	int master;
};

/* The words are runc's: clients match them. */
static int check_status(struct exec *x, bool *ret_paused, struct error *e)
{
	enum status st = state_status(x->a, x->ct, false);

	if (x->ct->record->cgroup && !(x->cgroup = cgroup_restore(x->a, x->ct->record->cgroup, e)))
		return -1;
	if (st == STATUS_RUNNING && x->cgroup && cgroup_is_frozen(x->cgroup))
		st = STATUS_PAUSED;
	*ret_paused = st == STATUS_PAUSED;
	if (st == STATUS_STOPPED)
		return err_msg(e, "cannot exec in a stopped container");
	if (st == STATUS_CREATING)
		return err_msg(e, "cannot exec in a container that is still being created");
	if (st == STATUS_PAUSED && !x->o->ignore_paused)
		return err_msg(e, "cannot exec in a paused container (use --ignore-paused to "
				  "override)");
	return 0;
}

static int check_terminal(const struct exec *x, bool tty, struct error *e)
{
	if (x->o->detach && tty && !x->o->console_socket)
		return err_msg(e, "cannot allocate tty if mrun will detach without setting a "
				  "console socket: give --console-socket PATH");
	if (x->o->console_socket && (!tty || !x->o->detach))
		return err_msg(e, "cannot use --console-socket if mrun will not detach or the "
				  "process has no terminal");
	return 0;
}

/* A descriptor of the first process, checked to be the one that was recorded. */
static int open_init(struct exec *x, struct error *e)
{
	struct exec_plan *p = &x->plan;

	p->init = x->ct->pid;
	p->init_start = x->ct->start_time;
	p->pidfd = (int)syscall(SYS_pidfd_open, p->init, 0);
	if (p->pidfd < 0 && errno != ENOSYS && errno != EPERM)
		return err_sys(e, errno, "open the container's first process %d", (int)p->init);
	if (state_process_start_time(p->init) != p->init_start)
		return err_msg(e, "cannot exec in a stopped container");
	return 0;
}

/* Which of its namespaces are others than ours: joining one's own user namespace is an error. */
static int find_namespaces(struct exec *x, struct error *e)
{
	static const struct {
		int type;
		const char *file;
	} files[] = { { CLONE_NEWUSER, "user" },     { CLONE_NEWNS, "mnt" },
		      { CLONE_NEWPID, "pid" },	     { CLONE_NEWNET, "net" },
		      { CLONE_NEWIPC, "ipc" },	     { CLONE_NEWUTS, "uts" },
		      { CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWTIME, "time" } };
	struct exec_plan *p = &x->plan;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char own[32], theirs[32];
		struct stat a, b;

		snprintf(own, sizeof(own), "self/ns/%s", files[i].file);
		snprintf(theirs, sizeof(theirs), "%d/ns/%s", (int)p->init, files[i].file);
		/* This kernel does not have them. Whatever else it is, going on would be to run the
		 * program in the host's. */
		if (fstatat(p->proc, own, &a, 0) < 0) {
			if (errno == ENOENT)
				continue;
			return err_sys(e, errno, "look at our own %s namespace", files[i].file);
		}
		if (fstatat(p->proc, theirs, &b, 0) < 0) {
			err_sys(e, errno, "look at the %s namespace of the container",
				files[i].file);
			if (e->code == EACCES && x->ct->has_fifo)
				err_hint(e, "it has not been started: without root its first "
					    "process can be joined after mrun start");
			return -1;
		}
		if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
			p->namespaces |= files[i].type;
	}
	return 0;
}

/* Without a mount namespace of its own the container is where its first process was chrooted to. */
static int find_root(struct exec *x, struct error *e)
{
	const struct oci_namespace *mnt = oci_spec_namespace(x->spec, CLONE_NEWNS);
	char path[32];

	if (mnt && !(mnt->path && *mnt->path))
		return 0;
	snprintf(path, sizeof(path), "%d/root", (int)x->plan.init);
	x->plan.root_fd = openat(x->plan.proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x->plan.root_fd < 0)
		return err_sys(e, errno, "open the container's root");
	return 0;
}

_Static_assert(sizeof(cpu_set_t) == OCI_LIST_WORDS * sizeof(unsigned long), "a set of CPUs");

static int parse_cpus(struct arena *a, const char *text, const char *field, const cpu_set_t **ret,
		      struct error *e)
{
	unsigned long bits[OCI_LIST_WORDS];

	if (!text || !*text)
		return 0;
	if (!oci_list_parse(text, bits))
		return err_msg(e, "process.execCPUAffinity.%s: '%s' is not a list of CPUs", field,
			       text);
	*ret = memcpy(ARENA_NEW(a, cpu_set_t), bits, sizeof(bits));
	return 0;
}

static bool setgroups_allowed(const struct exec *x)
{
	char path[32], text[16] = "";
	_cleanup_fd_ int fd = -1;

	snprintf(path, sizeof(path), "%d/setgroups", (int)x->plan.init);
	fd = openat(x->plan.proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || !str_has_prefix(text, "deny");
}

static void plan_terminal(struct exec *x, const struct oci_process *s)
{
	struct exec_plan *p = &x->plan;
	struct winsize w;

	p->terminal = s->terminal;
	p->console.uid = p->process.uid;
	p->console.no_onlcr = !x->o->console_socket;
	if (s->console_size) {
		p->console.rows = (unsigned short)s->console_size->height;
		p->console.cols = (unsigned short)s->console_size->width;
	} else if (s->terminal && terminal_size(&w)) {
		p->console.rows = w.ws_row;
		p->console.cols = w.ws_col;
	}
}

/* See exec_join.c: whether the process can be made last, when it has nothing to hide any more. Else
 * a program in there with CAP_SYS_PTRACE would get hold of all that we may do. */
static int plan_order(struct exec *x, struct error *e)
{
	const struct oci_process *first = x->spec->process;
	struct strlist ignored = { 0 };
	uint64_t bounding = 0;

	x->plan.late = !process_can_join(&x->plan.process, x->plan.terminal);
	x->plan.process.goes_on = x->plan.late;
	if (!x->plan.late || (x->plan.namespaces & CLONE_NEWUSER) ||
	    !(x->plan.namespaces & CLONE_NEWPID))
		return 0;
	if (first && first->capabilities)
		capabilities_parse(x->a, first->capabilities->bounding, &bounding, "", &ignored);
	if (!(bounding & 1ULL << CAP_SYS_PTRACE))
		return 0;
	err_msg(e,
		"exec: the container may trace (CAP_SYS_PTRACE) and has no user namespace of its "
		"own: what enters it must have dropped all rights before, and its seccomp filter "
		"forbids that");
	return err_hint(e, "let linux.seccomp pass clone, setsid, read, write, close, exit_group, "
			   "ioctl and execveat, or give the container a user namespace");
}

static int plan_process(struct exec *x, const struct oci_process *s, struct error *e)
{
	const struct oci_linux *l = x->spec->linux_;
	struct process_plan *pp = &x->plan.process;

	pp->shim_fd = process_make_shim(e);
	if (pp->shim_fd < 0 || process_plan_make(x->a, s, pp, e) < 0)
		return -1;
	pp->user = x->o->user;
	pp->group_add = x->o->group_add;
	pp->set_home = true;
	pp->label_late = attributes_label_late(x->spec);
	pp->existing_cwd = true;
	pp->preserve_fds = x->o->preserve_fds;
	pp->personality_spec = l->personality;
	pp->memory_policy_spec = l->memory_policy;
	pp->setgroups_allowed = setgroups_allowed(x);
	pp->parent_schedules = true;
	pp->user_namespace = (x->plan.namespaces & CLONE_NEWUSER) != 0;
	if (!x->ct->record->no_new_keyring)
		pp->session_keyring = arena_printf(x->a, "_ses.%s", x->ct->id);
	plan_terminal(x, s);
	if (s->exec_cpu_affinity &&
	    (parse_cpus(x->a, s->exec_cpu_affinity->initial, "initial", &x->plan.cpus_before, e) <
		     0 ||
	     parse_cpus(x->a, s->exec_cpu_affinity->final, "final", &x->plan.cpus_after, e) < 0))
		return -1;
	if (l->seccomp && seccomp_prepare(x->a, l->seccomp, &pp->seccomp, e) < 0)
		return -1;
	return plan_order(x, e);
}

static int plan_cgroup(struct exec *x, struct error *e)
{
	x->plan.parent_moves =
		(x->o->cgroups && *x->o->cgroups) || (x->cgroup && cgroup_needs_manager(x->cgroup));
	if (x->plan.parent_moves && !x->cgroup)
		return err_msg(e, "--cgroup: the container has no cgroup");
	if (!x->cgroup || x->plan.parent_moves)
		return 0;
	x->clone_fd = cgroup_open_clone_fd(x->cgroup);
	return cgroup_join_open(x->cgroup, x->clone_fd >= 0, &x->plan.join, e);
}

static int connect_clients(struct exec *x, struct error *e)
{
	if (x->o->console_socket) {
		x->plan.console_fd = client_socket_connect(x->o->console_socket, "console", e);
		if (x->plan.console_fd < 0)
			return -1;
	}
	if (x->o->pidfd_socket) {
		x->pidfd_socket = client_socket_connect(x->o->pidfd_socket, "pidfd", e);
		if (x->pidfd_socket < 0)
			return -1;
	}
	return 0;
}

static int make_plan(struct exec *x, const struct oci_process *s, struct error *e)
{
	x->plan.proc = process_open_proc(e);
	if (x->plan.proc < 0)
		return -1;
	x->plan.ignores = state_ignores_signals();
	if (open_init(x, e) < 0 || find_namespaces(x, e) < 0 || find_root(x, e) < 0 ||
	    plan_process(x, s, e) < 0 || connect_clients(x, e) < 0)
		return -1;
	return plan_cgroup(x, e);
}

/* One value of --cgroup; the process is in the container's own cgroups already. */
static int move_into_sub(struct exec *x, const char *value, bool only, struct error *e)
{
	char **parts = str_split(x->a, value, ':');
	size_t n = str_list_len(parts);
	const char *path = parts[n - 1];

	if (n > 2)
		return err_msg(e, "--cgroup: '%s' is not [CONTROLLER:]PATH", value);
	if (n == 1 && !only)
		return err_msg(e,
			       "--cgroup: '%s' needs a controller in front (CONTROLLER:PATH), "
			       "as there is more than one",
			       value);
	if (str_list_has(str_split(x->a, path, '/'), ".."))
		return err_msg(e, "--cgroup: %s is not a sub cgroup path", path);
	if (n == 1)
		return cgroup_attach_exec(x->cgroup, NULL, path, x->middle, x->ct->pid, e);
	for (char **ctl = str_split(x->a, parts[0], ','); *ctl; ctl++)
		if (cgroup_attach_exec(x->cgroup, *ctl, path, x->middle, x->ct->pid, e) < 0)
			return -1;
	return 0;
}

static int move_into_cgroup(struct exec *x, struct error *e)
{
	char *const *v = x->o->cgroups;
	bool only = v && v[0] && !v[1];

	/* A path without a controller is for all of them. */
	if (!(only && !strchr(v[0], ':')) &&
	    cgroup_attach_exec(x->cgroup, NULL, "", x->middle, x->ct->pid, e) < 0)
		return -1;
	for (; v && *v; v++)
		if (move_into_sub(x, *v, only, e) < 0)
			return -1;
	return sync_send(x->sync, SYNC_GO, -1, e);
}

static int pass_notify(struct exec *x, struct error *e)
{
	char *state = state_json(x->a, x->ct->record, "running", x->ct->pid, false);
	int r = seccomp_notify_send(x->a, &x->plan.process.seccomp, x->notify, x->pid, state,
				    strlen(state), e);

	fd_closep(&x->notify);
	x->notify = -1;
	return r;
}

/* What the parent does for the process before it may go on. */
static int equip(struct exec *x, pid_t pid, struct error *e)
{
	if (pid == x->middle)
		return err_msg(e, "unexpected message from the container");
	while (waitpid(x->middle, NULL, 0) < 0 && errno == EINTR)
		;
	x->middle = 0;
	x->pid = pid;
	if (attributes_scheduler(&x->plan.process, pid, e) < 0)
		return -1;
	if (x->pidfd_socket >= 0 && client_socket_send_pidfd(x->pidfd_socket, "setns", pid, e) < 0)
		return -1;
	if (x->notify >= 0 && pass_notify(x, e) < 0)
		return -1;
	return sync_send(x->sync, SYNC_MAPPED, -1, e);
}

/* The filter's descriptor: with the usual order it comes before the pid. */
static int take_notify(struct exec *x, int fd, struct error *e)
{
	x->notify = fd;
	if (!x->plan.late)
		return 0;
	return pass_notify(x, e) < 0 ? -1 : sync_send(x->sync, SYNC_GO, -1, e);
}

/* Follows both processes until the program runs. */
static int follow(struct exec *x, struct error *e)
{
	const struct exec_plan *plan = &x->plan;
	unsigned expected = SYNC_BIT(SYNC_PID) | SYNC_BIT(SYNC_CGROUP) | SYNC_BIT(SYNC_AMBIENT);
	struct sync_packet p;
	int r = 0;

	if (plan->terminal && plan->console_fd < 0)
		expected |= SYNC_BIT(SYNC_TERMINAL);
	if (plan->process.seccomp.notify)
		expected |= SYNC_BIT(SYNC_NOTIFY);
	while (r == 0) {
		if (sync_receive_expected(x->sync, x->pid ? x->pid : x->middle, &p, &expected, e) <
		    0)
			return -1;
		switch (p.tag) {
		case SYNC_CGROUP:
			r = move_into_cgroup(x, e);
			break;
		case SYNC_PID:
			expected &= ~SYNC_BIT(SYNC_CGROUP);
			r = equip(x, p.pid, e);
			break;
		case SYNC_TERMINAL:
			x->master = p.fd;
			break;
		case SYNC_NOTIFY:
			r = take_notify(x, p.fd, e);
			break;
		case SYNC_AMBIENT:
			capabilities_not_raised(x->a, p.ambient, &x->plan.process.warnings);
			break;
		case SYNC_ERROR:
			*e = p.error;
			return -1;
		case SYNC_REPORT:
			if (!x->pid) /* the shim's clone */
				return exec_join_no_process(p.report.err, e);
			return explain_exec(x->plan.process.args[0], &p.report, e);
		case SYNC_END:
			return x->pid ? 0
				      : err_msg(e, "the process that joins the container ended");
		default:
			return err_msg(e, "unexpected message from the container");
		}
	}
	return r;
}

/* Born in the v2 cgroup where that is allowed, which is ten times as fast as being moved there. */
static pid_t fork_into_cgroup(struct exec *x, struct error *e)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
				   .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)(unsigned)x->clone_fd };
	pid_t pid = x->clone_fd < 0 ? -1 : sys_clone3(&args, sizeof(args));

	if (pid >= 0)
		return pid;
	if (x->clone_fd >= 0) {
		cgroup_join_close(&x->plan.join);
		if (cgroup_join_open(x->cgroup, false, &x->plan.join, e) < 0)
			return -1;
	}
	pid = fork();
	if (pid < 0)
		err_sys(e, errno, "fork");
	return pid;
}

static int spawn(struct exec *x, struct error *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	x->sync = pair[0];
	x->plan.sync_fd = pair[1];
	/* The shim's clone has a copy of the other end, whatever becomes of the shim. */
	if (sync_watch(x->sync, e) < 0) {
		close(pair[1]);
		return -1;
	}
	x->middle = fork_into_cgroup(x, e);
	if (x->middle == 0) {
		close(x->sync);
		fd_closep(&x->clone_fd);
		fd_closep(&x->ct->dir_fd);
		fd_closep(&x->pidfd_socket);
		exec_join_main(&x->plan);
	}
	close(pair[1]);
	if (x->middle < 0) {
		x->middle = 0;
		return -1;
	}
	return follow(x, e);
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int attend(struct exec *x, struct error *e)
{
	struct foreground f = { .master = x->master, .pass_stdin = true };
	int code;

	if (x->master >= 0) {
		terminal_copy_size(x->master);
		if (terminal_raw(STDIN_FILENO, true, e) < 0)
			return -1;
	}
	code = foreground_wait(x->pid, &f, e);
	terminal_restore();
	return code;
}

/* Signals wait until they can be passed on. In a paused container that may take long: there only
 * SIGCHLD is kept, and an interrupt ends us and, by PR_SET_PDEATHSIG, what we have started. */
static void block_signals(bool paused)
{
	sigset_t child;

	if (!paused) {
		foreground_block_signals();
		return;
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
}

static int run(struct exec *x, const struct oci_process *s, struct error *e)
{
	bool paused;

	if (check_terminal(x, s->terminal, e) < 0 || check_status(x, &paused, e) < 0)
		return -1;
	if (!x->o->detach)
		block_signals(paused);
	/* Until it is resumed, others must be able to work on it. */
	if (paused)
		state_unlock(x->ct);
	if (make_plan(x, s, e) < 0 || spawn(x, e) < 0)
		return -1;
	if (!x->o->detach)
		foreground_block_signals();
	state_unlock(x->ct);
	if (x->o->pid_file && launch_write_pid_file(x->o->pid_file, x->pid, e) < 0)
		return -1;
	return x->o->detach ? 0 : attend(x, e);
}

int exec_run(struct cmd_context *c, struct container *ct, const struct oci_spec *spec,
	     const struct oci_process *p, const struct exec_options *o, struct error *e)
{
	struct exec x = { .a = c->arena,
			  .ct = ct,
			  .spec = spec,
			  .o = o,
			  .plan = { .arena = c->arena,
				    .process = { .shim_fd = -1 },
				    .pidfd = -1,
				    .proc = -1,
				    .root_fd = -1,
				    .console_fd = -1,
				    .sync_fd = -1 },
			  .clone_fd = -1,
			  .sync = -1,
			  .pidfd_socket = -1,
			  .notify = -1,
			  .master = -1 };
	int code = run(&x, p, e);

	log_warnings(c, &x.plan.process.warnings);
	if (code < 0) {
		end(x.middle);
		end(x.pid);
	}
	cgroup_join_close(&x.plan.join);
	fd_closep(&x.plan.process.shim_fd);
	fd_closep(&x.plan.pidfd);
	fd_closep(&x.plan.proc);
	fd_closep(&x.plan.root_fd);
	fd_closep(&x.plan.console_fd);
	fd_closep(&x.clone_fd);
	fd_closep(&x.pidfd_socket);
	fd_closep(&x.notify);
	fd_closep(&x.sync);
	fd_closep(&x.master);
	return code;
}
