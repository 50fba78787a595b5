/* See sha256.h. The instructions take four rounds at a time from four words of the message
 * schedule, and hold the state as two vectors, ABEF and CDGH (Intel, "SHA Extensions", 2013). */
#include "oci/layer/sha256.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t k[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static bool has_instructions(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

#define WITH_SHA __attribute__((target("sha,ssse3,sse4.1"))) static inline

struct vectors {
	__m128i abef, cdgh;
};

WITH_SHA struct vectors load_state(const uint32_t state[8])
{
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);

	return (struct vectors){ _mm_alignr_epi8(cdab, efgh, 8),
				 _mm_blend_epi16(efgh, cdab, 0xf0) };
}

WITH_SHA void store_state(struct vectors v, uint32_t state[8])
{
	__m128i feba = _mm_shuffle_epi32(v.abef, 0x1b), dchg = _mm_shuffle_epi32(v.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4 * I to 4 * I + 3 of the block at P. W: the last sixteen words of the schedule. */
__attribute__((always_inline)) WITH_SHA void four_rounds(struct vectors *v, __m128i w[4],
							 const uint8_t *p, unsigned i)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	const __m128i w1 = w[(i + 1) % 4], w2 = w[(i + 2) % 4], w3 = w[(i + 3) % 4];
	__m128i *now = &w[i % 4], wk;

	if (i < 4)
		*now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + (size_t)16 * i)),
					swap);
	else
		*now = _mm_sha256msg2_epu32(
			_mm_add_epi32(_mm_sha256msg1_epu32(*now, w1), _mm_alignr_epi8(w3, w2, 4)),
			w3);
	wk = _mm_add_epi32(*now, _mm_load_si128((const __m128i *)(k + (size_t)4 * i)));
	v->cdgh = _mm_sha256rnds2_epu32(v->cdgh, v->abef, wk);
	v->abef = _mm_sha256rnds2_epu32(v->abef, v->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

WITH_SHA struct vectors plus(struct vectors x, struct vectors y)
{
	return (struct vectors){ _mm_add_epi32(x.abef, y.abef), _mm_add_epi32(x.cdgh, y.cdgh) };
}

WITH_SHA void add_blocks(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	struct vectors v = load_state(state);

	for (; blocks > 0; blocks--, p += SHA256_BLOCK_SIZE) {
		const struct vectors before = v;
		__m128i w[4] = { 0 };

#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++)
			four_rounds(&v, w, p, i);
		v = plus(v, before);
	}
	store_state(v, state);
}

/* Two sums side by side: each of them waits for its own instructions most of the time. */
WITH_SHA void add_blocks_of_two(uint32_t state[8], const uint8_t *p, uint32_t state2[8],
				const uint8_t *p2, size_t blocks)
{
	struct vectors v = load_state(state), v2 = load_state(state2);

	for (; blocks > 0; blocks--, p += SHA256_BLOCK_SIZE, p2 += SHA256_BLOCK_SIZE) {
		const struct vectors before = v, before2 = v2;
		__m128i w[4] = { 0 }, w2[4] = { 0 };

#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++) {
			four_rounds(&v, w, p, i);
			four_rounds(&v2, w2, p2, i);
		}
		v = plus(v, before);
		v2 = plus(v2, before2);
	}
	store_state(v, state);
	store_state(v2, state2);
}
#else
static bool has_instructions(void)
{
	return false;
}

static void add_blocks(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	(void)state, (void)p, (void)blocks;
}

static void add_blocks_of_two(uint32_t state[8], const uint8_t *p, uint32_t state2[8],
			      const uint8_t *p2, size_t blocks)
{
	(void)state, (void)p, (void)state2, (void)p2, (void)blocks;
}
#endif

void sha256_sum_start(struct sha256_sum *s, bool portable)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	s->own = !portable && has_instructions();
	if (!s->own) {
		sha256_init(&s->nettle);
		return;
	}
	memcpy(s->state, first, sizeof(first));
	s->bytes = 0;
}

/* Fills and adds the block that was begun; what is left starts one. */
static void finish_block(struct sha256_sum *s, const uint8_t **p, size_t *len)
{
	size_t have = s->bytes % SHA256_BLOCK_SIZE, part = SHA256_BLOCK_SIZE - have;

	if (have == 0)
		return;
	if (part > *len)
		part = *len;
	memcpy(s->tail + have, *p, part);
	s->bytes += part;
	*p += part;
	*len -= part;
	if (have + part == SHA256_BLOCK_SIZE)
		add_blocks(s->state, s->tail, 1);
}

void sha256_sum_add(struct sha256_sum *s, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (!s->own) {
		sha256_update(&s->nettle, len, p);
		return;
	}
	finish_block(s, &p, &len);
	if (len == 0)
		return;
	add_blocks(s->state, p, len / SHA256_BLOCK_SIZE);
	memcpy(s->tail, p + len / SHA256_BLOCK_SIZE * SHA256_BLOCK_SIZE, len % SHA256_BLOCK_SIZE);
	s->bytes += len;
}

void sha256_sum_add_two(struct sha256_sum *s, const void *data, size_t len, struct sha256_sum *s2,
			const void *data2, size_t len2)
{
	const uint8_t *p = data, *p2 = data2;

	if (s->own && s2->own) {
		size_t blocks, both;

		finish_block(s, &p, &len);
		finish_block(s2, &p2, &len2);
		blocks = (len < len2 ? len : len2) / SHA256_BLOCK_SIZE;
		both = blocks * SHA256_BLOCK_SIZE;
		add_blocks_of_two(s->state, p, s2->state, p2, blocks);
		s->bytes += both;
		s2->bytes += both;
		p += both;
		p2 += both;
		len -= both;
		len2 -= both;
	}
	sha256_sum_add(s, p, len);
	sha256_sum_add(s2, p2, len2);
}

void sha256_sum_hex(struct sha256_sum *s, char *hex)
{
	uint8_t sum[SHA256_DIGEST_SIZE], end[SHA256_BLOCK_SIZE + 8] = { 0x80 };

	if (s->own) {
		uint64_t bits = s->bytes * 8;
		size_t pad = 1 + (SHA256_BLOCK_SIZE * 2 - 9 - s->bytes % SHA256_BLOCK_SIZE) %
					 SHA256_BLOCK_SIZE;

		for (size_t i = 0; i < 8; i++)
			end[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
		sha256_sum_add(s, end, pad + 8);
		for (size_t i = 0; i < sizeof(sum); i++)
			sum[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
	} else {
		sha256_digest(&s->nettle, sizeof(sum), sum);
	}
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}
