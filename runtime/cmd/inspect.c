/* `mrun inspect`: all about images, in the shape of docker's. */
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"

struct inspect_options {
	const char *format, *platform, *type;
};
static const struct opt options[] = {
	{ "format", 'f', OPT_STR, offsetof(struct inspect_options, format), "FORMAT",
	  "json or a template such as '{{.Id}}' or '{{json .Config}}'" },
	{ "platform", 0, OPT_STR, offsetof(struct inspect_options, platform), "OS/ARCH",
	  "which image of an index" },
	{ "type", 0, OPT_STR, offsetof(struct inspect_options, type), "TYPE",
	  "image, the only type there is here" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "inspect",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "show all about images, as JSON",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
};

static const char *text_or_empty(const char *s)
{
	return s ? s : "";
}

static void names(struct arena *a, struct json_out *o, const struct oci_index *x,
		  const struct store_image *im)
{
	struct strlist digests = { 0 };

	json_out_str(o, "RepoTags");
	json_out_array(o);
	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *name = store_entry_name(a, d), *colon, *digest;

		if (!name || !str_eq(d->digest, im->entry->digest))
			continue;
		json_out_str(o, name);
		colon = strrchr(name, ':');
		digest = arena_printf(a, "%.*s@%s", (int)(colon - name), name, d->digest);
		if (!str_list_has(digests.items, digest))
			strlist_add(a, &digests, digest);
	}
	json_out_array_end(o);
	json_out_str(o, "RepoDigests");
	json_out_array(o);
	for (size_t i = 0; i < digests.n; i++)
		json_out_str(o, digests.items[i]);
	json_out_array_end(o);
}

/* The config as it stands in the image: keys that this program does not know are shown as well. */
static int config(struct arena *a, struct json_out *o, const struct store_image *im,
		  struct error *e)
{
	const struct json_value *v = json_parse(a, im->config_text, im->config_len, "config", e);
	const struct json_value *run = v ? json_get(v, "config") : NULL;

	if (!v)
		return -1;
	json_out_str(o, "Config");
	if (run) {
		json_out_value(o, run);
	} else {
		json_out_object(o);
		json_out_object_end(o);
	}
	return 0;
}

static const struct json_value *describe(struct arena *a, const struct store *s,
					 const struct oci_index *x, const struct store_image *im,
					 struct error *e)
{
	const struct oci_image_config *c = im->config;
	struct json_out *o = json_out_new(a, false);
	const char *comment = "";
	uint64_t size;
	char *text;
	size_t len;

	if (image_size(a, s, im, &size, e) < 0)
		return NULL;
	if (c->history_len && c->history[c->history_len - 1].comment)
		comment = c->history[c->history_len - 1].comment;
	json_out_object(o);
	json_out_kstr(o, "Id", im->config_digest);
	names(a, o, x, im);
	json_out_kstr(o, "Parent", "");
	json_out_kstr(o, "Comment", comment);
	json_out_kstr(o, "Created", text_or_empty(c->created));
	json_out_kstr(o, "Author", text_or_empty(c->author));
	if (config(a, o, im, e) < 0)
		return NULL;
	json_out_kstr(o, "Architecture", text_or_empty(c->architecture));
	if (c->variant)
		json_out_kstr(o, "Variant", c->variant);
	json_out_kstr(o, "Os", text_or_empty(c->os));
	json_out_ki64(o, "Size", (int64_t)size);
	json_out_str(o, "RootFS");
	json_out_object(o);
	json_out_kstr(o, "Type", "layers");
	json_out_str(o, "Layers");
	json_out_array(o);
	for (char **id = c->rootfs->diff_ids; *id; id++)
		json_out_str(o, *id);
	json_out_array_end(o);
	json_out_object_end(o);
	json_out_str(o, "Descriptor");
	json_out_type(o, &oci_descriptor_type, &im->manifest_descriptor);
	json_out_object_end(o);
	text = json_out_finish(o, &len);
	return json_parse(a, text, len, "image", e);
}

static int print_all(struct arena *a, const struct json_value *const *images, size_t n,
		     struct error *e)
{
	struct json_out *o = json_out_new(a, true);

	json_out_array(o);
	for (size_t i = 0; i < n; i++)
		json_out_value(o, images[i]);
	json_out_array_end(o);
	/* Of none it is docker's two characters, and not a line between them. */
	fputs(n ? json_out_finish(o, NULL) : "[]\n", stdout);
	return format_flush(e);
}

static int inspect(struct cmd_context *c, const struct inspect_options *o, char **refs,
		   struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct arena *a = c->arena;
	const struct json_value **found;
	struct oci_index *x;
	struct error first = { 0 }, ignored;
	size_t n = 0;

	if (o->type && !str_eq(o->type, "image"))
		return err_msg(e, "inspect: there is no type '%s' here, only image", o->type);
	if (store_open(a, &s, e) < 0)
		return -1;
	x = store_index(a, &s, e);
	if (!x)
		return -1;
	found = ARENA_ARRAY(a, str_list_len(refs), const struct json_value *);
	for (; *refs; refs++) {
		struct store_image im;

		err_clear(e);
		if (image_lookup(a, &s, *refs, o->platform, &im, e) == 0)
			found[n] = describe(a, &s, x, &im, e);
		if (found[n]) {
			n++;
			continue;
		}
		if (first.msg[0])
			image_complain(c, &first);
		first = *e;
	}
	/* What was found is printed also when something else was not, as docker does. */
	if (o->format && !str_eq(o->format, "json")) {
		if (format_print(a, o->format, "{{json .}}", NULL, found, n, e) < 0)
			return -1;
	} else if (print_all(a, found, n, &ignored) < 0) {
		*e = ignored;
		return -1;
	}
	if (!first.msg[0])
		return 0;
	*e = first;
	return -1;
}

int cmd_inspect(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct inspect_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = inspect(c, &o, args, e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
