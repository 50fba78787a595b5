/* Between source.c and the readers of the two formats (source_docker.c, source_oci.c). */
#ifndef MRUN_RUNTIME_IMAGE_SOURCE_LOAD_H
#define MRUN_RUNTIME_IMAGE_SOURCE_LOAD_H

#include "oci/image/platform.h"
#include "runtime/image/digest_thread.h"
#include "runtime/image/source.h"
#include "runtime/image/unpacker.h"

/* The files of a source: of a directory below DIRFD, or of an archive that the unpacker took apart
 * into files called by number in DIRFD. */
struct source_file {
	const char *path; /* cleaned, from "/" */
	struct archive_entry *entry;
	size_t order;
};
/* A layer that is staged, and whose diffID has not been looked at. */
struct deferred_layer {
	struct oci_descriptor blob;
	const char *diff_id;
	struct deferred_layer *next;
};
struct source_load {
	struct arena *a;
	const struct source *src;
	struct staging *staging;
	bool defer;			 /* who unpacks the layers next finds out their diffIDs */
	struct deferred_layer *deferred; /* of what was left to it */
	struct digest_thread *digests;	 /* of a directory's large blobs */
	int dirfd;
	bool archive;
	struct source_file *files; /* archive: sorted by path */
	size_t files_len;
	struct oci_platform platform;
	bool platform_given;
	struct source_images found;
	size_t json; /* bytes of JSON read so far */
};

/* An image that waits for its layers to be unpacked, and for the digests of their blobs: neither
 * the store nor the cache gets anything of it before these are right. */
struct image_pending {
	struct store store;
	struct staging staging;
	struct source_images images;
	const struct deferred_layer *deferred;
	struct digest_thread *digests; /* it may still be at work */
	const char *label;
};
void image_pending_drop(struct image_pending *p);
/* The same as source_load() for SRC that must hold a single image (under any number of names), or
 * say which. *ret_pending is NULL when it is in the store; else it has taken S. */
int source_load_one(struct arena *a, struct store *s, const struct source *src,
		    const char *platform, struct image_pending **ret_pending,
		    struct source_images *ret, struct error *e);

/* A source's images, names and JSON documents are parsed into the memory of a process that nothing
 * limits: what has more than these is no image of anybody's. */
#define SOURCE_IMAGES_MAX 1000
#define SOURCE_JSON_MAX (4 * OCI_JSON_MAX)

/* Opens file PATH of the source; -1 with e->code ENOENT when there is none. An archive's links are
 * followed within its names. *ret_entry (may be NULL): of an archive, else NULL. */
int source_open(struct source_load *l, const char *path, struct archive_entry **ret_entry,
		struct error *e);
/* 1: it is there; 0: there is none, or no regular file; -1 where that cannot be found out. */
int source_has(struct source_load *l, const char *path, struct error *e);
/* Reads a JSON file of at most OCI_JSON_MAX; of all together SOURCE_JSON_MAX. */
int source_read(struct source_load *l, const char *path, char **ret, size_t *ret_len,
		struct error *e);

/* Fills D with what file PATH of an archive is: digest, size, and the media type by its bytes. */
int source_describe_layer(struct source_load *l, const char *path, struct oci_descriptor *d,
			  struct error *e);
/* Takes the layer in file PATH into the staging directory. It must have D's digest and size, and
 * what it inflates to must be DIFF_ID. */
int source_stage_layer(struct source_load *l, const char *path, const struct oci_descriptor *d,
		       const char *diff_id, struct error *e);
/* Inflates the blob of D in the staging directory, which must come to DIFF_ID, and notes its size.
 */
int source_check_diff_id(struct arena *a, struct staging *st, const struct oci_descriptor *d,
			 const char *diff_id, struct error *e);
/* Adds the hint to an error about there being too much. Returns -1. */
int source_too_many(const struct source_load *l, struct error *e);
/* Adds NAME to a list for a message, as long as there is room in one. */
void source_list(struct source_load *l, char **list, const char *name);
/* Adds one to l->found. NAME as it stood there, NULL: none. */
int source_add(struct source_load *l, const struct oci_descriptor *d, const char *config_digest,
	       const char *name, struct error *e);
/* Whether an image of this config is what was asked for. */
bool source_platform_fits(const struct source_load *l, const struct oci_image_config *c);
/* Whether NAME, a name in the source, is the one that l->src->ref asks for. */
bool source_ref_matches(struct source_load *l, const char *name);

int source_load_docker(struct source_load *l, struct error *e);
int source_load_oci(struct source_load *l, struct error *e);

#endif
