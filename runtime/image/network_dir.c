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

void network_remove_dir(const struct network *n)
{
	struct error ignored;

	/* What went wrong once may not the second time; else prune does it. */
	if (file_remove_tree(AT_FDCWD, n->dir, &ignored) < 0)
		file_remove_tree(AT_FDCWD, n->dir, &ignored);
}

int network_prune(struct arena *a, struct error *e)
{
	struct strlist names = { 0 };
	struct stat st;

	if (dir_list(a, AT_FDCWD, PLACE "/.", PREFIX, PLACE, &names, e) < 0)
		return e->code == ENOENT ? 0 : -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *path = arena_printf(a, PLACE "/%s", names.items[i]);

		if (lstat(path, &st) == 0 && st.st_uid == geteuid() &&
		    st.st_mtim.tv_sec < time(NULL) - STALE &&
		    file_remove_tree(AT_FDCWD, path, e) < 0)
			return -1;
	}
	return 0;
}
