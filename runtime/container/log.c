/* See log.h. */
#include "runtime/container/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "oci/base/date.h"
#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/str.h"

/* As text alone: what cannot be in JSON, and with QUOTED what would end a value of logrus' text. */
static const char *clean(struct arena *a, const char *msg, bool quoted)
{
	size_t left = strlen(msg), n;
	char *out = ARENA_ARRAY(a, left * 4 + 1, char), *to = out;

	for (; left; msg += n, left -= n) {
		n = str_utf8_length(msg, left);
		if (!n || (quoted && (unsigned char)*msg < ' ')) {
			const char *code = !n		  ? "\xef\xbf\xbd"
					   : *msg == '\n' ? "\\n"
					   : *msg == '\t' ? "\\t"
							  : "\xef\xbf\xbd";

			to = stpcpy(to, code);
			n = 1;
			continue;
		}
		if (quoted && (*msg == '"' || *msg == '\\'))
			*to++ = '\\';
		memcpy(to, msg, n);
		to += n;
	}
	return out;
}

void log_line(const struct cmd_context *c, const char *level, const char *msg)
{
	_cleanup_fd_ int fd = -1;
	struct timespec now;
	struct json_out *o;
	struct error ignored;
	char *line, *stamp;

	if (!c->log || !*c->log)
		return;
	fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0) {
		fprintf(stderr, "mrun: open the log %s: %s\n", c->log, err_text(errno));
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	stamp = date_rfc3339(c->arena, now.tv_sec, -1);
	if (c->log_json) {
		o = json_out_new(c->arena, false);
		json_out_object(o);
		json_out_kstr(o, "level", level);
		json_out_kstr(o, "msg", clean(c->arena, msg, false));
		json_out_kstr(o, "time", stamp);
		json_out_object_end(o);
		line = arena_printf(c->arena, "%s\n", json_out_finish(o, NULL));
	} else {
		line = arena_printf(c->arena, "time=\"%s\" level=%s msg=\"%s\"\n", stamp, level,
				    clean(c->arena, msg, true));
	}
	file_write_all(fd, line, strlen(line), c->log, &ignored);
}

void log_warnings(const struct cmd_context *c, const struct strlist *list)
{
	for (size_t i = 0; i < list->n; i++) {
		log_line(c, "warning", list->items[i]);
		if (c->debug && !c->log)
			fprintf(stderr, "mrun: warning: %s\n", list->items[i]);
	}
}

/* All the rest of the resources is set or refused. */
void log_without_effect(const struct cmd_context *c, const struct oci_resources *r)
{
	struct strlist list = { 0 };

	if (!r || !r->memory || !r->memory->kernel || *r->memory->kernel <= 0)
		return;
	strlist_add(c->arena, &list,
		    "linux.resources.memory.kernel: the kernel has this limit no more; it has no "
		    "effect");
	log_warnings(c, &list);
}

void log_debug(const struct cmd_context *c, const char *fmt, ...)
{
	va_list ap;
	char *msg;

	if (!c->debug)
		return;
	va_start(ap, fmt);
	msg = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	if (c->log && *c->log)
		log_line(c, "debug", msg);
	else
		fprintf(stderr, "mrun: debug: %s\n", msg);
}
