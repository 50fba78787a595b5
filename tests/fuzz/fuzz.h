/* What the harnesses share. Each is a libFuzzer program (make fuzz): LLVMFuzzerTestOneInput gets
 * the bytes that a stranger would have written, hands them to one parser, and whatever that says is
 * fine: the sanitizers and the assertions here are the judges. */
#ifndef MRUN_TESTS_FUZZ_H
#define MRUN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A copy with a final NUL. */
static inline char *fuzz_text(struct arena *a, const uint8_t *data, size_t size)
{
	return arena_strndup(a, (const char *)data, size);
}

#define FUZZ_ASSERT(x)                    \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

#endif
