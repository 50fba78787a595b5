/*
 * The default profile in the words of the runtime specification alone, for a config.json that other
 * runtimes read (mrun unpack). The guards of the one that mrun uses itself (default_seccomp.c)
 * become ordinary rules.
 *
 * libseccomp has no "for the rest" beside conditional rules of one call: an unconditional one
 * undoes them. So the rest is spelt out: the values that no guard mentions, as the fewest groups of
 * values with equal leading bits (SCMP_CMP_MASKED_EQ on the low 32 bits). Where the rest is denied
 * anyway it is left to the profile's default action.
 */
#include "oci/base/str.h"
#include "runtime/image/default_seccomp.h"
#include "runtime/init/seccomp_compile.h"

#define MAX_RULES 512
#define LOW UINT64_C(0xffffffff)

struct builder {
	struct arena *a;
	const struct oci_seccomp *in;
	struct oci_syscall *rules;
	size_t n;
};

static bool guards(const struct oci_syscall *r, const char *name)
{
	return seccomp_rule_is_guard(r) && str_list_has(r->names, name);
}

/* A rule like MODEL with the condition (argument & MASK) == VALUE. */
static void put(struct builder *b, const struct oci_syscall *model, int action, uint64_t mask,
		uint64_t value)
{
	struct oci_syscall_arg *arg = ARENA_NEW(b->a, struct oci_syscall_arg);
	uint64_t *numbers = ARENA_ARRAY(b->a, 2, uint64_t);

	if (b->n == MAX_RULES)
		return; /* the unit test compares this profile with the other one */
	numbers[0] = mask;
	numbers[1] = value;
	*arg = (struct oci_syscall_arg){ .index = model->args->index,
					 .value = &numbers[0],
					 .value_two = &numbers[1],
					 .op = SCMP_CMP_MASKED_EQ };
	b->rules[b->n++] = (struct oci_syscall){
		.names = model->names, .action = action, .args = arg, .args_len = 1
	};
}

/* How many of the values with the leading bits MASK equal to PREFIX a guard mentions. */
enum share { NONE, SOME, ALL };
static enum share mentioned(const struct builder *b, const char *name, uint64_t mask,
			    uint64_t prefix)
{
	const uint64_t last = prefix | (~mask & LOW);
	enum share most = NONE;

	for (size_t i = 0; i < b->in->syscalls_len; i++) {
		const struct oci_syscall *r = &b->in->syscalls[i];
		enum share share = NONE;
		uint64_t v;

		if (!guards(r, name))
			continue;
		v = *r->args->value;
		if (r->args->op == SECCOMP_GUARD_EQ && v >= prefix && v <= last)
			share = prefix == last ? ALL : SOME;
		else if (r->args->op == SECCOMP_GUARD_GT && last > v)
			share = prefix > v ? ALL : SOME;
		most = share > most ? share : most;
	}
	return most;
}

static void put_rest(struct builder *b, const struct oci_syscall *model, uint64_t mask,
		     uint64_t prefix)
{
	uint64_t next = mask >> 1 | (LOW + 1) >> 1;

	switch (mentioned(b, model->names[0], mask, prefix)) {
	case NONE:
		put(b, model, OCI_ACT_ALLOW, mask, prefix);
		return;
	case SOME:
		put_rest(b, model, next, prefix);
		put_rest(b, model, next, prefix | (next & ~mask));
		return;
	case ALL:
		return;
	}
}

/* What the profile does with NAME where no guard speaks. */
static int rest_action(const struct oci_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->syscalls_len; i++)
		if (!seccomp_rule_is_guard(&s->syscalls[i]) &&
		    str_list_has(s->syscalls[i].names, name))
			return s->syscalls[i].action;
	return s->default_action;
}

static void put_guard(struct builder *b, const struct oci_syscall *r)
{
	uint64_t v = *r->args->value;

	switch (r->args->op) {
	case SECCOMP_GUARD_EQ:
		/* libseccomp refuses to both allow and deny parts of what i386 has in
		 * socketcall(2), so those are left to the default action. */
		if (r->action == OCI_ACT_ALLOW ||
		    seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, r->names[0]) >= 0)
			put(b, r, r->action, LOW, v);
		return;
	case SECCOMP_GUARD_ANY: /* the rest of these is one group */
		for (uint64_t bit = 1; bit & LOW; bit <<= 1)
			if (v & bit)
				put(b, r, r->action, bit, bit);
		put(b, r, rest_action(b->in, r->names[0]), v, 0);
		return;
	default: /* SECCOMP_GUARD_GT: of what is left the default action takes care */
		return;
	}
}

static char **without_guarded(struct builder *b, char **names)
{
	struct strlist kept = { 0 };

	for (size_t i = 0; names[i]; i++) {
		bool guarded = false;

		for (size_t j = 0; j < b->in->syscalls_len && !guarded; j++)
			guarded = guards(&b->in->syscalls[j], names[i]);
		if (!guarded)
			strlist_add(b->a, &kept, names[i]);
	}
	return kept.items;
}

const struct oci_seccomp *seccomp_default_profile_plain(struct arena *a, char *const *caps)
{
	const struct oci_seccomp *in = seccomp_default_profile(a, caps);
	struct builder b = { .a = a,
			     .in = in,
			     .rules = ARENA_ARRAY(a, MAX_RULES + in->syscalls_len,
						  struct oci_syscall) };
	struct oci_seccomp *s = ARENA_NEW(a, struct oci_seccomp);

	for (size_t i = 0; i < in->syscalls_len; i++) {
		const struct oci_syscall *r = &in->syscalls[i];
		bool first = true;

		if (!seccomp_rule_is_guard(r))
			continue;
		put_guard(&b, r);
		for (size_t j = 0; j < i; j++)
			first &= !guards(&in->syscalls[j], r->names[0]);
		if (first && r->args->op != SECCOMP_GUARD_ANY &&
		    rest_action(in, r->names[0]) == OCI_ACT_ALLOW)
			put_rest(&b, r, 0, 0);
	}
	for (size_t i = 0; i < in->syscalls_len; i++) {
		char **names = in->syscalls[i].names;

		if (seccomp_rule_is_guard(&in->syscalls[i]) ||
		    !(names = without_guarded(&b, names)))
			continue;
		b.rules[b.n] = in->syscalls[i];
		b.rules[b.n++].names = names;
	}
	*s = *in;
	s->syscalls = b.rules;
	s->syscalls_len = b.n;
	return s;
}
