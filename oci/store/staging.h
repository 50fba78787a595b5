/*
 * A private directory inside the store where an image's blobs are put together and verified before
 * they become visible all at once (staging_commit). Its owner holds a flock on it: one that nobody
 * holds is the leftover of a crash, and the next staging_begin removes it.
 */
#ifndef MRUN_OCI_STORE_STAGING_H
#define MRUN_OCI_STORE_STAGING_H

#include "oci/base/undo.h"
#include "oci/store/store.h"

struct staging_diff;
struct staging {
	struct store *store;
	const char *name; /* below the store's tmp/; NULL: none */
	int fd;
	struct strlist blobs;	    /* digests staged so far */
	struct staging_diff *diffs; /* what they inflate to */
	struct undo undo;
};
#define STAGING_NONE     \
	{                \
		.fd = -1 \
	}
/* Removes the directory and what is still in it. */
void staging_end(struct staging *st);
#define _cleanup_staging_ __attribute__((cleanup(staging_end)))

int staging_begin(struct arena *a, struct store *s, struct staging *ret, struct error *e);

/* Makes a subdirectory and returns it opened; it goes with the rest. */
int staging_mkdir(struct staging *st, const char *name, struct error *e);
/* Makes an empty file NAME to write to. */
int staging_create(struct staging *st, const char *name, struct error *e);
/* The file NAME below DIRFD (inside the staging directory) is complete and verified to be D's blob:
 * takes it in under its digest. */
int staging_adopt(struct arena *a, struct staging *st, int dirfd, const char *name,
		  const struct oci_descriptor *d, struct error *e);
/* Takes in LEN bytes; fills D's digest and size (its media type is the caller's). */
int staging_put(struct arena *a, struct staging *st, const void *data, size_t len,
		struct oci_descriptor *d, struct error *e);
/* Whether D's blob is staged or in the store already (it is kept from being pruned then). */
bool staging_has(struct arena *a, struct staging *st, const struct oci_descriptor *d);

/* store_diff_get() and store_diff_put() for what comes into the store together with its blob; the
 * texts are kept. */
bool staging_diff_get(struct arena *a, const struct staging *st, const char *digest,
		      const char **ret_diff_id);
void staging_diff_put(struct arena *a, struct staging *st, const char *digest, const char *diff_id,
		      uint64_t size);

/* One line of index.json to add. */
struct staging_entry {
	struct oci_descriptor descriptor;
	const char *name; /* familiar, with tag; NULL: none */
};
/* Moves the staged blobs into the store and adds N entries to index.json, under the store's lock.
 */
int staging_commit(struct arena *a, struct staging *st, const struct staging_entry *entries,
		   size_t n, struct error *e);

/* Removes what crashed processes left in tmp/. The store's lock is held. */
void staging_sweep(struct arena *a, struct store *s);

#endif
