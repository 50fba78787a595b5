/* mrun pause, mrun resume: the container's cgroup is frozen and thawed. */
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/options.h"
#include "runtime/container/state.h"

static const struct opt no_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };
static const struct opt_spec pause_spec = {
	.command = "pause",
	.usage = "CONTAINER-ID",
	.summary = "suspend all processes of a container",
	.opts = no_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};
static const struct opt_spec resume_spec = {
	.command = "resume",
	.usage = "CONTAINER-ID",
	.summary = "resume all processes of a paused container",
	.opts = no_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

static int freeze(struct cmd_context *c, const struct container *ct, bool frozen, struct error *e)
{
	struct cgroup *cg;

	if (!ct->record->cgroup)
		return err_msg(e, "%s container %s: it has no cgroup", frozen ? "pause" : "resume",
			       ct->id);
	cg = cgroup_restore(c->arena, ct->record->cgroup, e);
	return cg ? cgroup_freeze(cg, frozen, e) : -1;
}

/* The lock keeps it apart from exec, whose half-joined process would be frozen as well. */
int cmd_pause(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct container ct;
	enum status st;
	char **rest;
	int n, r = opt_parse(c->arena, &pause_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (state_open(c, rest[0], &ct, e) < 0)
		return -1;
	st = state_status(c->arena, &ct, true);
	if (st != STATUS_RUNNING && st != STATUS_CREATED)
		r = err_msg(e, "container not running");
	else
		r = freeze(c, &ct, true, e);
	state_close(&ct);
	return r;
}

/* Without the lock: whoever holds it may be waiting for the container. */
int cmd_resume(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct container ct;
	const char *root;
	char **rest;
	int n, r = opt_parse(c->arena, &resume_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	root = state_root(c, false, e);
	if (!root || state_peek(c->arena, root, rest[0], &ct, e) < 0)
		return -1;
	if (state_status(c->arena, &ct, true) != STATUS_PAUSED)
		r = err_msg(e, "container not paused");
	else
		r = freeze(c, &ct, false, e);
	state_close(&ct);
	return r;
}
