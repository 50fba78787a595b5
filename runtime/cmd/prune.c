/*
 * `mrun prune`: frees what nothing refers to. In order: images without a name (with --all every
 * image), blobs of no image, leftovers of crashes, then layers of the unpack cache that belong to
 * no image (with --all every one that no container uses), and what killed runs left in /tmp.
 */
#include <stdio.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "oci/store/gc.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"
#include "runtime/image/layers.h"
#include "runtime/image/network.h"

struct prune_options {
	bool all, force;
};
static const struct opt options[] = {
	{ "all", 'a', OPT_BOOL, offsetof(struct prune_options, all), NULL,
	  "remove every image, not just those without a name, and the whole unpack cache" },
	{ "force", 'f', OPT_BOOL, offsetof(struct prune_options, force), NULL,
	  "do not ask (nothing is asked either when standard input is no terminal)" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "prune",
	.usage = "[OPTIONS]",
	.summary = "remove images without a name, and what belongs to no image",
	.opts = options,
};

struct dropping {
	bool all;
};

static bool drop(void *arg, const struct oci_descriptor *d)
{
	const struct dropping *p = arg;
	enum oci_media media = oci_media(d->media_type, NULL);

	/* A name that is none of ours is still one that another program gave. */
	return (media == OCI_MEDIA_MANIFEST || media == OCI_MEDIA_INDEX) &&
	       (p->all || !oci_annotation(d, OCI_ANNOTATION_REF_NAME));
}

static int prune_store(struct arena *a, struct store *s, bool all, uint64_t *freed,
		       struct strlist *keep, struct error *e)
{
	struct dropping p = { all };
	struct oci_index *x = store_index(a, s, e);
	struct store_image *left;
	size_t n, blobs;
	uint64_t more;

	if (!x)
		return -1;
	for (size_t i = 0; i < x->manifests_len; i++)
		if (drop(&p, &x->manifests[i]))
			printf("Deleted: %s\n", x->manifests[i].digest);
	if (store_remove(a, s, x, drop, &p, STORE_UNREADABLE, freed, e) < 0)
		return -1;
	x = store_index(a, s, e);
	if (!x || store_sweep(a, s, x, &more, &blobs, e) < 0)
		return -1;
	*freed += more;
	left = store_images(a, s, x, NULL, NULL, &n);
	for (size_t i = 0; i < n; i++)
		for (char **id = left[i].config->rootfs->diff_ids; *id; id++)
			strlist_add(a, keep, *id);
	return 0;
}

static bool confirmed(const struct prune_options *o)
{
	int c;

	if (o->force || !isatty(0))
		return true;
	fprintf(stderr, "This removes %s and what belongs to no image. Continue? [y/N] ",
		o->all ? "every image, the unpack cache" : "the images without a name");
	c = getchar();
	return c == 'y' || c == 'Y';
}

static int prune(struct cmd_context *c, const struct prune_options *o, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct strlist keep = { 0 };
	uint64_t freed = 0, cache = 0;
	int r;

	if (!confirmed(o))
		return 0;
	if (store_open(c->arena, &s, e) < 0 || store_lock(&s, e) < 0)
		return -1;
	r = prune_store(c->arena, &s, o->all, &freed, &keep, e);
	store_unlock(&s);
	if (r < 0)
		return -1;
	if (!keep.items)
		keep.items = ARENA_ARRAY(c->arena, 1, char *);
	if (layers_prune(c->arena, o->all ? NULL : (const char *const *)keep.items, &cache, e) <
		    0 ||
	    network_prune(c->arena, e) < 0)
		return -1;
	printf("Total reclaimed space: %s\n", format_size(c->arena, freed + cache));
	return format_flush(e);
}

int cmd_prune(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct prune_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = prune(c, &o, e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
