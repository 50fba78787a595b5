/*
 * `mrun doctor`: which limits (--memory, --pids-limit …) can be set. As root that takes cgroups
 * that can be written to; as a user cgroup v2 and controllers that systemd hands down (delegation).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/doctor.h"

#define WANTED "cpu cpuset io memory pids"
#define DROP_IN "/etc/systemd/system/user@.service.d/delegate.conf"

static bool has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static const char *parent_of(struct doctor *d, const struct cgroup_hierarchy *h)
{
	const char *slash = strrchr(h->path, '/');

	return arena_printf(d->a, "%s%.*s", h->mount_point,
			    slash && slash != h->path ? (int)(slash - h->path) : 0, h->path);
}

static bool writable(struct doctor *d, const char *dir, const char *file)
{
	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0 &&
	       faccessat(AT_FDCWD, arena_printf(d->a, "%s/%s", dir, file), W_OK, AT_EACCESS) == 0;
}

static void mend_delegation(struct doctor *d)
{
	if (!has_systemd())
		return;
	doctor_mend(d, "%smkdir -p /etc/systemd/system/user@.service.d", d->sudo);
	doctor_mend(d, "printf '[Service]\\nDelegate=" WANTED "\\n' | %stee " DROP_IN, d->sudo);
	doctor_mend(d, "%ssystemctl daemon-reload   # and log in again", d->sudo);
}

static void unified(struct doctor *d, const struct cgroup_hierarchy *h)
{
	const char *dir = parent_of(d, h), *have, *lacking = "";
	char **list;

	if (!writable(d, dir, "cgroup.procs")) {
		doctor_add(d, DOCTOR_LIMITED, "cgroups",
			   "v2, and none can be made below %s: no limits (memory, pids, cpu)", dir);
		if (geteuid() != 0 && has_systemd())
			doctor_mend(d, "systemd-run --user --scope -p Delegate=yes mrun IMAGE");
		return;
	}
	have = doctor_read(d, arena_printf(d->a, "%s/cgroup.controllers", dir));
	list = str_split(d->a, have ? have : "", ' ');
	for (char **want = str_split(d->a, WANTED, ' '); *want; want++)
		if (!str_list_has(list, *want))
			lacking = arena_printf(d->a, "%s %s", lacking, *want);
	if (!*lacking) {
		doctor_add(d, DOCTOR_OK, "cgroups", "v2, made below %s, with all controllers", dir);
		return;
	}
	doctor_add(d, DOCTOR_LIMITED, "cgroups",
		   "v2, made below %s; controllers that are not handed down there:%s", dir,
		   lacking);
	if (geteuid() != 0)
		mend_delegation(d);
}

static void separate(struct doctor *d, const struct cgroup_mount_info *info)
{
	const char *closed = "";
	size_t n = 0;

	if (geteuid() != 0) {
		doctor_add(
			d, DOCTOR_LIMITED, "cgroups",
			"v1 or hybrid, which is not delegated to users: no limits (memory, pids, "
			"cpu) without root; boot with systemd.unified_cgroup_hierarchy=1");
		if (doctor_find(d, "grubby"))
			doctor_mend(d,
				    "%sgrubby --update-kernel=ALL "
				    "--args=systemd.unified_cgroup_hierarchy=1",
				    d->sudo);
		return;
	}
	for (size_t i = 0; i < info->len; i++) {
		const struct cgroup_hierarchy *h = &info->hierarchies[i];

		if (!*h->options || writable(d, parent_of(d, h), "cgroup.procs"))
			continue;
		closed = arena_printf(d->a, "%s %s", closed, h->options);
		n++;
	}
	if (!n)
		doctor_add(d, DOCTOR_OK, "cgroups", "v1 or hybrid, and they can be written to");
	else
		doctor_add(d, DOCTOR_LIMITED, "cgroups",
			   "v1 or hybrid, and these cannot be written to:%s", closed);
}

void doctor_cgroups(struct doctor *d)
{
	const struct cgroup_request r = { .id = "mrun-doctor", .rootless = geteuid() != 0 };
	struct cgroup_mount_info info;
	struct cgroup *cg;
	struct error e;

	err_clear(&e);
	cg = cgroup_plan(d->a, &r, &e);
	if (!cg || cgroup_mount_info(d->a, cg, &info, &e) < 0) {
		doctor_add(d, DOCTOR_LIMITED, "cgroups", "no limits (memory, pids, cpu): %s",
			   e.msg);
		return;
	}
	if (info.unified && info.len)
		unified(d, &info.hierarchies[0]);
	else
		separate(d, &info);
}
