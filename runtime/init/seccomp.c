/*
 * Loads a compiled filter into the calling process: the one part of seccomp that runs in the
 * container's init, where only system calls are allowed. From this call on everything that init
 * does is judged by the filter.
 */
#include "runtime/init/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif

int seccomp_filter_load(const struct seccomp_filter *f, struct error *e)
{
	unsigned long flags = f->flags;
	long r;

	if (f->prog.len == 0)
		return 0;
	if (f->notify)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &f->prog);
	if (r >= 0)
		return (int)r;
	err_sys(e, errno, "load the seccomp filter of %u instructions", (unsigned int)f->prog.len);
	switch (e->code) {
	case EACCES:
		return err_hint(e, "without CAP_SYS_ADMIN a filter needs process.noNewPrivileges");
	case EBUSY:
		return err_hint(e, "a filter with SCMP_ACT_NOTIFY is active already: a container "
				   "inside such a one cannot have its own");
	case EINVAL:
	case ENOSYS:
		return err_hint(e, "this kernel, or a sandbox around it, has no seccomp filters "
				   "(CONFIG_SECCOMP_FILTER)");
	default:
		return -1;
	}
}
