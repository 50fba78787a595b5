/* mrun start, state, kill, delete: runc's commands on an existing container; and docker's stop. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/options.h"
#include "runtime/container/launch.h"
#include "runtime/container/record.h"
#include "runtime/container/signals.h"
#include "runtime/image/slot.h"
#include "runtime/init/hooks.h"

static const struct opt no_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };

/* Tells the waiting process to go on, and reads why it could not: nothing, when it could. */
static int release(struct cmd_context *c, const struct container *ct, struct error *e)
{
	union {
		char bytes[sizeof(struct shim_report) + 1];
		struct shim_report report;
	} answer;
	_cleanup_fd_ int go = openat(ct->dir_fd, "exec.fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fd_ int result =
		openat(ct->dir_fd, "result.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t got = 0;

	if (go < 0 || result < 0)
		return err_sys(e, errno == ENXIO ? ESRCH : errno,
			       "start container %s: its first process is gone", ct->id);
	if (fcntl(result, F_SETFL, 0) < 0 || write(go, "1", 1) != 1)
		return err_sys(e, errno, "start container %s", ct->id);
	unlinkat(ct->dir_fd, "exec.fifo", 0);
	while (got < sizeof(answer.bytes)) {
		ssize_t n = read(result, answer.bytes + got, sizeof(answer.bytes) - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	unlinkat(ct->dir_fd, "result.fifo", 0);
	if (got == 1 + sizeof(*e) && answer.bytes[0] == 'e') {
		memcpy(e, answer.bytes + 1, sizeof(*e));
		e->msg[sizeof(e->msg) - 1] = e->hint[sizeof(e->hint) - 1] = 0;
		return -1;
	}
	if (got == sizeof(struct shim_report)) {
		const struct oci_spec *spec = record_spec(c->arena, ct, e);

		return spec ? explain_exec(spec->process->args[0], &answer.report, e) : -1;
	}
	return 0;
}

static const struct opt_spec start_spec = {
	.command = "start",
	.usage = "CONTAINER-ID",
	.summary = "start the process of a created container",
	.opts = no_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

int cmd_start(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct notify notify = NOTIFY_NONE;
	struct container ct;
	struct oci_spec *spec = NULL;
	enum status st;
	char **rest;
	int n, r = opt_parse(c->arena, &start_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (state_open(c, rest[0], &ct, e) < 0)
		return -1;
	/* A frozen one would not answer, and we would wait for it. */
	st = state_status(c->arena, &ct, true);
	if (ct.record->hooks && !(spec = record_spec(c->arena, &ct, e)))
		return -1;
	if (st == STATUS_STOPPED)
		return err_msg(e, "cannot start a container that has stopped");
	if (st == STATUS_RUNNING)
		return err_msg(e, "cannot start an already running container");
	if (st != STATUS_CREATED)
		return err_msg(e, "cannot start a container in the %s state",
			       state_status_name(st));
	if (notify_open(c, &ct, &notify, e) < 0 || release(c, &ct, e) < 0) {
		e->exit_code = 0;
		return -1;
	}
	if (spec && spec->hooks && spec->hooks->poststart_len) {
		struct hook_call call = {
			.kind = "poststart",
			.state = state_json(c->arena, ct.record, "running", ct.pid, false),
			.dir = ct.record->bundle,
		};

		if (hooks_run(spec->hooks->poststart, spec->hooks->poststart_len, &call, e) < 0) {
			kill(ct.pid, SIGKILL);
			return -1;
		}
	}
	/* Others may work on it while we wait. */
	state_unlock(&ct);
	notify.main = ct.pid;
	notify_wait_ready(&notify, &ct);
	notify_close(&notify);
	state_close(&ct);
	return 0;
}

static const struct opt_spec state_spec = {
	.command = "state",
	.usage = "CONTAINER-ID",
	.summary = "output the state of a container as JSON",
	.opts = no_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

int cmd_state(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct container ct;
	enum status st;
	const char *root;
	char **rest;
	int n, r = opt_parse(c->arena, &state_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	root = state_root(c, false, e);
	if (!root || state_peek(c->arena, root, rest[0], &ct, e) < 0)
		return -1;
	st = state_status(c->arena, &ct, true);
	puts(state_json(c->arena, ct.record, state_status_name(st),
			st == STATUS_STOPPED ? 0 : ct.pid, true));
	state_close(&ct);
	return 0;
}

struct kill_args {
	bool all;
};
static const struct opt kill_opts[] = {
	{ "all", 'a', OPT_BOOL, offsetof(struct kill_args, all), NULL,
	  "send the signal to all processes of the container" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec kill_spec = {
	.command = "kill",
	.usage = "[OPTIONS] CONTAINER-ID [SIGNAL]",
	.summary = "send a signal (default SIGTERM) to the container's first process",
	.opts = kill_opts,
	.min_args = 1,
	.max_args = 2,
	.single_dash = true,
};

/* NULL where it has none: without root it may have been given up. */
static struct cgroup *own_cgroup(struct cmd_context *c, const struct container *ct)
{
	struct error ignored;
	struct cgroup *cg = NULL;

	if (ct->record->cgroup)
		cg = cgroup_restore(c->arena, ct->record->cgroup, &ignored);
	return cg && cgroup_exists(cg) ? cg : NULL;
}

/* Sends SIG to the recorded process, and to no other that got its number since. */
static int signal_init(const struct container *ct, int sig, struct error *e)
{
	int fd, r;

	/* Being created: there is none yet, and 0 would be our own process group. */
	if (ct->pid <= 0)
		return err_msg(e, "container not running");
	fd = (int)syscall(SYS_pidfd_open, ct->pid, 0);
	if (fd < 0 && errno == ESRCH)
		return err_msg(e, "container not running");
	if (fd < 0 && errno != ENOSYS)
		return err_sys(e, errno, "signal container %s", ct->id);
	if (state_process_start_time(ct->pid) != ct->start_time) {
		fd_closep(&fd);
		return err_msg(e, "container not running");
	}
	r = fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) : kill(ct->pid, sig);
	if (r < 0)
		err_sys(e, errno, "signal container %s", ct->id);
	fd_closep(&fd);
	return r;
}

int cmd_kill(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct kill_args args = { false };
	struct container ct;
	struct cgroup *cg;
	const char *root;
	enum status st;
	char **rest;
	int sig = SIGTERM, n, r = opt_parse(c->arena, &kill_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	/* 0 asks whether it is there (kill(2)); an empty one is none given. */
	if (n == 2 && str_eq(rest[1], "0"))
		sig = 0;
	else if (n == 2 && *rest[1] && (sig = signal_parse(rest[1])) <= 0)
		return err_msg(e, "kill: unknown signal '%s'", rest[1]);
	root = state_root(c, false, e);
	if (!root || state_peek(c->arena, root, rest[0], &ct, e) < 0)
		return -1;
	st = state_status(c->arena, &ct, false);
	cg = own_cgroup(c, &ct);
	if (args.all) {
		r = cg			   ? cgroup_kill(cg, sig, e)
		    : st != STATUS_STOPPED ? signal_init(&ct, sig, e)
					   : 0;
	} else if (st == STATUS_STOPPED) {
		/* Others of it may live on where it has no pid namespace of its own. */
		if (sig == SIGKILL && cg && !ct.record->new_pid_namespace) {
			pid_t *pids;
			size_t len = 0;

			if (cgroup_pids(c->arena, cg, &pids, &len, e) == 0 && len > 0)
				return cgroup_kill(cg, sig, e);
		}
		r = err_msg(e, "container not running");
	} else if (sig == SIGKILL && cg && !ct.record->new_pid_namespace) {
		r = cgroup_kill(cg, sig, e);
	} else {
		r = signal_init(&ct, sig, e);
		/* A frozen process takes the signal when it thaws. */
		if (r == 0 && sig == SIGKILL && cg && cgroup_is_frozen(cg))
			r = cgroup_freeze(cg, false, e);
	}
	state_close(&ct);
	return r < 0 ? -1 : 0;
}

struct delete_args {
	bool force, regex;
};
static const struct opt delete_opts[] = {
	{ "force", 'f', OPT_BOOL, offsetof(struct delete_args, force), NULL,
	  "kill the container first if it still runs" },
	{ "regex", 'r', OPT_BOOL, offsetof(struct delete_args, regex), NULL,
	  "CONTAINER-ID is a regular expression: delete all that match" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec delete_spec = {
	.command = "delete",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "remove a stopped container",
	.opts = delete_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

/* Waits until the process of *PIDFD ends, at most MS milliseconds; once it has, *PIDFD is closed
 * and becomes -1, and with that it only pauses. */
static void wait_for_end(int *pidfd, int ms)
{
	struct pollfd p = { *pidfd, POLLIN, 0 };

	if (poll(&p, *pidfd >= 0 ? 1 : 0, ms) <= 0 || !p.revents)
		return;
	close(*pidfd);
	*pidfd = -1;
}

/* Kills it and waits, bounded, until it is gone. */
static int end_container(struct cmd_context *c, struct container *ct, struct error *e)
{
	struct cgroup *cg = own_cgroup(c, ct);
	_cleanup_fd_ int init = ct->pid > 0 ? (int)syscall(SYS_pidfd_open, ct->pid, 0) : -1;

	for (int i = 0; i < 2000; i++) {
		struct error ignored;

		if (state_status(c->arena, ct, false) == STATUS_STOPPED)
			return 0;
		if (i % 100 == 0) {
			signal_init(ct, SIGKILL, &ignored);
			if (cg) {
				cgroup_kill(cg, SIGKILL, &ignored);
				if (cgroup_is_frozen(cg))
					cgroup_freeze(cg, false, &ignored);
			}
		}
		wait_for_end(&init, 5);
	}
	return err_msg(e, "container %s does not end after SIGKILL", ct->id);
}

struct stop_args {
	int time;
};
static const struct opt stop_opts[] = {
	{ "time", 't', OPT_INT, offsetof(struct stop_args, time), "SECONDS",
	  "how long to wait before it is killed (10)" },
	{ "timeout", 0, OPT_INT, offsetof(struct stop_args, time), "SECONDS", "the same" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec stop_spec = {
	.command = "stop",
	.usage = "[OPTIONS] CONTAINER-ID [CONTAINER-ID...]",
	.summary = "ask containers to end, and kill those that do not",
	.description = "The signal is the image's or --stop-signal's, else SIGTERM.",
	.opts = stop_opts,
	.min_args = 1,
	.max_args = -1,
};

static int stop_one(struct cmd_context *c, const char *id, int seconds, struct error *e)
{
	struct timespec pause = { 0, 5000000 };
	const char *root = state_root(c, false, e);
	struct container ct;
	struct error late;
	int r, sig, code;

	if (!root || state_peek(c->arena, root, id, &ct, e) < 0)
		return -1;
	sig = ct.record->stop_signal ? signal_parse(ct.record->stop_signal) : SIGTERM;
	if (state_status(c->arena, &ct, false) != STATUS_STOPPED &&
	    signal_init(&ct, sig ? sig : SIGTERM, e) < 0 &&
	    state_status(c->arena, &ct, false) != STATUS_STOPPED)
		return -1;
	err_clear(e);
	for (int i = 0; i < seconds * 200 && state_status(c->arena, &ct, false) != STATUS_STOPPED;
	     i++)
		nanosleep(&pause, NULL);
	r = end_container(c, &ct, e);
	/* What it used is given back when this returns. */
	if (r == 0 && ct.record->slot)
		state_exit_wait(&ct, 10000, &code, &late);
	state_close(&ct);
	return r;
}

int cmd_stop(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct stop_args args = { .time = 10 };
	char **rest;
	int n, r = opt_parse(c->arena, &stop_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (args.time < 0 || args.time > 1000000)
		return err_msg(e, "stop: --time %d is not a number of seconds", args.time);
	for (; r == 0 && *rest; rest++)
		r = stop_one(c, *rest, args.time, e);
	return r;
}

/* The mrun that stays with a detached container gives back what it used, for which it wants the
 * lock. Returns 1 when it has removed the record as well (--rm). */
static int wait_for_stayer(struct container *ct, struct error *e)
{
	int ignored;

	if (!ct->record->slot)
		return 0;
	state_unlock(ct);
	state_exit_wait(ct, 10000, &ignored, e);
	err_clear(e);
	if (state_relock(ct, e) == 0)
		return 0;
	return e->code == ENOENT ? 1 : -1;
}

static int delete_one(struct cmd_context *c, const char *id, bool force, struct error *e)
{
	struct container ct;
	enum status st;
	int r;

	if (state_open(c, id, &ct, e) < 0)
		return force && e->code == ENOENT ? 0 : -1;
	st = state_status(c->arena, &ct, false);
	if (st == STATUS_CREATED || force) {
		if (st != STATUS_STOPPED && end_container(c, &ct, e) < 0)
			return -1;
	} else if (st != STATUS_STOPPED) {
		err_msg(e, "cannot delete container %s that is not stopped: %s", ct.id,
			state_status_name(state_status(c->arena, &ct, true)));
		return err_hint(e, "mrun kill %s KILL, or mrun delete --force %s", ct.id, ct.id);
	}
	r = wait_for_stayer(&ct, e);
	if (r == 0)
		r = launch_destroy(c, &ct, e);
	if (r == 0 && ct.record->slot)
		slot_forget(c->arena, ct.record->slot,
			    arena_printf(c->arena, "%s/%s", ct.root, ct.id));
	state_close(&ct);
	return r < 0 ? -1 : 0;
}

/* crun's --regex: all whose id matches the extended regular expression; one that cannot be deleted
 * does not keep the others. */
static int delete_matching(struct cmd_context *c, const char *pattern, bool force, struct error *e)
{
	const char *root = state_root(c, false, e);
	struct strlist ids = { 0 };
	struct error each;
	struct dirent *de;
	char why[128];
	regex_t re;
	DIR *d;
	int r = root ? regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) : -1;

	if (!root)
		return -1;
	if (r) {
		regerror(r, &re, why, sizeof(why));
		return err_msg(e, "delete --regex: '%s': %s", pattern, why);
	}
	d = opendir(root);
	if (!d && errno != ENOENT)
		r = err_sys(e, errno, "list the containers in %s", root);
	while (d && (errno = 0, de = readdir(d)))
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, "..") &&
		    regexec(&re, de->d_name, 0, NULL, 0) == 0)
			strlist_add(c->arena, &ids, arena_strdup(c->arena, de->d_name));
	if (d && errno)
		r = err_sys(e, errno, "list the containers in %s", root);
	if (d)
		closedir(d);
	regfree(&re);
	if (r < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (delete_one(c, ids.items[i], force, &each) < 0 && each.code != ENOENT) {
			if (r == 0)
				*e = each;
			r = -1;
		}
	return r;
}

int cmd_delete(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct delete_args args = { 0 };
	char **rest;
	int n, r = opt_parse(c->arena, &delete_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	return args.regex ? delete_matching(c, rest[0], args.force, e)
			  : delete_one(c, rest[0], args.force, e);
}
