/* `mrun history`: how an image came about, newest step first, in docker's columns. */
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"

struct history_options {
	bool quiet, no_trunc, human;
	const char *format;
};
static const struct opt options[] = {
	{ "format", 0, OPT_STR, offsetof(struct history_options, format), "FORMAT",
	  "table, json, 'table TEMPLATE' or a template such as '{{.CreatedBy}}'" },
	{ "human", 'H', OPT_BOOL, offsetof(struct history_options, human), NULL,
	  "print sizes and dates for people (default; --human=false for numbers)" },
	{ "no-trunc", 0, OPT_BOOL, offsetof(struct history_options, no_trunc), NULL,
	  "do not cut anything short" },
	{ "quiet", 'q', OPT_BOOL, offsetof(struct history_options, quiet), NULL,
	  "print image IDs only" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "history",
	.usage = "[OPTIONS] IMAGE",
	.summary = "show how an image came about",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
};
static const struct format_heading headings[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ NULL, NULL },
};

#define MISSING "<missing>"
#define CUT 45

static const char *cut(struct arena *a, const char *s)
{
	size_t n = 0, chars = 0;

	while (s[n] && chars < CUT - 1) {
		n++;
		while (((unsigned char)s[n] & 0xc0) == 0x80)
			n++;
		chars++;
	}
	return strlen(s) <= CUT ? s : arena_printf(a, "%.*s…", (int)n, s);
}

static const struct json_value *row(struct arena *a, const struct history_options *o,
				    const struct oci_history *h, const char *id, uint64_t size,
				    struct error *e)
{
	struct json_out *out = json_out_new(a, false);
	char *by = arena_strdup(a, h->created_by ? h->created_by : ""), *text;
	size_t len;

	for (char *p = by; *p; p++)
		if (*p == '\t')
			*p = ' ';
	json_out_object(out);
	json_out_kstr(out, "Comment", h->comment ? h->comment : "");
	json_out_kstr(out, "CreatedAt", h->created ? h->created : "");
	json_out_kstr(out, "CreatedBy", o->no_trunc ? by : cut(a, by));
	json_out_kstr(out, "CreatedSince",
		      o->human	   ? format_since(a, h->created)
		      : h->created ? h->created
				   : "");
	json_out_kstr(out, "ID", id);
	json_out_kstr(out, "Size",
		      o->human ? format_size(a, size)
			       : arena_printf(a, "%llu", (unsigned long long)size));
	json_out_object_end(out);
	text = json_out_finish(out, &len);
	return json_parse(a, text, len, "history", e);
}

static int show(struct cmd_context *c, const struct history_options *o, const char *ref,
		struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	struct arena *a = c->arena;
	struct store_image im;
	const struct json_value **rows;
	size_t n, layer = 0;

	if (store_open(a, &s, e) < 0 || image_lookup(a, &s, ref, NULL, &im, e) < 0)
		return -1;
	n = im.config->history_len;
	rows = ARENA_ARRAY(a, n, const struct json_value *);
	for (size_t i = 0; i < n; i++) {
		const struct oci_history *h = &im.config->history[i];
		const char *id = i + 1 < n ? MISSING : format_id(a, im.config_digest, o->no_trunc);
		uint64_t size = 0;

		if (!h->empty_layer && layer < im.manifest->layers_len &&
		    image_layer_size(a, &s, &im.manifest->layers[layer++], &size, e) < 0)
			return -1;
		rows[n - 1 - i] = row(a, o, h, id, size, e);
		if (!rows[n - 1 - i])
			return -1;
	}
	return format_print(a, o->quiet ? "{{.ID}}" : o->format,
			    "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
			    headings, rows, n, e);
}

int cmd_history(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct history_options o = { .human = true };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = show(c, &o, args[0], e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
