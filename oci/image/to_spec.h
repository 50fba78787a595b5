/*
 * Image config and the user's wishes -> runtime specification (image-spec conversion.md). The image
 * gives data only: what to run, with which environment, as whom and where; its labels, ports and
 * volumes never name a host path nor set anything of the runtime's.
 */
#ifndef MRUN_OCI_IMAGE_TO_SPEC_H
#define MRUN_OCI_IMAGE_TO_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/image.h"
#include "oci/spec/spec.h"

/* What the user asked for, parsed. All zero is docker's default with nothing private. */
struct spec_options {
	char *const *command;	/* after IMAGE: replaces the image's Cmd; NULL or empty: none */
	const char *entrypoint; /* NULL: the image's; "": none. Either way Cmd is not taken then. */
	char *const *env;	/* "K=V" sets, "K" removes; NULL-terminated, may be NULL */
	const char *workdir;	/* absolute; NULL: the image's */
	const char *hostname;	/* never NULL */
	const char *domainname; /* NULL: none */
	const int32_t *oom_score_adj;
	bool tty, read_only, no_new_privileges;
	bool private_net, private_pid, private_ipc, private_user;
	bool gid5;		 /* gid 5 is mapped: /dev/pts gets it */
	int ping_low, ping_high; /* gids for net.ipv4.ping_group_range; low > high: not set */
	bool default_sysctls;	 /* docker's, for a private network */
	int64_t shm_size;	 /* bytes; 0: 64 MiB */
	char **caps;		 /* from spec_caps(); NULL: the default ones */
	const struct oci_seccomp *seccomp;			  /* NULL: unconfined */
	const struct oci_id_mapping *uid_mappings, *gid_mappings; /* with private_user */
	size_t uid_mappings_len, gid_mappings_len;
	struct oci_mount *mounts; /* replace a standard mount at the same place */
	size_t mounts_len;
	struct oci_rlimit *rlimits;
	size_t rlimits_len;
	struct json_pair *sysctl;
	size_t sysctl_len;
	struct json_pair *annotations;
	size_t annotations_len;
	struct oci_resources *resources;
};

/* Builds the whole spec; process.user is root (the caller resolves names, which needs the root file
 * system). WARNINGS gets lines for people. */
struct oci_spec *spec_from_image(struct arena *a, const struct oci_image_config *c,
				 const struct spec_options *o, struct strlist *warnings,
				 struct error *e);

/* The process's environment: docker's defaults, then the image's, then OPTIONS' (spec_env.c).
 * Entries of the image that are none (no '=', an empty or odd name) are dropped with one warning.
 */
char **spec_env(struct arena *a, char *const *image_env, const struct spec_options *o,
		struct strlist *warnings);

/* Docker's default capabilities changed by --cap-add and --cap-drop (NULL-terminated lists, may be
 * NULL): names with or without CAP_, any case, ALL. NULL with E for one that does not exist. */
char **spec_caps(struct arena *a, char *const *add, char *const *drop, struct error *e);

/* Directories that are to be writable and to keep what the image has there: the image's Volumes,
 * cleaned ("/../../etc" is "/etc" of the container). NULL-terminated. */
char **spec_volumes(struct arena *a, const struct oci_image_config *c, struct strlist *warnings);

#endif
