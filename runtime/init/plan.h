/*
 * Plan first, then clone: all that can be parsed, opened and computed is put into these structures
 * before the container's first process exists, so that it only makes system calls. The child is a
 * fork: it reads the plan where the parent wrote it.
 */
#ifndef MRUN_RUNTIME_INIT_PLAN_H
#define MRUN_RUNTIME_INIT_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/container/container.h"
#include "runtime/init/idmap.h"
#include "runtime/init/net_thread.h"
#include "runtime/init/seccomp.h"

/* One mount, its options already understood (runtime-spec config.md, "Mounts"). */
struct mount_plan {
	const struct oci_mount *spec;
	const char *dest;    /* cleaned: absolute, no "..", no double slashes */
	const char *fstype;  /* NULL: bind */
	const char *data;    /* options that are the file system's, joined by commas; may be NULL */
	unsigned long flags; /* MS_* for a new file system */
	uint64_t attr_set, attr_clear;	       /* MOUNT_ATTR_* for mount_setattr, this mount only */
	uint64_t rec_attr_set, rec_attr_clear; /* the same for the whole tree (rro, rnoexec …) */
	unsigned long propagation;	       /* MS_SHARED … with MS_REC, 0: none asked for */
	bool bind, recursive, copy_up, idmap, idmap_recursive;
	int source_fd;	 /* a detached tree that the parent opened, -1: by name in the child */
	bool is_new;	 /* in the child: a file system of type fstype was made for it */
	int readonly_fd; /* in the child: a tmpfs that is yet to become read-only; -1 */
};

/* The sets of capabilities, as bits. What the specification does not give is empty. */
struct cap_plan {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* What becomes of the process between the set-up and execve: shared by init and exec. */
struct process_plan {
	const struct oci_process *spec;
	char **args, **env;
	const char *cwd;
	struct cap_plan caps;
	struct seccomp_filter seccomp;
	struct rlimit64_plan {
		int resource;
		struct rlimit lim;
	} * rlimits;
	size_t rlimits_len;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t groups_len;
	const char *user; /* docker's USER string, looked up in the container; NULL: uid/gid */
	char *const *group_add;
	const char *session_keyring;	  /* NULL: keep the caller's */
	const char *label_file;		  /* with label_late: below that /proc; NULL: no label */
	const char *label_prefix, *label; /* and what is written there */
	struct oci_personality *personality_spec;
	struct oci_memory_policy *memory_policy_spec;
	struct strlist warnings;  /* for the log */
	uint64_t ambient_missing; /* process_drop(): capabilities that could not be raised */
	mode_t umask;
	int personality;	/* -1: leave */
	int preserve_fds;	/* descriptors from 3 on that stay open */
	int shim_fd;		/* sealed memory file with the shim */
	int label_proc;		/* with label_late: the container's /proc */
	int root_fd;		/* of the container's root, -1: to be opened */
	bool setgroups_allowed; /* the user namespace lets us call setgroups(2) */
	bool set_home;		/* HOME from the container's passwd unless env has it */
	bool no_new_privs, init;
	bool existing_cwd;     /* exec: a missing working directory is an error, not made */
	bool user_namespace;   /* the container has one that is not ours */
	bool parent_schedules; /* process.scheduler is set from outside: a clone may reset it */
	bool ends_with_mrun;   /* also when the program runs */
	bool goes_on;	 /* when mrun ends, its parent, with which it would have ended so far */
	bool label_late; /* the shim sets the label, through the container's /proc */
	/* What init.c knows, and exec.c does not, of the process that process_drop() works on. */
	bool ids_are_zero, no_groups; /* all of its ids are 0; it has no supplementary groups */
	bool in_root;		      /* root_fd is the working directory, and umask(2) is 022 */
};

struct init_plan {
	struct arena *arena;
	const struct oci_spec *spec;
	const struct container_options *options;
	const char *rootfs; /* absolute; NULL with an overlay */
	int rootfs_tree;    /* a detached mount of it, where the child may not get there; -1 */
	const char *hostname, *domainname;
	uint64_t clone_flags; /* namespaces made by clone */
	uint64_t late_flags;  /* made by the child itself: cgroup (after it was attached), time,
			       * as root with a user namespace ipc (once it is the mapped root),
			       * network where nobody outside waits for it (net_thread.h) */
	struct namespace_join {
		int type, fd;
	} joins[8];
	size_t joins_len;
	bool new_userns; /* a user namespace of the container's own */
	bool joined_userns;
	bool watched; /* processes with rights over ours can see it from the start */
	/* It joins a pid namespace, and others there may have rights over our user namespace, from
	 * which nothing can be hidden: the shim makes the first process, last of all (exec_join.c
	 * says why). */
	bool exposed;
	bool devices_by_bind; /* mknod is not allowed there */
	struct idmap idmap;   /* used when new_userns */
	struct mount_plan *mounts;
	size_t mounts_len;
	struct cgroup_mount_info *cgroups; /* for a mount of type cgroup; NULL: none */
	struct cgroup_join *cgroup_join;   /* the child moves itself; NULL: no cgroup */
	bool cgroup_late; /* when it is told where (cgroup_late.h), instead of first of all */
	struct process_plan process;
	bool terminal;
	unsigned short rows, cols;
	unsigned stdio_null;	 /* which of 0 to 2 are the host's null device, as bits */
	int state_fd;		 /* the state directory, which the child has no use for */
	int null_tree;		 /* in the child: devices_null_clone()'s, -1: not made yet */
	int sync_fd;		 /* the child's end of the pair with the parent */
	int parent_fd;		 /* the parent's end, which the child closes */
	int start_fd, result_fd; /* create: FIFOs that start writes to and reads from; else -1 */
	int console_fd;		 /* connected console socket, -1: the terminal goes to the parent */
	bool hooks_runtime;	 /* the parent has prestart or createRuntime hooks to run */
	bool pdeathsig;		 /* die with the parent also after execve */
	bool at_once;		 /* the child needs not wait for SYNC_MAPPED before it begins */
	/* A pipe whose other end newuidmap and newgidmap have open: the child sees itself that they
	 * have ended, while the parent is still on its way to say so. [0] 0: there is none. */
	int helpers_fd[2];
	bool mapped_unheard; /* in the child: SYNC_MAPPED is still to come */
	bool ready;	     /* in the child: SYNC_READY was heard */
	int host_proc;	     /* in the child: the host's /proc, -1: not needed, or not any more */
	struct net_thread *net; /* makes the network namespace; NULL: the clone does, or it has … */
	bool net_ours;		/* … and it was begun by the child itself, not the parent */
	/* The state JSON (runtime.md, State) for the hooks that the child runs, in STATUS, with the
	 * pid that it has for itself. */
	char *(*hook_state)(const struct init_plan *p, const char *status, pid_t pid);
	const void *hook_state_ctx;
	const char *cache_path; /* overlay: the directory that its names are relative to */
};

/* Opens a detached copy of the mounts at PATH (FLAGS: AT_RECURSIVE or 0) for the child to attach.
 * Not one of the host's peers any more: what the container mounts on it would appear on the host.
 * -1 with errno. */
int plan_open_tree(const struct init_plan *p, const char *path, unsigned flags);

/* The options DATA of a new file system (may be NULL) and linux.mountLabel as SELinux takes it. */
const char *plan_mount_data(const struct init_plan *p, const char *data);

/* Fills the plan's mounts, process part and flags from the specification. Descriptors it opens
 * are close-on-exec and die with the process. */
int plan_make(struct init_plan *p, struct error *e);

/* Mount options to flags: pure. UNKNOWN options are joined into ret->data. */
int mount_options_parse(struct arena *a, char *const *options, struct mount_plan *ret,
			struct error *e);
/* Names of capabilities to bits. One that is unknown is left out with a warning: runtimes should
 * not fail for it (runtime-spec config.md, "capabilities"). */
void capabilities_parse(struct arena *a, char *const *names, uint64_t *ret, const char *where,
			struct strlist *warnings);
/* A line for each of the ambient capabilities BITS, which could not be raised. */
void capabilities_not_raised(struct arena *a, uint64_t bits, struct strlist *warnings);
/* All of it but P->shim_fd. */
int process_plan_make(struct arena *a, const struct oci_process *spec, struct process_plan *p,
		      struct error *e);

/* The shim as a sealed memory file: nobody can write to it, whoever gets hold of it. A descriptor,
 * -1 with E. */
int process_make_shim(struct error *e);

#endif
