/* See file.h. */
#include "oci/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "oci/base/str.h"

#define MAX_PASSED_FDS 64
#define LATER_MAX 512

/* One bit a descriptor. */
static uint64_t later[LATER_MAX / 64];
static bool is_later;

void fd_close(int fd)
{
	if (is_later && fd < LATER_MAX)
		later[fd / 64] |= 1ULL << fd % 64;
	else
		close(fd);
}

void fd_close_later(void)
{
	is_later = true;
}

void fd_close_now(void)
{
	is_later = false;
	for (int fd = 0; fd < LATER_MAX; fd++) {
		int last = fd;

		if (!(later[fd / 64] >> fd % 64)) {
			fd |= 63; /* no more in this word */
			continue;
		}
		if (!(later[fd / 64] & 1ULL << fd % 64))
			continue;
		while (last + 1 < LATER_MAX && later[(last + 1) / 64] & 1ULL << (last + 1) % 64)
			last++;
		if (syscall(SYS_close_range, (unsigned)fd, (unsigned)last, 0U) < 0)
			for (int i = fd; i <= last; i++)
				close(i);
		fd = last;
	}
	memset(later, 0, sizeof(later));
}

int fd_close_others(int first, int *keep, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j && keep[j - 1] > keep[j]; j--) {
			int other = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = other;
		}
	for (size_t i = 0; i <= n; i++) {
		unsigned last = i < n ? (unsigned)keep[i] - 1 : ~0U;

		if (i < n && keep[i] < first)
			continue;
		if ((unsigned)first <= last && syscall(SYS_close_range, first, last, 0U) < 0)
			return -1;
		if (i < n)
			first = keep[i] + 1;
	}
	is_later = false;
	memset(later, 0, sizeof(later));
	return 0;
}

int file_read_known(struct arena *a, int fd, const struct stat *st, const char *name, size_t max,
		    char **ret, size_t *ret_len, struct error *e)
{
	/* procfs says 0 and means that it does not know. */
	bool sized = S_ISREG(st->st_mode) && st->st_size > 0;
	size_t cap = 4096, len = 0;
	char *buf;

	if (sized) {
		if ((uint64_t)st->st_size > max)
			return err_msg(
				e, "read %s: the file has %lld bytes, more than the %zu allowed",
				name, (long long)st->st_size, max);
		cap = (size_t)st->st_size + 1;
	}
	buf = arena_alloc(a, cap + 1);
	for (;;) {
		ssize_t n;

		if (len == cap) {
			char *bigger;

			if (cap > max)
				return err_msg(e, "read %s: more than the %zu bytes allowed", name,
					       max);
			bigger = arena_alloc(a, cap * 2 + 1);
			memcpy(bigger, buf, len);
			buf = bigger;
			cap *= 2;
		}
		n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read %s", name);
		if (n == 0)
			break;
		len += (size_t)n;
		/* It had room for one byte more. */
		if (sized && len == (size_t)st->st_size)
			break;
	}
	if (len > max)
		return err_msg(e, "read %s: more than the %zu bytes allowed", name, max);
	buf[len] = 0;
	*ret = buf;
	if (ret_len)
		*ret_len = len;
	return 0;
}

int file_read_fd(struct arena *a, int fd, const char *name, size_t max, char **ret, size_t *ret_len,
		 struct error *e)
{
	struct stat st = { 0 };

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat %s", name);
	return file_read_known(a, fd, &st, name, max, ret, ret_len, e);
}

int file_read(struct arena *a, int dirfd, const char *path, size_t max, char **ret, size_t *ret_len,
	      struct error *e)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_msg(e, "read %s: not a regular file", path);
	return file_read_known(a, fd, &st, path, max, ret, ret_len, e);
}

int file_read_proc(struct arena *a, const char *path, size_t record, size_t max, char **ret,
		   struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t cap = 4096, len = 0;
	char *buf = arena_alloc(a, cap + 1);

	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	for (;;) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read %s", path);
		len += (size_t)n;
		/* The kernel returns as many whole records as a page of its own holds. */
		if (n == 0 || (len < cap && (size_t)n + record < 4096))
			break;
		if (len == cap) {
			char *bigger = arena_alloc(a, cap * 2 + 1);

			if (cap > max)
				return err_msg(e, "read %s: more than the %zu bytes allowed", path,
					       max);
			memcpy(bigger, buf, len);
			buf = bigger;
			cap *= 2;
		}
	}
	buf[len] = 0;
	*ret = buf;
	return 0;
}

int file_write_all(int fd, const void *buf, size_t len, const char *name, struct error *e)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "write %s", name);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write_existing(int dirfd, const char *path, const char *s, struct error *e)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	do
		n = write(fd, s, strlen(s));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "write '%.*s' to %s", (int)strcspn(s, "\n"), s, path);
	return 0;
}

int file_replace(int dirfd, const char *path, const void *buf, size_t len, mode_t mode, bool sync,
		 struct error *e)
{
	char tmp[512];
	int n = snprintf(tmp, sizeof(tmp), "%s" FILE_TMP "%d", path, (int)getpid());
	_cleanup_fd_ int fd = -1;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return err_sys(e, ENAMETOOLONG, "write %s", path);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(e, errno, "create %s", tmp);
	if (file_write_all(fd, buf, len, path, e) < 0) {
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	if ((sync && fsync(fd) < 0) || renameat(dirfd, tmp, dirfd, path) < 0) {
		err_sys(e, errno, "replace %s", path);
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return 0;
}

int file_mkdirs(int dirfd, const char *path, mode_t mode, struct error *e)
{
	char buf[4096];
	size_t len = strlen(path);

	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	if (errno == EEXIST)
		goto check;
	if (errno != ENOENT)
		return err_sys(e, errno, "mkdir %s", path);
	if (len >= sizeof(buf))
		return err_sys(e, ENAMETOOLONG, "mkdir %s", path);
	memcpy(buf, path, len + 1);
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdirat(dirfd, buf, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "mkdir %s", buf);
		*p = '/';
	}
	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, errno, "mkdir %s", path);
check : {
	struct stat st;

	if (fstatat(dirfd, path, &st, 0) < 0)
		return err_sys(e, errno, "stat %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "mkdir %s", path);
	return 0;
}
}

struct dirent *dir_next(DIR *d, int *ret_errno)
{
	struct dirent *de;

	do {
		errno = 0;
		de = readdir(d);
	} while (de && (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0));
	*ret_errno = de ? 0 : errno;
	return de;
}

int dir_list(struct arena *a, int dirfd, const char *path, const char *prefix, const char *what,
	     struct strlist *ret, struct error *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (d) {
		while ((de = dir_next(d, &err)))
			if (strncmp(de->d_name, prefix, strlen(prefix)) == 0)
				strlist_add(a, ret, arena_strdup(a, de->d_name));
		closedir(d);
	} else {
		err = errno;
		fd_closep(&fd);
	}
	return err ? err_sys(e, err, "list %s", what) : 0;
}

/* A tree that is being removed. Who made it may have nested it a hundred thousand levels deep:
 * below DEPTH_MAX a directory is moved up to the top first, so that neither descriptors nor the
 * stack run out. */
#define DEPTH_MAX 64
struct removal {
	int top;
	dev_t dev; /* the file system it must stay in */
};

static int empty_dir(const struct removal *r, int fd, unsigned depth, unsigned *moved,
		     const char *name, struct error *e);

static int open_to_empty(int fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int sub = openat(fd, name, flags);

	if (sub < 0 && errno == EACCES && fchmodat(fd, name, 0700, 0) == 0)
		sub = openat(fd, name, flags);
	return sub;
}

/* Under a name that is free, or an empty directory's. */
static int move_to_top(const struct removal *r, int fd, const char *name, unsigned *moved)
{
	char to[32];

	do {
		snprintf(to, sizeof(to), "deep-%u", (*moved)++);
		if (renameat(fd, name, r->top, to) == 0)
			return 0;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
	return -1;
}

static int remove_entry(const struct removal *r, int fd, unsigned depth, unsigned *moved,
			const char *in, const char *name, struct error *e)
{
	struct stat st;
	int sub;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, errno, "remove %s/%s", in, name);
	sub = open_to_empty(fd, name);
	if (sub < 0)
		return err_sys(e, errno, "open %s/%s", in, name);
	if (fstat(sub, &st) < 0 || st.st_dev != r->dev) {
		close(sub);
		return err_sys(e, EXDEV, "remove %s/%s", in, name);
	}
	if ((st.st_mode & 0300) != 0300)
		fchmod(sub, 0700);
	if (depth == DEPTH_MAX) {
		close(sub);
		return move_to_top(r, fd, name, moved) < 0
			       ? err_sys(e, errno, "move %s/%s up", in, name)
			       : 0;
	}
	if (empty_dir(r, sub, depth + 1, moved, name, e) < 0)
		return -1;
	if (unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove %s/%s", in, name);
	return 0;
}

/* Empties the directory FD, which is consumed. */
static int empty_dir(const struct removal *r, int fd, unsigned depth, unsigned *moved,
		     const char *name, struct error *e)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	int ret = 0, err = 0;

	if (!d) {
		err_sys(e, errno, "open %s", name);
		close(fd);
		return -1;
	}
	while (ret == 0 && (de = dir_next(d, &err)))
		ret = remove_entry(r, fd, depth, moved, name, de->d_name, e);
	if (ret == 0 && err)
		ret = err_sys(e, err, "read the directory %s", name);
	closedir(d);
	return ret;
}

int file_remove_tree(int dirfd, const char *path, struct error *e)
{
	_cleanup_fd_ int top = -1;
	struct removal r;
	unsigned moved = 0, before;
	struct stat st;

	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, errno, "remove %s", path);
	top = open_to_empty(dirfd, path);
	if (top < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "remove %s", path);
	if (fstat(top, &st) < 0)
		return err_sys(e, errno, "stat %s", path);
	if ((st.st_mode & 0300) != 0300)
		fchmod(top, 0700);
	r = (struct removal){ .top = top, .dev = st.st_dev };
	do {
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		before = moved;
		if (fd < 0)
			return err_sys(e, errno, "open %s", path);
		if (empty_dir(&r, fd, 0, &moved, path, e) < 0)
			return -1;
	} while (moved != before);
	if (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove %s", path);
	return 0;
}

ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, size_t nfds, struct error *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MAX_PASSED_FDS)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nfds > MAX_PASSED_FDS)
		return err_sys(e, E2BIG, "pass %zu descriptors", nfds);
	if (nfds) {
		struct cmsghdr *c;

		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "send through the socket");
	return n;
}

ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *nfds, struct error *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MAX_PASSED_FDS)];
	} control = { 0 };
	struct iovec iov = { buf, len };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	size_t room = nfds ? *nfds : 0, got = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "receive from the socket");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < room)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	if (nfds)
		*nfds = got;
	return n;
}
