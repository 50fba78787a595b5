/* See helper.h. */
#include "oci/base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int helper_open(struct arena *a, const char *name, const char *hint, struct error *e)
{
	char self[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *beside = "?";
	int fd = -1;

	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		if (slash) {
			*slash = 0;
			beside = arena_printf(a, "%s/%s", self, name);
			fd = open(beside, O_PATH | O_CLOEXEC);
		}
		/* `make install` with another PREFIX than `make` had, or a tree that was moved. */
		slash = strrchr(self, '/');
		if (fd < 0 && slash && strcmp(slash, "/bin") == 0) {
			*slash = 0;
			fd = open(arena_printf(a, "%s/libexec/mrun/%s", self, name),
				  O_PATH | O_CLOEXEC);
		}
	}
#ifdef MRUN_LIBEXECDIR
	if (fd < 0)
		fd = open(arena_printf(a, MRUN_LIBEXECDIR "/%s", name), O_PATH | O_CLOEXEC);
#endif
	if (fd >= 0)
		return fd;
	err_sys(e, errno, "find the helper program %s", name);
	if (hint)
		return err_hint(e, "%s", hint);
	return err_hint(e,
			"it belongs beside mrun (%s); `make` builds it and `make install` installs "
			"it",
			beside);
}
