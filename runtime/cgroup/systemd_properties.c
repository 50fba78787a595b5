/*
 * Resources and annotations to a unit's properties (systemd.resource-control(5)). Pure. See
 * systemd.h.
 *
 * The conversion is the one that runc documents (docs/systemd.md), with systemd's own units: the
 * quota of the processor is microseconds a second, in whole percents; swap is without memory on v2.
 */
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/systemd.h"

#define ANNOTATION "org.systemd.property."
#define ANNOTATIONS_MAX 128
#define CPU_MAX 8192
#define DEFAULT_PERIOD 100000u /* the kernel's, in microseconds */
#define SECOND 1000000u
#define PERCENT (SECOND / 100)

void systemd_property_add(struct arena *a, struct systemd_properties *p, const char *name,
			  const char *type, const struct json_value *value, unsigned since)
{
	if (p->n == p->cap) {
		struct systemd_property *bigger;

		p->cap = p->cap ? 2 * p->cap : 16;
		bigger = ARENA_ARRAY(a, p->cap, struct systemd_property);
		if (p->n)
			memcpy(bigger, p->items, p->n * sizeof(*bigger));
		p->items = bigger;
	}
	p->items[p->n++] = (struct systemd_property){ name, type, value, since };
}

static struct json_value *scalar(struct arena *a, enum json_type_id type, const char *text)
{
	struct json_value *v = ARENA_NEW(a, struct json_value);

	v->type = type;
	v->text = text;
	return v;
}

static struct json_value *list(struct arena *a, size_t n)
{
	struct json_value *v = scalar(a, JSON_ARRAY, NULL);

	v->len = n;
	v->members = ARENA_ARRAY(a, n + 1, struct json_member);
	return v;
}

void systemd_property_bool(struct arena *a, struct systemd_properties *p, const char *name, bool v)
{
	struct json_value *value = scalar(a, JSON_BOOL, NULL);

	value->boolean = v;
	systemd_property_add(a, p, name, "b", value, 0);
}

static void add_u64(struct arena *a, struct systemd_properties *p, const char *name, uint64_t v,
		    unsigned since)
{
	char *text = arena_printf(a, "%llu", (unsigned long long)v);

	systemd_property_add(a, p, name, "t", scalar(a, JSON_NUMBER, text), since);
}

void systemd_property_u64(struct arena *a, struct systemd_properties *p, const char *name,
			  uint64_t v)
{
	add_u64(a, p, name, v, 0);
}

void systemd_property_str(struct arena *a, struct systemd_properties *p, const char *name,
			  const char *v)
{
	systemd_property_add(a, p, name, "s", scalar(a, JSON_STRING, v), 0);
}

void systemd_property_strs(struct arena *a, struct systemd_properties *p, const char *name,
			   const char *v)
{
	struct json_value *l = list(a, 1);

	l->members[0].value = *scalar(a, JSON_STRING, v);
	systemd_property_add(a, p, name, "as", l, 0);
}

/* --- annotations --- */

/* What mrun itself says about the unit, and which would tear the container from it. */
static const char *const ours[] = { "PIDs", "PIDFDs", "Slice", "Documentation", NULL };

static int check_name(const char *name, const char *where, struct error *e)
{
	size_t n = strlen(name);

	if (n < 3 || n > 64 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return err_msg(e, "%s: '%.80s' is not the name of a property", where, name);
	if (str_list_has((char *const *)(uintptr_t)ours, name)) {
		err_msg(e, "%s: %s cannot be changed: mrun sets it", where, name);
		return err_hint(e,
				"linux.cgroupsPath (slice:prefix:name) says where the unit lies");
	}
	return 0;
}

/* "TimeoutStopSec" is what unit files say; over D-Bus there is only TimeoutStopUSec. A number,
 * which may have a fraction, becomes microseconds. */
static int seconds_to_usec(struct arena *a, const char *where, const char **name, const char **type,
			   const struct json_value **value, struct error *e)
{
	size_t len = strlen(*name);
	const char *text = (*value)->text;
	uint64_t whole = 0, usec = 0, unit = SECOND / 10;
	char *digits, *dot;

	if (!str_has_suffix(*name, "Sec") || (*name)[len - 4] < 'a' || (*name)[len - 4] > 'z')
		return 0;
	*name = arena_printf(a, "%.*sUSec", (int)(len - 3), *name);
	if (!strchr("ynqiuxtd", **type))
		return err_msg(e, "%s: not a number of seconds", where);
	digits = arena_strdup(a, text + (*text == '+'));
	dot = strchr(digits, '.');
	if (dot) {
		*dot++ = 0;
		for (; *dot >= '0' && *dot <= '9'; dot++, unit /= 10)
			usec += (uint64_t)(*dot - '0') * unit;
	}
	if ((dot && *dot) || !str_to_u64(*digits ? digits : "0", UINT64_MAX / SECOND - 1, &whole))
		return err_msg(e, "%s: '%s' is not a number of seconds", where, text);
	*type = "t";
	usec += whole * SECOND;
	*value = scalar(a, JSON_NUMBER, arena_printf(a, "%llu", (unsigned long long)usec));
	return 0;
}

int systemd_annotations(struct arena *a, const struct json_pair *annotations, size_t n,
			struct systemd_properties *ret, struct error *e)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const char *key = annotations[i].key, *name, *type, *where;
		const struct json_value *value;

		if (!str_has_prefix(key, ANNOTATION))
			continue;
		where = arena_printf(a, "annotation %.120s", key);
		name = key + strlen(ANNOTATION);
		if (++count > ANNOTATIONS_MAX)
			return err_msg(e, "%s: more than %d annotations of that kind", where,
				       ANNOTATIONS_MAX);
		if (check_name(name, where, e) < 0 ||
		    systemd_variant_parse(a, annotations[i].value ? annotations[i].value : "",
					  where, &type, &value, e) < 0 ||
		    seconds_to_usec(a, where, &name, &type, &value, e) < 0)
			return -1;
		systemd_property_add(a, ret, name, type, value, 0);
	}
	return 0;
}

/* --- resources --- */

/* -1 is "no limit", which systemd calls the largest number; 0 is "not given". */
static void add_limit(struct arena *a, struct systemd_properties *p, const char *name,
		      const int64_t *v)
{
	if (v && *v)
		systemd_property_u64(a, p, name, *v < 0 ? UINT64_MAX : (uint64_t)*v);
}

static void add_quota(struct arena *a, struct systemd_properties *p, int64_t quota, uint64_t period)
{
	uint64_t per_second = UINT64_MAX;

	if (period)
		add_u64(a, p, "CPUQuotaPeriodUSec", period, 242);
	if (quota > 0 && !__builtin_mul_overflow((uint64_t)quota, (uint64_t)SECOND, &per_second)) {
		per_second /= period ? period : DEFAULT_PERIOD;
		/* Rounded up: systemd keeps percents, and the file gets the exact value. */
		per_second = (per_second + PERCENT - 1) / PERCENT * PERCENT;
	}
	systemd_property_u64(a, p, "CPUQuotaPerSecUSec", per_second);
}

static void cpu_quota(struct arena *a, const struct oci_cpu *c, const struct systemd_now *now,
		      struct systemd_properties *p)
{
	int64_t quota = c->quota ? *c->quota : 0;
	uint64_t period = c->period ? *c->period : 0;

	if (!quota && !period)
		return;
	if (!quota && now->cpu_quota > 0)
		quota = now->cpu_quota;
	add_quota(a, p, quota, period ? period : now->cpu_period);
}

/* "0-3,7" as bits, the lowest first. What is not understood is left to the kernel's opinion of the
 * file. */
static void add_cpuset(struct arena *a, struct systemd_properties *p, const char *name,
		       const char *text)
{
	unsigned char bits[CPU_MAX / 8] = { 0 };
	struct json_value *l;
	size_t n = 0;

	for (char **part = str_split(a, text, ','); *part; part++) {
		char **ends = str_split(a, *part, '-');
		uint64_t from, to;

		if (str_list_len(ends) > 2 || !str_to_u64(ends[0], CPU_MAX - 1, &from) ||
		    !str_to_u64(ends[1] ? ends[1] : ends[0], CPU_MAX - 1, &to) || to < from)
			return;
		for (; from <= to; from++)
			bits[from / 8] |= (unsigned char)(1u << from % 8);
		if (to / 8 + 1 > n)
			n = to / 8 + 1;
	}
	l = list(a, n);
	for (size_t i = 0; i < n; i++)
		l->members[i].value = *scalar(a, JSON_NUMBER, arena_printf(a, "%u", bits[i]));
	systemd_property_add(a, p, name, "ay", l, 244);
}

static int memory_v2(struct arena *a, const struct oci_memory *m, const struct systemd_now *now,
		     struct systemd_properties *p, struct error *e)
{
	int64_t limit = m->limit ? *m->limit : 0, sum = m->swap ? *m->swap : 0, swap = -2;
	int64_t known = limit ? limit : now->memory_limit == -2 ? 0 : now->memory_limit;

	add_limit(a, p, "MemoryMax", m->limit);
	add_limit(a, p, "MemoryLow", m->reservation);
	if ((sum || limit == -1) && convert_swap(sum ? known : limit, sum, &swap, e) < 0)
		return -1;
	if (swap != -2)
		systemd_property_u64(a, p, "MemorySwapMax", swap < 0 ? UINT64_MAX : (uint64_t)swap);
	return 0;
}

static void cpu_v2(struct arena *a, const struct oci_cpu *c, const struct systemd_now *now,
		   struct systemd_properties *p)
{
	/* Weight 0 is systemd's word for idle. */
	if (c->idle && *c->idle == 1)
		add_u64(a, p, "CPUWeight", 0, 252);
	else if (c->shares && *c->shares)
		systemd_property_u64(a, p, "CPUWeight", convert_shares(*c->shares));
	cpu_quota(a, c, now, p);
	if (c->cpus && *c->cpus)
		add_cpuset(a, p, "AllowedCPUs", c->cpus);
	if (c->mems && *c->mems)
		add_cpuset(a, p, "AllowedMemoryNodes", c->mems);
}

/* The files of the unified hierarchy that have a property of the same meaning. */
static void unified(struct arena *a, const struct json_pair *u, struct systemd_properties *p)
{
	static const struct {
		const char *key, *name;
		unsigned since;
	} limits[] = {
		{ "cpu.weight", "CPUWeight", 0 }, { "memory.high", "MemoryHigh", 0 },
		{ "memory.low", "MemoryLow", 0 }, { "memory.min", "MemoryMin", 240 },
		{ "memory.max", "MemoryMax", 0 }, { "memory.swap.max", "MemorySwapMax", 0 },
		{ "pids.max", "TasksMax", 0 },
	};
	const char *v = u->value ? u->value + strspn(u->value, " \t") : "";
	char *text = arena_strndup(a, v, strcspn(v, " \t\n")), **words;
	uint64_t quota = 0, period = DEFAULT_PERIOD, number;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		if (str_eq(u->key, limits[i].key)) {
			if (str_eq(text, "max"))
				add_u64(a, p, limits[i].name, UINT64_MAX, limits[i].since);
			else if (str_to_u64(text, UINT64_MAX, &number))
				add_u64(a, p, limits[i].name, number, limits[i].since);
			return;
		}
	if (str_eq(u->key, "cpuset.cpus"))
		add_cpuset(a, p, "AllowedCPUs", text);
	else if (str_eq(u->key, "cpuset.mems"))
		add_cpuset(a, p, "AllowedMemoryNodes", text);
	else if (str_eq(u->key, "cpu.max")) {
		words = str_split(a, v, ' ');
		if ((str_eq(words[0], "max") || str_to_u64(words[0], INT64_MAX, &quota)) &&
		    (!words[1] || str_to_u64(words[1], UINT64_MAX, &period)))
			add_quota(a, p, (int64_t)quota, period);
	}
}

/* --- devices --- */

/* The name that /proc/devices has for a major number, below "Character devices:" or "Block
 * devices:"; NULL. */
static char *device_group(struct arena *a, const char *devices, char type, int64_t major)
{
	bool block = false;

	for (char **line = str_split(a, devices, '\n'); *line; line++) {
		char *s = *line + strspn(*line, " "), *space = strchr(s, ' ');
		uint64_t number;

		if (str_has_prefix(s, "Block"))
			block = true;
		if (!space || block != (type == 'b'))
			continue;
		*space = 0;
		if (str_to_u64(s, UINT32_MAX, &number) && (int64_t)number == major)
			return space + 1;
	}
	return NULL;
}

/* As systemd.resource-control(5) names a device, or all of a kind; NULL: it has no name for it. */
static char *device_name(struct arena *a, const char *devices, const struct device_rule *r)
{
	const char *kind = r->type == 'b' ? "block" : "char";
	char *group;

	if (r->major != DEV_ANY && r->minor != DEV_ANY)
		return arena_printf(a, "/dev/%s/%lld:%lld", kind, (long long)r->major,
				    (long long)r->minor);
	if (r->minor != DEV_ANY)
		return NULL;
	if (r->major == DEV_ANY)
		return arena_printf(a, "%s-*", kind);
	group = device_group(a, devices, r->type, r->major);
	return group ? arena_printf(a, "%s-%s", kind, group) : NULL;
}

static struct json_value *device_entry(struct arena *a, const char *name, uint32_t access)
{
	struct json_value *pair = list(a, 2);

	pair->members[0].value = *scalar(a, JSON_STRING, name);
	pair->members[1].value =
		*scalar(a, JSON_STRING,
			arena_printf(a, "%s%s%s", access & DEV_READ ? "r" : "",
				     access & DEV_WRITE ? "w" : "", access & DEV_MKNOD ? "m" : ""));
	return pair;
}

/* On v1 systemd writes devices.allow itself whenever it applies the unit, so what it writes must
 * be ours; on v2 its program stands beside ours and both have to agree, so that what systemd
 * cannot express is left to ours alone. */
static int devices_properties(struct arena *a, const struct oci_resources *r, bool v2,
			      const char *devices, struct systemd_properties *p, struct error *e)
{
	struct device_rule *rules;
	struct device_state s = { 0 };
	struct json_value *allow;
	struct error inexpressible;
	bool strict;
	size_t n;

	if (devices_rules(a, r->devices, r->devices_len, &rules, &n, e) < 0)
		return -1;
	if (!n)
		return 0;
	if (devices_state(a, rules, n, &s, &inexpressible) < 0) {
		if (!v2)
			return *e = inexpressible, -1;
		s = (struct device_state){ .allow = true };
	}
	strict = !s.allow;
	allow = list(a, strict ? s.n : 0);
	allow->len = 0;
	for (size_t i = 0; strict && i < s.n; i++) {
		char *name = s.items[i].access ? device_name(a, devices, &s.items[i]) : NULL;

		if (name)
			allow->members[allow->len++].value =
				*device_entry(a, name, s.items[i].access);
		else if (s.items[i].access && v2)
			strict = false;
	}
	systemd_property_add(a, p, "DevicePolicy", "s",
			     scalar(a, JSON_STRING, strict ? "strict" : "auto"), 240);
	/* An empty list takes away what was there. */
	systemd_property_add(a, p, "DeviceAllow", "a(ss)", list(a, 0), 240);
	if (strict && allow->len)
		systemd_property_add(a, p, "DeviceAllow", "a(ss)", allow, 240);
	return 0;
}

int systemd_resources(struct arena *a, const struct oci_resources *r, bool v2,
		      const struct systemd_now *now, const char *devices,
		      struct systemd_properties *ret, struct error *e)
{
	if (!r)
		return 0;
	if (devices && devices_properties(a, r, v2, devices, ret, e) < 0)
		return -1;
	if (r->memory && v2 && memory_v2(a, r->memory, now, ret, e) < 0)
		return -1;
	if (r->memory && !v2)
		add_limit(a, ret, "MemoryLimit", r->memory->limit);
	if (r->cpu && v2)
		cpu_v2(a, r->cpu, now, ret);
	if (r->cpu && !v2) {
		if (r->cpu->shares && *r->cpu->shares)
			systemd_property_u64(a, ret, "CPUShares", *r->cpu->shares);
		/* systemd has no property for v1's cpuset. */
		cpu_quota(a, r->cpu, now, ret);
	}
	if (r->pids)
		add_limit(a, ret, "TasksMax", r->pids->limit);
	if (!v2 && r->block_io && r->block_io->weight && *r->block_io->weight)
		systemd_property_u64(a, ret, "BlockIOWeight", *r->block_io->weight);
	for (size_t i = 0; v2 && i < r->unified_len; i++)
		unified(a, &r->unified[i], ret);
	return 0;
}
