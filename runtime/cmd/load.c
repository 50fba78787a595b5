/* `mrun load`: brings the images of an archive or an OCI layout directory into the store. */
#include <stdio.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"
#include "runtime/image/source.h"

struct load_options {
	const char *input, *platform;
	bool quiet;
};
static const struct opt options[] = {
	{ "input", 'i', OPT_STR, offsetof(struct load_options, input), "FILE",
	  "read from a file or directory instead of standard input" },
	{ "platform", 0, OPT_STR, offsetof(struct load_options, platform), "OS/ARCH",
	  "which image of an index (linux/arm64, linux/arm/v7; default: this machine's)" },
	{ "quiet", 'q', OPT_BOOL, offsetof(struct load_options, quiet), NULL,
	  "print nothing but errors" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "load",
	.usage = "[OPTIONS] [SOURCE]",
	.summary = "load images into the store",
	.description =
		"SOURCE is what docker save, podman save or skopeo wrote (also compressed by\n"
		"   gzip or zstd), or an OCI layout directory; docker-archive:FILE[:NAME],\n"
		"   oci-archive:FILE[:NAME] and oci:DIR[:NAME] say which and take one image of\n"
		"   it. Without one, or with -, standard input is read.",
	.opts = options,
	.max_args = 1,
};

static int load(struct cmd_context *c, const struct load_options *o, const char *arg,
		struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct source src = { .kind = SOURCE_ANY, .label = "standard input" };
	const char *from = o->input ? o->input : arg;
	struct source_images loaded;

	if (o->input && arg)
		return err_msg(e, "load: both --input %s and %s are given", o->input, arg);
	if (from && !str_eq(from, "-")) {
		if (!source_parse(c->arena, from, true, &src)) {
			src.path = from; /* whose opening fails with the reason */
			src.label = from;
		}
	} else if (isatty(0)) {
		err_msg(e, "load: standard input is a terminal");
		return err_hint(e, "mrun load FILE, or: docker save IMAGE | mrun load");
	}
	if (store_open(c->arena, &s, e) < 0 ||
	    source_load(c->arena, &s, &src, o->platform, &loaded, e) < 0)
		return -1;
	for (size_t i = 0; i < loaded.n && !o->quiet; i++) {
		const struct source_image *im = &loaded.items[i];

		if (im->entry.name)
			printf("Loaded image: %s\n", im->entry.name);
		else
			printf("Loaded image ID: %s\n", im->config_digest);
	}
	return format_flush(e);
}

int cmd_load(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct load_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = load(c, &o, args[0], e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
