/*
 * See inflate.h. The attacks this file meets: a stream cut short (an error, not a short layer), a
 * zstd frame that asks for a giant window (refused before anything is allocated), bytes hidden
 * behind the last member. How much may come out is the caller's business (stream.h).
 */
#include "oci/layer/inflate.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zstd.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

#define IN_SIZE ((size_t)256 * 1024)

struct inflate {
	enum inflate_kind kind;
	inflate_source *source;
	void *arg;
	uint8_t *in;
	size_t pos, len; /* what of IN is still to be used */
	bool eof;	 /* the source has ended */
	bool in_member;	 /* within a gzip member or zstd frame */
	bool padding;	 /* behind the last gzip member: only zeros may follow */
	ZSTD_DCtx *zstd;
#ifdef HAVE_ISAL
	struct inflate_state isal;
#else
	z_stream zlib;
#endif
};

/* Makes sure that at least MIN bytes of input are there, or the end was seen. */
static int fill(struct inflate *i, size_t min, struct error *e)
{
	if (i->len - i->pos >= min)
		return 0;
	memmove(i->in, i->in + i->pos, i->len - i->pos);
	i->len -= i->pos;
	i->pos = 0;
	while (!i->eof && i->len < min) {
		ssize_t n = i->source(i->arg, i->in + i->len, IN_SIZE - i->len, e);

		if (n < 0)
			return -1;
		if (n == 0)
			i->eof = true;
		i->len += (size_t)n;
	}
	return 0;
}

static enum inflate_kind detect(const uint8_t *p, size_t n)
{
	/* RFC 1952, 2.3.1; RFC 8878, 3.1.1 and 3.1.2 (a skippable frame may come first). */
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return INFLATE_GZIP;
	if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
		return INFLATE_ZSTD;
	if (n >= 4 && (p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)
		return INFLATE_ZSTD;
	return INFLATE_PLAIN;
}

/* One gzip member after the other. The three functions hide which library is there. */
#ifdef HAVE_ISAL
static int gzip_init(struct inflate *i, struct error *e)
{
	(void)e;
	isal_inflate_init(&i->isal);
	i->isal.crc_flag = ISAL_GZIP;
	return 0;
}

static int gzip_reset(struct inflate *i, struct error *e)
{
	(void)e;
	isal_inflate_reset(&i->isal);
	i->isal.crc_flag = ISAL_GZIP;
	return 0;
}

/* Inflates into OUT, consumes input; *ret_end at a member's end. */
static int gzip_step(struct inflate *i, uint8_t *out, size_t len, size_t *ret_n, bool *ret_end,
		     struct error *e)
{
	int r;

	i->isal.next_in = i->in + i->pos;
	i->isal.avail_in = (uint32_t)(i->len - i->pos);
	i->isal.next_out = out;
	i->isal.avail_out = (uint32_t)len;
	r = isal_inflate(&i->isal);
	if (r == ISAL_INCORRECT_CHECKSUM)
		return err_msg(e, "inflate gzip: the checksum does not match");
	if (r < 0)
		return err_msg(e, "inflate gzip: the data is damaged (ISA-L error %d)", r);
	if (r == ISAL_NEED_DICT)
		return err_msg(e, "inflate gzip: the data asks for a dictionary");
	i->pos = i->len - i->isal.avail_in;
	*ret_n = len - i->isal.avail_out;
	*ret_end = i->isal.block_state == ISAL_BLOCK_FINISH;
	return 0;
}
#else
static int gzip_init(struct inflate *i, struct error *e)
{
	if (inflateInit2(&i->zlib, 15 + 16) != Z_OK)
		return err_msg(e, "start zlib: out of memory");
	return 0;
}

static int gzip_reset(struct inflate *i, struct error *e)
{
	if (inflateReset(&i->zlib) != Z_OK)
		return err_msg(e, "restart zlib: failed");
	return 0;
}

static int gzip_step(struct inflate *i, uint8_t *out, size_t len, size_t *ret_n, bool *ret_end,
		     struct error *e)
{
	int r;

	i->zlib.next_in = i->in + i->pos;
	i->zlib.avail_in = (unsigned)(i->len - i->pos);
	i->zlib.next_out = out;
	i->zlib.avail_out = (unsigned)len;
	r = inflate(&i->zlib, Z_NO_FLUSH);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return err_msg(e, "inflate gzip: %s",
			       i->zlib.msg ? i->zlib.msg : "the data is damaged");
	i->pos = i->len - i->zlib.avail_in;
	*ret_n = len - i->zlib.avail_out;
	*ret_end = r == Z_STREAM_END;
	return 0;
}
#endif

/* Behind a member: another one, zero padding, or the end. */
static int gzip_between(struct inflate *i, struct error *e)
{
	for (;;) {
		if (fill(i, 2, e) < 0)
			return -1;
		if (i->pos == i->len)
			return 0;
		if (!i->padding && detect(i->in + i->pos, i->len - i->pos) == INFLATE_GZIP) {
			i->in_member = true;
			return gzip_reset(i, e);
		}
		for (; i->pos < i->len; i->pos++)
			if (i->in[i->pos] != 0)
				return err_msg(e,
					       "inflate gzip: something that is not gzip follows "
					       "the compressed data");
		i->padding = true;
	}
}

static ssize_t read_gzip(struct inflate *i, uint8_t *buf, size_t len, struct error *e)
{
	size_t out = 0;

	while (out < len) {
		size_t n = 0, before;
		bool end = false;

		if (!i->in_member) {
			if (gzip_between(i, e) < 0)
				return -1;
			if (!i->in_member)
				break;
		}
		if (fill(i, 1, e) < 0)
			return -1;
		before = i->pos;
		if (gzip_step(i, buf + out, len - out, &n, &end, e) < 0)
			return -1;
		out += n;
		if (end)
			i->in_member = false;
		else if (n == 0 && i->pos == before && i->eof)
			return err_msg(e, "inflate gzip: the data is cut short");
		else if (n == 0 && i->pos == before && i->len - i->pos == IN_SIZE)
			return err_msg(e, "inflate gzip: the header is too long");
	}
	return (ssize_t)out;
}

static ssize_t read_zstd(struct inflate *i, uint8_t *buf, size_t len, struct error *e)
{
	ZSTD_outBuffer out = { buf, len, 0 };

	while (out.pos < out.size) {
		ZSTD_inBuffer in;
		size_t r, before = out.pos;

		if (fill(i, 1, e) < 0)
			return -1;
		if (i->pos == i->len && !i->in_member)
			break;
		in = (ZSTD_inBuffer){ i->in + i->pos, i->len - i->pos, 0 };
		r = ZSTD_decompressStream(i->zstd, &out, &in);
		if (ZSTD_isError(r))
			return err_msg(e, "inflate zstd: %s", ZSTD_getErrorName(r));
		i->pos += in.pos;
		i->in_member = r != 0;
		if (i->in_member && in.pos == 0 && out.pos == before && i->eof)
			return err_msg(e, "inflate zstd: the data is cut short");
	}
	return (ssize_t)out.pos;
}

static ssize_t read_plain(struct inflate *i, uint8_t *buf, size_t len, struct error *e)
{
	size_t out = i->len - i->pos;

	if (out > len)
		out = len;
	memcpy(buf, i->in + i->pos, out);
	i->pos += out;
	while (out < len && !i->eof) {
		ssize_t n = i->source(i->arg, buf + out, len - out, e);

		if (n < 0)
			return -1;
		if (n == 0)
			i->eof = true;
		out += (size_t)n;
	}
	return (ssize_t)out;
}

struct inflate *inflate_open(struct arena *a, inflate_source *source, void *arg, struct error *e)
{
	struct inflate *i = ARENA_NEW(a, struct inflate);

	i->source = source;
	i->arg = arg;
	i->in = arena_alloc(a, IN_SIZE);
	if (fill(i, 4, e) < 0)
		return NULL;
	i->kind = detect(i->in, i->len);
	if (i->kind == INFLATE_GZIP) {
		i->in_member = true;
		if (gzip_init(i, e) < 0)
			return NULL;
	} else if (i->kind == INFLATE_ZSTD) {
		i->zstd = ZSTD_createDCtx();
		if (!i->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(i->zstd, ZSTD_d_windowLogMax,
								    INFLATE_ZSTD_WINDOW_LOG))) {
			err_msg(e, "start zstd: out of memory");
			return NULL;
		}
	}
	return i;
}

enum inflate_kind inflate_kind(const struct inflate *i)
{
	return i->kind;
}

const char *inflate_name(const struct inflate *i)
{
	static const char *const names[] = { "", "gzip", "zstd" };

	return names[i->kind];
}

ssize_t inflate_read(struct inflate *i, void *buf, size_t len, struct error *e)
{
	switch (i->kind) {
	case INFLATE_GZIP:
		return read_gzip(i, buf, len, e);
	case INFLATE_ZSTD:
		return read_zstd(i, buf, len, e);
	default:
		return read_plain(i, buf, len, e);
	}
}

void inflate_close(struct inflate *i)
{
	if (!i)
		return;
	ZSTD_freeDCtx(i->zstd);
#ifndef HAVE_ISAL
	if (i->kind == INFLATE_GZIP)
		inflateEnd(&i->zlib);
#endif
}
