/* The smaller values of the command line: variables, limits, pairs, signals. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/image/options.h"

#define MAX_ENV_FILE (4u * 1024 * 1024)

int value_env(struct arena *a, const char *s, struct strlist *l, struct error *e)
{
	const char *v;

	if (!*s || *s == '=')
		return err_msg(e, "--env '%s': the name is empty", s);
	if (strchr(s, '=')) {
		strlist_add(a, l, s);
		return 0;
	}
	v = getenv(s);
	strlist_add(a, l, v ? arena_printf(a, "%s=%s", s, v) : s);
	return 0;
}

int value_env_file(struct arena *a, const char *path, struct strlist *l, struct error *e)
{
	char *text, *line;
	size_t len;
	unsigned number = 0;

	if (file_read(a, AT_FDCWD, path, MAX_ENV_FILE, &text, &len, e) < 0)
		return err_wrap(e, "--env-file");
	if (memchr(text, 0, len))
		return err_msg(e, "--env-file %s: a NUL byte in it", path);
	if (str_has_prefix(text, "\xef\xbb\xbf"))
		text += 3;
	while ((line = strsep(&text, "\n"))) {
		size_t n = strlen(line), name;

		number++;
		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		name = strcspn(line, "=");
		if (!name)
			return err_msg(e, "--env-file %s, line %u: the name is empty", path,
				       number);
		for (size_t i = 0; i < name; i++)
			if (isspace((unsigned char)line[i]))
				return err_msg(e, "--env-file %s, line %u: a blank in the name",
					       path, number);
		if (line[name])
			strlist_add(a, l, line);
		else if (getenv(line))
			strlist_add(a, l, arena_printf(a, "%s=%s", line, getenv(line)));
	}
	return 0;
}

int value_label_file(struct arena *a, const char *path, struct strlist *l, struct error *e)
{
	char *text, *line;
	size_t len;

	if (file_read(a, AT_FDCWD, path, MAX_ENV_FILE, &text, &len, e) < 0)
		return err_wrap(e, "--label-file");
	if (memchr(text, 0, len))
		return err_msg(e, "--label-file %s: a NUL byte in it", path);
	while ((line = strsep(&text, "\n"))) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		line += strspn(line, " \t");
		if (*line && *line != '#')
			strlist_add(a, l, line);
	}
	return 0;
}

static const char *const limits[] = {
	"core",	  "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
	"nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack",
};

static bool limit_value(const char *s, uint64_t *ret)
{
	if (str_eq(s, "-1") || str_eq(s, "unlimited")) {
		*ret = UINT64_MAX;
		return true;
	}
	return str_to_u64(s, INT64_MAX, ret);
}

int value_ulimit(struct arena *a, const char *s, struct oci_rlimit *ret, struct error *e)
{
	char *name = arena_strdup(a, s), *soft = strchr(name, '='), *hard;
	uint64_t *v = ARENA_ARRAY(a, 2, uint64_t);
	size_t i;

	if (!soft)
		return err_msg(e, "--ulimit '%s' is not TYPE=SOFT[:HARD]", s);
	*soft++ = 0;
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = 0;
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (str_eq(name, limits[i]))
			break;
	if (i == sizeof(limits) / sizeof(limits[0])) {
		err_msg(e, "--ulimit '%s': there is no limit '%s'", s, name);
		return err_hint(e,
				"core cpu data fsize locks memlock msgqueue nice nofile nproc rss "
				"rtprio rttime sigpending stack");
	}
	if (!limit_value(soft, &v[0]) || !limit_value(hard ? hard : soft, &v[1]))
		return err_msg(e, "--ulimit '%s': not a number", s);
	if (v[0] > v[1])
		return err_msg(e, "--ulimit '%s': the soft limit is above the hard one", s);
	ret->type = arena_printf(a, "RLIMIT_%s", name);
	for (char *p = ret->type; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	ret->soft = &v[0];
	ret->hard = &v[1];
	return 0;
}

int value_pair(struct arena *a, const char *option, const char *s, bool need_value,
	       struct json_pair *ret, struct error *e)
{
	/* Annotations that a runtime or its tools take for settings. */
	static const char *const reserved[] = { "org.systemd.property.", "run.oci.", "io.podman.",
						"io.mrun.", "org.opencontainers.image." };
	const char *eq = strchr(s, '=');

	if (!*s || eq == s)
		return err_msg(e, "--%s '%s': the name is empty", option, s);
	if (!eq && need_value)
		return err_msg(e, "--%s '%s' is not NAME=VALUE", option, s);
	for (size_t i = 0; !need_value && i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (str_has_prefix(s, reserved[i]))
			return err_msg(e, "--%s '%s': names with %s… have a meaning of their own",
				       option, s, reserved[i]);
	ret->key = eq ? arena_strndup(a, s, (size_t)(eq - s)) : arena_strdup(a, s);
	ret->value = arena_strdup(a, eq ? eq + 1 : "");
	return 0;
}

int value_signal(const char *s)
{
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;
	uint64_t number;

	if (str_to_u64(s, (uint64_t)SIGRTMAX, &number))
		return (int)number;
	for (int i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && strcasecmp(name, sigabbrev_np(i)) == 0)
			return i;
	if (strncasecmp(name, "RTMIN+", 6) == 0 &&
	    str_to_u64(name + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &number))
		return SIGRTMIN + (int)number;
	if (strncasecmp(name, "RTMAX-", 6) == 0 &&
	    str_to_u64(name + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &number))
		return SIGRTMAX - (int)number;
	return strcasecmp(name, "RTMIN") == 0	? SIGRTMIN
	       : strcasecmp(name, "RTMAX") == 0 ? SIGRTMAX
						: 0;
}
