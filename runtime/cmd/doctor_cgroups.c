/*
 * `mrun doctor`: which limits (--memory, --pids-limit …) can be set. As root that takes cgroups
 * that can be written to; as a user cgroup v2 and controllers that systemd hands down (delegation),
 * in a cgroup of his own or in one that his systemd makes on request.
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

/* The manager that --systemd-cgroup would ask. */
struct manager {
	bool user, program, answers;
	const char *version, *controllers; /* controllers NULL: not known */
	struct error e;
};

static void probe(struct doctor *d, struct manager *m)
{
	*m = (struct manager){ .user = geteuid() != 0 || idmap_in_user_namespace(d->a) };
	m->program = cgroup_systemd_available(d->a);
	m->answers = m->program && has_systemd() &&
		     cgroup_probe_systemd(d->a, m->user, &m->version, &m->controllers, &m->e) == 0;
}

static void systemd_line(struct doctor *d, const struct manager *m)
{
	/* Alpine has no systemd. */
	static const struct doctor_package headers = { "libsystemd-dev", "systemd-devel", "-",
						       "systemd-devel", "systemd-libs" };

	if (m->answers)
		doctor_add(d, DOCTOR_OK, "systemd", "--systemd-cgroup works, with %s (systemd %s)",
			   m->user ? "your own manager" : "the system's manager", m->version);
	else if (!has_systemd())
		doctor_add(d, DOCTOR_OK, "systemd",
			   "not the init of this host: --systemd-cgroup is not for it");
	else if (m->program)
		doctor_add(d, DOCTOR_LIMITED, "systemd", "--systemd-cgroup does not work: %s",
			   m->e.msg);
	else
		doctor_add(d, DOCTOR_LIMITED, "systemd",
			   "--systemd-cgroup does not work: the program mrun-systemd is neither "
			   "beside mrun nor installed; it is built where libsystemd's headers are");
	if (!m->answers && has_systemd() && !m->program)
		doctor_mend_install(d, &headers);
	if (!m->answers && has_systemd() && m->program && m->user)
		doctor_mend(d, "%sloginctl enable-linger %s", d->sudo, d->user);
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

static void unified(struct doctor *d, const struct cgroup_hierarchy *h, const struct manager *m)
{
	const char *dir = parent_of(d, h), *have, *lacking = "";
	const char *where = arena_printf(d->a, "below %s", dir);
	char **list;

	if (!writable(d, dir, "cgroup.procs") && m->user && m->answers && m->controllers) {
		where = "by your own systemd";
		have = m->controllers;
	} else if (!writable(d, dir, "cgroup.procs")) {
		doctor_add(d, DOCTOR_LIMITED, "cgroups",
			   "v2, and none can be made below %s: no limits (memory, pids, cpu)", dir);
		if (geteuid() != 0 && has_systemd())
			doctor_mend(d, "systemd-run --user --scope -p Delegate=yes mrun IMAGE");
		return;
	} else {
		have = doctor_read(d, arena_printf(d->a, "%s/cgroup.controllers", dir));
	}
	list = str_split(d->a, have ? have : "", ' ');
	for (char **want = str_split(d->a, WANTED, ' '); *want; want++)
		if (!str_list_has(list, *want))
			lacking = arena_printf(d->a, "%s %s", lacking, *want);
	if (!*lacking) {
		doctor_add(d, DOCTOR_OK, "cgroups", "v2, made %s, with all controllers", where);
		return;
	}
	doctor_add(d, DOCTOR_LIMITED, "cgroups",
		   "v2, made %s; controllers that are not handed down there:%s", where, lacking);
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
	struct manager m;
	struct cgroup *cg;
	struct error e;

	err_clear(&e);
	probe(d, &m);
	cg = cgroup_plan(d->a, &r, &e);
	if (!cg || cgroup_mount_info(d->a, cg, &info, &e) < 0) {
		doctor_add(d, DOCTOR_LIMITED, "cgroups", "no limits (memory, pids, cpu): %s",
			   e.msg);
	} else if (info.unified && info.len) {
		unified(d, &info.hierarchies[0], &m);
	} else {
		separate(d, &info);
	}
	systemd_line(d, &m);
}
