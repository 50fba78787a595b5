/* What a failing assertion does, those of libseccomp among them. The C library's own translates its
 * line first, and with gettext comes reading of files, conversion of character sets and 100 KB. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function)
{
	dprintf(STDERR_FILENO, "mrun: %s:%u: %s: assertion failed: %s (a bug: please report it)\n",
		file, line, function, assertion);
	abort();
}
