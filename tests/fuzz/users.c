/* USER against the image's /etc/passwd and /etc/group. The input is the user, passwd and group,
 * with a NUL between them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/init/user.h"
#include "tests/fuzz/fuzz.h"

static int root = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* A directory that tests/fuzz/run makes and removes. */
	root = open(getenv("FUZZ_TMP") ? getenv("FUZZ_TMP") : "/nonexistent",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || (mkdirat(root, "etc", 0755) < 0 && errno != EEXIST))
		abort();
	return 0;
}

static void put(const char *path, const uint8_t *data, size_t size)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	const char *home;
	struct user_result u = { 0 };
	const uint8_t *end = data + size, *passwd, *group;
	char *user;

	passwd = size ? memchr(data, 0, size) : NULL;
	if (!passwd)
		return 0;
	user = fuzz_text(&a, data, (size_t)(passwd - data));
	passwd++;
	group = passwd < end ? memchr(passwd, 0, (size_t)(end - passwd)) : NULL;
	put("etc/passwd", passwd, (size_t)((group ? group : end) - passwd));
	put("etc/group", group ? group + 1 : end, group ? (size_t)(end - group - 1) : 0);
	if (user_resolve(&a, root, user, NULL, &u, &e) == 0) {
		FUZZ_ASSERT(u.home && !strchr(u.home, '\n'));
		FUZZ_ASSERT(u.uid != (uid_t)-1 && u.gid != (gid_t)-1);
	}
	if (user_home(&a, root, 1000, &home, &e) == 0)
		FUZZ_ASSERT(home && !strchr(home, '\n'));
	arena_free(&a);
	return 0;
}
