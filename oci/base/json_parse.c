/* Text to tree. yajl is unmaintained, so what reaches it is capped (size before, depth and
 * the number of values while it runs) and is UTF-8 without overlong forms and halves of surrogates,
 * which yajl would take or make a question mark of; numbers stay text until somebody wants an
 * integer; and strings with a NUL inside are refused: they would be cut short as C strings. All of
 * these are ways to make two readers see different names. */
#include "oci/base/json.h"
#include "oci/base/json_memory.h"

#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "oci/base/str.h"

struct level {
	struct json_value *value; /* the array or object being filled */
	size_t cap;
	const char *key;
};
struct parser {
	struct arena *a;
	struct json_value root;
	struct level levels[JSON_MAX_DEPTH];
	size_t depth, left; /* left: values that may still come */
	const char *why;    /* our own reason to stop */
};

static struct json_value *add(struct parser *p, enum json_type_id type)
{
	struct level *l;
	struct json_value *c;

	if (p->left-- == 0) {
		p->why = "more values than allowed";
		return NULL;
	}
	if (p->depth == 0) {
		p->root.type = type;
		return &p->root;
	}
	l = &p->levels[p->depth - 1];
	c = l->value;
	if (c->len == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 2;
		struct json_member *m = ARENA_ARRAY(p->a, cap, struct json_member);

		if (c->len)
			memcpy(m, c->members, c->len * sizeof(*m));
		c->members = m;
		l->cap = cap;
	}
	c->members[c->len].key = l->key;
	c->members[c->len].value.type = type;
	return &c->members[c->len++].value;
}

static int push(struct parser *p, enum json_type_id type)
{
	struct json_value *v;

	if (p->depth == JSON_MAX_DEPTH) {
		p->why = "nested too deeply";
		return 0;
	}
	v = add(p, type);
	if (!v)
		return 0;
	p->levels[p->depth++] = (struct level){ .value = v };
	return 1;
}

static const char *checked(struct parser *p, const void *s, size_t n)
{
	if (memchr(s, 0, n)) {
		p->why = "a string has a NUL byte in it";
		return NULL;
	}
	return arena_strndup(p->a, s, n);
}

static int on_null(void *ctx)
{
	return add(ctx, JSON_NULL) != NULL;
}
static int on_bool(void *ctx, int b)
{
	struct json_value *v = add(ctx, JSON_BOOL);

	if (!v)
		return 0;
	v->boolean = b;
	return 1;
}
static int on_number(void *ctx, const char *s, size_t n)
{
	struct json_value *v = add(ctx, JSON_NUMBER);

	if (!v)
		return 0;
	v->text = arena_strndup(((struct parser *)ctx)->a, s, n);
	return 1;
}
static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	const char *t = checked(ctx, s, n);
	struct json_value *v = t ? add(ctx, JSON_STRING) : NULL;

	if (!v)
		return 0;
	v->text = t;
	return 1;
}
static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct parser *p = ctx;

	p->levels[p->depth - 1].key = checked(p, s, n);
	return p->levels[p->depth - 1].key != NULL;
}
static int on_object(void *ctx)
{
	return push(ctx, JSON_OBJECT);
}
static int on_array(void *ctx)
{
	return push(ctx, JSON_ARRAY);
}
static int on_end(void *ctx)
{
	((struct parser *)ctx)->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

/* What \uXXXX at S stands for, -1 when there is none. */
static int escaped_unit(const unsigned char *s, size_t left)
{
	int unit = 0;

	if (left < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = s[i] >= '0' && s[i] <= '9'	 ? s[i] - '0'
			    : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10
			    : s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 10
							 : -1;

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* The length of the escape sequence at S, of both where two make a character; 0: half of those. */
static size_t escape_length(const unsigned char *s, size_t left)
{
	int unit = escaped_unit(s, left), second;

	if (unit < 0)
		return 2;
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	second = unit < 0xdc00 ? escaped_unit(s + 6, left - 6) : -1;
	return second >= 0xdc00 && second <= 0xdfff ? 12 : 0;
}

/* Whether the eight bytes at S are ASCII without a backslash, as most are. */
static bool is_plain(const unsigned char *s)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	uint64_t word, slash;

	memcpy(&word, s, sizeof(word));
	slash = word ^ ones * '\\'; /* a byte of 0 where there is one */
	return !((word | ((slash - ones) & ~slash)) & tops);
}

/* What yajl would take though it is no text, NULL: nothing. *AT is where. */
static const char *unfit(const char *text, size_t len, size_t *at)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0, n; i < len; i += n) {
		*at = i;
		if (len - i >= 8 && is_plain(s + i)) {
			n = 8;
			continue;
		}
		n = s[i] == '\\'  ? escape_length(s + i, len - i)
		    : s[i] < 0x80 ? 1
				  : str_utf8_length(text + i, len - i);
		if (!n)
			return s[i] == '\\' ? "half of a surrogate pair" : "invalid UTF-8";
	}
	return NULL;
}

static size_t line_of(const char *text, size_t n)
{
	size_t line = 1;

	for (size_t i = 0; i < n; i++)
		line += text[i] == '\n';
	return line;
}

const struct json_value *json_parse_max(struct arena *a, const char *text, size_t len, size_t max,
					const char *name, struct error *e)
{
	struct parser *p = ARENA_NEW(a, struct parser);
	yajl_alloc_funcs mem = json_memory(a);
	yajl_handle h;
	const char *unfit_why;
	yajl_status st;
	size_t line, at = 0;

	if (len > JSON_MAX_SIZE) {
		err_msg(e, "parse %s: %zu bytes of JSON, more than the %u allowed", name, len,
			JSON_MAX_SIZE);
		return NULL;
	}
	unfit_why = unfit(text, len, &at);
	if (unfit_why) {
		err_msg(e, "parse %s, line %zu: %s", name, line_of(text, at), unfit_why);
		return NULL;
	}
	p->a = a;
	p->left = max;
	h = yajl_alloc(&callbacks, &mem, p);
	yajl_config(h, yajl_dont_validate_strings, 1); /* that was unfit() */
	yajl_config(h, yajl_allow_trailing_garbage, 0);
	st = yajl_parse(h, (const unsigned char *)text, len);
	if (st == yajl_status_ok)
		st = yajl_complete_parse(h);
	if (st == yajl_status_ok && p->depth == 0 && len > 0)
		return &p->root;
	at = yajl_get_bytes_consumed(h);
	line = line_of(text, at < len ? at : len);
	if (p->why) {
		err_msg(e, "parse %s, line %zu: %s", name, line, p->why);
	} else if (st == yajl_status_ok) {
		err_msg(e, "parse %s: the JSON is cut short", name);
	} else {
		char *why = (char *)yajl_get_error(h, 0, (const unsigned char *)text, len);

		why[strcspn(why, "\n")] = 0;
		if (strstr(why, "premature EOF")) {
			err_msg(e, "parse %s: the JSON is cut short", name);
			return NULL;
		}
		err_msg(e, "parse %s, line %zu: invalid JSON (%s)", name, line,
			str_has_prefix(why, "parse error: ") ? why + 13 : why);
	}
	return NULL;
}

const struct json_value *json_parse(struct arena *a, const char *text, size_t len, const char *name,
				    struct error *e)
{
	return json_parse_max(a, text, len, JSON_MAX_VALUES, name, e);
}

const struct json_value *json_get(const struct json_value *obj, const char *key)
{
	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	for (size_t i = obj->len; i-- > 0;)
		if (str_eq(obj->members[i].key, key))
			return obj->members[i].value.type == JSON_NULL ? NULL
								       : &obj->members[i].value;
	return NULL;
}

const char *json_get_str(const struct json_value *obj, const char *key)
{
	const struct json_value *v = json_get(obj, key);

	return v && v->type == JSON_STRING ? v->text : NULL;
}
