/*
 * Which cgroup hierarchies the host has and where the caller is in them, from the text of
 * /proc/self/mountinfo (proc_pid_mountinfo(5)) and /proc/self/cgroup (cgroups(7)). The order: each
 * mount of type cgroup or cgroup2 becomes a hierarchy (one of several mounts of the same is taken),
 * then the lines of /proc/self/cgroup say where the caller is, then the kind follows: unified when
 * a cgroup2 lies at /sys/fs/cgroup or nothing of v1 has a controller, else v1, hybrid if there is a
 * cgroup2 somewhere.
 */
#include <string.h>

#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

#define STANDARD_MOUNT "/sys/fs/cgroup"

uint32_t ctls_parse(const char *text, const char *seps, bool v2)
{
	uint32_t r = 0;

	while (*text) {
		size_t n = strcspn(text, seps);

		for (int c = 0; c < CTL_CORE; c++) {
			const char *name = ctl_name((enum cgroup_ctl)c, v2);

			if (name && strlen(name) == n && strncmp(name, text, n) == 0)
				r |= 1u << c;
		}
		text += n;
		text += strspn(text, seps);
	}
	return r;
}

/* Mount points have blanks as \040 and so on. */
static char *unescape(struct arena *a, const char *s)
{
	char *r = arena_strdup(a, s), *out = r;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = 0;
	return r;
}

struct mount {
	const char *root, *point, *type, *super;
	bool v2;
};

/* "36 35 98:0 /root /point opts shared:1 - type source super"; false when it is no cgroup's. LINE
 * is cut up. */
static bool mount_line(struct arena *a, char *line, struct mount *ret)
{
	char *rest = strstr(line, " - "), *save = NULL, *field[5];

	if (!rest)
		return false;
	*rest = 0;
	rest += 3;
	if (!str_has_prefix(rest, "cgroup ") && !str_has_prefix(rest, "cgroup2 "))
		return false;
	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	ret->root = unescape(a, field[3]);
	ret->point = unescape(a, field[4]);
	ret->type = strtok_r(rest, " ", &save);
	strtok_r(NULL, " ", &save);
	ret->super = strtok_r(NULL, " ", &save);
	if (!ret->super)
		ret->super = "";
	ret->v2 = str_eq(ret->type, "cgroup2");
	return *ret->point == '/' && *ret->root == '/';
}

/* What names a v1 hierarchy among its super options: its controllers, or "name=…". */
static const char *hierarchy_name(struct arena *a, const char *super)
{
	char *r = arena_strdup(a, "");

	for (char **o = str_split(a, super, ','); *o; o++)
		if (str_has_prefix(*o, "name=") || ctls_parse(*o, ",", false))
			r = arena_printf(a, "%s%s%s", r, *r ? "," : "", *o);
	return r;
}

/* The caller's path seen from the mount, which may show only a part of the hierarchy. */
static const char *own_below(const char *own, const char *root)
{
	size_t n = strlen(root);

	if (str_eq(root, "/"))
		return str_has_prefix(own, "/..") ? "/" : own;
	if (strncmp(own, root, n) == 0 && own[n] == '/')
		return own + n;
	return "/";
}

/* The line of /proc/self/cgroup for a hierarchy; controllers come in any order there. */
static const char *own_path(struct arena *a, char *const *lines, const struct hierarchy *h)
{
	for (; *lines; lines++) {
		const char *first = strchr(*lines, ':');
		const char *second = first ? strchr(first + 1, ':') : NULL;
		char *list, *path;
		bool same;

		if (!second)
			continue;
		list = arena_strndup(a, first + 1, (size_t)(second - first - 1));
		path = arena_strdup(a, second + 1);
		if (h->v2)
			same = !*list;
		else if (h->ctls)
			same = (ctls_parse(list, ",", false) & h->ctls) != 0;
		else
			same = *list && str_eq(list, h->controllers);
		if (!same || *path != '/')
			continue;
		if (str_has_suffix(path, " (deleted)"))
			return "/";
		return path;
	}
	return NULL;
}

/* Of several mounts of one hierarchy (bind mounts into other roots), the usual place wins, and of
 * those the later one, which covers the earlier. */
static bool better(const struct hierarchy *old, const struct mount *m)
{
	return str_has_prefix(m->point, STANDARD_MOUNT) ||
	       !str_has_prefix(old->mount, STANDARD_MOUNT);
}

static void add_mount(struct arena *a, struct layout *l, const struct mount *m, char *const *self)
{
	struct hierarchy h = { .v2 = m->v2, .mount = m->point, .state = HIER_ABSENT };
	struct hierarchy *place = NULL;
	const char *own;

	h.controllers = m->v2 ? "" : hierarchy_name(a, m->super);
	h.ctls = m->v2 ? 0 : ctls_parse(h.controllers, ",", false);
	/* Named hierarchies other than systemd's are somebody else's. */
	if (!m->v2 && !h.ctls && !str_eq(h.controllers, "name=systemd"))
		return;
	own = own_path(a, self, &h);
	if (!own)
		return;
	h.own = own_below(own, m->root);
	for (size_t i = 0; i < l->n; i++)
		if (l->h[i].v2 == h.v2 && str_eq(l->h[i].controllers, h.controllers))
			place = &l->h[i];
	if (place && !better(place, m))
		return;
	*(place ? place : &l->h[l->n++]) = h;
}

/* Keeps only the hierarchies of version V2. */
static void keep_only(struct layout *l, bool v2)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->h[i].v2 == v2)
			l->h[n++] = l->h[i];
	l->n = n;
}

int layout_parse(struct arena *a, const char *mountinfo, const char *self_cgroup,
		 struct layout *ret, struct error *e)
{
	char **self = str_split(a, self_cgroup, '\n'), **lines = str_split(a, mountinfo, '\n');
	struct layout l = { .kind = LAYOUT_NONE };
	bool v1 = false, v2 = false, standard = false;

	l.h = ARENA_ARRAY(a, str_list_len(lines) + 1, struct hierarchy);
	for (; *lines; lines++) {
		struct mount m;

		/* Most mounts are no cgroup's: no need to cut up their lines. */
		if (strstr(*lines, " - cgroup") && mount_line(a, *lines, &m))
			add_mount(a, &l, &m, self);
	}
	for (size_t i = 0; i < l.n; i++) {
		if (l.h[i].v2 && str_eq(l.h[i].mount, STANDARD_MOUNT))
			standard = true;
		if (l.h[i].v2)
			v2 = true;
		else if (l.h[i].ctls)
			v1 = true;
	}
	if (standard || (v2 && !v1)) {
		l.kind = LAYOUT_UNIFIED;
		keep_only(&l, true);
	} else if (v1) {
		l.kind = LAYOUT_V1;
	} else {
		l.n = 0;
	}
	if (l.n > CGROUP_JOIN_MAX)
		return err_msg(e, "read /proc/self/mountinfo: %zu cgroup hierarchies", l.n);
	*ret = l;
	return 0;
}

char *layout_parent(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return arena_strdup(a, "/");
	return arena_strndup(a, path, (size_t)(slash - path));
}

char *layout_path(struct arena *a, const char *base, const char *request, const char *id)
{
	if (request && *request == '/')
		return path_clean(a, request);
	/* Cleaned by itself first: ".." must not climb out of BASE. */
	return path_clean(a, arena_printf(a, "%s/%s", base,
					  path_clean(a, request && *request ? request : id)));
}
