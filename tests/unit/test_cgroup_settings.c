/* Resources to files and values, from the JSON that clients send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/settings.h"

static struct arena arena;
static const struct settings_now fresh = { -2, -1 };

static struct oci_resources *parse(const char *json)
{
	struct error e;
	struct oci_resources *r =
		json_read(&arena, json, strlen(json), &oci_resources_type, "test", &e);

	assert_non_null(r);
	return r;
}

/* "file=value;file=value", with ? behind the file's name where it is a relaxing one. */
static const char *text(const struct settings *s)
{
	char *r = arena_strdup(&arena, "");

	for (size_t i = 0; i < s->n; i++)
		r = arena_printf(&arena, "%s%s%s%s=%s", r, *r ? ";" : "", s->items[i].file,
				 s->items[i].relax ? "?" : "", s->items[i].value);
	return r;
}

static const char *v1(const char *json)
{
	struct settings s;
	struct error e;

	return settings_v1(&arena, parse(json), &s, &e) < 0 ? arena_strdup(&arena, e.msg)
							    : text(&s);
}

static const char *v2_now(const char *json, const struct settings_now *now)
{
	struct settings s;
	struct error e;

	return settings_v2(&arena, parse(json), now, &s, &e) < 0 ? arena_strdup(&arena, e.msg)
								 : text(&s);
}

static const char *v2(const char *json)
{
	return v2_now(json, &fresh);
}

struct line {
	const char *json, *want;
};

static void run(const struct line *t, size_t n, const char *(*f)(const char *))
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(f(t[i].json), t[i].want);
}

#define RUN(table, f) run(table, sizeof(table) / sizeof(*(table)), f)

static void files_v1(void **state)
{
	static const struct line table[] = {
		{ "{}", "" },
		{ "{\"memory\":{\"limit\":4096,\"swap\":8192,\"reservation\":1024,\"kernel\":5}}",
		  "memory.limit_in_bytes=4096;memory.memsw.limit_in_bytes=8192;"
		  "memory.soft_limit_in_bytes=1024" },
		{ "{\"memory\":{\"limit\":-1}}",
		  "memory.limit_in_bytes?=-1;memory.memsw.limit_in_bytes?=-1" },
		{ "{\"memory\":{\"kernelTCP\":9,\"swappiness\":7,\"disableOOMKiller\":true}}",
		  "memory.kmem.tcp.limit_in_bytes=9;memory.swappiness=7;memory.oom_control=1" },
		{ "{\"memory\":{\"limit\":0,\"swappiness\":18446744073709551615,"
		  "\"disableOOMKiller\":false}}",
		  "" },
		{ "{\"cpu\":{\"shares\":512,\"quota\":5,\"period\":6,\"burst\":7,\"idle\":1,"
		  "\"realtimeRuntime\":8,\"realtimePeriod\":9,\"cpus\":\"0-1\",\"mems\":\"0\"}}",
		  "cpu.shares=512;cpu.rt_period_us=9;cpu.rt_runtime_us=8;cpu.cfs_period_us=6;"
		  "cpu.cfs_quota_us=5;cpu.cfs_burst_us=7;cpu.idle=1;cpuset.cpus=0-1;cpuset.mems="
		  "0" },
		{ "{\"cpu\":{\"quota\":-1}}", "cpu.cfs_quota_us?=-1" },
		{ "{\"pids\":{\"limit\":-1}}", "pids.max?=max" },
		{ "{\"pids\":{\"limit\":7}}", "pids.max=7" },
		{ "{\"blockIO\":{\"weight\":10,\"leafWeight\":11,\"weightDevice\":[{\"major\":8,"
		  "\"minor\":1,\"weight\":12}],\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,"
		  "\"rate\":13}],\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":14}"
		  "]}}",
		  "blkio.bfq.weight=10;blkio.leaf_weight=11;blkio.bfq.weight_device=8:1 12;"
		  "blkio.throttle.read_bps_device=8:0 13;blkio.throttle.write_iops_device=8:0 14" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}",
		  "hugetlb.2MB.limit_in_bytes=4194304;hugetlb.2MB.rsvd.limit_in_bytes=4194304" },
		{ "{\"network\":{\"classID\":5,\"priorities\":[{\"name\":\"eth0\",\"priority\":3}]}"
		  "}",
		  "net_cls.classid=5;net_prio.ifpriomap=eth0 3" },
		{ "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":4}}}",
		  "rdma.max=mlx5_1 hca_handle=3 hca_object=4" },
		{ "{\"cpu\":{\"shares\":1}}",
		  "linux.resources.cpu.shares: 1 is not between 2 and 262144" },
		{ "{\"cpu\":{\"shares\":2}}", "cpu.shares=2" },
		{ "{\"unified\":{\"memory.high\":\"1\"}}",
		  "linux.resources.unified: 'memory.high' needs cgroup v2, and this host has v1" },
		{ "{\"memory\":{\"limit\":9,\"swap\":8}}",
		  "linux.resources.memory.swap: 8 is less than memory.limit 9; it is memory and "
		  "swap "
		  "together" },
	};

	(void)state;
	RUN(table, v1);
}

static void files_v2(void **state)
{
	static const struct line table[] = {
		{ "{}", "" },
		{ "{\"memory\":{\"limit\":4096,\"swap\":8192,\"reservation\":1024,\"kernel\":5}}",
		  "memory.swap.max=4096;memory.max=4096;memory.low=1024" },
		{ "{\"memory\":{\"limit\":4096,\"swap\":4096}}",
		  "memory.swap.max=0;memory.max=4096" },
		{ "{\"memory\":{\"limit\":4096}}", "memory.max=4096" },
		{ "{\"memory\":{\"limit\":4096,\"swap\":-1}}",
		  "memory.swap.max?=max;memory.max=4096" },
		{ "{\"memory\":{\"limit\":-1}}", "memory.swap.max?=max;memory.max?=max" },
		{ "{\"cpu\":{\"shares\":1024,\"quota\":5000,\"period\":10000,\"burst\":7}}",
		  "cpu.weight=100;cpu.max=5000 10000;cpu.max.burst=7" },
		{ "{\"cpu\":{\"quota\":5000}}", "cpu.max=5000" },
		{ "{\"cpu\":{\"quota\":-1}}", "cpu.max?=max" },
		{ "{\"cpu\":{\"period\":10000}}", "cpu.max=max 10000" },
		/* Idle takes no weight: it comes last; leaving it resets the weight: first. */
		{ "{\"cpu\":{\"shares\":2,\"idle\":1}}", "cpu.weight=1;cpu.idle=1" },
		{ "{\"cpu\":{\"shares\":2,\"idle\":0}}", "cpu.idle?=0;cpu.weight=1" },
		{ "{\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}", "cpuset.cpus=0-1;cpuset.mems=0" },
		{ "{\"pids\":{\"limit\":0}}", "pids.max=0" },
		{ "{\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":8,\"minor\":1,"
		  "\"weight\":12}],\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":13}"
		  "],"
		  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}]}}",
		  "io.bfq.weight=default 500;io.bfq.weight=8:1 12;io.max=8:0 rbps=13;"
		  "io.max?=8:0 wiops=max" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}",
		  "hugetlb.2MB.max=4194304;hugetlb.2MB.rsvd.max=4194304" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]}",
		  "linux.resources.hugepageLimits[0].pageSize: '../x' is not a page size" },
		{ "{\"unified\":{\"memory.high\":\"1\",\"io.max\":\"8:0 rbps=1\\n8:16 rbps=2\"}}",
		  "memory.high=1;io.max=8:0 rbps=1;io.max=8:16 rbps=2" },
		{ "{\"unified\":{\"../x.y\":\"1\"}}",
		  "linux.resources.unified: '../x.y' is not of the form CONTROLLER.PARAMETER" },
		{ "{\"unified\":{\"max\":\"1\"}}",
		  "linux.resources.unified: 'max' is not of the form CONTROLLER.PARAMETER" },
		{ "{\"memory\":{\"swap\":8192}}",
		  "linux.resources.memory.swap: a limit of memory and swap together needs "
		  "memory.limit as well" },
		{ "{\"memory\":{\"swappiness\":1}}",
		  "linux.resources.memory.swappiness: cgroup v2 has nothing like it" },
		{ "{\"memory\":{\"disableOOMKiller\":true}}",
		  "linux.resources.memory.disableOOMKiller: cgroup v2 has nothing like it" },
		{ "{\"cpu\":{\"realtimeRuntime\":5}}",
		  "linux.resources.cpu.realtimeRuntime: cgroup v2 has nothing like it" },
		{ "{\"network\":{\"classID\":5}}",
		  "linux.resources.network.classID: cgroup v2 has nothing like it" },
	};

	(void)state;
	RUN(table, v2);
}

/* An update that gives half of a pair takes the other half from what is set. */
static void update(void **state)
{
	static const struct settings_now now = { 4096, 7000 };

	(void)state;
	assert_string_equal(v2_now("{\"memory\":{\"swap\":8192}}", &now), "memory.swap.max=4096");
	assert_string_equal(v2_now("{\"cpu\":{\"period\":20000}}", &now), "cpu.max=7000 20000");
}

static void needed(void **state)
{
	struct settings s;
	struct error e;

	(void)state;
	assert_int_equal(settings_v2(&arena,
				     parse("{\"memory\":{\"limit\":-1},\"pids\":{\"limit\":3},"
					   "\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}"),
				     &fresh, &s, &e),
			 0);
	assert_int_equal(settings_needed(&s), 1u << CTL_PIDS);
}

static void weights_have_two_names(void **state)
{
	struct settings s;
	struct error e;

	(void)state;
	assert_int_equal(
		settings_v2(&arena, parse("{\"blockIO\":{\"weight\":1000}}"), &fresh, &s, &e), 0);
	assert_string_equal(s.items[0].alt_file, "io.weight");
	assert_string_equal(s.items[0].alt_value, "default 10000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_v1),
		cmocka_unit_test(files_v2),
		cmocka_unit_test(update),
		cmocka_unit_test(needed),
		cmocka_unit_test(weights_have_two_names),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return r;
}
