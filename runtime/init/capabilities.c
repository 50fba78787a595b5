/* Names of capabilities to bits, by libcap's table (capabilities(7)). */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "oci/base/str.h"
#include "runtime/init/plan.h"

void capabilities_parse(struct arena *a, char *const *names, uint64_t *ret, const char *where,
			struct strlist *warnings)
{
	*ret = 0;
	for (size_t i = 0; names && names[i]; i++) {
		char lower[64];
		cap_value_t v;

		snprintf(lower, sizeof(lower), "%s", names[i]);
		for (char *p = lower; *p; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p + 32);
		/* libcap also takes plain numbers; the specification does not. */
		if (!str_has_prefix(lower, "cap_") || cap_from_name(lower, &v) < 0 || v > 63)
			strlist_add(a, warnings,
				    arena_printf(a, "%s[%zu]: unknown capability '%s' is left out",
						 where, i, names[i]));
		else
			*ret |= 1ULL << v;
	}
}

void capabilities_not_raised(struct arena *a, uint64_t bits, struct strlist *warnings)
{
	for (int cap = 0; cap < 64; cap++) {
		char *name = (bits & 1ULL << cap) ? cap_to_name(cap) : NULL;

		if (!name)
			continue;
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 32);
		strlist_add(a, warnings,
			    arena_printf(a, "ambient capability %s cannot be raised", name));
		cap_free(name);
	}
}
