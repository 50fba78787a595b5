/* See image_changes.h. The words are a Dockerfile's: a JSON array, or words that quotes and
 * backslashes hold together. */
#include "runtime/cmd/image_changes.h"

#include <string.h>
#include <strings.h>

#include "oci/base/path.h"
#include "oci/base/str.h"

static int bad(struct error *e, const char *line, const char *why)
{
	return err_msg(e, "--change '%s': %s", line, why);
}

/* Splits as a Dockerfile's ENV and LABEL do. False for a quote that is not closed. */
static bool split_words(struct arena *a, const char *s, struct strlist *ret)
{
	while (s += strspn(s, " \t"), *s) {
		char *word = arena_alloc(a, strlen(s) + 1), quote = 0;
		size_t n = 0;

		for (; *s && (quote || (*s != ' ' && *s != '\t')); s++) {
			if (quote ? *s == quote : *s == '"' || *s == '\'')
				quote = (char)(quote ? 0 : *s);
			else if (*s == '\\' && s[1] && quote != '\'')
				word[n++] = *++s;
			else
				word[n++] = *s;
		}
		if (quote)
			return false;
		strlist_add(a, ret, word);
	}
	return true;
}

/* A JSON array of strings; false when S is none. */
static bool json_words(struct arena *a, const char *s, struct strlist *ret)
{
	const struct json_value *v;
	struct error ignored;

	if (*s != '[')
		return false;
	v = json_parse(a, s, strlen(s), "change", &ignored);
	if (!v || v->type != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < v->len; i++) {
		if (v->members[i].value.type != JSON_STRING)
			return false;
		strlist_add(a, ret, v->members[i].value.text);
	}
	if (!ret->items)
		ret->items = ARENA_ARRAY(a, 1, char *);
	return true;
}

static char **command(struct arena *a, const char *s)
{
	struct strlist l = { 0 };

	if (json_words(a, s, &l))
		return l.items;
	l = (struct strlist){ 0 };
	strlist_add(a, &l, "/bin/sh");
	strlist_add(a, &l, "-c");
	strlist_add(a, &l, arena_strdup(a, s));
	return l.items;
}

static void set_env(struct arena *a, struct oci_image_run *run, const char *pair)
{
	size_t key = (size_t)(strchr(pair, '=') - pair) + 1;
	struct strlist l = { 0 };

	for (char **p = run->env; p && *p; p++)
		if (strncmp(*p, pair, key) != 0)
			strlist_add(a, &l, *p);
	strlist_add(a, &l, pair);
	run->env = l.items;
}

static void set_label(struct arena *a, struct oci_image_run *run, const char *pair)
{
	struct oci_descriptor d = { .annotations = run->labels,
				    .annotations_len = run->labels_len };
	const char *eq = strchr(pair, '=');

	oci_annotation_set(a, &d, arena_strndup(a, pair, (size_t)(eq - pair)), eq + 1);
	run->labels = d.annotations;
	run->labels_len = d.annotations_len;
}

static void set_key(struct arena *a, struct oci_set_entry **set, size_t *len, const char *key)
{
	struct oci_set_entry *bigger = ARENA_ARRAY(a, *len + 1, struct oci_set_entry);

	for (size_t i = 0; i < *len; i++) {
		if (str_eq((*set)[i].key, key))
			return;
		bigger[i] = (*set)[i];
	}
	bigger[*len].key = arena_strdup(a, key);
	*set = bigger;
	++*len;
}

/* KEY=VALUE words, or the old form "KEY the rest is the value". */
static int change_pairs(struct arena *a, struct oci_image_run *run, bool env, const char *args,
			const char *line, struct error *e)
{
	void (*set)(struct arena *, struct oci_image_run *, const char *) =
		env ? set_env : set_label;
	struct strlist words = { 0 };
	const char *rest = args + strcspn(args, " \t");

	if (!split_words(a, args, &words))
		return bad(e, line, "a quote is not closed");
	if (words.n && !strchr(words.items[0], '=')) {
		rest += strspn(rest, " \t");
		if (!*rest)
			return bad(e, line, "expected KEY=VALUE");
		set(a, run, arena_printf(a, "%s=%s", words.items[0], rest));
		return 0;
	}
	for (size_t i = 0; i < words.n; i++) {
		if (!strchr(words.items[i], '=') || words.items[i][0] == '=')
			return bad(e, line, "expected KEY=VALUE");
		set(a, run, words.items[i]);
	}
	return 0;
}

static int change_expose(struct arena *a, struct oci_image_run *run, const char *args,
			 const char *line, struct error *e)
{
	struct strlist words = { 0 };

	if (!split_words(a, args, &words))
		return bad(e, line, "a quote is not closed");
	for (size_t i = 0; i < words.n; i++) {
		char *port = words.items[i], *slash = strchr(port, '/');
		const char *proto = slash ? slash + 1 : "tcp";
		uint64_t v;

		if (slash)
			*slash = 0;
		if (!str_to_u64(port, 65535, &v) || v == 0 ||
		    (!str_eq(proto, "tcp") && !str_eq(proto, "udp") && !str_eq(proto, "sctp")))
			return bad(e, line, "expected PORT[/tcp|udp|sctp]");
		set_key(a, &run->exposed_ports, &run->exposed_ports_len,
			arena_printf(a, "%s/%s", port, proto));
	}
	return 0;
}

static int change_volume(struct arena *a, struct oci_image_run *run, const char *args,
			 const char *line, struct error *e)
{
	struct strlist words = { 0 };

	if (!json_words(a, args, &words)) {
		words = (struct strlist){ 0 };
		if (!split_words(a, args, &words))
			return bad(e, line, "a quote is not closed");
	}
	for (size_t i = 0; i < words.n; i++)
		set_key(a, &run->volumes, &run->volumes_len, words.items[i]);
	return 0;
}

int image_change(struct arena *a, struct oci_image_run *run, const char *line, struct error *e)
{
	size_t n = strcspn(line, " \t");
	const char *what = arena_strndup(a, line, n), *args = line + n + strspn(line + n, " \t");

	if (!*args)
		return bad(e, line, "expected an instruction and its arguments");
	if (strcasecmp(what, "CMD") == 0)
		run->cmd = command(a, args);
	else if (strcasecmp(what, "ENTRYPOINT") == 0)
		run->entrypoint = command(a, args);
	else if (strcasecmp(what, "USER") == 0)
		run->user = arena_strdup(a, args);
	else if (strcasecmp(what, "STOPSIGNAL") == 0)
		run->stop_signal = arena_strdup(a, args);
	else if (strcasecmp(what, "WORKDIR") == 0)
		run->working_dir = path_clean(
			a, path_join(a, run->working_dir ? run->working_dir : "/", args));
	else if (strcasecmp(what, "ENV") == 0 || strcasecmp(what, "LABEL") == 0)
		return change_pairs(a, run, strcasecmp(what, "ENV") == 0, args, line, e);
	else if (strcasecmp(what, "EXPOSE") == 0)
		return change_expose(a, run, args, line, e);
	else if (strcasecmp(what, "VOLUME") == 0)
		return change_volume(a, run, args, line, e);
	else
		return bad(e, line,
			   "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME "
			   "and WORKDIR are known");
	return 0;
}
