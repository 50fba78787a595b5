/* See host_program.h. */
#include "runtime/init/host_program.h"

#include <errno.h>
#include <unistd.h>

const char *host_program(struct arena *a, const char *name)
{
	static const char *const dirs[] = { "/usr/bin",
					    "/bin",
					    "/usr/local/bin",
					    "/usr/sbin",
					    "/sbin",
					    "/usr/local/sbin",
					    "/run/wrappers/bin",
					    "/run/current-system/sw/bin" };

	int err = ENOENT;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		const char *path = arena_printf(a, "%s/%s", dirs[i], name);

		if (access(path, X_OK) == 0)
			return path;
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			err = errno;
	}
	errno = err;
	return NULL;
}
