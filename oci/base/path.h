/*
 * Paths that strangers chose. Everything below a container's root is reached through openat2(2)
 * with RESOLVE_IN_ROOT from a descriptor of that root, so that neither "..", an absolute link nor
 * a link swapped in at the last moment leads out of it; magic links (/proc/PID/fd, exe, root) are
 * refused. Where openat2 is missing (ENOSYS; some seccomp profiles), a walk with O_NOFOLLOW does
 * the same, one component at a time.
 */
#ifndef MRUN_OCI_BASE_PATH_H
#define MRUN_OCI_BASE_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

/* Opens PATH (absolute or relative, both meant from ROOTFD) as if ROOTFD were "/". FLAGS are
 * open(2)'s (O_CLOEXEC is added); MODE counts with O_CREAT. Returns the descriptor, or -1 with
 * e->code set to the errno. */
int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct error *e);
/* The same without an error text: returns -errno (for paths that may be missing). */
int path_try_open_in_root(int rootfd, const char *path, int flags, mode_t mode);

/* Makes PATH and its missing parents as directories of MODE below ROOTFD, following links inside
 * the root (a dangling link's target is made as well), and returns an O_PATH descriptor of it. */
int path_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct error *e);
/* The same, and says in *ret_made how many directories were missing. */
int path_mkdirs_counted_in_root(int rootfd, const char *path, mode_t mode, size_t *ret_made,
				struct error *e);
/* The same, and says in *ret_made whether it was missing. */
int path_make_dir_in_root(int rootfd, const char *path, mode_t mode, bool *ret_made,
			  struct error *e);
/* Makes the parents as above and PATH itself an empty regular file if nothing is there; returns an
 * O_PATH descriptor of what is at PATH then. */
int path_mkfile_in_root(int rootfd, const char *path, mode_t mode, struct error *e);
/* Opens the directory that holds PATH's last component (parents made when MAKE), and gives that
 * component's name in *ret_name (from the arena). A path that ends in "." or ".." is refused. */
int path_open_parent_in_root(struct arena *a, int rootfd, const char *path, bool make,
			     char **ret_name, struct error *e);

/* Removes ".", "..", double and trailing slashes as if at a root: always absolute. Text only. */
char *path_clean(struct arena *a, const char *path);
/* DIR/REL, or REL itself when it is absolute. */
char *path_join(struct arena *a, const char *dir, const char *rel);
/* realpath(3) into the arena; NULL with errno kept in e->code. */
char *path_real(struct arena *a, const char *path, struct error *e);
/* The same for a directory; *ret_fd is it (O_PATH), or AT_FDCWD where that is the caller's own. */
char *path_real_dir(struct arena *a, const char *path, int *ret_fd, struct error *e);
/* "/proc/self/fd/N" in a small static ring buffer. */
const char *path_of_fd(int fd);

#endif
