/*
 * System-call filters: config.json's linux.seccomp compiled by libseccomp, kept in a cache, loaded
 * by the container's init with one system call (runtime-spec config-linux.md, "Seccomp";
 * seccomp(2)).
 */
#ifndef MRUN_RUNTIME_INIT_SECCOMP_H
#define MRUN_RUNTIME_INIT_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"

struct seccomp_filter {
	struct sock_fprog prog;	   /* len 0: no filter */
	unsigned int flags;	   /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
	bool notify;		   /* SCMP_ACT_NOTIFY is used: NEW_LISTENER is needed */
	const char *listener_path; /* where the notify descriptor goes */
	const char *listener_metadata;
	bool allows_execveat; /* execveat(2) passes without a condition or side effect */
};

/* Parent, before the clone: from the cache ($XDG_CACHE_HOME/mrun/seccomp/DIGEST.bpf, keyed by a
 * digest of the profile, the architecture, the kernel's release and libseccomp's version; verified
 * to be ours: owner, mode, regular file, size) or compiled and put there. A cache that cannot be
 * used is no error. */
int seccomp_prepare(struct arena *a, const struct oci_seccomp *s, struct seccomp_filter *ret,
		    struct error *e);

/* Whether call NR of this architecture passes, with these first arguments and the others 0. Also
 * true without a filter. */
bool seccomp_filter_allows(const struct seccomp_filter *f, int nr, uint64_t a0, uint64_t a1);

/* What `mrun features` lists, NULL-terminated: the architectures that this libseccomp has, and the
 * flags that mrun knows, or, of these, those that this kernel has. */
const char *const *seccomp_arch_names(struct arena *a);
const char *const *seccomp_flag_names(struct arena *a, bool of_kernel);

/* Init: loads it (seccomp_load is a name of libseccomp's). Only system calls, no allocation.
 * Returns the notify descriptor when filter->notify, else 0; -1 with E. Without CAP_SYS_ADMIN
 * no_new_privs must be set before. */
int seccomp_filter_load(const struct seccomp_filter *f, struct error *e);

#endif
