/*
 * JSON: text to tree (yajl, behind our caps on size and depth), tree to structures and structures
 * to text, both driven by one table an object, so that a new field is one line and an ill-typed one
 * is reported by its full path ("linux.resources.memory.limit: expected an integer, got a
 * string").
 *
 * Conventions of the structures: an optional number or bool is a pointer (NULL: not given), a
 * string is NULL when not given, a list of strings is NULL-terminated, an array of objects is a
 * pointer FIELD beside a size_t FIELD_len, a map is an array of struct json_pair (or of a structure
 * whose first member is `char *key`) beside its _len. JSON's null is the same as not given, as in
 * Go's decoder, which the other runtimes use. Unknown keys are skipped (runtime-spec,
 * "Extensibility").
 */
#ifndef MRUN_OCI_BASE_JSON_H
#define MRUN_OCI_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

#define JSON_MAX_DEPTH 64
#define JSON_MAX_SIZE (8u * 1024 * 1024)
#define JSON_MAX_VALUES (1u << 19) /* a tree takes up to thirty times its text */

enum json_type_id { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
	enum json_type_id type;
	bool boolean;
	const char *text;	     /* string, or the digits of a number as they stood */
	struct json_member *members; /* object: in order of appearance; array: keys are NULL */
	size_t len;
};
struct json_member {
	const char *key;
	struct json_value value;
};
struct json_pair {
	char *key;
	char *value;
};

enum json_kind {
	J_STR,	  /* char *; sub: struct json_enum[] of the names it may have, NULL: any */
	J_BOOL,	  /* bool, absent: false */
	J_I64,	  /* int64_t, absent: 0 */
	J_U32,	  /* uint32_t, absent: 0 */
	J_PBOOL,  /* const bool * */
	J_PI64,	  /* const int64_t * */
	J_PU64,	  /* const uint64_t * */
	J_PI32,	  /* const int32_t * */
	J_PU32,	  /* const uint32_t * */
	J_PU16,	  /* const uint16_t * */
	J_PU8,	  /* const uint8_t * */
	J_STRS,	  /* char **, NULL-terminated; sub as for J_STR */
	J_U32S,	  /* uint32_t *, with _len */
	J_ENUM,	  /* int, 0: not given; sub: struct json_enum[] */
	J_OBJ,	  /* struct *; sub: struct json_type */
	J_ARR,	  /* array of structs with _len; sub: struct json_type */
	J_MAP,	  /* struct json_pair *, with _len */
	J_OBJMAP, /* array of structs (first member char *key), with _len; sub: struct json_type */
	J_RAW,	  /* const struct json_value * */
};

#define J_REQUIRED 1 /* decoding: must be there */
#define J_ALWAYS 2   /* encoding: written also when false, 0 or empty */

struct json_enum {
	const char *name; /* NULL ends the table */
	int value;	  /* never 0 */
};
struct json_field {
	const char *key;
	uint8_t kind, flags;
	uint16_t off, off_len;
	const void *sub;
};
struct json_type {
	const char *name;
	size_t size;
	const struct json_field *fields; /* a NULL key ends the table */
};

/* One line of a table: FIELD of struct TYPE under KEY. _L for the kinds with a _len. */
#define JF(type, field, key_, kind_, flags_)                                                     \
	{                                                                                        \
		.key = key_, .kind = kind_, .flags = flags_, .off = offsetof(struct type, field) \
	}
#define JF_SUB(type, field, key_, kind_, flags_, sub_)                                            \
	{                                                                                         \
		.key = key_, .kind = kind_, .flags = flags_, .off = offsetof(struct type, field), \
		.sub = sub_                                                                       \
	}
#define JF_L(type, field, key_, kind_, flags_, sub_)                                              \
	{                                                                                         \
		.key = key_, .kind = kind_, .flags = flags_, .off = offsetof(struct type, field), \
		.off_len = offsetof(struct type, field##_len), .sub = sub_                        \
	}
#define JSON_TYPE(name_, struct_, fields_) \
	const struct json_type name_ = { #struct_, sizeof(struct struct_), fields_ }

/* Text of LEN bytes to a tree. NAME (a file) is for messages. NULL on error. */
const struct json_value *json_parse(struct arena *a, const char *text, size_t len, const char *name,
				    struct error *e);
/* The same for a document that has no reason to hold more than MAX values. */
const struct json_value *json_parse_max(struct arena *a, const char *text, size_t len, size_t max,
					const char *name, struct error *e);
/* The member KEY of an object (the last one of that name), NULL when missing or null. */
const struct json_value *json_get(const struct json_value *obj, const char *key);
/* The text of a string member; NULL when missing or not a string. */
const char *json_get_str(const struct json_value *obj, const char *key);

/* The value of NAME in EN, 0 when it is not there. */
int json_enum_value(const struct json_enum *en, const char *name);

/* Tree to the structure that T describes, which OUT (t->size bytes, zeroed) holds afterwards. PATH
 * ("" for the top) goes in front of the names in messages. */
int json_decode(struct arena *a, const struct json_value *v, const struct json_type *t, void *out,
		const char *path, struct error *e);
/* Parse and decode at once; returns the structure or NULL. */
void *json_read(struct arena *a, const char *text, size_t len, const struct json_type *t,
		const char *name, struct error *e);

/* Structure to text (NUL-terminated, from the arena). PRETTY indents with two spaces. */
char *json_write(struct arena *a, const struct json_type *t, const void *in, bool pretty,
		 size_t *ret_len);

/* For what has no table: a writer by hand. Keys and values alternate within an object. */
struct json_out;
struct json_out *json_out_new(struct arena *a, bool pretty);
void json_out_object(struct json_out *o);
void json_out_object_end(struct json_out *o);
void json_out_array(struct json_out *o);
void json_out_array_end(struct json_out *o);
void json_out_str(struct json_out *o, const char *s); /* NULL: null */
void json_out_i64(struct json_out *o, int64_t v);
void json_out_u64(struct json_out *o, uint64_t v);
void json_out_bool(struct json_out *o, bool v);
void json_out_value(struct json_out *o, const struct json_value *v);
void json_out_type(struct json_out *o, const struct json_type *t, const void *in);
/* Shorthands: key and value. */
void json_out_kstr(struct json_out *o, const char *key, const char *s);
void json_out_ki64(struct json_out *o, const char *key, int64_t v);
void json_out_kbool(struct json_out *o, const char *key, bool v);
/* Ends the text: from the arena, NUL-terminated, ret_len may be NULL. */
char *json_out_finish(struct json_out *o, size_t *ret_len);

#endif
