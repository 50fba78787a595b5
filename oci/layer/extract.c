/*
 * See extract.h. In order for each entry: its name is cleaned by text, its parent directory is
 * opened inside the root (dirs.c), and what it describes is made there by name, never through a
 * link in the last component; then its attributes (attributes.c) and times. Files are written by
 * the descriptor that made them with O_EXCL. What the entry replaces is removed first, without
 * following links. A hard link's target is looked up inside the root in the same way.
 */
#include "oci/layer/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/layer/extractor.h"

/* Splits the cleaned PATH in place; returns the last component. */
static char *split(char *path, const char **ret_parent)
{
	char *slash = strrchr(path, '/');

	if (!slash) {
		*ret_parent = "";
		return path;
	}
	*slash = 0;
	*ret_parent = path;
	return slash + 1;
}

/* Removes what is at BASE. Where paths may have led through it, all directories are closed first,
 * so D is looked up again. */
static int make_room(struct extractor *x, struct dir **d, const char *parent, const char *base,
		     struct error *e)
{
	struct timespec times[2];
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int err;

	if (fstatat((*d)->fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat what is replaced");
	if (!S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return unlinkat((*d)->fd, base, 0) < 0
			       ? err_sys(e, errno, "remove what is replaced")
			       : 0;
	memcpy(times, (*d)->times, sizeof(times));
	fd = openat((*d)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open directory /%s", parent);
	if (dirs_flush(x, e) < 0 || file_remove_tree(fd, base, e) < 0)
		return -1;
	*d = dirs_get(x, parent, &err);
	if (!*d)
		return err_sys(e, err, "open directory /%s", parent);
	memcpy((*d)->times, times, sizeof(times));
	(*d)->dirty = true;
	return 0;
}

static int write_data(struct extractor *x, int fd, uint64_t size, struct error *e)
{
	uint64_t end = 0, off;
	const void *p;
	size_t len;
	int r;

	while ((r = tar_data(x->tar, &p, &len, &off, e)) > 0) {
		if (off > size || len > size - off)
			return err_msg(e, "read the tar: more data than the entry's size");
		x->r.bytes += len;
		if (x->r.bytes > x->o.max_bytes) {
			err_msg(e, "write: more than the %llu bytes allowed for an image",
				(unsigned long long)x->o.max_bytes);
			return err_hint(e, "if you trust the image, raise MRUN_UNPACK_MAX_BYTES "
					   "(for example to 200g)");
		}
		end = off + len;
		while (len) {
			ssize_t n = pwrite(fd, p, len, (off_t)off);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return err_sys(e, errno, "write");
			p = (const char *)p + n;
			len -= (size_t)n;
			off += (uint64_t)n;
		}
	}
	if (r < 0)
		return -1;
	/* A hole at the end. */
	if (end < size && (size > INT64_MAX || ftruncate(fd, (off_t)size) < 0))
		return err_sys(e, size > INT64_MAX ? EFBIG : errno, "set the size to %llu bytes",
			       (unsigned long long)size);
	return 0;
}

static int make_file(struct extractor *x, struct dir *d, const char *parent, const char *base,
		     const struct tar_entry *t, struct error *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct timespec times[2] = { t->atime, t->mtime };
	_cleanup_fd_ int fd = openat(d->fd, base, flags, t->mode & 0777);

	if (fd < 0 && errno == EEXIST) {
		if (make_room(x, &d, parent, base, e) < 0)
			return -1;
		fd = openat(d->fd, base, flags, t->mode & 0777);
	}
	if (fd < 0)
		return err_sys(e, errno, "create the file");
	if ((t->size > 0 && write_data(x, fd, t->size, e) < 0) ||
	    attributes_apply_fd(x, fd, d, t, true, e) < 0)
		return -1;
	if (futimens(fd, times) < 0)
		return err_sys(e, errno, "set the times");
	return 0;
}

static int make_dir(struct extractor *x, struct dir *d, const char *parent, const char *base,
		    const char *path, const struct tar_entry *t, struct error *e)
{
	struct timespec times[2] = { t->atime, t->mtime };
	bool fresh = true, replaced = false;
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (mkdirat(d->fd, base, t->mode & 0777) < 0) {
		if (errno != EEXIST)
			return err_sys(e, errno, "make the directory");
		fd = openat(d->fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			fresh = false;
		} else if (errno != ENOTDIR && errno != ELOOP) {
			return err_sys(e, errno, "open the directory");
		} else {
			replaced = true;
			if (make_room(x, &d, parent, base, e) < 0)
				return -1;
			if (mkdirat(d->fd, base, t->mode & 0777) < 0)
				return err_sys(e, errno, "make the directory");
		}
	}
	if (fd < 0)
		fd = openat(d->fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the directory");
	/* What was there, a file or a whiteout, hid the lower layers' directory: so must this. */
	if (replaced && x->o.form == EXTRACT_LAYER && whiteout_set_opaque(fd, e) < 0)
		return -1;
	if (attributes_apply_fd(x, fd, d, t, fresh, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat the directory");
	dirs_put(x, path, fd_take(&fd), &st, times);
	return 0;
}

static int make_link(struct extractor *x, struct dir *d, const char *parent, const char *base,
		     const struct tar_entry *t, struct error *e)
{
	struct stat st, old;
	const char *target_parent, *target;
	struct dir *from;
	int err = ENOENT;

	if (!tar_clean_name(t->link, x->link, sizeof(x->link)))
		return err_sys(e, ENAMETOOLONG, "link to %s", tar_quote(x->a, t->link));
	if (!*x->link)
		return err_msg(e, "link to the root directory");
	target = split(x->link, &target_parent);
	from = dirs_get(x, target_parent, &err);
	if (from)
		err = fstatat(from->fd, target, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno
		      : x->o.form == EXTRACT_LAYER && whiteout_is(&st)	      ? ENOENT
									      : 0;
	if (!from || err)
		return dirs_needs_lower(x, err)
			       ? EXTRACT_NEEDS_LOWER
			       : err_sys(e, err, "link to %s", tar_quote(x->a, t->link));
	if (fstatat(d->fd, base, &old, AT_SYMLINK_NOFOLLOW) == 0) {
		if (old.st_ino == st.st_ino && old.st_dev == st.st_dev)
			return 0;
		if (make_room(x, &d, parent, base, e) < 0)
			return -1;
		from = dirs_get(x, target_parent, &err);
		if (!from)
			return err_sys(e, err, "link to %s", tar_quote(x->a, t->link));
	}
	if (linkat(from->fd, target, d->fd, base, 0) < 0)
		return err_sys(e, errno, "link to %s", tar_quote(x->a, t->link));
	return 0;
}

static int make_special(struct extractor *x, struct dir *d, const char *parent, const char *base,
			const struct tar_entry *t, struct error *e)
{
	static const mode_t types[] = {
		[TAR_CHAR] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO
	};
	bool device = t->type == TAR_CHAR || t->type == TAR_BLOCK;
	dev_t dev = device ? makedev(t->dev_major, t->dev_minor) : 0;
	struct stat st;

	/* 0:0 is overlayfs's whiteout: a layer that brings one means to hide what it may not. */
	if (device && (x->o.userns || dev == makedev(0, 0))) {
		x->r.devices++;
		return 0;
	}
	if (fstatat(d->fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    make_room(x, &d, parent, base, e) < 0)
		return -1;
	if (t->type == TAR_SYMLINK
		    ? symlinkat(t->link, d->fd, base) < 0
		    : mknodat(d->fd, base, types[t->type] | (t->mode & 0777), dev) < 0)
		return err_sys(e, errno, "make the %s",
			       t->type == TAR_SYMLINK ? "symbolic link" : "special file");
	return attributes_apply_at(x, d, base, t, e);
}

static int apply_root(struct extractor *x, const struct tar_entry *t, struct error *e)
{
	struct timespec times[2] = { t->atime, t->mtime };
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (t->type != TAR_DIR)
		return err_msg(e, "the root must be a directory");
	fd = openat(x->o.root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the root directory");
	if (attributes_apply_fd(x, fd, NULL, t, false, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat the root directory");
	x->r.root_given = true;
	dirs_put(x, "", fd_take(&fd), &st, times);
	return 0;
}

/* The entry's parent, made if need be. 0, EXTRACT_NEEDS_LOWER, -1. */
static int find_parent(struct extractor *x, const char *parent, struct dir **ret, struct error *e)
{
	int err;

	*ret = dirs_get(x, parent, &err);
	if (*ret)
		return 0;
	if (dirs_needs_lower(x, err))
		return EXTRACT_NEEDS_LOWER;
	if (err != ENOENT)
		return err_sys(e, err, "open directory /%s", tar_quote(x->a, parent));
	x->r.independent = false;
	*ret = dirs_make(x, parent, e);
	return *ret ? 0 : -1;
}

/* aufs's own directories and what is in them (.wh..wh.plnk/1.2) are no content. */
static bool is_aufs(const char *name)
{
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (str_has_prefix(p, EXTRACT_WHITEOUT_PREFIX EXTRACT_WHITEOUT_PREFIX) &&
		    !str_eq(p, EXTRACT_OPAQUE))
			return true;
	}
	return false;
}

static int apply(struct extractor *x, const struct tar_entry *t, struct error *e)
{
	char path[PATH_MAX], *base;
	const char *parent;
	struct dir *d = NULL;
	int r;

	if (!tar_clean_name(t->name, x->name, sizeof(x->name)))
		return err_sys(e, ENAMETOOLONG, "make the path");
	if (!*x->name)
		return apply_root(x, t, e);
	if (is_aufs(x->name))
		return 0;
	memcpy(path, x->name, strlen(x->name) + 1);
	base = split(x->name, &parent);
	if (str_has_prefix(base, EXTRACT_WHITEOUT_PREFIX))
		return whiteout_apply(x, parent, base, e);
	r = find_parent(x, parent, &d, e);
	if (r != 0 || !d)
		return r;
	d->dirty = true;
	if (touched_mark(x, d, base, e) < 0)
		return -1;
	switch (t->type) {
	case TAR_FILE:
		return make_file(x, d, parent, base, t, e);
	case TAR_DIR:
		return make_dir(x, d, parent, base, path, t, e);
	case TAR_HARDLINK:
		return make_link(x, d, parent, base, t, e);
	default:
		return make_special(x, d, parent, base, t, e);
	}
}

/* 0, EXTRACT_NEEDS_LOWER, -1. */
static int apply_all(struct extractor *x, struct error *e)
{
	struct tar_entry entry;
	int r;

	while ((r = tar_next(x->tar, &entry, e)) > 0) {
		if (dirs_count(x, 1, e) < 0)
			return -1;
		r = apply(x, &entry, e);
		if (r < 0)
			return err_wrap(e, "entry %s", tar_quote(x->a, entry.name));
		if (r > 0)
			return r;
	}
	return r;
}

int extract_run(struct arena *a, struct tar *t, const struct extract_options *o,
		struct extract_result *ret, struct error *e)
{
	struct extractor *x = ARENA_NEW(a, struct extractor);
	struct error ignored;
	int r;

	x->a = a;
	x->tar = t;
	x->o = *o;
	x->r.independent = true;
	for (size_t i = 0; i < DIRS_MAX; i++)
		x->dirs[i].fd = -1;
	r = apply_all(x, e);
	if (dirs_flush(x, r == 0 ? e : &ignored) < 0 && r == 0)
		r = -1;
	if (r == 0)
		*ret = x->r;
	return r;
}
