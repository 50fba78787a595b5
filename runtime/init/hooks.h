/* Hooks (runtime-spec config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"). */
#ifndef MRUN_RUNTIME_INIT_HOOKS_H
#define MRUN_RUNTIME_INIT_HOOKS_H

#include "oci/spec/spec.h"

/* What the hooks of one kind have in common. */
struct hook_call {
	const char *kind;  /* its name in config.json, for messages */
	const char *state; /* JSON, on each one's stdin */
	const char *dir;   /* where they run: the bundle, as with runc and crun; NULL: here */
	char *const *env;  /* of those that say nothing of theirs; NULL: ours, as with both */
};

/* Runs N hooks in order, each with its own args and env, and its timeout; the first that fails ends
 * it with an error that names the kind, the index and what the hook wrote on stderr. PDEATHSIG: a
 * hook must not outlive us. */
int hooks_run(const struct oci_hook *hooks, size_t n, const struct hook_call *call,
	      struct error *e);
/* poststop: all of them; one that fails is a warning on stderr (config.md, "Poststop"). H and DIR
 * may be NULL. */
void hooks_poststop(const struct oci_hooks *h, const char *state, const char *dir);

#endif
