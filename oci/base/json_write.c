/* Structure or calls to text. yajl's generator does the escaping and the commas. */
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "oci/base/json.h"
#include "oci/base/json_memory.h"
#include "oci/base/str.h"

struct json_out {
	struct arena *a;
	yajl_gen g;
};

struct json_out *json_out_new(struct arena *a, bool pretty)
{
	struct json_out *o = ARENA_NEW(a, struct json_out);
	yajl_alloc_funcs mem = json_memory(a);

	o->a = a;
	o->g = yajl_gen_alloc(&mem);
	yajl_gen_config(o->g, yajl_gen_beautify, (int)pretty);
	yajl_gen_config(o->g, yajl_gen_indent_string, "  ");
	return o;
}

void json_out_object(struct json_out *o)
{
	yajl_gen_map_open(o->g);
}
void json_out_object_end(struct json_out *o)
{
	yajl_gen_map_close(o->g);
}
void json_out_array(struct json_out *o)
{
	yajl_gen_array_open(o->g);
}
void json_out_array_end(struct json_out *o)
{
	yajl_gen_array_close(o->g);
}
void json_out_str(struct json_out *o, const char *s)
{
	if (s)
		yajl_gen_string(o->g, (const unsigned char *)s, strlen(s));
	else
		yajl_gen_null(o->g);
}
static void number(struct json_out *o, const char *s)
{
	yajl_gen_number(o->g, s, strlen(s));
}
void json_out_i64(struct json_out *o, int64_t v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%lld", (long long)v);
	number(o, buf);
}
void json_out_u64(struct json_out *o, uint64_t v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v);
	number(o, buf);
}
void json_out_bool(struct json_out *o, bool v)
{
	yajl_gen_bool(o->g, v);
}

void json_out_value(struct json_out *o, const struct json_value *v)
{
	switch (v->type) {
	case JSON_NULL:
		yajl_gen_null(o->g);
		break;
	case JSON_BOOL:
		json_out_bool(o, v->boolean);
		break;
	case JSON_NUMBER:
		number(o, v->text);
		break;
	case JSON_STRING:
		json_out_str(o, v->text);
		break;
	case JSON_ARRAY:
		json_out_array(o);
		for (size_t i = 0; i < v->len; i++)
			json_out_value(o, &v->members[i].value);
		json_out_array_end(o);
		break;
	case JSON_OBJECT:
		json_out_object(o);
		for (size_t i = 0; i < v->len; i++) {
			json_out_str(o, v->members[i].key);
			json_out_value(o, &v->members[i].value);
		}
		json_out_object_end(o);
		break;
	}
}

void json_out_kstr(struct json_out *o, const char *key, const char *s)
{
	json_out_str(o, key);
	json_out_str(o, s);
}
void json_out_ki64(struct json_out *o, const char *key, int64_t v)
{
	json_out_str(o, key);
	json_out_i64(o, v);
}
void json_out_kbool(struct json_out *o, const char *key, bool v)
{
	json_out_str(o, key);
	json_out_bool(o, v);
}

static size_t field_len(const struct json_field *f, const char *base)
{
	return *(const size_t *)(const void *)(base + f->off_len);
}

/* Whether the field holds something that is worth a line. */
static bool present(const struct json_field *f, const char *base)
{
	const void *p = base + f->off;

	if (f->flags & J_ALWAYS)
		return true;
	switch ((enum json_kind)f->kind) {
	case J_BOOL:
		return *(const bool *)p;
	case J_I64:
		return *(const int64_t *)p != 0;
	case J_U32:
		return *(const uint32_t *)p != 0;
	case J_ENUM:
		return *(const int *)p != 0;
	case J_U32S:
	case J_ARR:
	case J_MAP:
	case J_OBJMAP:
		return field_len(f, base) > 0;
	default:
		return *(void *const *)p != NULL;
	}
}

static void write_list(struct json_out *o, const struct json_field *f, const char *base)
{
	const struct json_type *t = f->sub;
	const char *items = *(char *const *)(const void *)(base + f->off);
	size_t n = field_len(f, base);
	size_t size = f->kind == J_U32S	 ? sizeof(uint32_t)
		      : f->kind == J_MAP ? sizeof(struct json_pair)
					 : t->size;
	bool map = f->kind == J_MAP || f->kind == J_OBJMAP;

	if (map)
		json_out_object(o);
	else
		json_out_array(o);
	for (size_t i = 0; i < n; i++) {
		const void *item = items + i * size;

		if (map)
			json_out_str(o, *(char *const *)item);
		if (f->kind == J_U32S)
			json_out_i64(o, *(const uint32_t *)item);
		else if (f->kind == J_MAP)
			json_out_str(o, ((const struct json_pair *)item)->value);
		else
			json_out_type(o, t, item);
	}
	if (map)
		json_out_object_end(o);
	else
		json_out_array_end(o);
}

static void write_field(struct json_out *o, const struct json_field *f, const char *base)
{
	const void *p = base + f->off;
	const void *ptr;

	switch ((enum json_kind)f->kind) {
	case J_BOOL:
		json_out_bool(o, *(const bool *)p);
		return;
	case J_I64:
		json_out_i64(o, *(const int64_t *)p);
		return;
	case J_U32:
		json_out_i64(o, *(const uint32_t *)p);
		return;
	case J_ENUM:
		for (const struct json_enum *en = f->sub; en->name; en++)
			if (en->value == *(const int *)p) {
				json_out_str(o, en->name);
				return;
			}
		json_out_str(o, NULL);
		return;
	case J_U32S:
	case J_ARR:
	case J_MAP:
	case J_OBJMAP:
		write_list(o, f, base);
		return;
	default:
		break;
	}
	ptr = *(void *const *)p;
	if (!ptr && f->kind == J_STRS) {
		json_out_array(o);
		json_out_array_end(o);
		return;
	}
	if (!ptr) {
		json_out_str(o, f->kind == J_STR ? "" : NULL);
		return;
	}
	switch ((enum json_kind)f->kind) {
	case J_STR:
		json_out_str(o, ptr);
		break;
	case J_PBOOL:
		json_out_bool(o, *(const bool *)ptr);
		break;
	case J_PI64:
		json_out_i64(o, *(const int64_t *)ptr);
		break;
	case J_PU64:
		json_out_u64(o, *(const uint64_t *)ptr);
		break;
	case J_PI32:
		json_out_i64(o, *(const int32_t *)ptr);
		break;
	case J_PU32:
		json_out_i64(o, *(const uint32_t *)ptr);
		break;
	case J_PU16:
		json_out_i64(o, *(const uint16_t *)ptr);
		break;
	case J_PU8:
		json_out_i64(o, *(const uint8_t *)ptr);
		break;
	case J_STRS:
		json_out_array(o);
		for (char *const *s = ptr; *s; s++)
			json_out_str(o, *s);
		json_out_array_end(o);
		break;
	case J_OBJ:
		json_out_type(o, f->sub, ptr);
		break;
	case J_RAW:
		json_out_value(o, ptr);
		break;
	default:
		break;
	}
}

void json_out_type(struct json_out *o, const struct json_type *t, const void *in)
{
	json_out_object(o);
	for (const struct json_field *f = t->fields; f->key; f++)
		if (present(f, in)) {
			json_out_str(o, f->key);
			write_field(o, f, in);
		}
	json_out_object_end(o);
}

char *json_out_finish(struct json_out *o, size_t *ret_len)
{
	const unsigned char *buf;
	size_t len;
	char *s;

	yajl_gen_get_buf(o->g, &buf, &len);
	/* The beautified text ends in a newline: who prints it adds one. */
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	s = (char *)(uintptr_t)buf; /* in the arena, with room for a NUL */
	s[len] = 0;
	yajl_gen_free(o->g);
	o->g = NULL;
	if (ret_len)
		*ret_len = len;
	return s;
}

char *json_write(struct arena *a, const struct json_type *t, const void *in, bool pretty,
		 size_t *ret_len)
{
	struct json_out *o = json_out_new(a, pretty);

	json_out_type(o, t, in);
	return json_out_finish(o, ret_len);
}
