/*
 * linux.seccomp to BPF, by libseccomp (runtime-spec config-linux.md, "Seccomp").
 *
 * In order: the actions, names and arguments are checked, each message naming its field; the flags
 * are checked against this kernel; libseccomp gets the architectures and rules; its program is
 * taken out through a memory file, our prefix (seccomp_prefix.c) is put in front, and the whole is
 * made smaller (seccomp_compact.c).
 *
 * Where the specification is silent this does what runc does: names that are not known are skipped;
 * a rule with the default action is redundant and skipped (libseccomp refuses it); several
 * conditions on one argument become several rules, of which any may match (libseccomp refuses them
 * in one); the native architecture is always there. What the specification demands and runc does
 * not do: an errnoRet on an action that has none is refused.
 */
#include "runtime/init/seccomp_compile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

#define MAX_ARGS 6
#define MAX_ERRNO 4095
/* runc's threshold: libseccomp up to 2.5.4 goes wrong with a tree of no rules. */
#define TREE_FROM 32

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Bases: linux/arch/mips/include/uapi/asm/unistd.h. Direct calls: each architecture's syscall.tbl.
 */
static const struct seccomp_arch archs[] = {
	{ "SCMP_ARCH_X86", "x86", SCMP_ARCH_X86, 0, 359, 360 },
	{ "SCMP_ARCH_X86_64", "amd64", SCMP_ARCH_X86_64, 0, 0, 0 },
	{ "SCMP_ARCH_X32", "x32", SCMP_ARCH_X32, 0, 0, 0 },
	{ "SCMP_ARCH_ARM", "arm", SCMP_ARCH_ARM, 0, 0, 0 },
	{ "SCMP_ARCH_AARCH64", "arm64", SCMP_ARCH_AARCH64, 0, 0, 0 },
	{ "SCMP_ARCH_MIPS", "mips", SCMP_ARCH_MIPS, 4000, 4183, 4184 },
	{ "SCMP_ARCH_MIPS64", "mips64", SCMP_ARCH_MIPS64, 5000, 0, 0 },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32", SCMP_ARCH_MIPS64N32, 6000, 0, 0 },
	{ "SCMP_ARCH_MIPSEL", "mipsel", SCMP_ARCH_MIPSEL, 4000, 4183, 4184 },
	{ "SCMP_ARCH_MIPSEL64", "mipsel64", SCMP_ARCH_MIPSEL64, 5000, 0, 0 },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32", SCMP_ARCH_MIPSEL64N32, 6000, 0, 0 },
	{ "SCMP_ARCH_PPC", "ppc", SCMP_ARCH_PPC, 0, 326, 333 },
	{ "SCMP_ARCH_PPC64", "ppc64", SCMP_ARCH_PPC64, 0, 326, 333 },
	{ "SCMP_ARCH_PPC64LE", "ppc64le", SCMP_ARCH_PPC64LE, 0, 326, 333 },
	{ "SCMP_ARCH_S390", "s390", SCMP_ARCH_S390, 0, 359, 360 },
	{ "SCMP_ARCH_S390X", "s390x", SCMP_ARCH_S390X, 0, 359, 360 },
	{ "SCMP_ARCH_PARISC", "parisc", SCMP_ARCH_PARISC, 0, 0, 0 },
	{ "SCMP_ARCH_PARISC64", "parisc64", SCMP_ARCH_PARISC64, 0, 0, 0 },
#ifdef SCMP_ARCH_RISCV64
	{ "SCMP_ARCH_RISCV64", "riscv64", SCMP_ARCH_RISCV64, 0, 0, 0 },
#endif
#ifdef SCMP_ARCH_LOONGARCH64
	{ "SCMP_ARCH_LOONGARCH64", "loong64", SCMP_ARCH_LOONGARCH64, 0, 0, 0 },
#endif
};
#define N_ARCHS (sizeof(archs) / sizeof(archs[0]))

const struct seccomp_arch *seccomp_arch_by_name(const char *name)
{
	for (size_t i = 0; i < N_ARCHS; i++)
		if (str_eq(archs[i].name, name))
			return &archs[i];
	return NULL;
}

const struct seccomp_arch *seccomp_arch_by_token(uint32_t token)
{
	for (size_t i = 0; i < N_ARCHS; i++)
		if (archs[i].token == token)
			return &archs[i];
	return NULL;
}

const char *const *seccomp_arch_names(struct arena *a)
{
	struct strlist l = { 0 };

	for (size_t i = 0; i < N_ARCHS; i++)
		strlist_add(a, &l, archs[i].name);
	return (const char *const *)l.items;
}

int seccomp_action(int action, const uint32_t *errno_ret, const char *field, uint32_t *ret,
		   struct error *e)
{
	uint32_t value = errno_ret ? *errno_ret : EPERM;
	uint32_t max = action == OCI_ACT_TRACE ? UINT16_MAX : MAX_ERRNO;
	const char *name = str_eq(field, "linux.seccomp") ? "defaultErrnoRet" : "errnoRet";

	if (errno_ret && action != OCI_ACT_ERRNO && action != OCI_ACT_TRACE)
		return err_msg(e, "%s.%s: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return a value",
			       field, name);
	if (value > max)
		return err_msg(e, "%s.%s: %u is out of range (at most %u)", field, name, value,
			       max);
	switch (action) {
	case OCI_ACT_KILL:
	case OCI_ACT_KILL_THREAD:
		*ret = SCMP_ACT_KILL_THREAD;
		return 0;
	case OCI_ACT_KILL_PROCESS:
		*ret = SCMP_ACT_KILL_PROCESS;
		return 0;
	case OCI_ACT_TRAP:
		*ret = SCMP_ACT_TRAP;
		return 0;
	case OCI_ACT_ERRNO:
		*ret = SCMP_ACT_ERRNO(value);
		return 0;
	case OCI_ACT_TRACE:
		*ret = SCMP_ACT_TRACE(value);
		return 0;
	case OCI_ACT_ALLOW:
		*ret = SCMP_ACT_ALLOW;
		return 0;
	case OCI_ACT_LOG:
		*ret = SCMP_ACT_LOG;
		return 0;
	case OCI_ACT_NOTIFY:
		*ret = SCMP_ACT_NOTIFY;
		return 0;
	default:
		return err_msg(e, "%s: no action is given", field);
	}
}

/* Init tells its parent the notify descriptor after the filter is loaded; a call that waits for the
 * agent then would wait forever, as the agent gets the descriptor from the parent. */
static const char *const not_notifiable[] = { "write", "sendmsg" };

static int check_rule(const struct oci_syscall *r, size_t index, struct error *e)
{
	char field[64];
	uint32_t unused;

	snprintf(field, sizeof(field), "linux.seccomp.syscalls[%zu]", index);
	if (seccomp_action(r->action, r->errno_ret, field, &unused, e) < 0)
		return -1;
	if (!r->names || !r->names[0])
		return err_msg(e, "%s.names: at least one name is needed", field);
	for (size_t i = 0; r->names[i]; i++) {
		if (!*r->names[i])
			return err_msg(e, "%s.names[%zu]: an empty name", field, i);
		for (size_t j = 0; r->action == OCI_ACT_NOTIFY && j < 2; j++)
			if (str_eq(r->names[i], not_notifiable[j]))
				return err_msg(e,
					       "%s.names[%zu]: SCMP_ACT_NOTIFY cannot be used for "
					       "the %s syscall",
					       field, i, r->names[i]);
	}
	for (size_t i = 0; i < r->args_len; i++)
		if (!r->args[i].index || *r->args[i].index >= MAX_ARGS || !r->args[i].value ||
		    !r->args[i].op)
			return err_msg(e, "%s.args[%zu]: needs an index below 6, a value and an op",
				       field, i);
	return 0;
}

/* Known by name; TSYNC has no flag, as init has one thread when it loads the filter. */
static const struct {
	const char *name;
	unsigned int flag, probe_with;
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0, 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG, 0 },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
	  SECCOMP_FILTER_FLAG_NEW_LISTENER },
};

/* seccomp(2), NOTES: with a NULL filter the kernel fails with EFAULT if it knows the flag. */
static bool kernel_has_flag(unsigned int flag)
{
	return flag == 0 ||
	       (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT);
}

const char *const *seccomp_flag_names(struct arena *a, bool of_kernel)
{
	struct strlist l = { 0 };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!of_kernel || kernel_has_flag(flags[i].flag | flags[i].probe_with))
			strlist_add(a, &l, flags[i].name);
	return (const char *const *)l.items;
}

static int set_flags(const struct oci_seccomp *s, struct seccomp_filter *ret, struct error *e)
{
	ret->flags = 0;
	if (!s->flags) {
		/* runc and crun: without it a filter slows interpreters down by half on processors
		 * with the speculative store bypass mitigation. An empty list asks for none. */
		if (kernel_has_flag(SECCOMP_FILTER_FLAG_SPEC_ALLOW))
			ret->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		return 0;
	}
	for (size_t i = 0; s->flags[i]; i++) {
		size_t j = 0;

		while (j < sizeof(flags) / sizeof(flags[0]) && !str_eq(flags[j].name, s->flags[i]))
			j++;
		if (j == sizeof(flags) / sizeof(flags[0]))
			return err_msg(e, "linux.seccomp.flags[%zu]: unknown flag '%s'", i,
				       s->flags[i]);
		if (!kernel_has_flag(flags[j].flag | flags[j].probe_with))
			return err_msg(e, "linux.seccomp.flags[%zu]: this kernel does not have %s",
				       i, s->flags[i]);
		ret->flags |= flags[j].flag;
	}
	if (!ret->notify) /* it says how to wait for an agent, and the kernel refuses it without */
		ret->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}

static int check(const struct oci_seccomp *s, uint32_t *ret_default, struct seccomp_filter *ret,
		 struct error *e)
{
	if (seccomp_action(s->default_action, s->default_errno_ret, "linux.seccomp", ret_default,
			   e) < 0)
		return -1;
	if (s->default_action == OCI_ACT_NOTIFY)
		return err_msg(e, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as "
				  "default action");
	for (size_t i = 0; i < s->syscalls_len; i++) {
		if (check_rule(&s->syscalls[i], i, e) < 0)
			return -1;
		ret->notify |= s->syscalls[i].action == OCI_ACT_NOTIFY;
	}
	return set_flags(s, ret, e);
}

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* The tokens of the filter's architectures, the native one first. */
static int add_archs(struct arena *a, scmp_filter_ctx ctx, const struct oci_seccomp *s,
		     uint32_t **ret, size_t *ret_len, struct error *e)
{
	size_t n = str_list_len(s->architectures), len = 0;
	uint32_t *tokens = ARENA_ARRAY(a, n + 1, uint32_t);

	tokens[len++] = seccomp_arch_native();
	for (size_t i = 0; i < n; i++) {
		const struct seccomp_arch *arch = seccomp_arch_by_name(s->architectures[i]);
		int r;

		if (!arch)
			return err_msg(
				e, "linux.seccomp.architectures[%zu]: unknown architecture '%s'", i,
				s->architectures[i]);
		r = seccomp_arch_add(ctx, arch->token);
		if (r == -EEXIST)
			continue;
		if (r < 0)
			return err_sys(e, -r, "linux.seccomp.architectures[%zu]: add %s", i,
				       arch->name);
		tokens[len++] = arch->token;
	}
	*ret = tokens;
	*ret_len = len;
	return 0;
}

static int add_rule(scmp_filter_ctx ctx, const struct oci_syscall *r, uint32_t action,
		    const char *name, struct error *e)
{
	struct scmp_arg_cmp cmp[MAX_ARGS];
	unsigned int seen = 0;
	int nr = seccomp_syscall_resolve_name(name), rc = 0;
	bool separate = r->args_len > MAX_ARGS;

	if (nr == __NR_SCMP_ERROR)
		return 0;
	for (size_t i = 0; i < r->args_len; i++) {
		separate |= seen >> *r->args[i].index & 1;
		seen |= 1u << *r->args[i].index;
	}
	for (size_t i = 0; i < r->args_len; i++) {
		const struct oci_syscall_arg *arg = &r->args[i];
		struct scmp_arg_cmp c = { .arg = *arg->index,
					  .op = (enum scmp_compare)arg->op,
					  .datum_a = *arg->value,
					  .datum_b = arg->value_two ? *arg->value_two : 0 };

		if (!separate)
			cmp[i] = c;
		else if ((rc = seccomp_rule_add_array(ctx, action, nr, 1, &c)) < 0)
			break;
	}
	if (!separate)
		rc = seccomp_rule_add_array(ctx, action, nr, (unsigned int)r->args_len, cmp);
	if (rc < 0)
		return err_sys(e, -rc, "add the rule for %s", name);
	return 0;
}

static int add_rules(scmp_filter_ctx ctx, const struct oci_seccomp *s, uint32_t default_action,
		     struct error *e)
{
	for (size_t i = 0; i < s->syscalls_len; i++) {
		const struct oci_syscall *r = &s->syscalls[i];
		uint32_t action;

		if (seccomp_action(r->action, r->errno_ret, "", &action, e) < 0)
			return -1;
		if (action == default_action || seccomp_rule_is_guard(r))
			continue;
		for (size_t j = 0; r->names[j]; j++)
			if (add_rule(ctx, r, action, r->names[j], e) < 0)
				return err_wrap(e, "linux.seccomp.syscalls[%zu]", i);
	}
	return 0;
}

/* libseccomp's program behind the N instructions of our prefix. */
static int take_program(struct arena *a, scmp_filter_ctx ctx, const struct sock_filter *prefix,
			size_t n, struct sock_fprog *ret, struct error *e)
{
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter *insn;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "make a memory file for the seccomp filter");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_sys(e, -r, "compile linux.seccomp");
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "read the seccomp filter");
	len = (size_t)st.st_size / sizeof(*insn);
	if (len == 0 || len + n > BPF_MAXINSNS)
		return err_msg(e,
			       "linux.seccomp: the filter has %zu instructions, the kernel takes "
			       "at most %d",
			       len + n, BPF_MAXINSNS);
	insn = ARENA_ARRAY(a, len + n, struct sock_filter);
	memcpy(insn, prefix, n * sizeof(*insn));
	if (pread(fd, insn + n, len * sizeof(*insn), 0) != (ssize_t)(len * sizeof(*insn)))
		return err_sys(e, EIO, "read the seccomp filter");
	ret->len = (unsigned short)(len + n);
	ret->filter = insn;
	return 0;
}

/* The kernel's names of the architectures: libseccomp's tokens, but for x32. Never UINT32_MAX. */
static size_t audit_archs(uint32_t *tokens, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t audit = tokens[i] == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : tokens[i];
		bool seen = false;

		for (size_t j = 0; j < len; j++)
			seen |= tokens[j] == audit;
		if (!seen)
			tokens[len++] = audit;
	}
	return len;
}

int seccomp_compile(struct arena *a, const struct oci_seccomp *s, struct seccomp_filter *ret,
		    struct error *e)
{
	__attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
	struct sock_filter *prefix;
	uint32_t default_action, *tokens = NULL, result;
	size_t tokens_len = 0, calls = 0;
	int n, execveat;

	if (check(s, &default_action, ret, e) < 0)
		return -1;
	ctx = seccomp_init(default_action);
	if (!ctx)
		return err_msg(e, "linux.seccomp.defaultAction: this kernel or libseccomp does not "
				  "have the action");
	if (add_archs(a, ctx, s, &tokens, &tokens_len, e) < 0)
		return -1;
	for (size_t i = 0; i < s->syscalls_len; i++)
		calls += str_list_len(s->syscalls[i].names);
	if (calls > TREE_FROM) /* a libseccomp without it makes a list, which is right as well */
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (add_rules(ctx, s, default_action, e) < 0)
		return -1;
	n = seccomp_prefix(a, s, tokens, tokens_len, default_action, &prefix, e);
	if (n < 0 || take_program(a, ctx, prefix, (size_t)n, &ret->prog, e) < 0)
		return -1;
	tokens_len = audit_archs(tokens, tokens_len);
	seccomp_compact(a, tokens, tokens_len, &ret->prog);
	execveat = seccomp_syscall_resolve_name("execveat");
	ret->allows_execveat = seccomp_result(&ret->prog, tokens[0], execveat, NULL, &result) &&
			       result == SCMP_ACT_ALLOW;
	return 0;
}

bool seccomp_result(const struct sock_fprog *p, uint32_t arch, int nr, const uint64_t *args,
		    uint32_t *ret)
{
	struct seccomp_data d = { .nr = nr, .arch = arch };
	uint32_t acc = 0;

	if (args)
		memcpy(d.args, args, sizeof(d.args));
	for (size_t pc = 0; pc < p->len; pc++) {
		const struct sock_filter *f = &p->filter[pc];
		bool yes;

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f->k > sizeof(d) - sizeof(acc) ||
			    (!args && f->k > offsetof(struct seccomp_data, arch)))
				return false;
			memcpy(&acc, (const char *)&d + f->k, sizeof(acc));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= f->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = acc == f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = acc >= f->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = acc > f->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = (acc & f->k) != 0;
			break;
		case BPF_RET | BPF_K:
			*ret = f->k;
			return true;
		default:
			return false;
		}
		pc += yes ? f->jt : f->jf;
	}
	return false;
}

bool seccomp_filter_allows(const struct seccomp_filter *f, int nr, uint64_t a0, uint64_t a1)
{
	const uint64_t args[6] = { a0, a1 };
	uint32_t result;

	return !f->prog.len ||
	       (seccomp_result(&f->prog, seccomp_arch_native(), nr, args, &result) &&
		(result == SCMP_ACT_ALLOW || result == SCMP_ACT_LOG));
}
