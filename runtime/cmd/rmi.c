/*
 * `mrun rmi`: takes names away from images; an image that has none left goes, with the blobs that
 * no other image has. A container that runs is not touched: it holds its unpacked layers itself.
 */
#include <stdio.h>

#include "oci/base/str.h"
#include "oci/store/gc.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"

struct rmi_options {
	bool force;
};
static const struct opt options[] = {
	{ "force", 'f', OPT_BOOL, offsetof(struct rmi_options, force), NULL,
	  "remove an image by its ID with all its names; a missing one is no error" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "rmi",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "remove images from the store",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
};

/* What is to be dropped: the entry of a name, or all that have one of the digests. */
struct choice {
	struct arena *a;
	struct strlist digests;
	const char *name;
};

static bool chosen(void *arg, const struct oci_descriptor *d)
{
	const struct choice *c = arg;
	const char *name = store_entry_name(c->a, d);

	if (!str_list_has(c->digests.items, d->digest))
		return false;
	return !c->name || (name && str_eq(name, c->name));
}

/* One image may have come in twice, with its layers compressed and plain: two manifests, one id. */
static void add_same_id(struct arena *a, const struct store *s, const struct oci_index *x,
			const char *id, struct choice *c)
{
	size_t n;
	const struct store_image *all = store_images(a, s, x, NULL, NULL, &n);

	for (size_t i = 0; i < n; i++)
		if (str_eq(all[i].config_digest, id))
			strlist_add(a, &c->digests, all[i].entry->digest);
}

static int remove_locked(struct arena *a, struct store *s, const char *ref, bool force,
			 struct error *e)
{
	const struct oci_descriptor *entry = NULL;
	struct choice c = { .a = a };
	struct strlist untagged = { 0 };
	struct oci_index *x = store_index(a, s, e);
	struct store_image im = { 0 };
	struct error bad;
	size_t left = 0;
	uint64_t freed;
	int how;

	if (!x)
		return -1;
	how = store_find(a, s, x, ref, NULL, &entry, e);
	if (how < 0)
		return -1;
	if (how == 0)
		return force ? 0 : store_not_found(a, x, ref, false, e);
	/* A damaged image can be removed as well; its id is not known then. */
	err_clear(&bad);
	if (store_image_read(a, s, entry, NULL, ref, &im, &bad) < 0) {
		if (!store_is_damage(&bad) && !force) {
			*e = bad;
			return err_hint(e, "'mrun rmi -f' removes it all the same");
		}
		im.config_digest = entry->digest;
	}
	strlist_add(a, &c.digests, entry->digest);
	if (how == STORE_BY_ID)
		add_same_id(a, s, x, im.config_digest, &c);
	c.name = how == STORE_BY_NAME ? store_entry_name(a, entry) : NULL;
	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *name = store_entry_name(a, d);

		if (chosen(&c, d) && name)
			strlist_add(a, &untagged, name);
		else
			left += str_list_has(c.digests.items, d->digest) && !chosen(&c, d);
	}
	if (how != STORE_BY_NAME && untagged.n > 1 && !force) {
		err_msg(e, "rmi: image %s has several names: %s, %s%s", ref, untagged.items[0],
			untagged.items[1], untagged.n > 2 ? ", …" : "");
		return err_hint(e, "remove them by name, or all with -f");
	}
	if (store_remove(a, s, x, chosen, &c, force ? STORE_UNREADABLE : STORE_DAMAGE, &freed, e) <
	    0)
		return -1;
	for (size_t i = 0; i < untagged.n; i++)
		printf("Untagged: %s\n", untagged.items[i]);
	if (!left)
		printf("Deleted: %s\n", im.config_digest);
	return 0;
}

static int remove_all(struct cmd_context *c, const struct rmi_options *o, char **refs,
		      struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	bool failed = false;

	if (store_open(c->arena, &s, e) < 0)
		return -1;
	for (; *refs; refs++) {
		int r;

		if (failed)
			image_complain(c, e);
		err_clear(e);
		if (store_lock(&s, e) < 0)
			return -1;
		r = remove_locked(c->arena, &s, *refs, o->force, e);
		store_unlock(&s);
		failed = r < 0;
	}
	return failed || format_flush(e) < 0 ? -1 : 0;
}

int cmd_rmi(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct rmi_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = remove_all(c, &o, args, e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
