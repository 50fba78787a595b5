/* See path.h. The attack this file stops: an image or a running container that plants or swaps
 * symbolic links on the way of a path that mrun opens (CVE-2021-30465, CVE-2024-45310 and kin). */
#include "oci/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

#define MAX_LINKS 40

/* The walk for kernels without openat2: a stack of opened directories, so that ".." goes where we
 * came from and not where a renamed directory now lies. */
struct walk {
	int fds[256];
	size_t n;
};

static void walk_free(struct walk *w)
{
	while (w->n > 0)
		close(w->fds[--w->n]);
}

static int walk_step(struct walk *w, const char *name, int flags, mode_t mode, bool last,
		     char *link)
{
	int top = w->fds[w->n - 1], fd;
	ssize_t n;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (name[1] && w->n > 1)
			close(w->fds[--w->n]);
		return 0;
	}
	n = readlinkat(top, name, link, PATH_MAX);
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (n >= 0 && !(last && (flags & O_NOFOLLOW))) {
		link[n] = 0;
		return 1;
	}
	if (w->n == sizeof(w->fds) / sizeof(w->fds[0]))
		return -ENAMETOOLONG;
	fd = last ? openat(top, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
		  : openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	w->fds[w->n++] = fd;
	return 0;
}

static int walk_open(int rootfd, const char *path, int flags, mode_t mode)
{
	struct walk w = { .n = 0 };
	char rest[2 * PATH_MAX + 2], name[NAME_MAX + 1], link[PATH_MAX + 1];
	int links = 0, r = 0;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(rest, path);
	w.fds[w.n++] = openat(rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.fds[0] < 0)
		return -errno;
	for (;;) {
		char *p = rest + strspn(rest, "/");
		size_t len = strcspn(p, "/");
		bool last = p[len + strspn(p + len, "/")] == 0;

		if (len == 0)
			break;
		if (len > NAME_MAX) {
			r = -ENAMETOOLONG;
			break;
		}
		memcpy(name, p, len);
		name[len] = 0;
		r = walk_step(&w, name, flags, mode, last && p[len] == 0, link);
		if (r < 0)
			break;
		if (r == 1) {
			size_t n = strlen(link), tail = strlen(p + len);

			if (++links > MAX_LINKS || n + tail >= sizeof(rest)) {
				r = -ELOOP;
				break;
			}
			while (link[0] == '/' && w.n > 1)
				close(w.fds[--w.n]);
			memmove(rest + n, p + len, tail + 1);
			memcpy(rest, link, n);
			continue;
		}
		memmove(rest, p + len, strlen(p + len) + 1);
	}
	if (r >= 0) {
		/* A path that ended in "..", "." or "/" left a directory on top of the stack. */
		r = fcntl(w.fds[w.n - 1], F_GETFL) & O_PATH && !(flags & O_PATH)
			    ? openat(w.fds[w.n - 1], ".", flags | O_CLOEXEC, mode)
			    : fcntl(w.fds[w.n - 1], F_DUPFD_CLOEXEC, 0);
		if (r < 0)
			r = -errno;
	}
	walk_free(&w);
	return r;
}

int path_try_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	static bool missing;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	if (!*path)
		path = ".";
	for (int tries = 0; !missing && tries < 64; tries++) {
		long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS || errno == EPERM) {
			/* Some seccomp profiles answer EPERM for a call they do not know. */
			struct open_how probe = { .flags = O_PATH | O_CLOEXEC };

			if (errno == EPERM && (fd = syscall(SYS_openat2, AT_FDCWD, ".", &probe,
							    sizeof(probe))) >= 0) {
				close((int)fd);
				return -EPERM;
			}
			missing = true;
			break;
		}
		/* Something was renamed while ".." was resolved: the kernel asks to try again. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	if (!missing)
		return -EAGAIN;
	return walk_open(rootfd, path, flags, mode);
}

int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct error *e)
{
	int fd = path_try_open_in_root(rootfd, path, flags, mode);

	if (fd < 0)
		return err_sys(e, -fd, "open %s in the container's root", path);
	return fd;
}

static int mknod_or_mkdir(int parent, const char *name, bool dir, mode_t mode)
{
	return dir ? mkdirat(parent, name, mode) : mknodat(parent, name, S_IFREG | mode, 0);
}

/* Makes the last component of PATH; its parent exists. A dangling link is replaced by its text in
 * REST by the caller. */
static int make_one(int rootfd, char *prefix, bool dir, mode_t mode)
{
	char *slash = strrchr(prefix, '/');
	const char *name = slash ? slash + 1 : prefix;
	_cleanup_fd_ int parent = -1;

	if (slash) {
		*slash = 0;
		parent = path_try_open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
		*slash = '/';
	} else {
		parent = path_try_open_in_root(rootfd, ".", O_PATH | O_DIRECTORY, 0);
	}
	if (parent < 0)
		return parent;
	return mknod_or_mkdir(parent, name, dir, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

/* If PREFIX (inside the root) is a link, writes where it points to, as seen from the root, into OUT
 * (PATH_MAX) and returns true. */
static bool dangling(int rootfd, const char *prefix, char *out)
{
	_cleanup_fd_ int fd = path_try_open_in_root(rootfd, prefix, O_PATH | O_NOFOLLOW, 0);
	char link[PATH_MAX];
	const char *slash = strrchr(prefix, '/');
	ssize_t n;
	int len;

	if (fd < 0)
		return false;
	n = readlinkat(fd, "", link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = 0;
	if (link[0] == '/' || !slash)
		len = snprintf(out, PATH_MAX, "%s", link);
	else
		len = snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - prefix), prefix, link);
	return len > 0 && len < PATH_MAX;
}

/* The usual case: only the last component of PATH is missing. -1 where it is not so simple. */
static int make_last(int rootfd, char *path, bool dir, mode_t mode)
{
	char *slash = strrchr(path, '/');
	_cleanup_fd_ int parent = -1;

	if (!slash || !slash[1] || str_eq(slash + 1, ".") || str_eq(slash + 1, ".."))
		return -1;
	*slash = 0;
	parent = path_try_open_in_root(rootfd, path, O_PATH | O_DIRECTORY, 0);
	*slash = '/';
	/* Made by us, so no link; who swaps one in now is not followed. */
	if (parent < 0 || mknod_or_mkdir(parent, slash + 1, dir, mode) < 0)
		return -1;
	return openat(parent, slash + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC | (dir ? O_DIRECTORY : 0));
}

static int make_path(int rootfd, const char *path, bool dir, mode_t mode, int links, size_t *made,
		     struct error *e)
{
	char buf[PATH_MAX], target[PATH_MAX];
	size_t len = strlen(path), i = 0;
	int fd = path_try_open_in_root(rootfd, path, O_PATH | (dir ? O_DIRECTORY : 0), 0);

	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return err_sys(e, -fd, "open %s in the container's root", path);
	if (len >= sizeof(buf) || links > MAX_LINKS)
		return err_sys(e, links > MAX_LINKS ? ELOOP : ENAMETOOLONG, "make %s", path);
	memcpy(buf, path, len + 1);
	while (len > 1 && buf[len - 1] == '/')
		buf[--len] = 0;
	fd = make_last(rootfd, buf, dir, mode);
	if (fd >= 0) {
		++*made;
		return fd;
	}
	while (i < len) {
		size_t end;
		bool last;
		char keep;
		int r;

		i += strspn(buf + i, "/");
		end = i + strcspn(buf + i, "/");
		last = buf[end] == 0;
		keep = buf[end];
		buf[end] = 0;
		fd = path_try_open_in_root(rootfd, buf, O_PATH | (dir || !last ? O_DIRECTORY : 0),
					   0);
		if (fd == -ENOENT && dangling(rootfd, buf, target)) {
			fd = make_path(rootfd, target, dir || !last, last ? mode : 0755, links + 1,
				       made, e);
			if (fd < 0)
				return -1;
		} else if (fd == -ENOENT) {
			r = make_one(rootfd, buf, dir || !last, last ? mode : 0755);
			if (r < 0)
				return err_sys(e, -r, "make %s in the container's root", buf);
			++*made;
			fd = path_try_open_in_root(rootfd, buf, O_PATH, 0);
		}
		if (fd < 0)
			return err_sys(e, -fd, "open %s in the container's root", buf);
		buf[end] = keep;
		if (last)
			return fd;
		fd_close(fd);
		i = end;
	}
	return path_open_in_root(rootfd, path, O_PATH, 0, e);
}

int path_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct error *e)
{
	size_t made = 0;

	return make_path(rootfd, path, true, mode, 0, &made, e);
}

int path_mkdirs_counted_in_root(int rootfd, const char *path, mode_t mode, size_t *ret_made,
				struct error *e)
{
	*ret_made = 0;
	return make_path(rootfd, path, true, mode, 0, ret_made, e);
}

int path_make_dir_in_root(int rootfd, const char *path, mode_t mode, bool *ret_made,
			  struct error *e)
{
	size_t made = 0;
	int fd = make_path(rootfd, path, true, mode, 0, &made, e);

	*ret_made = made > 0;
	return fd;
}

int path_mkfile_in_root(int rootfd, const char *path, mode_t mode, struct error *e)
{
	size_t made = 0;

	return make_path(rootfd, path, false, mode, 0, &made, e);
}

int path_open_parent_in_root(struct arena *a, int rootfd, const char *path, bool make,
			     char **ret_name, struct error *e)
{
	char *p = arena_strdup(a, path), *slash;
	size_t n = strlen(p);
	const char *dir;
	int fd;

	while (n > 1 && p[n - 1] == '/')
		p[--n] = 0;
	slash = strrchr(p, '/');
	*ret_name = slash ? slash + 1 : p;
	if (str_eq(*ret_name, "") || str_eq(*ret_name, ".") || str_eq(*ret_name, ".."))
		return err_msg(e, "path %s does not name an entry of a directory", path);
	if (!slash || slash == p) {
		dir = "/";
	} else {
		*slash = 0;
		dir = p;
	}
	fd = make ? path_mkdirs_in_root(rootfd, dir, 0755, e)
		  : path_open_in_root(rootfd, dir, O_PATH | O_DIRECTORY, 0, e);
	return fd;
}

char *path_clean(struct arena *a, const char *path)
{
	size_t n = strlen(path), out = 0;
	char *r = arena_alloc(a, n + 2);

	for (const char *p = path; *p;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 0)
			break;
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (out > 0 && r[--out] != '/')
				;
		} else if (!(len == 1 && p[0] == '.')) {
			r[out++] = '/';
			memcpy(r + out, p, len);
			out += len;
		}
		p += len;
	}
	if (out == 0)
		r[out++] = '/';
	r[out] = 0;
	return r;
}

char *path_join(struct arena *a, const char *dir, const char *rel)
{
	if (rel[0] == '/')
		return arena_strdup(a, rel);
	return arena_printf(a, "%s%s%s", dir, str_has_suffix(dir, "/") ? "" : "/", rel);
}

/* What PATH, opened as FD, is called. */
static char *real_name(struct arena *a, const char *path, int fd, struct error *e)
{
	char buf[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : readlink(path_of_fd(fd), buf, sizeof(buf) - 1);

	/* The kernel has resolved it already; realpath(3) would ask once a component. */
	if (n > 0 && (size_t)n < sizeof(buf) - 1 && buf[0] == '/') {
		struct stat st;

		buf[n] = 0;
		if (!str_has_suffix(buf, " (deleted)") || lstat(buf, &st) == 0)
			return arena_strdup(a, buf);
	}
	if (!realpath(path, buf)) {
		err_sys(e, errno, "resolve %s", path);
		return NULL;
	}
	return arena_strdup(a, buf);
}

char *path_real(struct arena *a, const char *path, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);

	return real_name(a, path, fd, e);
}

char *path_real_dir(struct arena *a, const char *path, int *ret_fd, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	char *real, cwd[PATH_MAX];

	*ret_fd = AT_FDCWD;
	if (str_eq(path, ".") && getcwd(cwd, sizeof(cwd)) && cwd[0] == '/')
		return arena_strdup(a, cwd);
	if (*path == '/' && str_eq(path_clean(a, path), path)) {
		struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
					.resolve = RESOLVE_NO_SYMLINKS };

		*ret_fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
		if (*ret_fd >= 0)
			return arena_strdup(a, path);
		*ret_fd = AT_FDCWD;
	}
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, errno, "open %s", path);
		return NULL;
	}
	real = real_name(a, path, fd, e);
	if (real)
		*ret_fd = fd_take(&fd);
	return real;
}

const char *path_of_fd(int fd)
{
	static _Thread_local char ring[4][32];
	static _Thread_local unsigned next;
	char *s = ring[next++ % 4];

	snprintf(s, sizeof(ring[0]), "/proc/self/fd/%d", fd);
	return s;
}
