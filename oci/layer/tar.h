/*
 * Reading a tar: libarchive, held to its tar reader (no filter, no other format), fed by a stream.
 * Names and link targets are bytes; the locale must be C.UTF-8, or libarchive warns on pax names.
 */
#ifndef MRUN_OCI_LAYER_TAR_H
#define MRUN_OCI_LAYER_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/layer/stream.h"

enum tar_type { TAR_FILE, TAR_DIR, TAR_SYMLINK, TAR_HARDLINK, TAR_CHAR, TAR_BLOCK, TAR_FIFO };

struct tar_entry {
	const char *name; /* as it stands in the archive; valid until the next entry */
	const char *link; /* TAR_SYMLINK, TAR_HARDLINK */
	enum tar_type type;
	mode_t mode; /* the low 12 bits */
	int64_t uid, gid;
	struct timespec mtime, atime; /* atime: mtime where the archive has none */
	uint64_t size;		      /* TAR_FILE: of the file that it makes */
	unsigned dev_major, dev_minor;
};

struct tar;
struct tar *tar_open(struct arena *a, struct stream *s, struct error *e);
/* 1: *ret is the next entry, 0: the end, -1: damaged (or the stream failed: its own reason). */
int tar_next(struct tar *t, struct tar_entry *ret, struct error *e);
/* The next piece of a TAR_FILE's content and where it belongs: 1, 0 at the end, -1. Between pieces
 * lie holes. */
int tar_data(struct tar *t, const void **ret, size_t *ret_len, uint64_t *ret_off, struct error *e);
/* The entry's extended attributes one after the other; false at the end. */
bool tar_xattr(struct tar *t, const char **ret_name, const void **ret_value, size_t *ret_len);

/* A name or link target for a message: what is not printable ASCII is escaped, and the middle of a
 * long one left out. From the arena. */
char *tar_quote(struct arena *a, const char *name);
/* NAME cleaned as if at a root (".", ".." and doubled slashes resolved by text), without the
 * leading slash; "" is the root itself. Into BUF; false when it does not fit. */
bool tar_clean_name(const char *name, char *buf, size_t size);

#endif
