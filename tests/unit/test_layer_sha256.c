/* SHA-256 by the processor's instructions (where it has them) and by nettle: the standard's values,
 * and each other's, in pieces of every length and two at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "oci/layer/sha256.h"

static uint8_t data[8192];

/* The same numbers each time (Numerical Recipes' generator). */
static size_t next(void)
{
	static uint32_t x = 1;

	x = x * 1664525 + 1013904223;
	return x >> 8;
}

/* FIPS 180-2, appendix B, and the empty message. */
static void standard(void **state)
{
	static const struct {
		const char *text, *hex;
	} table[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		for (int portable = 0; portable < 2; portable++) {
			char hex[SHA256_HEX_SIZE];
			struct sha256_sum s;

			sha256_sum_start(&s, portable);
			sha256_sum_add(&s, table[i].text, strlen(table[i].text));
			sha256_sum_hex(&s, hex);
			assert_string_equal(hex, table[i].hex);
		}
	}
}

static void whole(const uint8_t *p, size_t len, char *hex)
{
	struct sha256_sum s;

	sha256_sum_start(&s, true);
	sha256_sum_add(&s, p, len);
	sha256_sum_hex(&s, hex);
}

static size_t piece(size_t most)
{
	size_t n = next() % 300;

	return n < most ? n : most;
}

static void lengths(void **state)
{
	(void)state;
	for (size_t len = 0; len < 400; len++) {
		char hex[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
		struct sha256_sum s;

		sha256_sum_start(&s, false);
		for (size_t at = 0, n; at < len || (len == 0 && at == 0); at += n) {
			n = piece(len - at);
			sha256_sum_add(&s, data + at, n);
			if (len == 0)
				break;
		}
		sha256_sum_hex(&s, hex);
		whole(data, len, expected);
		assert_string_equal(hex, expected);
	}
}

static void two(void **state)
{
	(void)state;
	for (int i = 0; i < 400; i++) {
		size_t len = next() % 4000, len2 = next() % 4000, at = 0, at2 = 0;
		char hex[SHA256_HEX_SIZE], expected[SHA256_HEX_SIZE];
		struct sha256_sum s, s2;

		sha256_sum_start(&s, false);
		sha256_sum_start(&s2, i % 8 == 0); /* also one of each kind */
		while (at < len || at2 < len2) {
			size_t n = piece(len - at), n2 = piece(len2 - at2);

			sha256_sum_add_two(&s, data + at, n, &s2, data + 5 + at2, n2);
			at += n;
			at2 += n2;
		}
		sha256_sum_hex(&s, hex);
		whole(data, len, expected);
		assert_string_equal(hex, expected);
		sha256_sum_hex(&s2, hex);
		whole(data + 5, len2, expected);
		assert_string_equal(hex, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard),
		cmocka_unit_test(lengths),
		cmocka_unit_test(two),
	};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
