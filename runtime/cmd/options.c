/* See options.h. */
#include "runtime/cmd/options.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"

static const struct opt *find_long(const struct opt_spec *s, const char *name, size_t len)
{
	for (const struct opt *o = s->opts; o && o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct opt *find_letter(const struct opt_spec *s, char letter)
{
	for (const struct opt *o = s->opts; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* What is typed between mrun and the options: nothing for an image. */
static const char *words(const struct opt_spec *s)
{
	return str_eq(s->command, "IMAGE") ? "" : s->command;
}

/* Puts that in front of the message. */
static int in_command(const struct opt_spec *s, struct error *e)
{
	return *words(s) ? err_wrap(e, "%s", words(s)) : -1;
}

static int unknown(const struct opt_spec *s, const char *arg, size_t len, struct error *e)
{
	const char *best = NULL, *given;
	unsigned near;
	char name[64];

	err_msg(e, "unknown option '%.*s'", (int)len, arg);
	in_command(s, e);
	snprintf(name, sizeof(name), "%.*s", (int)len, arg);
	given = name + strspn(name, "-");
	/* Less than half of it is wrong, and three letters at most. */
	near = ((unsigned)strlen(given) + 1) / 2;
	near = near > 4 ? 4 : near;
	for (const struct opt *o = s->opts; o && o->name; o++) {
		unsigned d = str_distance(given, o->name);

		if (o->kind != OPT_REFUSED && d < near) {
			near = d;
			best = o->name;
		}
	}
	if (best)
		return err_hint(e, "did you mean --%s?", best);
	return err_hint(e, "mrun help %s lists the options", s->command);
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (n == strcspn(p, "|") && memcmp(p, word, n) == 0)
			return true;
	return false;
}

static int set(struct arena *a, const struct opt *o, const char *value, void *out, struct error *e)
{
	void *p = (char *)out + o->off;
	int64_t v;
	bool yes;

	switch ((enum opt_kind)o->kind) {
	case OPT_BOOL:
		*(bool *)p = true;
		if (value && !str_to_bool(value, p))
			return err_msg(e, "--%s: '%s' is neither true nor false", o->name, value);
		return 0;
	case OPT_TRI:
		yes = true;
		if (value && !str_to_bool(value, &yes))
			return err_msg(e, "--%s: '%s' is neither true nor false", o->name, value);
		*(int *)p = yes;
		return 0;
	case OPT_STR:
		*(const char **)p = value;
		return 0;
	case OPT_LIST:
		strlist_add(a, p, value);
		return 0;
	case OPT_INT:
		if (!str_to_flag_number(value, &v) || v < INT32_MIN || v > INT32_MAX)
			return err_msg(e, "--%s: '%s' is not a number", o->name, value);
		*(int *)p = (int)v;
		return 0;
	case OPT_I64:
		if (!str_to_flag_number(value, &v))
			return err_msg(e, "--%s: '%s' is not a number", o->name, value);
		*(int64_t *)p = v;
		return 0;
	case OPT_ONLY:
		return has_word(o->arg, value) ? 0
					       : err_msg(e, "option --%s %s is not supported: %s",
							 o->name, value, o->help);
	case OPT_REFUSED:
		break;
	}
	return err_msg(e, "option --%s is not supported: %s", o->name, o->help);
}

static bool takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_TRI && o->kind != OPT_REFUSED;
}

/* One argument that starts with a dash; *i moves on when the value is the next argument. */
static int parse_one(struct arena *a, const struct opt_spec *s, int argc, char **argv, int *i,
		     void *out, struct error *e)
{
	char *arg = argv[*i];
	bool is_long = arg[1] == '-';
	char *name = arg + 1 + is_long, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct opt *o = NULL;

	if (is_long || (s->single_dash && len > 1))
		o = find_long(s, name, len);
	if (is_long && !o && len == 1)
		o = find_letter(s, *name);
	if (o) {
		const char *value = eq ? eq + 1 : NULL;

		if (takes_value(o) && !value) {
			if (*i + 1 >= argc) {
				err_msg(e, "option --%s needs a value", o->name);
				return in_command(s, e);
			}
			value = argv[++*i];
		}
		return set(a, o, value, out, e) < 0 ? in_command(s, e) : 0;
	}
	if (is_long)
		return unknown(s, arg, len + 2, e);
	for (char *p = arg + 1; *p; p++) {
		const char *value = NULL;

		o = find_letter(s, *p);
		if (!o)
			return unknown(s, arg, strlen(arg), e);
		if (takes_value(o)) {
			value = p[1] == '=' ? p + 2 : p + 1;
			if (!p[1]) {
				if (*i + 1 >= argc) {
					err_msg(e, "option -%c needs a value", *p);
					return in_command(s, e);
				}
				value = argv[++*i];
			}
		} else if (p[1] == '=' && o->kind != OPT_REFUSED) {
			value = p + 2;
		}
		if (set(a, o, value, out, e) < 0)
			return in_command(s, e);
		if (value)
			break;
	}
	return 0;
}

int opt_parse(struct arena *a, const struct opt_spec *s, int argc, char **argv, void *out,
	      char ***ret_args, int *ret_nargs, struct error *e)
{
	struct strlist args = { 0 };
	bool ended = false;

	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (ended || arg[0] != '-' || !arg[1]) {
			strlist_add(a, &args, arg);
			ended |= s->stop_at_first;
			continue;
		}
		if (str_eq(arg, "--")) {
			ended = true;
			continue;
		}
		if (str_eq(arg, "--help") || (str_eq(arg, "-h") && !find_letter(s, 'h'))) {
			opt_help(s);
			return 1;
		}
		if (parse_one(a, s, argc, argv, &i, out, e) < 0)
			return -1;
	}
	if ((int)args.n < s->min_args || (s->max_args >= 0 && (int)args.n > s->max_args)) {
		if ((int)args.n < s->min_args)
			err_msg(e, "%s", args.n ? "too few arguments" : "an argument is missing");
		else
			err_msg(e, "unexpected argument '%s'", args.items[s->max_args]);
		in_command(s, e);
		return err_hint(e, "usage: mrun %s%s%s", words(s), *words(s) ? " " : "", s->usage);
	}
	if (!args.items)
		args.items = ARENA_ARRAY(a, 1, char *);
	*ret_args = args.items;
	*ret_nargs = (int)args.n;
	return 0;
}

void opt_help(const struct opt_spec *s)
{
	printf("NAME:\n   mrun %s - %s\n\nUSAGE:\n   mrun%s%s%s%s\n", s->command, s->summary,
	       *words(s) ? " " : "", words(s), *s->usage ? " " : "", s->usage);
	if (s->description)
		printf("\nDESCRIPTION:\n   %s\n", s->description);
	printf("\nOPTIONS:\n");
	for (const struct opt *o = s->opts; o && o->name; o++) {
		char left[96];

		if (o->kind == OPT_REFUSED)
			continue;
		if (o->letter)
			snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter, o->name,
				 o->arg ? " " : "", o->arg ? o->arg : "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s", o->name, o->arg ? " " : "",
				 o->arg ? o->arg : "");
		printf("   %-34s %s\n", left, o->help);
	}
	printf("   %-34s %s\n", find_letter(s, 'h') ? "    --help" : "-h, --help",
	       "show this help");
}
