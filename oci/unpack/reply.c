/* See reply.h. */
#include "oci/unpack/reply.h"

#include <string.h>

#include "oci/base/file.h"
#include "oci/unpack/request.h"

int reply_send(struct arena *a, struct json_out *o, struct error *e)
{
	size_t len;
	char *text = json_out_finish(o, &len), *line = arena_alloc(a, len + 2);

	memcpy(line, text, len);
	if (len == 0 || line[len - 1] != '\n')
		line[len++] = '\n';
	return file_write_all(REPLY_FD, line, len, "the reply", e);
}

/* What a message quotes from an image may hold any byte; the core and a terminal get ASCII. */
static const char *plain(struct arena *a, const char *s)
{
	char *r = arena_strdup(a, s);

	for (char *p = r; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return r;
}

void reply_error(struct arena *a, const struct error *why)
{
	struct json_out *o = json_out_new(a, false);
	struct error ignored;

	json_out_object(o);
	json_out_kstr(o, "error", plain(a, why->msg));
	json_out_kstr(o, "hint", plain(a, why->hint));
	json_out_ki64(o, "code", why->code);
	json_out_object_end(o);
	reply_send(a, o, &ignored);
}

int reply_done(struct arena *a, struct error *e)
{
	struct json_out *o = json_out_new(a, false);

	json_out_object(o);
	json_out_kbool(o, "done", true);
	json_out_object_end(o);
	return reply_send(a, o, e);
}
