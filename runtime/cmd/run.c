/* mrun run, mrun create: a container from an OCI bundle. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cmd/create_options.h"
#include "runtime/container/launch.h"
#include "runtime/image/name_hint.h"

static const struct opt run_opts[] = {
	CREATE_OPTS,
	{ "detach", 'd', OPT_BOOL, offsetof(struct create_args, detach), NULL,
	  "leave the container running in the background" },
	{ "keep", 0, OPT_BOOL, offsetof(struct create_args, keep), NULL,
	  "do not delete the container after it ended" },
	{ "no-subreaper", 0, OPT_BOOL, offsetof(struct create_args, no_subreaper), NULL,
	  "do not become the parent of orphans" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec run_spec = {
	.command = "run",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "create and start a container from an OCI bundle",
	.description = "An image is run with `mrun IMAGE`, without the word run.",
	.opts = run_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

/* `mrun run X` out of habit: X is an image, and there is no bundle here. */
static void hint_image(struct cmd_context *c, const struct create_args *args, const char *id,
		       struct error *e)
{
	if (args->bundle || access("config.json", F_OK) == 0)
		return;
	if (name_hint_is_image(c->arena, id))
		err_hint(e, "'%s' is an image: mrun %s", id, id);
	else
		err_hint(e, "mrun run takes an OCI bundle (--bundle DIR); an image is run with "
			    "mrun IMAGE");
}

int cmd_run(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct create_args args = { 0 };
	struct container_options o;
	struct oci_spec *spec;
	char **rest;
	int n, r = opt_parse(c->arena, &run_spec, argc, argv, &args, &rest, &n, e);

	if (r) {
		if (r < 0) {
			e->hint[0] = 0; /* docker's habit is more likely than a slip of the keys */
			err_hint(e,
				 "mrun run takes an OCI bundle; an image is run without the word "
				 "run: mrun [OPTIONS] IMAGE");
		}
		return r < 0 ? -1 : 0;
	}
	spec = create_options_load(c, &args, rest[0], &o, e);
	if (!spec) {
		hint_image(c, &args, rest[0], e);
		return -1;
	}
	r = container_run(c, spec, &o, e);
	if (r < 0)
		e->exit_code = 0; /* runc's: 1, whatever failed */
	return r;
}

static const struct opt create_opts[] = {
	CREATE_OPTS,
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec create_spec = {
	.command = "create",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "create a container from an OCI bundle; mrun start starts it",
	.opts = create_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

int cmd_create(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct create_args args = { .detach = true };
	struct container_options o;
	struct launched l;
	struct oci_spec *spec;
	char **rest;
	int n, r = opt_parse(c->arena, &create_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	spec = create_options_load(c, &args, rest[0], &o, e);
	if (!spec)
		return -1;
	if (spec->process->terminal && !o.console_socket)
		return err_msg(e, "cannot allocate tty if mrun will detach without setting a "
				  "console socket: give --console-socket PATH");
	if (!spec->process->terminal && o.console_socket)
		return err_msg(e, "cannot use --console-socket: the process has no terminal");
	if (launch(c, spec, &o, true, &l, e) < 0) {
		e->exit_code = 0;
		return -1;
	}
	state_close(&l.state);
	return 0;
}
