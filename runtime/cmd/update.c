/*
 * mrun update: other limits for a container that exists. The kernel keeps what is not given, and
 * cgroup_set() looks there for what a value depends on, so that nothing else has to be remembered.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/options.h"
#include "runtime/container/log.h"
#include "runtime/container/state.h"

struct update_args {
	const char *resources;
	const char *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period,
		*cpu_rt_runtime, *cpuset_cpus, *cpuset_mems, *kernel_memory, *kernel_memory_tcp,
		*memory, *memory_reservation, *memory_swap, *pids_limit, *cpu_idle;
};
#define O(field) offsetof(struct update_args, field)
static const struct opt update_opts[] = {
	{ "resources", 'r', OPT_STR, O(resources), "FILE",
	  "the limits as JSON (linux.resources of config.json); - is standard input" },
	{ "blkio-weight", 0, OPT_STR, O(blkio_weight), "N", "block I/O weight, 10 to 1000" },
	{ "cpu-period", 0, OPT_STR, O(cpu_period), "US", "CPU period" },
	{ "cpu-quota", 0, OPT_STR, O(cpu_quota), "US", "CPU time in a period; -1: no limit" },
	{ "cpu-burst", 0, OPT_STR, O(cpu_burst), "US", "unused CPU time that may be saved up" },
	{ "cpu-share", 0, OPT_STR, O(cpu_share), "N", "CPU shares against other containers" },
	{ "cpu-rt-period", 0, OPT_STR, O(cpu_rt_period), "US", "CPU period of real-time tasks" },
	{ "cpu-rt-runtime", 0, OPT_STR, O(cpu_rt_runtime), "US", "CPU time of real-time tasks" },
	{ "cpuset-cpus", 0, OPT_STR, O(cpuset_cpus), "LIST", "CPUs to use" },
	{ "cpuset-mems", 0, OPT_STR, O(cpuset_mems), "LIST", "memory nodes to use" },
	{ "kernel-memory", 0, OPT_STR, O(kernel_memory), "SIZE",
	  "taken and without effect, as the kernel has it no more" },
	{ "kernel-memory-tcp", 0, OPT_STR, O(kernel_memory_tcp), "SIZE",
	  "memory of TCP buffers (cgroup v1)" },
	{ "memory", 0, OPT_STR, O(memory), "SIZE", "memory limit; -1: no limit" },
	{ "memory-reservation", 0, OPT_STR, O(memory_reservation), "SIZE", "soft memory limit" },
	{ "memory-swap", 0, OPT_STR, O(memory_swap), "SIZE", "memory and swap together" },
	{ "pids-limit", 0, OPT_STR, O(pids_limit), "N", "number of processes; -1: no limit" },
	{ "cpu-idle", 0, OPT_STR, O(cpu_idle), "0|1", "run only when nothing else wants to" },
	{ "l3-cache-schema", 0, OPT_REFUSED, 0, NULL, "mrun does not have Intel RDT" },
	{ "mem-bw-schema", 0, OPT_REFUSED, 0, NULL, "mrun does not have Intel RDT" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec update_spec = {
	.command = "update",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "change the limits of a container",
	.description = "SIZE is bytes, or with k, m, g. With --resources all other options are "
		       "ignored, as runc does.",
	.opts = update_opts,
	.min_args = 1,
	.max_args = 1,
	.single_dash = true,
};

/* Each option goes to one number or text of the specification's structure. V_FLAG and V_U16 are
 * flags with a number to runc, which reads the others itself, in base ten. */
enum value_kind { V_SIZE, V_FLAG, V_I64, V_U64, V_U16, V_TEXT };
struct target {
	const char *name;
	size_t arg;
	enum value_kind kind;
	void *to; /* const int64_t **, const uint64_t **, const uint16_t **, char ** */
};

static int set_one(struct arena *a, const struct target *t, const char *text, struct error *e)
{
	int64_t *i = ARENA_NEW(a, int64_t);
	uint64_t *u = ARENA_NEW(a, uint64_t);
	uint16_t *s;

	switch (t->kind) {
	case V_SIZE:
		if (str_eq(text, "-1"))
			*i = -1;
		else if (!str_to_size(text, i))
			return err_msg(e, "invalid value for %s: invalid size: '%s'", t->name,
				       text);
		*(const int64_t **)t->to = i;
		return 0;
	case V_FLAG:
	case V_I64:
		if (!(t->kind == V_FLAG ? str_to_flag_number : str_to_i64)(text, i))
			break;
		*(const int64_t **)t->to = i;
		return 0;
	case V_U64:
		if (!str_to_u64(text, UINT64_MAX, u))
			break;
		*(const uint64_t **)t->to = u;
		return 0;
	case V_U16:
		if (!str_to_flag_number(text, i) || *i < 0 || *i > UINT16_MAX)
			break;
		s = ARENA_NEW(a, uint16_t);
		*s = (uint16_t)*i;
		*(const uint16_t **)t->to = s;
		return 0;
	case V_TEXT:
		*(char **)t->to = arena_strdup(a, text);
		return 0;
	}
	return err_msg(e, "invalid value for %s: '%s' is not a number that it can have", t->name,
		       text);
}

static struct oci_resources *from_options(struct arena *a, const struct update_args *args,
					  struct error *e)
{
	struct oci_resources *r = ARENA_NEW(a, struct oci_resources);
	struct oci_memory *m = r->memory = ARENA_NEW(a, struct oci_memory);
	struct oci_cpu *c = r->cpu = ARENA_NEW(a, struct oci_cpu);
	struct oci_block_io *b = r->block_io = ARENA_NEW(a, struct oci_block_io);
	struct oci_pids *p = ARENA_NEW(a, struct oci_pids);
	const struct target targets[] = {
#define T(option, field, kind, to) { option, offsetof(struct update_args, field), kind, to }
		T("blkio-weight", blkio_weight, V_U16, &b->weight),
		T("cpu-period", cpu_period, V_U64, &c->period),
		T("cpu-quota", cpu_quota, V_I64, &c->quota),
		T("cpu-burst", cpu_burst, V_U64, &c->burst),
		T("cpu-share", cpu_share, V_U64, &c->shares),
		T("cpu-rt-period", cpu_rt_period, V_U64, &c->realtime_period),
		T("cpu-rt-runtime", cpu_rt_runtime, V_I64, &c->realtime_runtime),
		T("cpuset-cpus", cpuset_cpus, V_TEXT, &c->cpus),
		T("cpuset-mems", cpuset_mems, V_TEXT, &c->mems),
		T("kernel-memory", kernel_memory, V_SIZE, &m->kernel),
		T("kernel-memory-tcp", kernel_memory_tcp, V_SIZE, &m->kernel_tcp),
		T("memory", memory, V_SIZE, &m->limit),
		T("memory-reservation", memory_reservation, V_SIZE, &m->reservation),
		T("memory-swap", memory_swap, V_SIZE, &m->swap),
		T("pids-limit", pids_limit, V_FLAG, &p->limit),
		T("cpu-idle", cpu_idle, V_I64, &c->idle),
#undef T
	};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		const char *text = *(const char *const *)((const char *)args + targets[i].arg);

		if (text && *text && set_one(a, &targets[i], text, e) < 0)
			return NULL;
	}
	r->pids = p->limit ? p : NULL;
	return r;
}

static struct oci_resources *from_file(struct arena *a, const char *path, struct error *e)
{
	bool in = str_eq(path, "-");
	char *text;
	size_t len;

	if (in ? file_read_fd(a, STDIN_FILENO, "standard input", JSON_MAX_SIZE, &text, &len, e) < 0
	       : file_read(a, AT_FDCWD, path, JSON_MAX_SIZE, &text, &len, e) < 0)
		return NULL;
	return json_read(a, text, len, &oci_resources_type, in ? "standard input" : path, e);
}

/* 0 is Go's "not given" in what clients send; only since 1.3 it is a limit (config-linux.md, PIDs),
 * and for memory and CPU it never was one (settings_v1.c, settings_v2.c). */
static void drop_zero_pids(struct oci_resources *r)
{
	if (r->pids && (!r->pids->limit || *r->pids->limit == 0))
		r->pids = NULL;
}

int cmd_update(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct update_args args = { 0 };
	struct oci_resources *res;
	struct container ct;
	struct cgroup *cg;
	char **rest;
	int n, r = opt_parse(c->arena, &update_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	res = args.resources ? from_file(c->arena, args.resources, e)
			     : from_options(c->arena, &args, e);
	if (!res)
		return -1;
	drop_zero_pids(res);
	if (state_open(c, rest[0], &ct, e) < 0)
		return -1;
	if (state_status(c->arena, &ct, false) == STATUS_STOPPED)
		return err_msg(e, "container not running");
	if (!ct.record->cgroup)
		return err_msg(e, "update container %s: it has no cgroup", ct.id);
	cg = cgroup_restore(c->arena, ct.record->cgroup, e);
	if (!cg || cgroup_set(cg, res, e) < 0)
		return -1;
	log_without_effect(c, res);
	state_close(&ct);
	return 0;
}
