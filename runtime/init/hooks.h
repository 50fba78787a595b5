/* Hooks (runtime-spec config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"). */
#ifndef MRUN_RUNTIME_INIT_HOOKS_H
#define MRUN_RUNTIME_INIT_HOOKS_H

#include "oci/spec/spec.h"

/* Runs N hooks in order, each with STATE (JSON) on its stdin, its own args and env, and its
 * timeout; the first that fails ends it with an error that names KIND, the index and what the hook
 * wrote on stderr. PDEATHSIG: a hook must not outlive us. */
int hooks_run(const struct oci_hook *hooks, size_t n, const char *kind, const char *state,
	      struct error *e);

#endif
