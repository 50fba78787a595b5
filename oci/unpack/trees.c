/* See modes.h. Trees whose files belong to the subordinate ids, which only a process inside the
 * mapping may change or remove. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/unpack/confine.h"
#include "oci/unpack/modes.h"
#include "oci/unpack/trees.h"

int tree_copy_attributes(int from, int to, struct error *e)
{
	char names[65536], value[65536]; /* XATTR_LIST_MAX, XATTR_SIZE_MAX */
	struct timespec times[2];
	struct stat st;
	ssize_t n;

	if (fstat(from, &st) < 0)
		return err_sys(e, errno, "stat the lower root directory");
	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(e, errno, "copy the root directory's owner and mode");
	n = flistxattr(from, names, sizeof(names));
	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t len;

		if (str_has_prefix(p, "user.overlay.") || str_has_prefix(p, "trusted."))
			continue;
		len = fgetxattr(from, p, value, sizeof(value));
		if (len >= 0 && fsetxattr(to, p, value, (size_t)len, 0) < 0 && errno != EPERM &&
		    errno != EOPNOTSUPP)
			return err_sys(e, errno, "copy the root directory's attribute %s", p);
	}
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (futimens(to, times) < 0)
		return err_sys(e, errno, "copy the root directory's times");
	return 0;
}

int tree_make(const char *name, struct error *e)
{
	static const struct timespec epoch[2];
	int fd;

	if (mkdir(name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make directory %s", name);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* umoci's default for an image that says nothing of its root: root's, 0755, the epoch. */
	if (fd < 0 || fchmod(fd, 0755) < 0 || futimens(fd, epoch) < 0) {
		err_sys(e, errno, "make directory %s", name);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int mode_root(struct arena *a, const struct request *q, struct error *e)
{
	_cleanup_fd_ int from = open(q->from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int to = -1;

	(void)a;
	if (from < 0)
		return err_sys(e, errno, "open %s", q->from);
	to = tree_make(q->name, e);
	return to < 0 ? -1 : tree_copy_attributes(from, to, e);
}

int mode_remove(struct arena *a, const struct request *q, struct error *e)
{
	int keep[] = { REPLY_FD }, root;

	(void)a;
	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "open the directory");
	root = confine_enter(root, false, keep, 1, e);
	if (root < 0 || confine_filter(true, e) < 0)
		return -1;
	for (char **name = q->names; name && *name; name++)
		if (file_remove_tree(root, *name, e) < 0)
			return -1;
	return 0;
}
