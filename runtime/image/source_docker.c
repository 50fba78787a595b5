/*
 * docker-archive, what `docker save` writes: manifest.json lists the images, each with the file of
 * its config and the files of its layers (old: ID/layer.tar, some of them links to another's; since
 * Docker 25: blobs/sha256/HEX). Layers are stored as they are, and an OCI manifest is made for
 * them.
 */
#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "runtime/image/source_load.h"

struct docker_item {
	char *config;
	char **repo_tags, **layers;
};
static const struct json_field item_fields[] = {
	JF(docker_item, config, "Config", J_STR, J_REQUIRED),
	JF(docker_item, repo_tags, "RepoTags", J_STRS, 0),
	JF(docker_item, layers, "Layers", J_STRS, 0),
	{ .key = NULL },
};
static JSON_TYPE(item_type, docker_item, item_fields);

/* A config is called by its digest: HEX.json, or blobs/sha256/HEX. */
static int check_config_name(struct source_load *l, const char *path, const char *digest,
			     struct error *e)
{
	const char *base = strrchr(path, '/');
	size_t n;

	base = base ? base + 1 : path;
	n = strspn(base, "0123456789abcdef");
	if (n != DIGEST_HEX_LEN || (base[n] && !str_eq(base + n, ".json")))
		return 0;
	if (strncmp(base, digest_hex(digest), DIGEST_HEX_LEN) == 0)
		return 0;
	return err_msg(e, "config %s: wrong digest, its content has %s",
		       arena_strndup(l->a, base, n), digest);
}

static int stage_layers(struct source_load *l, const struct docker_item *item,
			const struct oci_image_config *c, struct oci_manifest *m, struct error *e)
{
	size_t n = str_list_len(item->layers), ids = str_list_len(c->rootfs->diff_ids);

	if (n != ids)
		return err_msg(e, "%zu layers in manifest.json, but %zu diff_ids in the config", n,
			       ids);
	if (n > OCI_LAYERS_MAX)
		return err_msg(e, "%zu layers, more than the %d allowed", n, OCI_LAYERS_MAX);
	m->layers = ARENA_ARRAY(l->a, n, struct oci_descriptor);
	for (size_t i = 0; i < n; i++) {
		struct oci_descriptor *d = &m->layers[m->layers_len++];
		const char *path = item->layers[i];

		if (source_describe_layer(l, path, d, e) < 0 ||
		    source_stage_layer(l, path, d, c->rootfs->diff_ids[i], e) < 0)
			return err_wrap(e, "layer %zu of %zu (%s)", i + 1, n, path);
	}
	return 0;
}

static int load_item(struct source_load *l, const struct docker_item *item, struct error *e)
{
	struct oci_descriptor config = { 0 }, out = { 0 };
	struct oci_manifest m = { .schema_version = 2, .config = &config };
	struct oci_platform *p = ARENA_NEW(l->a, struct oci_platform);
	const struct oci_image_config *c;
	bool named = false;
	char *text;
	size_t len;

	if (source_read(l, item->config, &text, &len, e) < 0)
		return err_wrap(e, "read the image config");
	if (check_config_name(l, item->config, digest_of(l->a, text, len), e) < 0)
		return -1;
	c = oci_config_read(l->a, text, len, arena_printf(l->a, "config %s", item->config), e);
	if (!c)
		return -1;
	*p = (struct oci_platform){ .os = c->os,
				    .architecture = c->architecture,
				    .variant = c->variant };
	if (!source_platform_fits(l, c))
		return err_msg(e, "the image is for %s, not for %s", platform_format(l->a, p),
			       platform_format(l->a, &l->platform));
	if (stage_layers(l, item, c, &m, e) < 0 ||
	    staging_put(l->a, l->staging, text, len, &config, e) < 0)
		return -1;
	config.media_type = arena_strdup(l->a, OCI_TYPE_CONFIG);
	text = oci_manifest_convert(l->a, &m, &len);
	if (staging_put(l->a, l->staging, text, len, &out, e) < 0)
		return -1;
	out.media_type = arena_strdup(l->a, OCI_TYPE_MANIFEST);
	out.platform = p;
	for (char **tag = item->repo_tags; tag && *tag; tag++) {
		if (!source_ref_matches(l, *tag))
			continue;
		named = true;
		if (source_add(l, &out, config.digest, *tag, e) < 0)
			return -1;
	}
	return named ? 0 : source_add(l, &out, config.digest, NULL, e);
}

static bool wanted(struct source_load *l, const struct docker_item *item)
{
	if (!l->src->ref)
		return true;
	for (char **tag = item->repo_tags; tag && *tag; tag++)
		if (source_ref_matches(l, *tag))
			return true;
	return false;
}

int source_load_docker(struct source_load *l, struct error *e)
{
	const struct json_value *v;
	size_t len, n = 0;
	char *text, *there = arena_strdup(l->a, "");

	if (source_read(l, "manifest.json", &text, &len, e) < 0)
		return -1;
	v = json_parse(l->a, text, len, "manifest.json", e);
	if (!v)
		return -1;
	if (v->type != JSON_ARRAY)
		return err_msg(e, "manifest.json: expected an array");
	for (size_t i = 0; i < v->len; i++) {
		struct docker_item *item = ARENA_NEW(l->a, struct docker_item);

		if (json_decode(l->a, &v->members[i].value, &item_type, item,
				arena_printf(l->a, "manifest.json[%zu]", i), e) < 0)
			return -1;
		for (char **tag = item->repo_tags; tag && *tag; tag++)
			source_list(l, &there, *tag);
		if (!wanted(l, item))
			continue;
		n++;
		if (load_item(l, item, e) < 0)
			return -1;
	}
	if (!n && l->src->ref)
		return err_msg(e, "it has no image '%s' (there is: %s)", l->src->ref,
			       *there ? there : "none with a name");
	return 0;
}
