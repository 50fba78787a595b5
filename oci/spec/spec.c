/* The tables that tie config.json's keys to spec.h's structures: one line a key. */
#include "oci/spec/spec.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/resource.h>

#define END                 \
	{                   \
		.key = NULL \
	}

static const struct json_field id_mapping_fields[] = {
	JF(oci_id_mapping, container_id, "containerID", J_U32, J_REQUIRED | J_ALWAYS),
	JF(oci_id_mapping, host_id, "hostID", J_U32, J_REQUIRED | J_ALWAYS),
	JF(oci_id_mapping, size, "size", J_U32, J_REQUIRED | J_ALWAYS),
	END,
};
JSON_TYPE(oci_id_mapping_type, oci_id_mapping, id_mapping_fields);

static const struct json_field mount_fields[] = {
	JF(oci_mount, destination, "destination", J_STR, J_REQUIRED),
	JF(oci_mount, type, "type", J_STR, 0),
	JF(oci_mount, source, "source", J_STR, 0),
	JF(oci_mount, options, "options", J_STRS, 0),
	JF_L(oci_mount, uid_mappings, "uidMappings", J_ARR, 0, &oci_id_mapping_type),
	JF_L(oci_mount, gid_mappings, "gidMappings", J_ARR, 0, &oci_id_mapping_type),
	END,
};
JSON_TYPE(oci_mount_type, oci_mount, mount_fields);

static const struct json_field root_fields[] = {
	JF(oci_root, path, "path", J_STR, J_REQUIRED),
	JF(oci_root, readonly, "readonly", J_BOOL, 0),
	END,
};
static JSON_TYPE(root_type, oci_root, root_fields);

static const struct json_field console_size_fields[] = {
	JF(oci_console_size, height, "height", J_U32, J_REQUIRED | J_ALWAYS),
	JF(oci_console_size, width, "width", J_U32, J_REQUIRED | J_ALWAYS),
	END,
};
static JSON_TYPE(console_size_type, oci_console_size, console_size_fields);

static const struct json_field user_fields[] = {
	JF(oci_user, uid, "uid", J_U32, J_ALWAYS),
	JF(oci_user, gid, "gid", J_U32, J_ALWAYS),
	JF(oci_user, umask, "umask", J_PU32, 0),
	JF_L(oci_user, additional_gids, "additionalGids", J_U32S, 0, NULL),
	JF(oci_user, username, "username", J_STR, 0),
	END,
};
static JSON_TYPE(user_type, oci_user, user_fields);

const struct json_enum oci_rlimit_types[] = {
	{ "RLIMIT_AS", RLIMIT_AS + 1 },
	{ "RLIMIT_CORE", RLIMIT_CORE + 1 },
	{ "RLIMIT_CPU", RLIMIT_CPU + 1 },
	{ "RLIMIT_DATA", RLIMIT_DATA + 1 },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE + 1 },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS + 1 },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK + 1 },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE + 1 },
	{ "RLIMIT_NICE", RLIMIT_NICE + 1 },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE + 1 },
	{ "RLIMIT_NPROC", RLIMIT_NPROC + 1 },
	{ "RLIMIT_RSS", RLIMIT_RSS + 1 },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO + 1 },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME + 1 },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING + 1 },
	{ "RLIMIT_STACK", RLIMIT_STACK + 1 },
	{ NULL, 0 },
};
static const struct json_field rlimit_fields[] = {
	JF_SUB(oci_rlimit, type, "type", J_STR, J_REQUIRED, oci_rlimit_types),
	JF(oci_rlimit, hard, "hard", J_PU64, J_REQUIRED),
	JF(oci_rlimit, soft, "soft", J_PU64, J_REQUIRED),
	END,
};
static JSON_TYPE(rlimit_type, oci_rlimit, rlimit_fields);

static const struct json_field capabilities_fields[] = {
	JF(oci_capabilities, bounding, "bounding", J_STRS, 0),
	JF(oci_capabilities, effective, "effective", J_STRS, 0),
	JF(oci_capabilities, inheritable, "inheritable", J_STRS, 0),
	JF(oci_capabilities, permitted, "permitted", J_STRS, 0),
	JF(oci_capabilities, ambient, "ambient", J_STRS, 0),
	END,
};
static JSON_TYPE(capabilities_type, oci_capabilities, capabilities_fields);

static const struct json_enum scheduler_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL + 1 },
	{ "SCHED_FIFO", SCHED_FIFO + 1 },
	{ "SCHED_RR", SCHED_RR + 1 },
	{ "SCHED_BATCH", SCHED_BATCH + 1 },
	{ "SCHED_ISO", 4 + 1 },
	{ "SCHED_IDLE", SCHED_IDLE + 1 },
	{ "SCHED_DEADLINE", SCHED_DEADLINE + 1 },
	{ NULL, 0 },
};
const struct json_enum oci_scheduler_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};
static const struct json_field scheduler_fields[] = {
	JF_SUB(oci_scheduler, policy, "policy", J_ENUM, J_REQUIRED, scheduler_policies),
	JF(oci_scheduler, nice, "nice", J_PI32, 0),
	JF(oci_scheduler, priority, "priority", J_PI32, 0),
	JF_SUB(oci_scheduler, flags, "flags", J_STRS, 0, oci_scheduler_flags),
	JF(oci_scheduler, runtime, "runtime", J_PU64, 0),
	JF(oci_scheduler, deadline, "deadline", J_PU64, 0),
	JF(oci_scheduler, period, "period", J_PU64, 0),
	END,
};
static JSON_TYPE(scheduler_type, oci_scheduler, scheduler_fields);

static const struct json_enum io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	{ NULL, 0 },
};
static const struct json_field io_priority_fields[] = {
	JF_SUB(oci_io_priority, class, "class", J_ENUM, J_REQUIRED, io_classes),
	JF(oci_io_priority, priority, "priority", J_PI32, 0),
	END,
};
static JSON_TYPE(io_priority_type, oci_io_priority, io_priority_fields);

static const struct json_field cpu_affinity_fields[] = {
	JF(oci_cpu_affinity, initial, "initial", J_STR, 0),
	JF(oci_cpu_affinity, final, "final", J_STR, 0),
	END,
};
static JSON_TYPE(cpu_affinity_type, oci_cpu_affinity, cpu_affinity_fields);

static const struct json_field process_fields[] = {
	JF(oci_process, terminal, "terminal", J_BOOL, 0),
	JF_SUB(oci_process, console_size, "consoleSize", J_OBJ, 0, &console_size_type),
	JF_SUB(oci_process, user, "user", J_OBJ, 0, &user_type),
	JF(oci_process, args, "args", J_STRS, 0),
	JF(oci_process, command_line, "commandLine", J_STR, 0),
	JF(oci_process, env, "env", J_STRS, 0),
	JF(oci_process, cwd, "cwd", J_STR, J_REQUIRED),
	JF_SUB(oci_process, capabilities, "capabilities", J_OBJ, 0, &capabilities_type),
	JF_L(oci_process, rlimits, "rlimits", J_ARR, 0, &rlimit_type),
	JF(oci_process, no_new_privileges, "noNewPrivileges", J_BOOL, 0),
	JF(oci_process, apparmor_profile, "apparmorProfile", J_STR, 0),
	JF(oci_process, oom_score_adj, "oomScoreAdj", J_PI32, 0),
	JF_SUB(oci_process, scheduler, "scheduler", J_OBJ, 0, &scheduler_type),
	JF(oci_process, selinux_label, "selinuxLabel", J_STR, 0),
	JF_SUB(oci_process, io_priority, "ioPriority", J_OBJ, 0, &io_priority_type),
	JF_SUB(oci_process, exec_cpu_affinity, "execCPUAffinity", J_OBJ, 0, &cpu_affinity_type),
	END,
};
JSON_TYPE(oci_process_type, oci_process, process_fields);

static const struct json_field hook_fields[] = {
	JF(oci_hook, path, "path", J_STR, J_REQUIRED),
	JF(oci_hook, args, "args", J_STRS, 0),
	JF(oci_hook, env, "env", J_STRS, 0),
	JF(oci_hook, timeout, "timeout", J_PI64, 0),
	END,
};
static JSON_TYPE(hook_type, oci_hook, hook_fields);

static const struct json_field hooks_fields[] = {
	JF_L(oci_hooks, prestart, "prestart", J_ARR, 0, &hook_type),
	JF_L(oci_hooks, create_runtime, "createRuntime", J_ARR, 0, &hook_type),
	JF_L(oci_hooks, create_container, "createContainer", J_ARR, 0, &hook_type),
	JF_L(oci_hooks, start_container, "startContainer", J_ARR, 0, &hook_type),
	JF_L(oci_hooks, poststart, "poststart", J_ARR, 0, &hook_type),
	JF_L(oci_hooks, poststop, "poststop", J_ARR, 0, &hook_type),
	END,
};
static JSON_TYPE(hooks_type, oci_hooks, hooks_fields);

const struct json_enum oci_namespace_types[] = {
	{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "mount", CLONE_NEWNS },
	{ "network", CLONE_NEWNET },   { "pid", CLONE_NEWPID }, { "time", CLONE_NEWTIME },
	{ "user", CLONE_NEWUSER },     { "uts", CLONE_NEWUTS }, { NULL, 0 },
};
static const struct json_field namespace_fields[] = {
	JF_SUB(oci_namespace, type, "type", J_ENUM, J_REQUIRED, oci_namespace_types),
	JF(oci_namespace, path, "path", J_STR, 0),
	END,
};
static JSON_TYPE(namespace_type, oci_namespace, namespace_fields);

static const struct json_field device_fields[] = {
	JF(oci_device, type, "type", J_STR, J_REQUIRED),
	JF(oci_device, path, "path", J_STR, J_REQUIRED),
	JF(oci_device, major, "major", J_PI64, 0),
	JF(oci_device, minor, "minor", J_PI64, 0),
	JF(oci_device, file_mode, "fileMode", J_PU32, 0),
	JF(oci_device, uid, "uid", J_PU32, 0),
	JF(oci_device, gid, "gid", J_PU32, 0),
	END,
};
static JSON_TYPE(device_type, oci_device, device_fields);

static const struct json_field net_device_fields[] = {
	JF(oci_net_device, name, "name", J_STR, 0),
	END,
};
static JSON_TYPE(net_device_type, oci_net_device, net_device_fields);

static const struct json_field time_offset_fields[] = {
	JF(oci_time_offset, secs, "secs", J_I64, 0),
	JF(oci_time_offset, nanosecs, "nanosecs", J_U32, 0),
	END,
};
static JSON_TYPE(time_offset_type, oci_time_offset, time_offset_fields);

static const struct json_field device_cgroup_fields[] = {
	JF(oci_device_cgroup, allow, "allow", J_BOOL, J_ALWAYS | J_REQUIRED),
	JF(oci_device_cgroup, type, "type", J_STR, 0),
	JF(oci_device_cgroup, major, "major", J_PI64, 0),
	JF(oci_device_cgroup, minor, "minor", J_PI64, 0),
	JF(oci_device_cgroup, access, "access", J_STR, 0),
	END,
};
static JSON_TYPE(device_cgroup_type, oci_device_cgroup, device_cgroup_fields);

static const struct json_field memory_fields[] = {
	JF(oci_memory, limit, "limit", J_PI64, 0),
	JF(oci_memory, reservation, "reservation", J_PI64, 0),
	JF(oci_memory, swap, "swap", J_PI64, 0),
	JF(oci_memory, kernel, "kernel", J_PI64, 0),
	JF(oci_memory, kernel_tcp, "kernelTCP", J_PI64, 0),
	JF(oci_memory, swappiness, "swappiness", J_PU64, 0),
	JF(oci_memory, disable_oom_killer, "disableOOMKiller", J_PBOOL, 0),
	JF(oci_memory, use_hierarchy, "useHierarchy", J_PBOOL, 0),
	JF(oci_memory, check_before_update, "checkBeforeUpdate", J_PBOOL, 0),
	END,
};
static JSON_TYPE(memory_type, oci_memory, memory_fields);

static const struct json_field cpu_fields[] = {
	JF(oci_cpu, shares, "shares", J_PU64, 0),
	JF(oci_cpu, quota, "quota", J_PI64, 0),
	JF(oci_cpu, burst, "burst", J_PU64, 0),
	JF(oci_cpu, period, "period", J_PU64, 0),
	JF(oci_cpu, realtime_runtime, "realtimeRuntime", J_PI64, 0),
	JF(oci_cpu, realtime_period, "realtimePeriod", J_PU64, 0),
	JF(oci_cpu, cpus, "cpus", J_STR, 0),
	JF(oci_cpu, mems, "mems", J_STR, 0),
	JF(oci_cpu, idle, "idle", J_PI64, 0),
	END,
};
static JSON_TYPE(cpu_type, oci_cpu, cpu_fields);

static const struct json_field pids_fields[] = {
	JF(oci_pids, limit, "limit", J_PI64, J_REQUIRED),
	END,
};
static JSON_TYPE(pids_type, oci_pids, pids_fields);

static const struct json_field weight_device_fields[] = {
	JF(oci_weight_device, major, "major", J_PI64, J_REQUIRED),
	JF(oci_weight_device, minor, "minor", J_PI64, J_REQUIRED),
	JF(oci_weight_device, weight, "weight", J_PU16, 0),
	JF(oci_weight_device, leaf_weight, "leafWeight", J_PU16, 0),
	END,
};
static JSON_TYPE(weight_device_type, oci_weight_device, weight_device_fields);

static const struct json_field throttle_device_fields[] = {
	JF(oci_throttle_device, major, "major", J_PI64, J_REQUIRED),
	JF(oci_throttle_device, minor, "minor", J_PI64, J_REQUIRED),
	JF(oci_throttle_device, rate, "rate", J_PU64, 0),
	END,
};
static JSON_TYPE(throttle_type, oci_throttle_device, throttle_device_fields);

static const struct json_field block_io_fields[] = {
	JF(oci_block_io, weight, "weight", J_PU16, 0),
	JF(oci_block_io, leaf_weight, "leafWeight", J_PU16, 0),
	JF_L(oci_block_io, weight_device, "weightDevice", J_ARR, 0, &weight_device_type),
	JF_L(oci_block_io, read_bps, "throttleReadBpsDevice", J_ARR, 0, &throttle_type),
	JF_L(oci_block_io, write_bps, "throttleWriteBpsDevice", J_ARR, 0, &throttle_type),
	JF_L(oci_block_io, read_iops, "throttleReadIOPSDevice", J_ARR, 0, &throttle_type),
	JF_L(oci_block_io, write_iops, "throttleWriteIOPSDevice", J_ARR, 0, &throttle_type),
	END,
};
static JSON_TYPE(block_io_type, oci_block_io, block_io_fields);

static const struct json_field hugepage_fields[] = {
	JF(oci_hugepage_limit, page_size, "pageSize", J_STR, J_REQUIRED),
	JF(oci_hugepage_limit, limit, "limit", J_PU64, J_REQUIRED),
	END,
};
static JSON_TYPE(hugepage_type, oci_hugepage_limit, hugepage_fields);

static const struct json_field interface_priority_fields[] = {
	JF(oci_interface_priority, name, "name", J_STR, J_REQUIRED),
	JF(oci_interface_priority, priority, "priority", J_PU32, J_REQUIRED),
	END,
};
static JSON_TYPE(interface_priority_type, oci_interface_priority, interface_priority_fields);

static const struct json_field network_fields[] = {
	JF(oci_network, class_id, "classID", J_PU32, 0),
	JF_L(oci_network, priorities, "priorities", J_ARR, 0, &interface_priority_type),
	END,
};
static JSON_TYPE(network_type, oci_network, network_fields);

static const struct json_field rdma_fields[] = {
	JF(oci_rdma, hca_handles, "hcaHandles", J_PU32, 0),
	JF(oci_rdma, hca_objects, "hcaObjects", J_PU32, 0),
	END,
};
static JSON_TYPE(rdma_type, oci_rdma, rdma_fields);

static const struct json_field resources_fields[] = {
	JF_L(oci_resources, devices, "devices", J_ARR, 0, &device_cgroup_type),
	JF_SUB(oci_resources, memory, "memory", J_OBJ, 0, &memory_type),
	JF_SUB(oci_resources, cpu, "cpu", J_OBJ, 0, &cpu_type),
	JF_SUB(oci_resources, pids, "pids", J_OBJ, 0, &pids_type),
	JF_SUB(oci_resources, block_io, "blockIO", J_OBJ, 0, &block_io_type),
	JF_L(oci_resources, hugepage_limits, "hugepageLimits", J_ARR, 0, &hugepage_type),
	JF_SUB(oci_resources, network, "network", J_OBJ, 0, &network_type),
	JF_L(oci_resources, rdma, "rdma", J_OBJMAP, 0, &rdma_type),
	JF_L(oci_resources, unified, "unified", J_MAP, 0, NULL),
	END,
};
JSON_TYPE(oci_resources_type, oci_resources, resources_fields);

const struct json_enum oci_seccomp_operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	{ NULL, 0 },
};
static const struct json_field syscall_arg_fields[] = {
	JF(oci_syscall_arg, index, "index", J_PU32, J_REQUIRED),
	JF(oci_syscall_arg, value, "value", J_PU64, J_REQUIRED),
	JF(oci_syscall_arg, value_two, "valueTwo", J_PU64, 0),
	JF_SUB(oci_syscall_arg, op, "op", J_ENUM, J_REQUIRED, oci_seccomp_operators),
	END,
};
static JSON_TYPE(syscall_arg_type, oci_syscall_arg, syscall_arg_fields);

const struct json_enum oci_seccomp_actions[] = {
	{ "SCMP_ACT_KILL", OCI_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", OCI_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", OCI_ACT_KILL_THREAD },
	{ "SCMP_ACT_TRAP", OCI_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", OCI_ACT_ERRNO },
	{ "SCMP_ACT_TRACE", OCI_ACT_TRACE },
	{ "SCMP_ACT_ALLOW", OCI_ACT_ALLOW },
	{ "SCMP_ACT_LOG", OCI_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", OCI_ACT_NOTIFY },
	{ NULL, 0 },
};
static const struct json_field syscall_fields[] = {
	JF(oci_syscall, names, "names", J_STRS, J_REQUIRED),
	JF_SUB(oci_syscall, action, "action", J_ENUM, J_REQUIRED, oci_seccomp_actions),
	JF(oci_syscall, errno_ret, "errnoRet", J_PU32, 0),
	JF_L(oci_syscall, args, "args", J_ARR, 0, &syscall_arg_type),
	END,
};
static JSON_TYPE(syscall_type, oci_syscall, syscall_fields);

/* Only names: what this libseccomp and kernel make of them is found out when a filter is made. */
static const struct json_enum seccomp_archs[] = {
	{ "SCMP_ARCH_X86", 1 },		{ "SCMP_ARCH_X86_64", 1 },  { "SCMP_ARCH_X32", 1 },
	{ "SCMP_ARCH_ARM", 1 },		{ "SCMP_ARCH_AARCH64", 1 }, { "SCMP_ARCH_LOONGARCH64", 1 },
	{ "SCMP_ARCH_M68K", 1 },	{ "SCMP_ARCH_MIPS", 1 },    { "SCMP_ARCH_MIPS64", 1 },
	{ "SCMP_ARCH_MIPS64N32", 1 },	{ "SCMP_ARCH_MIPSEL", 1 },  { "SCMP_ARCH_MIPSEL64", 1 },
	{ "SCMP_ARCH_MIPSEL64N32", 1 }, { "SCMP_ARCH_PPC", 1 },	    { "SCMP_ARCH_PPC64", 1 },
	{ "SCMP_ARCH_PPC64LE", 1 },	{ "SCMP_ARCH_S390", 1 },    { "SCMP_ARCH_S390X", 1 },
	{ "SCMP_ARCH_SH", 1 },		{ "SCMP_ARCH_SHEB", 1 },    { "SCMP_ARCH_PARISC", 1 },
	{ "SCMP_ARCH_PARISC64", 1 },	{ "SCMP_ARCH_RISCV64", 1 }, { NULL, 0 },
};
static const struct json_enum seccomp_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 1 },
	{ "SECCOMP_FILTER_FLAG_LOG", 1 },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 },
	{ NULL, 0 },
};
static const struct json_field seccomp_fields[] = {
	JF_SUB(oci_seccomp, default_action, "defaultAction", J_ENUM, J_REQUIRED,
	       oci_seccomp_actions),
	JF(oci_seccomp, default_errno_ret, "defaultErrnoRet", J_PU32, 0),
	JF_SUB(oci_seccomp, architectures, "architectures", J_STRS, 0, seccomp_archs),
	JF_SUB(oci_seccomp, flags, "flags", J_STRS, 0, seccomp_flags),
	JF(oci_seccomp, listener_path, "listenerPath", J_STR, 0),
	JF(oci_seccomp, listener_metadata, "listenerMetadata", J_STR, 0),
	JF_L(oci_seccomp, syscalls, "syscalls", J_ARR, 0, &syscall_type),
	END,
};
JSON_TYPE(oci_seccomp_type, oci_seccomp, seccomp_fields);

static const struct json_enum personality_domains[] = {
	{ "LINUX", 1 },
	{ "LINUX32", 2 },
	{ NULL, 0 },
};
static const struct json_field personality_fields[] = {
	JF_SUB(oci_personality, domain, "domain", J_ENUM, J_REQUIRED, personality_domains),
	JF(oci_personality, flags, "flags", J_STRS, 0),
	END,
};
static JSON_TYPE(personality_type, oci_personality, personality_fields);

static const struct json_enum memory_policy_modes[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT + 1 },  { "MPOL_PREFERRED", MPOL_PREFERRED + 1 },
	{ "MPOL_BIND", MPOL_BIND + 1 },	       { "MPOL_INTERLEAVE", MPOL_INTERLEAVE + 1 },
	{ "MPOL_LOCAL", MPOL_LOCAL + 1 },      { "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY + 1 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 + 1 }, { NULL, 0 },
};
const struct json_enum oci_memory_policy_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
	{ NULL, 0 },
};
static const struct json_field memory_policy_fields[] = {
	JF_SUB(oci_memory_policy, mode, "mode", J_ENUM, J_REQUIRED, memory_policy_modes),
	JF(oci_memory_policy, nodes, "nodes", J_STR, 0),
	JF_SUB(oci_memory_policy, flags, "flags", J_STRS, 0, oci_memory_policy_flags),
	END,
};
static JSON_TYPE(memory_policy_type, oci_memory_policy, memory_policy_fields);

static const struct json_field intel_rdt_fields[] = {
	JF(oci_intel_rdt, clos_id, "closID", J_STR, 0),
	JF(oci_intel_rdt, schemata, "schemata", J_STRS, 0),
	JF(oci_intel_rdt, l3_cache_schema, "l3CacheSchema", J_STR, 0),
	JF(oci_intel_rdt, mem_bw_schema, "memBwSchema", J_STR, 0),
	JF(oci_intel_rdt, enable_monitoring, "enableMonitoring", J_BOOL, 0),
	END,
};
static JSON_TYPE(intel_rdt_type, oci_intel_rdt, intel_rdt_fields);

static const struct json_enum propagations[] = {
	{ "private", OCI_PROPAGATION_PRIVATE },
	{ "shared", OCI_PROPAGATION_SHARED },
	{ "slave", OCI_PROPAGATION_SLAVE },
	{ "unbindable", OCI_PROPAGATION_UNBINDABLE },
	{ "rprivate", OCI_PROPAGATION_PRIVATE | OCI_PROPAGATION_RECURSIVE },
	{ "rshared", OCI_PROPAGATION_SHARED | OCI_PROPAGATION_RECURSIVE },
	{ "rslave", OCI_PROPAGATION_SLAVE | OCI_PROPAGATION_RECURSIVE },
	{ "runbindable", OCI_PROPAGATION_UNBINDABLE | OCI_PROPAGATION_RECURSIVE },
	{ NULL, 0 },
};
static const struct json_field linux_fields[] = {
	JF_L(oci_linux, uid_mappings, "uidMappings", J_ARR, 0, &oci_id_mapping_type),
	JF_L(oci_linux, gid_mappings, "gidMappings", J_ARR, 0, &oci_id_mapping_type),
	JF_L(oci_linux, sysctl, "sysctl", J_MAP, 0, NULL),
	JF_SUB(oci_linux, resources, "resources", J_OBJ, 0, &oci_resources_type),
	JF(oci_linux, cgroups_path, "cgroupsPath", J_STR, 0),
	JF_L(oci_linux, namespaces, "namespaces", J_ARR, 0, &namespace_type),
	JF_L(oci_linux, devices, "devices", J_ARR, 0, &device_type),
	JF_L(oci_linux, net_devices, "netDevices", J_OBJMAP, 0, &net_device_type),
	JF_SUB(oci_linux, seccomp, "seccomp", J_OBJ, 0, &oci_seccomp_type),
	JF_SUB(oci_linux, rootfs_propagation, "rootfsPropagation", J_ENUM, 0, propagations),
	JF(oci_linux, masked_paths, "maskedPaths", J_STRS, 0),
	JF(oci_linux, readonly_paths, "readonlyPaths", J_STRS, 0),
	JF(oci_linux, mount_label, "mountLabel", J_STR, 0),
	JF_SUB(oci_linux, intel_rdt, "intelRdt", J_OBJ, 0, &intel_rdt_type),
	JF_SUB(oci_linux, memory_policy, "memoryPolicy", J_OBJ, 0, &memory_policy_type),
	JF_SUB(oci_linux, personality, "personality", J_OBJ, 0, &personality_type),
	JF_L(oci_linux, time_offsets, "timeOffsets", J_OBJMAP, 0, &time_offset_type),
	END,
};
static JSON_TYPE(linux_type, oci_linux, linux_fields);

static const struct json_field spec_fields[] = {
	JF(oci_spec, oci_version, "ociVersion", J_STR, J_REQUIRED),
	JF_SUB(oci_spec, process, "process", J_OBJ, 0, &oci_process_type),
	JF_SUB(oci_spec, root, "root", J_OBJ, 0, &root_type),
	JF(oci_spec, hostname, "hostname", J_STR, 0),
	JF(oci_spec, domainname, "domainname", J_STR, 0),
	JF_L(oci_spec, mounts, "mounts", J_ARR, 0, &oci_mount_type),
	JF_SUB(oci_spec, hooks, "hooks", J_OBJ, 0, &hooks_type),
	JF_L(oci_spec, annotations, "annotations", J_MAP, 0, NULL),
	JF_SUB(oci_spec, linux_, "linux", J_OBJ, 0, &linux_type),
	JF(oci_spec, windows, "windows", J_RAW, 0),
	JF(oci_spec, solaris, "solaris", J_RAW, 0),
	JF(oci_spec, vm, "vm", J_RAW, 0),
	JF(oci_spec, zos, "zos", J_RAW, 0),
	JF(oci_spec, freebsd, "freebsd", J_RAW, 0),
	END,
};
JSON_TYPE(oci_spec_type, oci_spec, spec_fields);
