/*
 * --format of the image commands: docker's, as far as people use it. "json" is a line of JSON an
 * object; "table TEMPLATE" has headings and columns; else a template a line: text with {{.Field}},
 * {{.Field.Sub}} and {{json .Field}} in it, \t and \n. What else Go's templates can is refused by
 * name, never printed as it stands.
 */
#ifndef MRUN_RUNTIME_CMD_FORMAT_H
#define MRUN_RUNTIME_CMD_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/base/json.h"

/* A heading that is not just the field's name in capitals. */
struct format_heading {
	const char *field, *heading; /* a NULL field ends the table */
};

/* Prints ROWS (JSON objects) to standard output. FORMAT NULL or "table": the table of
 * DEFAULT_TABLE. */
int format_print(struct arena *a, const char *format, const char *default_table,
		 const struct format_heading *headings, const struct json_value *const *rows,
		 size_t n, struct error *e);

/* One template and one object to text. */
char *format_expand(struct arena *a, const char *tmpl, const struct json_value *v, struct error *e);

/* Flushes standard output; a full disk or closed pipe is an error and not silence. */
int format_flush(struct error *e);

/* "8.09MB": decimal units, three digits, as docker's `images` prints sizes. */
char *format_size(struct arena *a, uint64_t bytes);
/* "3 weeks ago"; "N/A" for a time that is not given or not one. */
char *format_since(struct arena *a, const char *rfc3339);
/* "2024-01-01 00:00:00 +0000 UTC", docker's form but always in UTC; "N/A" likewise. */
char *format_time(struct arena *a, const char *rfc3339);
/* The first 12 digits of a digest, or all of it. */
char *format_id(struct arena *a, const char *digest, bool full);

#endif
