/* See str.h. */
#include "oci/base/str.h"

#include <stdlib.h>

void str_plain(char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

		if (c < 0x20 || c == 0x7f)
			*s = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			*s++ = '?', *s = '?';
	}
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* The value of a digit of up to base 16; 16: it is none. */
static unsigned digit(char c)
{
	unsigned u = (unsigned char)c, letter = u | 0x20;

	if (u >= '0' && u <= '9')
		return u - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 16;
}

static bool digits(const char *s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = digit(*s);

		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, d, &v) || v > max)
			return false;
	}
	*ret = v;
	return true;
}

bool str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	return digits(s, 10, max, ret);
}

bool str_to_i64(const char *s, int64_t *ret)
{
	bool neg = *s == '-';
	uint64_t v;

	if (!digits(s + neg, 10, (uint64_t)INT64_MAX + neg, &v))
		return false;
	*ret = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool str_to_flag_number(const char *s, int64_t *ret)
{
	static const struct {
		char letter;
		unsigned base;
	} bases[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };
	char text[72], *end = text;
	bool neg = *s == '-';
	unsigned base = 10;
	uint64_t v;

	s += neg || *s == '+';
	if (*s == '0' && s[1]) {
		base = 8;
		for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
			if ((s[1] | 0x20) == bases[i].letter)
				base = bases[i].base, s++;
		s++;
	}
	/* Behind the first of them or a base, and in front of another one. */
	for (; *s && end < text + sizeof(text) - 1; s++)
		if (*s != '_')
			*end++ = *s;
		else if (!s[1] || s[1] == '_' || (end == text && base == 10))
			return false;
	*end = 0;
	if (*s || !digits(text, base, (uint64_t)INT64_MAX + neg, &v))
		return false;
	*ret = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool str_to_bool(const char *s, bool *ret)
{
	static const char *const words[] = { "1", "t", "T", "true",  "TRUE",  "True",
					     "0", "f", "F", "false", "FALSE", "False" };
	const size_t n = sizeof(words) / sizeof(words[0]);

	for (size_t i = 0; i < n; i++)
		if (str_eq(s, words[i])) {
			*ret = i < n / 2;
			return true;
		}
	return false;
}

bool str_to_mode(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t v;

	if (!digits(s, 8, max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool str_to_size(const char *s, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	char *end;
	double v;
	const char *u = NULL;

	if (*s < '0' || *s > '9')
		return false;
	for (const char *p = s; *p; p++)
		if (*p == 'x' || *p == 'X' || *p == 'e' || *p == 'E')
			return false;
	v = strtod(s, &end);
	while (*end == ' ')
		end++;
	if (*end) {
		u = strchr(units, *end | 0x20);
		if (!u)
			return false;
		end++;
		if (*u != 'b') {
			if (*end == 'i' && (end[1] | 0x20) == 'b')
				end += 2;
			else if ((*end | 0x20) == 'b')
				end++;
		}
		if (*end)
			return false;
		for (ptrdiff_t i = u - units; i > 0; i--)
			v *= 1024;
	}
	if (!(v < 9.2e18))
		return false;
	*ret = (int64_t)v;
	return true;
}

bool str_fields_u32(const char *line, uint32_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0;

		line += strspn(line, " \t");
		if (*line < '0' || *line > '9')
			return false;
		for (; *line >= '0' && *line <= '9' && v <= UINT32_MAX; line++)
			v = v * 10 + (uint64_t)(*line - '0');
		if (v > UINT32_MAX)
			return false;
		ret[i] = (uint32_t)v;
	}
	return true;
}

size_t str_utf8_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	static const struct {
		unsigned char first, last;	  /* of the first byte */
		unsigned char length, from, upto; /* of the second byte */
	} forms[] = {
		{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	if (*s < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*s < forms[i].first || *s > forms[i].last)
			continue;
		if (left < forms[i].length || s[1] < forms[i].from || s[1] > forms[i].upto)
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

char **str_split(struct arena *a, const char *s, char sep)
{
	struct strlist l = { 0 };

	for (;;) {
		const char *p = strchr(s, sep);

		if (!p)
			break;
		strlist_add(a, &l, arena_strndup(a, s, (size_t)(p - s)));
		s = p + 1;
	}
	strlist_add(a, &l, arena_strdup(a, s));
	return l.items;
}

size_t str_list_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

bool str_list_has(char *const *list, const char *s)
{
	for (; list && *list; list++)
		if (str_eq(*list, s))
			return true;
	return false;
}

unsigned str_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[65];

	if (n > 64 || m > 64)
		return 1000;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diag = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned up = row[j], best = diag + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = up;
			row[j] = best;
		}
	}
	return row[m];
}
