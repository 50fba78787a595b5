/*
 * -v, --mount, --tmpfs and --device, parsed into mounts. Sources are the user's and are taken as
 * they stand: they are no options of mount(2), so that commas, colons (in --mount) and backslashes
 * in a path mean nothing (CVE-2024-9407). What is a mere option is looked up in a table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/image/options.h"

static struct oci_mount *add(struct arena *a, struct mount_list *l)
{
	if (l->n == l->cap) {
		struct oci_mount *m = ARENA_ARRAY(a, l->cap * 2 + 8, struct oci_mount);

		if (l->n)
			memcpy(m, l->items, l->n * sizeof(*m));
		l->items = m;
		l->cap = l->cap * 2 + 8;
	}
	return &l->items[l->n++];
}

static int check_target(struct arena *a, const char *option, const char *target, char **ret,
			struct error *e)
{
	if (*target != '/') {
		err_msg(e, "%s: the target '%s' is not an absolute path", option, target);
		return err_hint(e, "it is a path in the container");
	}
	*ret = path_clean(a, target);
	if (str_eq(*ret, "/"))
		return err_msg(e, "%s: the target cannot be /", option);
	return 0;
}

/* The absolute path of a source that exists. */
static int check_source(struct arena *a, const char *option, const char *source, const char **ret,
			struct error *e)
{
	struct stat st;

	if (stat(source, &st) < 0) {
		err_sys(e, errno, "%s: source %s", option, source);
		return e->code == ENOENT ? err_hint(e, "make it first: mkdir -p '%s'", source) : -1;
	}
	*ret = *source == '/' ? source : path_real(a, source, e);
	return *ret ? 0 : -1;
}

static int named_volume(const char *option, const char *name, struct error *e)
{
	err_msg(e, "%s: named volumes ('%s') are not supported: mrun has no volume store", option,
		name);
	return err_hint(e, "give a directory of the host: -v ./%s:/PATH", name);
}

/* What -v takes after the second colon, and what it becomes. */
static const struct {
	const char *name;
	const char *opts[2];
} volume_options[] = {
	{ "rw", { NULL, NULL } },
	/* Read-only all the way down, as docker does since version 25. */
	{ "ro", { "ro", "rro" } },
	{ "private", { "private", NULL } },
	{ "rprivate", { "rprivate", NULL } },
	{ "slave", { "slave", NULL } },
	{ "rslave", { "rslave", NULL } },
	{ "shared", { "shared", NULL } },
	{ "rshared", { "rshared", NULL } },
	{ "exec", { "exec", NULL } },
	{ "noexec", { "noexec", NULL } },
	{ "suid", { "suid", NULL } },
	{ "nosuid", { "nosuid", NULL } },
	{ "dev", { "dev", NULL } },
	{ "nodev", { "nodev", NULL } },
	/* Docker's own documentation: these do nothing on Linux. */
	{ "consistent", { NULL, NULL } },
	{ "cached", { NULL, NULL } },
	{ "delegated", { NULL, NULL } },
};

static int volume_option(struct arena *a, const char *s, struct strlist *l, struct error *e)
{
	static const char selinux[] = "/sys/fs/selinux/enforce";
	struct stat st;

	for (size_t i = 0; i < sizeof(volume_options) / sizeof(volume_options[0]); i++) {
		if (!str_eq(s, volume_options[i].name))
			continue;
		for (int j = 0; j < 2; j++)
			if (volume_options[i].opts[j])
				strlist_add(a, l, volume_options[i].opts[j]);
		return 0;
	}
	/* Relabelling has nothing to do where there is no SELinux. */
	if ((str_eq(s, "z") || str_eq(s, "Z")) && stat(selinux, &st) < 0)
		return 0;
	if (str_eq(s, "z") || str_eq(s, "Z"))
		return err_msg(e, "option '%s': relabelling for SELinux is not there yet", s);
	return err_msg(e, "unknown option '%s'", s);
}

static void add_bind(struct arena *a, struct mount_list *l, const char *source, char *target,
		     bool recursive, struct strlist *extra)
{
	struct strlist o = { 0 };
	struct oci_mount *m = add(a, l);
	bool propagation = false;

	strlist_add(a, &o, recursive ? "rbind" : "bind");
	for (size_t i = 0; i < extra->n; i++) {
		strlist_add(a, &o, extra->items[i]);
		propagation |= strstr(extra->items[i], "private") ||
			       strstr(extra->items[i], "slave") ||
			       strstr(extra->items[i], "shared");
	}
	if (!propagation)
		strlist_add(a, &o, "rprivate");
	if (l->idmap)
		strlist_add(a, &o, recursive ? "ridmap" : "idmap");
	*m = (struct oci_mount){
		.destination = target,
		.type = arena_strdup(a, "bind"),
		.source = arena_strdup(a, source),
		.options = o.items,
	};
}

int mount_parse_volume(struct arena *a, const char *s, struct mount_list *l, struct error *e)
{
	char **f = str_split(a, s, ':'), *target;
	size_t n = str_list_len(f);
	struct strlist opts = { 0 };
	const char *source;

	if (n > 3 || !*f[0] || (n > 1 && !*f[1])) {
		err_msg(e, "--volume '%s' is not [SOURCE:]TARGET[:OPTIONS]", s);
		return n > 3 ? err_hint(e, "a path with a colon in it goes into --mount") : -1;
	}
	if (check_target(a, "--volume", n == 1 ? f[0] : f[1], &target, e) < 0)
		return -1;
	if (n == 1) {
		strlist_add(a, &l->volumes, target);
		return 0;
	}
	if (*f[0] != '/' && *f[0] != '.' && !strchr(f[0], '/'))
		return named_volume("--volume", f[0], e);
	if (check_source(a, "--volume", f[0], &source, e) < 0)
		return -1;
	if (n == 3) {
		char **o = str_split(a, f[2], ',');

		for (; *o; o++)
			if (volume_option(a, *o, &opts, e) < 0)
				return err_wrap(e, "--volume '%s'", s);
	}
	add_bind(a, l, source, target, true, &opts);
	return 0;
}

static const char *const tmpfs_default[] = { "noexec", "nosuid", "nodev" };

/* Options of a tmpfs: flags, or settings with a number. */
static int tmpfs_option(struct arena *a, const char *s, struct strlist *l, struct error *e)
{
	static const char *const flags[] = { "rw",	  "ro",		"exec",	       "noexec",
					     "suid",	  "nosuid",	"dev",	       "nodev",
					     "sync",	  "async",	"atime",       "noatime",
					     "relatime",  "norelatime", "strictatime", "diratime",
					     "nodiratime" };
	static const char *const settings[] = { "size=", "mode=",      "uid=",
						"gid=",	 "nr_inodes=", "nr_blocks=" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (str_eq(s, flags[i])) {
			strlist_add(a, l, s);
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		size_t n = strlen(settings[i]);

		if (strncmp(s, settings[i], n) != 0)
			continue;
		if (!s[n] || strspn(s + n, "0123456789kKmMgGtT%") != strlen(s + n))
			return err_msg(e, "option '%s': not a number", s);
		strlist_add(a, l, s);
		return 0;
	}
	return err_msg(e, "unknown option '%s'", s);
}

static void add_tmpfs(struct arena *a, struct mount_list *l, char *target, struct strlist *extra)
{
	struct strlist o = { 0 };
	struct oci_mount *m = add(a, l);

	for (size_t i = 0; i < 3; i++)
		if (!str_list_has(extra->items, tmpfs_default[i] + 2))
			strlist_add(a, &o, tmpfs_default[i]);
	for (size_t i = 0; i < extra->n; i++)
		if (!str_list_has(o.items, extra->items[i]))
			strlist_add(a, &o, extra->items[i]);
	*m = (struct oci_mount){
		.destination = target,
		.type = arena_strdup(a, "tmpfs"),
		.source = arena_strdup(a, "tmpfs"),
		.options = o.items ? o.items : ARENA_ARRAY(a, 1, char *),
	};
}

int mount_parse_tmpfs(struct arena *a, const char *s, struct mount_list *l, struct error *e)
{
	const char *colon = strchr(s, ':');
	char *target, **o;
	struct strlist opts = { 0 };

	if (check_target(a, "--tmpfs", colon ? arena_strndup(a, s, (size_t)(colon - s)) : s,
			 &target, e) < 0)
		return -1;
	for (o = colon && colon[1] ? str_split(a, colon + 1, ',') : NULL; o && *o; o++)
		if (tmpfs_option(a, *o, &opts, e) < 0)
			return err_wrap(e, "--tmpfs '%s'", s);
	add_tmpfs(a, l, target, &opts);
	return 0;
}

/* One record of comma-separated values (RFC 4180); NULL when quotes do not match. */
static char **split_csv(struct arena *a, const char *s)
{
	struct strlist l = { 0 };

	for (;;) {
		char *field = arena_alloc(a, strlen(s) + 1), *out = field;

		if (*s == '"') {
			for (s++; *s && !(*s == '"' && s[1] != '"'); s++) {
				s += *s == '"';
				*out++ = *s;
			}
			if (*s++ != '"' || (*s && *s != ','))
				return NULL;
		} else {
			while (*s && *s != ',') {
				if (*s == '"')
					return NULL;
				*out++ = *s++;
			}
		}
		strlist_add(a, &l, field);
		if (!*s)
			return l.items;
		s++;
	}
}

/* --mount's fields as they were given. */
struct mount_fields {
	const char *type, *source, *target, *propagation, *size, *mode, *recursive;
	bool readonly, nonrecursive;
};
static const struct {
	const char *key;
	size_t off;
	bool flag;
} mount_keys[] = {
	{ "type", offsetof(struct mount_fields, type), false },
	{ "source", offsetof(struct mount_fields, source), false },
	{ "src", offsetof(struct mount_fields, source), false },
	{ "target", offsetof(struct mount_fields, target), false },
	{ "destination", offsetof(struct mount_fields, target), false },
	{ "dst", offsetof(struct mount_fields, target), false },
	{ "readonly", offsetof(struct mount_fields, readonly), true },
	{ "ro", offsetof(struct mount_fields, readonly), true },
	{ "bind-nonrecursive", offsetof(struct mount_fields, nonrecursive), true },
	{ "bind-propagation", offsetof(struct mount_fields, propagation), false },
	{ "bind-recursive", offsetof(struct mount_fields, recursive), false },
	{ "tmpfs-size", offsetof(struct mount_fields, size), false },
	{ "tmpfs-mode", offsetof(struct mount_fields, mode), false },
};

static int mount_field(struct arena *a, const char *field, struct mount_fields *m, struct error *e)
{
	size_t n = strcspn(field, "=");
	const char *value = field[n] ? field + n + 1 : NULL;

	for (size_t i = 0; i < sizeof(mount_keys) / sizeof(mount_keys[0]); i++) {
		char *p = (char *)m + mount_keys[i].off;

		if (strlen(mount_keys[i].key) != n || strncmp(mount_keys[i].key, field, n) != 0)
			continue;
		if (mount_keys[i].flag) {
			if (value && !str_eq(value, "true") && !str_eq(value, "1") &&
			    !str_eq(value, "false") && !str_eq(value, "0"))
				return err_msg(e, "'%s': neither true nor false", field);
			*(bool *)p = !value || str_eq(value, "true") || str_eq(value, "1");
			return 0;
		}
		if (!value || !*value)
			return err_msg(e, "'%.*s' needs a value", (int)n, field);
		*(const char **)p = arena_strdup(a, value);
		return 0;
	}
	return err_msg(e, "unknown field '%.*s'", (int)n, field);
}

static int mount_bind(struct arena *a, const struct mount_fields *m, char *target,
		      struct mount_list *l, struct error *e)
{
	static const char *const propagations[] = { "private", "rprivate", "slave",
						    "rslave",  "shared",   "rshared" };
	bool recursive = !m->nonrecursive, deep = true, known = !m->propagation;
	struct strlist opts = { 0 };
	const char *source;

	if (!m->source)
		return err_msg(e, "type=bind needs a source");
	if (m->size || m->mode)
		return err_msg(e, "tmpfs-size and tmpfs-mode do not go with type=bind");
	if (check_source(a, "source", m->source, &source, e) < 0)
		return -1;
	for (size_t i = 0; i < 6 && !known; i++)
		known = str_eq(m->propagation, propagations[i]);
	if (!known)
		return err_msg(e, "bind-propagation '%s' is none", m->propagation);
	if (m->recursive) {
		if (str_eq(m->recursive, "disabled"))
			recursive = false;
		else if (str_eq(m->recursive, "writable"))
			deep = false;
		else if (!str_eq(m->recursive, "enabled") && !str_eq(m->recursive, "readonly"))
			return err_msg(e,
				       "bind-recursive '%s' is none of enabled, disabled, "
				       "writable and readonly",
				       m->recursive);
	}
	if (m->readonly) {
		strlist_add(a, &opts, "ro");
		if (recursive && deep)
			strlist_add(a, &opts, "rro");
	}
	if (m->propagation)
		strlist_add(a, &opts, m->propagation);
	add_bind(a, l, source, target, recursive, &opts);
	return 0;
}

static int mount_tmpfs(struct arena *a, const struct mount_fields *m, char *target,
		       struct mount_list *l, struct error *e)
{
	struct strlist opts = { 0 };
	int64_t size;
	uint32_t mode;

	if (m->source || m->propagation || m->nonrecursive || m->recursive)
		return err_msg(e, "source and bind-… do not go with type=tmpfs");
	if (m->readonly)
		strlist_add(a, &opts, "ro");
	if (m->size) {
		if (!str_to_size(m->size, &size))
			return err_msg(e, "tmpfs-size '%s' is not a size", m->size);
		strlist_add(a, &opts, arena_printf(a, "size=%lld", (long long)size));
	}
	if (m->mode) {
		if (!str_to_mode(m->mode, 07777, &mode))
			return err_msg(e, "tmpfs-mode '%s' is not an octal mode", m->mode);
		strlist_add(a, &opts, arena_printf(a, "mode=%o", mode));
	}
	add_tmpfs(a, l, target, &opts);
	return 0;
}

static int mount_by_fields(struct arena *a, const struct mount_fields *m, struct mount_list *l,
			   struct error *e)
{
	char *target;

	if (!m->target)
		return err_msg(e, "the target is missing");
	if (check_target(a, "mount", m->target, &target, e) < 0)
		return -1;
	if (m->type && str_eq(m->type, "bind"))
		return mount_bind(a, m, target, l, e);
	if (m->type && str_eq(m->type, "tmpfs"))
		return mount_tmpfs(a, m, target, l, e);
	if (m->type && !str_eq(m->type, "volume")) {
		err_msg(e, "type '%s' is not supported", m->type);
		return err_hint(e, "there are bind, tmpfs and volume");
	}
	if (m->source)
		return named_volume("type=volume", m->source, e);
	if (m->readonly || m->size || m->mode || m->propagation || m->recursive || m->nonrecursive)
		return err_msg(e, "type=volume takes a target only");
	strlist_add(a, &l->volumes, target);
	return 0;
}

int mount_parse_mount(struct arena *a, const char *s, struct mount_list *l, struct error *e)
{
	struct mount_fields m = { 0 };
	char **fields = split_csv(a, s);

	if (!fields) {
		err_msg(e, "--mount '%s': quotes in the middle of a field", s);
		return err_hint(e, "the whole field stands in quotes: \"source=/a,b\",target=/c");
	}
	for (; *fields; fields++)
		if (mount_field(a, *fields, &m, e) < 0)
			return err_wrap(e, "--mount '%s'", s);
	if (mount_by_fields(a, &m, l, e) < 0)
		return err_wrap(e, "--mount '%s'", s);
	return 0;
}

static bool is_access(const char *s)
{
	return *s && strspn(s, "rwm") == strlen(s);
}

int mount_parse_device(struct arena *a, const char *s, struct mount_list *l, struct error *e)
{
	char **f = str_split(a, s, ':'), *target;
	size_t n = str_list_len(f);
	const char *access = NULL;
	struct strlist opts = { 0 };
	struct oci_mount *m;
	struct stat st;

	if (n > 1 && is_access(f[n - 1]))
		access = f[--n];
	if (n > 2 || *f[0] != '/')
		return err_msg(e, "--device '%s' is not /dev/HOST[:/PATH[:rwm]]", s);
	if (stat(f[0], &st) < 0)
		return err_sys(e, errno, "--device %s", f[0]);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_msg(e, "--device %s: not a device", f[0]);
	if (access && !(strchr(access, 'r') && strchr(access, 'w'))) {
		err_msg(e, "--device '%s': access '%s' cannot be enforced in a user namespace", s,
			access);
		return err_hint(e, "rw and rwm are what it takes; the device's own mode decides");
	}
	if (check_target(a, "--device", n > 1 ? f[1] : f[0], &target, e) < 0)
		return -1;
	/* The node itself is shown: one cannot be made in a user namespace. */
	strlist_add(a, &opts, "bind");
	strlist_add(a, &opts, "rprivate");
	strlist_add(a, &opts, "nosuid");
	strlist_add(a, &opts, "noexec");
	m = add(a, l);
	*m = (struct oci_mount){
		.destination = target,
		.type = arena_strdup(a, "bind"),
		.source = arena_strdup(a, f[0]),
		.options = opts.items,
	};
	return 0;
}
