/* The container's cgroup during its launch: made, given to the container's root, and recorded. */
#include <sched.h>
#include <sys/mount.h>

#include "oci/base/str.h"
#include "runtime/container/launch.h"
#include "runtime/container/record.h"

/* Whether the container may write to its cgroups: then its root is to own them on v2. */
static bool cgroups_writable(const struct init_plan *p)
{
	for (size_t i = 0; i < p->mounts_len; i++)
		if (p->mounts[i].fstype && str_has_prefix(p->mounts[i].fstype, "cgroup"))
			return !(p->mounts[i].flags & MS_RDONLY);
	return false;
}

/* The mount was planned when it was only expected where systemd would put the cgroup. In a cgroup
 * namespace of its own, the container's root is wherever that is. */
static int check_mount(const struct init_plan *p, const struct cgroup *cg, struct error *e)
{
	struct cgroup_mount_info info;

	if (!p->cgroups || ((p->late_flags | p->clone_flags) & CLONE_NEWCGROUP))
		return 0;
	if (cgroup_mount_info(p->arena, cg, &info, e) < 0)
		return -1;
	for (size_t i = 0; i < info.len; i++)
		if (!str_eq(info.hierarchies[i].path, p->cgroups->hierarchies[i].path)) {
			err_msg(e, "mount the cgroup: systemd made it at %s, not at %s as expected",
				info.hierarchies[i].path, p->cgroups->hierarchies[i].path);
			return err_hint(e, "add a cgroup namespace to linux.namespaces");
		}
	return 0;
}

struct note {
	struct cmd_context *c;
	struct launched *l;
};

static int record_parents(void *ctx, struct error *e)
{
	const struct note *n = ctx;

	return record_update_cgroup(n->c, &n->l->state, n->l->cgroup, e);
}

int launch_begin_cgroup(struct cmd_context *c, struct launched *l, struct error *e)
{
	struct note note = { c, l };

	cgroup_set_note(l->cgroup, record_parents, &note);
	return cgroup_create_first(l->cgroup, e);
}

int launch_make_cgroup(struct cmd_context *c, const struct init_plan *p, struct launched *l,
		       struct error *e)
{
	struct cgroup *cg = l->cgroup;
	struct note note = { c, l };
	int64_t uid;

	if (!cgroup_needs_pid(cg))
		cgroup_set_note(cg, record_parents, &note);
	if (cgroup_create(cg, e) < 0 || (cgroup_needs_pid(cg) && check_mount(p, cg, e) < 0))
		return -1;
	uid = idmap_host_uid(&p->idmap, 0);
	if (p->new_userns && (p->late_flags & CLONE_NEWCGROUP) && uid >= 0 && cgroups_writable(p) &&
	    cgroup_chown(cg, (uid_t)uid, e) < 0)
		return -1;
	/* Some of it may have been given up; where systemd's is, it has said now. */
	if (!cgroup_needs_pid(cg) && !cgroup_gave_up(cg))
		return 0;
	return record_update_cgroup(c, &l->state, cg, e);
}
