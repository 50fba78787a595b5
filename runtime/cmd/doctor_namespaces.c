/*
 * `mrun doctor`: may this user make a user namespace, and a container's other namespaces in it? It
 * is tried; the switches that distributions have for it are named with their values, since they are
 * the usual cause.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cmd/doctor.h"

#define MAX_USER "/proc/sys/user/max_user_namespaces"
#define DEBIAN "/proc/sys/kernel/unprivileged_userns_clone"
#define UBUNTU "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

static const struct {
	int flag;
	const char *name, *limit;
} kinds[] = {
	{ CLONE_NEWNS, "mount", "user.max_mnt_namespaces" },
	{ CLONE_NEWPID, "pid", "user.max_pid_namespaces" },
	{ CLONE_NEWNET, "network", "user.max_net_namespaces" },
	{ CLONE_NEWIPC, "ipc", "user.max_ipc_namespaces" },
	{ CLONE_NEWUTS, "uts", "user.max_uts_namespaces" },
	{ CLONE_NEWCGROUP, "cgroup", "user.max_cgroup_namespaces" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct found {
	int kind[KINDS]; /* errno of each */
	int mount;	 /* errno of changing a mount there */
};

static void try_namespaces(void *shared)
{
	struct found *f = shared;

	for (size_t i = 0; i < KINDS; i++)
		f->kind[i] = unshare(kinds[i].flag) < 0 ? errno : 0;
	f->mount = f->kind[0]						   ? f->kind[0]
		   : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? errno
									   : 0;
}

static bool is(struct doctor *d, const char *file, const char *value)
{
	const char *text = doctor_read(d, file);

	return text && str_eq(text, value);
}

/* In a chroot(2) no user namespace can be made (clone(2), EPERM); such a process sees no mount at
 * its root, unless the root happens to be a mount point. */
static bool in_chroot(struct doctor *d)
{
	char *text = doctor_read(d, "/proc/self/mountinfo"), *line;

	if (!text)
		return false;
	while ((line = strsep(&text, "\n"))) {
		char **f = str_split(d->a, line, ' ');

		if (str_list_len(f) > 5 && str_eq(f[4], "/"))
			return false;
	}
	return true;
}

static const char *cause(struct doctor *d, int err)
{
	if (is(d, MAX_USER, "0"))
		return "user.max_user_namespaces is 0";
	if (geteuid() != 0 && is(d, DEBIAN, "0"))
		return "kernel.unprivileged_userns_clone is 0";
	if (is(d, UBUNTU, "1") && (err == EACCES || err == EPERM))
		return "kernel.apparmor_restrict_unprivileged_userns is 1";
	if (err == ENOSPC || err == EUSERS)
		return "a limit (user.max_user_namespaces here or in the namespace above, or 32 "
		       "levels) is reached";
	if (err == EINVAL || err == ENOSYS)
		return "this kernel is built without them (CONFIG_USER_NS)";
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2)
		return "a container manager's seccomp filter forbids it: start the outer container "
		       "with --security-opt seccomp=unconfined";
	if (in_chroot(d))
		return "this is a chroot, in which none can be made";
	return "a security module or the container manager forbids it";
}

static void user_namespaces(struct doctor *d)
{
	struct found *f = doctor_shared(sizeof(*f));
	struct idmap own;
	struct error e;

	err_clear(&e);
	if (!f)
		return;
	idmap_single(d->a, 0, 0, &own);
	switch (doctor_probe(d, CLONE_NEWUSER, &own, try_namespaces, f, &e)) {
	case PROBE_NO_CLONE:
		doctor_add(d, DOCTOR_MISSING, "user namespaces", "%s: %s", err_text(e.code),
			   cause(d, e.code));
		return;
	case PROBE_NO_MAPPING:
		doctor_add(d, DOCTOR_MISSING, "user namespaces",
			   "one can be made, but not used (%s): %s", e.msg, cause(d, e.code));
		return;
	case PROBE_RAN:
		break;
	}
	if (f->mount) {
		doctor_add(d, DOCTOR_MISSING, "user namespaces",
			   "one can be made, but gives no rights to mount (%s): %s",
			   err_text(f->mount), cause(d, f->mount));
		return;
	}
	d->userns = true;
	doctor_add(d, DOCTOR_OK, "user namespaces", "made one, and may mount in it");
	for (size_t i = 0; i < KINDS; i++) {
		if (!f->kind[i])
			continue;
		doctor_add(d, DOCTOR_MISSING, "namespaces", "no %s namespace can be made: %s",
			   kinds[i].name, err_text(f->kind[i]));
		if (f->kind[i] == ENOSPC)
			doctor_mend_sysctl(d, kinds[i].limit, "15000");
	}
}

/* The switches, by name. */
static void switches(struct doctor *d)
{
	const char *max = doctor_read(d, MAX_USER), *debian = doctor_read(d, DEBIAN),
		   *ubuntu = doctor_read(d, UBUNTU);

	if (max && str_eq(max, "0")) {
		doctor_add(d, DOCTOR_MISSING, "sysctl",
			   "user.max_user_namespaces is 0: user namespaces are switched off");
		doctor_mend_sysctl(d, "user.max_user_namespaces", "15000");
	} else if (max) {
		doctor_add(d, DOCTOR_OK, "sysctl", "user.max_user_namespaces is %s", max);
	}
	if (debian && str_eq(debian, "0")) {
		doctor_add(
			d, geteuid() == 0 ? DOCTOR_LIMITED : DOCTOR_MISSING, "sysctl",
			"kernel.unprivileged_userns_clone is 0: ordinary users may not make user "
			"namespaces");
		doctor_mend_sysctl(d, "kernel.unprivileged_userns_clone", "1");
	} else if (debian) {
		doctor_add(d, DOCTOR_OK, "sysctl", "kernel.unprivileged_userns_clone is %s",
			   debian);
	}
	if (ubuntu && str_eq(ubuntu, "1") && !d->userns) {
		doctor_add(d, DOCTOR_MISSING, "sysctl",
			   "kernel.apparmor_restrict_unprivileged_userns is 1: programs without an "
			   "AppArmor profile get user namespaces without rights");
		doctor_mend_sysctl(d, "kernel.apparmor_restrict_unprivileged_userns", "0");
	} else if (ubuntu) {
		doctor_add(d, DOCTOR_OK, "sysctl",
			   "kernel.apparmor_restrict_unprivileged_userns is %s%s", ubuntu,
			   str_eq(ubuntu, "1") ? ", and this program may make them all the same"
					       : "");
	}
}

void doctor_namespaces(struct doctor *d)
{
	user_namespaces(d);
	switches(d);
}
