/*
 * `mrun doctor`: which ids a container gets. In order: newuidmap and newgidmap, the ranges in
 * /etc/subuid and /etc/subgid, and then both together are tried on a new user namespace, since
 * neither a setuid bit nor an entry proves that it works.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cmd/doctor.h"

#define FIRST_RANGE 100000u /* what useradd(8) starts with (login.defs, SUB_UID_MIN) */

static const struct doctor_package uidmap = { "uidmap", "shadow-utils", "shadow-subids", "shadow",
					      "shadow" };

/* The first id above all ranges of both files: one that nobody has been given. */
static uint32_t free_range(struct doctor *d)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	uint64_t first = FIRST_RANGE;

	for (size_t i = 0; i < 2; i++) {
		char *text = doctor_read(d, files[i]), *line;

		while (text && (line = strsep(&text, "\n"))) {
			char **f = str_split(d->a, line, ':');
			uint64_t start, n;

			if (str_list_len(f) == 3 && str_to_u64(f[1], UINT32_MAX, &start) &&
			    str_to_u64(f[2], UINT32_MAX, &n) && start + n > first)
				first = start + n;
		}
	}
	return first < UINT32_MAX - IDMAP_RANGE ? (uint32_t)first : FIRST_RANGE;
}

static void mend_ranges(struct doctor *d)
{
	uint32_t first = free_range(d);

	if (d->in_passwd && doctor_find(d, "usermod"))
		doctor_mend(d, "%susermod --add-subuids %u-%u --add-subgids %u-%u %s", d->sudo,
			    first, first + IDMAP_RANGE - 1, first, first + IDMAP_RANGE - 1,
			    d->user);
	else
		doctor_mend(d, "echo '%s:%u:%u' | %stee -a /etc/subuid /etc/subgid", d->user, first,
			    IDMAP_RANGE, d->sudo);
}

/* Why a helper has no rights; NULL: it should have them. */
static const char *helper_fault(const char *path)
{
	struct statvfs v;
	struct stat st;

	if (stat(path, &st) < 0)
		return "cannot be examined";
	if (!((st.st_mode & S_ISUID) && st.st_uid == 0) &&
	    getxattr(path, "security.capability", NULL, 0) <= 0)
		return "is neither setuid root nor has it file capabilities";
	if (statvfs(path, &v) == 0 && (v.f_flag & ST_NOSUID))
		return "lies on a file system that is mounted nosuid";
	return NULL;
}

static void helpers(struct doctor *d)
{
	static const char *const names[] = { "newuidmap", "newgidmap" };

	for (size_t i = 0; i < 2; i++) {
		const char *path = doctor_find(d, names[i]), *fault;

		if (!path) {
			doctor_add(d, DOCTOR_LIMITED, names[i],
				   "not installed: only your own id can be mapped");
			doctor_mend_install(d, &uidmap);
			continue;
		}
		fault = helper_fault(path);
		if (fault) {
			doctor_add(d, DOCTOR_LIMITED, names[i], "%s %s", path, fault);
			doctor_mend(d, "%schmod u+s %s", d->sudo, path);
		} else {
			doctor_add(d, DOCTOR_OK, names[i], "%s", path);
		}
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		doctor_add(d, DOCTOR_LIMITED, "no_new_privs",
			   "set by whoever started this: newuidmap gets no rights from its setuid "
			   "bit");
}

static uint64_t total(const struct oci_id_mapping *m, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += m[i].size;
	return sum;
}

static void report_mapping(struct doctor *d)
{
	uint64_t uids = total(d->ids.uids, d->ids.uids_len),
		 gids = total(d->ids.gids, d->ids.gids_len);

	if (d->ids.single) {
		doctor_add(d, DOCTOR_LIMITED, "subordinate ids", "%s", d->ids.lost);
		if (geteuid() != 0)
			mend_ranges(d);
	} else if (uids < IDMAP_RANGE || gids < IDMAP_RANGE) {
		doctor_add(d, DOCTOR_LIMITED, "subordinate ids",
			   "a container gets %llu user and %llu group ids: files of higher ones "
			   "cannot be kept",
			   (unsigned long long)uids, (unsigned long long)gids);
		if (geteuid() != 0)
			mend_ranges(d);
	} else {
		doctor_add(
			d, DOCTOR_OK, "subordinate ids",
			"a container's ids are %llu user ids (root is %u here) and %llu group ids",
			(unsigned long long)uids, d->ids.uids[0].host_id, (unsigned long long)gids);
	}
}

void doctor_ids(struct doctor *d)
{
	bool powerless = false;
	struct idmap m;
	struct error e;

	err_clear(&e);
	if (geteuid() != 0)
		helpers(d);
	if (idmap_default(d->a, &m, &e) < 0) {
		doctor_add(d, DOCTOR_MISSING, "subordinate ids", "%s", e.msg);
		return;
	}
	if (!d->userns) {
		d->ids = m;
		report_mapping(d);
		d->ids = (struct idmap){ 0 };
		return;
	}
	if (doctor_probe(d, CLONE_NEWUSER, &m, NULL, NULL, &e) == PROBE_RAN) {
		d->ids = m;
		report_mapping(d);
		return;
	}
	doctor_add(d, DOCTOR_MISSING, "subordinate ids", "%s%s%s", e.msg, e.hint[0] ? "; " : "",
		   e.hint);
	for (size_t i = 0; i < 2; i++) {
		const char *path = doctor_find(d, i ? "newgidmap" : "newuidmap");

		if (!path || !helper_fault(path))
			continue;
		powerless = true;
		doctor_mend(d, "%schmod u+s %s", d->sudo, path);
	}
	if (!powerless && geteuid() != 0)
		mend_ranges(d);
}
