/*
 * A blob as a stream of tar bytes. One thread reads, digests and inflates, a second digests what
 * comes out, and the caller's thread uses it: the three share a ring of buffers, so that inflating,
 * digesting and writing files overlap.
 */
#ifndef MRUN_OCI_LAYER_STREAM_H
#define MRUN_OCI_LAYER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

#define STREAM_HEX_SIZE 65

struct stream;
struct stream_options {
	int fd;		    /* the blob */
	bool positioned;    /* pread(2) from 0 (several may share the descriptor); else read(2) */
	bool undigested;    /* nobody asks for the digests: they are left out */
	bool known;	    /* nobody asks for the blob's digest */
	uint64_t max_out;   /* more inflated bytes than these are an error */
	unsigned max_ratio; /* so are more than this times the input, once above STREAM_RATIO_FREE;
			     * 0: any ratio */
};
#define STREAM_RATIO_FREE (1ull << 30)

struct stream_result {
	/* SHA-256 in hex. DIGEST may be "" where nobody asked for it. */
	char digest[STREAM_HEX_SIZE], diff_id[STREAM_HEX_SIZE];
	uint64_t size, diff_size;
	const char *compression; /* as inflate_name() has it */
};

/* Starts the threads. NULL on error. */
struct stream *stream_open(struct arena *a, const struct stream_options *o, struct error *e);
/* The next bytes, valid until the next call: their number, 0 at the end, -1 on error. */
ssize_t stream_next(struct stream *s, const void **ret, struct error *e);
/* Whether stream_next failed because of the stream itself; fills E with the reason. */
bool stream_failed(struct stream *s, struct error *e);
/* Reads what is left, waits for the threads and gives the digests. */
int stream_finish(struct stream *s, struct stream_result *ret, struct error *e);

#endif
