/*
 * Taking one layer of a source into the staging directory. What is verified here, before the store
 * or the cache gets the layer: the size and digest of its bytes, and that these inflate to the
 * diffID that the image's config names. A large blob's digest is computed while it is inflated (by
 * mrun-unpack, confined as for any stranger's bytes); nothing is named before both were found
 * right. What a compressed layer inflates to is remembered in the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "runtime/image/source_load.h"

/* By the magic number: what a name or media type says of the compression may be wrong. NULL: it
 * cannot be read. */
static const char *layer_type(int fd, struct error *e)
{
	unsigned char m[4] = { 0 };
	ssize_t n = pread(fd, m, sizeof(m), 0);

	if (n < 0) {
		err_sys(e, errno, "read the layer");
		return NULL;
	}
	if (m[0] == 0x1f && m[1] == 0x8b)
		return OCI_TYPE_LAYER "+gzip";
	/* RFC 8878: a frame, or one to be skipped in front of it. */
	if (memcmp(m, "\x28\xb5\x2f\xfd", 4) == 0 ||
	    ((m[0] & 0xf0) == 0x50 && memcmp(m + 1, "\x2a\x4d\x18", 3) == 0))
		return OCI_TYPE_LAYER "+zstd";
	return OCI_TYPE_LAYER;
}

static int check_diff_id(const char *found, const char *diff_id, struct error *e)
{
	if (str_eq(found, diff_id))
		return 0;
	err_msg(e, "its content has digest %s, but the image config says %s (diffID)", found,
		diff_id);
	return err_hint(e, "the image is damaged or was tampered with: get it again");
}

/* A layer that is staged or stored already was verified when it came in; only that this config
 * means the same is left to check. 1: all is well. 0: it has to be read. */
static int known(struct source_load *l, const struct oci_descriptor *d, const char *diff_id,
		 struct error *e)
{
	bool plain = str_eq(d->digest, diff_id);
	const char *found = diff_id;

	for (const struct deferred_layer *x = l->deferred; x; x = x->next)
		if (str_eq(x->blob.digest, d->digest))
			return str_eq(x->diff_id, diff_id)
				       ? 1
				       : err_msg(e, "blob %s: has two diffIDs, %s and %s",
						 d->digest, x->diff_id, diff_id);
	if (!plain && !staging_diff_get(l->a, l->staging, d->digest, &found))
		return 0;
	if (!staging_has(l->a, l->staging, d))
		return 0;
	return check_diff_id(found, diff_id, e) < 0 ? -1 : 1;
}

static int inflate(struct arena *a, struct staging *st, int fd, const struct oci_descriptor *d,
		   const char *diff_id, struct error *e)
{
	struct blob_info info;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read blob %s", d->digest);
	if (unpacker_digest(a, fd, &info, e) < 0 || check_diff_id(info.diff_id, diff_id, e) < 0)
		return -1;
	staging_diff_put(a, st, d->digest, info.diff_id, info.diff_size);
	return 0;
}

int source_check_diff_id(struct arena *a, struct staging *st, const struct oci_descriptor *d,
			 const char *diff_id, struct error *e)
{
	_cleanup_fd_ int fd = openat(st->fd, digest_hex(d->digest),
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "open blob %s", d->digest)
		      : inflate(a, st, fd, d, diff_id, e);
}

/* What the blob in FD, whose bytes have D's digest, inflates to must be DIFF_ID. */
static int check_inflated(struct source_load *l, int fd, const struct oci_descriptor *d,
			  const char *diff_id, struct error *e)
{
	const char *type = layer_type(fd, e);
	struct deferred_layer *x;

	if (!type)
		return -1;
	if (str_eq(type, OCI_TYPE_LAYER))
		return check_diff_id(d->digest, diff_id, e);
	if (!l->defer)
		return inflate(l->a, l->staging, fd, d, diff_id, e);
	x = ARENA_NEW(l->a, struct deferred_layer);
	*x = (struct deferred_layer){ *d, diff_id, l->deferred };
	l->deferred = x;
	return 0;
}

static int check_bytes(const struct oci_descriptor *d, const char *digest, uint64_t size,
		       struct error *e)
{
	if (size != (uint64_t)d->size)
		return err_msg(e, "blob %s: has %llu bytes, its descriptor says %lld", d->digest,
			       (unsigned long long)size, (long long)d->size);
	if (!str_eq(digest, d->digest))
		return err_msg(e, "blob %s: wrong digest, its content has %s", d->digest, digest);
	return 0;
}

/* The digest of an archive's file, once. It is not taken from the program that took the archive
 * apart: that could be in the hands of the archive's author, who would name another image's layer.
 */
static int digest_entry(struct source_load *l, struct archive_entry *en, int fd, struct error *e)
{
	const char *digest;
	uint64_t size;

	if (en->digest)
		return 0;
	digest = digest_copy(l->a, fd, -1, en->size, en->name, &size, e);
	if (!digest)
		return -1;
	if (size != en->size)
		return err_msg(e, "%s has %llu bytes, the archive says %llu", en->name,
			       (unsigned long long)size, (unsigned long long)en->size);
	en->digest = digest;
	return 0;
}

/* An archive's file stays where it is. */
static int from_archive(struct source_load *l, struct archive_entry *en, int fd,
			const struct oci_descriptor *d, const char *diff_id, struct error *e)
{
	if (en->size != (uint64_t)d->size)
		return check_bytes(d, "", en->size, e);
	if (digest_entry(l, en, fd, e) < 0 || check_bytes(d, en->digest, en->size, e) < 0 ||
	    check_inflated(l, fd, d, diff_id, e) < 0)
		return -1;
	return staging_adopt(l->a, l->staging, l->dirfd, arena_printf(l->a, "%u", en->number), d,
			     e);
}

/* Copies the blob of D to OUT. A large one's digest comes later: *RET says it then. */
static int copy_blob(struct source_load *l, int fd, int out, const char *path,
		     const struct oci_descriptor *d, struct digest_job **ret, struct error *e)
{
	const char *digest;
	uint64_t size;

	*ret = NULL;
	if ((uint64_t)d->size >= DIGEST_THREAD_MIN &&
	    digest_thread_copy(l->a, &l->digests, fd, out, d, path, ret, e) < 0)
		return -1;
	if (*ret)
		return 0;
	digest = digest_copy(l->a, fd, out, (uint64_t)d->size, path, &size, e);
	return digest ? check_bytes(d, digest, size, e) : -1;
}

static int from_directory(struct source_load *l, int fd, const char *path,
			  const struct oci_descriptor *d, const char *diff_id, struct error *e)
{
	_cleanup_fd_ int out = staging_create(l->staging, "layer", e), copy = -1;
	struct digest_job *job;
	struct error why;
	struct stat st;
	int r;

	if (out < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat %s", path);
	if (st.st_size != d->size)
		return err_msg(e, "blob %s: has %lld bytes, its descriptor says %lld", d->digest,
			       (long long)st.st_size, (long long)d->size);
	if (copy_blob(l, fd, out, path, d, &job, e) < 0)
		return -1;
	copy = openat(l->staging->fd, "layer", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (copy < 0)
		return err_sys(e, errno, "open the copy of %s", path);
	r = check_inflated(l, copy, d, diff_id, e);
	/* What is deferred is: image_settle() and who unpacks it ask for it. */
	err_clear(&why);
	if (job && (r < 0 || !l->defer) && digest_job_check(job, &why) < 0) {
		*e = why;
		return -1;
	}
	return r < 0 ? -1 : staging_adopt(l->a, l->staging, l->staging->fd, "layer", d, e);
}

int source_describe_layer(struct source_load *l, const char *path, struct oci_descriptor *d,
			  struct error *e)
{
	struct archive_entry *en = NULL;
	_cleanup_fd_ int fd = source_open(l, path, &en, e);

	if (fd < 0 || !en || digest_entry(l, en, fd, e) < 0)
		return -1;
	d->digest = arena_strdup(l->a, en->digest);
	d->size = (int64_t)en->size;
	d->media_type = (char *)(uintptr_t)layer_type(fd, e);
	if (!d->media_type)
		return -1;
	d->media_type = arena_strdup(l->a, d->media_type);
	return 0;
}

int source_stage_layer(struct source_load *l, const char *path, const struct oci_descriptor *d,
		       const char *diff_id, struct error *e)
{
	struct archive_entry *en = NULL;
	_cleanup_fd_ int fd = -1;
	int r = known(l, d, diff_id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	fd = source_open(l, path, &en, e);
	if (fd < 0)
		return -1;
	return en ? from_archive(l, en, fd, d, diff_id, e)
		  : from_directory(l, fd, path, d, diff_id, e);
}
