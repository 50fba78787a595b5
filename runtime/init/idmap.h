/*
 * Which ids a user namespace maps, and giving a child process that mapping: written directly where
 * the kernel allows it, else by newuidmap and newgidmap, the two side by side
 * (user_namespaces(7), newuidmap(1), subuid(5)).
 */
#ifndef MRUN_RUNTIME_INIT_IDMAP_H
#define MRUN_RUNTIME_INIT_IDMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"
#include "runtime/init/idmap_helper.h"

/* The range that root's image containers use when /etc/subuid gives root none: 65,536 ids from
 * here, a part of the 32-bit space that systemd's "Users, Groups, UIDs and GIDs" leaves alone. */
#define IDMAP_ROOT_BASE 1879048192u
#define IDMAP_RANGE 65536u

struct idmap {
	struct oci_id_mapping *uids;
	size_t uids_len;
	struct oci_id_mapping *gids;
	size_t gids_len;
	bool single;	  /* only the caller's own uid and gid are mapped */
	const char *lost; /* single: why (one line for people), else NULL */
};

/* The mapping of an image container for the caller: as root 0..65535 to root's range in
 * /etc/subuid or IDMAP_ROOT_BASE; as a user 0 to the user and 1..N to the subordinate range where
 * newuidmap can be had, else the single id. An error where that cannot be found out. */
int idmap_default(struct arena *a, struct idmap *ret, struct error *e);
/* Only the caller's own ids, as container ids UID and GID. */
void idmap_single(struct arena *a, uid_t uid, gid_t gid, struct idmap *ret);

/* Starts to map process PID, which is in a new user namespace made by us; finish waits for the
 * helpers. Between the two the caller may do other work. */
struct idmap_job {
	struct idmap_helper uids, gids;
	int open_fd; /* the caller's to set: newuidmap and newgidmap have it open; 0: none */
};
int idmap_start(struct arena *a, pid_t pid, const struct idmap *m, struct idmap_job *job,
		struct error *e);
int idmap_finish(struct idmap_job *job, struct error *e);

/* Host id of a container id; -1 when it is not mapped. */
int64_t idmap_host_uid(const struct idmap *m, uint32_t uid);
int64_t idmap_host_gid(const struct idmap *m, uint32_t gid);

/* The largest range that FILE (/etc/subuid or /etc/subgid, subuid(5)) gives to the user with number
 * UID or NAME (may be NULL): 1; 0 with *count 0 when there is none, or no such file; -1. */
int idmap_subordinate_range(struct arena *a, const char *file, uid_t uid, const char *name,
			    uint32_t *first, uint32_t *count, struct error *e);

/* Whether every id is mapped to itself: root inside another container gives its own ids on. */
bool idmap_is_identity(const struct idmap *m);

/* Whether we are in a user namespace that does not map all ids to themselves. */
bool idmap_in_user_namespace(struct arena *a);

/* A name for a cache directory: the same mapping gives the same name, and no other does. */
char *idmap_key(struct arena *a, const struct idmap *m);

#endif
