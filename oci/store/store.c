/* See store.h. In order: where the store is, opening, lock, index.json, blobs, the diff cache. */
#include "oci/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"

#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_VERSION "1."
#define HEX_OF(d) digest_hex((d)->digest)

void store_close(struct store *s)
{
	fd_closep(&s->dirfd);
	fd_closep(&s->blobs);
	fd_closep(&s->lock);
	*s = (struct store)STORE_CLOSED;
}

static const char *location(struct arena *a, struct error *e)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	struct stat st;

	/* The XDG specification: a relative path is to be ignored. */
	if (xdg && xdg[0] == '/')
		return arena_printf(a, "%s/mrun", xdg);
	if (!home || home[0] != '/') {
		err_msg(e, "find the image store: %s",
			home && *home ? "HOME is not an absolute path" : "HOME is not set");
		err_hint(e, "set HOME, or XDG_DATA_HOME to a directory of yours");
		return NULL;
	}
	if (stat(home, &st) < 0) {
		err_sys(e, errno, "find the image store: HOME is %s", home);
		err_hint(e, "set HOME, or XDG_DATA_HOME to a directory of yours");
		return NULL;
	}
	/* sudo and su may keep HOME: root's files in there would lock its owner out. */
	if (self_uid() == 0 && st.st_uid != 0) {
		err_msg(e, "find the image store: HOME is %s, which belongs to uid %u, not to root",
			home, st.st_uid);
		err_hint(e, "use 'sudo -H' or 'su -', or set XDG_DATA_HOME");
		return NULL;
	}
	return arena_printf(a, "%s/.local/share/mrun", home);
}

static int open_dir(const char *path, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (file_mkdirs(AT_FDCWD, path, 0700, e) < 0) {
		err_wrap(e, "make the image store");
		return err_hint(e, "HOME or XDG_DATA_HOME must be a directory that you can write "
				   "to (after su: 'su -')");
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open the image store %s", path);
	if (st.st_uid != self_uid()) {
		err_msg(e, "open the image store %s: it belongs to uid %u, and you are uid %u",
			path, st.st_uid, self_uid());
		return err_hint(e, "set XDG_DATA_HOME to a directory of yours");
	}
	if ((st.st_mode & 077) && fchmod(fd, 0700) < 0)
		return err_sys(e, errno, "protect the image store %s", path);
	return fd_take(&fd);
}

/* Under the lock, as all that is written into the store's own directory. */
static int make_layout(struct store *s, struct error *e)
{
	int r;

	if (store_lock(s, e) < 0)
		return -1;
	r = file_replace(s->dirfd, "oci-layout", LAYOUT_TEXT, strlen(LAYOUT_TEXT), 0644, true, e);
	store_unlock(s);
	return r;
}

static int check_layout(struct arena *a, struct store *s, struct error *e)
{
	const struct json_value *v;
	const char *version;
	char *text;
	size_t len;

	if (faccessat(s->dirfd, "oci-layout", F_OK, 0) < 0 && errno == ENOENT)
		return make_layout(s, e);
	if (file_read(a, s->dirfd, "oci-layout", 4096, &text, &len, e) < 0)
		return -1;
	v = json_parse(a, text, len, "oci-layout", e);
	if (!v)
		return -1;
	version = json_get_str(v, "imageLayoutVersion");
	if (!version || !str_has_prefix(version, LAYOUT_VERSION))
		return err_msg(e, "oci-layout: imageLayoutVersion '%s' is not supported",
			       version ? version : "(none)");
	return 0;
}

int store_open(struct arena *a, struct store *ret, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;

	s.path = location(a, e);
	if (!s.path)
		return -1;
	s.dirfd = open_dir(s.path, e);
	if (s.dirfd < 0)
		return -1;
	if (file_mkdirs(s.dirfd, "blobs/sha256", 0755, e) < 0 ||
	    file_mkdirs(s.dirfd, "tmp", 0700, e) < 0 || file_mkdirs(s.dirfd, "diffs", 0700, e) < 0)
		return err_wrap(e, "open the image store %s", s.path);
	s.blobs = openat(s.dirfd, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.lock = openat(s.dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s.lock < 0 && errno == EROFS) /* to read, that is enough */
		s.lock = openat(s.dirfd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s.blobs < 0 || s.lock < 0)
		return err_sys(e, errno, "open the image store %s", s.path);
	if (check_layout(a, &s, e) < 0)
		return err_wrap(e, "open the image store %s", s.path);
	*ret = (struct store){ .path = s.path,
			       .dirfd = fd_take(&s.dirfd),
			       .blobs = fd_take(&s.blobs),
			       .lock = fd_take(&s.lock) };
	return 0;
}

int store_lock(struct store *s, struct error *e)
{
	int r;

	do
		r = flock(s->lock, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, errno, "lock the image store %s", s->path) : 0;
}

void store_unlock(struct store *s)
{
	flock(s->lock, LOCK_UN);
}

struct oci_index *store_index(struct arena *a, const struct store *s, struct error *e)
{
	const char *name = arena_printf(a, "%s/index.json", s->path);
	struct oci_index *x;
	char *text;
	size_t len;

	if (file_read(a, s->dirfd, "index.json", OCI_JSON_MAX, &text, &len, e) < 0) {
		if (e->code != ENOENT) {
			err_wrap(e, "image store %s", s->path);
			return NULL;
		}
		err_clear(e);
		x = ARENA_NEW(a, struct oci_index);
		x->schema_version = 2;
		return x;
	}
	x = oci_index_read(a, text, len, NULL, name, e);
	if (!x)
		err_hint(e,
			 "move the damaged %s away and load the images again; 'mrun prune' then "
			 "removes what is left of the old ones",
			 name);
	return x;
}

int store_index_write(struct arena *a, struct store *s, const struct oci_index *x, struct error *e)
{
	size_t len;
	char *text = json_write(a, &oci_index_type, x, false, &len);

	if (len > OCI_JSON_MAX)
		return err_msg(e, "write %s/index.json: %zu bytes, more than the %zu allowed",
			       s->path, len, OCI_JSON_MAX);
	if (file_replace(s->dirfd, "index.json", text, len, 0644, true, e) < 0)
		return err_wrap(e, "image store %s", s->path);
	return 0;
}

char *store_entry_name(struct arena *a, const struct oci_descriptor *d)
{
	const char *name = oci_annotation(d, OCI_ANNOTATION_REF_NAME);

	return name ? image_name_normalise(a, name) : NULL;
}

/* For one more; doubled, since an archive may bring a thousand. */
static void make_room(struct arena *a, struct oci_index *x)
{
	struct oci_descriptor *old = x->manifests;

	if (x->manifests_len < x->manifests_room)
		return;
	x->manifests_room = 2 * x->manifests_len + 4;
	x->manifests = ARENA_ARRAY(a, x->manifests_room, struct oci_descriptor);
	if (x->manifests_len)
		memcpy(x->manifests, old, x->manifests_len * sizeof(*old));
}

void store_index_set(struct arena *a, struct oci_index *x, const struct oci_descriptor *d,
		     const char *name)
{
	struct oci_descriptor added = *d, *out = x->manifests;
	struct arena scratch = { 0 };
	size_t n = 0;

	for (size_t i = 0; !name && i < x->manifests_len; i++)
		if (str_eq(out[i].digest, d->digest))
			return; /* it is there already, named or not */
	oci_annotation_set(a, &added, OCI_ANNOTATION_REF_NAME, name);
	for (size_t i = 0; name && i < x->manifests_len; i++) {
		struct oci_descriptor old = out[i];
		const char *old_name = store_entry_name(&scratch, &old);
		bool elsewhere = str_eq(old.digest, d->digest);

		if (elsewhere && !oci_annotation(&old, OCI_ANNOTATION_REF_NAME))
			continue; /* the nameless one gets the name */
		if (old_name && str_eq(old_name, name)) {
			for (size_t j = 0; j < x->manifests_len; j++)
				elsewhere |= (j < n || j > i) && str_eq(out[j].digest, old.digest);
			if (elsewhere)
				continue;
			oci_annotation_set(a, &old, OCI_ANNOTATION_REF_NAME, NULL);
		}
		out[n++] = old; /* never before it was read */
	}
	arena_free(&scratch);
	if (name)
		x->manifests_len = n;
	make_room(a, x);
	x->manifests[x->manifests_len++] = added;
}

bool store_has_blob(const struct store *s, const struct oci_descriptor *d)
{
	struct stat st;

	return fstatat(s->blobs, HEX_OF(d), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == d->size;
}

int store_open_blob(const struct store *s, const struct oci_descriptor *d, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(s->blobs, HEX_OF(d), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, errno, "open blob %s in the image store", d->digest);
		return err_hint(e, "the store is damaged ('mrun fsck' tells what is missing): load "
				   "the image again");
	}
	if (!S_ISREG(st.st_mode) || st.st_size != d->size) {
		err_msg(e, "blob %s in the image store has %lld bytes, expected %lld", d->digest,
			(long long)st.st_size, (long long)d->size);
		return err_hint(e, "the store is damaged: remove the image and load it again");
	}
	return fd_take(&fd);
}

int store_read_blob(struct arena *a, const struct store *s, const struct oci_descriptor *d,
		    const char *what, char **ret, size_t *ret_len, struct error *e)
{
	_cleanup_fd_ int fd = store_open_blob(s, d, e);
	const char *digest;

	if (fd < 0 || file_read_fd(a, fd, d->digest, OCI_JSON_MAX, ret, ret_len, e) < 0)
		return err_wrap(e, "read the %s", what);
	digest = digest_of(a, *ret, *ret_len);
	if (!str_eq(digest, d->digest)) {
		err_msg(e, "the %s in the image store has digest %s, expected %s", what, digest,
			d->digest);
		return err_hint(e, "the store is damaged: remove the image and load it again");
	}
	return 0;
}

bool store_diff_get(struct arena *a, const struct store *s, const char *digest,
		    const char **ret_diff_id, uint64_t *ret_size)
{
	char *path = arena_printf(a, "diffs/%s", digest_hex(digest)), *text, *space;
	struct error ignored;
	size_t len;

	if (file_read(a, s->dirfd, path, 256, &text, &len, &ignored) < 0)
		return false;
	text[strcspn(text, "\n")] = 0;
	space = strchr(text, ' ');
	if (!space)
		return false;
	*space = 0;
	if (!digest_valid(text) || !str_to_u64(space + 1, INT64_MAX, ret_size))
		return false;
	if (ret_diff_id)
		*ret_diff_id = text;
	return true;
}

void store_diff_put(struct arena *a, const struct store *s, const char *digest, const char *diff_id,
		    uint64_t size)
{
	char *path = arena_printf(a, "diffs/%s", digest_hex(digest));
	char *text = arena_printf(a, "%s %llu\n", diff_id, (unsigned long long)size);
	struct error ignored;

	file_replace(s->dirfd, path, text, strlen(text), 0600, false, &ignored);
}
