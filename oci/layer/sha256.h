/*
 * SHA-256 of a stream (FIPS 180-4). With the processor's SHA instructions the blocks go through
 * code of our own, which keeps the state in registers from one block to the next; elsewhere nettle
 * does it.
 */
#ifndef MRUN_OCI_LAYER_SHA256_H
#define MRUN_OCI_LAYER_SHA256_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_SIZE (2 * SHA256_DIGEST_SIZE + 1)

struct sha256_sum {
	bool own; /* by the processor's instructions */
	union {
		struct sha256_ctx nettle;
		struct {
			uint32_t state[8];
			uint64_t bytes;
			uint8_t tail[SHA256_BLOCK_SIZE]; /* of a block not yet full */
		};
	};
};

/* PORTABLE: nettle even where the instructions are there (for tests). */
void sha256_sum_start(struct sha256_sum *s, bool portable);
void sha256_sum_add(struct sha256_sum *s, const void *data, size_t len);
/* Two streams at once, which takes hardly longer than the longer of them. */
void sha256_sum_add_two(struct sha256_sum *s, const void *data, size_t len, struct sha256_sum *s2,
			const void *data2, size_t len2);
/* Ends the sum; HEX has SHA256_HEX_SIZE bytes. */
void sha256_sum_hex(struct sha256_sum *s, char *hex);

#endif
