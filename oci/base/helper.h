/* mrun's own helper programs: where they are. */
#ifndef MRUN_OCI_BASE_HELPER_H
#define MRUN_OCI_BASE_HELPER_H

#include "oci/base/arena.h"
#include "oci/base/error.h"

/* Opens (O_PATH) the program NAME beside the one that runs, in ../libexec/mrun from there when
 * that is a bin, or where `make install` put it; never through PATH. -1 with E, whose hint is HINT
 * or the usual one. */
int helper_open(struct arena *a, const char *name, const char *hint, struct error *e);

#endif
