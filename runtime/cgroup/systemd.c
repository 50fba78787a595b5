/*
 * The systemd driver. In the order of a start: systemd_plan() names the unit and gathers its
 * properties; cgroup_begin() starts mrun-systemd, which connects to the bus while the container is
 * planned and cloned; cgroup_give_pid() tells it the process; cgroup_create() waits until the unit
 * is there and takes its cgroup over (cgroup.c), files and all.
 *
 * What it must not do is to touch a unit of somebody else's that has the same name: the unit is
 * marked (Documentation=) with the container's state directory, only a unit with that mark is ever
 * stopped, and until systemd has said where the cgroup is nothing in the expected place is used.
 */
#include "runtime/cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"

#define PROC_FILE_MAX (1u << 20)

static const char *read_text(struct arena *a, const char *path)
{
	struct error ignored;
	char *text;

	if (file_read(a, AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, &ignored) < 0)
		return NULL;
	return text;
}

/* The hierarchy in which systemd keeps its units. */
static const struct hierarchy *systemd_hierarchy(const struct cgroup *cg)
{
	if (cg->layout == LAYOUT_UNIFIED)
		return cg_find_v2(cg);
	for (size_t i = 0; i < cg->n; i++)
		if (str_eq(cg->h[i].controllers, "name=systemd"))
			return &cg->h[i];
	return NULL;
}

/* The path in H that FILE (/proc/PID/cgroup) has, NULL. */
static char *path_in(struct arena *a, const struct hierarchy *h, const char *file)
{
	const char *text = read_text(a, file);

	for (char **line = str_split(a, text ? text : "", '\n'); *line; line++) {
		const char *first = strchr(*line, ':');
		const char *second = first ? strchr(first + 1, ':') : NULL;

		if (second && (size_t)(second - first - 1) == strlen(h->controllers) &&
		    str_has_prefix(first + 1, h->controllers))
			return arena_strdup(a, second + 1);
	}
	return NULL;
}

/* Whether something is limited that only a cgroup can limit; device rules are always sent. */
static bool asks_for_limits(const struct cgroup *cg)
{
	struct settings s;
	struct error ignored;

	return cg->resources &&
	       (apply_settings(cg, cg->resources, true, &s, &ignored) < 0 || settings_needed(&s));
}

/* A slice is systemd's own to arrange, though its files may be ours: it takes a controller away,
 * and a limit with it, when none of its own units there needs that controller any more. */
bool systemd_is_better(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find_v2(cg);
	const char *beside;

	if (cg->layout != LAYOUT_UNIFIED || geteuid() == 0 || !h || !asks_for_limits(cg))
		return false;
	beside = layout_parent(cg->arena, h->own);
	if (cg_unit_is_ours(cg, h) ||
	    (cg_may_make(cg->arena, h, beside) && !str_has_suffix(beside, ".slice")))
		return false;
	return systemd_user_manager(cg->arena) && cgroup_systemd_available(cg->arena);
}

static int add_properties(struct cgroup *cg, const struct cgroup_request *r, struct systemd *s,
			  struct error *e)
{
	const struct systemd_now fresh = { .memory_limit = -2, .cpu_quota = -2 };
	struct systemd_properties *p = &s->properties;
	struct arena *a = cg->arena;
	bool v2 = cg->layout == LAYOUT_UNIFIED, slice = systemd_unit_is_slice(s->unit.name);
	const char *devices = s->user ? NULL : read_text(a, "/proc/devices");

	systemd_property_str(a, p, "Description", arena_printf(a, "mrun container %s", cg->id));
	systemd_property_bool(a, p, "DefaultDependencies", false);
	systemd_property_bool(a, p, "CPUAccounting", true);
	systemd_property_bool(a, p, "MemoryAccounting", true);
	systemd_property_bool(a, p, v2 ? "IOAccounting" : "BlockIOAccounting", true);
	systemd_property_bool(a, p, "TasksAccounting", true);
	if (!slice) {
		systemd_property_bool(a, p, "Delegate", true);
		/* A container that failed (out of memory, say) shall not stay as a failed unit. */
		systemd_property_str(a, p, "CollectMode", "inactive-or-failed");
		p->items[p->n - 1].since = 236;
	}
	if (systemd_annotations(a, r->annotations, r->annotations_len, p, e) < 0 ||
	    systemd_resources(a, cg->resources, v2, &fresh, devices ? devices : "", p, e) < 0)
		return -1;
	if (slice)
		systemd_property_strs(a, p, "Wants", s->unit.slice);
	else
		systemd_property_str(a, p, "Slice", s->unit.slice);
	systemd_property_strs(a, p, "Documentation", s->mark);
	return 0;
}

const char *systemd_plan(struct cgroup *cg, const struct cgroup_request *r, struct error *e)
{
	struct arena *a = cg->arena;
	struct systemd *s = ARENA_NEW(a, struct systemd);
	const struct hierarchy *h = systemd_hierarchy(cg);
	const char *above, *slice;

	s->user = r->user_manager && (geteuid() != 0 || systemd_user_manager(a));
	s->sock = -1;
	s->mark = systemd_mark(a, r->state_dir ? r->state_dir : r->id);
	if (!h) {
		err_msg(e, "use the systemd cgroup driver: this host has no cgroups of systemd's "
			   "mounted");
		err_hint(e, "leave out --systemd-cgroup and give linux.cgroupsPath as a path");
		return NULL;
	}
	if (s->user && cg->layout != LAYOUT_UNIFIED) {
		err_msg(e, "use the systemd cgroup driver without root: that takes cgroup v2");
		cgroup_hint_delegate(cg, e);
		return NULL;
	}
	if (systemd_unit_parse(a, r->path, r->id, s->user, &s->unit, e) < 0 ||
	    add_properties(cg, r, s, e) < 0)
		return NULL;
	cg->systemd = s;
	if (systemd_unit_is_slice(s->unit.name)) {
		above = systemd_slice_path(a, s->unit.name);
		slice = "";
	} else {
		above = systemd_slice_path(a, s->unit.slice);
		slice = arena_printf(a, "/%s", s->unit.name);
	}
	return path_clean(a, arena_printf(a, "%s%s%s",
					  systemd_manager_path(a, path_in(a, h, "/proc/1/cgroup"),
							       h->own, s->user, systemd_uid(a)),
					  above, slice));
}

bool cgroup_needs_pid(const struct cgroup *cg)
{
	return cg->systemd != NULL;
}

int cgroup_begin(struct cgroup *cg, struct error *e)
{
	struct systemd *s = cg->systemd;
	struct json_out *o;

	if (!s)
		return 0;
	/* What lies in the expected place is not ours before systemd says so. */
	for (size_t i = 0; i < cg->n; i++)
		cg->h[i].state = HIER_ABSENT;
	o = systemd_request(cg->arena, "start", s->user);
	json_out_kstr(o, "unit", s->unit.name);
	systemd_request_properties(o, &s->properties);
	return systemd_helper_start(cg->arena, systemd_request_end(o), &s->helper, &s->sock, e);
}

int cgroup_give_pid(struct cgroup *cg, pid_t pid, struct error *e)
{
	struct systemd *s = cg->systemd;

	if (!s)
		return 0;
	s->pid = pid;
	s->started = true;
	return systemd_helper_send(s->sock, arena_printf(cg->arena, "{\"pid\":%d}", (int)pid), e);
}

const char *systemd_cgroup(struct cgroup *cg, struct error *e)
{
	struct systemd *s = cg->systemd;
	const struct hierarchy *h = systemd_hierarchy(cg);
	const struct json_value *reply;
	const char *path;

	reply = systemd_helper_finish(cg->arena, &s->helper, &s->sock, e);
	if (!reply)
		return NULL;
	path = json_get_str(reply, "cgroup");
	path = path && *path == '/' ? path_clean(cg->arena, path) : NULL;
	if (!path || str_eq(path, "/") ||
	    access(arena_printf(cg->arena, "%s%s", h->mount, path), F_OK) < 0) {
		err_msg(e,
			"use the cgroup that systemd made for unit %s: there is no '%s' below %s",
			s->unit.name, path ? path : "", h->mount);
		err_hint(e, "mrun and systemd do not see the same cgroups here");
		return NULL;
	}
	return path;
}

static int64_t number_at(const char *text)
{
	int64_t v;

	if (str_has_prefix(text, "max"))
		return -1;
	return str_to_i64(text, &v) ? v : -2;
}

/* What the files say now. */
static struct systemd_now read_now(const struct cgroup *cg)
{
	struct systemd_now now = { .memory_limit = -2, .cpu_quota = -2 };
	const struct hierarchy *v2 = cg_find_v2(cg), *cpu = cg_find(cg, CTL_CPU);
	char buf[64], *blank;
	int64_t period;

	if (cg->layout == LAYOUT_UNIFIED) {
		if (cg_read(v2->dir, "memory.max", buf, sizeof(buf)) > 0)
			now.memory_limit = number_at(buf);
		if (cg_read(v2->dir, "cpu.max", buf, sizeof(buf)) > 0 &&
		    (blank = strchr(buf, ' '))) {
			*blank = 0;
			now.cpu_quota = number_at(buf);
			period = number_at(blank + 1);
			now.cpu_period = period > 0 ? (uint64_t)period : 0;
		}
		return now;
	}
	if (cpu && cg_read(cpu->dir, "cpu.cfs_quota_us", buf, sizeof(buf)) > 0)
		now.cpu_quota = number_at(buf);
	if (cpu && cg_read(cpu->dir, "cpu.cfs_period_us", buf, sizeof(buf)) > 0) {
		period = number_at(buf);
		now.cpu_period = period > 0 ? (uint64_t)period : 0;
	}
	return now;
}

int systemd_set(const struct cgroup *cg, const struct oci_resources *r, struct error *e)
{
	const struct systemd *s = cg->systemd;
	const struct systemd_now now = read_now(cg);
	struct systemd_properties p = { 0 };
	bool v2 = cg->layout == LAYOUT_UNIFIED, frozen = false;
	const char *devices = s->user ? NULL : read_text(cg->arena, "/proc/devices");
	struct error ignored;
	struct json_out *o;
	const struct json_value *reply;

	if (systemd_resources(cg->arena, r, v2, &now, devices ? devices : "", &p, e) < 0)
		return -1;
	if (!p.n)
		return 0;
	o = systemd_request(cg->arena, "set", s->user);
	json_out_kstr(o, "unit", s->unit.name);
	systemd_request_properties(o, &p);
	/* On v1 systemd takes all devices away before it allows the ones listed: nobody shall be
	 * running in between. */
	if (!v2 && r->devices_len && !cgroup_is_frozen(cg))
		frozen = cgroup_freeze(cg, true, &ignored) == 0;
	reply = systemd_helper_call(cg->arena, o, e);
	if (frozen)
		cgroup_freeze(cg, false, &ignored);
	return reply ? 0 : -1;
}

int systemd_attach(const struct cgroup *cg, const char *sub, pid_t pid, struct error *e)
{
	const struct systemd *s = cg->systemd;
	struct json_out *o = systemd_request(cg->arena, "attach", s->user);

	json_out_kstr(o, "unit", s->unit.name);
	json_out_kstr(o, "sub", str_eq(sub, "/") ? "" : sub);
	json_out_ki64(o, "pid", pid);
	return systemd_helper_call(cg->arena, o, e) ? 0 : -1;
}

int systemd_stop(const struct cgroup *cg, struct error *e)
{
	struct systemd *s = cg->systemd;
	struct json_out *o;

	systemd_helper_end(&s->helper, &s->sock);
	if (!s->started)
		return 0;
	o = systemd_request(cg->arena, "stop", s->user);
	json_out_kstr(o, "unit", s->unit.name);
	json_out_kstr(o, "mark", s->mark);
	return systemd_helper_call(cg->arena, o, e) ? 0 : -1;
}

/* Moving a process takes the right to write to cgroup.procs of the lowest cgroup that is above
 * both places (cgroups(7), "Delegation"). */
bool cgroup_needs_manager(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find_v2(cg);
	const char *own;
	size_t common = 0;

	if (!cg->systemd || cg->layout != LAYOUT_UNIFIED || geteuid() == 0 || !h ||
	    !hierarchy_joined(h))
		return false;
	own = path_in(cg->arena, h, "/proc/self/cgroup");
	if (!own)
		return false;
	for (size_t i = 0;; i++) {
		bool end = (!own[i] || own[i] == '/') && (!h->path[i] || h->path[i] == '/');

		if (end)
			common = i;
		if (own[i] != h->path[i] || !own[i])
			break;
	}
	return faccessat(AT_FDCWD,
			 arena_printf(cg->arena, "%s%.*s/cgroup.procs", h->mount, (int)common, own),
			 W_OK, AT_EACCESS) < 0;
}

void systemd_save(const struct systemd *s, struct json_out *o)
{
	json_out_object(o);
	json_out_kstr(o, "unit", s->unit.name);
	json_out_kstr(o, "slice", s->unit.slice);
	json_out_kstr(o, "mark", s->mark);
	json_out_kbool(o, "user", s->user);
	json_out_object_end(o);
}

struct systemd *systemd_restore(struct arena *a, const struct json_value *v, struct error *e)
{
	struct systemd *s = ARENA_NEW(a, struct systemd);
	const struct json_value *user = json_get(v, "user");

	s->unit.name = json_get_str(v, "unit");
	s->unit.slice = json_get_str(v, "slice");
	s->mark = json_get_str(v, "mark");
	s->user = user && user->type == JSON_BOOL && user->boolean;
	s->sock = -1;
	s->started = true;
	if (!s->unit.name || !*s->unit.name || !s->unit.slice || !s->mark || !*s->mark) {
		err_msg(e, "read the saved state: its systemd unit is not understood");
		return NULL;
	}
	return s;
}

int cgroup_probe_systemd(struct arena *a, bool user, const char **ret_version,
			 const char **ret_controllers, struct error *e)
{
	const struct json_value *v = systemd_helper_call(a, systemd_request(a, "probe", user), e);
	const char *cgroup;
	char buf[512];

	if (!v)
		return -1;
	*ret_version = json_get_str(v, "version");
	if (!*ret_version)
		*ret_version = "?";
	*ret_controllers = NULL;
	cgroup = json_get_str(v, "cgroup");
	if (cgroup && cg_read(arena_printf(a, "/sys/fs/cgroup%s", cgroup), "cgroup.controllers",
			      buf, sizeof(buf)) >= 0)
		*ret_controllers = arena_strdup(a, buf);
	return 0;
}
