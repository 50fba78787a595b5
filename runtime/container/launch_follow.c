/* See launch_follow.h. */
#include "runtime/container/launch_follow.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "oci/base/file.h"
#include "runtime/container/client_socket.h"
#include "runtime/container/exec_join.h"
#include "runtime/container/fuse.h"
#include "runtime/container/log.h"
#include "runtime/init/attributes.h"
#include "runtime/init/hooks.h"
#include "runtime/init/seccomp_notify.h"
#include "runtime/init/sync.h"

static int run_runtime_hooks(struct launch *l, struct error *e)
{
	const struct oci_hooks *h = l->plan.spec->hooks;
	struct hook_call call = {
		.kind = "prestart",
		.state = state_json(l->a, l->out->state.record, "creating", l->out->pid, false),
		.dir = l->o->bundle,
	};

	if (hooks_run(h->prestart, h->prestart_len, &call, e) < 0)
		return -1;
	call.kind = "createRuntime";
	if (hooks_run(h->create_runtime, h->create_runtime_len, &call, e) < 0)
		return -1;
	return sync_send(l->sync, SYNC_GO, -1, e);
}

static int pass_notify(struct launch *l, struct error *e)
{
	char *state = state_json(l->a, l->out->state.record, "creating", l->out->pid, false);
	int r = seccomp_notify_send(l->a, &l->plan.process.seccomp, l->notify, l->out->pid, state,
				    strlen(state), e);

	fd_closep(&l->notify);
	l->notify = -1;
	return r;
}

static int take_notify(struct launch *l, int fd, struct error *e)
{
	l->notify = fd;
	if (l->plan.exposed)
		return 0;
	return pass_notify(l, e) < 0 ? -1 : sync_send(l->sync, SYNC_GO, -1, e);
}

int launch_send_pidfd(const struct launch *l, struct error *e)
{
	return l->pidfd_socket < 0
		       ? 0
		       : client_socket_send_pidfd(l->pidfd_socket, "standard", l->out->pid, e);
}

/* The first process is there, and takes the place of the one that set all up. */
static int take_over(struct launch *l, pid_t pid, struct error *e)
{
	struct launched *out = l->out;
	bool ignores;

	if (pid == out->pid)
		return err_msg(e, "unexpected message from the container's first process");
	while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
		;
	out->pid = pid;
	if (state_write_init(&out->state, pid, &ignores, e) < 0 ||
	    attributes_scheduler(&l->plan.process, pid, e) < 0 || launch_send_pidfd(l, e) < 0 ||
	    (l->notify >= 0 && pass_notify(l, e) < 0))
		return -1;
	return sync_send(l->sync, SYNC_MAPPED, -1, e);
}

static int mount_fuse(struct launch *l, struct error *e)
{
	_cleanup_fd_ int tree = fuse_overlayfs_start(l->a, l->o->overlay, l->plan.cache_path,
						     l->out->pid, &l->out->fuse, e);

	return tree < 0 ? -1 : sync_send(l->sync, SYNC_GO, tree, e);
}

static void say_ambient(const struct launch *l, uint64_t bits)
{
	struct strlist lines = { 0 };

	capabilities_not_raised(l->a, bits, &lines);
	log_warnings(l->c, &lines);
}

/* What the child has to say. */
static unsigned expected_tags(const struct launch *l)
{
	const struct init_plan *p = &l->plan;
	unsigned tags = SYNC_BIT(SYNC_AMBIENT);

	if (p->hooks_runtime)
		tags |= SYNC_BIT(SYNC_HOOKS);
	if (l->o->overlay && l->o->overlay->fuse)
		tags |= SYNC_BIT(SYNC_FUSE);
	if (p->terminal && p->console_fd < 0)
		tags |= SYNC_BIT(SYNC_TERMINAL);
	if (p->process.seccomp.notify)
		tags |= SYNC_BIT(SYNC_NOTIFY);
	if (p->exposed)
		tags |= SYNC_BIT(SYNC_PID);
	else if (l->waits)
		tags |= SYNC_BIT(SYNC_CREATED);
	return tags;
}

int launch_follow(struct launch *l, struct error *e)
{
	unsigned expected = expected_tags(l);
	struct sync_packet p;

	for (;;) {
		if (sync_receive_expected(l->sync, l->out->pid, &p, &expected, e) < 0)
			return -1;
		switch (p.tag) {
		case SYNC_HOOKS:
			if (run_runtime_hooks(l, e) < 0)
				return -1;
			break;
		case SYNC_FUSE:
			if (mount_fuse(l, e) < 0)
				return -1;
			break;
		case SYNC_TERMINAL:
			l->out->master = p.fd;
			break;
		case SYNC_NOTIFY:
			if (take_notify(l, p.fd, e) < 0)
				return -1;
			break;
		case SYNC_PID:
			if (take_over(l, p.pid, e) < 0)
				return -1;
			if (l->waits)
				return 0;
			break;
		case SYNC_AMBIENT:
			say_ambient(l, p.ambient);
			break;
		case SYNC_ERROR:
			*e = p.error;
			return -1;
		case SYNC_REPORT:
			if (p.report.err == EAGAIN && (expected & SYNC_BIT(SYNC_PID)))
				return exec_join_no_process(EAGAIN, e); /* the shim's clone */
			return explain_exec(l->plan.process.args[0], &p.report, e);
		case SYNC_CREATED:
			return 0;
		case SYNC_END:
			if (l->waits || (expected & SYNC_BIT(SYNC_PID)))
				return err_msg(e, "the container's first process ended during the "
						  "set-up");
			return 0;
		default:
			return err_msg(e, "unexpected message from the container's first process");
		}
	}
}
