/* oci/base/date.c against the C library's calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "oci/base/date.h"

static void against_libc(void **state)
{
	struct arena a = { 0 };
	/* Steps of about 39 days and some seconds, from the year 1 to 9999. */
	static const time_t first = -62135596800, last = 253402300799;
	time_t back;
	char want[64];
	struct tm tm;

	(void)state;
	for (time_t t = first; t <= last; t += 3333337) {
		assert_non_null(gmtime_r(&t, &tm));
		tm.tm_year += 1900;
		assert_true(tm.tm_year > 0 && tm.tm_year < 10000);
		snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		assert_string_equal(date_rfc3339(&a, t, -1), want);
		assert_true(date_parse_rfc3339(want, &back));
		assert_int_equal(back, t);
	}
	assert_string_equal(date_rfc3339(&a, -1, -1), "1969-12-31T23:59:59Z");
	assert_string_equal(date_rfc3339(&a, 951782400, 5), "2000-02-29T00:00:00.000000005Z");
	arena_free(&a);
}

static void parsing(void **state)
{
	static const struct {
		const char *text;
		time_t want;
	} good[] = {
		{ "1970-01-02T00:00:00Z", 86400 },
		{ "1970-01-01T02:00:00.123456789+02:00", 0 },
		{ "1969-12-31T22:30:00-01:30", 0 },
		{ "1970-01-01T00:00:60z", 60 },
	};
	static const char *const bad[] = { "",
					   "yesterday",
					   "1970-01-01T00:00:00",
					   "1970-01-01T00:00:00+2",
					   "1970-00-01T00:00:00Z",
					   "1970-01-32T00:00:00Z",
					   "1970-13-01T00:00:00Z",
					   "1970-01-01T24:00:00Z",
					   "1970-01-01T00:00:00Zz",
					   "1970-01-01 00:00:00Z",
					   "1970-01-01T00:00:00+02:00x",
					   "+970-01-01T00:00:00Z" };
	time_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(date_parse_rfc3339(good[i].text, &t));
		assert_int_equal(t, good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(date_parse_rfc3339(bad[i], &t));
	assert_false(date_parse_rfc3339(NULL, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(against_libc),
					    cmocka_unit_test(parsing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
