/*
 * A container's cgroup from plan to limits, whatever the host has. In the order of a start:
 * cgroup_plan() looks, cgroup_create() makes the directories and sets the limits, and then the
 * first process enters (join.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/systemd.h"

#define PROC_MAX (16u << 20)

const struct hierarchy *cg_find(const struct cgroup *cg, enum cgroup_ctl ctl)
{
	for (size_t i = 0; i < cg->n; i++)
		if (!cg->h[i].v2 && (cg->h[i].ctls & 1u << ctl))
			return &cg->h[i];
	return NULL;
}

const struct hierarchy *cg_find_v2(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->h[i].v2)
			return &cg->h[i];
	return NULL;
}

const struct hierarchy *cg_main(const struct cgroup *cg)
{
	static const enum cgroup_ctl order[] = { CTL_DEVICES, CTL_FREEZER, CTL_PIDS, CTL_MEMORY,
						 CTL_CPU };
	const struct hierarchy *h;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		h = cg_find(cg, order[i]);
		if (h && hierarchy_joined(h))
			return h;
	}
	for (size_t i = 0; i < cg->n; i++)
		if (hierarchy_joined(&cg->h[i]))
			return &cg->h[i];
	return NULL;
}

static void set_path(struct cgroup *cg, struct hierarchy *h, const char *path)
{
	h->path = path;
	h->dir = hierarchy_dir(cg->arena, h, path);
}

bool cg_may_make(struct arena *a, const struct hierarchy *h, const char *base)
{
	const char *dir = hierarchy_dir(a, h, base);
	const char *procs = arena_printf(a, "%s/cgroup.procs", dir);

	return faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0 &&
	       faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) == 0;
}

/* Without Delegate= a unit is only handed the controllers that some setting of its needs. */
static bool has_all_of_parent(const struct cgroup *cg, const struct hierarchy *h, const char *dir)
{
	char own[512], parent[512];
	const char *above = hierarchy_dir(cg->arena, h, layout_parent(cg->arena, h->own));

	return cg_read(dir, "cgroup.controllers", own, sizeof(own)) > 0 &&
	       cg_read(above, "cgroup.controllers", parent, sizeof(parent)) > 0 &&
	       str_eq(own, parent);
}

/* The user's manager does not mark what it has given away: then it is one of its units, in which
 * nobody else is and from which nothing is held back. (Taken wrongly for ours, an OOM kill in the
 * container would end the unit: OOMPolicy=.) */
bool cg_unit_is_ours(const struct cgroup *cg, const struct hierarchy *h)
{
	const char *dir = hierarchy_dir(cg->arena, h, h->own);

	if (cg_delegated(dir))
		return true;
	return cg->rootless && cg_is_unit(dir) && cg_alone(dir) &&
	       cg_may_make(cg->arena, h, h->own) && has_all_of_parent(cg, h, dir);
}

/* Where a relative path counts from. On v2 that is beside the caller's own cgroup, since that one
 * has processes, so that its children could get no controllers; without root, where that is not
 * allowed, below it. And below it where it is a unit of ours: what is beside is systemd's to
 * change, and it takes controllers back when their last unit there ends (v2.c makes room). */
static const char *base_of(struct cgroup *cg, const struct hierarchy *h)
{
	const char *beside;

	if (cg->layout != LAYOUT_UNIFIED || str_eq(h->own, "/") || cg_unit_is_ours(cg, h))
		return h->own;
	beside = layout_parent(cg->arena, h->own);
	if (cg->rootless && !cg_may_make(cg->arena, h, beside))
		return h->own;
	return beside;
}

/* Without root nothing can be made in most places: better known before it is recorded. */
static bool out_of_reach(struct cgroup *cg, const struct hierarchy *h)
{
	const char *above = hierarchy_dir(cg->arena, h, layout_parent(cg->arena, h->path));

	return faccessat(AT_FDCWD, above, W_OK, AT_EACCESS) < 0 &&
	       (errno == EACCES || errno == EROFS);
}

/* The record of this is all that a delete after a crash has: a cgroup that is there already is
 * never to be taken for ours. NAMED: by the configuration; else where we may make none is none of
 * ours. */
static int look(struct cgroup *cg, struct hierarchy *h, bool named, struct error *e)
{
	bool reachable = !cg->rootless || !out_of_reach(cg, h);

	h->state = reachable ? HIER_PLANNED : HIER_ABSENT;
	if (!reachable && !named)
		return 0;
	if (cg_access(h->dir) == 0)
		h->state = HIER_FOREIGN;
	else if (reachable && errno != ENOENT)
		return err_sys(e, errno, "look for cgroup %s", h->dir);
	return 0;
}

static bool is_systemd_form(const char *path)
{
	const char *first = strchr(path, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	return second && !strchr(second + 1, ':') && !strchr(path, '/');
}

static int check_request(const struct cgroup_request *r, struct error *e)
{
	if (!r->systemd && !r->disabled && r->path && is_systemd_form(r->path)) {
		err_msg(e,
			"linux.cgroupsPath: '%s' is of the form slice:prefix:name, which only the "
			"systemd driver understands",
			r->path);
		return err_hint(e, "add --systemd-cgroup, or give a path such as /containers/%s",
				r->id);
	}
	return 0;
}

/* What mountinfo would say where all of cgroup v2 is at its usual place, and we are in the first
 * cgroup namespace, whose root is that of the tree. To find that out takes as long on a host with
 * hundreds of mounts (docker's) as on one with ten. */
#define USUAL_MOUNT "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define ROOT_INODE 1		    /* kernfs */
#define FIRST_NAMESPACE 0xEFFFFFFBu /* linux/nsfs.h, CGROUP_NS_INIT_INO */

static bool is_usual(void)
{
	struct statfs fs;
	struct stat st;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
	       stat("/sys/fs/cgroup", &st) == 0 && st.st_ino == ROOT_INODE &&
	       stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino == FIRST_NAMESPACE;
}

struct cgroup *cgroup_plan(struct arena *a, const struct cgroup_request *r, struct error *e)
{
	struct cgroup *cg = ARENA_NEW(a, struct cgroup);
	struct layout l = { 0 };
	const char *of_unit = NULL;
	char *mountinfo, *self;

	if (check_request(r, e) < 0)
		return NULL;
	cg->arena = a;
	cg->id = arena_strdup(a, r->id);
	cg->rootless = r->rootless;
	cg->disabled = r->disabled;
	cg->resources = r->resources;
	cg->clone_fd = -1;
	if (r->disabled)
		return cg;
	if (is_usual())
		mountinfo = arena_strdup(a, USUAL_MOUNT);
	else if (file_read_proc(a, "/proc/self/mountinfo", 4096, PROC_MAX, &mountinfo, e) < 0)
		return NULL;
	if (file_read_proc(a, "/proc/self/cgroup", 0, PROC_MAX, &self, e) < 0 ||
	    layout_parse(a, mountinfo, self, &l, e) < 0)
		return NULL;
	cg->layout = l.kind;
	cg->h = l.h;
	cg->n = l.n;
	if (l.kind == LAYOUT_V1)
		cg_place_open();
	if (r->systemd || (r->or_systemd && !r->path && systemd_is_better(cg))) {
		of_unit = systemd_plan(cg, r, e);
		if (!of_unit)
			return NULL;
	}
	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];
		const char *base = r->path && *r->path == '/' ? "/" : base_of(cg, h);

		set_path(cg, h, of_unit ? of_unit : layout_path(a, base, r->path, r->id));
		h->state = HIER_PLANNED;
		if (!of_unit && look(cg, h, r->path != NULL, e) < 0)
			return NULL;
		h->planned = h->state != HIER_ABSENT;
	}
	return cg;
}

bool cgroup_look_again(struct cgroup *cg)
{
	bool gone = false;

	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];

		if (h->state != HIER_FOREIGN || cg_access(h->dir) == 0 || errno != ENOENT)
			continue;
		h->state = HIER_PLANNED;
		gone = true;
	}
	return gone;
}

bool cgroup_out_of_reach(const struct cgroup *cg)
{
	struct settings s;
	struct error ignored;

	return !cgroup_exists(cg) && apply_settings(cg, cg->resources, true, &s, &ignored) == 0 &&
	       !settings_needed(&s);
}

/* A cgroup that was there before may be used, as runc does, but not shared. */
static int check_foreign(const struct hierarchy *h, struct error *e)
{
	char buf[64];

	if (cg_read(h->dir, "cgroup.procs", buf, sizeof(buf)) > 0) {
		err_msg(e, "use cgroup %s: there are processes in it already", h->dir);
		return err_hint(e, "another container may be using it: choose another "
				   "linux.cgroupsPath");
	}
	if ((cg_read(h->dir, "cgroup.freeze", buf, sizeof(buf)) > 0 && *buf == '1') ||
	    (cg_read(h->dir, "freezer.state", buf, sizeof(buf)) > 0 && !str_eq(buf, "THAWED")))
		return err_msg(e, "use cgroup %s: it is frozen", h->dir);
	return 0;
}

/* The limit that makes a cgroup necessary is what the user knows of it. */
static int create_failed(const struct cgroup *cg, const struct hierarchy *h,
			 const struct settings *s, uint32_t needed, struct error *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct setting *item = &s->items[i];
		const char *name = ctl_name(item->ctl, h->v2);

		if (item->relax || !(needed & 1u << item->ctl) || !name ||
		    (!h->v2 && !(h->ctls & 1u << item->ctl)))
			continue;
		err_wrap(e, "set %s: controller %s", item->field, name);
		break;
	}
	return cgroup_hint_delegate(cg, e);
}

/* It is not to be. */
static void take_back(struct hierarchy *h)
{
	if (h->state == HIER_MADE ? rmdir(h->dir) == 0 : h->state == HIER_PLANNED && h->top)
		hierarchy_remove_parents(h);
	h->state = HIER_ABSENT;
}

static int create_one(struct cgroup *cg, struct hierarchy *h, const struct settings *s,
		      struct error *e)
{
	uint32_t needed = settings_needed(s);
	uint32_t v1_ctls = 0;
	int r;

	/* On a hybrid host v2 is left with what v1 does not have. */
	for (size_t i = 0; i < cg->n; i++)
		v1_ctls |= cg->h[i].ctls;
	if (h->v2)
		needed &= ~v1_ctls;
	if (!h->planned && !cg->systemd && cg->rootless && cg_dispensable(h, needed))
		return 0;
	r = h->v2 ? v2_create(cg, h, needed, e) : v1_create(cg, h, e);
	if (r == 0 && h->state == HIER_FOREIGN && !cg->systemd)
		r = check_foreign(h, e);
	if (r == 0)
		return 0;
	if (!cg_is_permission(e->code))
		return -1;
	/* The v2 side of a hybrid host is often not ours to write, even for root in a container. */
	if (!cg_dispensable(h, needed) || !(cg->rootless || (h->v2 && cg->layout == LAYOUT_V1)))
		return create_failed(cg, h, s, needed, e);
	/* No right to it, and no need: the container does without. */
	take_back(h);
	err_clear(e);
	return 0;
}

/* LATE: a process was born into v2's, which goes with it (cgroup_delete). */
static void undo(struct cgroup *cg, bool late)
{
	for (size_t i = 0; i < cg->n; i++)
		if (!late || !cg->h[i].v2)
			take_back(&cg->h[i]);
	fd_closep(&cg->clone_fd);
	cg->clone_fd = -1;
}

/* systemd has made the unit's cgroup, with the process in it, where it keeps its units; what v1 has
 * beyond that is made by us at the same path. */
static int enter_unit(struct cgroup *cg, struct error *e)
{
	bool slice = systemd_unit_is_slice(cg->systemd->unit.name);

	fd_closep(&cg->clone_fd);
	cg->clone_fd = -1;
	/* A scope's is removed with all that is in it, a slice is systemd's alone to remove. */
	for (size_t i = 0; i < cg->n; i++)
		if (cg->h[i].state == HIER_FOREIGN && !slice)
			cg->h[i].state = HIER_MADE;
	if (cg->layout == LAYOUT_UNIFIED && !slice)
		return 0;
	return cgroup_attach(cg, cg->systemd->pid, false, e);
}

void cgroup_set_note(struct cgroup *cg, cgroup_note *f, void *ctx)
{
	cg->note = f;
	cg->note_ctx = ctx;
}

bool cgroup_comes_later(const struct cgroup *cg)
{
	return cg->layout == LAYOUT_V1 && !cg->systemd && !cg->disabled;
}

/* Those of v2, or all but these. */
static int create_each(struct cgroup *cg, bool v2, const struct settings *s, struct error *e)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->h[i].v2 != v2)
			continue;
		cg->h[i].state = HIER_ABSENT;
		if (create_one(cg, &cg->h[i], s, e) < 0)
			return -1;
	}
	return 0;
}

/* What a process is born into. */
static int create_first(struct cgroup *cg, struct error *e)
{
	struct settings s;

	/* What makes no sense is refused before anything is made. */
	if (apply_settings(cg, cg->resources, true, &s, e) < 0)
		return -1;
	if (create_each(cg, true, &s, e) == 0)
		return 0;
	undo(cg, false);
	return -1;
}

int cgroup_create_first(struct cgroup *cg, struct error *e)
{
	cg->late = true;
	return create_first(cg, e);
}

/* systemd makes it. */
static int create_unit(struct cgroup *cg, const struct settings *s, struct error *e)
{
	const char *path;

	/* What it is to make is not ours before it says so. */
	for (size_t i = 0; i < cg->n; i++)
		cg->h[i].state = HIER_ABSENT;
	path = systemd_cgroup(cg, e);
	if (!path)
		return -1;
	for (size_t i = 0; i < cg->n; i++)
		set_path(cg, &cg->h[i], path);
	if (create_each(cg, true, s, e) < 0 || create_each(cg, false, s, e) < 0 ||
	    enter_unit(cg, e) < 0)
		return -1;
	return apply_resources(cg, cg->resources, true, e);
}

int cgroup_create(struct cgroup *cg, struct error *e)
{
	struct settings s;
	int r;

	if (!cg->late && !cg->systemd && create_first(cg, e) < 0)
		return -1;
	if (apply_settings(cg, cg->resources, true, &s, e) < 0)
		return -1;
	if (cg->systemd)
		r = create_unit(cg, &s, e);
	else
		r = create_each(cg, false, &s, e) < 0 ? -1
						      : apply_resources(cg, cg->resources, true, e);
	if (r == 0 && !cgroup_devices_come_later(cg))
		r = apply_devices(cg, cg->resources, true, e);
	if (r == 0 && cg->systemd)
		cg_oom_watch(cg);
	if (r < 0 && !cg->systemd)
		undo(cg, cg->late);
	return r;
}

bool cgroup_devices_come_later(const struct cgroup *cg)
{
	const struct hierarchy *v2 = cg_find_v2(cg);

	return !cg_find(cg, CTL_DEVICES) && v2 && hierarchy_joined(v2);
}

int cgroup_finish(struct cgroup *cg, struct error *e)
{
	int r = 0;

	hierarchy_mark(cg);
	if (cgroup_devices_come_later(cg))
		r = apply_devices(cg, cg->resources, true, e);
	fd_closep(&cg->clone_fd);
	cg->clone_fd = -1;
	cg_place_close();
	return r;
}

bool cgroup_gave_up(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->h[i].planned && cg->h[i].state == HIER_ABSENT)
			return true;
	return false;
}

bool cgroup_exists(const struct cgroup *cg)
{
	return cg_main(cg) != NULL;
}

int cgroup_clone_fd(const struct cgroup *cg)
{
	return cg->clone_fd;
}

int cgroup_open_clone_fd(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find_v2(cg);

	return h && hierarchy_joined(h) ? open(h->dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}

int cgroup_set(const struct cgroup *cg, const struct oci_resources *r, struct error *e)
{
	return apply_resources(cg, r, false, e) < 0 ? -1 : apply_devices(cg, r, false, e);
}
