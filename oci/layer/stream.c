/*
 * See stream.h. In order: the reader thread (blob bytes -> inflate -> ring), the digest thread, the
 * consumer. A buffer is used again when both have passed it. The blob's own bytes go to the digest
 * thread by a ring of their own, since inflating takes longer than both sums. The attack met here
 * is the decompression bomb: what comes out is counted as it comes.
 */
#include "oci/layer/stream.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/layer/inflate.h"

#define RING 8u
/* ISA-L copies 64 KiB to and fro at the end of each. */
#define BUF_SIZE ((size_t)512 * 1024)
#define IN_RING ((uint64_t)1024 * 1024) /* bytes */
/* Who has found nothing to do waits for this many buffers, so that threads wake each other seldom.
 * The reader that waits leaves more than that to the others, so all never wait at once. */
#define BATCH 2u

struct stream {
	struct stream_options o;
	struct inflate *inflate;
	struct sha256_ctx in_sum, out_sum;
	uint64_t in_bytes, out_bytes;
	bool plain;	 /* not compressed: what comes out is the blob */
	bool keep_input; /* what is read goes to the digest thread */

	pthread_mutex_t mutex;
	pthread_cond_t freed, to_sum, to_use; /* the reader, the digest thread, the consumer wait */
	/* Counts of buffers: made by the reader, digested, used by the consumer. */
	uint64_t made, summed, used;
	/* Bytes of the blob: read into IN, digested. Nothing of a plain one. */
	uint64_t in_made, in_summed;
	bool end;     /* no more are made */
	bool failed;  /* error says why */
	bool holding; /* the consumer still looks at buffer USED */
	struct error error;
	uint8_t *bufs[RING], *in;
	size_t lens[RING];
	pthread_t reader, summer;
};

static bool is_free(const struct stream *s, unsigned n)
{
	return s->made - s->used + n <= RING && s->made - s->summed + n <= RING;
}

/* Something that the digest thread is woken for. */
static bool is_to_sum(const struct stream *s)
{
	return s->end || s->made - s->summed >= BATCH || s->in_made - s->in_summed >= IN_RING / 2;
}

static void wake(struct stream *s)
{
	if (is_to_sum(s))
		pthread_cond_signal(&s->to_sum);
	if (s->end || s->made - s->used >= BATCH)
		pthread_cond_signal(&s->to_use);
}

static void keep_input(struct stream *s, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t at = s->in_made % IN_RING, part = IN_RING - at < len ? IN_RING - at : len;

		pthread_mutex_lock(&s->mutex);
		while (s->in_made - s->in_summed > IN_RING - part)
			pthread_cond_wait(&s->freed, &s->mutex);
		pthread_mutex_unlock(&s->mutex);
		memcpy(s->in + at, p, part);
		pthread_mutex_lock(&s->mutex);
		s->in_made += part;
		wake(s);
		pthread_mutex_unlock(&s->mutex);
		p += part;
		len -= part;
	}
}

static ssize_t read_blob(void *arg, void *buf, size_t len, struct error *e)
{
	struct stream *s = arg;
	ssize_t n;

	do
		n = s->o.positioned ? pread(s->o.fd, buf, len, (off_t)s->in_bytes)
				    : read(s->o.fd, buf, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "read the blob");
	s->in_bytes += (uint64_t)n;
	if (s->keep_input)
		keep_input(s, buf, (size_t)n);
	return n;
}

static int check_limits(struct stream *s, struct error *e)
{
	if (s->out_bytes > s->o.max_out) {
		err_msg(e, "inflate: more than the %llu bytes allowed",
			(unsigned long long)s->o.max_out);
		return err_hint(e, "if you trust the image, raise MRUN_UNPACK_MAX_BYTES "
				   "(for example to 200g)");
	}
	if (s->o.max_ratio && s->out_bytes > STREAM_RATIO_FREE &&
	    s->out_bytes / s->o.max_ratio > s->in_bytes) {
		err_msg(e, "inflate: it grows more than %u-fold, as decompression bombs do",
			s->o.max_ratio);
		return err_hint(e, "if you trust the image, set MRUN_UNPACK_MAX_BYTES "
				   "(for example to 64g): with it any ratio is taken");
	}
	return 0;
}

static void *reader_main(void *arg)
{
	struct stream *s = arg;

	for (;;) {
		size_t slot;
		ssize_t n;

		pthread_mutex_lock(&s->mutex);
		for (bool full = !is_free(s, 1); full; full = !is_free(s, BATCH))
			pthread_cond_wait(&s->freed, &s->mutex);
		slot = s->made % RING;
		pthread_mutex_unlock(&s->mutex);

		n = inflate_read(s->inflate, s->bufs[slot], BUF_SIZE, &s->error);
		if (n > 0) {
			s->out_bytes += (uint64_t)n;
			if (check_limits(s, &s->error) < 0)
				n = -1;
		}
		pthread_mutex_lock(&s->mutex);
		if (n > 0) {
			s->lens[slot] = (size_t)n;
			s->made++;
		} else {
			s->end = true;
			s->failed = n < 0;
		}
		wake(s);
		pthread_mutex_unlock(&s->mutex);
		if (n <= 0)
			return NULL;
	}
}

static void *summer_main(void *arg)
{
	struct stream *s = arg;

	pthread_mutex_lock(&s->mutex);
	for (;;) {
		size_t slot = s->summed % RING, at = s->in_summed % IN_RING, out, in;

		out = s->summed < s->made ? s->lens[slot] : 0;
		in = s->in_made - s->in_summed;
		if (out == 0 && (in == 0 || !is_to_sum(s))) {
			if (s->end)
				break;
			while (!is_to_sum(s))
				pthread_cond_wait(&s->to_sum, &s->mutex);
			continue;
		}
		pthread_mutex_unlock(&s->mutex);
		/* In pieces of both, so that neither ring runs full. */
		if (in > IN_RING - at)
			in = IN_RING - at;
		if (out > 0 && in > out)
			in = out;
		if (!s->o.undigested) {
			sha256_update(&s->out_sum, out, s->bufs[slot]);
			if (in > 0)
				sha256_update(&s->in_sum, in, s->in + at);
		}
		pthread_mutex_lock(&s->mutex);
		s->summed += out > 0;
		s->in_summed += in;
		if (in > 0 || is_free(s, BATCH))
			pthread_cond_signal(&s->freed);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

struct stream *stream_open(struct arena *a, const struct stream_options *o, struct error *e)
{
	struct stream *s = ARENA_NEW(a, struct stream);
	int r;

	s->o = *o;
	sha256_init(&s->in_sum);
	sha256_init(&s->out_sum);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->freed, NULL);
	pthread_cond_init(&s->to_sum, NULL);
	pthread_cond_init(&s->to_use, NULL);
	s->keep_input = !o->undigested && !o->known;
	if (s->keep_input)
		s->in = arena_alloc(a, IN_RING);
	s->inflate = inflate_open(a, read_blob, s, e);
	if (!s->inflate)
		return NULL;
	s->plain = inflate_kind(s->inflate) == INFLATE_PLAIN;
	if (s->plain) {
		s->keep_input = false;
		s->in_made = 0;
	}
	for (size_t i = 0; i < RING; i++)
		s->bufs[i] = arena_alloc(a, BUF_SIZE);
	r = pthread_create(&s->reader, NULL, reader_main, s);
	if (r == 0)
		r = pthread_create(&s->summer, NULL, summer_main, s);
	if (r != 0) {
		err_sys(e, r, "start a thread");
		return NULL;
	}
	return s;
}

ssize_t stream_next(struct stream *s, const void **ret, struct error *e)
{
	ssize_t n = 0;

	pthread_mutex_lock(&s->mutex);
	if (s->holding) {
		s->holding = false;
		s->used++;
		if (is_free(s, BATCH))
			pthread_cond_signal(&s->freed);
	}
	for (bool empty = s->used == s->made; empty && !s->end; empty = s->made - s->used < BATCH)
		pthread_cond_wait(&s->to_use, &s->mutex);
	if (s->used < s->made) {
		*ret = s->bufs[s->used % RING];
		n = (ssize_t)s->lens[s->used % RING];
		s->holding = true;
	} else if (s->failed) {
		*e = s->error;
		n = -1;
	}
	pthread_mutex_unlock(&s->mutex);
	return n;
}

bool stream_failed(struct stream *s, struct error *e)
{
	bool failed;

	pthread_mutex_lock(&s->mutex);
	failed = s->end && s->failed;
	if (failed)
		*e = s->error;
	pthread_mutex_unlock(&s->mutex);
	return failed;
}

static void to_hex(struct sha256_ctx *c, char *out)
{
	uint8_t sum[SHA256_DIGEST_SIZE];

	sha256_digest(c, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

int stream_finish(struct stream *s, struct stream_result *ret, struct error *e)
{
	const void *p;
	ssize_t n;

	do
		n = stream_next(s, &p, e);
	while (n > 0);
	pthread_join(s->reader, NULL);
	pthread_join(s->summer, NULL);
	if (n < 0) {
		inflate_close(s->inflate);
		return -1;
	}
	to_hex(&s->out_sum, ret->diff_id);
	/* A plain blob is its own tar: one digest serves both. */
	if (s->plain)
		memcpy(ret->digest, ret->diff_id, STREAM_HEX_SIZE);
	else if (!s->keep_input)
		ret->digest[0] = 0;
	else
		to_hex(&s->in_sum, ret->digest);
	ret->size = s->in_bytes;
	ret->diff_size = s->out_bytes;
	ret->compression = inflate_name(s->inflate);
	inflate_close(s->inflate);
	return 0;
}
