/* See error.h. Control characters that came in with a name are replaced, so that a message cannot
 * forge a second line or drive the terminal (podman's CVE-2022-4318 had newlines for a cause). */
#include "oci/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"

const char *err_text(int errnum)
{
	static _Thread_local char buf[128];
	const char *s = strerrordesc_np(errnum);

	if (!s) {
		snprintf(buf, sizeof(buf), "errno %d", errnum);
		return buf;
	}
	snprintf(buf, sizeof(buf), "%s", s);
	/* "RPC struct is bad" and the like keep their abbreviation. */
	if (buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
		buf[0] = (char)(buf[0] - 'A' + 'a');
	return buf;
}

int err_sys(struct error *e, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	err_clear(e);
	e->code = errnum;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", err_text(errnum));
	str_plain(e->msg);
	return -1;
}

int err_msg(struct error *e, const char *fmt, ...)
{
	va_list ap;

	err_clear(e);
	e->code = EINVAL;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	str_plain(e->msg);
	return -1;
}

int err_wrap(struct error *e, const char *fmt, ...)
{
	char front[512];
	va_list ap;
	size_t n, room;

	va_start(ap, fmt);
	vsnprintf(front, sizeof(front), fmt, ap);
	va_end(ap);
	str_plain(front);
	n = strlen(front);
	room = sizeof(e->msg) - n - 3;
	if (strlen(e->msg) > room)
		e->msg[room] = 0;
	memmove(e->msg + n + 2, e->msg, strlen(e->msg) + 1);
	memcpy(e->msg, front, n);
	memcpy(e->msg + n, ": ", 2);
	return -1;
}

int err_hint(struct error *e, const char *fmt, ...)
{
	va_list ap;

	if (e->hint[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	str_plain(e->hint);
	return -1;
}

void err_clear(struct error *e)
{
	e->code = 0;
	e->exit_code = 0;
	e->msg[0] = 0;
	e->hint[0] = 0;
}
