/* `mrun tag`: gives an image a further name. */
#include "runtime/cmd/image_common.h"

#include "oci/image/name.h"
#include "runtime/cmd/options.h"

static const struct opt options[] = { { .name = NULL } };
static const struct opt_spec spec = {
	.command = "tag",
	.usage = "IMAGE NAME[:TAG]",
	.summary = "give an image a further name",
	.opts = options,
	.min_args = 2,
	.max_args = 2,
};

static int tag_locked(struct arena *a, struct store *s, const char *from, const char *to,
		      struct error *e)
{
	struct oci_index *x = store_index(a, s, e);
	const struct oci_descriptor *entry = NULL;
	struct oci_descriptor copy;
	int r;

	if (!x)
		return -1;
	r = store_find(a, s, x, from, NULL, &entry, e);
	if (r <= 0)
		return r < 0 ? -1 : store_not_found(a, x, from, false, e);
	copy = *entry;
	store_index_set(a, x, &copy, to);
	return store_index_write(a, s, x, e);
}

static int tag(struct cmd_context *c, const char *from, const char *to, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct image_name name = { 0 };
	int r;

	if (image_name_parse(c->arena, to, &name, e) < 0)
		return -1;
	if (name.digest)
		return err_msg(e, "tag: '%s' has a digest; a new name is NAME[:TAG]", to);
	if (store_open(c->arena, &s, e) < 0 || store_lock(&s, e) < 0)
		return -1;
	r = tag_locked(c->arena, &s, from, image_name_tagged(c->arena, &name), e);
	store_unlock(&s);
	return r;
}

int cmd_tag(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	char **args, dummy;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &dummy, &args, &n, e);

	if (r == 0)
		r = tag(c, args[0], args[1], e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
