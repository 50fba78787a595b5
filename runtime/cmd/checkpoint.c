/* mrun checkpoint, mrun restore: refused by name (`mrun features` does not list them either). */
#include "oci/base/str.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"

static const struct opt no_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };
static const struct opt_spec checkpoint_spec = {
	.command = "checkpoint",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "checkpoint a running container (not supported)",
	.opts = no_opts,
};
static const struct opt_spec restore_spec = {
	.command = "restore",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "restore a container from a checkpoint (not supported)",
	.opts = no_opts,
};

static int refuse(const struct opt_spec *s, int argc, char **argv, struct error *e)
{
	for (int i = 1; i < argc; i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			opt_help(s);
			return 0;
		}
	err_msg(e, "%s: mrun does not support checkpoint and restore", s->command);
	return err_hint(e, "runc and crun do, with criu installed");
}

int cmd_checkpoint(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	(void)c;
	return refuse(&checkpoint_spec, argc, argv, e);
}

int cmd_restore(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	(void)c;
	return refuse(&restore_spec, argc, argv, e);
}
