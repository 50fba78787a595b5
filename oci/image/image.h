/*
 * What the OCI image specification defines, as structures: descriptor, platform, manifest, index
 * and image config; Docker's schema 2 has the same shapes under other media types. All of it is
 * read from strangers: the decoders below check digests, sizes and media types, so that what they
 * return can be trusted to be well formed (not to be benign: env, user, paths and labels are still
 * data).
 */
#ifndef MRUN_OCI_IMAGE_IMAGE_H
#define MRUN_OCI_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/base/json.h"

/* JSON blobs and index.json are read up to this size; registries refuse manifests above 4 MiB
 * (distribution-spec, "Pushing Manifests"). */
#define OCI_JSON_MAX ((size_t)4 * 1024 * 1024)
/* A manifest or config has some hundreds of values; an index one for each image and platform. */
#define OCI_VALUES_MAX ((size_t)1 << 16)
/* Each is looked for among the others, and a volume is a mount. */
#define OCI_ENV_MAX 8192
#define OCI_VOLUMES_MAX 1024
/* overlayfs takes 500 lower directories; docker's limit is 127 layers. */
#define OCI_LAYERS_MAX 500

#define OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

/* Annotations on the descriptors of an index.json (image-spec, annotations.md; containerd's). */
#define OCI_ANNOTATION_REF_NAME "org.opencontainers.image.ref.name"
#define OCI_ANNOTATION_CONTAINERD_NAME "io.containerd.image.name"

/* image-spec descriptor.md and image-index.md. */
struct oci_platform {
	char *architecture, *os, *os_version, *variant;
	char **os_features;
};
struct oci_descriptor {
	char *media_type, *digest;
	int64_t size;
	char **urls;
	struct json_pair *annotations;
	size_t annotations_len;
	char *data; /* base64; never used, the blob itself is what is verified */
	char *artifact_type;
	struct oci_platform *platform;
};

/* image-spec manifest.md; Docker's image manifest version 2, schema 2. */
struct oci_manifest {
	uint32_t schema_version;
	char *media_type, *artifact_type;
	struct oci_descriptor *config;
	struct oci_descriptor *layers; /* bottom first */
	size_t layers_len;
	struct oci_descriptor *subject;
	struct json_pair *annotations;
	size_t annotations_len;
};

/* image-spec image-index.md; Docker's manifest list; also a layout's index.json. */
struct oci_index {
	uint32_t schema_version;
	char *media_type, *artifact_type;
	struct oci_descriptor *manifests;
	size_t manifests_len;
	size_t manifests_room; /* store_index_set(): how many the array may get; 0: it is full */
	struct oci_descriptor *subject;
	struct json_pair *annotations;
	size_t annotations_len;
};

/* One key of Go's map[string]struct{}: ExposedPorts, Volumes. */
struct oci_set_entry {
	char *key;
};

/* image-spec config.md, "config"; the last three are Docker's. */
struct oci_image_run {
	char *user;			     /* user, uid, user:group or uid:gid */
	struct oci_set_entry *exposed_ports; /* "80/tcp" */
	size_t exposed_ports_len;
	char **env;		       /* NAME=value; NULL when not given */
	char **entrypoint, **cmd;      /* NULL when not given */
	struct oci_set_entry *volumes; /* paths in the container */
	size_t volumes_len;
	char *working_dir;
	struct json_pair *labels;
	size_t labels_len;
	char *stop_signal; /* name or number */
	bool args_escaped;
	const struct json_value *healthcheck;
	char **on_build;
	char **shell;
};

struct oci_rootfs {
	char *type;	 /* "layers" */
	char **diff_ids; /* bottom first; never NULL after oci_config_read */
};
struct oci_history {
	char *created, *created_by, *author, *comment;
	bool empty_layer;
};

/* image-spec config.md. `config` is never NULL after oci_config_read. */
struct oci_image_config {
	char *created, *author; /* created: RFC 3339 */
	char *architecture, *os, *os_version, *variant;
	char **os_features;
	struct oci_image_run *config;
	struct oci_rootfs *rootfs;
	struct oci_history *history; /* oldest first */
	size_t history_len;
};

extern const struct json_type oci_platform_type, oci_descriptor_type, oci_manifest_type,
	oci_index_type, oci_image_run_type, oci_image_config_type;

/* What a media type means to us. */
enum oci_media {
	OCI_MEDIA_UNKNOWN,
	OCI_MEDIA_MANIFEST,
	OCI_MEDIA_INDEX,
	OCI_MEDIA_CONFIG,
	OCI_MEDIA_LAYER,
	OCI_MEDIA_SCHEMA1, /* Docker's first manifest format: refused by name */
};
/* TYPE may be NULL. *ret_oci, unless NULL, gets the OCI type that says the same (NULL for unknown).
 */
enum oci_media oci_media(const char *type, const char **ret_oci);

/* The value of an annotation, NULL when it is not there. */
const char *oci_annotation(const struct oci_descriptor *d, const char *key);
/* Sets (VALUE) or removes (NULL) one; the list is copied, not changed in place. */
void oci_annotation_set(struct arena *a, struct oci_descriptor *d, const char *key,
			const char *value);

/* Each reads TEXT (LEN bytes whose digest was verified), checks everything that the specification
 * says about it, and returns NULL with E otherwise. NAME is for messages. A manifest that is also
 * an index, and the other way round, is refused (CVE-2021-41190), as is a mediaType inside that
 * contradicts EXPECTED (the descriptor's; NULL: not known). */
struct oci_manifest *oci_manifest_read(struct arena *a, const char *text, size_t len,
				       const char *expected, const char *name, struct error *e);
struct oci_index *oci_index_read(struct arena *a, const char *text, size_t len,
				 const char *expected, const char *name, struct error *e);
struct oci_image_config *oci_config_read(struct arena *a, const char *text, size_t len,
					 const char *name, struct error *e);
/* That a config belongs to a manifest: as many diff_ids as layers. */
int oci_config_check(const struct oci_image_config *c, const struct oci_manifest *m,
		     const char *name, struct error *e);

/* The OCI manifest that says what M says (media types mapped). Returns its text; *ret_len its
 * length. For an M that is OCI already as well: the caller compares media types. */
char *oci_manifest_convert(struct arena *a, const struct oci_manifest *m, size_t *ret_len);
/* Whether M has Docker's media types anywhere. */
bool oci_manifest_is_docker(const struct oci_manifest *m);

#endif
