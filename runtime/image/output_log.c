/* See output_log.h. */
#include "runtime/image/output_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "oci/base/file.h"
#include "oci/base/path.h"

#define LOOK_MS 200 /* how often a follower looks whether the container has ended */

static int open_new(int dir)
{
	return openat(dir, OUTPUT_LOG, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int output_log_open(struct output_log *l, int dir, struct error *e)
{
	output_log_remove(dir);
	*l = (struct output_log){ .dir = dir, .fd = open_new(dir) };
	return l->fd < 0 ? err_sys(e, errno, "make the container's log") : 0;
}

void output_log_write(struct output_log *l, const char *data, size_t len)
{
	if (l->size + (int64_t)len > OUTPUT_LOG_MAX) {
		fd_closep(&l->fd);
		renameat(l->dir, OUTPUT_LOG, l->dir, OUTPUT_LOG_OLD);
		l->fd = open_new(l->dir);
		l->size = 0;
	}
	while (l->fd >= 0 && len) {
		ssize_t n = write(l->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
		l->size += n;
	}
}

int output_log_remove(int dir)
{
	if (unlinkat(dir, OUTPUT_LOG, 0) < 0 && errno != ENOENT)
		return -errno;
	return unlinkat(dir, OUTPUT_LOG_OLD, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Up to the end of FD as it is now. */
static int copy(int fd, int out, struct error *e)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read the container's log");
		if (file_write_all(out, buf, (size_t)n, "standard output", e) < 0)
			return -1;
	}
	return 0;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

static int open_log(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* Goes to where the last *LINES lines of FD begin, which then says how many are still to be found
 * in what was written before. NEWEST: an end of line at the end begins no other. */
static int seek_lines(int fd, bool newest, uint64_t *lines)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char buf[4096];

	for (off_t at = end; at > 0;) {
		off_t from = at > (off_t)sizeof(buf) ? at - (off_t)sizeof(buf) : 0;
		ssize_t n = pread(fd, buf, (size_t)(at - from), from);

		if (n != at - from)
			return -1;
		for (; at > from; at--) {
			if (buf[at - from - 1] != '\n' || (newest && at == end))
				continue;
			if (--*lines == 0)
				return lseek(fd, at, SEEK_SET) < 0 ? -1 : 0;
		}
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* The newer file, after what is wanted of the older one has been copied. */
static int begin(int dir, int out, uint64_t lines, struct error *e)
{
	_cleanup_fd_ int old = -1, new = -1;

	/* One that became the older one while we looked is copied once. */
	for (int i = 0; i < 10; i++) {
		fd_closep(&new);
		fd_closep(&old);
		new = open_log(dir, OUTPUT_LOG);
		old = open_log(dir, OUTPUT_LOG_OLD);
		if (new >= 0 && (old < 0 || !same_file(old, new)))
			break;
	}
	if (new < 0)
		return err_sys(e, errno, "open the container's log");
	if (lines != OUTPUT_LOG_ALL &&
	    (lines ? seek_lines(new, true, &lines) : lseek(new, 0, SEEK_END)) < 0)
		return err_sys(e, errno, "read the container's log");
	if (old < 0 || !lines)
		return fd_take(&new);
	if (lines != OUTPUT_LOG_ALL && seek_lines(old, false, &lines) < 0)
		return err_sys(e, errno, "read the container's log");
	return copy(old, out, e) < 0 ? -1 : fd_take(&new);
}

/* The file that has taken FD's place in the meantime, if any. */
static int successor(int dir, int fd)
{
	int next = open_log(dir, OUTPUT_LOG);

	if (next >= 0 && !same_file(next, fd))
		return next;
	fd_closep(&next);
	return -1;
}

static void wait_for_change(int watch)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char events[4096];

	if (poll(&p, 1, LOOK_MS) > 0)
		while (read(watch, events, sizeof(events)) > 0)
			;
}

int output_log_copy(int dir, int out, uint64_t lines, bool (*ended)(void *ctx), void *ctx,
		    struct error *e)
{
	_cleanup_fd_ int fd = begin(dir, out, lines, e), watch = -1;
	bool last = ended == NULL;

	if (fd < 0)
		return -1;
	if (ended) {
		watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (watch >= 0)
			inotify_add_watch(watch, path_of_fd(dir), IN_MODIFY | IN_CREATE);
	}
	for (;;) {
		int next;

		if (copy(fd, out, e) < 0)
			return -1;
		next = successor(dir, fd);
		if (next >= 0) {
			/* What was added before it was put away. */
			int r = copy(fd, out, e);

			fd_closep(&fd);
			fd = next;
			if (r < 0)
				return -1;
			continue;
		}
		if (last)
			return 0;
		wait_for_change(watch);
		last = ended(ctx);
	}
}
