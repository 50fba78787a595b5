/* Waiting for days, as a process that takes little memory. */
#ifndef MRUN_OCI_BASE_QUIET_H
#define MRUN_OCI_BASE_QUIET_H

#include <poll.h>

/* poll(2) without a time limit. When nothing comes for a moment it first gives memory back: the
 * executable's pages, which are read again when they are needed, and what deeper calls have left on
 * heap and stack. */
int quiet_poll(struct pollfd *p, nfds_t n);

#endif
