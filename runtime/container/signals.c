/* See signals.h. */
#include "runtime/container/signals.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#include "oci/base/str.h"

int signal_parse(const char *name)
{
	uint64_t n;

	if (str_to_u64(name, 64, &n))
		return (int)n;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0) {
		bool min = (name[3] | 0x20) == 'i';
		int base = min ? 34 : 64;

		if (!name[5])
			return base;
		if (name[5] != (min ? '+' : '-') || !str_to_u64(name + 6, 30, &n))
			return 0;
		return min ? base + (int)n : base - (int)n;
	}
	for (int sig = 1; sig < 32; sig++) {
		const char *abbrev = sigabbrev_np(sig);

		if (abbrev && strcasecmp(abbrev, name) == 0)
			return sig;
	}
	return strcasecmp(name, "IOT") == 0 ? SIGABRT : strcasecmp(name, "CLD") == 0 ? SIGCHLD : 0;
}
