/*
 * mrun-unpack: reads what strangers packed, so that mrun itself does not have to. Started by mrun
 * (runtime/image/unpacker.c) in namespaces of its own, once an image. In order: the locale, the
 * request, the limits and identity, then the mode, which confines itself before it reads the first
 * hostile byte (confine.h).
 */
#include <locale.h>
#include <stdio.h>

#include "oci/base/str.h"
#include "oci/unpack/confine.h"
#include "oci/unpack/modes.h"
#include "oci/unpack/reply.h"

static const struct {
	const char *name;
	mode_run *run;
} modes[] = {
	{ "archive", mode_archive }, { "digest", mode_digest }, { "pack", mode_pack },
	{ "layers", mode_layers },   { "flat", mode_flat },	{ "root", mode_root },
	{ "remove", mode_remove },
};

static int run(struct arena *a, struct error *e)
{
	const struct request *q;

	/* libarchive converts pax names to the locale's charset; in the C locale it would warn on
	 * each one that is not ASCII. */
	setlocale(LC_CTYPE, "C.UTF-8");
	q = request_read(a, e);
	if (!q)
		return err_hint(e, "mrun-unpack is mrun's helper and not to be started by hand");
	if (confine_start(*q->max_bytes, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (str_eq(q->mode, modes[i].name))
			return modes[i].run(a, q, e);
	return err_msg(e, "the request has an unknown mode %s", q->mode);
}

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks needs /proc, which this process has not; what it has ends with it anyway. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(void)
{
	static struct arena arena;
	static struct error e;

	if (run(&arena, &e) < 0 || reply_done(&arena, &e) < 0) {
		reply_error(&arena, &e);
		return 1;
	}
	return 0;
}
