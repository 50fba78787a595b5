/* Programs of the host that mrun starts. */
#ifndef MRUN_RUNTIME_INIT_HOST_PROGRAM_H
#define MRUN_RUNTIME_INIT_HOST_PROGRAM_H

#include "oci/base/arena.h"

/* The path of NAME in a fixed list of directories, NULL with errno ENOENT when it is in none (or
 * may not be executed), with another one where that cannot be found out. Never through PATH nor
 * through an image: a program of that name put there by somebody else is not started
 * (CVE-2019-14271 and kin). */
const char *host_program(struct arena *a, const char *name);

#endif
