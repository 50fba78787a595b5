/* The smaller values of the command line: variables, limits, pairs, signals, resources. */
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
#define MIN_MEMORY (6 << 20) /* docker's: less does not start a program */
#define CPU_PERIOD 100000

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

static const int64_t *new_i64(struct arena *a, int64_t v)
{
	int64_t *p = ARENA_NEW(a, int64_t);

	*p = v;
	return p;
}

static const uint64_t *new_u64(struct arena *a, uint64_t v)
{
	uint64_t *p = ARENA_NEW(a, uint64_t);

	*p = v;
	return p;
}

static int size_value(struct arena *a, const char *option, const char *s, const int64_t **ret,
		      struct error *e)
{
	int64_t v;

	if (!s)
		return 0;
	if (!str_to_size(s, &v) || v <= 0)
		return err_msg(e, "--%s '%s' is not a size as in 512m", option, s);
	*ret = new_i64(a, v);
	return 0;
}

static int memory_values(struct arena *a, const struct run_options *o, struct oci_resources *r,
			 struct error *e)
{
	struct oci_memory *m = ARENA_NEW(a, struct oci_memory);

	if (size_value(a, "memory", o->memory, &m->limit, e) < 0 ||
	    size_value(a, "memory-reservation", o->memory_reservation, &m->reservation, e) < 0)
		return -1;
	if (m->limit && *m->limit < MIN_MEMORY)
		return err_msg(e, "--memory '%s': at least 6m", o->memory);
	if (o->memory_swap && str_eq(o->memory_swap, "-1"))
		m->swap = new_i64(a, -1);
	else if (size_value(a, "memory-swap", o->memory_swap, &m->swap, e) < 0)
		return -1;
	if (m->swap && !m->limit)
		return err_msg(e, "--memory-swap needs --memory as well");
	if (m->swap && *m->swap >= 0 && *m->swap < *m->limit)
		return err_msg(e, "--memory-swap counts memory and swap together: it cannot be "
				  "below --memory");
	if (m->limit && m->reservation && *m->reservation > *m->limit)
		return err_msg(e, "--memory-reservation is above --memory");
	r->memory = m;
	return 0;
}

static int cpu_values(struct arena *a, const struct run_options *o, struct oci_resources *r,
		      struct error *e)
{
	struct oci_cpu *c = ARENA_NEW(a, struct oci_cpu);

	if (o->cpus) {
		char *end;
		double v = strtod(o->cpus, &end);

		if (!isdigit((unsigned char)*o->cpus) || *end || !(v >= 0.01) || v > 8192)
			return err_msg(e, "--cpus '%s' is not a number of processors as in 1.5",
				       o->cpus);
		c->period = new_u64(a, CPU_PERIOD);
		c->quota = new_i64(a, (int64_t)(v * CPU_PERIOD + 0.5));
	}
	if (o->cpu_shares != -1) {
		if (o->cpu_shares < 0)
			return err_msg(e, "--cpu-shares %lld is negative",
				       (long long)o->cpu_shares);
		if (o->cpu_shares)
			c->shares = new_u64(a, (uint64_t)o->cpu_shares);
	}
	if ((o->cpuset_cpus && strspn(o->cpuset_cpus, "0123456789,-") != strlen(o->cpuset_cpus)) ||
	    (o->cpuset_mems && strspn(o->cpuset_mems, "0123456789,-") != strlen(o->cpuset_mems)))
		return err_msg(e, "--cpuset-cpus and --cpuset-mems take a list as in 0-2,4");
	c->cpus = o->cpuset_cpus ? arena_strdup(a, o->cpuset_cpus) : NULL;
	c->mems = o->cpuset_mems ? arena_strdup(a, o->cpuset_mems) : NULL;
	r->cpu = c;
	return 0;
}

int value_resources(struct arena *a, const struct run_options *o, struct oci_resources **ret,
		    struct error *e)
{
	struct oci_resources *r = ARENA_NEW(a, struct oci_resources);
	bool any = false;

	if (o->memory || o->memory_reservation || o->memory_swap) {
		any = true;
		if (memory_values(a, o, r, e) < 0)
			return -1;
	}
	if (o->cpus || o->cpu_shares != -1 || o->cpuset_cpus || o->cpuset_mems) {
		any = true;
		if (cpu_values(a, o, r, e) < 0)
			return -1;
	}
	if (o->pids_limit != INT64_MIN) {
		any = true;
		r->pids = ARENA_NEW(a, struct oci_pids);
		r->pids->limit = new_i64(a, o->pids_limit > 0 ? o->pids_limit : -1);
	}
	*ret = any ? r : NULL;
	return 0;
}
