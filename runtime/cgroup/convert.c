/* Numbers of the specification (made for v1) to numbers of v2. See settings.h. */
#include "runtime/cgroup/settings.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000

/* Two functions of libm, so that the static program does not carry it for one number. */
static long double log_natural(long double x)
{
	long double z, square, term, sum = 0;
	unsigned halvings = 0;

	for (; x >= 2; halvings++)
		x /= 2;
	z = (x - 1) / (x + 1);
	square = z * z;
	term = z;
	for (unsigned i = 1; i < 90; i += 2) {
		sum += term / i;
		term *= square;
	}
	return 2 * sum + halvings * 0.693147180559945309417232121458176568L;
}

static long double exp_natural(long double x)
{
	long double term = 1, sum = 1;

	x /= 32;
	for (unsigned i = 1; i < 30; i++) {
		term *= x / i;
		sum += term;
	}
	for (unsigned i = 0; i < 5; i++)
		sum *= sum;
	return sum;
}

uint64_t convert_shares(uint64_t shares)
{
	const long double ln2 = 0.693147180559945309417232121458176568L;
	const long double ln10 = 2.302585092994045684017991454684364208L;
	long double l, weight;
	uint64_t whole;

	if (shares == 0)
		return 0;
	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	l = log_natural((long double)shares) / ln2;
	weight = exp_natural(((l * l + 125 * l) / 612 - 7.0L / 34) * ln10);
	/* Rounded up, except that the default, exactly 100, must not become 101. */
	whole = (uint64_t)weight;
	return weight - (long double)whole > 1e-9L ? whole + 1 : whole;
}

uint64_t convert_blkio_weight(uint16_t weight)
{
	if (weight == 0)
		return 0;
	if (weight <= 10)
		return 1;
	return 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

int convert_swap(int64_t limit, int64_t swap, int64_t *ret, struct error *e)
{
	if (swap == 0) {
		/* v1 cannot have unlimited memory below a limit of both. */
		*ret = limit == -1 ? -1 : -2;
		return 0;
	}
	if (swap == -1 || limit == -1) {
		*ret = swap;
		return 0;
	}
	if (limit <= 0)
		return err_msg(e,
			       "linux.resources.memory.swap: a limit of memory and swap together "
			       "needs memory.limit as well");
	if (swap < limit)
		return err_msg(
			e,
			"linux.resources.memory.swap: %lld is less than memory.limit %lld; it is "
			"memory and swap together",
			(long long)swap, (long long)limit);
	*ret = swap - limit;
	return 0;
}
