/* /etc/subuid as the id mapping reads it. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/init/idmap.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	uint32_t first, count;
	struct error ignored;
	char path[40];
	int fd = memfd_create("subids", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		__builtin_trap();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (idmap_subordinate_range(&a, path, 1000, "user", &first, &count, &ignored) > 0)
		FUZZ_ASSERT(first > 0 && count > 0 && (uint64_t)first + count <= UINT32_MAX);
	close(fd);
	arena_free(&a);
	return 0;
}
