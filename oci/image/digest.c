/* See digest.h. nettle uses the processor's SHA instructions where it has them. */
#include "oci/image/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

#define COPY_BUFFER ((size_t)256 * 1024)

bool digest_valid(const char *s)
{
	if (!str_has_prefix(s, DIGEST_PREFIX) || strlen(s) != DIGEST_LEN)
		return false;
	return strspn(digest_hex(s), "0123456789abcdef") == DIGEST_HEX_LEN;
}

int digest_check(const char *s, const char *what, struct error *e)
{
	if (digest_valid(s))
		return 0;
	if (str_has_prefix(s, "sha512:") || str_has_prefix(s, "sha384:") ||
	    str_has_prefix(s, "blake3:"))
		return err_msg(e, "%s: digest algorithm %.6s is not supported, only sha256 is",
			       what, s);
	return err_msg(e,
		       "%s: invalid digest '%.100s' (expected sha256: and 64 hexadecimal digits)",
		       what, s);
}

void digest_write(const uint8_t sum[DIGEST_SIZE], char out[DIGEST_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out + sizeof(DIGEST_PREFIX) - 1;

	memcpy(out, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1);
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		*p++ = digits[sum[i] >> 4];
		*p++ = digits[sum[i] & 15];
	}
	*p = 0;
}

static char *hex_of(struct arena *a, struct sha256_ctx *ctx)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	char *s = arena_alloc(a, DIGEST_LEN + 1);

	sha256_digest(ctx, sizeof(sum), sum);
	digest_write(sum, s);
	return s;
}

char *digest_of(struct arena *a, const void *data, size_t len)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	return hex_of(a, &ctx);
}

char *digest_copy(struct arena *a, int in_fd, int out_fd, uint64_t max, const char *name,
		  uint64_t *ret_size, struct error *e)
{
	uint8_t *buf = arena_alloc(a, COPY_BUFFER);
	struct sha256_ctx ctx;
	uint64_t size = 0;

	sha256_init(&ctx);
	for (;;) {
		ssize_t n = read(in_fd, buf, COPY_BUFFER);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, errno, "read %s", name);
			return NULL;
		}
		if (n == 0)
			break;
		size += (uint64_t)n;
		if (size > max) {
			err_msg(e, "read %s: more than the %llu bytes it should have", name,
				(unsigned long long)max);
			return NULL;
		}
		sha256_update(&ctx, (size_t)n, buf);
		if (out_fd >= 0 && file_write_all(out_fd, buf, (size_t)n, name, e) < 0)
			return NULL;
	}
	if (ret_size)
		*ret_size = size;
	return hex_of(a, &ctx);
}
