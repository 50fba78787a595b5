/* Descriptors and whole files. Every descriptor made here is close-on-exec. */
#ifndef MRUN_OCI_BASE_FILE_H
#define MRUN_OCI_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

/* close(2), or, between fd_close_later() and fd_close_now(), a note that it is to be closed: some
 * forty descriptors of one container's set-up then cost one close_range(2). For a stretch in which
 * nobody waits for an end of file or a lock to be given back by closing. */
void fd_close(int fd);
void fd_close_later(void);
void fd_close_now(void);

/* Closes every descriptor from FIRST on, noted or not, but the N of KEEP, which is sorted here; a
 * negative one is none. -1 with errno where the kernel has no close_range(2). */
int fd_close_others(int first, int *keep, size_t n);

static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		fd_close(*fd);
}
/* A descriptor that closes at the end of its scope. */
#define _cleanup_fd_ __attribute__((cleanup(fd_closep)))
/* Takes a descriptor out of a _cleanup_fd_ variable. */
static inline int fd_take(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* Reads a regular file (or, with ANY, whatever FD is) to its end, at most MAX bytes; a longer one
 * is an error. The text is NUL-terminated; ret_len may be NULL. NAME is for messages only. */
int file_read_fd(struct arena *a, int fd, const char *name, size_t max, char **ret, size_t *ret_len,
		 struct error *e);
/* The same with what fstat(2) said of FD. */
int file_read_known(struct arena *a, int fd, const struct stat *st, const char *name, size_t max,
		    char **ret, size_t *ret_len, struct error *e);
/* The same by name below DIRFD (AT_FDCWD for the caller's directory). Follows links: for paths
 * that the user or the host gave, never for one inside an image (path_open_in_root is for those).
 * Anything but a regular file is refused, without blocking on a FIFO. */
int file_read(struct arena *a, int dirfd, const char *path, size_t max, char **ret, size_t *ret_len,
	      struct error *e);

/* A file of procfs, by its absolute path, with as few calls as may be. RECORD is the length of the
 * longest record that it is made of (0: it is made in one piece; 4096: not known). */
int file_read_proc(struct arena *a, const char *path, size_t record, size_t max, char **ret,
		   struct error *e);

/* Writes all of BUF; a short write is continued, EINTR retried. */
int file_write_all(int fd, const void *buf, size_t len, const char *name, struct error *e);
/* Opens an existing file (procfs, cgroup) for writing and writes S in one write(2). */
int file_write_existing(int dirfd, const char *path, const char *s, struct error *e);
#define FILE_TMP ".tmp"
/* Replaces PATH below DIRFD through a temporary file (PATH FILE_TMP PID) and rename(2); a reader
 * sees the old content or the new. SYNC also reaches the disk before the rename. */
int file_replace(int dirfd, const char *path, const void *buf, size_t len, mode_t mode, bool sync,
		 struct error *e);

/* Makes a directory and its missing parents below DIRFD, for paths of our own. An existing
 * directory is fine; its mode is left alone. */
int file_mkdirs(int dirfd, const char *path, mode_t mode, struct error *e);
/* The next entry but "." and ".."; NULL at the end, with *ret_errno 0, or where reading fails: what
 * cannot be read is not empty. */
struct dirent *dir_next(DIR *d, int *ret_errno);
/* Adds to RET the names that begin with PREFIX in the directory PATH below DIRFD; WHAT is for
 * messages. */
int dir_list(struct arena *a, int dirfd, const char *path, const char *prefix, const char *what,
	     struct strlist *ret, struct error *e);
/* Removes PATH below DIRFD and what is in it, never following a link nor crossing into another
 * file system. A missing path is fine. */
int file_remove_tree(int dirfd, const char *path, struct error *e);

/* Sends or receives descriptors with a message (unix(7), SCM_RIGHTS). recv returns the number of
 * bytes (0: end of file), fills up to *nfds descriptors and sets *nfds to what came. */
ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, size_t nfds,
		struct error *e);
ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *nfds, struct error *e);

#endif
