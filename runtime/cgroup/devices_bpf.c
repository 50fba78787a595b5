/*
 * Device rules on v2: a program of type BPF_PROG_TYPE_CGROUP_DEVICE that the kernel runs at each
 * open and mknod of a device in the cgroup (bpf(2); admin-guide/cgroup-v2, "Device controller").
 *
 * The program goes through the rules from the last to the first and keeps in r6 which of the
 * requested kinds of access no rule has decided yet: a denying rule that matches one of them ends
 * it with 0, an allowing one crosses its kinds out, and when none is left the answer is 1. What no
 * rule decides is denied. That is the specification's "in the order listed", bit by bit, and unlike
 * v1 it can express a hole in a wildcard.
 *
 * Security: on update the old program is replaced in one step; where the kernel is too old for that
 * (before 5.6), the new one is attached beside it (all of them must agree) before the old one goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/devices.h"

#define PROGRAM_NAME "mrun_devices"
/* Per rule at most 6 instructions; jumps inside one are short. */
#define MAX_RULES 10000
#define MAX_ATTACHED 64

static struct bpf_insn insn(int code, int dst, int src, int off, int32_t imm)
{
	struct bpf_insn i = { .code = (uint8_t)code,
			      .dst_reg = (uint8_t)(dst & 15),
			      .src_reg = (uint8_t)(src & 15),
			      .off = (int16_t)off,
			      .imm = imm };
	return i;
}

#define LOAD32(dst, src, off) insn(BPF_LDX | BPF_MEM | BPF_W, dst, src, (int)(off), 0)
#define MOV_REG(dst, src) insn(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_IMM(dst, imm) insn(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define AND_IMM(dst, imm) insn(BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, imm)
#define RSH_IMM(dst, imm) insn(BPF_ALU | BPF_RSH | BPF_K, dst, 0, 0, imm)
#define JNE_IMM(dst, imm, off) insn(BPF_JMP32 | BPF_JNE | BPF_K, dst, 0, off, imm)
#define EXIT() insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { R_RESULT = 0, R_CTX = 1, R_TYPE = 2, R_SCRATCH = 3, R_MAJOR = 4, R_MINOR = 5, R_LEFT = 6 };

/* What a rule does when it matches: for a denial "some of it is left: 0", for a permission "cross
 * out; nothing left: 1". Returns the number of instructions. */
static size_t rule_action(struct bpf_insn *p, const struct device_rule *r)
{
	size_t n = 0;

	if (r->allow) {
		p[n++] = AND_IMM(R_LEFT, (int32_t)(DEV_ALL & ~r->access));
		p[n++] = JNE_IMM(R_LEFT, 0, 2);
		p[n++] = MOV_IMM(R_RESULT, 1);
	} else {
		p[n++] = MOV_REG(R_SCRATCH, R_LEFT);
		p[n++] = AND_IMM(R_SCRATCH, (int32_t)r->access);
		p[n++] = insn(BPF_JMP32 | BPF_JEQ | BPF_K, R_SCRATCH, 0, 2, 0);
		p[n++] = MOV_IMM(R_RESULT, 0);
	}
	p[n++] = EXIT();
	return n;
}

static size_t rule_compile(struct bpf_insn *p, const struct device_rule *r)
{
	struct bpf_insn action[8];
	size_t action_len = rule_action(action, r), n = 0, tests;

	tests = (size_t)(r->type != 'a') + (size_t)(r->major != DEV_ANY) +
		(size_t)(r->minor != DEV_ANY);
	/* Each test that fails jumps behind the rule. */
#define BEHIND ((int)(tests - n - 1 + action_len))
	if (r->type != 'a') {
		p[n] = JNE_IMM(R_TYPE, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
			       BEHIND);
		n++;
	}
	if (r->major != DEV_ANY) {
		p[n] = JNE_IMM(R_MAJOR, (int32_t)(uint32_t)r->major, BEHIND);
		n++;
	}
	if (r->minor != DEV_ANY) {
		p[n] = JNE_IMM(R_MINOR, (int32_t)(uint32_t)r->minor, BEHIND);
		n++;
	}
#undef BEHIND
	memcpy(p + n, action, action_len * sizeof(*p));
	return n + action_len;
}

/* Nothing that comes before this rule in the list can matter any more. */
static bool decides_all(const struct device_rule *r)
{
	return r->type == 'a' && r->major == DEV_ANY && r->minor == DEV_ANY && r->access == DEV_ALL;
}

int devices_compile(struct arena *a, const struct device_rule *rules, size_t n,
		    struct bpf_insn **ret, size_t *ret_len, struct error *e)
{
	struct bpf_insn *p;
	size_t len = 0;
	bool decided = false;

	if (n > MAX_RULES)
		return err_msg(e, "linux.resources.devices: %zu rules, more than the %d allowed", n,
			       MAX_RULES);
	p = ARENA_ARRAY(a, n * 9 + 8, struct bpf_insn);
	p[len++] = LOAD32(R_TYPE, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	p[len++] = MOV_REG(R_LEFT, R_TYPE);
	p[len++] = AND_IMM(R_TYPE, 0xffff);
	p[len++] = RSH_IMM(R_LEFT, 16);
	p[len++] = LOAD32(R_MAJOR, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, major));
	p[len++] = LOAD32(R_MINOR, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, minor));
	while (n-- && !decided) {
		decided = decides_all(&rules[n]);
		/* The verifier refuses what can't be reached, so the last word stands alone. */
		if (decided)
			p[len++] = MOV_IMM(R_RESULT, rules[n].allow);
		else
			len += rule_compile(p + len, &rules[n]);
	}
	if (!decided)
		p[len++] = MOV_IMM(R_RESULT, 0);
	p[len++] = EXIT();
	*ret = p;
	*ret_len = len;
	return 0;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static uint64_t pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* Asking for the verifier's log from the start would cost each container 64 kB. */
static int load(struct arena *a, const struct bpf_insn *p, size_t n, struct error *e)
{
	union bpf_attr attr = { 0 };
	char *log = NULL;

	for (int tries = 0; tries < 2; tries++) {
		int fd;

		memset(&attr, 0, sizeof(attr));
		attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
		attr.insns = pointer(p);
		attr.insn_cnt = (uint32_t)n;
		attr.license = pointer("");
		memcpy(attr.prog_name, PROGRAM_NAME, sizeof(PROGRAM_NAME));
		if (log) {
			attr.log_buf = pointer(log);
			attr.log_size = 65536;
			attr.log_level = 1;
		}
		fd = bpf(BPF_PROG_LOAD, &attr);
		if (fd >= 0)
			return fd;
		if (errno == EPERM || log) {
			err_sys(e, errno, "load the eBPF program of linux.resources.devices");
			if (log && *log)
				err_hint(e, "the kernel's verifier says: %.400s", log);
			return -1;
		}
		log = arena_alloc(a, 65537);
	}
	return -1;
}

/* Whether the loaded program ID is one of ours; a descriptor of it, or -1. */
static int open_ours(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };
	_cleanup_fd_ int fd = -1;

	attr.prog_id = id;
	fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = pointer(&info);
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0 || !str_eq(info.name, PROGRAM_NAME))
		return -1;
	return fd_take(&fd);
}

/* The programs attached to this very cgroup that are ours; the number of them. */
static size_t find_attached(int cgroup, int *fds, size_t max)
{
	uint32_t ids[MAX_ATTACHED] = { 0 };
	union bpf_attr attr = { 0 };
	size_t n = 0;

	attr.query.target_fd = (uint32_t)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = pointer(ids);
	attr.query.prog_cnt = MAX_ATTACHED;
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return 0;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < MAX_ATTACHED && n < max; i++) {
		fds[n] = open_ours(ids[i]);
		if (fds[n] >= 0)
			n++;
	}
	return n;
}

static int attach(int cgroup, int program, int replace)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace;
	}
	return bpf(BPF_PROG_ATTACH, &attr);
}

static void detach(int cgroup, int program)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	bpf(BPF_PROG_DETACH, &attr);
}

int devices_attach_v2(struct arena *a, int fd, bool fresh, const struct device_rule *rules,
		      size_t n, struct error *e)
{
	struct bpf_insn *code = NULL;
	size_t code_len = 0, old_len;
	int old[MAX_ATTACHED], r;
	_cleanup_fd_ int program = -1;
	bool replaced;

	if (devices_compile(a, rules, n, &code, &code_len, e) < 0)
		return -1;
	program = load(a, code, code_len, e);
	if (program < 0)
		return -1;
	old_len = fresh ? 0 : find_attached(fd, old, MAX_ATTACHED);
	r = attach(fd, program, old_len == 1 ? old[0] : -1);
	replaced = r == 0 && old_len == 1;
	if (r < 0 && old_len == 1)
		r = attach(fd, program, -1);
	if (r < 0)
		err_sys(e, errno, "attach the eBPF program of linux.resources.devices");
	for (size_t i = 0; i < old_len; i++) {
		if (r == 0 && !replaced)
			detach(fd, old[i]);
		close(old[i]);
	}
	return r;
}
