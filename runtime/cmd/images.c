/* `mrun images`: what is in the store, in docker's columns. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/base/date.h"
#include "oci/base/str.h"
#include "oci/image/name.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"

struct images_options {
	bool all, quiet, no_trunc, digests;
	const char *format;
	struct strlist filters;
};
static const struct opt options[] = {
	{ "all", 'a', OPT_BOOL, offsetof(struct images_options, all), NULL,
	  "of an index show every platform's image that is here, not just this machine's" },
	{ "digests", 0, OPT_BOOL, offsetof(struct images_options, digests), NULL,
	  "show the manifests' digests" },
	{ "filter", 'f', OPT_LIST, offsetof(struct images_options, filters), "KEY=VALUE",
	  "only images that fit: dangling=true|false, reference=PATTERN, label=KEY[=VALUE]" },
	{ "format", 0, OPT_STR, offsetof(struct images_options, format), "FORMAT",
	  "table, json, 'table TEMPLATE' or a template such as '{{.Repository}}:{{.Tag}}'" },
	{ "no-trunc", 0, OPT_BOOL, offsetof(struct images_options, no_trunc), NULL,
	  "show image IDs in full" },
	{ "quiet", 'q', OPT_BOOL, offsetof(struct images_options, quiet), NULL,
	  "print image IDs only" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "images",
	.usage = "[OPTIONS] [NAME[:TAG]]",
	.summary = "list the images in the store",
	.description = "NAME may be a pattern: 'a*' lists every image whose name begins with a.",
	.opts = options,
	.max_args = 1,
};
static const struct format_heading headings[] = {
	{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" },
	{ NULL, NULL },
};

#define NONE "<none>"

static void split_name(struct arena *a, const struct store_image *im, const char **repo,
		       const char **tag)
{
	const char *colon = im->name ? strrchr(im->name, ':') : NULL;

	*repo = colon ? arena_strndup(a, im->name, (size_t)(colon - im->name)) : NONE;
	*tag = colon ? colon + 1 : NONE;
}

/* PATTERN names a repository or a repository and tag; docker's are globs over the familiar name. */
static bool matches(struct arena *a, const struct store_image *im, const char *pattern)
{
	const char *repo, *tag;
	struct image_name name = { 0 };
	struct error ignored;

	split_name(a, im, &repo, &tag);
	if (image_name_parse(a, pattern, &name, &ignored) == 0) {
		if (str_eq(repo, image_name_repository(a, &name)))
			return !name.tag || str_eq(tag, name.tag);
	}
	return im->name && (fnmatch(pattern, repo, FNM_PATHNAME) == 0 ||
			    fnmatch(pattern, im->name, FNM_PATHNAME) == 0);
}

static bool has_label(const struct store_image *im, const char *label)
{
	const struct oci_image_run *run = im->config->config;
	const char *eq = strchr(label, '=');
	size_t n = eq ? (size_t)(eq - label) : strlen(label);

	for (size_t i = 0; i < run->labels_len; i++)
		if (strlen(run->labels[i].key) == n && !strncmp(run->labels[i].key, label, n) &&
		    (!eq || str_eq(run->labels[i].value, eq + 1)))
			return true;
	return false;
}

/* 1: fits, 0: does not, -1: no such filter. */
static int fits(struct arena *a, const struct store_image *im, const char *filter, struct error *e)
{
	if (str_eq(filter, "dangling=true") || str_eq(filter, "dangling=1"))
		return !im->name;
	if (str_eq(filter, "dangling=false") || str_eq(filter, "dangling=0"))
		return im->name != NULL;
	if (str_has_prefix(filter, "reference="))
		return matches(a, im, filter + 10);
	if (str_has_prefix(filter, "label="))
		return has_label(im, filter + 6);
	err_msg(e, "images: unknown filter '%s'", filter);
	return err_hint(e,
			"dangling=true|false, reference=PATTERN and label=KEY[=VALUE] are known");
}

static int by_age(const void *x, const void *y)
{
	const struct store_image *a = x, *b = y;
	time_t s = 0, t = 0;

	date_parse_rfc3339(a->config->created, &s);
	date_parse_rfc3339(b->config->created, &t);
	if (s != t)
		return s < t ? 1 : -1;
	return strcmp(a->name ? a->name : "", b->name ? b->name : "");
}

/* One image as docker's `images --format json` has it. */
static const struct json_value *row(struct arena *a, const struct store *s,
				    const struct store_image *im, bool full, struct error *e)
{
	struct json_out *o = json_out_new(a, false);
	const char *repo, *tag, *size, *text;
	uint64_t bytes;
	size_t len;

	if (image_size(a, s, im, &bytes, e) < 0)
		return NULL;
	size = format_size(a, bytes);
	split_name(a, im, &repo, &tag);
	json_out_object(o);
	json_out_kstr(o, "Containers", "N/A");
	json_out_kstr(o, "CreatedAt", format_time(a, im->config->created));
	json_out_kstr(o, "CreatedSince", format_since(a, im->config->created));
	json_out_kstr(o, "Digest", im->manifest_descriptor.digest);
	json_out_kstr(o, "ID", format_id(a, im->config_digest, full));
	json_out_kstr(o, "Repository", repo);
	json_out_kstr(o, "SharedSize", "N/A");
	json_out_kstr(o, "Size", size);
	json_out_kstr(o, "Tag", tag);
	json_out_kstr(o, "UniqueSize", "N/A");
	json_out_kstr(o, "VirtualSize", size);
	json_out_object_end(o);
	text = json_out_finish(o, &len);
	return json_parse(a, text, len, "image", e);
}

/* --all: an index in X (skopeo copy --all puts one there) becomes its children, by the same name;
 * one that cannot be read stays, for store_images() to say so. */
static void expand_indexes(struct arena *a, const struct store *s, struct oci_index *x)
{
	struct error ignored;

	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *name = oci_annotation(d, OCI_ANNOTATION_REF_NAME);
		struct oci_descriptor *all;
		struct oci_index *children;
		size_t len, n = x->manifests_len;
		char *text;

		if (oci_media(d->media_type, NULL) != OCI_MEDIA_INDEX)
			continue;
		if (store_read_blob(a, s, d, "index", &text, &len, &ignored) < 0 ||
		    !(children = oci_index_read(a, text, len, d->media_type, d->digest, &ignored)))
			continue;
		all = ARENA_ARRAY(a, n + children->manifests_len, struct oci_descriptor);
		memcpy(all, x->manifests, n * sizeof(*all));
		for (size_t k = 0; k < children->manifests_len; k++) {
			struct oci_descriptor child = children->manifests[k];

			if (oci_media(child.media_type, NULL) != OCI_MEDIA_MANIFEST ||
			    !store_has_blob(s, &child) || platform_is_unknown(&child))
				continue;
			oci_annotation_set(a, &child, OCI_ANNOTATION_REF_NAME, name);
			all[n++] = child;
		}
		/* The index itself goes, its children follow at the end. */
		memmove(all + i, all + i + 1, (--n - i) * sizeof(*all));
		x->manifests = all;
		x->manifests_len = n;
		i--;
	}
}

/* What cannot be read is left out, and said when the rest is printed. */
struct left_out {
	const struct oci_descriptor *entry;
	struct error why;
	struct left_out *next;
};
struct left_outs {
	struct arena *a;
	struct left_out *list;
};

static void leave_out(void *arg, const struct oci_descriptor *d, const struct error *e)
{
	struct left_outs *l = arg;
	struct left_out *new = ARENA_NEW(l->a, struct left_out);

	*new = (struct left_out){ d, *e, l->list };
	l->list = new;
}

static bool has_entry(const struct oci_index *x, const struct oci_descriptor *d)
{
	for (size_t i = 0; i < x->manifests_len; i++)
		if (str_eq(x->manifests[i].digest, d->digest))
			return true;
	return false;
}

/* Fails if one was left out; not for what somebody else has removed since we read the index. */
static int left_out_report(struct cmd_context *c, const struct store *s, const struct left_outs *l,
			   bool expand, struct error *e)
{
	struct oci_index *now = l->list ? store_index(c->arena, s, e) : NULL;
	bool failed = false;

	if (l->list && !now)
		return -1;
	if (now && expand)
		expand_indexes(c->arena, s, now);
	for (const struct left_out *x = l->list; x; x = x->next) {
		const char *name = store_entry_name(c->arena, x->entry);

		if (!has_entry(now, x->entry))
			continue;
		if (failed)
			image_complain(c, e);
		failed = true;
		*e = x->why;
		err_wrap(e, "image %s is left out", name ? name : x->entry->digest);
		err_hint(e, "load it again, or remove it: mrun rmi %s",
			 name ? name : x->entry->digest);
	}
	return failed ? -1 : 0;
}

static int list(struct cmd_context *c, const struct images_options *o, const char *pattern,
		struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct left_outs left = { c->arena, NULL };
	const struct json_value **rows;
	struct store_image *all;
	struct oci_index *x;
	size_t n, shown = 0;
	int r;

	if (store_open(c->arena, &s, e) < 0)
		return -1;
	x = store_index(c->arena, &s, e);
	if (!x)
		return -1;
	if (o->all)
		expand_indexes(c->arena, &s, x);
	all = store_images(c->arena, &s, x, leave_out, &left, &n);
	if (n)
		qsort(all, n, sizeof(*all), by_age);
	rows = ARENA_ARRAY(c->arena, n, const struct json_value *);
	for (size_t i = 0; i < n; i++) {
		int fit = !pattern || matches(c->arena, &all[i], pattern);

		for (size_t f = 0; fit > 0 && f < o->filters.n; f++)
			fit = fits(c->arena, &all[i], o->filters.items[f], e);
		if (fit < 0)
			return -1;
		if (!fit)
			continue;
		if (o->quiet) {
			puts(format_id(c->arena, all[i].config_digest, o->no_trunc));
			continue;
		}
		rows[shown] = row(c->arena, &s, &all[i], o->no_trunc, e);
		if (rows[shown++])
			continue;
		leave_out(&left, all[i].entry, e);
		err_clear(e);
		shown--;
	}
	r = o->quiet ? format_flush(e)
		     : format_print(c->arena, o->format,
				    o->digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t"
						 "{{.CreatedSince}}\t{{.Size}}"
					       : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t"
						 "{{.CreatedSince}}\t{{.Size}}",
				    headings, rows, shown, e);
	return r < 0 ? r : left_out_report(c, &s, &left, o->all, e);
}

int cmd_images(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct images_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = list(c, &o, args[0], e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
