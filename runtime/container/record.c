/* See record.h. */
#include "runtime/container/record.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/date.h"
#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"

#define CONFIG_FILE "config.json"

static char *now_text(struct arena *a)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return date_rfc3339(a, now.tv_sec, now.tv_nsec);
}

/* A value for the record from a structure: written and parsed again, once. */
static const struct json_value *as_value(struct arena *a, const char *text, size_t len,
					 struct error *e)
{
	return json_parse(a, text, len, "state", e);
}

static const struct json_value *cgroup_value(struct arena *a, const struct cgroup *cg,
					     struct error *e)
{
	struct json_out *out = json_out_new(a, false);
	size_t len;
	char *text;

	cgroup_save(cg, out);
	text = json_out_finish(out, &len);
	return as_value(a, text, len, e);
}

int record_update_cgroup(struct cmd_context *c, struct container *ct, const struct cgroup *cg,
			 struct error *e)
{
	size_t len;
	char *text;

	ct->record->cgroup = cgroup_value(c->arena, cg, e);
	if (!ct->record->cgroup)
		return -1;
	text = state_record_text(c->arena, ct->record, &len);
	return file_replace(ct->dir_fd, "state.json", text, len, 0600, false, e);
}

static bool wants_cgroup(const struct cmd_context *c, const struct oci_spec *spec,
			 const struct container_options *o)
{
	if (c->cgroup_disabled)
		return false;
	/* The image mode only pays for a cgroup when something needs one: a limit, pausing one that
	 * is detached, or, without a pid namespace of its own, a way to find all of its processes.
	 */
	if (!o->bundle)
		return o->stay || c->systemd_cgroup || spec->linux_->resources ||
		       spec->linux_->cgroups_path || !oci_spec_namespace(spec, CLONE_NEWPID);
	return true;
}

/* Whether a cgroup is only to be had if somebody delegated one. */
static bool is_rootless(const struct cmd_context *c, const struct container_options *o)
{
	if (c->rootless && !str_eq(c->rootless, "auto"))
		return str_eq(c->rootless, "true");
	return self_uid() != 0 || !o->bundle || idmap_in_user_namespace(c->arena);
}

/* Whether the caller is not root of the host, whose systemd is the system's. */
static bool has_user_manager(const struct cmd_context *c)
{
	if (c->rootless && !str_eq(c->rootless, "auto"))
		return str_eq(c->rootless, "true");
	return self_uid() != 0 || idmap_in_user_namespace(c->arena);
}

/* A bundle that says nothing of devices gets the default ones only, as with runc: its root could
 * make a node of the host's disk otherwise. (An image's container has a user namespace, and without
 * root the rules could not be set.) */
static const struct oci_resources *resources(struct arena *a, const struct oci_spec *spec,
					     const struct container_options *o, bool rootless)
{
	const struct oci_resources *given = spec->linux_->resources;
	struct oci_resources *r;

	if (!o->bundle || rootless || (given && given->devices_len))
		return given;
	r = ARENA_NEW(a, struct oci_resources);
	if (given)
		*r = *given;
	r->devices = ARENA_NEW(a, struct oci_device_cgroup);
	r->devices->access = arena_strdup(a, "rwm");
	r->devices_len = 1;
	return r;
}

struct container_record *record_make(struct cmd_context *c, const struct oci_spec *spec,
				     const struct container_options *o, struct cgroup **ret_cgroup,
				     struct error *e)
{
	struct container_record *r = ARENA_NEW(c->arena, struct container_record);
	const struct oci_namespace *pid = oci_spec_namespace(spec, CLONE_NEWPID);

	r->oci_version = spec->oci_version;
	r->id = arena_strdup(c->arena, o->id);
	r->bundle = o->bundle ? arena_strdup(c->arena, o->bundle) : NULL;
	r->rootfs = o->overlay ? NULL
			       : path_join(c->arena, o->bundle ? o->bundle : "/", spec->root->path);
	r->created = now_text(c->arena);
	r->owner = self_uid();
	r->annotations = spec->annotations;
	r->annotations_len = spec->annotations_len;
	r->image = !o->bundle;
	r->new_pid_namespace = pid && !(pid->path && *pid->path);
	r->no_new_keyring = o->no_new_keyring;
	*ret_cgroup = NULL;
	if (wants_cgroup(c, spec, o)) {
		struct cgroup_request q = { .path = spec->linux_->cgroups_path,
					    .id = o->id,
					    .systemd = c->systemd_cgroup,
					    .rootless = is_rootless(c, o),
					    .annotations = spec->annotations,
					    .annotations_len = spec->annotations_len,
					    .user_manager = has_user_manager(c),
					    .or_systemd = !o->bundle };
		const char *root = state_root(c, false, e);

		if (!root)
			return NULL;
		q.resources = resources(c->arena, spec, o, q.rootless);
		q.state_dir = arena_printf(c->arena, "%s/%s", root, o->id);
		*ret_cgroup = cgroup_plan(c->arena, &q, e);
		if (!*ret_cgroup)
			return NULL;
		r->cgroup = cgroup_value(c->arena, *ret_cgroup, e);
		if (!r->cgroup)
			return NULL;
	}
	if (!o->bundle) {
		r->user = o->user ? arena_strdup(c->arena, o->user) : NULL;
		r->group_add = (char **)(uintptr_t)o->group_add;
		r->default_seccomp = o->default_seccomp;
		r->stop_signal = o->stop_signal ? arena_strdup(c->arena, o->stop_signal) : NULL;
		r->slot = o->slot ? arena_strdup(c->arena, o->slot) : NULL;
	}
	/* exec and the hooks of start and delete need it. */
	if (o->bundle) {
		r->config = spec->text;
		r->config_len = spec->text_len;
		r->hooks = spec->hooks && (spec->hooks->poststart_len || spec->hooks->poststop_len);
	}
	return r;
}

int record_write_config(struct arena *a, const struct container *ct, const struct oci_spec *spec,
			struct error *e)
{
	struct oci_spec s = *spec;
	struct oci_linux l = *spec->linux_;
	_cleanup_fd_ int fd = -1;
	size_t len;
	char *text;

	/* The default profile is made anew: JSON cannot carry it. */
	if (ct->record->default_seccomp)
		l.seccomp = NULL;
	s.linux_ = &l;
	text = json_write(a, &oci_spec_type, &s, false, &len);
	fd = openat(ct->dir_fd, CONFIG_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "record the configuration of container %s", ct->id);
	return file_write_all(fd, text, len, CONFIG_FILE, e);
}

struct oci_spec *record_spec(struct arena *a, const struct container *ct, struct error *e)
{
	const struct container_record *r = ct->record;
	size_t len;
	char *text;

	if (r->config)
		return oci_spec_read_again(a, r->config, r->config_len, CONFIG_FILE, e);
	if (!r->image || file_read(a, ct->dir_fd, CONFIG_FILE, JSON_MAX_SIZE, &text, &len, e) < 0) {
		err_msg(e, "container %s: its configuration was not recorded", r->id);
		return NULL;
	}
	return json_read(a, text, len, &oci_spec_type, CONFIG_FILE, e);
}
