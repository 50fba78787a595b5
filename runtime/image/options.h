/*
 * The command line of `mrun [OPTIONS] IMAGE [COMMAND…]`: docker's options by name and meaning.
 * First as they stand (struct run_options), then parsed into what the run needs (struct run_plan).
 * Only what the user typed gets here; nothing of an image does.
 */
#ifndef MRUN_RUNTIME_IMAGE_OPTIONS_H
#define MRUN_RUNTIME_IMAGE_OPTIONS_H

#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/to_spec.h"
#include "oci/spec/spec.h"
#include "runtime/image/network.h"

/* As typed. */
struct run_options {
	bool interactive, tty, detach, init, keep, read_only, no_healthcheck, quiet;
	int rm; /* -1: not given */
	const char *user, *workdir, *entrypoint, *name, *hostname, *userns, *pid, *ipc, *network,
		*shm_size, *stop_signal, *platform, *cidfile, *domainname, *cgroup_parent;
	const char *memory, *memory_reservation, *memory_swap, *cpus, *cpuset_cpus, *cpuset_mems;
	/* Not given: cpu_shares -1, cpu_period and blkio_weight 0, the others INT64_MIN. */
	int64_t cpu_shares, cpu_period, cpu_quota, pids_limit, memory_swappiness, blkio_weight,
		oom_score_adj;
	struct strlist env, env_file, volume, mount, tmpfs, cap_add, cap_drop, security_opt, ulimit,
		device, group_add, sysctl, publish, add_host, label, label_file, dns, dns_search,
		dns_option, device_read_bps, device_write_bps, device_read_iops, device_write_iops;
};

/* Fills O and gives IMAGE and what follows it (NULL-terminated). 0, 1 (help was printed), -1. */
int run_options_parse(struct arena *a, int argc, char **argv, struct run_options *o, char ***args,
		      struct error *e);

/* The mounts of -v, --mount, --tmpfs and --device. */
struct mount_list {
	struct oci_mount *items;
	size_t n, cap;
	struct strlist volumes; /* "-v /path": a writable directory of the container's own */
	bool idmap;		/* bind mounts show the caller's ids as the container's (as root) */
};
/* SOURCE:TARGET[:OPTIONS] or TARGET alone. */
int mount_parse_volume(struct arena *a, const char *s, struct mount_list *l, struct error *e);
/* type=bind,source=…,target=… as one CSV record: a field with a comma stands in double quotes. */
int mount_parse_mount(struct arena *a, const char *s, struct mount_list *l, struct error *e);
/* TARGET[:OPTIONS]. */
int mount_parse_tmpfs(struct arena *a, const char *s, struct mount_list *l, struct error *e);
/* HOST[:TARGET[:rwm]]. */
int mount_parse_device(struct arena *a, const char *s, struct mount_list *l, struct error *e);

/* TYPE=SOFT[:HARD]; -1: no limit. */
int value_ulimit(struct arena *a, const char *s, struct oci_rlimit *ret, struct error *e);
/* K=V, or K: our own environment's value, and when it has none, K alone (removes the image's). */
int value_env(struct arena *a, const char *s, struct strlist *l, struct error *e);
/* Lines of K=V or K (skipped when our environment has none); '#' starts a comment. */
int value_env_file(struct arena *a, const char *path, struct strlist *l, struct error *e);
/* Lines of K=V or K; '#' starts a comment. */
int value_label_file(struct arena *a, const char *path, struct strlist *l, struct error *e);
/* K=V or K. CONFIG: refuse the keys that runtimes take for settings. */
int value_pair(struct arena *a, const char *option, const char *s, bool need_value,
	       struct json_pair *ret, struct error *e);
/* A signal by name (with or without SIG) or number; 0 when there is none such. */
int value_signal(const char *s);
/* The resource options; *ret stays NULL when none was given. */
int value_resources(struct arena *a, const struct run_options *o, struct oci_resources **ret,
		    struct error *e);

/* What the run needs. */
struct run_plan {
	struct spec_options spec; /* hostname, ids and mappings are the command's to fill in */
	struct mount_list mounts;
	struct network network;
	const char *user;
	const char *seccomp_file; /* NULL: the default profile */
	bool seccomp_unconfined, keep_id;
	bool keep_files, keep_record; /* when the container has ended */
	const char *stop_signal;
};
int run_plan_make(struct arena *a, const struct run_options *o, char *const *command,
		  struct run_plan *ret, struct error *e);

#endif
