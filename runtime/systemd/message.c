/*
 * Properties from their JSON into a D-Bus message. The types come from the core, which has checked
 * the values against them; they are checked again here as they are written, since a value of
 * another type would be a message that systemd takes for something else.
 */
#include <errno.h>
#include <stdlib.h>

#include "oci/base/str.h"
#include "runtime/systemd/unit.h"

#define DEPTH_MAX 8

static bool number(const struct json_value *v, uint64_t max, uint64_t *ret)
{
	return v->type == JSON_NUMBER && str_to_u64(v->text, max, ret);
}

static bool integer(const struct json_value *v, int64_t min, int64_t max, int64_t *ret)
{
	return v->type == JSON_NUMBER && str_to_i64(v->text, ret) && *ret >= min && *ret <= max;
}

static int append_basic(sd_bus_message *msg, char type, const struct json_value *v)
{
	uint64_t u = 0;
	int64_t i = 0;
	double d;
	char *end;

	switch (type) {
	case 'b':
		return v->type == JSON_BOOL ? sd_bus_message_append(msg, "b", (int)v->boolean)
					    : -EINVAL;
	case 'y':
		return number(v, UINT8_MAX, &u) ? sd_bus_message_append(msg, "y", (int)u) : -EINVAL;
	case 'q':
		return number(v, UINT16_MAX, &u) ? sd_bus_message_append(msg, "q", (int)u)
						 : -EINVAL;
	case 'u':
		return number(v, UINT32_MAX, &u) ? sd_bus_message_append(msg, "u", (uint32_t)u)
						 : -EINVAL;
	case 't':
		return number(v, UINT64_MAX, &u) ? sd_bus_message_append(msg, "t", u) : -EINVAL;
	case 'n':
		return integer(v, INT16_MIN, INT16_MAX, &i)
			       ? sd_bus_message_append(msg, "n", (int)i)
			       : -EINVAL;
	case 'i':
		return integer(v, INT32_MIN, INT32_MAX, &i)
			       ? sd_bus_message_append(msg, "i", (int)i)
			       : -EINVAL;
	case 'x':
		return integer(v, INT64_MIN, INT64_MAX, &i) ? sd_bus_message_append(msg, "x", i)
							    : -EINVAL;
	case 'd':
		if (v->type != JSON_STRING)
			return -EINVAL;
		d = strtod(v->text, &end);
		return *v->text && !*end ? sd_bus_message_append(msg, "d", d) : -EINVAL;
	case 's':
	case 'o':
	case 'g':
		return v->type == JSON_STRING ? sd_bus_message_append_basic(msg, type, v->text)
					      : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* The length of the complete type at S, which the core has checked. */
static size_t type_length(const char *s)
{
	size_t depth = 0, n = 0;

	while (s[n] == 'a')
		n++;
	do {
		if (s[n] == '(')
			depth++;
		else if (s[n] == ')')
			depth--;
		if (!s[n])
			return n;
		n++;
	} while (depth);
	return n;
}

static int append(struct arena *a, sd_bus_message *msg, const char *type,
		  const struct json_value *v, unsigned depth)
{
	const char *t = type + 1;
	bool array = *type == 'a';
	int r;

	if (!array && *type != '(')
		return append_basic(msg, *type, v);
	if (depth > DEPTH_MAX || v->type != JSON_ARRAY)
		return -EINVAL;
	r = array ? sd_bus_message_open_container(msg, 'a', t)
		  : sd_bus_message_open_container(msg, 'r',
						  arena_strndup(a, t, type_length(type) - 2));
	for (size_t i = 0; r >= 0 && i < v->len; i++) {
		size_t len = type_length(t);

		if (!len || *t == ')')
			return -EINVAL;
		r = append(a, msg, arena_strndup(a, t, len), &v->members[i].value, depth + 1);
		if (!array)
			t += len;
	}
	if (r >= 0 && !array && *t != ')')
		return -EINVAL;
	return r < 0 ? r : sd_bus_message_close_container(msg);
}

static int append_property(struct manager *m, sd_bus_message *msg, const struct json_value *p)
{
	const char *name = json_get_str(p, "name"), *type = json_get_str(p, "type");
	const struct json_value *v = json_get(p, "value"), *since = json_get(p, "since");
	uint64_t first = 0;
	int r;

	if (!name || !type || !*type || !v)
		return -EINVAL;
	if (since && number(since, UINT32_MAX, &first) && m->number && m->number < first)
		return 0;
	if ((r = sd_bus_message_open_container(msg, 'r', "sv")) < 0 ||
	    (r = sd_bus_message_append(msg, "s", name)) < 0 ||
	    (r = sd_bus_message_open_container(msg, 'v', type)) < 0 ||
	    (r = append(m->arena, msg, type, v, 0)) < 0 ||
	    (r = sd_bus_message_close_container(msg)) < 0)
		return r;
	return sd_bus_message_close_container(msg);
}

int message_append_properties(struct manager *m, sd_bus_message *msg,
			      const struct json_value *properties, int64_t pid, struct error *e)
{
	int r = sd_bus_message_open_container(msg, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && properties && i < properties->len; i++) {
		const struct json_value *p = &properties->members[i].value;
		const char *name = json_get_str(p, "name");

		r = append_property(m, msg, p);
		if (r < 0)
			return err_sys(e, -r, "property %s of the unit", name ? name : "?");
	}
	if (r >= 0 && pid)
		r = sd_bus_message_append(msg, "(sv)", "PIDs", "au", 1, (uint32_t)pid);
	if (r >= 0)
		r = sd_bus_message_close_container(msg);
	return r < 0 ? err_sys(e, -r, "make a message for systemd") : 0;
}
