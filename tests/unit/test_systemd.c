/* The systemd driver's pure parts: names, slices, values of annotations, properties of resources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/systemd.h"

static struct arena arena;

struct line {
	const char *in, *want;
};
#define RUN(table, f)                                                 \
	for (size_t i = 0; i < sizeof(table) / sizeof(*(table)); i++) \
	assert_string_equal(f((table)[i].in), (table)[i].want)

/* --- names --- */

/* "SLICE NAME", or the error. */
static const char *unit_of(const char *path, const char *id, bool user)
{
	struct systemd_unit u;
	struct error e;

	if (systemd_unit_parse(&arena, path, id, user, &u, &e) < 0)
		return arena_strdup(&arena, e.msg);
	return arena_printf(&arena, "%s %s", u.slice, u.name);
}

static const char *unit(const char *path)
{
	return unit_of(path, "c1", false);
}

static void units(void **state)
{
	static const struct line table[] = {
		{ NULL, "system.slice mrun-c1.scope" },
		{ "", "system.slice mrun-c1.scope" },
		{ "::n", "system.slice -n.scope" },
		{ ":docker:abc", "system.slice docker-abc.scope" },
		{ "machine.slice:libpod:abc", "machine.slice libpod-abc.scope" },
		{ "-:p:n", "-.slice p-n.scope" },
		{ "-.slice:p:n", "-.slice p-n.scope" },
		{ "a-b.slice:p:n", "a-b.slice p-n.scope" },
		{ "a.slice:p:a-x.slice", "a.slice a-x.slice" },
		{ "a.slice:p:n+1 \xc3\xa4", "a.slice p-n\\x2b1\\x20\\xc3\\xa4.scope" },
		{ "a.slice:p:n@1", "a.slice p-n@1.scope" },
		{ "a:b", "linux.cgroupsPath: expected it to be of format \"slice:prefix:name\" for "
			 "systemd cgroups, got \"a:b\" instead" },
		{ "/a/b",
		  "linux.cgroupsPath: expected it to be of format \"slice:prefix:name\" for "
		  "systemd cgroups, got \"/a/b\" instead" },
		{ "a.slice:../..:n", "linux.cgroupsPath: expected it to be of format "
				     "\"slice:prefix:name\" for systemd cgroups, got "
				     "\"a.slice:../..:n\" instead" },
		{ "a:p:n", "linux.cgroupsPath: 'a' is not the name of a slice" },
		{ "a--b.slice:p:n", "linux.cgroupsPath: 'a--b.slice' is not the name of a slice" },
		{ "a b.slice:p:n", "linux.cgroupsPath: 'a b.slice' is not the name of a slice" },
		{ "a.slice:p:",
		  "linux.cgroupsPath: 'a.slice:p:' has no name behind the second ':'" },
		{ "a.slice:p:-x.slice",
		  "linux.cgroupsPath: '-x.slice' is not the name of a slice" },
	};
	char id[400];

	(void)state;
	RUN(table, unit);
	assert_string_equal(unit_of(NULL, "c+1", true), "user.slice mrun-c\\x2b1.scope");
	memset(id, 'a', sizeof(id) - 1);
	id[sizeof(id) - 1] = 0;
	assert_non_null(strstr(unit_of(NULL, id, false), "has 410 characters, more than 255"));
}

static const char *slice(const char *name)
{
	const char *path = systemd_slice_path(&arena, name);

	return path ? path : "(none)";
}

static void slices(void **state)
{
	static const struct line table[] = {
		{ "-.slice", "" },
		{ "a.slice", "/a.slice" },
		{ "a-b.slice", "/a.slice/a-b.slice" },
		{ "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
		{ "kubepods-besteffort-pod1\\x2d2.slice",
		  "/kubepods.slice/kubepods-besteffort.slice/"
		  "kubepods-besteffort-pod1\\x2d2.slice" },
		{ ".slice", "(none)" },
		{ "-a.slice", "(none)" },
		{ "a-.slice", "(none)" },
		{ "a", "(none)" },
		{ "a/b.slice", "(none)" },
		{ "a@b.slice", "(none)" },
	};

	(void)state;
	RUN(table, slice);
}

static void managers(void **state)
{
	(void)state;
	assert_string_equal(systemd_manager_path(&arena, "/init.scope", "/x", false, 0), "");
	assert_string_equal(systemd_manager_path(&arena, "/lxc/c/init.scope", "/x", false, 0),
			    "/lxc/c");
	assert_string_equal(systemd_manager_path(&arena, NULL, "/x", false, 0), "");
	assert_string_equal(systemd_manager_path(
				    &arena, NULL,
				    "/user.slice/user-7.slice/user@7.service/app.slice/x", true, 7),
			    "/user.slice/user-7.slice/user@7.service");
	assert_string_equal(systemd_manager_path(&arena, NULL,
						 "/user.slice/user-7.slice/session-1.scope", true,
						 7),
			    "/user.slice/user-7.slice/user@7.service");
	assert_string_equal(systemd_manager_path(&arena, NULL, "/user@x.service/y", true, 7),
			    "/user.slice/user-7.slice/user@7.service");
	assert_string_equal(systemd_mark(&arena, "/run/mrun/a b+%"), "file:/run/mrun/a%20b+%25");
}

/* --- values --- */

static const char *json(const struct json_value *v)
{
	struct json_out *o = json_out_new(&arena, false);

	json_out_value(o, v);
	return json_out_finish(o, NULL);
}

static const char *variant(const char *text)
{
	const struct json_value *v;
	const char *type, *rest;
	struct error e;

	if (systemd_variant_parse(&arena, text, "A", &type, &v, &e) < 0) {
		rest = strstr(e.msg, "': ");
		if (!rest)
			rest = strstr(e.msg, "', ");
		return arena_strdup(&arena, rest ? rest + 3 : e.msg);
	}
	return arena_printf(&arena, "%s %s", type, json(v));
}

static void variants(void **state)
{
	static const struct line table[] = {
		{ "true", "b true" },
		{ " false ", "b false" },
		{ "5", "i 5" },
		{ "-5", "i -5" },
		{ "+5", "i 5" },
		{ "-0", "i 0" },
		{ "0x1F", "i 31" },
		{ "017", "i 15" },
		{ "uint64 18446744073709551615", "t 18446744073709551615" },
		{ "@t 5", "t 5" },
		{ "int64 -9223372036854775808", "x -9223372036854775808" },
		{ "byte 255", "y 255" },
		{ "1.5", "d \"1.5\"" },
		{ "double 2", "d \"2\"" },
		{ "1e-3", "d \"1e-3\"" },
		{ "'a'", "s \"a\"" },
		{ "\"it's\"", "s \"it's\"" },
		{ "'\\u00e4\\n\\''", "s \"\xc3\xa4\\n'\"" },
		{ "objectpath '/a'", "o \"/a\"" },
		{ "['a', 'b']", "as [\"a\",\"b\"]" },
		{ "['a',]", "as [\"a\"]" },
		{ "@as []", "as []" },
		{ "[1, uint32 2]", "au [1,2]" },
		{ "[('a', uint64 1), ('b', 2)]", "a(st) [[\"a\",1],[\"b\",2]]" },
		{ "@a(ss) []", "a(ss) []" },
		{ "[[1], [2]]", "aai [[1],[2]]" },
		{ "('x',)", "(s) [\"x\"]" },

		{ "", "at character 1: a value is missing" },
		{ "5 6", "at character 3: something follows the value" },
		{ "yes", "at character 1: not a value; a text needs quotes" },
		{ "'a", "at character 3: the closing quote is missing" },
		{ "'\\ud800'", "at character 8: not a character's number" },
		{ "5x", "at character 1: not a number, or too large" },
		{ "1.2.3", "at character 1: not a number, or too large" },
		{ "99999999999999999999", "at character 1: not a number, or too large" },
		{ "2147483648", "not a value of type i" },
		{ "byte 256", "not a value of type y" },
		{ "uint32 -1", "not a value of type u" },
		{ "uint64 'a'", "not a value of type t" },
		{ "uint64 [1]", "not a value of type t" },
		{ "objectpath 'a'", "not a value of type o" },
		{ "[]", "the type of an empty array must be given, as in @as []" },
		{ "[1, 'a']", "not a value of type i" },
		{ "[1, 2", "at character 6: expected , or ]" },
		{ "()", "the type of an empty array must be given, as in @as []" },
		{ "@(st) ('a',)", "a tuple with fewer values than its type has" },
		{ "@(s) ('a', 1)", "a tuple with more values than its type has" },
		{ "@as [uint32 1]", "a value of type u where s belongs" },
		{ "@t uint32 5", "at character 12: two types in front of one value" },
		{ "@v <5>", "at character 1: not a type that is taken" },
		{ "@a{sv} {}", "at character 1: not a type that is taken" },
		{ "{}", "at character 1: dictionaries and variants are not taken" },
		{ "<5>", "at character 1: dictionaries and variants are not taken" },
		{ "handle 3", "at character 1: a file descriptor cannot be given" },
		{ "[[[[[[[[1]]]]]]]]", "at character 8: nested too deep" },
	};
	char *many = arena_alloc(&arena, 16386);

	(void)state;
	RUN(table, variant);
	memset(many, ' ', 16385);
	assert_string_equal(variant(many), "A: 16385 characters, more than the 16384 allowed");
	for (size_t i = 0; i < 4000; i += 2)
		memcpy(many + i, i ? "1," : "[ ", 2);
	many[4000] = ']';
	many[4001] = 0;
	assert_non_null(strstr(variant(many), "too many values"));
}

/* Whatever is made of valid texts by changing them is taken or refused, within its bounds. */
static void variants_mangled(void **state)
{
	static const char *const seeds[] = {
		"[('a', uint64 1), ('b', 2)]",
		"@a(ss) [('/dev/char/1:3', \"rwm\")]",
		"'\\u00e4\\n\\''",
		"[[0x1F, 017], @ai []]",
		"(1.5e3, true, byte 7)",
	};
	static const char chars[] = "'\"[]()<>{}@,\\ 01x.eEuat-+\n\x80\xff";
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char *text = arena_strdup(&arena, seeds[(unsigned)round % 5]);
		const struct json_value *v;
		const char *type;
		struct error e;

		for (int i = 0; i < 1 + round % 4; i++) {
			seed = seed * 1103515245u + 12345u;
			text[(seed >> 16) % strlen(text)] =
				chars[(seed >> 8) % (sizeof(chars) - 1)];
		}
		if (systemd_variant_parse(&arena, text, "A", &type, &v, &e) == 0)
			assert_non_null(json(v));
		else
			assert_true(*e.msg != 0);
		if (round % 1000 == 0)
			arena_free(&arena);
	}
}

/* --- properties --- */

static const char *all(const struct systemd_properties *p)
{
	char *r = arena_strdup(&arena, "");

	for (size_t i = 0; i < p->n; i++)
		r = arena_printf(&arena, "%s%s%s:%s=%s", r, *r ? ";" : "", p->items[i].name,
				 p->items[i].type, json(p->items[i].value));
	return r;
}

/* IN: "NAME VALUE" */
static const char *annotation(const char *in)
{
	struct systemd_properties p = { 0 };
	char *name = arena_strdup(&arena, in), *value = strchr(name, ' ');
	struct json_pair pairs[2] = { { (char *)(uintptr_t) "other", (char *)(uintptr_t) "x" } };
	struct error e;

	*value++ = 0;
	pairs[1].key = arena_printf(&arena, "org.systemd.property.%s", name);
	pairs[1].value = value;
	return systemd_annotations(&arena, pairs, 2, &p, &e) < 0 ? arena_strdup(&arena, e.msg)
								 : all(&p);
}

static void annotations(void **state)
{
#define A "annotation org.systemd.property."
	static const struct line table[] = {
		{ "TimeoutStopUSec uint64 123456789", "TimeoutStopUSec:t=123456789" },
		{ "TimeoutStopSec uint64 7", "TimeoutStopUSec:t=7000000" },
		{ "TimeoutStopSec 1.5", "TimeoutStopUSec:t=1500000" },
		{ "CollectMode 'inactive-or-failed'", "CollectMode:s=\"inactive-or-failed\"" },
		{ "After ['crio.service']", "After:as=[\"crio.service\"]" },
		{ "TimeoutStopSec 'x'", A "TimeoutStopSec: not a number of seconds" },
		{ "TimeoutStopSec -1", A "TimeoutStopSec: '-1' is not a number of seconds" },
		{ "TimeoutStopSec uint64 18446744073709551615",
		  A "TimeoutStopSec: '18446744073709551615' is not a number of seconds" },
		{ "Ab 1", A "Ab: 'Ab' is not the name of a property" },
		{ "A_b 1", A "A_b: 'A_b' is not the name of a property" },
		{ "PIDs [uint32 1]", A "PIDs: PIDs cannot be changed: mrun sets it" },
		{ "Slice 'x.slice'", A "Slice: Slice cannot be changed: mrun sets it" },
		{ "Foo bar", A "Foo: 'bar', at character 1: not a value; a text needs quotes" },
	};
#undef A

	(void)state;
	RUN(table, annotation);
}

static const char devices[] = "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock "
			      "devices:\n  8 sd\n";

static const char *resources(const char *text, bool v2, const struct systemd_now *now,
			     const char *device_list)
{
	struct systemd_properties p = { 0 };
	struct error e;
	struct oci_resources *r =
		json_read(&arena, text, strlen(text), &oci_resources_type, "test", &e);

	assert_non_null(r);
	if (systemd_resources(&arena, r, v2, now, device_list, &p, &e) < 0)
		return arena_strdup(&arena, e.msg);
	return all(&p);
}

static const struct systemd_now fresh = { .memory_limit = -2, .cpu_quota = -2 };

static const char *v1(const char *text)
{
	return resources(text, false, &fresh, NULL);
}

static const char *v2(const char *text)
{
	return resources(text, true, &fresh, NULL);
}

static const char *v2_update(const char *text)
{
	const struct systemd_now now = { .memory_limit = 1000,
					 .cpu_quota = 5000,
					 .cpu_period = 20000 };

	return resources(text, true, &now, NULL);
}

static const char *v2_devices(const char *text)
{
	return resources(text, true, &fresh, devices);
}

static const char *v1_devices(const char *text)
{
	return resources(text, false, &fresh, devices);
}

static void limits(void **state)
{
#define MAX "18446744073709551615"
	static const struct line unified[] = {
		{ "{}", "" },
		{ "{\"memory\":{\"limit\":100,\"reservation\":50,\"swap\":150}}",
		  "MemoryMax:t=100;MemoryLow:t=50;MemorySwapMax:t=50" },
		{ "{\"memory\":{\"limit\":-1}}", "MemoryMax:t=" MAX ";MemorySwapMax:t=" MAX },
		{ "{\"memory\":{\"limit\":100,\"swap\":50}}",
		  "linux.resources.memory.swap: 50 is less than memory.limit 100; it is memory and "
		  "swap together" },
		{ "{\"cpu\":{\"shares\":1024}}", "CPUWeight:t=100" },
		{ "{\"cpu\":{\"shares\":1024,\"idle\":1}}", "CPUWeight:t=0" },
		{ "{\"cpu\":{\"quota\":50000,\"period\":100000}}",
		  "CPUQuotaPeriodUSec:t=100000;CPUQuotaPerSecUSec:t=500000" },
		/* 33.3 % is 34 %. */
		{ "{\"cpu\":{\"quota\":33300}}", "CPUQuotaPerSecUSec:t=340000" },
		{ "{\"cpu\":{\"quota\":-1}}", "CPUQuotaPerSecUSec:t=" MAX },
		{ "{\"cpu\":{\"period\":50000}}",
		  "CPUQuotaPeriodUSec:t=50000;CPUQuotaPerSecUSec:t=" MAX },
		{ "{\"cpu\":{\"cpus\":\"0-2,9\",\"mems\":\"0\"}}",
		  "AllowedCPUs:ay=[7,2];AllowedMemoryNodes:ay=[1]" },
		{ "{\"cpu\":{\"cpus\":\"3-1\"}}", "" },
		{ "{\"cpu\":{\"cpus\":\"0-99999999\"}}", "" },
		{ "{\"pids\":{\"limit\":20}}", "TasksMax:t=20" },
		{ "{\"pids\":{\"limit\":-1}}", "TasksMax:t=" MAX },
		{ "{\"unified\":{\"memory.high\":\"500\",\"cpu.max\":\"20000 50000\",\"pids.max\":"
		  "\" max\\n\",\"cpuset.cpus\":\"1\",\"io.max\":\"8:0 rbps=1\"}}",
		  "MemoryHigh:t=500;CPUQuotaPeriodUSec:t=50000;CPUQuotaPerSecUSec:t=400000;"
		  "TasksMax:t=" MAX ";AllowedCPUs:ay=[2]" },
		/* Without /proc/devices (a user's manager) device rules are left out. */
		{ "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}", "" },
	};
	static const struct line update[] = {
		{ "{\"memory\":{\"swap\":1500}}", "MemorySwapMax:t=500" },
		{ "{\"cpu\":{\"quota\":10000}}",
		  "CPUQuotaPeriodUSec:t=20000;CPUQuotaPerSecUSec:t=500000" },
		{ "{\"cpu\":{\"period\":10000}}",
		  "CPUQuotaPeriodUSec:t=10000;CPUQuotaPerSecUSec:t=500000" },
	};
	static const struct line old[] = {
		{ "{\"memory\":{\"limit\":100,\"swap\":150},\"cpu\":{\"shares\":512,\"cpus\":\"0\","
		  "\"quota\":1000,\"period\":10000},\"pids\":{\"limit\":5},\"blockIO\":{\"weight\":"
		  "500}}",
		  "MemoryLimit:t=100;CPUShares:t=512;CPUQuotaPeriodUSec:t=10000;"
		  "CPUQuotaPerSecUSec:t=100000;TasksMax:t=5;BlockIOWeight:t=500" },
	};
#undef MAX

	(void)state;
	RUN(unified, v2);
	RUN(update, v2_update);
	RUN(old, v1);
}

#define DENY "{\"allow\":false,\"access\":\"rwm\"}"
#define ALLOW(what) "{\"allow\":true,\"access\":\"rw\"," what "}"
#define STRICT "DevicePolicy:s=\"strict\";DeviceAllow:a(ss)=[];DeviceAllow:a(ss)="
#define AUTO "DevicePolicy:s=\"auto\";DeviceAllow:a(ss)=[]"
#define USUAL                                                                                  \
	"[\"char-*\",\"m\"],[\"block-*\",\"m\"],[\"/dev/char/1:3\",\"rwm\"],"                  \
	"[\"/dev/char/1:5\",\"rwm\"],[\"/dev/char/1:7\",\"rwm\"],[\"/dev/char/1:8\",\"rwm\"]," \
	"[\"/dev/char/1:9\",\"rwm\"],[\"/dev/char/5:0\",\"rwm\"],[\"/dev/char/5:1\",\"rwm\"]," \
	"[\"/dev/char/5:2\",\"rwm\"],[\"char-pts\",\"rwm\"]"

static void device_rules(void **state)
{
	static const struct line both[] = {
		{ "{\"devices\":[" DENY "]}", STRICT "[" USUAL "]" },
		{ "{\"devices\":[" DENY "," ALLOW("\"type\":\"b\",\"major\":8") "]}",
		  STRICT "[[\"block-sd\",\"rw\"]," USUAL "]" },
		{ "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}", AUTO },
	};
	/* systemd has no name for them: on v2 our own program decides, on v1 they are left out. */
	static const char unnamed[] =
		"{\"devices\":[" DENY "," ALLOW("\"type\":\"c\",\"major\":99") "]}";

	(void)state;
	RUN(both, v2_devices);
	RUN(both, v1_devices);
	assert_string_equal(v2_devices(unnamed), AUTO);
	assert_string_equal(v1_devices(unnamed), STRICT "[" USUAL "]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units),
		cmocka_unit_test(slices),
		cmocka_unit_test(managers),
		cmocka_unit_test(variants),
		cmocka_unit_test(variants_mangled),
		cmocka_unit_test(annotations),
		cmocka_unit_test(limits),
		cmocka_unit_test(device_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
