/* oci/layer/inflate.h: kinds, several members, padding, and every way to be cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "oci/layer/inflate.h"

#define TEXT_SIZE 300000u

struct input {
	const uint8_t *data;
	size_t len, pos, step; /* step: bytes a call at most */
};

static uint8_t text[TEXT_SIZE];

static ssize_t give(void *arg, void *buf, size_t len, struct error *e)
{
	struct input *in = arg;
	size_t n = in->len - in->pos;

	(void)e;
	if (n > len)
		n = len;
	if (n > in->step)
		n = in->step;
	memcpy(buf, in->data + in->pos, n);
	in->pos += n;
	return (ssize_t)n;
}

static size_t gzip(uint8_t *out, size_t room, const uint8_t *data, size_t len)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)data;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

/* Inflates DATA in pieces of CHUNK into OUT; the length, or -1. */
static ssize_t inflate_all(const uint8_t *data, size_t len, size_t step, size_t chunk, uint8_t *out,
			   size_t room, enum inflate_kind *kind, struct error *e)
{
	struct input in = { data, len, 0, step };
	struct arena a = { 0 };
	struct inflate *i = inflate_open(&a, give, &in, e);
	size_t got = 0;
	ssize_t n = i ? 1 : -1;

	while (n > 0) {
		size_t want = room - got < chunk ? room - got : chunk;

		n = inflate_read(i, out + got, want, e);
		if (n > 0)
			got += (size_t)n;
		assert_true(n <= (ssize_t)want);
		if (got == room)
			break;
	}
	if (i && kind)
		*kind = inflate_kind(i);
	inflate_close(i);
	arena_free(&a);
	return n < 0 ? -1 : (ssize_t)got;
}

static void check(const uint8_t *data, size_t len, enum inflate_kind expected)
{
	static uint8_t out[TEXT_SIZE + 1];
	static const size_t steps[] = { 1, 7, 65536, SIZE_MAX };
	enum inflate_kind kind;
	struct error e;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		memset(out, 0, sizeof(out));
		assert_int_equal(
			inflate_all(data, len, steps[i], 1000 + i, out, sizeof(out), &kind, &e),
			TEXT_SIZE);
		assert_memory_equal(out, text, TEXT_SIZE);
		assert_int_equal(kind, expected);
	}
}

static int fill_text(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < TEXT_SIZE; i++) {
		x = x * 1103515245 + 12345;
		text[i] = (uint8_t)("abcdefgh"[x >> 29]);
	}
	return 0;
}

static void plain(void **state)
{
	(void)state;
	check(text, TEXT_SIZE, INFLATE_PLAIN);
}

static void gzip_one_member(void **state)
{
	static uint8_t z[TEXT_SIZE];

	(void)state;
	check(z, gzip(z, sizeof(z), text, TEXT_SIZE), INFLATE_GZIP);
}

static void gzip_members_and_padding(void **state)
{
	static uint8_t z[TEXT_SIZE];
	struct error e;
	size_t n;

	(void)state;
	n = gzip(z, sizeof(z), text, 1000);
	n += gzip(z + n, sizeof(z) - n, text + 1000, 0);
	n += gzip(z + n, sizeof(z) - n, text + 1000, TEXT_SIZE - 1000);
	check(z, n, INFLATE_GZIP);
	memset(z + n, 0, 5000);
	check(z, n + 5000, INFLATE_GZIP);
	z[n + 4000] = 'x';
	assert_int_equal(inflate_all(z, n + 5000, SIZE_MAX, 65536, (uint8_t[TEXT_SIZE + 1]){ 0 },
				     TEXT_SIZE + 1, NULL, &e),
			 -1);
	assert_non_null(strstr(e.msg, "not gzip"));
}

static void gzip_checksum(void **state)
{
	static uint8_t z[TEXT_SIZE], out[TEXT_SIZE + 1];
	struct error e;
	size_t n = gzip(z, sizeof(z), text, TEXT_SIZE);

	(void)state;
	z[n - 8] ^= 1;
	assert_int_equal(inflate_all(z, n, SIZE_MAX, 65536, out, sizeof(out), NULL, &e), -1);
}

static size_t zstd(uint8_t *out, size_t room, const uint8_t *data, size_t len)
{
	size_t n = ZSTD_compress(out, room, data, len, 3);

	assert_false(ZSTD_isError(n));
	return n;
}

static void zstd_frames(void **state)
{
	static const uint8_t skip[] = { 0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	static uint8_t z[TEXT_SIZE + sizeof(skip)];
	size_t n;

	(void)state;
	check(z, zstd(z, sizeof(z), text, TEXT_SIZE), INFLATE_ZSTD);
	memcpy(z, skip, sizeof(skip));
	n = sizeof(skip);
	n += zstd(z + n, sizeof(z) - n, text, 1000);
	n += zstd(z + n, sizeof(z) - n, text + 1000, TEXT_SIZE - 1000);
	check(z, n, INFLATE_ZSTD);
}

/* Cut at any point, a stream must never pass for a shorter one. */
static void cut_short(void **state)
{
	static uint8_t z[4096], out[2001];
	struct error e;
	size_t n;

	(void)state;
	n = gzip(z, sizeof(z), text, 2000);
	for (size_t cut = 2; cut < n; cut++) {
		assert_int_equal(inflate_all(z, cut, SIZE_MAX, 4096, out, sizeof(out), NULL, &e),
				 -1);
		assert_non_null(strstr(e.msg, "cut short"));
	}
	n = zstd(z, sizeof(z), text, 2000);
	for (size_t cut = 4; cut < n; cut++)
		assert_int_equal(inflate_all(z, cut, SIZE_MAX, 4096, out, sizeof(out), NULL, &e),
				 -1);
}

static void empty(void **state)
{
	uint8_t out[8];
	enum inflate_kind kind;
	struct error e;

	(void)state;
	assert_int_equal(inflate_all(text, 0, SIZE_MAX, 8, out, sizeof(out), &kind, &e), 0);
	assert_int_equal(kind, INFLATE_PLAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(gzip_one_member),
		cmocka_unit_test(gzip_members_and_padding),
		cmocka_unit_test(gzip_checksum),
		cmocka_unit_test(zstd_frames),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, fill_text, NULL);
}
