/*
 * What the files of `mrun doctor` share; nobody else includes it. Each doctor_*() below adds its
 * findings to the list; doctor.c prints them. Everything is tried where it can be tried, not
 * derived from version numbers, and nothing is left changed.
 */
#ifndef MRUN_RUNTIME_CMD_DOCTOR_H
#define MRUN_RUNTIME_CMD_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/cmd/cmd.h"
#include "runtime/init/idmap.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* `mrun IMAGE` works, something else does not */
	DOCTOR_MISSING, /* `mrun IMAGE` does not work without it */
};
struct doctor_check {
	enum doctor_level level;
	const char *name, *text;
	struct strlist commands; /* what mends it, each a line for a shell */
};
struct doctor {
	struct cmd_context *c;
	struct arena *a;
	const char *user; /* name in /etc/passwd, else the number */
	const char *home; /* likewise, NULL when there is none */
	bool in_passwd;
	const char *sudo;  /* "sudo " or "" in front of commands that need root */
	const char *cache; /* where the unpacked layers belong, NULL: nowhere */
	bool home_unusable;
	bool userns;	  /* a user namespace can be made … */
	struct idmap ids; /* … and this is what it will map; .uids_len 0: nothing can be */
	struct doctor_check *checks;
	size_t n, cap;
};

/* Adds a finding; what doctor_mend() adds belongs to the last one. */
void doctor_add(struct doctor *d, enum doctor_level level, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void doctor_mend(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "sysctl -w", and the same for after the next boot. */
void doctor_mend_sysctl(struct doctor *d, const char *key, const char *value);
/* The command that installs what Debian calls the package DEB, by the package manager found here.
 */
struct doctor_package {
	const char *deb, *rpm, *apk, *zypper, *pacman;
};
void doctor_mend_install(struct doctor *d, const struct doctor_package *p);

/* A small file's text without the last newline; NULL when it can't be read. */
char *doctor_read(struct doctor *d, const char *path);
/* A program of the host by the fixed list of directories that mrun itself searches; NULL. */
const char *doctor_find(struct doctor *d, const char *name);
/* The longest existing beginning of PATH. */
const char *doctor_existing(struct doctor *d, const char *path);

/* Runs RUN in a child in new namespaces (FLAGS: CLONE_NEW*), as root of the mapping IDS. SHARED is
 * memory that parent and child share. */
enum doctor_probe_result { PROBE_RAN, PROBE_NO_CLONE, PROBE_NO_MAPPING };
enum doctor_probe_result doctor_probe(struct doctor *d, unsigned long flags,
				      const struct idmap *ids, void (*run)(void *shared),
				      void *shared, struct error *e);
/* SIZE bytes, zeroed, for doctor_probe(); NULL without memory. */
void *doctor_shared(size_t size);

void doctor_kernel(struct doctor *d);
void doctor_namespaces(struct doctor *d);
void doctor_ids(struct doctor *d);
void doctor_filesystems(struct doctor *d); /* after namespaces, ids and files */
void doctor_files(struct doctor *d);
void doctor_programs(struct doctor *d);
void doctor_cgroups(struct doctor *d);

#endif
