/*
 * config.json of the OCI runtime specification 1.3 (config.md, config-linux.md), as structures.
 * Names are the specification's, in lower case with underscores. json.h says how absent values
 * look. Everything lives in the arena that it was read into.
 */
#ifndef MRUN_OCI_SPEC_SPEC_H
#define MRUN_OCI_SPEC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/base/json.h"

#define OCI_SPEC_VERSION "1.3.0"

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination, *type, *source;
	char **options;
	struct oci_id_mapping *uid_mappings;
	size_t uid_mappings_len;
	struct oci_id_mapping *gid_mappings;
	size_t gid_mappings_len;
};

struct oci_root {
	char *path;
	bool readonly;
};

struct oci_console_size {
	uint32_t height, width;
};
struct oci_user {
	uint32_t uid, gid;
	const uint32_t *umask;
	uint32_t *additional_gids;
	size_t additional_gids_len;
	char *username; /* Windows only in the specification; refused when set */
};
struct oci_rlimit {
	char *type;
	const uint64_t *soft, *hard;
};
struct oci_capabilities {
	char **bounding, **effective, **inheritable, **permitted, **ambient;
};
struct oci_scheduler {
	int policy; /* SCHED_* + 1 */
	const int32_t *nice, *priority;
	char **flags;
	const uint64_t *runtime, *deadline, *period;
};
struct oci_io_priority {
	int class; /* IOPRIO_CLASS_* */
	const int32_t *priority;
};
struct oci_cpu_affinity {
	char *initial, *final;
};
struct oci_process {
	bool terminal;
	struct oci_console_size *console_size;
	struct oci_user *user;
	char **args;
	char *command_line; /* Windows only */
	char **env;
	char *cwd;
	struct oci_capabilities *capabilities;
	struct oci_rlimit *rlimits;
	size_t rlimits_len;
	bool no_new_privileges;
	char *apparmor_profile;
	const int32_t *oom_score_adj;
	struct oci_scheduler *scheduler;
	char *selinux_label;
	struct oci_io_priority *io_priority;
	struct oci_cpu_affinity *exec_cpu_affinity;
};

struct oci_hook {
	char *path;
	char **args, **env;
	const int64_t *timeout; /* seconds */
};
struct oci_hooks {
	struct oci_hook *prestart, *create_runtime, *create_container, *start_container, *poststart,
		*poststop;
	size_t prestart_len, create_runtime_len, create_container_len, start_container_len,
		poststart_len, poststop_len;
};

/* The values are the kernel's clone flags. */
struct oci_namespace {
	int type; /* CLONE_NEW* */
	char *path;
};
struct oci_device {
	char *type, *path;
	const int64_t *major, *minor;
	const uint32_t *file_mode, *uid, *gid;
};
struct oci_net_device {
	char *key; /* the name on the host */
	char *name;
};
struct oci_time_offset {
	char *key; /* "boottime" or "monotonic" */
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_device_cgroup {
	bool allow;
	char *type;
	const int64_t *major, *minor;
	char *access;
};
struct oci_memory {
	const int64_t *limit, *reservation, *swap, *kernel, *kernel_tcp;
	const uint64_t *swappiness;
	const bool *disable_oom_killer, *use_hierarchy, *check_before_update;
};
struct oci_cpu {
	const uint64_t *shares, *burst, *period, *realtime_period;
	const int64_t *quota, *realtime_runtime, *idle;
	char *cpus, *mems;
};
struct oci_pids {
	const int64_t *limit;
};
struct oci_weight_device {
	const int64_t *major, *minor;
	const uint16_t *weight, *leaf_weight;
};
struct oci_throttle_device {
	const int64_t *major, *minor;
	const uint64_t *rate;
};
struct oci_block_io {
	const uint16_t *weight, *leaf_weight;
	struct oci_weight_device *weight_device;
	size_t weight_device_len;
	struct oci_throttle_device *read_bps, *write_bps, *read_iops, *write_iops;
	size_t read_bps_len, write_bps_len, read_iops_len, write_iops_len;
};
struct oci_hugepage_limit {
	char *page_size;
	const uint64_t *limit;
};
struct oci_interface_priority {
	char *name;
	const uint32_t *priority;
};
struct oci_network {
	const uint32_t *class_id;
	struct oci_interface_priority *priorities;
	size_t priorities_len;
};
struct oci_rdma {
	char *key;
	const uint32_t *hca_handles, *hca_objects;
};
struct oci_resources {
	struct oci_device_cgroup *devices;
	size_t devices_len;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t hugepage_limits_len;
	struct oci_network *network;
	struct oci_rdma *rdma;
	size_t rdma_len;
	struct json_pair *unified;
	size_t unified_len;
};

struct oci_syscall_arg {
	const uint32_t *index;
	const uint64_t *value, *value_two;
	int op; /* SCMP_CMP_* */
};
/* Values of enum oci_seccomp_action are libseccomp's meaning, ours in number: 0 is "not given". */
enum oci_seccomp_action {
	OCI_ACT_KILL = 1,
	OCI_ACT_KILL_PROCESS,
	OCI_ACT_KILL_THREAD,
	OCI_ACT_TRAP,
	OCI_ACT_ERRNO,
	OCI_ACT_TRACE,
	OCI_ACT_ALLOW,
	OCI_ACT_LOG,
	OCI_ACT_NOTIFY,
};
struct oci_syscall {
	char **names;
	int action;
	const uint32_t *errno_ret;
	struct oci_syscall_arg *args;
	size_t args_len;
};
struct oci_seccomp {
	int default_action;
	const uint32_t *default_errno_ret;
	char **architectures, **flags;
	char *listener_path, *listener_metadata;
	struct oci_syscall *syscalls;
	size_t syscalls_len;
};
struct oci_personality {
	int domain; /* 1: LINUX, 2: LINUX32 */
	char **flags;
};
struct oci_memory_policy {
	int mode; /* MPOL_* + 1 */
	char *nodes;
	char **flags;
};

struct oci_intel_rdt {
	char *clos_id, **schemata, *l3_cache_schema, *mem_bw_schema;
	bool enable_monitoring;
};

struct oci_linux {
	struct oci_namespace *namespaces;
	size_t namespaces_len;
	struct oci_id_mapping *uid_mappings;
	size_t uid_mappings_len;
	struct oci_id_mapping *gid_mappings;
	size_t gid_mappings_len;
	struct oci_time_offset *time_offsets;
	size_t time_offsets_len;
	struct oci_device *devices;
	size_t devices_len;
	struct oci_net_device *net_devices;
	size_t net_devices_len;
	char *cgroups_path;
	struct oci_resources *resources;
	struct json_pair *sysctl;
	size_t sysctl_len;
	struct oci_seccomp *seccomp;
	int rootfs_propagation; /* OCI_PROPAGATION_*, 0: not given */
	char **masked_paths, **readonly_paths;
	char *mount_label;
	struct oci_personality *personality;
	struct oci_memory_policy *memory_policy;
	struct oci_intel_rdt *intel_rdt; /* read, and refused */
};

enum {
	OCI_PROPAGATION_PRIVATE = 1,
	OCI_PROPAGATION_SHARED,
	OCI_PROPAGATION_SLAVE,
	OCI_PROPAGATION_UNBINDABLE,
	OCI_PROPAGATION_KIND = 7,     /* mask of the above */
	OCI_PROPAGATION_RECURSIVE = 8 /* beside one of them: "rshared" and the like */
};

struct oci_spec {
	char *oci_version;
	struct oci_root *root;
	struct oci_mount *mounts;
	size_t mounts_len;
	struct oci_process *process;
	char *hostname, *domainname;
	struct oci_hooks *hooks;
	struct json_pair *annotations;
	size_t annotations_len;
	struct oci_linux *linux_;
	/* Other platforms' sections: their types are checked (platforms.c), and a configuration
	 * that has one of them and none for Linux is refused. */
	const struct json_value *windows, *solaris, *vm, *zos, *freebsd;
	const char *text; /* the JSON that it was read from; NULL: none, it was made */
	size_t text_len;
};

extern const struct json_type oci_spec_type, oci_process_type, oci_resources_type,
	oci_id_mapping_type, oci_seccomp_type, oci_mount_type;

/* The names that these fields may have; the value is the kernel's, of a limit plus 1. */
extern const struct json_enum oci_namespace_types[], oci_rlimit_types[], oci_scheduler_flags[],
	oci_memory_policy_flags[], oci_seccomp_actions[], oci_seccomp_operators[];

/* Reads config.json (at most JSON_MAX_SIZE bytes) below DIRFD and validates it. NULL on error. */
struct oci_spec *oci_spec_load(struct arena *a, int dirfd, const char *path, struct error *e);
/* The same of a text that was found to be valid before. */
struct oci_spec *oci_spec_read_again(struct arena *a, const char *text, size_t len,
				     const char *name, struct error *e);
/* Reads and checks a process object (exec --process). */
struct oci_process *oci_process_load(struct arena *a, const char *path, struct error *e);

/* What the schema cannot say: versions, required parts, values that contradict each other
 * (runtime-spec config.md; each message names the field). */
int oci_spec_validate(const struct oci_spec *s, struct error *e);
int oci_process_validate(const struct oci_process *p, const char *where, struct error *e);

/* Checks the types of the sections for other platforms, which nothing here uses. */
int oci_platforms_check(struct arena *a, const struct oci_spec *s, struct error *e);

/* "0-3,7", with spaces and empty items as cpuset(7) and runc take them, to a set of bits of
 * OCI_LIST_MAX. False when it is no such list. */
#define OCI_LIST_MAX 1024
#define OCI_LIST_WORDS (OCI_LIST_MAX / (8 * sizeof(unsigned long)))
bool oci_list_parse(const char *text, unsigned long bits[OCI_LIST_WORDS]);

/* The namespace entry of TYPE (CLONE_NEW*), NULL when there is none. */
const struct oci_namespace *oci_spec_namespace(const struct oci_spec *s, int type);

/* The annotation's value, NULL when there is none. */
const char *oci_spec_annotation(const struct oci_spec *s, const char *key);

/* A default config.json as `runc spec` makes it; ROOTLESS as `runc spec --rootless`. */
struct oci_spec *oci_spec_default(struct arena *a, bool rootless, uint32_t uid, uint32_t gid);

#endif
