/*
 * Taking one layer of a source into the staging directory. What is verified here, before anything
 * else sees the layer: the size and digest of its bytes, and that these inflate to the diffID that
 * the image's config names. What a compressed layer inflates to is remembered in the store.
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

/* By the magic number: what a name or media type says of the compression may be wrong. */
static const char *layer_type(int fd)
{
	unsigned char m[4] = { 0 };

	if (pread(fd, m, sizeof(m), 0) < 2)
		return OCI_TYPE_LAYER;
	if (m[0] == 0x1f && m[1] == 0x8b)
		return OCI_TYPE_LAYER "+gzip";
	return memcmp(m, "\x28\xb5\x2f\xfd", 4) == 0 ? OCI_TYPE_LAYER "+zstd" : OCI_TYPE_LAYER;
}

static bool is_compressed(int fd)
{
	return !str_eq(layer_type(fd), OCI_TYPE_LAYER);
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
	uint64_t size;

	if (!plain && !store_diff_get(l->a, l->staging->store, d->digest, &found, &size))
		return 0;
	if (!staging_has(l->a, l->staging, d))
		return 0;
	return check_diff_id(found, diff_id, e) < 0 ? -1 : 1;
}

/* Copies (OUT >= 0) or only reads, and fills what was found. */
static int measure(struct source_load *l, int in, int out, const char *path,
		   const struct oci_descriptor *d, struct blob_info *info, struct error *e)
{
	if (is_compressed(in))
		return unpacker_digest(l->a, in, out, info, e);
	info->digest = digest_copy(l->a, in, out, (uint64_t)d->size, path, &info->size, e);
	info->diff_id = info->digest;
	info->diff_size = info->size;
	info->compression = "";
	return info->digest ? 0 : -1;
}

static int check_content(const struct oci_descriptor *d, const struct blob_info *info,
			 const char *diff_id, struct error *e)
{
	if (info->size != (uint64_t)d->size)
		return err_msg(e, "blob %s: has %llu bytes, its descriptor says %lld", d->digest,
			       (unsigned long long)info->size, (long long)d->size);
	if (!str_eq(info->digest, d->digest))
		return err_msg(e, "blob %s: wrong digest, its content has %s", d->digest,
			       info->digest);
	return check_diff_id(info->diff_id, diff_id, e);
}

/* An archive's file: its bytes were digested when the archive was taken apart, and they stay where
 * they are; only what they inflate to is left to find out. */
static int from_archive(struct source_load *l, const struct archive_entry *en, int fd,
			const char *path, const struct oci_descriptor *d, const char *diff_id,
			struct error *e)
{
	struct blob_info info = {
		.digest = en->digest, .diff_id = en->digest, .size = en->size, .diff_size = en->size
	};
	char *number = arena_printf(l->a, "%u", en->number);

	if (is_compressed(fd) && measure(l, fd, -1, path, d, &info, e) < 0)
		return -1;
	if (check_content(d, &info, diff_id, e) < 0 ||
	    staging_adopt(l->a, l->staging, l->dirfd, number, d, e) < 0)
		return -1;
	if (!str_eq(info.digest, info.diff_id))
		store_diff_put(l->a, l->staging->store, d->digest, info.diff_id, info.diff_size);
	return 0;
}

static int from_directory(struct source_load *l, int fd, const char *path,
			  const struct oci_descriptor *d, const char *diff_id, struct error *e)
{
	_cleanup_fd_ int out = staging_create(l->staging, "layer", e);
	struct blob_info info = { 0 };
	struct stat st;

	if (out < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat %s", path);
	if (st.st_size != d->size)
		return err_msg(e, "blob %s: has %lld bytes, its descriptor says %lld", d->digest,
			       (long long)st.st_size, (long long)d->size);
	if (measure(l, fd, out, path, d, &info, e) < 0 || check_content(d, &info, diff_id, e) < 0 ||
	    staging_adopt(l->a, l->staging, l->staging->fd, "layer", d, e) < 0)
		return -1;
	if (!str_eq(info.digest, info.diff_id))
		store_diff_put(l->a, l->staging->store, d->digest, info.diff_id, info.diff_size);
	return 0;
}

int source_describe_layer(struct source_load *l, const char *path, struct oci_descriptor *d,
			  struct error *e)
{
	const struct archive_entry *en = NULL;
	_cleanup_fd_ int fd = source_open(l, path, &en, e);

	if (fd < 0 || !en)
		return -1;
	d->digest = arena_strdup(l->a, en->digest);
	d->size = (int64_t)en->size;
	d->media_type = arena_strdup(l->a, layer_type(fd));
	return 0;
}

int source_stage_layer(struct source_load *l, const char *path, const struct oci_descriptor *d,
		       const char *diff_id, struct error *e)
{
	const struct archive_entry *en = NULL;
	_cleanup_fd_ int fd = -1;
	int r = known(l, d, diff_id, e);

	if (r != 0)
		return r < 0 ? -1 : 0;
	fd = source_open(l, path, &en, e);
	if (fd < 0)
		return -1;
	return en ? from_archive(l, en, fd, path, d, diff_id, e)
		  : from_directory(l, fd, path, d, diff_id, e);
}
