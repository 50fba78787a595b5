/*
 * The walls around the code that reads what strangers packed. A bug in libarchive or in a
 * decompressor gives an attacker a process that can write below the directory that it was meant to
 * fill, and nothing else: no other file, no network, no other process, no other system call.
 *
 * In order: confine_start (right after exec, with the dynamic loader done), then per worker
 * confine_enter (root directory, capabilities, descriptors) and confine_filter (system calls).
 */
#ifndef MRUN_OCI_UNPACK_CONFINE_H
#define MRUN_OCI_UNPACK_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "oci/base/error.h"

/* Dies with the core, becomes root of the user namespace, sets the limits and no_new_privs. */
int confine_start(uint64_t max_file_size, struct error *e);

/* Makes DIRFD (-1: an empty directory) the root of this process, in a mount namespace of its own,
 * keeps only the capabilities for making files (TRUSTED: and trusted.* attributes) and only the
 * descriptors KEEP[0..n) (sorted by this function) beside 2. Returns a descriptor of the new root,
 * or with DIRFD -1: 0. */
int confine_enter(int dirfd, bool trusted, int *keep, unsigned n, struct error *e);

/* Allows what memory, threads and open descriptors need, and with FILES what making files below the
 * root needs. Everything else fails with EPERM. */
int confine_filter(bool files, struct error *e);

#endif
