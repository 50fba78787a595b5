/* Names: linux.cgroupsPath to a unit in a slice, slices to paths. Pure. See systemd.h. */
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/systemd.h"

#define NAME_MAX_LEN 255 /* systemd.unit(5) */
#define PREFIX "mrun"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What a unit's name may hold: systemd.unit(5), with @ and the \x2d of escaped characters. */
static bool is_unit_char(char c)
{
	return is_plain(c) || (c && strchr(":-_.\\@", c));
}

/* What KEEP does not take becomes INTRODUCER and two hexadecimal digits. */
static char *escape(struct arena *a, const char *s, bool (*keep)(char c), const char *introducer)
{
	char *r = arena_alloc(a, 4 * strlen(s) + 1), *out = r;

	for (; *s; s++)
		if (keep(*s))
			*out++ = *s;
		else
			out += snprintf(out, 5, "%s%02x", introducer, (unsigned)(unsigned char)*s);
	*out = 0;
	return r;
}

bool systemd_unit_is_slice(const char *name)
{
	return str_has_suffix(name, ".slice");
}

char *systemd_slice_path(struct arena *a, const char *slice)
{
	size_t len = strlen(slice);
	char *path = arena_strdup(a, ""), *base;

	if (!systemd_unit_is_slice(slice) || len > NAME_MAX_LEN)
		return NULL;
	base = arena_strndup(a, slice, len - strlen(".slice"));
	if (str_eq(base, "-"))
		return path;
	for (const char *p = base; *p; p++)
		if (!is_unit_char(*p) || *p == '@')
			return NULL;
	/* Each dash is a level: the slices above a-b-c.slice are a.slice and a-b.slice. An empty
	 * part is no name. */
	for (char *p = base;; p++) {
		char c = *p;

		if (c && c != '-')
			continue;
		if (p == base || p[-1] == '-')
			return NULL;
		*p = 0;
		path = arena_printf(a, "%s/%s.slice", path, base);
		*p = c;
		if (!c)
			return path;
	}
}

static int check_name(const char *name, const char *path, struct error *e)
{
	if (strlen(name) > NAME_MAX_LEN) {
		err_msg(e, "the systemd unit's name '%.60s…' has %zu characters, more than %d",
			name, strlen(name), NAME_MAX_LEN);
		return err_hint(e, "choose a shorter %s", path ? "linux.cgroupsPath" : "id");
	}
	return 0;
}

int systemd_unit_parse(struct arena *a, const char *path, const char *id, bool user,
		       struct systemd_unit *ret, struct error *e)
{
	const char *slice = "", *prefix = PREFIX, *name = id;

	if (path && *path) {
		char **parts = str_split(a, path, ':');

		if (str_list_len(parts) != 3 || strchr(path, '/')) {
			err_msg(e,
				"linux.cgroupsPath: expected it to be of format "
				"\"slice:prefix:name\" for systemd cgroups, got \"%s\" instead",
				path);
			return err_hint(e,
					"as in system.slice:mrun:%s, or leave out "
					"--systemd-cgroup",
					id);
		}
		slice = parts[0];
		prefix = parts[1];
		name = parts[2];
		if (!*name)
			return err_msg(e,
				       "linux.cgroupsPath: '%s' has no name behind the second ':'",
				       path);
	}
	if (!*slice)
		slice = user ? "user.slice" : "system.slice";
	else if (str_eq(slice, "-"))
		slice = "-.slice";
	if (!systemd_slice_path(a, slice)) {
		err_msg(e, "linux.cgroupsPath: '%s' is not the name of a slice", slice);
		return err_hint(e,
				"a-b.slice is a slice within a.slice, -.slice the one above all");
	}
	ret->slice = arena_strdup(a, slice);
	ret->name = escape(
		a,
		systemd_unit_is_slice(name) ? name : arena_printf(a, "%s-%s.scope", prefix, name),
		is_unit_char, "\\x");
	if (systemd_unit_is_slice(name) && !systemd_slice_path(a, ret->name))
		return err_msg(e, "linux.cgroupsPath: '%s' is not the name of a slice", name);
	return check_name(ret->name, path && *path ? path : NULL, e);
}

static bool is_digits(const char *s, size_t n)
{
	return n > 0 && strspn(s, "0123456789") >= n;
}

char *systemd_manager_path(struct arena *a, const char *init, const char *own, bool user, uid_t uid)
{
	static const char scope[] = "/init.scope", service[] = "/user@";

	if (!user) {
		if (!init || !str_has_suffix(init, scope))
			return arena_strdup(a, "");
		return arena_strndup(a, init, strlen(init) - strlen(scope));
	}
	for (const char *p = own ? strstr(own, service) : NULL; p; p = strstr(p + 1, service)) {
		const char *number = p + strlen(service), *end = strstr(number, ".service");

		if (end && is_digits(number, (size_t)(end - number)))
			return arena_strndup(a, own, (size_t)(end - own) + strlen(".service"));
	}
	return arena_printf(a, "/user.slice/user-%u.slice/user@%u.service", uid, uid);
}

static bool is_url_char(char c)
{
	return is_plain(c) || (c && strchr("/-_.~+", c));
}

char *systemd_mark(struct arena *a, const char *dir)
{
	return arena_printf(a, "file:%s", escape(a, dir, is_url_char, "%"));
}
