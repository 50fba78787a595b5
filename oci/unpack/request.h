/*
 * What mrun-unpack is asked for, as JSON on descriptor 3, and what it answers, as JSON lines on
 * descriptor 4. Requests come from the core and are trusted; replies are not. Names are relative to
 * the working directory, which the core chose: the staging directory or the cache's.
 *
 * Replies: {"entry":{…}} (archive), {"blob":{…}} (digest), {"layer":N,…} (layers, flat),
 * {"error":TEXT,"hint":TEXT,"code":ERRNO} and, as the last line of a success, {"done":true}.
 */
#ifndef MRUN_OCI_UNPACK_REQUEST_H
#define MRUN_OCI_UNPACK_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

#define REQUEST_FD 3
#define REPLY_FD 4

struct request_layer {
	uint32_t fd; /* of the blob; not for a cached one */
	char *digest, *diff_id;
	const uint64_t *size;
	char *name;    /* its directory, which has or gets the tree in "r" */
	bool cached;   /* it is there already: only to be mounted below others */
	bool digested; /* the core digests the blob itself this time */
};

struct request_entry { /* of mode pack: struct pack_entry */
	char *name, *link;
	bool dir;
	const uint32_t *fd;
	const uint64_t *size;
};

struct request {
	char *mode;
	bool userns, single; /* in a user namespace; with one id only */
	const uint64_t *max_bytes, *max_entries;
	uint32_t max_ratio;
	uint32_t in;	     /* archive, digest */
	const uint32_t *out; /* pack */
	char *name,
		*from; /* flat: the tree; root: the tree to make, and whose attributes it gets */
	char **names;  /* remove */
	struct request_layer *layers; /* bottom first */
	size_t layers_len;
	struct request_entry *entries;
	size_t entries_len;
};

/* Reads descriptor 3 to its end. NULL on error. */
struct request *request_read(struct arena *a, struct error *e);

#endif
