/* Which system calls may fail with which errno. */
#ifndef MRUN_TESTS_FAULTS_CALLS_H
#define MRUN_TESTS_FAULTS_CALLS_H

#include <stdbool.h>

/* Names, with commas between them, of calls that never fail; NULL: none. */
extern const char *calls_left;
/* Whether call number NR may fail with ERRNUM: ENOMEM, EIO, EPERM or EMFILE. ARGS: its arguments,
 * or NULL for whether some call of that number may. */
bool call_may_fail(long nr, const unsigned long long *args, int errnum);
/* "openat", or "call 437"; static. */
const char *call_name(long nr);
/* "ENOMEM"; 0 where the name is unknown. */
int errno_of_name(const char *name);
const char *name_of_errno(int errnum);

#endif
