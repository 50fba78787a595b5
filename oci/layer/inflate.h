/*
 * Bytes in, tar bytes out: plain, gzip (ISA-L where it was found at build time, else zlib) or zstd,
 * told apart by their first bytes and not by what a media type claims.
 */
#ifndef MRUN_OCI_LAYER_INFLATE_H
#define MRUN_OCI_LAYER_INFLATE_H

#include <stddef.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

/* The largest zstd window taken: 128 MiB, what `zstd -d` takes by default (RFC 8878 asks for at
 * least 8 MiB). Decoder memory stays a little above it. */
#define INFLATE_ZSTD_WINDOW_LOG 27

enum inflate_kind { INFLATE_PLAIN, INFLATE_GZIP, INFLATE_ZSTD };

/* Fills BUF with up to LEN bytes of input: their number, 0 at the end, -1 on error. */
typedef ssize_t inflate_source(void *arg, void *buf, size_t len, struct error *e);

struct inflate;

/* Reads the first input and decides the kind. NULL on error. */
struct inflate *inflate_open(struct arena *a, inflate_source *source, void *arg, struct error *e);
enum inflate_kind inflate_kind(const struct inflate *i);
/* "", "gzip" or "zstd". */
const char *inflate_name(const struct inflate *i);
/* Fills all of BUF unless the end comes first; 0 at the end, -1 on error. At the end the source was
 * read to its end as well: zero padding behind the last gzip member is skipped as gzip(1) does,
 * anything else there is an error. */
ssize_t inflate_read(struct inflate *i, void *buf, size_t len, struct error *e);

/* Gives the decompressor's memory back; NULL is fine. */
void inflate_close(struct inflate *i);

#endif
