/* mrun spec: a config.json to start from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"

struct spec_args {
	const char *bundle;
	bool rootless;
};
static const struct opt spec_opts[] = {
	{ "bundle", 'b', OPT_STR, offsetof(struct spec_args, bundle), "DIR",
	  "directory to write it to, by default the current one" },
	{ "rootless", 0, OPT_BOOL, offsetof(struct spec_args, rootless), NULL,
	  "one that you can run without being root" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec spec_spec = {
	.command = "spec",
	.usage = "[OPTIONS]",
	.summary = "write a new config.json",
	.opts = spec_opts,
	.max_args = 0,
	.single_dash = true,
};

int cmd_spec(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct spec_args args = { .bundle = "." };
	_cleanup_fd_ int dir = -1, fd = -1;
	struct oci_spec *s;
	size_t len;
	char *text, **rest;
	int n, r = opt_parse(c->arena, &spec_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	dir = open(args.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open the bundle %s", args.bundle);
	s = oci_spec_default(c->arena, args.rootless, geteuid(), getegid());
	text = arena_printf(c->arena, "%s\n", json_write(c->arena, &oci_spec_type, s, true, &len));
	len++;
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return err_msg(e, "file config.json exists. Remove it first");
	if (fd < 0)
		return err_sys(e, errno, "create config.json");
	if (file_write_all(fd, text, len, "config.json", e) < 0) {
		unlinkat(dir, "config.json", 0);
		return -1;
	}
	return 0;
}
