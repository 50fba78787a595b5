/*
 * Media types, and reading manifests, indexes and configs with every check that keeps a forged one
 * from being taken for another thing: a document that is a manifest to one reader and an index to
 * the next (CVE-2021-41190), a type inside that contradicts the descriptor's, a digest that is a
 * path, more diff_ids than layers.
 */
#include "oci/image/image.h"

#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"

static const struct media_row {
	const char *type;
	enum oci_media media;
	const char *oci;
} media_table[] = {
	{ OCI_TYPE_MANIFEST, OCI_MEDIA_MANIFEST, OCI_TYPE_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MEDIA_MANIFEST,
	  OCI_TYPE_MANIFEST },
	{ OCI_TYPE_INDEX, OCI_MEDIA_INDEX, OCI_TYPE_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_MEDIA_INDEX,
	  OCI_TYPE_INDEX },
	{ OCI_TYPE_CONFIG, OCI_MEDIA_CONFIG, OCI_TYPE_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", OCI_MEDIA_CONFIG, OCI_TYPE_CONFIG },
	{ OCI_TYPE_LAYER, OCI_MEDIA_LAYER, OCI_TYPE_LAYER },
	{ OCI_TYPE_LAYER "+gzip", OCI_MEDIA_LAYER, OCI_TYPE_LAYER "+gzip" },
	{ OCI_TYPE_LAYER "+zstd", OCI_MEDIA_LAYER, OCI_TYPE_LAYER "+zstd" },
	/* Layers that may not be pushed elsewhere; here the blob is there or it is not. */
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER "+gzip" },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER "+zstd" },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_MEDIA_LAYER, OCI_TYPE_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER "+gzip" },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER "+zstd" },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", OCI_MEDIA_LAYER, OCI_TYPE_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OCI_MEDIA_LAYER,
	  OCI_TYPE_LAYER "+gzip" },
	{ "application/vnd.docker.distribution.manifest.v1+json", OCI_MEDIA_SCHEMA1, NULL },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", OCI_MEDIA_SCHEMA1, NULL },
	{ "application/json", OCI_MEDIA_SCHEMA1, NULL },
};

enum oci_media oci_media(const char *type, const char **ret_oci)
{
	if (ret_oci)
		*ret_oci = NULL;
	for (size_t i = 0; type && i < sizeof(media_table) / sizeof(media_table[0]); i++)
		if (str_eq(type, media_table[i].type)) {
			if (ret_oci)
				*ret_oci = media_table[i].oci;
			return media_table[i].media;
		}
	return OCI_MEDIA_UNKNOWN;
}

const char *oci_annotation(const struct oci_descriptor *d, const char *key)
{
	for (size_t i = 0; i < d->annotations_len; i++)
		if (str_eq(d->annotations[i].key, key))
			return d->annotations[i].value;
	return NULL;
}

void oci_annotation_set(struct arena *a, struct oci_descriptor *d, const char *key,
			const char *value)
{
	struct json_pair *p = ARENA_ARRAY(a, d->annotations_len + 1, struct json_pair);
	size_t n = 0;

	for (size_t i = 0; i < d->annotations_len; i++)
		if (!str_eq(d->annotations[i].key, key))
			p[n++] = d->annotations[i];
	if (value)
		p[n++] = (struct json_pair){ arena_strdup(a, key), arena_strdup(a, value) };
	d->annotations = p;
	d->annotations_len = n;
}

static int check_descriptor(const struct oci_descriptor *d, const char *what, struct error *e)
{
	if (digest_check(d->digest, what, e) < 0)
		return -1;
	if (d->size < 0)
		return err_msg(e, "%s: negative size %lld", what, (long long)d->size);
	return 0;
}

static bool has(const struct json_value *v, const char *key)
{
	return json_get(v, key) != NULL;
}

/* What is common to manifest and index: the tree, once it is clear which of the two it is. */
static const struct json_value *read_tree(struct arena *a, const char *text, size_t len,
					  enum oci_media want, const char *expected,
					  const char *name, struct error *e)
{
	const struct json_value *v;
	const char *type;

	if (len > OCI_JSON_MAX) {
		err_msg(e, "%s: %zu bytes of JSON, more than the %zu allowed", name, len,
			OCI_JSON_MAX);
		return NULL;
	}
	v = json_parse_max(a, text, len, want == OCI_MEDIA_INDEX ? JSON_MAX_VALUES : OCI_VALUES_MAX,
			   name, e);
	if (!v)
		return NULL;
	if (v->type != JSON_OBJECT) {
		err_msg(e, "%s: expected a JSON object", name);
		return NULL;
	}
	type = json_get_str(v, "mediaType");
	if (oci_media(type, NULL) == OCI_MEDIA_SCHEMA1 || has(v, "fsLayers") ||
	    (expected && oci_media(expected, NULL) == OCI_MEDIA_SCHEMA1)) {
		err_msg(e, "%s: a Docker schema 1 manifest, a format that is no longer supported",
			name);
		err_hint(e,
			 "pull and save the image again with a current docker, podman or skopeo");
		return NULL;
	}
	if ((has(v, "layers") || has(v, "config")) && has(v, "manifests")) {
		err_msg(e, "%s: is a manifest and an index at once, refused (CVE-2021-41190)",
			name);
		return NULL;
	}
	if (type && oci_media(type, NULL) != want) {
		err_msg(e, "%s: media type %s, expected %s", name, type,
			want == OCI_MEDIA_INDEX ? "an image index" : "an image manifest");
		return NULL;
	}
	if (type && expected && !str_eq(type, expected)) {
		err_msg(e, "%s: its media type is %s, but its descriptor says %s", name, type,
			expected);
		return NULL;
	}
	return v;
}

static int check_version(uint32_t version, const char *name, struct error *e)
{
	if (version != 2)
		return err_msg(e, "%s: schemaVersion %u, expected 2", name, version);
	return 0;
}

static int check_manifest(struct arena *a, const struct oci_manifest *m, const char *name,
			  struct error *e)
{
	if (check_version(m->schema_version, name, e) < 0 ||
	    check_descriptor(m->config, arena_printf(a, "%s: config", name), e) < 0)
		return -1;
	if (oci_media(m->config->media_type, NULL) != OCI_MEDIA_CONFIG)
		return err_msg(e, "%s: not a container image, its config is of type %s", name,
			       m->config->media_type ? m->config->media_type : "(none)");
	if (m->layers_len > OCI_LAYERS_MAX)
		return err_msg(e, "%s: %zu layers, more than the %d allowed", name, m->layers_len,
			       OCI_LAYERS_MAX);
	for (size_t i = 0; i < m->layers_len; i++) {
		const struct oci_descriptor *d = &m->layers[i];

		if (check_descriptor(d, arena_printf(a, "%s: layers[%zu]", name, i), e) < 0)
			return -1;
		if (oci_media(d->media_type, NULL) != OCI_MEDIA_LAYER)
			return err_msg(e, "%s: layers[%zu]: unknown layer type %s", name, i,
				       d->media_type ? d->media_type : "(none)");
	}
	return 0;
}

struct oci_manifest *oci_manifest_read(struct arena *a, const char *text, size_t len,
				       const char *expected, const char *name, struct error *e)
{
	const struct json_value *v = read_tree(a, text, len, OCI_MEDIA_MANIFEST, expected, name, e);
	struct oci_manifest *m = ARENA_NEW(a, struct oci_manifest);

	if (!v)
		return NULL;
	if (json_decode(a, v, &oci_manifest_type, m, "", e) < 0) {
		err_wrap(e, "%s", name);
		return NULL;
	}
	return check_manifest(a, m, name, e) < 0 ? NULL : m;
}

struct oci_index *oci_index_read(struct arena *a, const char *text, size_t len,
				 const char *expected, const char *name, struct error *e)
{
	const struct json_value *v = read_tree(a, text, len, OCI_MEDIA_INDEX, expected, name, e);
	struct oci_index *x = ARENA_NEW(a, struct oci_index);

	if (!v)
		return NULL;
	if (json_decode(a, v, &oci_index_type, x, "", e) < 0) {
		err_wrap(e, "%s", name);
		return NULL;
	}
	if (check_version(x->schema_version, name, e) < 0)
		return NULL;
	for (size_t i = 0; i < x->manifests_len; i++)
		if (check_descriptor(&x->manifests[i],
				     arena_printf(a, "%s: manifests[%zu]", name, i), e) < 0)
			return NULL;
	return x;
}

static int check_run(const struct oci_image_run *r, const char *name, struct error *e)
{
	size_t env = str_list_len(r->env);

	if (env > OCI_ENV_MAX)
		return err_msg(e, "%s: %zu variables in config.Env, more than the %d allowed", name,
			       env, OCI_ENV_MAX);
	if (r->volumes_len > OCI_VOLUMES_MAX)
		return err_msg(e, "%s: %zu entries in config.Volumes, more than the %d allowed",
			       name, r->volumes_len, OCI_VOLUMES_MAX);
	return 0;
}

struct oci_image_config *oci_config_read(struct arena *a, const char *text, size_t len,
					 const char *name, struct error *e)
{
	struct oci_image_config *c = ARENA_NEW(a, struct oci_image_config);
	const struct json_value *v;

	if (len > OCI_JSON_MAX) {
		err_msg(e, "%s: %zu bytes of JSON, more than the %zu allowed", name, len,
			OCI_JSON_MAX);
		return NULL;
	}
	v = json_parse_max(a, text, len, OCI_VALUES_MAX, name, e);
	if (!v)
		return NULL;
	if (json_decode(a, v, &oci_image_config_type, c, "", e) < 0) {
		err_wrap(e, "%s", name);
		return NULL;
	}
	if (c->rootfs->type && !str_eq(c->rootfs->type, "layers")) {
		err_msg(e, "%s: rootfs.type '%s', expected 'layers'", name, c->rootfs->type);
		return NULL;
	}
	if (!c->rootfs->diff_ids)
		c->rootfs->diff_ids = ARENA_ARRAY(a, 1, char *);
	for (size_t i = 0; c->rootfs->diff_ids[i]; i++)
		if (digest_check(c->rootfs->diff_ids[i],
				 arena_printf(a, "%s: rootfs.diff_ids[%zu]", name, i), e) < 0)
			return NULL;
	if (!c->config)
		c->config = ARENA_NEW(a, struct oci_image_run);
	return check_run(c->config, name, e) < 0 ? NULL : c;
}

int oci_config_check(const struct oci_image_config *c, const struct oci_manifest *m,
		     const char *name, struct error *e)
{
	size_t n = str_list_len(c->rootfs->diff_ids);

	if (n != m->layers_len)
		return err_msg(e, "%s: %zu layers in the manifest, but %zu diff_ids in the config",
			       name, m->layers_len, n);
	return 0;
}

bool oci_manifest_is_docker(const struct oci_manifest *m)
{
	const char *oci;

	if (m->media_type && !str_eq(m->media_type, OCI_TYPE_MANIFEST))
		return true;
	if (!str_eq(m->config->media_type, OCI_TYPE_CONFIG))
		return true;
	for (size_t i = 0; i < m->layers_len; i++)
		if (strstr(m->layers[i].media_type, ".docker.") &&
		    oci_media(m->layers[i].media_type, &oci) == OCI_MEDIA_LAYER)
			return true;
	return false;
}

static void convert(struct arena *a, struct oci_descriptor *d)
{
	const char *oci;

	oci_media(d->media_type, &oci);
	if (oci)
		d->media_type = arena_strdup(a, oci);
}

char *oci_manifest_convert(struct arena *a, const struct oci_manifest *m, size_t *ret_len)
{
	struct oci_manifest n = *m;
	struct oci_descriptor config = *m->config;

	n.media_type = arena_strdup(a, OCI_TYPE_MANIFEST);
	n.config = &config;
	n.layers = ARENA_ARRAY(a, m->layers_len, struct oci_descriptor);
	if (m->layers_len)
		memcpy(n.layers, m->layers, m->layers_len * sizeof(*n.layers));
	convert(a, &config);
	for (size_t i = 0; i < n.layers_len; i++)
		convert(a, &n.layers[i]);
	return json_write(a, &oci_manifest_type, &n, false, ret_len);
}
