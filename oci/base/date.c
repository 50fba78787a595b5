/* Days and dates: the proleptic Gregorian calendar, counted in eras of 400 years that begin on the
 * first of March, so that the leap day is the last of its year. */
#include "oci/base/date.h"

#include <stdint.h>
#include <string.h>

enum { DAYS_OF_ERA = 146097, DAYS_TO_1970 = 719468, DAY = 86400 };

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + DAYS_TO_1970;
	int64_t era = (z >= 0 ? z : z - DAYS_OF_ERA + 1) / DAYS_OF_ERA;
	unsigned doe = (unsigned)(z - era * DAYS_OF_ERA);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned m = (5 * doy + 2) / 153; /* March is 0 */

	*day = doy - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static int64_t days_to(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * DAYS_OF_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy - DAYS_TO_1970;
}

char *date_rfc3339(struct arena *a, time_t seconds, long nanoseconds)
{
	int64_t days = seconds / DAY - (seconds % DAY < 0), year;
	unsigned month, day, rest = (unsigned)(seconds - days * DAY);
	char *text;

	date_of(days, &year, &month, &day);
	text = arena_printf(a, "%04lld-%02u-%02uT%02u:%02u:%02u", (long long)year, month, day,
			    rest / 3600, rest / 60 % 60, rest % 60);
	return nanoseconds < 0 ? arena_printf(a, "%sZ", text)
			       : arena_printf(a, "%s.%09ldZ", text, nanoseconds);
}

/* N digits, at most MAX, then the character NEXT (0: whatever). */
static const char *number(const char *p, unsigned n, unsigned max, char next, unsigned *ret)
{
	if (!p)
		return NULL;
	for (*ret = 0; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			return NULL;
		*ret = *ret * 10 + (unsigned)(*p - '0');
	}
	if (*ret > max || (next && *p != next))
		return NULL;
	return next ? p + 1 : p;
}

bool date_parse_rfc3339(const char *s, time_t *ret)
{
	unsigned year, month, day, hour, minute, second, zone_hour = 0, zone_minute = 0;
	char sign;

	s = number(s, 4, 9999, '-', &year);
	s = number(s, 2, 12, '-', &month);
	s = number(s, 2, 31, 'T', &day);
	s = number(s, 2, 23, ':', &hour);
	s = number(s, 2, 59, ':', &minute);
	s = number(s, 2, 60, 0, &second);
	if (!s || month == 0 || day == 0)
		return false;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789");
	sign = *s++;
	if (sign == '+' || sign == '-') {
		s = number(s, 2, 23, ':', &zone_hour);
		s = number(s, 2, 59, 0, &zone_minute);
	} else if (sign != 'Z' && sign != 'z') {
		return false;
	}
	if (!s || *s)
		return false;
	*ret = days_to(year, month, day) * DAY + hour * 3600L + minute * 60L + second -
	       (sign == '-' ? -1L : 1L) * (zone_hour * 3600L + zone_minute * 60L);
	return true;
}
