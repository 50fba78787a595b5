/* What hosts look like: mountinfo and /proc/self/cgroup to hierarchies and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "runtime/cgroup/internal.h"

static struct arena arena;

static const char hybrid_mounts[] =
	"23 1 8:1 / / rw - ext4 /dev/vda rw\n"
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
	"rw,cpu,cpuacct\n"
	"33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	"39 31 0:36 / /sys/fs/cgroup/my\\040pids rw,relatime - cgroup cgroup rw,pids\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	"42 31 0:30 / /var/lib/x/memory rw,relatime - cgroup cgroup rw,memory\n"
	"43 31 0:40 / /run/elogind rw - cgroup cgroup rw,name=elogind\n";
static const char hybrid_self[] = "5:name=systemd:/init.scope\n4:pids:/\n3:memory:/a/b\n"
				  "2:cpuacct,cpu:/user\n9:name=elogind:/\n0::/u\n";

static struct layout parse(const char *mounts, const char *self)
{
	struct layout l;
	struct error e;

	assert_int_equal(layout_parse(&arena, mounts, self, &l, &e), 0);
	return l;
}

static void hybrid(void **state)
{
	static const struct {
		const char *controllers, *mount, *own;
		bool v2;
	} want[] = {
		{ "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/user", false },
		{ "memory", "/sys/fs/cgroup/memory", "/a/b", false },
		{ "pids", "/sys/fs/cgroup/my pids", "/", false },
		{ "name=systemd", "/sys/fs/cgroup/systemd", "/init.scope", false },
		{ "", "/sys/fs/cgroup/unified", "/u", true },
	};
	struct layout l = parse(hybrid_mounts, hybrid_self);

	(void)state;
	assert_int_equal(l.kind, LAYOUT_V1);
	assert_int_equal(l.n, 5);
	for (size_t i = 0; i < l.n; i++) {
		assert_string_equal(l.h[i].controllers, want[i].controllers);
		assert_string_equal(l.h[i].mount, want[i].mount);
		assert_string_equal(l.h[i].own, want[i].own);
		assert_int_equal(l.h[i].v2, want[i].v2);
	}
	assert_int_equal(l.h[0].ctls, 1u << CTL_CPU | 1u << CTL_CPUACCT);
}

static void unified(void **state)
{
	struct layout l = parse("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
				"31 30 0:27 / /run/net_cls rw - cgroup cgroup rw,net_cls\n",
				"1:net_cls:/\n0::/user.slice/x.scope\n");

	(void)state;
	assert_int_equal(l.kind, LAYOUT_UNIFIED);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.h[0].own, "/user.slice/x.scope");
}

/* In a container whose part of the hierarchy is bind-mounted, paths count from that part. */
static void bound_part(void **state)
{
	struct layout l =
		parse("30 23 0:26 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
		      "1:pids:/docker/abc/below\n");

	(void)state;
	assert_string_equal(l.h[0].own, "/below");
	l = parse("30 23 0:26 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
		  "1:pids:/docker/abc\n");
	assert_string_equal(l.h[0].own, "/");
	l = parse("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../../x\n");
	assert_string_equal(l.h[0].own, "/");
	l = parse("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/gone (deleted)\n");
	assert_string_equal(l.h[0].own, "/");
}

static void none(void **state)
{
	struct layout l = parse("23 1 8:1 / / rw - ext4 /dev/vda rw\n", "");

	(void)state;
	assert_int_equal(l.kind, LAYOUT_NONE);
	assert_int_equal(l.n, 0);
	/* Nonsense is no reason to fall over. */
	l = parse("1 2 - cgroup\n - cgroup2 \n1 2 3 4 5 - cgroup2 a\n\n", "x\n:\n::\n0:\n");
	assert_int_equal(l.n, 0);
}

static void paths(void **state)
{
	static const struct {
		const char *base, *request, *want;
	} table[] = {
		{ "/", NULL, "/id" },
		{ "/own", NULL, "/own/id" },
		{ "/own", "", "/own/id" },
		{ "/own", "rel/x", "/own/rel/x" },
		{ "/own", "../../x", "/own/x" },
		{ "/own", "/abs//x/", "/abs/x" },
		{ "/own", "/../x", "/x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_string_equal(layout_path(&arena, table[i].base, table[i].request, "id"),
				    table[i].want);
	assert_string_equal(layout_parent(&arena, "/a/b"), "/a");
	assert_string_equal(layout_parent(&arena, "/a"), "/");
	assert_string_equal(layout_parent(&arena, "/"), "/");
}

static void controllers(void **state)
{
	(void)state;
	assert_int_equal(ctls_parse("cpuset cpu io memory\n", " \n", true),
			 1u << CTL_CPUSET | 1u << CTL_CPU | 1u << CTL_IO | 1u << CTL_MEMORY);
	assert_int_equal(ctls_parse("io,blkio,name=x,rw", ",", false), 1u << CTL_IO);
	assert_int_equal(ctls_parse("", " ", true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hybrid), cmocka_unit_test(unified), cmocka_unit_test(bound_part),
		cmocka_unit_test(none),	  cmocka_unit_test(paths),   cmocka_unit_test(controllers),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return r;
}
