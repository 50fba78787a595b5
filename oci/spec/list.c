/* Lists of CPUs and memory nodes. See spec.h. Pure. */
#include <string.h>

#include "oci/base/str.h"
#include "oci/spec/spec.h"

/* A number below OCI_LIST_MAX at *S, spaces around it skipped; false when there is none. */
static bool number(const char **s, unsigned *ret)
{
	const char *p = *s + strspn(*s, " ");

	*ret = 0;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		*ret = *ret * 10 + (unsigned)(*p - '0');
		if (*ret >= OCI_LIST_MAX)
			return false;
	}
	*s = p + strspn(p, " ");
	return true;
}

bool oci_list_parse(const char *text, unsigned long bits[OCI_LIST_WORDS])
{
	const unsigned width = 8 * sizeof(*bits);

	memset(bits, 0, OCI_LIST_WORDS * sizeof(*bits));
	for (;;) {
		unsigned from, to;

		text += strspn(text, " ,");
		if (!*text)
			return true;
		if (!number(&text, &from))
			return false;
		to = from;
		if (*text == '-') {
			text++;
			if (!number(&text, &to) || to < from)
				return false;
		}
		if (*text && *text != ',')
			return false;
		for (; from <= to; from++)
			bits[from / width] |= 1UL << (from % width);
	}
}
