/* Writing one JSON document to a stream, for the tests' programs: commas and quoting are done here.
 * A NAME is given inside an object and NULL inside a list. */
#ifndef MRUN_TESTS_PROBE_JSON_H
#define MRUN_TESTS_PROBE_JSON_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct json {
	FILE *out;
	bool more; /* something stands before, at this level */
};

static inline void json_quoted(struct json *j, const char *s, size_t n)
{
	fputc('"', j->out);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		/* Bytes that are no ASCII become the character of that number: none is lost. */
		if (c == '"' || c == '\\')
			fprintf(j->out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(j->out, "\\u%04x", c);
		else
			fputc(c, j->out);
	}
	fputc('"', j->out);
}

static inline void json_name(struct json *j, const char *name)
{
	if (j->more)
		fputc(',', j->out);
	j->more = true;
	if (name) {
		json_quoted(j, name, strlen(name));
		fputc(':', j->out);
	}
}

/* KIND is { or [ */
static inline void json_open(struct json *j, const char *name, char kind)
{
	json_name(j, name);
	fputc(kind, j->out);
	j->more = false;
}

static inline void json_close(struct json *j, char kind)
{
	fputc(kind, j->out);
	j->more = true;
}

static inline void json_bytes(struct json *j, const char *name, const char *s, size_t n)
{
	json_name(j, name);
	json_quoted(j, s, n);
}

static inline void json_string(struct json *j, const char *name, const char *s)
{
	json_bytes(j, name, s, strlen(s));
}

static inline void json_number(struct json *j, const char *name, long long value)
{
	json_name(j, name);
	fprintf(j->out, "%lld", value);
}

static inline void json_hex(struct json *j, const char *name, unsigned long long value)
{
	json_name(j, name);
	fprintf(j->out, "\"%#llx\"", value);
}

static inline void json_bool(struct json *j, const char *name, bool value)
{
	json_name(j, name);
	fputs(value ? "true" : "false", j->out);
}

#endif
