/* Manifests, indexes and image configs, and what is made of them. The first byte says which. */
#include "oci/image/image.h"
#include "oci/image/platform.h"
#include "oci/image/to_spec.h"
#include "tests/fuzz/fuzz.h"

static void index_(struct arena *a, const char *text, size_t len, struct error *e)
{
	struct oci_index *x = oci_index_read(a, text, len, NULL, "index", e);
	struct oci_platform want = { .os = "linux", .architecture = "amd64" };

	if (x)
		platform_choose(a, x, &want, NULL, e);
}

static void manifest(struct arena *a, const char *text, size_t len, struct error *e)
{
	struct oci_manifest *m = oci_manifest_read(a, text, len, NULL, "manifest", e);
	size_t n;
	char *again;

	if (!m)
		return;
	again = oci_manifest_convert(a, m, &n);
	FUZZ_ASSERT(oci_manifest_read(a, again, n, OCI_TYPE_MANIFEST, "again", e));
}

static void config(struct arena *a, const char *text, size_t len, struct error *e)
{
	struct oci_image_config *c = oci_config_read(a, text, len, "config", e);
	struct spec_options o = { .hostname = "h", .private_net = true };
	struct strlist warnings = { 0 };
	struct oci_spec *s;

	if (!c)
		return;
	spec_volumes(a, c, &warnings);
	s = spec_from_image(a, c, &o, &warnings, e);
	/* An image cannot make a specification that the runtime would refuse. */
	FUZZ_ASSERT(!s || oci_spec_validate(s, e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct arena *, const char *, size_t,
				     struct error *) = { index_, manifest, config };
	struct arena a = { 0 };
	struct error e = { 0 };

	if (size == 0)
		return 0;
	kinds[data[0] % 3](&a, fuzz_text(&a, data + 1, size - 1), size - 1, &e);
	arena_free(&a);
	return 0;
}
