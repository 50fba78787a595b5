/*
 * What a detached container's program writes, kept for `mrun logs`: two files in the container's
 * slot, the newer one `log`, the older one `log.1`, each at most OUTPUT_LOG_MAX bytes. So at least
 * the last OUTPUT_LOG_MAX bytes are there, and no program fills the disk with its output.
 */
#ifndef MRUN_RUNTIME_IMAGE_OUTPUT_LOG_H
#define MRUN_RUNTIME_IMAGE_OUTPUT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/error.h"

#define OUTPUT_LOG "log"
#define OUTPUT_LOG_OLD "log.1"
#define OUTPUT_LOG_MAX (8 * 1024 * 1024)

struct output_log {
	int dir; /* the slot, not ours to close */
	int fd;
	int64_t size;
};

/* Starts an empty log in DIR. */
int output_log_open(struct output_log *l, int dir, struct error *e);
/* What does not fit on the disk is lost: a program does not wait for its log. */
void output_log_write(struct output_log *l, const char *data, size_t len);
/* 0, or -errno. */
int output_log_remove(int dir);

/* Copies the log in DIR to the descriptor OUT, its last LINES lines, or all with OUTPUT_LOG_ALL.
 * With ENDED it goes on with what is added, until ENDED(CTX) has said true. */
#define OUTPUT_LOG_ALL UINT64_MAX
int output_log_copy(int dir, int out, uint64_t lines, bool (*ended)(void *ctx), void *ctx,
		    struct error *e);

#endif
