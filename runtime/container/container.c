/* See container.h: run, which both `mrun run` and the image mode are. And the end of a container,
 * which every way of removing one shares. */
#include "runtime/container/container.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/container/foreground.h"
#include "runtime/container/fuse.h"
#include "runtime/container/launch.h"
#include "runtime/container/oom.h"
#include "runtime/container/signals.h"
#include "runtime/container/record.h"
#include "runtime/container/terminal.h"
#include "runtime/init/hooks.h"

/* CG: what made it knows it still; NULL: found again by its record. (With systemd it is always
 * that: its program's connection is not for ever.) */
static int remove_cgroup(struct cmd_context *c, const struct container *ct, struct cgroup *cg,
			 struct error *e)
{
	struct error ignored;

	if (!ct->record->cgroup)
		return 0;
	if (!cg || cgroup_needs_pid(cg))
		cg = cgroup_restore(c->arena, ct->record->cgroup, e);
	if (!cg)
		return -1;
	/* Without a pid namespace of its own, others of the container may live on. */
	if (!ct->record->new_pid_namespace)
		cgroup_kill(cg, SIGKILL, &ignored);
	if (cgroup_delete(cg, 10000, e) < 0)
		return err_wrap(e, "remove the cgroup of container %s", ct->id);
	return 0;
}

static int destroy(struct cmd_context *c, struct container *ct, const struct oci_spec *spec,
		   struct cgroup *cg, struct error *e)
{
	if (remove_cgroup(c, ct, cg, e) < 0)
		return -1;
	if (state_remove(ct, e) < 0)
		return -1;
	if (spec && spec->hooks && spec->hooks->poststop_len) {
		char *state = state_json(c->arena, ct->record, "stopped", 0, false);

		hooks_poststop(spec->hooks, state, ct->record->bundle);
	}
	return 0;
}

int launch_destroy(struct cmd_context *c, struct container *ct, struct error *e)
{
	struct error ignored;

	return destroy(c, ct, ct->record->hooks ? record_spec(c->arena, ct, &ignored) : NULL, NULL,
		       e);
}

static int check_terminal_options(const struct oci_spec *spec, const struct container_options *o,
				  struct error *e)
{
	bool tty = spec->process && spec->process->terminal;

	if (o->detach && tty && !o->console_socket)
		return err_msg(e, "cannot allocate tty if mrun will detach without setting a "
				  "console socket: give --console-socket PATH");
	if (o->console_socket && (!tty || !o->detach))
		return err_msg(e, "cannot use --console-socket if mrun will not detach or the "
				  "process has no terminal");
	return 0;
}

/* poststart: a failing one ends the container and is an error (runtime-spec 1.3, runtime.md). */
static int poststart(struct cmd_context *c, struct launched *l, struct error *e)
{
	const struct oci_hooks *h = l->spec->hooks;
	struct hook_call call = { .kind = "poststart", .dir = l->state.record->bundle };

	if (!h || !h->poststart_len)
		return 0;
	call.state = state_json(c->arena, l->state.record, "running", l->pid, false);
	return hooks_run(h->poststart, h->poststart_len, &call, e);
}

static void end_process(struct launched *l)
{
	kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int attend(struct container_options *o, struct launched *l, bool oci, struct error *e)
{
	struct foreground f = { .master = l->master,
				.pass_stdin = !o->stay && (oci || o->interactive),
				.notify = l->notify.sock >= 0 ? &l->notify : NULL,
				.interrupts_end = true,
				.stop_signal = o->stop_signal ? signal_parse(o->stop_signal) : 0 };
	int code;

	if (o->stay) {
		f.master = l->master >= 0 ? l->master : o->stay->output;
		f.sink = o->stay->write;
		f.sink_ctx = o->stay->ctx;
		f.quiet = true;
	} else if (l->master >= 0) {
		terminal_copy_size(l->master);
		if (f.pass_stdin && terminal_raw(STDIN_FILENO, oci, e) < 0)
			return -1;
	}
	code = foreground_wait(l->pid, &f, e);
	terminal_restore();
	return code;
}

/* Its program runs, but it is not to be. */
static void abandon(struct cmd_context *c, struct launched *l)
{
	struct error ignored;

	end_process(l);
	fuse_overlayfs_end(l->fuse);
	launch_destroy(c, &l->state, &ignored);
	state_close(&l->state);
}

/* What is left to do when the process has ended. An image's container that is kept is its record
 * alone; a bundle's is as runc leaves it. A record that somebody removed meanwhile, or works on for
 * long, is theirs. */
static int wind_up(struct cmd_context *c, const struct container_options *o, struct launched *l,
		   struct error *e)
{
	struct container *ct = &l->state;

	if (o->keep && o->bundle)
		return 0;
	if (state_relock(ct, e) < 0) {
		if (e->code != ENOENT && e->code != EBUSY)
			return -1;
		err_clear(e);
		return 0;
	}
	return o->keep ? remove_cgroup(c, ct, l->cgroup, e)
		       : destroy(c, ct, o->bundle ? l->spec : NULL, l->cgroup, e);
}

/* With a pid namespace of its own the container's orphans are its first process's. */
static bool adopts_orphans(const struct oci_spec *spec)
{
	const struct oci_namespace *pid = oci_spec_namespace(spec, CLONE_NEWPID);

	return !pid || (pid->path && *pid->path);
}

int container_run(struct cmd_context *c, struct oci_spec *spec, struct container_options *o,
		  struct error *e)
{
	struct launched l;
	struct error second;
	bool oci = o->bundle != NULL;
	int code;

	if (oci && check_terminal_options(spec, o, e) < 0)
		return -1;
	if (!o->detach) {
		foreground_block_signals();
		if (oci && !o->no_subreaper && adopts_orphans(spec))
			prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	}
	if (launch(c, spec, o, false, &l, e) < 0)
		return -1;
	if (poststart(c, &l, e) < 0 ||
	    (o->stay && (o->stay->exit_fd = state_exit_make(&l.state, e)) < 0)) {
		abandon(c, &l);
		return -1;
	}
	if (l.notify.sock >= 0)
		l.notify.main = o->detach ? l.pid : getpid();
	if (o->detach) {
		state_unlock(&l.state);
		notify_wait_ready(&l.notify, &l.state);
		notify_close(&l.notify);
		state_close(&l.state);
		fd_closep(&l.master);
		return 0;
	}
	/* Others may look at it and signal it while it runs. */
	state_unlock(&l.state);
	code = o->stay ? o->stay->running(o->stay->ctx, e) : 0;
	if (code == 0)
		code = attend(o, &l, oci, e);
	if (code < 0) {
		end_process(&l);
		o->keep &= !o->stay;
	} else {
		oom_report(c, l.cgroup, o->id, code);
	}
	fuse_overlayfs_end(l.fuse);
	if (oci)
		fd_close_later(); /* when mrun ends, which is next */
	fd_closep(&l.master);
	notify_close(&l.notify);
	if (wind_up(c, o, &l, code < 0 ? &second : e) < 0 && code >= 0)
		code = -1;
	state_close(&l.state);
	return code;
}
