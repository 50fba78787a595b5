/* The parts of the probe (probe.c). Each adds members to the object that is open. */
#ifndef MRUN_TESTS_PROBE_PROBE_H
#define MRUN_TESTS_PROBE_PROBE_H

#include "tests/probe/json.h"

/* probe_process.c: what the process is and may do */
void probe_process(struct json *j);
/* probe_files.c: the file systems, devices and descriptors that it sees */
void probe_files(struct json *j);

/* The name of an errno ("EPERM"), "ok" for 0. */
const char *probe_errno(int err);
/* Reads at most SIZE-1 bytes of a file; -1 with errno. */
long probe_read(const char *path, char *buf, size_t size);

#endif
