/* The images of the store: found by name, id or digest, and read with all that belongs to them. */
#ifndef MRUN_OCI_STORE_IMAGES_H
#define MRUN_OCI_STORE_IMAGES_H

#include "oci/image/platform.h"
#include "oci/store/store.h"

struct store_image {
	const char *name;			   /* familiar, with tag; NULL: none */
	const struct oci_descriptor *entry;	   /* in index.json */
	struct oci_descriptor manifest_descriptor; /* entry itself, or chosen from entry's index */
	const struct oci_manifest *manifest;
	const char *manifest_text;
	size_t manifest_len;
	const struct oci_image_config *config;
	const char *config_digest; /* the image's id */
	const char *config_text;
	size_t config_len;
};

/* Reads what D, a manifest or an index, describes. WANT NULL: any platform, preferably ours. NAME
 * is for messages. */
int store_image_read(struct arena *a, const struct store *s, const struct oci_descriptor *d,
		     const struct oci_platform *want, const char *name, struct store_image *ret,
		     struct error *e);
/* All images of X in its order; what can't be read is passed to BROKEN (may be NULL). */
typedef void store_broken(void *arg, const struct oci_descriptor *d, const struct error *e);
struct store_image *store_images(struct arena *a, const struct store *s, const struct oci_index *x,
				 store_broken *broken, void *arg, size_t *ret_len);

/* How a reference matched. */
enum store_match { STORE_BY_NAME = 1, STORE_BY_DIGEST, STORE_BY_ID };
/* Looks REF up: a name (x is also found as localhost/x), NAME@DIGEST, an image id or a unique
 * beginning of one. Returns how it matched, 0 when there is none, -1 on error. *ret_entry is in X.
 */
int store_find(struct arena *a, const struct store *s, const struct oci_index *x, const char *ref,
	       const struct oci_platform *want, const struct oci_descriptor **ret_entry,
	       struct error *e);
/* The error for a reference that is not there: what was searched, what is near it. -1. */
int store_not_found(struct arena *a, const struct oci_index *x, const char *ref, bool files,
		    struct error *e);

/* Bytes that the image takes unpacked, as docker counts them: the sum of its layers' inflated
 * sizes. False when one is compressed and nobody has measured it yet; that layer is *ret_missing
 * then. */
bool store_image_size(struct arena *a, const struct store *s, const struct oci_manifest *m,
		      uint64_t *ret, const struct oci_descriptor **ret_missing);

#endif
