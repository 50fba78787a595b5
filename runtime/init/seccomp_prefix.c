/*
 * The BPF that stands in front of libseccomp's, for what libseccomp cannot express:
 *
 *  1. Calls that are newer than the libseccomp we are linked with, by number. Since Linux 5.0 a new
 *     call has the same number everywhere (Linux, Documentation/process/adding-syscalls.rst), so a
 *     profile that names one is obeyed instead of being ignored.
 *  2. ENOSYS for numbers beyond the largest call that the profile names, when the default action
 *     would be an error or death: such calls did not exist when the profile was written, and C
 *     libraries take the older way only after ENOSYS (glibc: clone3, faccessat2). runc does the
 *     same; other than there the native architecture is covered even when the profile lists none.
 *     On s390 also number 0, in which that architecture hides numbers it does not know.
 *  3. Guards (seccomp_compile.h).
 *
 * The code for one architecture: match its AUDIT_ARCH value; tell x32 from x86_64 by bit 30; then
 * 1, 2, 3 in that order; whatever is not decided jumps to the filter. It uses only instructions
 * that the kernel can evaluate ahead, so a call that is always allowed still skips the filter.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/init/seccomp_compile.h"

#define X32_BIT 0x40000000u
#define PREFIX_MAX 1024
#define OFF_NR ((uint32_t)offsetof(struct seccomp_data, nr))
#define OFF_ARCH ((uint32_t)offsetof(struct seccomp_data, arch))
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define OFF_ARG_LOW(i) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (i) + 4))
#else
#define OFF_ARG_LOW(i) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (i)))
#endif

/* linux/scripts/syscall.tbl and arch/x86/entry/syscalls/syscall_64.tbl, as of Linux 6.18. */
static const struct newer {
	const char *name;
	int nr;
	uint32_t only; /* on this architecture alone; 0: everywhere */
} newer_calls[] = {
	{ "uretprobe", 335, SCMP_ARCH_X86_64 },
	{ "uprobe", 336, SCMP_ARCH_X86_64 },
	{ "cachestat", 451, 0 },
	{ "fchmodat2", 452, 0 },
	{ "map_shadow_stack", 453, 0 },
	{ "futex_wake", 454, 0 },
	{ "futex_wait", 455, 0 },
	{ "futex_requeue", 456, 0 },
	{ "statmount", 457, 0 },
	{ "listmount", 458, 0 },
	{ "lsm_get_self_attr", 459, 0 },
	{ "lsm_set_self_attr", 460, 0 },
	{ "lsm_list_modules", 461, 0 },
	{ "mseal", 462, 0 },
	{ "setxattrat", 463, 0 },
	{ "getxattrat", 464, 0 },
	{ "listxattrat", 465, 0 },
	{ "removexattrat", 466, 0 },
	{ "open_tree_attr", 467, 0 },
	{ "file_getattr", 468, 0 },
	{ "file_setattr", 469, 0 },
};

struct code {
	struct sock_filter *insn;
	size_t n;
	bool full;
};

static void put(struct code *c, unsigned int op, uint32_t k, size_t jt, size_t jf)
{
	if (c->n == PREFIX_MAX || jt > 255 || jf > 255) {
		c->full = true;
		return;
	}
	c->insn[c->n++] = (struct sock_filter){ (uint16_t)op, (uint8_t)jt, (uint8_t)jf, k };
}

/* A jump to the filter; seccomp_prefix() fills in the distance. */
#define TO_FILTER UINT32_MAX
static void put_to_filter(struct code *c)
{
	put(c, BPF_JMP | BPF_JA, TO_FILTER, 0, 0);
}

static void put_return_if(struct code *c, unsigned int test, uint32_t k, uint32_t action)
{
	put(c, BPF_JMP | test | BPF_K, k, 0, 1);
	put(c, BPF_RET | BPF_K, action, 0, 0);
}

bool seccomp_rule_is_guard(const struct oci_syscall *r)
{
	return r->args_len == 1 && r->args[0].op >= SECCOMP_GUARD_EQ;
}

static const struct newer *newer_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(newer_calls) / sizeof(newer_calls[0]); i++)
		if (str_eq(newer_calls[i].name, name))
			return &newer_calls[i];
	return NULL;
}

bool seccomp_name_is_newer(const char *name)
{
	return seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR && newer_by_name(name);
}

/* The number of a call on ARCH, with the x32 bit where it belongs; -1 when it is not there. */
static int number(const struct seccomp_arch *arch, const char *name)
{
	const struct newer *newer;
	int nr = seccomp_syscall_resolve_name_arch(arch->token, name);

	if (nr >= 0)
		return nr;
	if (arch->direct_socket && str_eq(name, "socket"))
		return arch->direct_socket;
	if (arch->direct_socketpair && str_eq(name, "socketpair"))
		return arch->direct_socketpair;
	newer = seccomp_name_is_newer(name) ? newer_by_name(name) : NULL;
	if (!newer || (newer->only && newer->only != arch->token))
		return -1;
	nr = newer->nr + arch->nr_base;
	return arch->token == SCMP_ARCH_X32 ? (int)((uint32_t)nr | X32_BIT) : nr;
}

/* Part 1. Unconditional rules only: a condition on a call that libseccomp does not know is left
 * out, as a whole unknown call is. */
static int put_newer(struct code *c, const struct oci_seccomp *s, const struct seccomp_arch *arch,
		     uint32_t default_action, struct error *e)
{
	for (size_t i = 0; i < s->syscalls_len; i++) {
		const struct oci_syscall *r = &s->syscalls[i];
		uint32_t action;

		if (r->args_len)
			continue;
		for (size_t j = 0; r->names[j]; j++) {
			int nr;

			if (!seccomp_name_is_newer(r->names[j]))
				continue;
			nr = number(arch, r->names[j]);
			if (seccomp_action(r->action, r->errno_ret, "", &action, e) < 0)
				return -1;
			if (nr >= 0 && action != default_action)
				put_return_if(c, BPF_JEQ, (uint32_t)nr, action);
		}
	}
	return 0;
}

/* Part 2: the largest number that the profile names, -1 for none. */
static int largest(const struct oci_seccomp *s, const struct seccomp_arch *arch)
{
	int max = -1;

	for (size_t i = 0; i < s->syscalls_len; i++)
		for (size_t j = 0; s->syscalls[i].names[j]; j++) {
			int nr = number(arch, s->syscalls[i].names[j]);

			max = nr > max ? nr : max;
		}
	return max;
}

static unsigned int guard_test(int op)
{
	switch (op) {
	case SECCOMP_GUARD_EQ:
		return BPF_JEQ;
	case SECCOMP_GUARD_GT:
		return BPF_JGT;
	default:
		return BPF_JSET;
	}
}

/* Part 3: the guards of one call; each call is done where its first guard stands. */
static int put_guards_of(struct code *c, const struct oci_seccomp *s, size_t first,
			 const char *name, const struct seccomp_arch *arch, struct error *e)
{
	int nr = number(arch, name);
	uint32_t loaded = UINT32_MAX, action;
	size_t start;

	if (nr < 0)
		return 0;
	start = c->n;
	put(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 0);
	for (size_t i = first; i < s->syscalls_len; i++) {
		const struct oci_syscall *r = &s->syscalls[i];
		const struct oci_syscall_arg *arg = r->args;

		if (!seccomp_rule_is_guard(r) || !str_list_has(r->names, name))
			continue;
		if (seccomp_action(r->action, r->errno_ret, "", &action, e) < 0)
			return -1;
		if (loaded != *arg->index)
			put(c, BPF_LD | BPF_W | BPF_ABS, OFF_ARG_LOW(*arg->index), 0, 0);
		loaded = *arg->index;
		put_return_if(c, guard_test(arg->op), (uint32_t)*arg->value, action);
	}
	put_to_filter(c);
	if (c->full || c->n - start - 1 > 255) {
		c->full = true;
		return 0;
	}
	c->insn[start].jf = (uint8_t)(c->n - start - 1);
	return 0;
}

static int put_guards(struct code *c, const struct oci_seccomp *s, const struct seccomp_arch *arch,
		      struct error *e)
{
	for (size_t i = 0; i < s->syscalls_len; i++) {
		const struct oci_syscall *r = &s->syscalls[i];

		if (!seccomp_rule_is_guard(r))
			continue;
		for (size_t j = 0; r->names[j]; j++) {
			bool done = false;

			for (size_t k = 0; k < i && !done; k++)
				done = seccomp_rule_is_guard(&s->syscalls[k]) &&
				       str_list_has(s->syscalls[k].names, r->names[j]);
			if (!done && put_guards_of(c, s, i, r->names[j], arch, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* One ABI. The accumulator holds the number. */
static int put_section(struct code *c, const struct oci_seccomp *s, const struct seccomp_arch *arch,
		       uint32_t default_action, bool enosys, struct error *e)
{
	size_t start = c->n;

	if (put_newer(c, s, arch, default_action, e) < 0)
		return -1;
	if (enosys) {
		int max = largest(s, arch);

		if (arch->token == SCMP_ARCH_S390 || arch->token == SCMP_ARCH_S390X)
			put_return_if(c, BPF_JEQ, 0, SCMP_ACT_ERRNO(ENOSYS));
		if (max >= 0)
			put_return_if(c, BPF_JGT, (uint32_t)max, SCMP_ACT_ERRNO(ENOSYS));
	}
	if (put_guards(c, s, arch, e) < 0)
		return -1;
	if (c->n > start)
		put_to_filter(c);
	return 0;
}

/* All ABIs that the kernel reports as AUDIT: one, or x86_64 and x32. */
static int put_audit_arch(struct code *c, const struct oci_seccomp *s, uint32_t audit,
			  const struct seccomp_arch *plain, const struct seccomp_arch *x32,
			  uint32_t default_action, bool enosys, struct error *e)
{
	size_t start = c->n, fork, mark;

	put(c, BPF_JMP | BPF_JEQ | BPF_K, audit, 1, 0);
	put(c, BPF_JMP | BPF_JA, 0, 0, 0);
	put(c, BPF_LD | BPF_W | BPF_ABS, OFF_NR, 0, 0);
	fork = c->n;
	if (audit == SCMP_ARCH_X86_64) {
		put(c, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 1);
		put(c, BPF_JMP | BPF_JA, 0, 0, 0);
	}
	mark = c->n;
	if (plain && put_section(c, s, plain, default_action, enosys, e) < 0)
		return -1;
	if (audit == SCMP_ARCH_X86_64) {
		if (c->n == mark)
			put_to_filter(c);
		if (!c->full)
			c->insn[fork + 1].k = (uint32_t)(c->n - fork - 2);
		mark = c->n;
		if (x32 && put_section(c, s, x32, default_action, enosys, e) < 0)
			return -1;
	}
	if (c->n == mark)
		put_to_filter(c);
	if (!c->full) /* another architecture: to what follows */
		c->insn[start + 1].k = (uint32_t)(c->n - start - 2);
	return 0;
}

static const struct seccomp_arch *find(const uint32_t *archs, size_t n, uint32_t token)
{
	for (size_t i = 0; i < n; i++)
		if (archs[i] == token)
			return seccomp_arch_by_token(token);
	return NULL;
}

/* Whether there is anything for a prefix to do. */
static bool needed(const struct oci_seccomp *s, bool enosys)
{
	if (enosys)
		return true;
	for (size_t i = 0; i < s->syscalls_len; i++) {
		if (seccomp_rule_is_guard(&s->syscalls[i]))
			return true;
		for (size_t j = 0; s->syscalls[i].names[j]; j++)
			if (seccomp_name_is_newer(s->syscalls[i].names[j]))
				return true;
	}
	return false;
}

int seccomp_prefix(struct arena *a, const struct oci_seccomp *s, const uint32_t *archs,
		   size_t archs_len, uint32_t default_action, struct sock_filter **ret,
		   struct error *e)
{
	struct code c = { .insn = ARENA_ARRAY(a, PREFIX_MAX, struct sock_filter) };
	bool enosys = s->default_action != OCI_ACT_ALLOW && s->default_action != OCI_ACT_LOG &&
		      s->default_action != OCI_ACT_TRACE &&
		      default_action != SCMP_ACT_ERRNO(ENOSYS);

	*ret = c.insn;
	if (!needed(s, enosys))
		return 0;
	put(&c, BPF_LD | BPF_W | BPF_ABS, OFF_ARCH, 0, 0);
	for (size_t i = 0; i < archs_len; i++) {
		const struct seccomp_arch *x32 = NULL, *plain = seccomp_arch_by_token(archs[i]);
		uint32_t audit = archs[i];

		if (audit == SCMP_ARCH_X32) { /* the kernel calls it x86_64 */
			if (find(archs, archs_len, SCMP_ARCH_X86_64))
				continue;
			audit = SCMP_ARCH_X86_64;
			plain = NULL;
		}
		if (audit == SCMP_ARCH_X86_64)
			x32 = find(archs, archs_len, SCMP_ARCH_X32);
		if (put_audit_arch(&c, s, audit, plain, x32, default_action, enosys, e) < 0)
			return -1;
	}
	if (c.full)
		return err_msg(e, "linux.seccomp: too many guards for one filter");
	for (size_t i = 0; i < c.n; i++)
		if (c.insn[i].code == (BPF_JMP | BPF_JA) && c.insn[i].k == TO_FILTER)
			c.insn[i].k = (uint32_t)(c.n - i - 1);
	return (int)c.n;
}
