/* Who we are, from the auxiliary vector (getauxval(3)): without a system call, and as it was when
 * mrun was started. main.c refuses to run where real and effective ids differ. Not for code that
 * runs after a change of user. */
#ifndef MRUN_OCI_BASE_SELF_H
#define MRUN_OCI_BASE_SELF_H

#include <sys/auxv.h>
#include <sys/types.h>

static inline uid_t self_uid(void)
{
	return (uid_t)getauxval(AT_EUID);
}
static inline gid_t self_gid(void)
{
	return (gid_t)getauxval(AT_EGID);
}

#endif
