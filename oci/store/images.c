/* See images.h. Names come first; ids need every manifest read, so they are looked at last. */
#include "oci/store/images.h"

#include <errno.h>
#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"

/* An index may point to indexes; nobody nests them deeper. */
#define MAX_NESTING 4

static const struct oci_descriptor *first_image(const struct oci_index *x)
{
	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_platform *p = x->manifests[i].platform;

		if (p && p->os && !str_eq(p->os, "unknown"))
			return &x->manifests[i];
	}
	return NULL;
}

static int read_manifest(struct arena *a, const struct store *s, const struct oci_descriptor *d,
			 const struct oci_platform *want, const char *name, struct store_image *im,
			 struct error *e)
{
	struct oci_platform host;

	im->manifest_descriptor = *d;
	for (int depth = 0; oci_media(im->manifest_descriptor.media_type, NULL) == OCI_MEDIA_INDEX;
	     depth++) {
		const struct oci_descriptor *chosen;
		struct oci_index *x;
		char *text;
		size_t len;

		if (depth == MAX_NESTING)
			return err_msg(e, "image %s: indexes nested too deeply", name);
		if (platform_parse(a, NULL, &host, e) < 0 ||
		    store_read_blob(a, s, &im->manifest_descriptor, "index", &text, &len, e) < 0)
			return -1;
		x = oci_index_read(a, text, len, im->manifest_descriptor.media_type,
				   arena_printf(a, "index of %s", name), e);
		if (!x)
			return -1;
		chosen = platform_choose(a, x, want ? want : &host, name, e);
		if (!chosen && !want)
			chosen = first_image(x);
		if (!chosen)
			return -1;
		im->manifest_descriptor = *chosen;
	}
	if (store_read_blob(a, s, &im->manifest_descriptor, "manifest",
			    (char **)(uintptr_t)&im->manifest_text, &im->manifest_len, e) < 0)
		return -1;
	im->manifest = oci_manifest_read(a, im->manifest_text, im->manifest_len,
					 im->manifest_descriptor.media_type,
					 arena_printf(a, "manifest of %s", name), e);
	return im->manifest ? 0 : -1;
}

int store_image_read(struct arena *a, const struct store *s, const struct oci_descriptor *d,
		     const struct oci_platform *want, const char *name, struct store_image *ret,
		     struct error *e)
{
	struct store_image im = { .entry = d, .name = store_entry_name(a, d) };
	const char *what = arena_printf(a, "config of %s", name);

	if (read_manifest(a, s, d, want, name, &im, e) < 0)
		return -1;
	if (store_read_blob(a, s, im.manifest->config, "image config",
			    (char **)(uintptr_t)&im.config_text, &im.config_len, e) < 0)
		return -1;
	im.config = oci_config_read(a, im.config_text, im.config_len, what, e);
	if (!im.config || oci_config_check(im.config, im.manifest, name, e) < 0)
		return -1;
	im.config_digest = im.manifest->config->digest;
	*ret = im;
	return 0;
}

struct store_image *store_images(struct arena *a, const struct store *s, const struct oci_index *x,
				 store_broken *broken, void *arg, size_t *ret_len)
{
	struct store_image *list = ARENA_ARRAY(a, x->manifests_len, struct store_image);
	size_t n = 0;

	for (size_t i = 0; x->manifests && i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *name = store_entry_name(a, d);
		struct error e;

		err_clear(&e);
		if (store_image_read(a, s, d, NULL, name ? name : d->digest, &list[n], &e) == 0)
			n++;
		else if (broken)
			broken(arg, d, &e);
	}
	*ret_len = n;
	return list;
}

/* The better of two entries of one name: the one whose platform fits; a lone one needs none. */
static bool better(const struct oci_platform *want, const struct oci_descriptor *old,
		   const struct oci_descriptor *new)
{
	if (!old || !want)
		return !old;
	return new->platform && (!old->platform || platform_rank(want, new->platform) >
							   platform_rank(want, old->platform));
}

static const struct oci_descriptor *by_name(struct arena *a, const struct oci_index *x,
					    const char *name, const struct oci_platform *want)
{
	const struct oci_descriptor *found = NULL;

	for (size_t i = 0; i < x->manifests_len; i++) {
		const char *n = store_entry_name(a, &x->manifests[i]);

		if (n && str_eq(n, name) && better(want, found, &x->manifests[i]))
			found = &x->manifests[i];
	}
	return found;
}

/* The content is what the digest says, whatever it is called: the name need not match. */
static const struct oci_descriptor *by_digest(const struct oci_index *x, const char *digest)
{
	static const char *const keys[] = { STORE_ANNOTATION_MANIFEST, STORE_ANNOTATION_INDEX };

	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];

		if (str_eq(d->digest, digest))
			return d;
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			const char *v = oci_annotation(d, keys[k]);

			if (v && str_eq(v, digest))
				return d;
		}
	}
	return NULL;
}

static int by_id(struct arena *a, const struct store *s, const struct oci_index *x, const char *ref,
		 const char *hex, const struct oci_descriptor **ret, struct error *e)
{
	const char *id = NULL;
	size_t n, len = strlen(hex);
	struct store_image *all = store_images(a, s, x, NULL, NULL, &n);

	for (size_t i = 0; i < n; i++) {
		const struct store_image *im = &all[i];
		bool config = !strncmp(digest_hex(im->config_digest), hex, len);

		if (!config && strncmp(digest_hex(im->manifest_descriptor.digest), hex, len) != 0)
			continue;
		if (id && !str_eq(id, im->config_digest)) {
			err_msg(e, "image ID '%s' is ambiguous: it begins %s and %s", ref, id,
				im->config_digest);
			return err_hint(e, "give more digits");
		}
		/* The named one of an image's entries is what people mean. */
		if (!id || (!store_entry_name(a, *ret) && im->name))
			*ret = im->entry;
		id = im->config_digest;
	}
	return id ? STORE_BY_ID : 0;
}

int store_find(struct arena *a, const struct store *s, const struct oci_index *x, const char *ref,
	       const struct oci_platform *want, const struct oci_descriptor **ret_entry,
	       struct error *e)
{
	struct image_name name = { 0 };
	struct error bad;
	const char *hex;
	bool is_id = image_id_prefix(ref, &hex), is_name;

	if (is_id && (strlen(hex) == DIGEST_HEX_LEN || str_has_prefix(ref, DIGEST_PREFIX))) {
		if (strlen(hex) == DIGEST_HEX_LEN &&
		    (*ret_entry = by_digest(x, arena_printf(a, DIGEST_PREFIX "%s", hex))))
			return STORE_BY_ID;
		return by_id(a, s, x, ref, hex, ret_entry, e);
	}
	is_name = image_name_parse(a, ref, &name, &bad) == 0;
	if (!is_name && !is_id) {
		*e = bad;
		return -1;
	}
	if (is_name && name.digest) {
		*ret_entry = by_digest(x, name.digest);
		return *ret_entry ? STORE_BY_DIGEST : 0;
	}
	if (is_name) {
		*ret_entry = by_name(a, x, image_name_tagged(a, &name), want);
		/* podman and buildah call what they built localhost/NAME. */
		if (!*ret_entry && str_has_prefix(name.path, "library/"))
			*ret_entry = by_name(
				a, x, arena_printf(a, "localhost/%s", image_name_tagged(a, &name)),
				want);
		if (*ret_entry)
			return STORE_BY_NAME;
	}
	return is_id ? by_id(a, s, x, ref, hex, ret_entry, e) : 0;
}

int store_not_found(struct arena *a, const struct oci_index *x, const char *ref, bool files,
		    struct error *e)
{
	struct image_name name = { 0 };
	const char *best = NULL, *wanted = ref;
	unsigned near = 1 + (unsigned)strlen(ref) / 3;
	struct error ignored;

	if (image_name_parse(a, ref, &name, &ignored) == 0) {
		wanted = image_name_repository(a, &name);
		near = 1 + (unsigned)strlen(wanted) / 3;
	}
	for (size_t i = 0; i < x->manifests_len; i++) {
		const char *n = store_entry_name(a, &x->manifests[i]);
		const char *end = n ? strrchr(n, ':') : NULL, *repo, *base;
		unsigned d, d2;

		if (!end)
			continue;
		repo = arena_strndup(a, n, (size_t)(end - n));
		base = strrchr(repo, '/');
		d = str_distance(wanted, repo);
		d2 = base ? str_distance(wanted, base + 1) : d;
		if (d2 < d)
			d = d2;
		if (d < near) {
			near = d;
			best = n;
		}
	}
	err_msg(e, "image '%s' not found: not in the image store%s", ref,
		files ? ", and there is no file of that name" : "");
	e->code = ENOENT;
	if (best)
		return err_hint(e, "did you mean %s? ('mrun images' lists what is there)", best);
	if (files && (strstr(ref, ".tar") || str_has_suffix(ref, ".tgz")))
		return err_hint(e, "is the path of the file right? It is looked up from the "
				   "current directory");
	return err_hint(e,
			"'mrun images' lists what is there; 'docker save %s | mrun load' or "
			"'mrun load FILE' brings an image in",
			ref);
}

bool store_image_size(struct arena *a, const struct store *s, const struct oci_manifest *m,
		      uint64_t *ret, const struct oci_descriptor **ret_missing)
{
	uint64_t sum = 0, size;

	for (size_t i = 0; i < m->layers_len; i++) {
		const struct oci_descriptor *d = &m->layers[i];

		if (!str_has_suffix(d->media_type, "gzip") &&
		    !str_has_suffix(d->media_type, "zstd")) {
			size = (uint64_t)d->size;
		} else if (!store_diff_get(a, s, d->digest, NULL, &size)) {
			*ret_missing = d;
			return false;
		}
		if (__builtin_add_overflow(sum, size, &sum))
			sum = UINT64_MAX;
	}
	*ret = sum;
	return true;
}
