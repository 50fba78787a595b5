/*
 * Digests of large blobs, computed by a thread while the caller does something else: copies the
 * next bytes, or waits for mrun-unpack, which inflates the same blob meanwhile. Nothing that a blob
 * stands for may get a name before digest_thread_check() has said yes.
 */
#ifndef MRUN_RUNTIME_IMAGE_DIGEST_THREAD_H
#define MRUN_RUNTIME_IMAGE_DIGEST_THREAD_H

#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/image.h"

/* Less than this is digested by who copies it: a thread costs more. */
#define DIGEST_THREAD_MIN ((uint64_t)1024 * 1024)

struct digest_thread; /* NULL: there was nothing to do so far */
struct digest_job;

/* Copies the blob of D from IN_FD, a file of its size, to the new file OUT_FD, which nobody else
 * writes to and of which the thread gets the digest. *T is begun if need be, and lives as long as
 * the arena. *RET is NULL, without an error, where there may be no thread (a limit on processes):
 * nothing was copied then. */
int digest_thread_copy(struct arena *a, struct digest_thread **t, int in_fd, int out_fd,
		       const struct oci_descriptor *d, const char *name, struct digest_job **ret,
		       struct error *e);
/* Waits until the digest is there: 0 if it is its descriptor's, -1 with E. It can be asked again.
 */
int digest_job_check(struct digest_job *j, struct error *e);
/* The same for all jobs. */
int digest_thread_check(struct digest_thread *t, struct error *e);
/* Ends the thread, whatever it is at. Nothing may be asked of it, or of its jobs, after that. */
void digest_thread_end(struct digest_thread *t);

#endif
