/*
 * Control groups: one interface; v1, v2 and the hybrid layout behind it (cgroups(7), kernel
 * admin-guide/cgroup-v2). Which layout the host has is found by looking at the mounts, never
 * configured. With the systemd driver the cgroup is made by systemd (systemd.h), which a program
 * of its own, mrun-systemd, asks for it; all the rest is the same.
 */
#ifndef MRUN_RUNTIME_CGROUP_CGROUP_H
#define MRUN_RUNTIME_CGROUP_CGROUP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/base/json.h"
#include "oci/spec/spec.h"

struct cgroup; /* opaque: one container's cgroup(s) */

struct cgroup_request {
	const char *path; /* linux.cgroupsPath; NULL: a default made of the id */
	const char *id;
	const struct oci_resources *resources; /* may be NULL */
	bool systemd;			       /* --systemd-cgroup */
	bool disabled; /* --cgroup-manager disabled: nothing is made or joined */
	bool rootless; /* no error when no cgroup can be made and no limit was asked for */

	/* The systemd driver's. */
	const char *state_dir;		     /* the container's own: what its unit is known by */
	const struct json_pair *annotations; /* org.systemd.property.* among them */
	size_t annotations_len;
	bool user_manager; /* the caller's user manager, if there is one; else the system's */
	bool or_systemd;   /* use it, too, for limits where the caller's cgroup is not his */
};

/* Finds out where the container's cgroup will be, changes nothing. NULL on error. */
struct cgroup *cgroup_plan(struct arena *a, const struct cgroup_request *r, struct error *e);
/* Whether there will be none: no right to make one, and no limit that needs one. */
bool cgroup_out_of_reach(const struct cgroup *cg);
/* Once the container's name is ours: whether what was there already when cgroup_plan() looked is
 * gone by now, with a container of that name that was being deleted. What is made there then is
 * ours: to be saved again. */
bool cgroup_look_again(struct cgroup *cg);
/* Has F called by cgroup_create(), once, before it makes directories above the container's: what
 * cgroup_save() says then names them. F is to record it, as a crash may come between the making of
 * one and its mark. -1 ends the creation. */
typedef int cgroup_note(void *ctx, struct error *e);
void cgroup_set_note(struct cgroup *cg, cgroup_note *f, void *ctx);
/* Makes the directories (missing parents too, with their controllers enabled on v2) and applies the
 * resources. What was made is removed again on failure. With systemd it waits until the unit is
 * there; on failure cgroup_delete() cleans up. */
int cgroup_create(struct cgroup *cg, struct error *e);
/* Where there are v1 hierarchies, making their directories takes longer than all that the first
 * process has to do. So this only makes, before it is cloned, the one that it is born into (v2's,
 * if there is one; it also finds what makes no sense among the resources), and cgroup_create() the
 * rest while it is at work. Where that fails, cgroup_delete() takes the first away, once it is
 * empty. */
bool cgroup_comes_later(const struct cgroup *cg);
int cgroup_create_first(struct cgroup *cg, struct error *e);

/* The systemd driver needs a process that waits while its cgroup is made. cgroup_begin() starts
 * mrun-systemd, which connects while the caller goes on; cgroup_give_pid() names the process, and
 * cgroup_create() then waits for the result. Without systemd all three do nothing (false, 0). */
bool cgroup_needs_pid(const struct cgroup *cg);
int cgroup_begin(struct cgroup *cg, struct error *e);
int cgroup_give_pid(struct cgroup *cg, pid_t pid, struct error *e);
/* Whether the caller has no right to move a process into it, so that cgroup_attach_exec() has to
 * ask systemd to. */
bool cgroup_needs_manager(const struct cgroup *cg);

/* For doctor: asks the manager for its version and for the controllers that it can hand to a
 * container; E names what was tried. */
int cgroup_probe_systemd(struct arena *a, bool user, const char **ret_version,
			 const char **ret_controllers, struct error *e);
/* Whether the program is there (features). */
bool cgroup_systemd_available(struct arena *a);
/* Whether less was made than cgroup_plan() said, for want of a right. */
bool cgroup_gave_up(const struct cgroup *cg);
/* A descriptor for clone3's CLONE_INTO_CGROUP (v2 only), -1 when the child must be attached. CG's
 * until cgroup_finish(). */
int cgroup_clone_fd(const struct cgroup *cg);
/* The rest, for when the first process is at work already, and before anything runs that is not
 * ours: the marks by which the directories are known as mrun's, and the rules for devices where
 * these come later: on v2 they are a program, which the kernel takes as long for as for all else
 * that a container's cgroup needs (0.2 ms). Elsewhere cgroup_create() has set them. */
int cgroup_finish(struct cgroup *cg, struct error *e);
bool cgroup_devices_come_later(const struct cgroup *cg);
/* After clone3 into it failed with EOPNOTSUPP: a cgroup without limits below threads becomes one
 * that a process may enter. */
int cgroup_make_enterable(struct cgroup *cg, struct error *e);
/* The same for one that was found again (exec); the caller closes it. */
int cgroup_open_clone_fd(const struct cgroup *cg);
/* Moves process PID into it (all hierarchies not entered by clone). Rootless, one that may not be
 * entered and that no limit needs is given up: save again afterwards. */
int cgroup_attach(const struct cgroup *cg, pid_t pid, bool cloned_into, struct error *e);
/* Whether the container has a cgroup at all (rootless: there may be none). */
bool cgroup_exists(const struct cgroup *cg);

/* The cheaper way in, 0.1 ms instead of 4 to 8 on a hybrid host (join.c says why): the parent
 * opens, before the clone or (cgroup_comes_later) after it, the child, while it has a single thread
 * and before it unshares its cgroup namespace, moves itself (this also closes the descriptors
 * there), the parent closes its own. cgroup_join_self() only makes system calls and fills E. With
 * CLONED_INTO the v2 hierarchy is left out, as clone3 has put the child there; where clone3 says
 * EACCES, EPERM, EBUSY or ENOSYS, clone without and join with CLONED_INTO false, which has the
 * better error text. */
#define CGROUP_JOIN_MAX 64
#define CGROUP_JOIN_OPTIONAL 0x80u /* rootless, and no limit needs it */
struct cgroup_join {
	const struct cgroup *cg;
	int fds[CGROUP_JOIN_MAX];
	uint8_t which[CGROUP_JOIN_MAX]; /* of CG's hierarchies, or'ed with CGROUP_JOIN_OPTIONAL */
	size_t n;
};
int cgroup_join_open(const struct cgroup *cg, bool cloned_into, struct cgroup_join *ret,
		     struct error *e);
int cgroup_join_self(struct cgroup_join *j, struct error *e);
void cgroup_join_close(struct cgroup_join *j);

/* For exec: moves PID into SUB ("" or a path below the container's cgroup, `exec --cgroup`) of the
 * hierarchy that has CONTROLLER (NULL: all). Where v2 refuses because the container has made
 * children of its cgroup, PID goes where INIT_PID (0: unknown) is, as runc does. */
int cgroup_attach_exec(const struct cgroup *cg, const char *controller, const char *sub, pid_t pid,
		       pid_t init_pid, struct error *e);

/* v2: makes UID (a host id: the container's root) the owner of the container's cgroup, so that it
 * can make children there (runtime-spec config-linux.md, "Cgroup ownership"). On v1 nothing. */
int cgroup_chown(const struct cgroup *cg, uid_t uid, struct error *e);

/* Sets the resources (again): update. Fields that are not given stay. */
int cgroup_set(const struct cgroup *cg, const struct oci_resources *r, struct error *e);

int cgroup_freeze(const struct cgroup *cg, bool frozen, struct error *e);
bool cgroup_is_frozen(const struct cgroup *cg);
/* Sends SIG to every process of the cgroup and its children. */
int cgroup_kill(const struct cgroup *cg, int sig, struct error *e);
/* All processes, children's too; from the arena, *ret_len many. */
int cgroup_pids(struct arena *a, const struct cgroup *cg, pid_t **ret, size_t *ret_len,
		struct error *e);
/* Removes it with its children; tries for at most TIMEOUT_MS while processes are still leaving.
 * Only what we made is removed. A missing one is fine. */
int cgroup_delete(const struct cgroup *cg, int timeout_ms, struct error *e);

/* For state.json and back: what is needed to find the same cgroup again. */
void cgroup_save(const struct cgroup *cg, struct json_out *o); /* one value: an object */
struct cgroup *cgroup_restore(struct arena *a, const struct json_value *v, struct error *e);

/* runc's events --stats data object, written as one value. All of its sections are there, as in
 * runc's; those of missing controllers hold zeros. */
int cgroup_stats(struct arena *a, const struct cgroup *cg, struct json_out *o, struct error *e);

/* For a mount of type "cgroup" in the container: what the host has, and where the container's own
 * part lies. v2: unified is true and one entry. Hybrid: the v2 side is an entry without options. */
struct cgroup_mount_info {
	bool unified;
	struct cgroup_hierarchy {
		const char *name;	 /* directory below /sys/fs/cgroup; "" on v2 */
		const char *options;	 /* mount data ("cpu,cpuacct", "name=systemd") */
		const char *mount_point; /* on the host */
		const char *path;	 /* of the container's cgroup in it, absolute, "/" first */
	} * hierarchies;
	size_t len;
};
int cgroup_mount_info(struct arena *a, const struct cgroup *cg, struct cgroup_mount_info *ret,
		      struct error *e);
/* Number of OOM kills so far; -1 unknown: the cgroup may be gone already, with systemd. */
int64_t cgroup_oom_kills(const struct cgroup *cg);
/* Then: whether there were any in the nearest cgroup above it that is still there since CG, which
 * has a memory limit, was made by this process. */
bool cgroup_oom_likely(const struct cgroup *cg);
/* Bytes; -1 when there is no limit, or it can't be read. Of a cgroup that is gone: what was asked.
 */
int64_t cgroup_memory_limit(const struct cgroup *cg);

#endif
