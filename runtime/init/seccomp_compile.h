/*
 * From linux.seccomp to a BPF program. Inside runtime/init only; everybody else uses seccomp.h.
 *
 * The program has two parts. The rules of the profile are libseccomp's. In front of them lies a
 * short prefix of our own (seccomp_prefix.c) for what libseccomp cannot say.
 */
#ifndef MRUN_RUNTIME_INIT_SECCOMP_COMPILE_H
#define MRUN_RUNTIME_INIT_SECCOMP_COMPILE_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"
#include "runtime/init/seccomp.h"

/*
 * Operators of our own beside libseccomp's SCMP_CMP_*, for profiles that are built in the program
 * (config.json cannot name them). A rule whose single argument has one of these is a guard: it is
 * decided before all other rules of that call, in the order in which the guards stand, and unlike
 * libseccomp's conditional rules it may stand beside an unconditional rule for the rest. It looks
 * at the low 32 bits only, as the kernel does where a parameter is an int (ioctl's request,
 * socket's family): whatever is put into the upper half changes nothing (CVE-2017-5226,
 * CVE-2023-28100).
 */
enum seccomp_guard {
	SECCOMP_GUARD_EQ = 0x100, /* equal to value */
	SECCOMP_GUARD_ANY,	  /* has any bit of value */
	SECCOMP_GUARD_GT,	  /* greater than value, unsigned */
};

/* An architecture by the name that the specification gives it. */
struct seccomp_arch {
	const char *name;   /* "SCMP_ARCH_X86_64" */
	const char *goarch; /* "amd64", as Docker's profiles name it */
	uint32_t token;	    /* libseccomp's */
	int nr_base;	    /* added to the numbers that are common to all architectures */
	/* The calls themselves where libseccomp knows them as parts of socketcall(2) only; else 0.
	 */
	int direct_socket, direct_socketpair;
};
/* NULL when it is not known. */
const struct seccomp_arch *seccomp_arch_by_name(const char *name);
const struct seccomp_arch *seccomp_arch_by_token(uint32_t token);

/* What libseccomp is given for an action; checks that errnoRet fits it. FIELD names it in
 * messages ("linux.seccomp.syscalls[3]"). */
int seccomp_action(int action, const uint32_t *errno_ret, const char *field, uint32_t *ret,
		   struct error *e);

/* Compiles S, checking every value in it. RET's instructions are in the arena; the listener's
 * strings are left alone. Errors name the field. */
int seccomp_compile(struct arena *a, const struct oci_seccomp *s, struct seccomp_filter *ret,
		    struct error *e);

/* The prefix of the program: see seccomp_prefix.c. ARCHS are libseccomp's tokens, DEFAULT_ACTION is
 * libseccomp's value. Returns how many instructions lie at *ret; 0 when none are needed; -1 with
 * E. */
int seccomp_prefix(struct arena *a, const struct oci_seccomp *s, const uint32_t *archs,
		   size_t archs_len, uint32_t default_action, struct sock_filter **ret,
		   struct error *e);
/* Whether a rule belongs to the prefix because it is a guard. */
bool seccomp_rule_is_guard(const struct oci_syscall *r);
/* Whether NAME is a call that this libseccomp does not know and we do. */
bool seccomp_name_is_newer(const char *name);

/* Replaces *P by a shorter program that decides the same, if there is one (seccomp_compact.c).
 * AUDITS are the architectures of the filter as the kernel names them, each once. */
void seccomp_compact(struct arena *a, const uint32_t *audits, size_t audits_len,
		     struct sock_fprog *p);

/* What the program returns for a call with the six ARGS. With ARGS NULL only if that can be told
 * from its number and architecture alone, which is how the kernel decides whether a call may skip
 * the filter (seccomp_is_const_allow in the kernel's seccomp.c); else false. */
bool seccomp_result(const struct sock_fprog *p, uint32_t arch, int nr, const uint64_t *args,
		    uint32_t *ret);

#endif
