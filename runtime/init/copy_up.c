/* tmpcopyup: what the image has below a tmpfs's mount point appears in the tmpfs. Links are copied
 * as links and nothing is followed; devices and sockets are made again where that is allowed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/init/mounts.h"

#define DEPTH_MAX 128

static int copy_dir(int src, int dst, unsigned depth, struct error *e);

static int copy_file(int src, int dst, const char *name, const struct stat *st, struct error *e)
{
	_cleanup_fd_ int in = openat(src, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fd_ int out = -1;
	ssize_t n;

	if (in < 0)
		return err_sys(e, errno, "copy %s", name);
	out = openat(dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(e, errno, "copy %s", name);
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	if (n < 0)
		return err_sys(e, errno, "copy %s", name);
	(void)st;
	return 0;
}

static int copy_entry(int src, int dst, const char *name, unsigned depth, struct error *e)
{
	struct timespec times[2];
	struct stat st;
	char link[4096];
	ssize_t n;

	if (fstatat(src, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "copy %s", name);
	if (S_ISDIR(st.st_mode)) {
		_cleanup_fd_ int from = -1, to = -1;

		if (mkdirat(dst, name, 0700) < 0)
			return err_sys(e, errno, "copy %s", name);
		from = openat(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		to = openat(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (from < 0 || to < 0)
			return err_sys(e, errno, "copy %s", name);
		if (copy_dir(from, to, depth + 1, e) < 0)
			return -1;
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(src, name, link, sizeof(link) - 1);
		if (n < 0)
			return err_sys(e, errno, "copy the link %s", name);
		link[n] = 0;
		if (symlinkat(link, dst, name) < 0)
			return err_sys(e, errno, "copy the link %s", name);
	} else if (S_ISREG(st.st_mode)) {
		if (copy_file(src, dst, name, &st, e) < 0)
			return -1;
	} else if (mknodat(dst, name, st.st_mode, st.st_rdev) < 0) {
		return errno == EPERM ? 0 : err_sys(e, errno, "copy %s", name);
	}
	if (fchownat(dst, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != EPERM)
		return err_sys(e, errno, "copy the owner of %s", name);
	if (!S_ISLNK(st.st_mode) && fchmodat(dst, name, st.st_mode & 07777, 0) < 0)
		return err_sys(e, errno, "copy the mode of %s", name);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_dir(int src, int dst, unsigned depth, struct error *e)
{
	int fd = openat(src, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;
	DIR *d;
	int r = 0;

	if (fd < 0)
		return err_sys(e, errno, "copy: open the directory");
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(e, errno, "copy: open the directory");
	}
	if (depth > DEPTH_MAX)
		r = err_sys(e, ELOOP, "copy: the directories are nested too deeply");
	while (r == 0 && (de = readdir(d)))
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = copy_entry(src, dst, de->d_name, depth, e);
	closedir(d);
	return r;
}

int mounts_copy_up(int src, int dst, struct error *e)
{
	_cleanup_fd_ int to = openat(dst, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (to < 0)
		return err_sys(e, errno, "tmpcopyup: open the tmpfs");
	if (copy_dir(src, to, 0, e) < 0)
		return err_wrap(e, "tmpcopyup");
	if (fstat(src, &st) == 0 && fchown(to, st.st_uid, st.st_gid) < 0 && errno != EINVAL &&
	    errno != EPERM)
		return err_sys(e, errno, "tmpcopyup: copy the owner");
	return 0;
}
