/*
 * Who a process runs as: docker's USER string ("", "name", "uid", "name:group", "uid:gid"), looked
 * up in the container's own /etc/passwd and /etc/group. These files are the image author's: they
 * are opened beneath the root, must be regular, are read with a cap, and a number is only a number
 * when it is one from its first to its last character and fits (CVE-2024-40635, CVE-2024-9676).
 */
#ifndef MRUN_RUNTIME_INIT_USER_H
#define MRUN_RUNTIME_INIT_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

struct user_result {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary */
	size_t groups_len;
	const char *home; /* of the passwd entry, else "/" (as docker does), never with a newline */
	const char *name; /* of the passwd entry, NULL when there is none */
};

/* Of a root that no process is confined to: its passwd and group are regular files, or not there.
 * For user_resolve() opens what is there, and to open a device may do something. */
int user_databases_check(int rootfd, struct error *e);

/* USER may be NULL or "" (root). GROUP_ADD: further groups by name or number, may be NULL. */
int user_resolve(struct arena *a, int rootfd, const char *user, char *const *group_add,
		 struct user_result *ret, struct error *e);

/* HOME of a numeric uid in the container's passwd file; "/" when there is none, or none that root
 * in the container may read. Any other that cannot be read is an error. */
int user_home(struct arena *a, int rootfd, uid_t uid, const char **ret, struct error *e);

#endif
