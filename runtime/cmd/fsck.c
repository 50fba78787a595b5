/* `mrun fsck`: proves every blob of the store against its digest, and every reference. */
#include <stdio.h>

#include "oci/store/gc.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"

static const struct opt options[] = { { .name = NULL } };
static const struct opt_spec spec = {
	.command = "fsck",
	.usage = "",
	.summary = "check the image store",
	.description =
		"Reads every blob and compares it with its digest, and every reference with\n"
		"   what it points to. Repairs nothing: load a damaged image again.",
	.opts = options,
};

static void report(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

static int check(struct cmd_context *c, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct store_fsck sum;

	/* Or what another process removes meanwhile would look like damage. */
	if (store_open(c->arena, &s, e) < 0 || store_lock(&s, e) < 0 ||
	    store_fsck(c->arena, &s, report, NULL, &sum, e) < 0)
		return -1;
	printf("%zu images, %zu blobs, %s: %zu problems\n", sum.images, sum.blobs,
	       format_size(c->arena, sum.bytes), sum.problems);
	if (sum.unreferenced)
		printf("%zu blobs belong to no image; 'mrun prune' removes them\n",
		       sum.unreferenced);
	if (format_flush(e) < 0)
		return -1;
	if (!sum.problems)
		return 0;
	err_msg(e, "the image store %s is damaged: %zu problems", s.path, sum.problems);
	return err_hint(e, "remove the images that are named (mrun rmi -f), then load them again");
}

int cmd_fsck(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	char **args, dummy;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &dummy, &args, &n, e);

	if (r == 0)
		r = check(c, e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
