/*
 * Where images come from: a name in the store, or a source that is loaded into the store first.
 * Every byte of a source is a stranger's: the unpacker takes archives apart, names inside are data,
 * and each blob is verified in a staging directory before the store shows it.
 */
#ifndef MRUN_RUNTIME_IMAGE_SOURCE_H
#define MRUN_RUNTIME_IMAGE_SOURCE_H

#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/image.h"
#include "oci/store/staging.h"
#include "oci/store/store.h"
#include "runtime/image/layers.h"

struct image_pending; /* source_load.h */

/* An image that is ready to be unpacked and run. */
struct image {
	const char *name; /* familiar, with tag; of a nameless one its id: for people */
	const char *manifest_digest;
	const char *config_digest; /* the image's id */
	const struct oci_image_config *config;
	struct layer *layers; /* bottom first */
	size_t layers_len;
	int blobs_fd; /* the store's blobs/sha256, or the staging directory; the caller's to close
		       */
	/* From a source, and its layers' diffIDs have not been looked at: who unpacks them inflates
	 * them anyway. The store has nothing of it yet. NULL: it is in the store. */
	struct image_pending *pending;
};

/* After layers_ensure() or layers_flatten() of all its layers, which finds out their diffIDs: puts
 * what is pending into the store. */
int image_settle(struct arena *a, struct image *im, struct error *e);
/* Says of an error in unpacking it where it came from. Returns -1. */
int image_unpack_failed(const struct image *im, struct error *e);
/* Throws away what is pending. */
void image_drop(struct image *im);

/* REF: a name, id or NAME@DIGEST in the store, docker-archive:FILE[:NAME], oci-archive:FILE[:NAME],
 * oci:DIR[:NAME], or a path to one of these. PLATFORM: "os/arch[/variant]", NULL: this machine's.
 * A source's image is in the store afterwards, or pending. Errors have exit code 125. */
#define IMAGE_TRIES 3 /* when another process removes it at the same time */
int image_resolve(struct arena *a, const char *ref, const char *platform, struct image *ret,
		  struct error *e);

enum source_kind {
	SOURCE_ANY, /* found out by what is in it */
	SOURCE_DOCKER_ARCHIVE,
	SOURCE_OCI_ARCHIVE,
	SOURCE_OCI_DIR,
};
struct source {
	enum source_kind kind;
	const char *path;  /* NULL: standard input */
	const char *ref;   /* which of its images; NULL: all */
	const char *label; /* for messages */
};
/* Takes REF for a source: with a transport in front always, else when it looks like a path ("/x",
 * "./x", "../x") or, with FILES, when there is such a file. False when it is none. */
bool source_parse(struct arena *a, const char *ref, bool files, struct source *ret);

/* An image that was loaded, once a name. */
struct source_image {
	struct staging_entry entry;
	const char *config_digest;
};
struct source_images {
	struct source_image *items;
	size_t n;
};
/* Loads SRC into S. Nothing of it is in the store unless all of it is sound. */
int source_load(struct arena *a, struct store *s, const struct source *src, const char *platform,
		struct source_images *ret, struct error *e);

#endif
