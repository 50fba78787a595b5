/* Programs of the host that mrun starts. */
#ifndef MRUN_RUNTIME_INIT_HOST_PROGRAM_H
#define MRUN_RUNTIME_INIT_HOST_PROGRAM_H

#include "oci/base/arena.h"

/* The path of NAME in a fixed list of directories, NULL when it is in none. Never through PATH nor
 * through an image: a program of that name put there by somebody else is not started
 * (CVE-2019-14271 and kin). */
const char *host_program(struct arena *a, const char *name);

#endif
