/* Image names, ids and platforms: oci/image/name.c and platform.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "oci/image/platform.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_normalised(void **state)
{
	static const char *const table[][2] = {
		{ "alpine", "alpine:latest" },
		{ "alpine:3.20", "alpine:3.20" },
		{ "library/alpine", "alpine:latest" },
		{ "docker.io/alpine", "alpine:latest" },
		{ "docker.io/library/alpine:3", "alpine:3" },
		{ "index.docker.io/library/alpine", "alpine:latest" },
		{ "user/app", "user/app:latest" },
		{ "docker.io/user/app:v1", "user/app:v1" },
		{ "library/a/b", "library/a/b:latest" },
		/* By itself that would be an image's id (the fuzzer's find). */
		{ "library/" HEX64, "library/" HEX64 ":latest" },
		{ "localhost/app", "localhost/app:latest" },
		{ "localhost:5000/a/b:t", "localhost:5000/a/b:t" },
		{ "ghcr.io/a/b", "ghcr.io/a/b:latest" },
		{ "[::1]:5000/a", "[::1]:5000/a:latest" },
		{ "a-b_c.d__e---f", "a-b_c.d__e---f:latest" },
		{ "x:A_b.C-1", "x:A_b.C-1" },
		{ "x@sha256:" HEX64, "x:latest" },
		{ "multistage-hello-world", "multistage-hello-world:latest" },
	};
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *got = image_name_normalise(&a, table[i][0]);

		assert_non_null(got);
		assert_string_equal(got, table[i][1]);
		/* Once normal, always normal. */
		assert_string_equal(image_name_normalise(&a, got), got);
	}
	arena_free(&a);
}

static void bad_names_are_refused(void **state)
{
	static const char *const table[] = {
		"",
		"Alpine",
		"a b",
		"a//b",
		"/a",
		"a/",
		"a:",
		"a:b:c",
		"a:-x",
		"a:.x",
		"-a",
		"a-",
		"a.",
		".a",
		"a..b",
		"a___b",
		"a._b",
		"../a",
		"a/../b",
		"a\nb",
		"a\x1b[31m",
		"host:/a",
		"host:99999999/a",
		"-host.com/a",
		"[::1/a",
		"a@sha256:12",
		("a@sha1:" HEX64),
		("a@" HEX64),
		HEX64,
	};
	struct arena a = { 0 };
	struct image_name n;
	struct error e;
	char tag[140];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		err_clear(&e);
		assert_int_equal(image_name_parse(&a, table[i], &n, &e), -1);
		assert_true(e.msg[0] != 0);
	}
	memset(tag, 'a', sizeof(tag));
	memcpy(tag, "x:", 2);
	tag[2 + 128] = 0;
	assert_int_equal(image_name_parse(&a, tag, &n, &e), 0);
	tag[2 + 128] = 'a';
	tag[2 + 129] = 0;
	assert_int_equal(image_name_parse(&a, tag, &n, &e), -1);
	arena_free(&a);
}

static void parts_of_a_name(void **state)
{
	struct arena a = { 0 };
	struct image_name n;
	struct error e;

	(void)state;
	assert_int_equal(image_name_parse(&a, "h:1/p/q:t@sha256:" HEX64, &n, &e), 0);
	assert_string_equal(n.domain, "h:1");
	assert_string_equal(n.path, "p/q");
	assert_string_equal(n.tag, "t");
	assert_string_equal(n.digest, "sha256:" HEX64);
	assert_int_equal(image_name_parse(&a, "x", &n, &e), 0);
	assert_string_equal(n.domain, "docker.io");
	assert_string_equal(n.path, "library/x");
	assert_null(n.tag);
	assert_null(n.digest);
	arena_free(&a);
}

static void ids(void **state)
{
	const char *hex;

	(void)state;
	assert_true(image_id_prefix("a", &hex));
	assert_true(image_id_prefix("sha256:ab", &hex));
	assert_string_equal(hex, "ab");
	assert_true(image_id_prefix(HEX64, NULL));
	assert_false(image_id_prefix(HEX64 "0", NULL));
	assert_false(image_id_prefix("sha256:", NULL));
	assert_false(image_id_prefix("abcg", NULL));
	assert_false(image_id_prefix("AB", NULL));
	assert_true(digest_valid("sha256:" HEX64));
	assert_false(digest_valid(HEX64));
	assert_false(digest_valid("sha256:" HEX64 "0"));
	assert_false(digest_valid(
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcd"));
	assert_false(digest_valid(
		"sha256:../../../../../../../../../../../../../../../../../../../etc/xy"));
}

/* FIPS 180-2, appendix B. */
static void digests(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_string_equal(digest_of(&a, "abc", 3), "sha256:ba7816bf8f01cfea414140de5dae2223b00361"
						     "a396177a9cb410ff61f20015ad");
	assert_string_equal(digest_of(&a, "", 0), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e46"
						  "49b934ca495991b7852b855");
	arena_free(&a);
}

static unsigned rank(struct arena *a, const char *want, const char *have)
{
	struct oci_platform w, h;
	struct error e;

	assert_int_equal(platform_parse(a, want, &w, &e), 0);
	assert_int_equal(platform_parse(a, have, &h, &e), 0);
	return platform_rank(&w, &h);
}

static void platforms(void **state)
{
	static const char *const bad[] = { "",		"linux/",	"/amd64",
					   "a/b/c/d",	"Linux/amd64",	"nosuch",
					   "linux//v7", "windows/amd64" };
	struct arena a = { 0 };
	struct oci_platform p;
	struct error e;

	(void)state;
	assert_true(rank(&a, "linux/amd64", "linux/amd64") > 0);
	assert_true(rank(&a, "amd64", "linux/x86_64") > 0);
	assert_int_equal(rank(&a, "linux/amd64", "linux/386"), 0);
	assert_int_equal(rank(&a, "linux/amd64", "linux/arm64"), 0);
	assert_true(rank(&a, "linux/arm64", "linux/arm64/v8") > 0);
	assert_true(rank(&a, "linux/arm64/v8", "linux/arm64") > 0);
	assert_int_equal(rank(&a, "linux/arm64", "linux/arm64/v9"), 0);
	assert_true(rank(&a, "linux/arm/v7", "linux/arm/v7") >
		    rank(&a, "linux/arm/v7", "linux/arm/v6"));
	assert_true(rank(&a, "linux/arm/v7", "linux/arm/v6") >
		    rank(&a, "linux/arm/v7", "linux/arm/v5"));
	assert_true(rank(&a, "linux/arm/v7", "linux/arm/v5") > 0);
	assert_int_equal(rank(&a, "linux/arm/v6", "linux/arm/v7"), 0);
	assert_int_equal(rank(&a, "linux/amd64", "linux/amd64/v3"), 0);
	assert_true(rank(&a, "linux/amd64/v3", "linux/amd64") > 0);
	assert_true(rank(&a, "linux/amd64/v3", "linux/amd64/v2") > 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(platform_parse(&a, bad[i], &p, &e), -1);
	assert_int_equal(platform_parse(&a, NULL, &p, &e), 0);
	assert_string_equal(p.os, "linux");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_normalised),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(parts_of_a_name),
		cmocka_unit_test(ids),
		cmocka_unit_test(digests),
		cmocka_unit_test(platforms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
