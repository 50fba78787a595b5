/*
 * Starting mrun-unpack: the one program that parses what strangers packed (tars, gzip, zstd). It
 * runs in namespaces of its own, as the mapped root, and sees nothing but the descriptors that it
 * is given; the core only exchanges JSON with it (oci/unpack/request.h) and believes none of it
 * further than its type.
 *
 * The program is looked for beside mrun itself, then in MRUN_LIBEXECDIR.
 *
 * Limits for all of these come from the environment: MRUN_UNPACK_MAX_BYTES (what an image may take
 * unpacked, as docker writes sizes; default 64g) and MRUN_UNPACK_MAX_ENTRIES (entries a layer;
 * default 2000000, of an archive of images 100000). Setting the first also lifts the rule that what
 * is larger than 1 GiB may not be inflated more than 100-fold.
 */
#ifndef MRUN_RUNTIME_IMAGE_UNPACKER_H
#define MRUN_RUNTIME_IMAGE_UNPACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/init/idmap.h"

/* An entry of an archive, its name as it stood there: data, never a path to open. */
struct archive_entry {
	const char *name;
	char type;	  /* 'f' file, 'l' symlink, 'h' hard link, 'd' directory */
	const char *link; /* of 'l' and 'h', else NULL */
	uint64_t size;
	unsigned number;    /* 'f': the staging file's name, in decimal */
	const char *digest; /* 'f': "sha256:<hex>" of its bytes, once the caller asked (NULL) */
};

/* Reads a tar (plain, gzip or zstd) from IN_FD, a file at its current offset or a pipe, to its end.
 * Each regular file becomes the file "<number>", mode 0600, in STAGING_DIRFD (a directory of the
 * caller's). Other kinds of entries are left out. On error nothing is removed from the staging
 * directory. The names may take 16 MiB in all. */
int unpacker_archive(struct arena *a, int in_fd, int staging_dirfd, struct archive_entry **ret,
		     size_t *ret_len, struct error *e);

struct blob_info {
	const char *diff_id;	 /* "sha256:<hex>" of the bytes inflated */
	const char *compression; /* "", "gzip" or "zstd" */
	uint64_t size, diff_size;
};
/* Reads IN_FD, which must not be writable, from its current offset to its end, digests what the
 * bytes inflate to, and checks that that is a tar. The digest of the bytes themselves is what a
 * blob is known by to all images: digest_copy() gives it, and not a program that can be taken over.
 */
int unpacker_digest(struct arena *a, int in_fd, struct blob_info *ret, struct error *e);

struct pack_entry {
	const char *name;
	const char *link; /* the target: a symbolic link; else NULL */
	bool dir;
	const void *data; /* content in memory, LEN bytes, when fd is -1 */
	size_t len;
	int fd; /* else the content: SIZE bytes from offset 0 */
	uint64_t size;
};
/* Writes a plain tar (ustar, pax where a name needs it), the same for the same input: mtime 0,
 * owner 0, files 0644, directories 0755. */
int unpacker_pack(struct arena *a, int out_fd, const struct pack_entry *entries, size_t n,
		  struct error *e);

/* For layers.c: runs mrun-unpack with a request. FDS become 5, 6, … in the program, in this order;
 * DIR (-1: none) its working directory. M NULL: no user namespace. Each reply line goes to
 * ON_REPLY, which returns -1 with the error set to stop. Returns once the program is gone, success
 * only if it exited with 0 after it said
 * {"done":true}. */
struct json_value;
typedef int unpacker_reply(void *arg, const struct json_value *reply, struct error *e);
int unpacker_run(struct arena *a, const char *request, int dir, const int *fds, size_t n,
		 const struct idmap *m, unpacker_reply *on_reply, void *arg, struct error *e);
#define UNPACKER_FIRST_FD 5

/* A request's beginning: an open object with mode, mapping and limits. NULL on error. */
struct json_out;
struct json_out *unpacker_request(struct arena *a, const char *mode, const struct idmap *m,
				  struct error *e);

/* The limits in force, for a request. */
struct unpacker_limits {
	uint64_t bytes, entries;
	bool bytes_given, entries_given;
};
int unpacker_limits(struct unpacker_limits *ret, struct error *e);

#endif
