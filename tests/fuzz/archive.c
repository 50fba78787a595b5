/* A docker-archive: its tar taken apart as mrun-unpack does it, then manifest.json and the config
 * it names read as `load` reads them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "oci/image/image.h"
#include "oci/layer/tar.h"
#include "tests/fuzz/fuzz.h"

/* The content of a small file of the archive. */
static char *content(struct arena *a, struct tar *t, uint64_t size, size_t *ret_len)
{
	struct error e = { 0 };
	const void *p;
	size_t len;
	uint64_t off;
	char *text;

	if (size > 65536)
		return NULL;
	text = arena_alloc(a, size + 1);
	*ret_len = size;
	while (tar_data(t, &p, &len, &off, &e) > 0) {
		if (off > size || len > size - off)
			return NULL;
		memcpy(text + off, p, len);
	}
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct stream_options so = { .max_out = 16 << 20, .max_ratio = 1000 };
	struct stream_result sums;
	struct tar_entry entry;
	struct stream *s;
	struct tar *t;

	so.fd = memfd_create("archive", MFD_CLOEXEC);
	if (so.fd < 0 || write(so.fd, data, size) < 0 || lseek(so.fd, 0, SEEK_SET) != 0)
		abort();
	s = stream_open(&a, &so, &e);
	t = s ? tar_open(&a, s, &e) : NULL;
	for (int n = 0; t && n < 200 && tar_next(t, &entry, &e) > 0; n++) {
		size_t len;
		char *name = arena_strdup(&a, entry.name), *text;

		if (entry.type != TAR_FILE || !(text = content(&a, t, entry.size, &len)))
			continue;
		if (str_has_suffix(name, ".json")) {
			struct error ignored = { 0 };

			json_parse(&a, text, len, "manifest.json", &ignored);
			oci_config_read(&a, text, len, "config", &ignored);
		}
	}
	if (s) {
		err_clear(&e);
		stream_finish(s, &sums, &e);
	}
	close(so.fd);
	arena_free(&a);
	return 0;
}
