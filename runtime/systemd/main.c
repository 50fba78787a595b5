/*
 * mrun-systemd: asks systemd, on behalf of mrun, for a container's cgroup. It is started by mrun
 * alone and has one descriptor, 3, on which it reads a request (a line of JSON) and writes one
 * answer: {"error", "code", "hint"} or an object of the operation's.
 *
 *   start   unit, properties      connects, reads a second line {"pid"}, starts the unit with that
 *                                 process in it, waits: {"cgroup"}
 *   set     unit, properties      until the unit ends
 *   attach  unit, sub, pid        moves a process into the unit's cgroup
 *   stop    unit, mark            only a unit that has the mark
 *   probe                         {"version", "cgroup"} of the manager
 *
 * Why a program of its own: sd-bus is a library of 1 MB with a parser for what comes over a bus;
 * neither belongs into the static core. And what it waits for, the core need not: "start" connects
 * and subscribes while the container is being made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/systemd/unit.h"

#define SOCK_FD 3
#define REQUEST_MAX (4u << 20)

struct reader {
	struct arena *arena;
	char *buf;
	size_t size, len, used;
};

static bool make_room(struct reader *r)
{
	char *bigger;

	if (r->len < r->size)
		return true;
	if (r->size >= REQUEST_MAX)
		return false;
	r->size = r->size ? 4 * r->size : 16384;
	bigger = arena_alloc(r->arena, r->size);
	if (r->len)
		memcpy(bigger, r->buf, r->len);
	r->buf = bigger;
	return true;
}

/* The next line, NUL-terminated; NULL at the end of the file: mrun is gone. */
static char *next_line(struct reader *r)
{
	for (;;) {
		char *start = r->len ? r->buf + r->used : NULL;
		char *nl = r->len ? memchr(start, '\n', r->len - r->used) : NULL;
		ssize_t n;

		if (nl) {
			*nl = 0;
			r->used = (size_t)(nl - r->buf) + 1;
			return start;
		}
		if (!make_room(r))
			return NULL;
		n = read(SOCK_FD, r->buf + r->len, r->size - r->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		r->len += (size_t)n;
	}
}

static const struct json_value *next_object(struct arena *a, struct reader *r, struct error *e)
{
	char *line = next_line(r);
	const struct json_value *v;

	if (!line)
		_exit(1);
	v = json_parse(a, line, strlen(line), "the request", e);
	if (v && v->type != JSON_OBJECT) {
		err_msg(e, "the request is not an object");
		return NULL;
	}
	return v;
}

static int64_t get_pid(const struct json_value *v)
{
	const struct json_value *n = json_get(v, "pid");
	uint64_t pid;

	return n && n->type == JSON_NUMBER && str_to_u64(n->text, INT32_MAX, &pid) ? (int64_t)pid
										   : 0;
}

static int check_strings(const struct json_value *list, struct error *e)
{
	if (!list || list->type != JSON_ARRAY)
		return err_msg(e, "the request has no addresses");
	for (size_t i = 0; i < list->len; i++)
		if (list->members[i].value.type != JSON_STRING)
			return err_msg(e, "the request's addresses are not strings");
	return 0;
}

static int do_start(struct manager *m, struct reader *r, const char *unit,
		    const struct json_value *properties, struct json_out *o, struct error *e)
{
	const struct json_value *second;
	char *cgroup;

	if (unit_prepare(m, e) < 0)
		return -1;
	second = next_object(m->arena, r, e);
	if (!second)
		return -1;
	if (get_pid(second) <= 0)
		return err_msg(e, "the request has no pid");
	if (unit_start(m, unit, properties, get_pid(second), &cgroup, e) < 0)
		return -1;
	json_out_kstr(o, "cgroup", cgroup);
	return 0;
}

static int do_stop(struct manager *m, const char *unit, const char *mark, struct error *e)
{
	if (!mark)
		return err_msg(e, "the request has no mark");
	if (unit_prepare(m, e) < 0)
		return -1;
	return unit_stop(m, unit, mark, e);
}

static int do_probe(struct manager *m, struct json_out *o, struct error *e)
{
	char *cgroup = manager_string(m, MANAGER_PATH, MANAGER ".Manager", "ControlGroup", e);

	if (!cgroup)
		return -1;
	json_out_kstr(o, "version", m->version);
	json_out_kstr(o, "cgroup", cgroup);
	return 0;
}

static int serve(struct arena *a, struct reader *r, struct json_out *o, struct error *e)
{
	const struct json_value *q = next_object(a, r, e), *addresses, *user, *properties;
	const char *operation, *unit;
	struct manager m;

	if (!q)
		return -1;
	addresses = json_get(q, "addresses");
	user = json_get(q, "user");
	properties = json_get(q, "properties");
	operation = json_get_str(q, "operation");
	unit = json_get_str(q, "unit");
	if (check_strings(addresses, e) < 0)
		return -1;
	if (!operation || (!unit && !str_eq(operation, "probe")) ||
	    (properties && properties->type != JSON_ARRAY))
		return err_msg(e, "the request is incomplete");
	if (manager_open(a, addresses, user && user->type == JSON_BOOL && user->boolean, &m, e) < 0)
		return -1;
	if (str_eq(operation, "probe"))
		return do_probe(&m, o, e);
	if (str_eq(operation, "start"))
		return do_start(&m, r, unit, properties, o, e);
	if (str_eq(operation, "set"))
		return unit_set(&m, unit, properties, e);
	if (str_eq(operation, "stop"))
		return do_stop(&m, unit, json_get_str(q, "mark"), e);
	if (str_eq(operation, "attach")) {
		const char *sub = json_get_str(q, "sub");

		return unit_attach(&m, unit, sub ? sub : "", get_pid(q), e);
	}
	return err_msg(e, "the request's operation '%s' is not known", operation);
}

static int answer(struct json_out *o)
{
	size_t len, sent = 0;
	char *text;

	json_out_object_end(o);
	text = json_out_finish(o, &len);
	text[len++] = '\n'; /* in place of the NUL */
	while (sent < len) {
		ssize_t n = send(SOCK_FD, text + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 1;
		sent += (size_t)n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct arena arena;
	static struct error error;
	int type = 0;
	socklen_t len = sizeof(type);
	struct json_out *o;
	struct reader r = { .arena = &arena };

	(void)argv;
	if (argc != 1 || getsockopt(SOCK_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
		fputs("mrun-systemd: started by mrun, not by hand: mrun --systemd-cgroup …\n",
		      stderr);
		return 125;
	}
	o = json_out_new(&arena, false);
	json_out_object(o);
	if (serve(&arena, &r, o, &error) < 0) {
		o = json_out_new(&arena, false);
		json_out_object(o);
		json_out_kstr(o, "error", error.msg);
		json_out_ki64(o, "code", error.code);
		json_out_kstr(o, "hint", error.hint);
	}
	return answer(o);
}
