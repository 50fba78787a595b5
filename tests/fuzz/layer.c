/* A layer's tar stream, compressed or not, into a directory: of its own in a user and mount
 * namespace of its own, so that a find leads nowhere. The first byte says in which form. Beside the
 * directory lies a sentinel that no entry may reach. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/layer/extract.h"
#include "tests/fuzz/fuzz.h"

#define SENTINEL "untouched"

static int base = -1; /* of root and sentinel; the extractor changes the working directory */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = getenv("FUZZ_TMP");
	char map[64], gids[64];

	(void)argc;
	(void)argv;
	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		abort();
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/gid_map", gids);
	/* tests/fuzz/run gives a directory for it. */
	if (!dir || mount("none", dir, "tmpfs", 0, "size=256m") < 0 || chdir(dir) < 0 ||
	    mkdir("root", 0755) < 0)
		abort();
	write_file("sentinel", SENTINEL);
	base = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

/* The descriptor that the next one gets. */
static int lowest_free(void)
{
	int fd = fcntl(base, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

static void check_sentinel(void)
{
	char buf[32] = "";
	int fd = openat(base, "sentinel", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	FUZZ_ASSERT(fd >= 0 && fstat(fd, &st) == 0);
	FUZZ_ASSERT((st.st_mode & 07777) == 0644 && st.st_nlink == 1);
	FUZZ_ASSERT(read(fd, buf, sizeof(buf)) == (ssize_t)strlen(SENTINEL));
	FUZZ_ASSERT(strcmp(buf, SENTINEL) == 0);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct extract_options eo = {
		.userns = true, .single = true, .max_bytes = 64 << 20, .max_entries = 1000
	};
	struct stream_options so = { .max_out = 64 << 20, .max_ratio = 1000 };
	struct extract_result result = { 0 };
	struct stream_result sums;
	struct stream *s;
	struct tar *t;
	int lowest = lowest_free();

	if (size == 0)
		return 0;
	eo.form = data[0] & 1 ? EXTRACT_LAYER : EXTRACT_APPLY;
	eo.bottom = data[0] & 2;
	so.fd = memfd_create("layer", MFD_CLOEXEC);
	if (so.fd < 0 || write(so.fd, data + 1, size - 1) < 0 || lseek(so.fd, 0, SEEK_SET) != 0)
		abort();
	if (file_remove_tree(base, "root", &e) < 0 || mkdirat(base, "root", 0755) < 0)
		abort();
	eo.root_fd = openat(base, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s = stream_open(&a, &so, &e);
	t = s ? tar_open(&a, s, &e) : NULL;
	if (t) {
		extract_run(&a, t, &eo, &result, &e);
		err_clear(&e);
	}
	if (s)
		stream_finish(s, &sums, &e);
	close(eo.root_fd);
	close(so.fd);
	/* None is left open. */
	FUZZ_ASSERT(lowest_free() == lowest);
	check_sentinel();
	arena_free(&a);
	return 0;
}
