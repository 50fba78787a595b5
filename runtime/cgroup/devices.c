/* Checking device rules, and the ones that every container gets. See devices.h. */
#include "runtime/cgroup/devices.h"

#include <string.h>

/* runtime-spec "Default Devices", with the terminals; and making nodes is harmless where using them
 * is not allowed. The same list as runc's and crun's. */
static const struct device_rule defaults[] = {
	{ DEV_ANY, DEV_ANY, DEV_MKNOD, 'c', true },
	{ DEV_ANY, DEV_ANY, DEV_MKNOD, 'b', true },
	{ 1, 3, DEV_ALL, 'c', true },	      /* null */
	{ 1, 5, DEV_ALL, 'c', true },	      /* zero */
	{ 1, 7, DEV_ALL, 'c', true },	      /* full */
	{ 1, 8, DEV_ALL, 'c', true },	      /* random */
	{ 1, 9, DEV_ALL, 'c', true },	      /* urandom */
	{ 5, 0, DEV_ALL, 'c', true },	      /* tty */
	{ 5, 1, DEV_ALL, 'c', true },	      /* console */
	{ 5, 2, DEV_ALL, 'c', true },	      /* ptmx */
	{ 136, DEV_ANY, DEV_ALL, 'c', true }, /* pts */
};
#define DEFAULTS (sizeof(defaults) / sizeof(*defaults))

static int parse_access(const char *s, size_t i, uint32_t *ret, struct error *e)
{
	uint32_t access = 0;

	for (const char *p = s ? s : ""; *p; p++) {
		if (*p == 'r')
			access |= DEV_READ;
		else if (*p == 'w')
			access |= DEV_WRITE;
		else if (*p == 'm')
			access |= DEV_MKNOD;
		else
			access = 8;
		if (access > DEV_ALL)
			break;
	}
	if (!access || access > DEV_ALL)
		return err_msg(
			e, "linux.resources.devices[%zu].access: '%s' is not made of r, w and m", i,
			s ? s : "");
	*ret = access;
	return 0;
}

static int parse_number(const int64_t *v, const char *which, size_t i, int64_t *ret,
			struct error *e)
{
	*ret = v ? *v : DEV_ANY;
	if (*ret < DEV_ANY || *ret > UINT32_MAX)
		return err_msg(e, "linux.resources.devices[%zu].%s: %lld is no device number", i,
			       which, (long long)*ret);
	return 0;
}

int devices_rules(struct arena *a, const struct oci_device_cgroup *d, size_t n,
		  struct device_rule **ret, size_t *ret_len, struct error *e)
{
	struct device_rule *rules;

	*ret_len = 0;
	*ret = NULL;
	if (!n)
		return 0;
	rules = ARENA_ARRAY(a, n + DEFAULTS, struct device_rule);
	for (size_t i = 0; i < n; i++) {
		const char *type = d[i].type && *d[i].type ? d[i].type : "a";

		/* u is the specification's other name of c. */
		if (strlen(type) != 1 || !strchr("abcu", *type))
			return err_msg(e,
				       "linux.resources.devices[%zu].type: '%s' is none of a, b, c",
				       i, type);
		rules[i].allow = d[i].allow;
		rules[i].type = *type;
		if (*type == 'u')
			rules[i].type = 'c';
		if (parse_number(d[i].major, "major", i, &rules[i].major, e) < 0 ||
		    parse_number(d[i].minor, "minor", i, &rules[i].minor, e) < 0 ||
		    parse_access(d[i].access, i, &rules[i].access, e) < 0)
			return -1;
	}
	memcpy(rules + n, defaults, sizeof(defaults));
	*ret = rules;
	*ret_len = n + DEFAULTS;
	return 0;
}
