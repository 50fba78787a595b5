/*
 * OCI layouts, as a directory or in an archive: index.json -> the manifest for the platform ->
 * config and layers, each blob verified against its descriptor before it is believed. A Docker
 * schema 2 manifest is converted; the one that came is kept beside it under its own digest.
 */
#include <errno.h>
#include <string.h>

#include "oci/base/path.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "runtime/image/source_load.h"

#define MAX_NESTING 4

static char *blob_path(struct source_load *l, const struct oci_descriptor *d)
{
	return arena_printf(l->a, "blobs/sha256/%s", digest_hex(d->digest));
}

/* Reads a JSON blob and verifies it. */
static int read_blob(struct source_load *l, const struct oci_descriptor *d, const char *what,
		     char **ret, size_t *ret_len, struct error *e)
{
	const char *digest;

	if (source_read(l, blob_path(l, d), ret, ret_len, e) < 0)
		return err_wrap(e, "read the %s", what);
	if ((uint64_t)d->size != *ret_len)
		return err_msg(e, "%s %s: has %zu bytes, its descriptor says %lld", what, d->digest,
			       *ret_len, (long long)d->size);
	digest = digest_of(l->a, *ret, *ret_len);
	if (!str_eq(digest, d->digest))
		return err_msg(e, "%s %s: wrong digest, its content has %s", what, d->digest,
			       digest);
	return 0;
}

static int check_layout(struct source_load *l, struct error *e)
{
	const struct json_value *v;
	const char *version;
	char *text;
	size_t len;

	if (source_read(l, "oci-layout", &text, &len, e) < 0)
		return -1;
	v = json_parse(l->a, text, len, "oci-layout", e);
	if (!v)
		return -1;
	version = json_get_str(v, "imageLayoutVersion");
	if (!version || !str_has_prefix(version, "1."))
		return err_msg(e, "oci-layout: imageLayoutVersion '%s' is not supported",
			       version ? version : "(none)");
	return 0;
}

/* "hello" of "/tmp/hello.tar.gz". */
static char *file_stem(struct arena *a, const char *path)
{
	static const char *const suffixes[] = { ".gz", ".zst", ".tgz", ".tar", ".oci" };
	char *base = path_clean(a, path);

	base = strrchr(base, '/') + 1;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (str_has_suffix(base, suffixes[i]))
			base[strlen(base) - strlen(suffixes[i])] = 0;
	return base;
}

/* The name under which an entry of index.json is to be known; NULL: none. A bare tag ("latest", as
 * umoci and buildah write it) gets the file's or directory's name in front, as podman does it. */
static const char *entry_name(struct source_load *l, const struct oci_descriptor *d)
{
	const char *name = oci_annotation(d, OCI_ANNOTATION_CONTAINERD_NAME);
	struct image_name parsed = { 0 };
	struct error ignored;
	char *full;

	if (name && image_name_parse(l->a, name, &parsed, &ignored) == 0)
		return name;
	name = oci_annotation(d, OCI_ANNOTATION_REF_NAME);
	if (!name || !*name)
		return NULL;
	if (strpbrk(name, ":/@"))
		return image_name_parse(l->a, name, &parsed, &ignored) == 0 ? name : NULL;
	if (!l->src->path)
		return NULL;
	full = arena_printf(l->a, "%s:%s", file_stem(l->a, l->src->path), name);
	return image_name_parse(l->a, full, &parsed, &ignored) == 0 ? full : NULL;
}

/* From index to index to the manifest of the platform. Remembers in *ret_index the digest of the
 * first index that was passed. */
static int find_manifest(struct source_load *l, struct oci_descriptor *d, const char **ret_index,
			 char **ret_text, size_t *ret_len, struct error *e)
{
	for (int depth = 0;; depth++) {
		const struct oci_descriptor *chosen;
		struct oci_index *x;

		if (depth == MAX_NESTING)
			return err_msg(e, "indexes nested too deeply");
		if (oci_media(d->media_type, NULL) != OCI_MEDIA_INDEX)
			return read_blob(l, d, "manifest", ret_text, ret_len, e);
		if (read_blob(l, d, "index", ret_text, ret_len, e) < 0)
			return -1;
		x = oci_index_read(l->a, *ret_text, *ret_len, d->media_type,
				   arena_printf(l->a, "index %s", d->digest), e);
		chosen = x ? platform_choose(l->a, x, &l->platform, d->digest, e) : NULL;
		if (!chosen)
			return -1;
		if (!*ret_index)
			*ret_index = d->digest;
		*d = *chosen;
	}
}

static int stage_layers(struct source_load *l, const struct oci_manifest *m,
			const struct oci_image_config *c, struct error *e)
{
	for (size_t i = 0; i < m->layers_len; i++) {
		struct oci_descriptor d = m->layers[i];

		if (source_stage_layer(l, blob_path(l, &d), &d, c->rootfs->diff_ids[i], e) < 0)
			return err_wrap(e, "layer %zu of %zu", i + 1, m->layers_len);
	}
	return 0;
}

/* Takes in the manifest TEXT as OCI; fills OUT, the descriptor for index.json. */
static int stage_manifest(struct source_load *l, const struct oci_manifest *m, const char *text,
			  size_t len, struct oci_descriptor *out, struct error *e)
{
	struct oci_descriptor origin;

	if (staging_put(l->a, l->staging, text, len, &origin, e) < 0)
		return -1;
	out->media_type = arena_strdup(l->a, OCI_TYPE_MANIFEST);
	if (!oci_manifest_is_docker(m)) {
		out->digest = origin.digest;
		out->size = origin.size;
		return 0;
	}
	text = oci_manifest_convert(l->a, m, &len);
	oci_annotation_set(l->a, out, STORE_ANNOTATION_MANIFEST, origin.digest);
	return staging_put(l->a, l->staging, text, len, out, e);
}

static int load_entry(struct source_load *l, const struct oci_descriptor *from, struct error *e)
{
	struct oci_descriptor d = *from, config, out = { 0 };
	const char *index = NULL, *name = entry_name(l, from);
	char *text, *config_text;
	size_t len, config_len;
	struct oci_manifest *m;
	struct oci_image_config *c;
	struct oci_platform *p;

	if (find_manifest(l, &d, &index, &text, &len, e) < 0)
		return -1;
	m = oci_manifest_read(l->a, text, len, d.media_type,
			      arena_printf(l->a, "manifest %s", d.digest), e);
	if (!m || read_blob(l, m->config, "config", &config_text, &config_len, e) < 0)
		return -1;
	c = oci_config_read(l->a, config_text, config_len,
			    arena_printf(l->a, "config %s", m->config->digest), e);
	if (!c || oci_config_check(c, m, "image", e) < 0)
		return -1;
	p = ARENA_NEW(l->a, struct oci_platform);
	*p = (struct oci_platform){ .os = c->os,
				    .architecture = c->architecture,
				    .variant = c->variant };
	if (!source_platform_fits(l, c))
		return err_msg(e, "the image is for %s, not for %s", platform_format(l->a, p),
			       platform_format(l->a, &l->platform));
	if (stage_layers(l, m, c, e) < 0 ||
	    staging_put(l->a, l->staging, config_text, config_len, &config, e) < 0 ||
	    stage_manifest(l, m, text, len, &out, e) < 0)
		return -1;
	if (index)
		oci_annotation_set(l->a, &out, STORE_ANNOTATION_INDEX, index);
	out.platform = p;
	return source_add(l, &out, config.digest, name, e);
}

/* Whether an index.json lists one image for several platforms without an index blob between. */
static bool is_platform_list(const struct oci_descriptor *const *d, size_t n)
{
	if (n < 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *name = oci_annotation(d[i], OCI_ANNOTATION_REF_NAME);
		const char *first = oci_annotation(d[0], OCI_ANNOTATION_REF_NAME);

		if (!d[i]->platform || !str_eq(name ? name : "", first ? first : ""))
			return false;
		for (size_t j = 0; j < i; j++)
			if (platform_rank(d[i]->platform, d[j]->platform) &&
			    platform_rank(d[j]->platform, d[i]->platform))
				return false;
	}
	return true;
}

int source_load_oci(struct source_load *l, struct error *e)
{
	const struct oci_descriptor **chosen;
	char *text, *there = arena_strdup(l->a, "");
	struct oci_index *x, list = { 0 };
	size_t len, n = 0;

	if (check_layout(l, e) < 0 || source_read(l, "index.json", &text, &len, e) < 0)
		return -1;
	x = oci_index_read(l->a, text, len, NULL, "index.json", e);
	if (!x)
		return -1;
	chosen = ARENA_ARRAY(l->a, x->manifests_len, const struct oci_descriptor *);
	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *ref = oci_annotation(d, OCI_ANNOTATION_REF_NAME);

		if (d->media_type && oci_media(d->media_type, NULL) == OCI_MEDIA_UNKNOWN)
			continue;
		if (ref)
			source_list(l, &there, ref);
		if (source_ref_matches(l, ref) || source_ref_matches(l, entry_name(l, d)))
			chosen[n++] = d;
	}
	if (n > SOURCE_IMAGES_MAX) {
		err_msg(e, "more than the %d images and names allowed in one source",
			SOURCE_IMAGES_MAX);
		return source_too_many(l, e);
	}
	if (!n && l->src->ref)
		return err_msg(e, "it has no image '%s' (there is: %s)", l->src->ref,
			       *there ? there : "none with a name");
	if (is_platform_list(chosen, n)) {
		list.manifests = ARENA_ARRAY(l->a, n, struct oci_descriptor);
		for (size_t i = 0; i < n; i++)
			list.manifests[list.manifests_len++] = *chosen[i];
		chosen[0] = platform_choose(l->a, &list, &l->platform, "index.json", e);
		if (!chosen[0])
			return -1;
		n = 1;
	}
	for (size_t i = 0; i < n; i++)
		if (load_entry(l, chosen[i], e) < 0)
			return -1;
	return 0;
}
