/* Tree to structure, by table. See json.h. */
#include <stdio.h>
#include <string.h>

#include "oci/base/json.h"
#include "oci/base/str.h"

/* Where we are, as a list on the stack, so that a name is only built when it is needed. */
struct where {
	const struct where *up;
	const char *key; /* NULL: an index */
	size_t index;
};

static void where_text(const struct where *w, char *buf, size_t size)
{
	size_t n;

	if (!w) {
		buf[0] = 0;
		return;
	}
	where_text(w->up, buf, size);
	n = strlen(buf);
	if (w->key)
		snprintf(buf + n, size - n, "%s%s", n ? "." : "", w->key);
	else
		snprintf(buf + n, size - n, "[%zu]", w->index);
}

static int bad(const struct where *w, struct error *e, const char *expected,
	       const struct json_value *v)
{
	static const char *const names[] = { "null",	 "a boolean", "a number",
					     "a string", "an array",  "an object" };
	char path[512];

	where_text(w, path, sizeof(path));
	if (v->type == JSON_NUMBER || v->type == JSON_STRING)
		return err_msg(e, "%s: expected %s, got %s %.100s", path, expected, names[v->type],
			       v->text);
	return err_msg(e, "%s: expected %s, got %s", path, expected, names[v->type]);
}

static int decode_object(struct arena *a, const struct json_value *v, const struct json_type *t,
			 void *out, const struct where *w, struct error *e);

static int decode_int(const struct json_value *v, int64_t min, int64_t max, int64_t *ret,
		      const struct where *w, struct error *e)
{
	char expected[96];

	if (v->type != JSON_NUMBER)
		return bad(w, e, "an integer", v);
	if (!str_to_i64(v->text, ret) || *ret < min || *ret > max) {
		snprintf(expected, sizeof(expected), "an integer from %lld to %lld", (long long)min,
			 (long long)max);
		return bad(w, e, expected, v);
	}
	return 0;
}

static int decode_number(struct arena *a, const struct json_value *v, enum json_kind kind,
			 void *out, const struct where *w, struct error *e)
{
	int64_t i = 0;
	uint64_t *u;

	switch (kind) {
	case J_I64:
	case J_PI64:
		if (decode_int(v, INT64_MIN, INT64_MAX, &i, w, e) < 0)
			return -1;
		break;
	case J_PI32:
		if (decode_int(v, INT32_MIN, INT32_MAX, &i, w, e) < 0)
			return -1;
		break;
	case J_U32:
	case J_PU32:
		if (decode_int(v, 0, UINT32_MAX, &i, w, e) < 0)
			return -1;
		break;
	case J_PU16:
		if (decode_int(v, 0, UINT16_MAX, &i, w, e) < 0)
			return -1;
		break;
	case J_PU8:
		if (decode_int(v, 0, UINT8_MAX, &i, w, e) < 0)
			return -1;
		break;
	default: /* J_PU64 */
		if (v->type != JSON_NUMBER)
			return bad(w, e, "an integer", v);
		u = ARENA_NEW(a, uint64_t);
		if (!str_to_u64(v->text, UINT64_MAX, u))
			return bad(w, e, "an integer from 0 to 18446744073709551615", v);
		*(uint64_t **)out = u;
		return 0;
	}
	if (kind == J_I64) {
		*(int64_t *)out = i;
	} else if (kind == J_U32) {
		*(uint32_t *)out = (uint32_t)i;
	} else if (kind == J_PI64) {
		*(int64_t **)out = memcpy(arena_alloc(a, sizeof(i)), &i, sizeof(i));
	} else if (kind == J_PI32) {
		*(*(int32_t **)out = ARENA_NEW(a, int32_t)) = (int32_t)i;
	} else if (kind == J_PU32) {
		*(*(uint32_t **)out = ARENA_NEW(a, uint32_t)) = (uint32_t)i;
	} else if (kind == J_PU8) {
		*(*(uint8_t **)out = ARENA_NEW(a, uint8_t)) = (uint8_t)i;
	} else {
		*(*(uint16_t **)out = ARENA_NEW(a, uint16_t)) = (uint16_t)i;
	}
	return 0;
}

int json_enum_value(const struct json_enum *en, const char *name)
{
	for (; en->name; en++)
		if (str_eq(en->name, name))
			return en->value;
	return 0;
}

static int decode_enum(const struct json_value *v, const struct json_enum *en, int *out,
		       const struct where *w, struct error *e)
{
	char path[512], names[600] = "";

	if (v->type != JSON_STRING)
		return bad(w, e, "a string", v);
	*out = json_enum_value(en, v->text);
	if (*out)
		return 0;
	for (const struct json_enum *p = en; p->name; p++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", p->name);
	}
	where_text(w, path, sizeof(path));
	return err_msg(e, "%s: unknown value '%.100s' (known: %s)", path, v->text, names);
}

/* NAMES: the ones it may have, NULL: any. */
static int decode_string(const struct json_value *v, const struct json_enum *names, char **out,
			 const struct where *w, struct error *e)
{
	int value;

	if (v->type != JSON_STRING)
		return bad(w, e, "a string", v);
	*out = (char *)(uintptr_t)v->text;
	return names ? decode_enum(v, names, &value, w, e) : 0;
}

static int decode_array(struct arena *a, const struct json_value *v, const struct json_field *f,
			char *base, const struct where *w, struct error *e)
{
	const struct json_type *t = f->sub;
	char **strs = NULL;
	uint32_t *nums = NULL;
	char *objs = NULL;

	if (v->type != JSON_ARRAY)
		return bad(w, e, "an array", v);
	if (f->kind == J_STRS)
		*(char ***)(void *)(base + f->off) = strs = ARENA_ARRAY(a, v->len + 1, char *);
	else if (f->kind == J_U32S)
		*(uint32_t **)(void *)(base + f->off) = nums = ARENA_ARRAY(a, v->len, uint32_t);
	else
		*(char **)(void *)(base + f->off) = objs = arena_array(a, v->len, t->size);
	for (size_t i = 0; i < v->len; i++) {
		const struct json_value *item = &v->members[i].value;
		struct where here = { w, NULL, i };
		int r;

		if (strs)
			r = decode_string(item, f->sub, &strs[i], &here, e);
		else if (nums)
			r = decode_number(a, item, J_U32, &nums[i], &here, e);
		else
			r = decode_object(a, item, t, objs + i * t->size, &here, e);
		if (r < 0)
			return -1;
	}
	if (f->kind != J_STRS)
		*(size_t *)(void *)(base + f->off_len) = v->len;
	return 0;
}

static int decode_map(struct arena *a, const struct json_value *v, const struct json_field *f,
		      char *base, const struct where *w, struct error *e)
{
	const struct json_type *t = f->sub;
	size_t size = f->kind == J_MAP ? sizeof(struct json_pair) : t->size;
	char *items;

	if (v->type != JSON_OBJECT)
		return bad(w, e, "an object", v);
	items = arena_array(a, v->len, size);
	for (size_t i = 0; i < v->len; i++) {
		struct where here = { w, v->members[i].key, 0 };
		char *item = items + i * size;
		int r;

		if (f->kind == J_MAP)
			r = decode_string(&v->members[i].value, NULL,
					  &((struct json_pair *)(void *)item)->value, &here, e);
		else
			r = decode_object(a, &v->members[i].value, t, item, &here, e);
		if (r < 0)
			return -1;
		*(const char **)(void *)item = v->members[i].key;
	}
	*(char **)(void *)(base + f->off) = items;
	*(size_t *)(void *)(base + f->off_len) = v->len;
	return 0;
}

static int decode_field(struct arena *a, const struct json_value *v, const struct json_field *f,
			char *base, const struct where *w, struct error *e)
{
	void *out = base + f->off;

	switch ((enum json_kind)f->kind) {
	case J_STR:
		return decode_string(v, f->sub, out, w, e);
	case J_BOOL:
		if (v->type != JSON_BOOL)
			return bad(w, e, "a boolean", v);
		*(bool *)out = v->boolean;
		return 0;
	case J_PBOOL:
		if (v->type != JSON_BOOL)
			return bad(w, e, "a boolean", v);
		*(*(bool **)out = ARENA_NEW(a, bool)) = v->boolean;
		return 0;
	case J_STRS:
	case J_U32S:
	case J_ARR:
		return decode_array(a, v, f, base, w, e);
	case J_ENUM:
		return decode_enum(v, f->sub, out, w, e);
	case J_OBJ: {
		const struct json_type *t = f->sub;

		*(void **)out = arena_alloc(a, t->size);
		return decode_object(a, v, t, *(void **)out, w, e);
	}
	case J_MAP:
	case J_OBJMAP:
		return decode_map(a, v, f, base, w, e);
	case J_RAW:
		*(const struct json_value **)out = v;
		return 0;
	default:
		return decode_number(a, v, (enum json_kind)f->kind, out, w, e);
	}
}

static int decode_object(struct arena *a, const struct json_value *v, const struct json_type *t,
			 void *out, const struct where *w, struct error *e)
{
	char path[512];

	if (v->type != JSON_OBJECT)
		return bad(w, e, "an object", v);
	for (const struct json_field *f = t->fields; f->key; f++) {
		const struct json_value *m = json_get(v, f->key);
		struct where here = { w, f->key, 0 };

		if (m) {
			if (decode_field(a, m, f, out, &here, e) < 0)
				return -1;
		} else if (f->flags & J_REQUIRED) {
			where_text(&here, path, sizeof(path));
			return err_msg(e, "%s: required, and not there", path);
		}
	}
	return 0;
}

int json_decode(struct arena *a, const struct json_value *v, const struct json_type *t, void *out,
		const char *path, struct error *e)
{
	struct where w = { NULL, path, 0 };

	if (v->type != JSON_OBJECT && !*path)
		return err_msg(e, "expected a JSON object at the top");
	return decode_object(a, v, t, out, *path ? &w : NULL, e);
}

void *json_read(struct arena *a, const char *text, size_t len, const struct json_type *t,
		const char *name, struct error *e)
{
	const struct json_value *v = json_parse(a, text, len, name, e);
	void *out;

	if (!v)
		return NULL;
	out = arena_alloc(a, t->size);
	if (json_decode(a, v, t, out, "", e) < 0) {
		err_wrap(e, "%s", name);
		return NULL;
	}
	return out;
}
