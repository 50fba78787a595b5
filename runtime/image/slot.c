/* See slot.h. The order of taking: open or make run/<n>, lock it without waiting, see whether it is
 * kept, empty it, give u the uppermost layer's attributes. */
#include "runtime/image/slot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/image/cache.h"
#include "runtime/image/layers.h"
#include "runtime/image/output_log.h"

#define MAX_SLOTS 100000
#define KEEP_FILE "keep"

/* Empties a directory as far as the caller may. 1: it is as if new; 0: not; -errno. */
static int empty(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct error ignored;
	struct dirent *d;
	DIR *dir;
	int clean = 1, err;

	if (fd < 0)
		return -errno;
	/* Attributes that a container gave to its / (an ACL) are not for the next one. */
	if (flistxattr(fd, NULL, 0) > 0)
		clean = 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((d = dir_next(dir, &err)))
		if (file_remove_tree(fd, d->d_name, &ignored) < 0)
			clean = 0;
	closedir(dir);
	if (err)
		return -err;
	if (!clean && unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return -ENOENT;
	return clean;
}

/* Makes a directory of the mapped root's. The caller is that user, or root. One that is there may
 * be of a run that was killed before it could give it away. */
static int make_dir(int dirfd, const char *name, const struct idmap *m, struct error *e)
{
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the directory %s", name);
	if (self_uid() == 0 && fchownat(dirfd, name, (uid_t)idmap_host_uid(m, 0),
					(gid_t)idmap_host_gid(m, 0), AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "give %s to the container's root", name);
	return 0;
}

/* The state directory in `keep`: 1; 0: there is none; -1: nobody knows. */
static int kept_for(struct arena *a, int slot_fd, char **ret)
{
	struct error e;

	err_clear(&e);
	if (file_read(a, slot_fd, KEEP_FILE, 8192, ret, NULL, &e) == 0)
		return 1;
	return e.code == ENOENT || !e.code ? 0 : -1;
}

/* What cannot be looked at may be somebody's. */
static bool is_kept(struct arena *a, int slot_fd)
{
	struct stat st;
	char *dir;
	int r = kept_for(a, slot_fd, &dir);

	if (r <= 0 || *dir != '/')
		return r < 0;
	return stat(dir, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* u and w as a container needs them: there, and u empty. What the kernel keeps in w (one empty
 * directory that a later mount cleans) stays. u is made last: where it is, all is there, and only
 * its own owner may be wrong yet (copy_attributes). */
static int prepare(struct arena *a, int slot_fd, const struct idmap *m, struct error *e)
{
	int r = empty(slot_fd, "u");

	if (r == 0) {
		if (layers_remove_tree(a, slot_fd, "u", m, e) < 0 ||
		    layers_remove_tree(a, slot_fd, "w", m, e) < 0)
			return -1;
		r = -ENOENT;
	}
	if (r == 1)
		return 0;
	if (r != -ENOENT)
		return err_sys(e, -r, "open the directory u");
	return make_dir(slot_fd, ".", m, e) < 0 || make_dir(slot_fd, "w", m, e) < 0
		       ? -1
		       : make_dir(slot_fd, "u", m, e);
}

/* The root of the merged tree is u: it gets what the image's root directory has. */
static int copy_attributes(int cache_fd, const char *top, int slot_fd, struct error *e)
{
	_cleanup_fd_ int u = openat(slot_fd, "u", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat from, to;

	if (u < 0)
		return err_sys(e, errno, "open the directory u");
	if (fstatat(cache_fd, top, &from, AT_SYMLINK_NOFOLLOW) < 0 || fstat(u, &to) < 0)
		return err_sys(e, errno, "stat %s", top);
	if (from.st_uid != to.st_uid || from.st_gid != to.st_gid) {
		/* As a user this works for the own ids only; another owner of / is rare. */
		if (fchown(u, from.st_uid, from.st_gid) < 0 && self_uid() == 0)
			return err_sys(e, errno, "set the owner of the container's /");
	}
	if ((from.st_mode ^ to.st_mode) & 07777 && fchmod(u, from.st_mode & 07777) < 0)
		return err_sys(e, errno, "set the mode of the container's /");
	if (from.st_mtim.tv_sec != to.st_mtim.tv_sec ||
	    from.st_mtim.tv_nsec != to.st_mtim.tv_nsec) {
		const struct timespec times[2] = { from.st_atim, from.st_mtim };

		futimens(u, times);
	}
	return 0;
}

/* Half of it names no directory, and so keeps nothing: no need for a second file and a rename. */
static int write_keep(int slot_fd, const char *dir, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(slot_fd, KEEP_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "mark the container's directory as its own");
	if (file_write_all(fd, dir, strlen(dir), KEEP_FILE, e) == 0)
		return 0;
	unlinkat(slot_fd, KEEP_FILE, 0);
	return -1;
}

static int try_slot(struct arena *a, int cache_fd, const char *name, const char *keep,
		    const struct idmap *m, bool *busy, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(cache_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		if (make_dir(cache_fd, "run", m, e) < 0 || make_dir(cache_fd, name, m, e) < 0)
			return -1;
		fd = openat(cache_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, errno, "open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		*busy = errno == EWOULDBLOCK;
		return err_sys(e, errno, "lock %s", name);
	}
	if (faccessat(fd, KEEP_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		*busy = is_kept(a, fd);
		if (*busy)
			return -1;
		output_log_remove(fd);
		unlinkat(fd, KEEP_FILE, 0);
	} else if (errno != ENOENT) {
		return err_sys(e, errno, "look whose %s is", name);
	}
	if (prepare(a, fd, m, e) < 0)
		return err_wrap(e, "prepare the container's directory %s", name);
	if (keep && write_keep(fd, keep, e) < 0)
		return -1;
	return fd_take(&fd);
}

int slot_take(struct arena *a, int cache_fd, const char *top, const struct idmap *m,
	      const char *keep, struct slot *ret, struct error *e)
{
	*ret = (struct slot){ .fd = -1, .cache_fd = cache_fd };
	for (unsigned i = 0; i < MAX_SLOTS; i++) {
		char *name = arena_printf(a, "run/%u", i);
		bool busy = false;
		int fd = try_slot(a, cache_fd, name, keep, m, &busy, e);

		if (fd < 0 && busy) {
			err_clear(e);
			continue;
		}
		if (fd < 0)
			return -1;
		if (copy_attributes(cache_fd, top, fd, e) < 0) {
			if (keep)
				unlinkat(fd, KEEP_FILE, 0);
			close(fd);
			return -1;
		}
		ret->fd = fd;
		ret->name = name;
		return 0;
	}
	return err_msg(e, "%d containers run already", MAX_SLOTS);
}

const char *slot_path(struct arena *a, const struct slot *s, struct error *e)
{
	char buf[4096];
	ssize_t n = readlink(path_of_fd(s->fd), buf, sizeof(buf) - 1);

	if (n <= 0) {
		err_sys(e, errno, "find the container's directory");
		return NULL;
	}
	return arena_strndup(a, buf, (size_t)n);
}

/* `keep` last: whoever finds it removes the rest as well. */
static int clear_once(struct arena *a, int fd, const struct idmap *m, bool kept)
{
	struct error ignored;

	if (prepare(a, fd, m, &ignored) < 0)
		return -1;
	if (!kept)
		return 0;
	if (output_log_remove(fd) < 0)
		return -1;
	return unlinkat(fd, KEEP_FILE, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* What went wrong once may not the second time; else whoever takes the slot next does it. */
static void clear(struct arena *a, int fd, const struct idmap *m, bool kept)
{
	for (int i = 0; i < 2; i++)
		if (clear_once(a, fd, m, kept) == 0)
			break;
}

void slot_release(struct arena *a, struct slot *s, const struct idmap *m, enum slot_stays stays)
{
	if (s->fd < 0)
		return;
	if (stays != SLOT_FILES)
		clear(a, s->fd, m,
		      stays == SLOT_NOTHING &&
			      (faccessat(s->fd, KEEP_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			       errno != ENOENT));
	close(s->fd);
	s->fd = -1;
}

/* -1: try again. */
static int forget_once(struct arena *a, const char *path, const char *keep)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? errno : 0;
	char **parts = str_split(a, path, '/'), *mine;
	size_t n = str_list_len(parts);
	struct idmap m;

	if (fd < 0)
		return r == ENOENT ? 0 : -1;
	/* …/MAPPING/run/N */
	if (n < 3 || !cache_parse_key(a, parts[n - 3], &m))
		return 0;
	/* One that is locked was given to another run already. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -1;
	r = kept_for(a, fd, &mine);
	return r > 0 && str_eq(mine, keep) ? clear_once(a, fd, &m, true) : r;
}

void slot_forget(struct arena *a, const char *path, const char *keep)
{
	for (int i = 0; i < 2; i++)
		if (forget_once(a, path, keep) == 0)
			break;
}
