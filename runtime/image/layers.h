/*
 * The unpack cache: layers as directories, made once, in $XDG_CACHE_HOME/mrun/layers/<idmap key>
 * ($HOME/.cache when that is unset). It can be removed at any time with `mrun prune --all`; plain
 * rm may not, since the files are the subordinate ids'.
 *
 *   lock               held exclusively by who unpacks or prunes
 *   diff-<hex>/        a layer that means the same over any other: named by its blob's digest
 *   chain-<hex>/       one that depends on what is below it: named by its chain (as image-spec,
 *                      config.md, "Layer ChainID", has it, but of the blobs' digests)
 *   flat-<hex>/        all layers of a chain applied to one directory
 *       r/             the tree
 *       meta           a symlink whose target is data: what it was made of; made last, so what has
 *                      no meta is not whole
 *   root-<hex>/        an empty layer that carries the root directory's metadata
 *   tmp-*              being made or being removed
 *
 * By the blob's digest, which the core has computed, and not by the diffID: what a blob inflates to
 * is the word of a process that read it, and one that an image's author took over must not fill an
 * entry that other images use (CVE-2014-8178).
 *
 * What is in use carries a shared flock(2) on its directory.
 */
#ifndef MRUN_RUNTIME_IMAGE_LAYERS_H
#define MRUN_RUNTIME_IMAGE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/init/idmap.h"

struct digest_thread; /* digest_thread.h */
struct layer {
	const char *digest;	/* of the blob, "sha256:<hex>" */
	const char *diff_id;	/* of the plain tar */
	const char *media_type; /* for messages; what counts is what the bytes are */
	uint64_t size;		/* of the blob */
	bool digested; /* the core does that in this very command: who unpacks it need not */
	/* Where it may go on still, who does it: it must have said yes before anything of the image
	 * is named. Else NULL. */
	struct digest_thread *digests;
	uint64_t diff_size; /* of the plain tar, where it has just been inflated; else 0 */
};

struct layers {
	int cache_fd; /* what the names are relative to; owned by the mapped root, mode 0700 */
	char **names; /* top first, NULL-terminated, short ("diff-<20 hex>/r") */
	size_t n;
	bool flat;	  /* one tree with everything in it instead of overlay layers */
	int *locks;	  /* one a name: the shared lock, held while this is open (O_CLOEXEC) */
	const char *note; /* one line for people on what was lost on the way, or NULL */
};

/* Makes sure that every layer (L[0] is the bottom one) is in the cache for the mapping M, checking
 * the blob's size and digest and the diffID before it can be seen. The root directory of the merged
 * view is that of names[0]: give the overlay's upper directory its owner, mode and times.
 * On success the caller closes cache_fd and locks. E has the code ESTALE when a blob is not there
 * (any more). */
int layers_ensure(struct arena *a, int blobs_sha256_dirfd, struct layer *l, size_t n,
		  const struct idmap *m, bool flat, struct layers *ret, struct error *e);
void layers_close(struct layers *l);

/* Applies all layers to the directory DIRFD (empty, the caller's), for `mrun unpack`. M NULL: the
 * ids as they are, for which one must be root; else DIRFD is given to the mapped root. *ret_note
 * (may be NULL) as struct layers has it. */
int layers_flatten(struct arena *a, int blobs_sha256_dirfd, struct layer *l, size_t n,
		   const struct idmap *m, int dirfd, const char **ret_note, struct error *e);

/* Removes from the cache (all mappings of the caller's) what is neither in use nor made from
 * KEEP_DIFF_IDS alone; NULL: all that is not in use. *ret_bytes counts what the files held. */
int layers_prune(struct arena *a, const char *const *keep_diff_ids, uint64_t *ret_bytes,
		 struct error *e);

/* Removes the directory NAME below DIRFD with all in it, from inside the mapping M: for the upper
 * directories of containers, whose files may be the subordinate ids'. A missing one is fine. */
int layers_remove_tree(struct arena *a, int dirfd, const char *name, const struct idmap *m,
		       struct error *e);

#endif
