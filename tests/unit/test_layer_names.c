/* oci/layer/tar.h: names of entries, cleaned and quoted. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "oci/layer/tar.h"

static void cleaned(void **state)
{
	static const struct {
		const char *name, *clean;
	} table[] = {
		{ "", "" },
		{ "/", "" },
		{ ".", "" },
		{ "./", "" },
		{ "..", "" },
		{ "/../../", "" },
		{ "a", "a" },
		{ "/a", "a" },
		{ "a/", "a" },
		{ "./a/./b/", "a/b" },
		{ "a//b", "a/b" },
		{ "../../a", "a" },
		{ "a/../b", "b" },
		{ "a/b/../../c", "c" },
		{ "a/../../b", "b" },
		{ "a/b/..", "a" },
		{ "a/b/../..", "" },
		{ "...", "..." },
		{ "..a/.b", "..a/.b" },
		{ "a/.../b", "a/.../b" },
		{ "\xff\xfe", "\xff\xfe" },
		{ "a b\n", "a b\n" },
	};
	char buf[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(tar_clean_name(table[i].name, buf, sizeof(buf)));
		assert_string_equal(buf, table[i].clean);
	}
}

static void clean_has_room(void **state)
{
	char name[64], buf[8];

	(void)state;
	memset(buf, '#', sizeof(buf));
	assert_true(tar_clean_name("123456", buf, 8));
	assert_false(tar_clean_name("12345678", buf, 8));
	assert_false(tar_clean_name("1/2/3/4/5", buf, 8));
	/* Long, but short once it is clean. */
	strcpy(name, "abcdef/../abcdef/../abcdef");
	assert_true(tar_clean_name(name, buf, 8));
	assert_string_equal(buf, "abcdef");
}

static void quoted(void **state)
{
	struct arena a = { 0 };
	char name[5000], *q;

	(void)state;
	assert_string_equal(tar_quote(&a, "usr/lib/x"), "usr/lib/x");
	assert_string_equal(tar_quote(&a, "a\nb\x1b[31m\xff\\"), "a\\x0ab\\x1b[31m\\xff\\x5c");
	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	q = tar_quote(&a, name);
	assert_true(strlen(q) < 1024);
	assert_non_null(strstr(q, "..."));
	for (const char *p = q; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaned),
		cmocka_unit_test(clean_has_room),
		cmocka_unit_test(quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
