/* Which system calls may fail with which errno. */
#ifndef MRUN_TESTS_FAULTS_CALLS_H
#define MRUN_TESTS_FAULTS_CALLS_H

#include <stdbool.h>

/* Whether call number NR may fail with ERRNUM: ENOMEM, EIO, EPERM or EMFILE. ARGS: its arguments,
 * or NULL for whether some call of that number may. */
bool call_may_fail(long nr, const unsigned long long *args, int errnum);
/* "openat", or "call 437"; static. */
const char *call_name(long nr);
/* Whether it is one of LIST: names with commas between them; NULL: none. */
bool call_is_among(long nr, const char *list);
/* "ENOMEM"; 0 where the name is unknown. */
int errno_of_name(const char *name);
const char *name_of_errno(int errnum);

#endif
