/*
 * GVariant's text format, as far as unit properties need it, to a typed value. In order: the text
 * becomes a tree of nodes, then the type is found (what stands in front of a value, else the
 * default of its kind), then each node is checked against it.
 *
 * Annotations come with the container, so this is read as a stranger's: its length, the depth and
 * the number of values are bounded, and what D-Bus has but no property needs (variants,
 * dictionaries, file descriptors) is refused.
 */
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/systemd.h"

#define TEXT_MAX 16384
#define DEPTH_MAX 6
#define NODES_MAX 1024
#define SIGNATURE_MAX 255 /* D-Bus's */

enum node_kind { NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STR, NODE_ARRAY, NODE_TUPLE };

struct node {
	enum node_kind kind;
	const char *given; /* the type that stands in front, NULL: none */
	const char *text;  /* of a string, or as it stood */
	uint64_t number;   /* NODE_INT: its magnitude */
	bool negative, truth;
	struct node **items;
	size_t n;
};

struct parser {
	struct arena *a;
	const char *text, *p, *where;
	size_t nodes;
	struct error *e;
};

static const struct {
	const char *word, *type;
} type_words[] = {
	{ "boolean", "b" }, { "byte", "y" },   { "int16", "n" },      { "uint16", "q" },
	{ "int32", "i" },   { "uint32", "u" }, { "int64", "x" },      { "uint64", "t" },
	{ "double", "d" },  { "string", "s" }, { "objectpath", "o" }, { "signature", "g" },
};

static struct node *fail(struct parser *p, const char *why)
{
	if (p->p)
		err_msg(p->e, "%s: '%.200s', at character %zu: %s", p->where, p->text,
			(size_t)(p->p - p->text) + 1, why);
	else
		err_msg(p->e, "%s: '%.200s': %s", p->where, p->text, why);
	err_hint(p->e, "values are in GVariant's text format: 'text', true, 5, uint64 30000000, "
		       "['a', 'b']");
	return NULL;
}

/* The same while types are checked, when the place is not known any more. */
static bool refuse(struct parser *p, const char *why)
{
	p->p = NULL;
	return fail(p, why) != NULL;
}

static void skip_blanks(struct parser *p)
{
	p->p += strspn(p->p, " \t\r\n");
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* \uXXXX and \UXXXXXXXX; p->p is behind the u. */
static bool unicode(struct parser *p, size_t digits, uint32_t *ret)
{
	uint32_t c = 0;

	for (size_t i = 0; i < digits; i++) {
		char d = *p->p;
		uint32_t v;

		if (d >= '0' && d <= '9')
			v = (uint32_t)(d - '0');
		else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
			v = (uint32_t)((d | 0x20) - 'a') + 10;
		else
			return false;
		c = c << 4 | v;
		p->p++;
	}
	*ret = c;
	return c > 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static struct node *parse_string(struct parser *p, struct node *n)
{
	static const char letters[] = "abfnrtv", meaning[] = "\a\b\f\n\r\t\v";
	char quote = *p->p++;
	char *out = arena_alloc(p->a, strlen(p->p) + 1);
	size_t len = 0;

	n->kind = NODE_STR;
	n->text = out;
	for (;;) {
		char c = *p->p;
		const char *known;
		uint32_t code;

		if (!c)
			return fail(p, "the closing quote is missing");
		p->p++;
		if (c == quote)
			return n;
		if (c != '\\') {
			out[len++] = c;
			continue;
		}
		c = *p->p;
		if (!c)
			return fail(p, "the closing quote is missing");
		p->p++;
		if (c == 'u' || c == 'U') {
			if (!unicode(p, c == 'u' ? 4 : 8, &code))
				return fail(p, "not a character's number");
			/* Never longer than what it stood for. */
			len += put_utf8(out + len, code);
			continue;
		}
		known = strchr(letters, c);
		if (known)
			c = meaning[known - letters];
		out[len++] = c;
	}
}

static bool parse_digits(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = *s >= '0' && *s <= '9' ? (unsigned)(*s - '0')
			     : (*s | 0x20) >= 'a' && (*s | 0x20) <= 'f'
				     ? (unsigned)((*s | 0x20) - 'a') + 10
				     : 99;

		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, d, &v))
			return false;
	}
	*ret = v;
	return true;
}

/* digits [. digits] [e [sign] digits], at least one digit before the exponent. */
static bool is_float(const char *s)
{
	size_t n = strspn(s, "0123456789"), m = 0;

	s += n;
	if (*s == '.') {
		m = strspn(s + 1, "0123456789");
		s += 1 + m;
	}
	if (n + m == 0)
		return false;
	if ((*s | 0x20) == 'e') {
		s++;
		s += *s == '-' || *s == '+';
		n = strspn(s, "0123456789");
		s += n;
		return n > 0 && !*s;
	}
	return !*s;
}

static struct node *parse_number(struct parser *p, struct node *n)
{
	size_t len = strspn(p->p, "+-.0123456789abcdefABCDEFxX");
	char *text = arena_strndup(p->a, p->p, len), *digits = text;
	bool ok;

	if (*digits == '-' || *digits == '+')
		n->negative = *digits++ == '-';
	n->text = text;
	n->kind = NODE_INT;
	if (digits[0] == '0' && (digits[1] | 0x20) == 'x') {
		ok = parse_digits(digits + 2, 16, &n->number);
	} else if (strpbrk(digits, ".eE")) {
		n->kind = NODE_FLOAT;
		ok = is_float(digits);
	} else if (digits[0] == '0' && digits[1]) {
		ok = parse_digits(digits + 1, 8, &n->number);
	} else {
		ok = parse_digits(digits, 10, &n->number);
	}
	if (!ok)
		return fail(p, "not a number, or too large");
	p->p += len;
	return n;
}

static struct node *parse_value(struct parser *p, unsigned depth);

static void add_item(struct parser *p, struct node *n, struct node *item)
{
	/* Powers of two: full exactly when their number is one. */
	if ((n->n & (n->n - 1)) == 0) {
		struct node **bigger = ARENA_ARRAY(p->a, n->n ? 2 * n->n : 1, struct node *);

		if (n->n)
			memcpy(bigger, n->items, n->n * sizeof(struct node *));
		n->items = bigger;
	}
	n->items[n->n++] = item;
}

static struct node *parse_items(struct parser *p, struct node *n, unsigned depth)
{
	struct node *item;
	char end = ')';

	n->kind = NODE_TUPLE;
	if (*p->p++ == '[') {
		n->kind = NODE_ARRAY;
		end = ']';
	}
	for (;;) {
		skip_blanks(p);
		/* A comma at the end is what makes a tuple of a single value. */
		if (*p->p == end) {
			p->p++;
			return n;
		}
		item = parse_value(p, depth + 1);
		if (!item)
			return NULL;
		add_item(p, n, item);
		skip_blanks(p);
		if (*p->p == ',')
			p->p++;
		else if (*p->p != end)
			return fail(p, end == ']' ? "expected , or ]" : "expected , or )");
	}
}

/* "@as" or "uint64" in front of a value. */
static struct node *parse_given(struct parser *p, const char *type, unsigned depth)
{
	struct node *n = parse_value(p, depth + 1);

	if (n && n->given && !str_eq(n->given, type))
		return fail(p, "two types in front of one value");
	if (n)
		n->given = type;
	return n;
}

static struct node *parse_word(struct parser *p, struct node *n, unsigned depth)
{
	size_t len = 0;
	char *word;

	while (is_word_char(p->p[len]))
		len++;
	word = arena_strndup(p->a, p->p, len);
	if (str_eq(word, "true") || str_eq(word, "false")) {
		n->kind = NODE_BOOL;
		n->truth = *word == 't';
		p->p += len;
		return n;
	}
	for (size_t i = 0; i < sizeof(type_words) / sizeof(*type_words); i++)
		if (str_eq(word, type_words[i].word)) {
			p->p += len;
			return parse_given(p, type_words[i].type, depth);
		}
	if (str_eq(word, "handle"))
		return fail(p, "a file descriptor cannot be given");
	return fail(p, "not a value; a text needs quotes");
}

/* One complete type at S, made of basic types, arrays and tuples; its length, 0: none. */
static size_t type_length(const char *s, unsigned depth)
{
	size_t len = 1, n;

	if (depth > DEPTH_MAX)
		return 0;
	if (*s == 'a') {
		n = type_length(s + 1, depth + 1);
		return n ? n + 1 : 0;
	}
	if (*s != '(')
		return *s && strchr("bynqiuxtdsog", *s) ? 1 : 0;
	while (s[len] != ')') {
		n = type_length(s + len, depth + 1);
		if (!n)
			return 0;
		len += n;
	}
	return len > 1 ? len + 1 : 0;
}

static struct node *parse_value(struct parser *p, unsigned depth)
{
	struct node *n;
	size_t len;

	skip_blanks(p);
	if (depth > DEPTH_MAX)
		return fail(p, "nested too deep");
	if (++p->nodes > NODES_MAX)
		return fail(p, "too many values");
	n = ARENA_NEW(p->a, struct node);
	switch (*p->p) {
	case 0:
		return fail(p, "a value is missing");
	case '\'':
	case '"':
		return parse_string(p, n);
	case '[':
	case '(':
		return parse_items(p, n, depth);
	case '{':
	case '<':
		return fail(p, "dictionaries and variants are not taken");
	case '@':
		len = type_length(p->p + 1, 0);
		if (!len || is_word_char(p->p[1 + len]))
			return fail(p, "not a type that is taken");
		p->p += 1 + len;
		return parse_given(p, arena_strndup(p->a, p->p - len, len), depth);
	default:
		break;
	}
	if (strchr("+-.0123456789", *p->p))
		return parse_number(p, n);
	return parse_word(p, n, depth);
}

/* Whether a type stands in front of N or of something in it. */
static bool has_given(const struct node *n)
{
	if (n->given)
		return true;
	for (size_t i = 0; i < n->n; i++)
		if (has_given(n->items[i]))
			return true;
	return false;
}

/* The type of N by itself; NULL: an array without values has none. */
static const char *infer(struct arena *a, const struct node *n)
{
	static const char *const defaults[] = { "b", "i", "d", "s" };
	const struct node *model;
	char *type;

	if (n->given)
		return n->given;
	if (n->kind < NODE_ARRAY)
		return defaults[n->kind];
	if (n->kind == NODE_ARRAY) {
		if (!n->n)
			return NULL;
		model = n->items[0];
		for (size_t i = 0; i < n->n; i++)
			if (has_given(n->items[i])) {
				model = n->items[i];
				break;
			}
		type = (char *)(uintptr_t)infer(a, model);
		return type ? arena_printf(a, "a%s", type) : NULL;
	}
	type = arena_strdup(a, "(");
	for (size_t i = 0; i < n->n; i++) {
		const char *t = infer(a, n->items[i]);

		if (!t)
			return NULL;
		type = arena_printf(a, "%s%s", type, t);
	}
	return n->n ? arena_printf(a, "%s)", type) : NULL;
}

static bool in_range(const struct node *n, char type)
{
	static const struct {
		char type;
		uint64_t most, least; /* magnitudes */
	} ranges[] = {
		{ 'y', UINT8_MAX, 0 },	{ 'n', INT16_MAX, INT16_MAX + 1ull },
		{ 'q', UINT16_MAX, 0 }, { 'i', INT32_MAX, INT32_MAX + 1ull },
		{ 'u', UINT32_MAX, 0 }, { 'x', INT64_MAX, INT64_MAX + 1ull },
		{ 't', UINT64_MAX, 0 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (ranges[i].type == type)
			return n->number <= (n->negative ? ranges[i].least : ranges[i].most);
	return false;
}

static bool check(struct parser *p, const struct node *n, const char *type, struct json_value *ret);

static bool check_items(struct parser *p, const struct node *n, const char *type,
			struct json_value *ret)
{
	bool array = *type == 'a';
	const char *t = type + 1;

	if (n->kind != (array ? NODE_ARRAY : NODE_TUPLE))
		return refuse(p, arena_printf(p->a, "not of type %s", type));
	ret->type = JSON_ARRAY;
	ret->len = n->n;
	ret->members = ARENA_ARRAY(p->a, n->n + 1, struct json_member);
	for (size_t i = 0; i < n->n; i++) {
		size_t len = type_length(t, 0);

		if (!len)
			return refuse(p, "a tuple with more values than its type has");
		if (!check(p, n->items[i], arena_strndup(p->a, t, len), &ret->members[i].value))
			return false;
		if (!array)
			t += len;
	}
	if (!array && *t != ')')
		return refuse(p, "a tuple with fewer values than its type has");
	return true;
}

static bool check(struct parser *p, const struct node *n, const char *type, struct json_value *ret)
{
	bool fits = false;

	if (n->given && !str_eq(n->given, type))
		return refuse(p, arena_printf(p->a, "a value of type %s where %s belongs", n->given,
					      type));
	switch (*type) {
	case 'a':
	case '(':
		return check_items(p, n, type, ret);
	case 'b':
		fits = n->kind == NODE_BOOL;
		ret->type = JSON_BOOL;
		ret->boolean = n->truth;
		break;
	case 'd':
		fits = n->kind == NODE_FLOAT || n->kind == NODE_INT;
		ret->type = JSON_STRING;
		ret->text = n->kind == NODE_FLOAT
				    ? n->text
				    : arena_printf(p->a, "%s%llu", n->negative ? "-" : "",
						   (unsigned long long)n->number);
		break;
	case 's':
	case 'o':
	case 'g':
		fits = n->kind == NODE_STR && (*type != 'o' || *n->text == '/');
		ret->type = JSON_STRING;
		ret->text = n->text;
		break;
	default:
		fits = n->kind == NODE_INT && in_range(n, *type);
		ret->type = JSON_NUMBER;
		ret->text = arena_printf(p->a, "%s%llu", n->negative && n->number ? "-" : "",
					 (unsigned long long)n->number);
	}
	if (!fits)
		return refuse(p, arena_printf(p->a, "not a value of type %s", type));
	return true;
}

int systemd_variant_parse(struct arena *a, const char *text, const char *where,
			  const char **ret_type, const struct json_value **ret, struct error *e)
{
	struct parser p = { .a = a, .text = text, .p = text, .where = where, .e = e };
	struct json_value *v = ARENA_NEW(a, struct json_value);
	const char *type;
	struct node *n;

	if (strlen(text) > TEXT_MAX)
		return err_msg(e, "%s: %zu characters, more than the %d allowed", where,
			       strlen(text), TEXT_MAX);
	n = parse_value(&p, 0);
	if (!n)
		return -1;
	skip_blanks(&p);
	if (*p.p) {
		fail(&p, "something follows the value");
		return -1;
	}
	type = infer(a, n);
	if (!type) {
		refuse(&p, "the type of an empty array must be given, as in @as []");
		return -1;
	}
	if (strlen(type) > SIGNATURE_MAX) {
		refuse(&p, "its type is too long");
		return -1;
	}
	if (!check(&p, n, type, v))
		return -1;
	*ret_type = type;
	*ret = v;
	return 0;
}
