/* The tables of image.h: one line a field of the image specification. */
#include "oci/image/image.h"

#define D oci_descriptor
#define M oci_manifest
#define X oci_index
#define R oci_image_run
#define C oci_image_config

static const struct json_field platform_fields[] = {
	JF(oci_platform, architecture, "architecture", J_STR, J_ALWAYS),
	JF(oci_platform, os, "os", J_STR, J_ALWAYS),
	JF(oci_platform, os_version, "os.version", J_STR, 0),
	JF(oci_platform, os_features, "os.features", J_STRS, 0),
	JF(oci_platform, variant, "variant", J_STR, 0),
	{ .key = NULL },
};
JSON_TYPE(oci_platform_type, oci_platform, platform_fields);

static const struct json_field descriptor_fields[] = {
	JF(D, media_type, "mediaType", J_STR, 0),
	JF(D, digest, "digest", J_STR, J_REQUIRED | J_ALWAYS),
	JF(D, size, "size", J_I64, J_REQUIRED | J_ALWAYS),
	JF(D, urls, "urls", J_STRS, 0),
	JF_L(D, annotations, "annotations", J_MAP, 0, NULL),
	JF(D, data, "data", J_STR, 0),
	JF(D, artifact_type, "artifactType", J_STR, 0),
	JF_SUB(D, platform, "platform", J_OBJ, 0, &oci_platform_type),
	{ .key = NULL },
};
JSON_TYPE(oci_descriptor_type, oci_descriptor, descriptor_fields);

static const struct json_field manifest_fields[] = {
	JF(M, schema_version, "schemaVersion", J_U32, J_REQUIRED | J_ALWAYS),
	JF(M, media_type, "mediaType", J_STR, 0),
	JF(M, artifact_type, "artifactType", J_STR, 0),
	JF_SUB(M, config, "config", J_OBJ, J_REQUIRED, &oci_descriptor_type),
	JF_L(M, layers, "layers", J_ARR, J_REQUIRED | J_ALWAYS, &oci_descriptor_type),
	JF_SUB(M, subject, "subject", J_OBJ, 0, &oci_descriptor_type),
	JF_L(M, annotations, "annotations", J_MAP, 0, NULL),
	{ .key = NULL },
};
JSON_TYPE(oci_manifest_type, oci_manifest, manifest_fields);

static const struct json_field index_fields[] = {
	JF(X, schema_version, "schemaVersion", J_U32, J_REQUIRED | J_ALWAYS),
	JF(X, media_type, "mediaType", J_STR, 0),
	JF(X, artifact_type, "artifactType", J_STR, 0),
	JF_L(X, manifests, "manifests", J_ARR, J_ALWAYS, &oci_descriptor_type),
	JF_SUB(X, subject, "subject", J_OBJ, 0, &oci_descriptor_type),
	JF_L(X, annotations, "annotations", J_MAP, 0, NULL),
	{ .key = NULL },
};
JSON_TYPE(oci_index_type, oci_index, index_fields);

/* Go's map[string]struct{}: only the keys count. */
static const struct json_field set_fields[] = { { .key = NULL } };
static JSON_TYPE(set_type, oci_set_entry, set_fields);

static const struct json_field run_fields[] = {
	JF(R, user, "User", J_STR, 0),
	JF_L(R, exposed_ports, "ExposedPorts", J_OBJMAP, 0, &set_type),
	JF(R, env, "Env", J_STRS, 0),
	JF(R, entrypoint, "Entrypoint", J_STRS, 0),
	JF(R, cmd, "Cmd", J_STRS, 0),
	JF_L(R, volumes, "Volumes", J_OBJMAP, 0, &set_type),
	JF(R, working_dir, "WorkingDir", J_STR, 0),
	JF_L(R, labels, "Labels", J_MAP, 0, NULL),
	JF(R, stop_signal, "StopSignal", J_STR, 0),
	JF(R, args_escaped, "ArgsEscaped", J_BOOL, 0),
	JF(R, healthcheck, "Healthcheck", J_RAW, 0),
	JF(R, on_build, "OnBuild", J_STRS, 0),
	JF(R, shell, "Shell", J_STRS, 0),
	{ .key = NULL },
};
JSON_TYPE(oci_image_run_type, oci_image_run, run_fields);

static const struct json_field rootfs_fields[] = {
	JF(oci_rootfs, type, "type", J_STR, J_ALWAYS),
	JF(oci_rootfs, diff_ids, "diff_ids", J_STRS, J_ALWAYS),
	{ .key = NULL },
};
static JSON_TYPE(rootfs_type, oci_rootfs, rootfs_fields);

static const struct json_field history_fields[] = {
	JF(oci_history, created, "created", J_STR, 0),
	JF(oci_history, created_by, "created_by", J_STR, 0),
	JF(oci_history, author, "author", J_STR, 0),
	JF(oci_history, comment, "comment", J_STR, 0),
	JF(oci_history, empty_layer, "empty_layer", J_BOOL, 0),
	{ .key = NULL },
};
static JSON_TYPE(history_type, oci_history, history_fields);

static const struct json_field config_fields[] = {
	JF(C, created, "created", J_STR, 0),
	JF(C, author, "author", J_STR, 0),
	JF(C, architecture, "architecture", J_STR, J_ALWAYS),
	JF(C, os, "os", J_STR, J_ALWAYS),
	JF(C, os_version, "os.version", J_STR, 0),
	JF(C, os_features, "os.features", J_STRS, 0),
	JF(C, variant, "variant", J_STR, 0),
	JF_SUB(C, config, "config", J_OBJ, 0, &oci_image_run_type),
	JF_SUB(C, rootfs, "rootfs", J_OBJ, J_REQUIRED, &rootfs_type),
	JF_L(C, history, "history", J_ARR, 0, &history_type),
	{ .key = NULL },
};
JSON_TYPE(oci_image_config_type, oci_image_config, config_fields);
