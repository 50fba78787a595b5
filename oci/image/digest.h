/* Digests (image-spec descriptor.md, "Digests"). Only sha256 is taken; another algorithm is refused
 * by name, so that a blob is never used unverified. */
#ifndef MRUN_OCI_IMAGE_DIGEST_H
#define MRUN_OCI_IMAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

#define DIGEST_PREFIX "sha256:"
#define DIGEST_SIZE 32 /* of the sum itself */
#define DIGEST_HEX_LEN 64
#define DIGEST_LEN (sizeof(DIGEST_PREFIX) - 1 + DIGEST_HEX_LEN)

/* Whether S is "sha256:" and 64 small hexadecimal digits. */
bool digest_valid(const char *s);
/* The same with an error that says what is wrong; WHAT is the object it belongs to. */
int digest_check(const char *s, const char *what, struct error *e);
/* The 64 digits of a valid digest. */
static inline const char *digest_hex(const char *digest)
{
	return digest + sizeof(DIGEST_PREFIX) - 1;
}

/* A SHA-256 sum as a digest. */
void digest_write(const uint8_t sum[DIGEST_SIZE], char out[DIGEST_LEN + 1]);
/* The digest of LEN bytes, from the arena. */
char *digest_of(struct arena *a, const void *data, size_t len);
/* Reads IN_FD to its end from where it stands, at most MAX bytes (more is an error), writes it to
 * OUT_FD unless that is -1, and returns the digest; *ret_size gets the bytes. NAME is for
 * messages. */
char *digest_copy(struct arena *a, int in_fd, int out_fd, uint64_t max, const char *name,
		  uint64_t *ret_size, struct error *e);

#endif
