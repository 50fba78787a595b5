/* See network.h: the helpers' directories in /tmp, which are needed until a helper is ready. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/image/network.h"

#define PLACE "/tmp"
#define PREFIX "mrun-net."
#define STALE 60 /* seconds; a helper that takes READY_MS has failed */

/* /tmp: pasta's AppArmor profile lets it write there. */
const char *network_make_dir(struct network *n, const char *file, struct error *e)
{
	char *dir = arena_strdup(n->arena, PLACE "/" PREFIX "XXXXXX");

	if (!mkdtemp(dir)) {
		err_sys(e, errno, "make a directory in " PLACE);
		return NULL;
	}
	n->dir = dir;
	return arena_printf(n->arena, "%s/%s", dir, file);
}

void network_remove_dir(const struct network *n, const char *file)
{
	/* What went wrong once may not the second time; else prune does it. */
	for (int i = 0; i < 2; i++)
		if ((unlink(file) == 0 || errno == ENOENT) && rmdir(n->dir) == 0)
			return;
}

static void remove_stale(int place, const char *name)
{
	static const char *const files[] = { NETWORK_READY, NETWORK_API };
	_cleanup_fd_ int dir = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != geteuid() ||
	    st.st_mtim.tv_sec > time(NULL) - STALE)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
	unlinkat(place, name, AT_REMOVEDIR);
}

int network_prune(struct error *e)
{
	int fd = open(PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		err_sys(e, errno, "look for what crashed runs left in " PLACE);
		fd_closep(&fd);
		return e->code == ENOENT ? 0 : -1;
	}
	while ((de = dir_next(d, &err)))
		if (str_has_prefix(de->d_name, PREFIX))
			remove_stale(fd, de->d_name);
	closedir(d);
	return err ? err_sys(e, err, "look for what crashed runs left in " PLACE) : 0;
}
