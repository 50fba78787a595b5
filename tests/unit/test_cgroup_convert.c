/* v1's numbers to v2's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "runtime/cgroup/settings.h"

/* Values that runc 1.3.2's own tests and its release notes give (2000 -> 170). */
static void shares(void **state)
{
	static const struct {
		uint64_t shares, weight;
	} table[] = { { 0, 0 },
		      { 1, 1 },
		      { 2, 1 },
		      { 1024, 100 },
		      { 2000, 170 },
		      { 262144, 10000 },
		      { 1ull << 40, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(convert_shares(table[i].shares), table[i].weight);
}

static void shares_grow(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t s = 1; s <= 262144; s++) {
		uint64_t w = convert_shares(s);

		assert_true(w >= last && w >= 1 && w <= 10000);
		last = w;
	}
}

static void blkio(void **state)
{
	(void)state;
	assert_int_equal(convert_blkio_weight(0), 0);
	assert_int_equal(convert_blkio_weight(10), 1);
	assert_int_equal(convert_blkio_weight(500), 4950);
	assert_int_equal(convert_blkio_weight(1000), 10000);
	assert_int_equal(convert_blkio_weight(3), 1);
}

static void swap(void **state)
{
	static const struct {
		int64_t limit, swap;
		int result;
		int64_t value;
	} table[] = { { 100, 300, 0, 200 }, { 100, 100, 0, 0 },	 { 100, -1, 0, -1 },
		      { -1, 0, 0, -1 },	    { -1, 300, 0, 300 }, { 100, 0, 0, -2 },
		      { 0, 300, -1, 0 },    { 300, 100, -1, 0 }, { -1, -1, 0, -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct error e;
		int64_t v = 0;
		int r = convert_swap(table[i].limit, table[i].swap, &v, &e);

		assert_int_equal(r, table[i].result);
		if (r == 0)
			assert_int_equal(v, table[i].value);
		else
			assert_non_null(strstr(e.msg, "linux.resources.memory.swap"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(shares_grow),
		cmocka_unit_test(blkio),
		cmocka_unit_test(swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
