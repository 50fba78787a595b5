/* Points in time as RFC 3339 text, in UTC. The C library's way (gmtime_r, strftime, strptime) reads
 * the time zone's file at each start and is 40 KB of the program. */
#ifndef MRUN_OCI_BASE_DATE_H
#define MRUN_OCI_BASE_DATE_H

#include <stdbool.h>
#include <time.h>

#include "oci/base/arena.h"

/* "2006-01-02T15:04:05Z", or with NANOSECONDS (0 to 999999999; -1 for none) as nine digits. */
char *date_rfc3339(struct arena *a, time_t seconds, long nanoseconds);

/* RFC 3339 section 5.6: date, "T", time, an optional fraction (dropped), "Z" or an offset. False
 * when S (which may be NULL) is not one. A second of 60 is taken. */
bool date_parse_rfc3339(const char *s, time_t *ret);

#endif
