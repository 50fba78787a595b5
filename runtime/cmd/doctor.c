/* mrun doctor: what works on this machine for this user, and what mends the rest. */
#include <stdio.h>

#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"

static const struct opt doctor_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };
static const struct opt_spec doctor_spec = {
	.command = "doctor",
	.usage = "",
	.summary = "what works here, and what mends the rest",
	.opts = doctor_opts,
};

int cmd_doctor(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	char **args;
	int n, r = opt_parse(c->arena, &doctor_spec, argc, argv, NULL, &args, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	return 0;
}
