/*
 * The local store: an ordinary OCI image layout (image-spec image-layout.md) that skopeo, umoci and
 * buildah read and write as it is, with a few things beside it:
 *
 *   oci-layout, index.json, blobs/sha256/HEX   the layout
 *   lock        flock(2)ed while index.json or blobs/ change
 *   tmp/NAME/   staging directories, each flocked by the process that fills it (staging.h)
 *   diffs/HEX   "DIFFID SIZE": what the compressed layer HEX inflates to; a cache
 *
 * Nothing half-written is ever visible: blobs are complete and verified in a staging directory
 * before they are renamed into blobs/, and index.json, the only list of what is there, is replaced
 * by rename after it was read again under the lock.
 */
#ifndef MRUN_OCI_STORE_STORE_H
#define MRUN_OCI_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/image.h"

/* Our annotations on the descriptors of index.json: the digest of the manifest as it came (before
 * it was converted to OCI), and of the index it was chosen from. NAME@DIGEST finds these as well.
 */
#define STORE_ANNOTATION_MANIFEST "io.mrun.origin.manifest"
#define STORE_ANNOTATION_INDEX "io.mrun.origin.index"

struct store {
	const char *path; /* for messages */
	int dirfd, blobs; /* blobs: blobs/sha256 */
	int lock;
};
void store_close(struct store *s);
#define _cleanup_store_ __attribute__((cleanup(store_close)))
#define STORE_CLOSED                                 \
	{                                            \
		.dirfd = -1, .blobs = -1, .lock = -1 \
	}

/* Opens the caller's store and makes what is missing of it: $XDG_DATA_HOME/mrun, else
 * $HOME/.local/share/mrun (XDG Base Directory Specification), mode 0700. A directory of another
 * user is refused: who owns it could make us write elsewhere. */
int store_open(struct arena *a, struct store *ret, struct error *e);

/* The store's lock; waits for it. Not recursive. */
int store_lock(struct store *s, struct error *e);
void store_unlock(struct store *s);

/* index.json as it is now. */
struct oci_index *store_index(struct arena *a, const struct store *s, struct error *e);
/* Replaces it; the lock is held and X comes from store_index() under the same lock. */
int store_index_write(struct arena *a, struct store *s, const struct oci_index *x, struct error *e);

/* Gives descriptor D the name NAME (familiar, with tag; NULL: none) in X. A descriptor that had the
 * name loses it and stays as a nameless one, unless it is named otherwise as well. */
void store_index_set(struct arena *a, struct oci_index *x, const struct oci_descriptor *d,
		     const char *name);
/* The name of an entry of index.json in familiar form with its tag; NULL: none, or none of ours. */
char *store_entry_name(struct arena *a, const struct oci_descriptor *d);

/* Reads the blob that D describes, verified against digest and size, at most OCI_JSON_MAX. WHAT is
 * for messages ("manifest"). */
int store_read_blob(struct arena *a, const struct store *s, const struct oci_descriptor *d,
		    const char *what, char **ret, size_t *ret_len, struct error *e);
/* Whether it is there, with the right size. */
bool store_has_blob(const struct store *s, const struct oci_descriptor *d);
/* Opens one to read; only its size is checked. */
int store_open_blob(const struct store *s, const struct oci_descriptor *d, struct error *e);

/* What layer DIGEST inflates to, when that was found out before. */
bool store_diff_get(struct arena *a, const struct store *s, const char *digest,
		    const char **ret_diff_id, uint64_t *ret_size);
/* Remembers it. Failing is no error: it is a cache. */
void store_diff_put(struct arena *a, const struct store *s, const char *digest, const char *diff_id,
		    uint64_t size);

#endif
