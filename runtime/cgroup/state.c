/* A cgroup written to state.json and found again; what is mounted in the container; its owner. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/systemd.h"

static const char *const state_names[] = { [HIER_ABSENT] = "absent",
					   [HIER_PLANNED] = "planned",
					   [HIER_MADE] = "made",
					   [HIER_FOREIGN] = "foreign" };
static const char *const layout_names[] = {
	[LAYOUT_NONE] = "none", [LAYOUT_V1] = "v1", [LAYOUT_UNIFIED] = "v2"
};

void cgroup_save(const struct cgroup *cg, struct json_out *o)
{
	json_out_object(o);
	json_out_kstr(o, "id", cg->id);
	json_out_kstr(o, "layout", layout_names[cg->layout]);
	json_out_kbool(o, "rootless", cg->rootless);
	json_out_kbool(o, "disabled", cg->disabled);
	if (cg->systemd) {
		json_out_str(o, "systemd");
		systemd_save(cg->systemd, o);
	}
	json_out_str(o, "hierarchies");
	json_out_array(o);
	for (size_t i = 0; i < cg->n; i++) {
		const struct hierarchy *h = &cg->h[i];

		json_out_object(o);
		json_out_kstr(o, "controllers", h->controllers);
		json_out_kstr(o, "mount", h->mount);
		json_out_kstr(o, "own", h->own);
		json_out_kstr(o, "path", h->path);
		json_out_kstr(o, "state", state_names[h->state]);
		if (h->top)
			json_out_kstr(o, "top", h->top);
		json_out_object_end(o);
	}
	json_out_array_end(o);
	json_out_object_end(o);
}

static bool get_bool(const struct json_value *v, const char *key)
{
	const struct json_value *b = json_get(v, key);

	return b && b->type == JSON_BOOL && b->boolean;
}

/* Position of TEXT in a table, -1 when it is not there. */
static int find_name(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; text && i < n; i++)
		if (str_eq(names[i], text))
			return (int)i;
	return -1;
}

static bool is_clean(struct arena *a, const char *path)
{
	return path && *path == '/' && str_eq(path_clean(a, path), path);
}

static bool is_above(struct arena *a, const char *top, const char *path)
{
	return is_clean(a, top) && !str_eq(top, "/") && str_has_prefix(path, top) &&
	       path[strlen(top)] == '/';
}

static int restore_one(struct arena *a, const struct json_value *v, bool unit, struct hierarchy *h,
		       struct error *e)
{
	int state = find_name(state_names, sizeof(state_names) / sizeof(*state_names),
			      json_get_str(v, "state"));

	h->controllers = json_get_str(v, "controllers");
	h->mount = json_get_str(v, "mount");
	h->own = json_get_str(v, "own");
	h->path = json_get_str(v, "path");
	if (!h->controllers || !is_clean(a, h->mount) || !is_clean(a, h->path) ||
	    !is_clean(a, h->own) || state < 0)
		return err_msg(e, "read the saved state: its cgroup is not understood");
	h->state = (enum hierarchy_state)state;
	h->top = json_get_str(v, "top");
	if (h->top && !is_above(a, h->top, h->path))
		return err_msg(e, "read the saved state: its cgroup is not understood");
	h->v2 = !*h->controllers;
	h->ctls = h->v2 ? 0 : ctls_parse(h->controllers, ",", false);
	h->dir = arena_printf(a, "%s%s", h->mount, str_eq(h->path, "/") ? "" : h->path);
	/* What was only planned may never have been made: there was no right to, and no need. */
	h->missing = h->state == HIER_PLANNED && access(h->dir, F_OK) < 0 && errno == ENOENT;
	/* Until systemd's was taken over, what lies there may be another's of the same name. */
	if (unit && h->state == HIER_PLANNED)
		h->missing = true;
	/* The record is written before the directory is made: its mark says that we got there. */
	if (h->state == HIER_PLANNED && !h->missing && cg_marked(h->dir))
		h->state = HIER_MADE;
	return 0;
}

struct cgroup *cgroup_restore(struct arena *a, const struct json_value *v, struct error *e)
{
	struct cgroup *cg = ARENA_NEW(a, struct cgroup);
	const struct json_value *list = v ? json_get(v, "hierarchies") : NULL, *unit;
	int layout = v ? find_name(layout_names, sizeof(layout_names) / sizeof(*layout_names),
				   json_get_str(v, "layout"))
		       : -1;

	if (layout < 0 || !list || list->type != JSON_ARRAY || list->len > CGROUP_JOIN_MAX) {
		err_msg(e, "read the saved state: its cgroup is not understood");
		return NULL;
	}
	cg->arena = a;
	cg->id = json_get_str(v, "id");
	cg->layout = (enum cgroup_layout)layout;
	cg->rootless = get_bool(v, "rootless");
	cg->disabled = get_bool(v, "disabled");
	cg->clone_fd = -1;
	unit = json_get(v, "systemd");
	if (unit && !(cg->systemd = systemd_restore(a, unit, e)))
		return NULL;
	cg->h = ARENA_ARRAY(a, list->len + 1, struct hierarchy);
	for (size_t i = 0; i < list->len; i++)
		if (restore_one(a, &list->members[i].value, unit != NULL, &cg->h[cg->n++], e) < 0)
			return NULL;
	return cg;
}

int cgroup_mount_info(struct arena *a, const struct cgroup *cg, struct cgroup_mount_info *ret,
		      struct error *e)
{
	if (cg->disabled || cg->layout == LAYOUT_NONE)
		return err_msg(e, "mount cgroup: %s",
			       cg->disabled ? "cgroups are disabled"
					    : "this host has none mounted");
	ret->unified = cg->layout == LAYOUT_UNIFIED;
	ret->len = cg->n;
	ret->hierarchies = ARENA_ARRAY(a, cg->n, struct cgroup_hierarchy);
	for (size_t i = 0; i < cg->n; i++) {
		const struct hierarchy *h = &cg->h[i];
		const char *name = strrchr(h->mount, '/');

		ret->hierarchies[i] = (struct cgroup_hierarchy){
			.name = ret->unified ? ""
				: name	     ? name + 1
					     : h->mount,
			.options = h->controllers,
			.mount_point = h->mount,
			/* systemd is still at it: where it will be. */
			.path = cg->systemd || hierarchy_joined(h) ? h->path : h->own,
		};
	}
	return 0;
}

/* What a cgroup's new owner gets, when the kernel does not say (/sys/kernel/cgroup/delegate). */
static const char delegate_default[] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";

int cgroup_chown(const struct cgroup *cg, uid_t uid, struct error *e)
{
	const struct hierarchy *h = cg_find_v2(cg);
	char list[4096], path[PATH_MAX], *save = NULL;

	if (!h || !hierarchy_joined(h) || cg->layout != LAYOUT_UNIFIED)
		return 0;
	if (chown(h->dir, uid, (gid_t)-1) < 0)
		return err_sys(e, errno, "give cgroup %s to user %u", h->dir, uid);
	if (cg_read("/sys/kernel/cgroup", "delegate", list, sizeof(list)) <= 0)
		memcpy(list, delegate_default, sizeof(delegate_default));
	for (char *f = strtok_r(list, "\n", &save); f; f = strtok_r(NULL, "\n", &save)) {
		int n = snprintf(path, sizeof(path), "%s/%s", h->dir, f);

		/* Those of controllers that are not enabled here are missing. */
		if (n > 0 && (size_t)n < sizeof(path) && chown(path, uid, (gid_t)-1) < 0 &&
		    errno != ENOENT)
			return err_sys(e, errno, "give %s to user %u", path, uid);
	}
	return 0;
}
