/* System-call profiles that people name with --security-opt seccomp=FILE. */
#ifndef MRUN_RUNTIME_IMAGE_SECCOMP_PROFILE_H
#define MRUN_RUNTIME_IMAGE_SECCOMP_PROFILE_H

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"

/* Reads PATH: a profile in Docker's format (archMap, includes, excludes), or a seccomp object of
 * the runtime specification, which is a subset of it; and resolves it for this architecture, this
 * kernel and CAPS (the bounding set as names, may be NULL). NULL with E, whose message names the
 * field. Owned by the arena. */
struct oci_seccomp *seccomp_profile_load(struct arena *a, const char *path, char *const *caps,
					 struct error *e);

/* The same from text; NAME is for messages. */
struct oci_seccomp *seccomp_profile_parse(struct arena *a, const char *text, size_t len,
					  const char *name, char *const *caps, struct error *e);

#endif
