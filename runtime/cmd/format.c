/* See format.h. Fields come from images, so a table's cells have their control characters replaced:
 * an image must not drive the terminal. */
#include "runtime/cmd/format.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/date.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"

/* docker's tabwriter: cells of at least ten columns, three spaces between. */
#define CELL_MIN 10
#define CELL_GAP 3

/* --- templates ------------------------------------------------------------------------------- */

static void print_go(struct arena *a, struct strlist *out, const struct json_value *v)
{
	switch (v->type) {
	case JSON_NULL:
		strlist_add(a, out, "<nil>");
		break;
	case JSON_BOOL:
		strlist_add(a, out, v->boolean ? "true" : "false");
		break;
	case JSON_NUMBER:
	case JSON_STRING:
		strlist_add(a, out, v->text);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		strlist_add(a, out, v->type == JSON_ARRAY ? "[" : "map[");
		for (size_t i = 0; i < v->len; i++) {
			if (i)
				strlist_add(a, out, " ");
			if (v->type == JSON_OBJECT) {
				strlist_add(a, out, v->members[i].key);
				strlist_add(a, out, ":");
			}
			print_go(a, out, &v->members[i].value);
		}
		strlist_add(a, out, "]");
		break;
	}
}

static char *join(struct arena *a, const struct strlist *l)
{
	size_t len = 0;
	char *s, *p;

	for (size_t i = 0; i < l->n; i++)
		len += strlen(l->items[i]);
	p = s = arena_alloc(a, len + 1);
	for (size_t i = 0; i < l->n; i++)
		p = stpcpy(p, l->items[i]);
	return s;
}

/* The value of a path (".Config.Cmd", "." for all) in V; NULL and an error when there is none. */
static const struct json_value *lookup(struct arena *a, const char *path,
				       const struct json_value *v, struct error *e)
{
	static const struct json_value null = { .type = JSON_NULL };

	if (*path != '.') {
		err_msg(e, "--format: '{{%s}}' is not supported", path);
		err_hint(e, "{{.Field}}, {{.Field.Sub}} and {{json .Field}} are; for more, pipe "
			    "--format json into jq");
		return NULL;
	}
	if (!path[1])
		return v;
	for (char **part = str_split(a, path + 1, '.'); *part; part++) {
		const struct json_value *next = NULL;

		if (v->type == JSON_OBJECT)
			for (size_t i = 0; i < v->len; i++)
				if (str_eq(v->members[i].key, *part))
					next = &v->members[i].value;
		if (!next && v->type == JSON_NULL)
			return &null;
		if (!next) {
			err_msg(e, "--format: there is no field '%s' in '%s'", *part, path);
			return NULL;
		}
		v = next;
	}
	return v;
}

static int expand_action(struct arena *a, char *action, const struct json_value *v,
			 struct strlist *out, struct error *e)
{
	const struct json_value *found;
	struct json_out *o;
	bool json = false;
	size_t n;

	action += strspn(action, " ");
	for (n = strlen(action); n && action[n - 1] == ' ';)
		action[--n] = 0;
	if (str_has_prefix(action, "json ")) {
		json = true;
		action += 5 + strspn(action + 5, " ");
	}
	found = lookup(a, action, v, e);
	if (!found)
		return -1;
	if (!json) {
		print_go(a, out, found);
		return 0;
	}
	o = json_out_new(a, false);
	json_out_value(o, found);
	strlist_add(a, out, json_out_finish(o, NULL));
	return 0;
}

char *format_expand(struct arena *a, const char *tmpl, const struct json_value *v, struct error *e)
{
	struct strlist out = { 0 };

	strlist_add(a, &out, "");
	while (*tmpl) {
		const char *open = strstr(tmpl, "{{"), *close;

		if (!open) {
			strlist_add(a, &out, tmpl);
			break;
		}
		close = strstr(open, "}}");
		if (!close) {
			err_msg(e, "--format: '{{' without '}}'");
			return NULL;
		}
		strlist_add(a, &out, arena_strndup(a, tmpl, (size_t)(open - tmpl)));
		if (expand_action(a, arena_strndup(a, open + 2, (size_t)(close - open - 2)), v,
				  &out, e) < 0)
			return NULL;
		tmpl = close + 2;
	}
	return join(a, &out);
}

/* \t and \n, typed as two characters in a shell, are what docker takes them for. */
static char *unescape(struct arena *a, const char *s)
{
	char *out = arena_strdup(a, s), *p = out;

	for (; *s; s++) {
		if (s[0] == '\\' && (s[1] == 't' || s[1] == 'n'))
			*p++ = *++s == 't' ? '\t' : '\n';
		else
			*p++ = *s;
	}
	*p = 0;
	return out;
}

/* --- tables ---------------------------------------------------------------------------------- */

/* Columns, not bytes: UTF-8's continuation bytes take none. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static const char *heading(struct arena *a, const struct format_heading *h, const char *cell)
{
	char *name, *end;

	if (!str_has_prefix(cell, "{{."))
		return cell;
	name = arena_strdup(a, cell + 3);
	end = strstr(name, "}}");
	if (end)
		*end = 0;
	for (; h && h->field; h++)
		if (str_eq(h->field, name))
			return h->heading;
	for (char *p = name; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return name;
}

static int print_table(struct arena *a, const char *tmpl, const struct format_heading *headings,
		       const struct json_value *const *rows, size_t n, struct error *e)
{
	char **columns = str_split(a, tmpl, '\t');
	size_t cols = str_list_len(columns), *widths = ARENA_ARRAY(a, cols, size_t);
	const char **cells = ARENA_ARRAY(a, (n + 1) * cols, const char *);

	for (size_t r = 0; r <= n; r++)
		for (size_t c = 0; c < cols; c++) {
			const char **cell = &cells[r * cols + c];
			char *text;
			size_t w;

			if (r == 0) {
				*cell = heading(a, headings, columns[c]);
			} else {
				text = format_expand(a, columns[c], rows[r - 1], e);
				if (!text)
					return -1;
				str_plain(text);
				*cell = text;
			}
			w = width(*cell) + CELL_GAP;
			if (w < CELL_MIN)
				w = CELL_MIN;
			if (w > widths[c])
				widths[c] = w;
		}
	for (size_t r = 0; r <= n; r++)
		for (size_t c = 0; c < cols; c++) {
			const char *cell = cells[r * cols + c];
			size_t pad = c + 1 < cols ? widths[c] - width(cell) : 0;

			printf("%s%*s%s", cell, (int)pad, "", c + 1 < cols ? "" : "\n");
		}
	return format_flush(e);
}

int format_print(struct arena *a, const char *format, const char *default_table,
		 const struct format_heading *headings, const struct json_value *const *rows,
		 size_t n, struct error *e)
{
	const char *tmpl;

	if (!format || str_eq(format, "table"))
		format = arena_printf(a, "table %s", default_table);
	tmpl = unescape(a, format);
	if (str_has_prefix(tmpl, "table "))
		return print_table(a, tmpl + 6, headings, rows, n, e);
	if (str_eq(tmpl, "json"))
		tmpl = "{{json .}}";
	for (size_t i = 0; i < n; i++) {
		char *line = format_expand(a, tmpl, rows[i], e);

		if (!line)
			return -1;
		if (isatty(1))
			for (char *p = line; *p; p++)
				if (((unsigned char)*p < 0x20 && *p != '\t' && *p != '\n') ||
				    *p == 0x7f)
					*p = '?';
		puts(line);
	}
	return format_flush(e);
}

int format_flush(struct error *e)
{
	return fflush(stdout) == 0 ? 0 : err_sys(e, errno, "write standard output");
}

/* --- sizes and times ------------------------------------------------------------------------- */

char *format_size(struct arena *a, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t u = 0;

	/* 999.5 and more would be printed as 1e+03. */
	while (v >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1000;
		u++;
	}
	return arena_printf(a, "%.3g%s", v, units[u]);
}

/* The steps are those of docker's go-units, HumanDuration. */
char *format_since(struct arena *a, const char *rfc3339)
{
	time_t t;
	long long s, m, h;

	/* Go's zero time, which stands for none, is in the year 1. */
	if (!date_parse_rfc3339(rfc3339, &t) || t < -62000000000)
		return arena_strdup(a, "N/A");
	s = (long long)time(NULL) - t;
	m = s / 60;
	h = (s + 1800) / 3600;
	if (s < 1)
		return arena_strdup(a, "Less than a second ago");
	if (s < 60)
		return arena_printf(a, s == 1 ? "%lld second ago" : "%lld seconds ago", s);
	if (m == 1)
		return arena_strdup(a, "About a minute ago");
	if (m < 60)
		return arena_printf(a, "%lld minutes ago", m);
	if (h == 1)
		return arena_strdup(a, "About an hour ago");
	if (h < 48)
		return arena_printf(a, "%lld hours ago", h);
	if (h < 24LL * 7 * 2)
		return arena_printf(a, "%lld days ago", h / 24);
	if (h < 24LL * 30 * 2)
		return arena_printf(a, "%lld weeks ago", h / 24 / 7);
	if (h < 24LL * 365 * 2)
		return arena_printf(a, "%lld months ago", h / 24 / 30);
	return arena_printf(a, "%lld years ago", s / 3600 / 24 / 365);
}

char *format_time(struct arena *a, const char *rfc3339)
{
	char *text;
	time_t t;

	if (!date_parse_rfc3339(rfc3339, &t))
		return arena_strdup(a, "N/A");
	text = date_rfc3339(a, t, -1);
	text[10] = ' ';
	return arena_printf(a, "%.19s +0000 UTC", text);
}

char *format_id(struct arena *a, const char *digest, bool full)
{
	return full ? arena_strdup(a, digest) : arena_strndup(a, digest_hex(digest), 12);
}
