/*
 * See extractor.h: the parents of entries. Every one is opened with openat2(RESOLVE_IN_ROOT), so
 * that a link planted by one entry leads the next one nowhere outside (CVE-2018-15664 and kin),
 * while `/lib -> usr/lib` is followed as real images need it. Opened directories are kept, since
 * the entries of one follow each other. A cached path stays right because nothing but the
 * extractor changes the tree, and the extractor flushes before it removes a directory or a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/layer/extractor.h"

static int close_dir(struct dir *d, struct error *e)
{
	int r = 0;

	if (d->fd < 0)
		return 0;
	if (d->dirty && futimens(d->fd, d->times) < 0)
		r = err_sys(e, errno, "set the times of directory /%s", d->path);
	close(d->fd);
	d->fd = -1;
	return r;
}

static struct dir *free_slot(struct extractor *x)
{
	struct dir *oldest = &x->dirs[0];
	struct error ignored;

	for (size_t i = 0; i < DIRS_MAX; i++) {
		if (x->dirs[i].fd < 0)
			return &x->dirs[i];
		if (x->dirs[i].stamp < oldest->stamp)
			oldest = &x->dirs[i];
	}
	/* Times that cannot be set are no reason to fail half-way; flushing reports the rest. */
	close_dir(oldest, &ignored);
	return oldest;
}

void dirs_inherits(struct dir *d, const struct stat *st)
{
	ssize_t n = fgetxattr(d->fd, "system.posix_acl_default", NULL, 0);

	d->setgid = st->st_mode & S_ISGID;
	/* Where it cannot be known, attributes are looked through for nothing. */
	d->acl = n > 0 || (n < 0 && errno != ENODATA && errno != EOPNOTSUPP);
}

bool dirs_needs_lower(const struct extractor *x, int err)
{
	return x->o.form == EXTRACT_LAYER && !x->o.bottom &&
	       (err == ENOENT || err == ENOTDIR || err == ELOOP);
}

/* A path has passed tar_clean_name(), which bounds it. */
static void set_path(struct dir *d, const char *path)
{
	memcpy(d->path, path, strlen(path) + 1);
}

struct dir *dirs_put(struct extractor *x, const char *path, int fd, const struct stat *st,
		     const struct timespec times[2])
{
	struct dir *d = NULL;

	for (size_t i = 0; i < DIRS_MAX; i++) {
		struct dir *other = &x->dirs[i];

		if (other->fd < 0 || other->ino != st->st_ino)
			continue;
		/* The same directory by another path: one set of times for both. */
		memcpy(other->times, times, sizeof(other->times));
		other->dirty = true;
		if (strcmp(other->path, path) == 0)
			d = other;
	}
	if (!d) {
		d = free_slot(x);
		d->fd = fd;
		d->ino = st->st_ino;
		d->marked = false;
		set_path(d, path);
	} else {
		close(fd);
	}
	memcpy(d->times, times, sizeof(d->times));
	d->dirty = true;
	d->stamp = ++x->clock;
	dirs_inherits(d, st);
	return d;
}

struct dir *dirs_get(struct extractor *x, const char *path, int *ret_errno)
{
	struct stat st;
	struct dir *d;
	int fd;

	for (size_t i = 0; i < DIRS_MAX; i++) {
		d = &x->dirs[i];
		if (d->fd >= 0 && strcmp(d->path, path) == 0) {
			d->stamp = ++x->clock;
			return d;
		}
	}
	fd = path_try_open_in_root(x->o.root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fstat(fd, &st) < 0) {
		*ret_errno = fd < 0 ? -fd : errno;
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	{
		struct timespec times[2] = { st.st_atim, st.st_mtim };
		bool dirty = false;

		for (size_t i = 0; i < DIRS_MAX; i++) {
			if (x->dirs[i].fd < 0 || x->dirs[i].ino != st.st_ino)
				continue;
			memcpy(times, x->dirs[i].times, sizeof(times));
			dirty = x->dirs[i].dirty;
			break;
		}
		d = free_slot(x);
		d->fd = fd;
		d->ino = st.st_ino;
		d->dirty = dirty;
		d->marked = false;
		d->stamp = ++x->clock;
		memcpy(d->times, times, sizeof(times));
		set_path(d, path);
		dirs_inherits(d, &st);
	}
	return d;
}

int dirs_flush(struct extractor *x, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < DIRS_MAX; i++)
		if (close_dir(&x->dirs[i], e) < 0)
			r = -1;
	return r;
}

/* The deepest directory on the way to PATH that is there; *ret_len: how much of PATH it is. Found
 * by halving: an entry may have two thousand parents. */
static struct dir *deepest(struct extractor *x, const char *path, size_t *ret_len, struct error *e)
{
	size_t low = 0, high = strlen(path);
	char buf[PATH_MAX];
	struct dir *d;
	int err;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int fd;

		/* A component's end in (low, high), if there is one. */
		while (mid > low && path[mid] != '/')
			mid--;
		if (mid == low) {
			mid = low + (high - low) / 2;
			while (mid < high && (path[mid] != '/' || mid == low))
				mid++;
			if (mid == high)
				break;
		}
		memcpy(buf, path, mid);
		buf[mid] = 0;
		fd = path_try_open_in_root(x->o.root_fd, buf, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0) {
			close(fd);
			low = mid;
		} else if (fd == -ENOENT) {
			high = mid;
		} else {
			err_sys(e, -fd, "open directory /%s", buf);
			return NULL;
		}
	}
	memcpy(buf, path, low);
	buf[low] = 0;
	*ret_len = low;
	d = dirs_get(x, buf, &err);
	if (!d)
		err_sys(e, err, "open directory /%s", buf);
	return d;
}

int dirs_count(struct extractor *x, size_t made, struct error *e)
{
	x->r.entries += made;
	if (x->r.entries <= x->o.max_entries)
		return 0;
	err_msg(e, "more than the %llu entries allowed in a layer",
		(unsigned long long)x->o.max_entries);
	return err_hint(e, "if you trust the image, raise MRUN_UNPACK_MAX_ENTRIES (for example to "
			   "20000000)");
}

/* NAME in D, which is missing there, or a link to what is missing: PATH then says it all. */
static int make_one(struct extractor *x, const struct dir *d, const char *name, const char *path,
		    struct error *e)
{
	size_t made;
	int fd;

	if (mkdirat(d->fd, name, 0755) == 0) {
		fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dirs_count(x, 1, e) == 0)
			return fd < 0 ? err_sys(e, errno, "open directory /%s", path) : fd;
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (errno != EEXIST)
		return err_sys(e, errno, "make directory /%s", path);
	fd = path_mkdirs_counted_in_root(x->o.root_fd, path, 0755, &made, e);
	if (fd < 0)
		return -1;
	close(fd);
	return dirs_count(x, made, e) < 0
		       ? -1
		       : path_open_in_root(x->o.root_fd, path, O_RDONLY | O_DIRECTORY, 0, e);
}

struct dir *dirs_make(struct extractor *x, const char *path, struct error *e)
{
	static const struct timespec epoch[2];
	size_t have, full = strlen(path);
	struct dir *d = deepest(x, path, &have, e);
	char buf[PATH_MAX];

	if (!d)
		return NULL;
	/* It gets its times back later. */
	d->dirty = true;
	while (have < full) {
		size_t start = have + (path[have] == '/'), end = start + strcspn(path + start, "/");
		struct stat st;
		int fd;

		memcpy(buf, path, end);
		buf[end] = 0;
		fd = make_one(x, d, buf + start, buf, e);
		if (fd < 0)
			return NULL;
		if (fstat(fd, &st) < 0 || (!x->o.single && fchown(fd, 0, 0) < 0) ||
		    fchmod(fd, 0755) < 0) {
			err_sys(e, errno, "make directory /%s", buf);
			close(fd);
			return NULL;
		}
		d = dirs_put(x, buf, fd, &st, epoch);
		have = end;
	}
	return d;
}

/* The set: open addressing over 64-bit keys; a key is a directory's inode with a name, or a
 * directory's inode alone. */
static uint64_t make_key(ino_t dir, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull ^ (uint64_t)dir * 0x9e3779b97f4a7c15ull;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
	h ^= h >> 29;
	return h ? h : 1;
}

static bool has_key(const struct touched *t, uint64_t key)
{
	if (t->cap == 0)
		return false;
	for (size_t i = key & (t->cap - 1); t->keys[i]; i = (i + 1) & (t->cap - 1))
		if (t->keys[i] == key)
			return true;
	return false;
}

static void add_key(struct extractor *x, uint64_t key)
{
	struct touched *t = &x->touched;
	size_t i;

	if (t->n * 2 >= t->cap) {
		struct touched bigger = { NULL, 0, t->cap ? t->cap * 2 : 1024 };

		bigger.keys = ARENA_ARRAY(x->a, bigger.cap, uint64_t);
		for (size_t k = 0; k < t->cap; k++) {
			if (!t->keys[k])
				continue;
			for (i = t->keys[k] & (bigger.cap - 1); bigger.keys[i];
			     i = (i + 1) & (bigger.cap - 1))
				;
			bigger.keys[i] = t->keys[k];
			bigger.n++;
		}
		*t = bigger;
	}
	for (i = key & (t->cap - 1); t->keys[i]; i = (i + 1) & (t->cap - 1))
		if (t->keys[i] == key)
			return;
	t->keys[i] = key;
	t->n++;
}

/* Marks D and the directories above it, up to the root or to one that is marked. */
static int mark_chain(struct extractor *x, struct dir *d, struct error *e)
{
	int fd = d->fd, r = 0;
	struct stat st = { .st_ino = d->ino }, root;

	d->marked = true;
	if (fstat(x->o.root_fd, &root) < 0)
		return err_sys(e, errno, "stat the root directory");
	for (unsigned depth = 0; depth < PATH_MAX; depth++) {
		uint64_t key = make_key(st.st_ino, "");
		int up;

		if (has_key(&x->touched, key))
			break;
		add_key(x, key);
		if (st.st_ino == root.st_ino)
			break;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd != d->fd)
			close(fd);
		fd = up;
		if (fd < 0 || fstat(fd, &st) < 0) {
			r = err_sys(e, errno, "go up from directory /%s", d->path);
			break;
		}
	}
	if (fd >= 0 && fd != d->fd)
		close(fd);
	return r;
}

int touched_mark(struct extractor *x, struct dir *d, const char *name, struct error *e)
{
	if (x->o.form != EXTRACT_APPLY || x->o.bottom)
		return 0;
	if (!d->marked && mark_chain(x, d, e) < 0)
		return -1;
	add_key(x, make_key(d->ino, name));
	return 0;
}

bool touched_has(struct extractor *x, ino_t dir, const char *name, const struct stat *st)
{
	/* Nothing else can have made it. */
	if (x->o.bottom)
		return true;
	return has_key(&x->touched, make_key(dir, name)) ||
	       (S_ISDIR(st->st_mode) && has_key(&x->touched, make_key(st->st_ino, "")));
}
