/* What the parts of the extractor share (extract.c, dirs.c, whiteout.c, attributes.c). */
#ifndef MRUN_OCI_LAYER_EXTRACTOR_H
#define MRUN_OCI_LAYER_EXTRACTOR_H

#include <limits.h>

#include "oci/layer/extract.h"

#define EXTRACT_WHITEOUT_PREFIX ".wh."
#define EXTRACT_OPAQUE ".wh..wh..opq"
#define EXTRACT_OPAQUE_XATTR "user.overlay.opaque"

/* An open directory, with the times that it gets back when it is closed: what an entry does in its
 * parent must not show there. */
struct dir {
	int fd; /* -1: a free slot */
	ino_t ino;
	struct timespec times[2]; /* atime, mtime, as utimensat(2) has them */
	bool dirty;		  /* something in it was changed: the times must be set */
	bool setgid, acl;	  /* new files inherit the group, or a default ACL */
	bool marked;		  /* in the set of what this layer touched */
	uint64_t stamp;		  /* last use */
	char path[PATH_MAX];	  /* cleaned, as the entry had it: links are not resolved */
};
#define DIRS_MAX 48

struct touched {
	uint64_t *keys;
	size_t n, cap;
};

struct extractor {
	struct arena *a;
	struct tar *tar;
	struct extract_options o;
	struct extract_result r;
	struct dir dirs[DIRS_MAX];
	uint64_t clock;
	struct touched touched;		     /* EXTRACT_APPLY: what whiteouts must leave alone */
	char name[PATH_MAX], link[PATH_MAX]; /* of the entry at hand, cleaned */
};

/* dirs.c: the directory at PATH (cleaned; links are followed inside the root). NULL with
 * *ret_errno. The pointer is good for two further calls. */
struct dir *dirs_get(struct extractor *x, const char *path, int *ret_errno);
/* Takes over FD, just made or opened at PATH, whose times are to be TIMES. */
struct dir *dirs_put(struct extractor *x, const char *path, int fd, const struct stat *st,
		     const struct timespec times[2]);
/* Makes the directory at PATH and the missing ones above it: root's, 0755, of the epoch. NULL with
 * the error set. */
struct dir *dirs_make(struct extractor *x, const char *path, struct error *e);
/* MADE more entries, of the archive or directories that it only implies: an error above the limit.
 */
int dirs_count(struct extractor *x, size_t made, struct error *e);
/* Sets the times and forgets all. Before anything is removed that a path may lead through. */
int dirs_flush(struct extractor *x, struct error *e);
/* Whether a default ACL or the group would be inherited below FD. */
void dirs_inherits(struct dir *d, const struct stat *st);
/* Whether ERR, at a path that an entry refers to, means that a layer below may have it. */
bool dirs_needs_lower(const struct extractor *x, int err);

/* touched: which names of which directories this layer made. */
int touched_mark(struct extractor *x, struct dir *d, const char *name, struct error *e);
bool touched_has(struct extractor *x, ino_t dir, const char *name, const struct stat *st);

/* whiteout.c: an entry whose last component starts with ".wh.". 0, EXTRACT_NEEDS_LOWER, -1. */
int whiteout_apply(struct extractor *x, const char *parent, const char *base, struct error *e);
bool whiteout_is(const struct stat *st);
/* Marks the directory FD opaque for overlayfs. */
int whiteout_set_opaque(int fd, struct error *e);

/* attributes.c: owner, extended attributes and mode of what was just made, in the order in which
 * the kernel does not undo one with the next. FRESH: made by us, with MODE's permission bits. */
int attributes_apply_fd(struct extractor *x, int fd, const struct dir *parent,
			const struct tar_entry *t, bool fresh, struct error *e);
/* The same, with the times, for what cannot be opened: a symlink, FIFO or device. */
int attributes_apply_at(struct extractor *x, const struct dir *parent, const char *base,
			const struct tar_entry *t, struct error *e);

#endif
