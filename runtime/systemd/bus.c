/* Reaching systemd: which socket, and what is said when there is none. See unit.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/systemd/unit.h"

#define CALL_TIMEOUT_USEC (25 * 1000000ull)

int bus_failed(struct error *e, int r, const sd_bus_error *b, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!b || !b->message)
		return err_sys(e, r < 0 ? -r : EIO, "%s", what);
	err_msg(e, "%s: %s", what, b->message);
	e->code = sd_bus_error_get_errno(b);
	if (sd_bus_error_has_name(b,
				  "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") ||
	    sd_bus_error_has_name(b, SD_BUS_ERROR_ACCESS_DENIED))
		err_hint(e, "this systemd does not take orders from you: without root it is your "
			    "own manager (systemctl --user) that can be asked");
	return -1;
}

/* The socket of the manager itself, which no bus daemon stands before. */
static bool is_direct(const char *address)
{
	return str_has_suffix(address, "/systemd/private");
}

static int connect_to(const char *address, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0 && !is_direct(address))
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT_USEC);
	/* sd-bus lets the other side find out who we are (SASL EXTERNAL without a name), so that
	 * this also works in a user namespace, where our uid has another number. */
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_close_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

char *manager_string(struct manager *m, const char *path, const char *interface, const char *name,
		     struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	char *text = NULL, *copy = NULL;
	int r = sd_bus_get_property_string(m->bus, MANAGER, path, interface, name, &error, &text);

	if (r < 0)
		bus_failed(e, r, &error, "ask systemd for %s", name);
	else
		copy = arena_strdup(m->arena, text);
	sd_bus_error_free(&error);
	free(text);
	return copy;
}

static int no_manager(bool user, const char *tried, int code, struct error *e)
{
	err_msg(e, "reach systemd%s: %s", user ? "'s manager of your user" : "", tried);
	e->code = code;
	if (user)
		return err_hint(e,
				"log in through a session of its own (ssh, machinectl shell), or "
				"as root run `loginctl enable-linger USER`; after su, set "
				"XDG_RUNTIME_DIR=/run/user/UID. Or leave out --systemd-cgroup");
	return err_hint(e, "this takes a host whose init is systemd, with a bus (Debian: dbus). Or "
			   "leave out --systemd-cgroup and give linux.cgroupsPath as a path");
}

int manager_open(struct arena *a, const struct json_value *addresses, bool user,
		 struct manager *ret, struct error *e)
{
	char *tried = arena_strdup(a, "");
	int code = ENOENT;

	for (size_t i = 0; addresses && i < addresses->len; i++) {
		const char *address = addresses->members[i].value.text, *why;
		struct manager m = { .arena = a, .user = user };
		struct error each;
		const char *digits;
		int r = connect_to(address, &m.bus);

		err_clear(&each);
		if (r >= 0)
			m.version = manager_string(&m, MANAGER_PATH, MANAGER ".Manager", "Version",
						   &each);
		if (m.version) {
			digits = m.version + strcspn(m.version, "0123456789");
			m.number = (unsigned)strtoul(digits, NULL, 10);
			*ret = m;
			return 0;
		}
		if (r >= 0)
			code = each.code;
		else if (r != -ENOENT)
			code = -r;
		why = r < 0 ? err_text(-r) : each.msg;
		tried = arena_printf(a, "%s%s%s: %s", tried, *tried ? "; " : "", address, why);
		sd_bus_close_unref(m.bus);
	}
	return no_manager(user, tried, code, e);
}
