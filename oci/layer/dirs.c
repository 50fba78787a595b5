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
	d->setgid = st->st_mode & S_ISGID;
	d->acl = fgetxattr(d->fd, "system.posix_acl_default", NULL, 0) > 0;
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

struct dir *dirs_make(struct extractor *x, const char *path, struct error *e)
{
	static const struct timespec epoch[2];
	char buf[PATH_MAX];
	size_t have = strlen(path), full = have;
	struct dir *d;
	int err, fd;

	memcpy(buf, path, full + 1);
	/* The deepest one that is there gets its times back later. */
	for (;;) {
		d = dirs_get(x, buf, &err);
		if (d)
			break;
		if (err != ENOENT || have == 0) {
			err_sys(e, err, "open directory /%s", path);
			return NULL;
		}
		while (have > 0 && buf[--have] != '/')
			;
		buf[have] = 0;
	}
	d->dirty = true;
	fd = path_mkdirs_in_root(x->o.root_fd, path, 0755, e);
	if (fd < 0)
		return NULL;
	close(fd);
	for (size_t i = have; i < full; i++) {
		struct stat st;
		size_t end = i + (path[i] == '/');

		end += strcspn(path + end, "/");
		memcpy(buf, path, end);
		buf[end] = 0;
		fd = path_try_open_in_root(x->o.root_fd, buf, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0 || fstat(fd, &st) < 0 || (!x->o.single && fchown(fd, 0, 0) < 0) ||
		    fchmod(fd, 0755) < 0) {
			err_sys(e, fd < 0 ? -fd : errno, "make directory /%s", buf);
			if (fd >= 0)
				close(fd);
			return NULL;
		}
		d = dirs_put(x, buf, fd, &st, epoch);
		i = end - 1;
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
static void mark_chain(struct extractor *x, struct dir *d)
{
	int fd = d->fd;
	struct stat st = { .st_ino = d->ino }, root;

	d->marked = true;
	if (fstat(x->o.root_fd, &root) < 0)
		return;
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
		if (fd < 0 || fstat(fd, &st) < 0)
			break;
	}
	if (fd >= 0 && fd != d->fd)
		close(fd);
}

void touched_mark(struct extractor *x, struct dir *d, const char *name)
{
	if (x->o.form != EXTRACT_APPLY)
		return;
	if (!d->marked)
		mark_chain(x, d);
	add_key(x, make_key(d->ino, name));
}

bool touched_has(struct extractor *x, ino_t dir, const char *name, const struct stat *st)
{
	return has_key(&x->touched, make_key(dir, name)) ||
	       (S_ISDIR(st->st_mode) && has_key(&x->touched, make_key(st->st_ino, "")));
}
