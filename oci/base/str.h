/* Small string helpers: comparing, and numbers that are parsed whole or not at all. */
#ifndef MRUN_OCI_BASE_STR_H
#define MRUN_OCI_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "oci/base/arena.h"

static inline bool str_eq(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0; /* a table's other lines end at the first */
}
static inline bool str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_has_suffix(const char *s, const char *suffix);
/* Replaces control characters, C1's in UTF-8 as well, by question marks: what came in with an image
 * must not drive the terminal. In place. */
void str_plain(char *s);

/* Decimal digits only (no sign, space, or +), the whole string, within [0, max]. False otherwise.
 */
bool str_to_u64(const char *s, uint64_t max, uint64_t *ret);
/* The same with an optional '-' in front; the full range of int64_t. */
bool str_to_i64(const char *s, int64_t *ret);
/* A whole number as runc's and docker's flags take it, whose base its beginning says: 0x, 0o or a
 * mere 0, 0b, else ten; with a sign, and an underscore between digits. */
bool str_to_flag_number(const char *s, int64_t *ret);
/* What Go's strconv.ParseBool takes: 1 t T true TRUE True, 0 f F false FALSE False. */
bool str_to_bool(const char *s, bool *ret);
/* Octal digits only. */
bool str_to_mode(const char *s, uint32_t max, uint32_t *ret);
/* A size as docker takes it: a number, then nothing, b, k, m, g or t (any case, optional b or iB);
 * binary multiples; a fraction as in 1.5g is taken. False when it is not one or overflows. */
bool str_to_size(const char *s, int64_t *ret);

/* The first N numbers of LINE, decimal and apart by blanks, as the files below /proc have them;
 * what follows them may be anything. False when there are fewer, or one is above UINT32_MAX. */
bool str_fields_u32(const char *line, uint32_t *ret, size_t n);

/* The length of the UTF-8 character at TEXT, of which LEFT bytes are there (RFC 3629, section 4);
 * 0: it is none. */
size_t str_utf8_length(const char *text, size_t left);

/* Splits S at each SEP into a NULL-terminated list (one empty item for an empty S). */
char **str_split(struct arena *a, const char *s, char sep);

/* How many items a NULL-terminated list has; 0 for NULL. */
size_t str_list_len(char *const *list);
bool str_list_has(char *const *list, const char *s);

/* Damerau-Levenshtein-like distance for "did you mean"; strings longer than 64 count as far. */
unsigned str_distance(const char *a, const char *b);

#endif
