/* See staging.h. */
#include "oci/store/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"

void staging_end(struct staging *st)
{
	struct error ignored;

	if (!st->name)
		return;
	undo_pop(&st->undo);
	/* What went wrong once may not the second time; else the next one removes it. */
	for (int i = 0; i < 2; i++)
		if (file_remove_tree(st->store->dirfd, st->name, &ignored) == 0)
			break;
	fd_closep(&st->fd);
	*st = (struct staging)STAGING_NONE;
}

static void undo(void *st)
{
	staging_end(st);
}

void staging_sweep(struct arena *a, struct store *s)
{
	struct strlist names = { 0 };
	struct error ignored;

	if (dir_list(a, s->dirfd, "tmp", "", "tmp", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = arena_printf(a, "tmp/%s", names.items[i]);
		_cleanup_fd_ int fd =
			openat(s->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			file_remove_tree(s->dirfd, name, &ignored);
	}
}

int staging_begin(struct arena *a, struct store *s, struct staging *ret, struct error *e)
{
	struct staging st = { .store = s, .fd = -1 };
	uint64_t random;
	int r;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, errno, "get random bytes");
	st.name = arena_printf(a, "tmp/%016llx", (unsigned long long)random);
	/* Under the lock nobody sweeps between the mkdir and the flock. */
	if (store_lock(s, e) < 0)
		return -1;
	staging_sweep(a, s);
	if (mkdirat(s->dirfd, st.name, 0700) == 0) {
		st.fd = openat(s->dirfd, st.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = st.fd < 0 || flock(st.fd, LOCK_EX | LOCK_NB) < 0
			    ? err_sys(e, errno, "make %s/%s", s->path, st.name)
			    : 0;
		if (r < 0) {
			fd_closep(&st.fd);
			unlinkat(s->dirfd, st.name, AT_REMOVEDIR);
		}
	} else {
		r = err_sys(e, errno, "make %s/%s", s->path, st.name);
	}
	store_unlock(s);
	if (r < 0)
		return -1;
	*ret = st;
	undo_push(&ret->undo, undo, ret);
	return 0;
}

int staging_mkdir(struct staging *st, const char *name, struct error *e)
{
	int fd = -1;

	if (mkdirat(st->fd, name, 0700) == 0)
		fd = openat(st->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "make %s/%s/%s", st->store->path, st->name, name) : fd;
}

int staging_create(struct staging *st, const char *name, struct error *e)
{
	int fd = openat(st->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? err_sys(e, errno, "create %s/%s/%s", st->store->path, st->name, name) : fd;
}

int staging_adopt(struct arena *a, struct staging *st, int dirfd, const char *name,
		  const struct oci_descriptor *d, struct error *e)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *hex = digest_hex(d->digest);
	struct stat s;

	if (fd < 0 || fstat(fd, &s) < 0)
		return err_sys(e, errno, "take in blob %s", d->digest);
	if (!S_ISREG(s.st_mode) || s.st_size != d->size)
		return err_msg(e, "blob %s has %lld bytes, expected %lld", d->digest,
			       (long long)s.st_size, (long long)d->size);
	/* The unpacker's files belong to the user namespace's root when we are root. */
	if ((s.st_uid != geteuid() && fchown(fd, geteuid(), getegid()) < 0) ||
	    fchmod(fd, 0644) < 0 || fsync(fd) < 0 || renameat(dirfd, name, st->fd, hex) < 0)
		return err_sys(e, errno, "take in blob %s", d->digest);
	strlist_add(a, &st->blobs, arena_strdup(a, d->digest));
	return 0;
}

int staging_put(struct arena *a, struct staging *st, const void *data, size_t len,
		struct oci_descriptor *d, struct error *e)
{
	_cleanup_fd_ int fd = -1;

	d->digest = digest_of(a, data, len);
	d->size = (int64_t)len;
	if (staging_has(a, st, d))
		return 0;
	fd = staging_create(st, "put", e);
	if (fd < 0)
		return -1;
	if (file_write_all(fd, data, len, arena_printf(a, "blob %s", d->digest), e) < 0) {
		unlinkat(st->fd, "put", 0);
		return -1;
	}
	return staging_adopt(a, st, st->fd, "put", d, e);
}

bool staging_has(struct arena *a, struct staging *st, const struct oci_descriptor *d)
{
	const char *hex = digest_hex(d->digest);

	if (str_list_has(st->blobs.items, d->digest))
		return true;
	if (!store_has_blob(st->store, d))
		return false;
	/* A second name of it, so that a prune that comes first does not take it away. */
	if (linkat(st->store->blobs, hex, st->fd, hex, 0) < 0)
		return false;
	strlist_add(a, &st->blobs, arena_strdup(a, d->digest));
	return true;
}

struct staging_diff {
	const char *digest, *diff_id;
	uint64_t size;
	struct staging_diff *next;
};

bool staging_diff_get(struct arena *a, const struct staging *st, const char *digest,
		      const char **ret_diff_id)
{
	uint64_t size;

	for (const struct staging_diff *d = st->diffs; d; d = d->next)
		if (str_eq(d->digest, digest)) {
			*ret_diff_id = d->diff_id;
			return true;
		}
	return store_diff_get(a, st->store, digest, ret_diff_id, &size);
}

void staging_diff_put(struct arena *a, struct staging *st, const char *digest, const char *diff_id,
		      uint64_t size)
{
	struct staging_diff *d = ARENA_NEW(a, struct staging_diff);

	*d = (struct staging_diff){ digest, diff_id, size, st->diffs };
	st->diffs = d;
}

/* Moves the blobs in; those that were not there before are noted in PLACED. */
static int move_blobs(struct arena *a, struct staging *st, struct strlist *placed, struct error *e)
{
	struct store *s = st->store;

	for (size_t i = 0; i < st->blobs.n; i++) {
		const char *hex = digest_hex(st->blobs.items[i]);
		bool new = faccessat(s->blobs, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0;

		/* What is not known to be new stays where something goes wrong later. */
		if (new &&errno != ENOENT)
			return err_sys(e, errno, "look for blob %s", st->blobs.items[i]);
		if (renameat(st->fd, hex, s->blobs, hex) < 0)
			return err_sys(e, errno, "put blob %s into the image store",
				       st->blobs.items[i]);
		if (new)
			strlist_add(a, placed, hex);
	}
	if (st->blobs.n && fsync(s->blobs) < 0)
		return err_sys(e, errno, "sync %s/blobs", s->path);
	return 0;
}

int staging_commit(struct arena *a, struct staging *st, const struct staging_entry *entries,
		   size_t n, struct error *e)
{
	struct store *s = st->store;
	struct strlist placed = { 0 };
	struct oci_index *x;
	int r = -1;

	if (store_lock(s, e) < 0)
		return -1;
	/* index.json is read first: a damaged one must not leave blobs behind. */
	x = store_index(a, s, e);
	if (x && move_blobs(a, st, &placed, e) == 0) {
		for (size_t i = 0; i < n; i++)
			store_index_set(a, x, &entries[i].descriptor, entries[i].name);
		r = store_index_write(a, s, x, e);
	}
	for (size_t i = 0; r < 0 && i < placed.n; i++)
		unlinkat(s->blobs, placed.items[i], 0);
	for (const struct staging_diff *d = st->diffs; r == 0 && d; d = d->next)
		store_diff_put(a, s, d->digest, d->diff_id, d->size);
	store_unlock(s);
	return r;
}
