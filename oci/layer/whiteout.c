/*
 * See extractor.h: the entries that take away (image-spec, layer.md, "Whiteouts"). They only ever
 * take away what lower layers have: what the same layer wrote stays, also when the whiteout comes
 * late. A name that would mean the directory itself or its parent is refused; overlayfs's own form
 * of a whiteout, brought by a layer, is left out by extract.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/layer/extractor.h"

bool whiteout_is(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int whiteout_set_opaque(int fd, struct error *e)
{
	if (fsetxattr(fd, EXTRACT_OPAQUE_XATTR, "y", 1, 0) == 0)
		return 0;
	err_sys(e, errno, "mark the directory opaque (%s)", EXTRACT_OPAQUE_XATTR);
	if (e->code == EOPNOTSUPP)
		err_hint(e, "the file system of the cache takes no user.* extended attributes; put "
			    "XDG_CACHE_HOME on another one");
	return -1;
}

static int remove_lower(struct extractor *x, int fd, ino_t ino, const char *name, unsigned depth,
			struct error *e);

/* Removes from directory FD (which is consumed) what this layer did not make, and gives the
 * directory TIMES. */
static int remove_children(struct extractor *x, int fd, const struct timespec times[2],
			   unsigned depth, struct error *e)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	struct stat st;
	int r = 0, err = 0;

	if (!d || fstat(fd, &st) < 0) {
		err_sys(e, errno, "open what is whited out");
		if (d)
			closedir(d);
		else
			close(fd);
		return -1;
	}
	while (r == 0 && (de = dir_next(d, &err)))
		r = remove_lower(x, fd, st.st_ino, de->d_name, depth, e);
	if (r == 0 && err)
		r = err_sys(e, err, "read what is whited out");
	if (r == 0 && futimens(fd, times) < 0)
		r = err_sys(e, errno, "set the times");
	closedir(d);
	return r;
}

/* Removes NAME of directory FD unless this layer made it; of a directory that it made or wrote
 * into, what is in there and is not its own. */
static int remove_lower(struct extractor *x, int fd, ino_t ino, const char *name, unsigned depth,
			struct error *e)
{
	struct stat st;
	int sub;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat what is whited out");
	if (!touched_has(x, ino, name, &st))
		return file_remove_tree(fd, name, e);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth > PATH_MAX)
		return err_sys(e, ELOOP, "white out");
	sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return err_sys(e, errno, "open what is whited out");
	return remove_children(x, sub, (const struct timespec[2]){ st.st_atim, st.st_mtim },
			       depth + 1, e);
}

/* EXTRACT_APPLY: removes TARGET from D, or all that is in it when TARGET is NULL. */
static int remove_from(struct extractor *x, struct dir *d, const char *target, struct error *e)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct timespec times[2];
	ino_t ino = d->ino;

	if (fd < 0)
		return err_sys(e, errno, "open the directory");
	memcpy(times, d->times, sizeof(times));
	/* Closes D, after which nothing that is removed is remembered as a path. */
	if (dirs_flush(x, e) < 0) {
		close(fd);
		return -1;
	}
	if (!target)
		return remove_children(x, fd, times, 0, e);
	r = remove_lower(x, fd, ino, target, 0, e);
	if (r == 0 && futimens(fd, times) < 0)
		r = err_sys(e, errno, "set the times");
	close(fd);
	return r;
}

/* EXTRACT_LAYER: leaves the mark for overlayfs. */
static int mark_whiteout(struct dir *d, const char *target, struct error *e)
{
	struct stat st;

	d->dirty = true;
	if (fstatat(d->fd, target, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		_cleanup_fd_ int fd = -1;

		/* This layer has something of that name already: that stays, but a directory
		 * hides what the lower layers have in theirs. */
		if (!S_ISDIR(st.st_mode))
			return 0;
		fd = openat(d->fd, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? err_sys(e, errno, "open the directory")
			      : whiteout_set_opaque(fd, e);
	}
	/* Linux lets a user namespace make this one device (mknod(2), since 5.8). */
	if (mknodat(d->fd, target, S_IFCHR, makedev(0, 0)) < 0)
		return err_sys(e, errno, "make an overlay whiteout");
	return 0;
}

int whiteout_apply(struct extractor *x, const char *parent, const char *base, struct error *e)
{
	bool opaque = str_eq(base, EXTRACT_OPAQUE);
	const char *target = base + strlen(EXTRACT_WHITEOUT_PREFIX);
	struct dir *d;
	int err = 0;

	if (!opaque && (!*target || str_eq(target, ".") || str_eq(target, "..")))
		return err_msg(e, "the whiteout names no entry of its directory");
	/* overlayfs merges the layers' root directories whatever they are marked as. */
	if (opaque && !*parent && x->o.form == EXTRACT_LAYER && !x->o.bottom)
		return EXTRACT_NEEDS_LOWER;
	d = dirs_get(x, parent, &err);
	if (!d) {
		if (dirs_needs_lower(x, err))
			return EXTRACT_NEEDS_LOWER;
		if (err == ENOENT || err == ENOTDIR) {
			/* Nothing is there to be hidden. */
			x->r.independent = false;
			return 0;
		}
		return err_sys(e, err, "open directory /%s", parent);
	}
	if (x->o.form == EXTRACT_LAYER) {
		if (!opaque)
			return mark_whiteout(d, target, e);
		if (!*parent) {
			x->r.independent = false;
			return 0;
		}
		return whiteout_set_opaque(d->fd, e);
	}
	return remove_from(x, d, opaque ? NULL : target, e);
}
