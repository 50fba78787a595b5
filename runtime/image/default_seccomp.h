/*
 * The system-call policy of containers that run from an image, when --security-opt names no other.
 */
#ifndef MRUN_RUNTIME_IMAGE_DEFAULT_SECCOMP_H
#define MRUN_RUNTIME_IMAGE_DEFAULT_SECCOMP_H

#include "oci/base/arena.h"
#include "oci/spec/spec.h"

/* CAPS: the bounding set as names ("CAP_SYS_ADMIN"), NULL-terminated, may be NULL. The result
 * points into the arena and to constants; its architectures may be replaced by a shorter list to
 * close the 32-bit ABIs (a call through one that is not listed kills the thread). */
const struct oci_seccomp *seccomp_default_profile(struct arena *a, char *const *caps);

/* The same policy for a config.json: seccomp_default_profile() has operators of our own, which JSON
 * cannot carry. Only errnos differ: what is denied is ENOSYS in a few cases where the other says
 * EPERM. */
const struct oci_seccomp *seccomp_default_profile_plain(struct arena *a, char *const *caps);

#endif
