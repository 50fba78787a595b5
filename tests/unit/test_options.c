/* runtime/image: the command line of the image mode and the values of its options. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oci/base/str.h"
#include "runtime/image/etc_files.h"
#include "runtime/image/options.h"
#include "runtime/image/run_ids.h"

static struct arena arena;
static struct error err;

static struct run_plan plan_of(const char *first, ...)
{
	char *argv[32] = { (char *)"mrun", (char *)first }, **args;
	struct run_options o;
	struct run_plan p = { 0 };
	int argc = 2;
	va_list ap;

	va_start(ap, first);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	if (run_options_parse(&arena, argc, argv, &o, &args, &err) < 0 ||
	    run_plan_make(&arena, &o, args + 1, &p, &err) < 0)
		fail_msg("%s: %s", first, err.msg);
	return p;
}
#define PLAN(...) plan_of(__VA_ARGS__, (char *)NULL)

static void refused(const char *expected, const char *first, ...)
{
	char *argv[32] = { (char *)"mrun", (char *)first }, **args;
	struct run_options o;
	struct run_plan p;
	int argc = 2, r;
	va_list ap;

	va_start(ap, first);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	err_clear(&err);
	r = run_options_parse(&arena, argc, argv, &o, &args, &err);
	if (r == 0)
		r = run_plan_make(&arena, &o, args + 1, &p, &err);
	if (r != -1)
		fail_msg("%s %s was taken", argv[1], argv[2]);
	if (!strstr(err.msg, expected) && !strstr(err.hint, expected))
		fail_msg("%s %s: no '%s' in: %s (%s)", argv[1], argv[2] ? argv[2] : "", expected,
			 err.msg, err.hint);
}
#define REFUSED(expected, ...) refused(expected, __VA_ARGS__, (char *)NULL)

static const struct oci_mount *only_mount(const struct run_plan *p)
{
	assert_int_equal(p->mounts.n, 1);
	return &p->mounts.items[0];
}

static void command_line(void **state)
{
	char *argv[] = { (char *)"mrun", (char *)"-it", (char *)"-eA=1", (char *)"--env=B=2",
			 (char *)"-u",	 (char *)"me",	(char *)"image", (char *)"-x",
			 (char *)"--rm", NULL };
	struct run_options o;
	char **args;

	(void)state;
	assert_int_equal(run_options_parse(&arena, 9, argv, &o, &args, &err), 0);
	assert_true(o.interactive && o.tty && o.rm == -1 && !o.keep);
	assert_int_equal(o.env.n, 2);
	assert_string_equal(o.user, "me");
	assert_string_equal(args[0], "image");
	assert_string_equal(args[1], "-x");
	assert_string_equal(args[2], "--rm");
	assert_true(PLAN("--rm=false", "image").keep_record);
	assert_false(PLAN("--rm=false", "image").keep_files);
	assert_true(PLAN("--keep", "image").keep_record);
	assert_true(PLAN("--keep", "image").keep_files);
	assert_false(PLAN("image").keep_record);
	assert_true(PLAN("-d", "image").keep_record);
	assert_false(PLAN("-d", "image").keep_files);
	assert_false(PLAN("-d", "--rm", "image").keep_record);
	REFUSED("contradict", "--keep", "--rm", "image");
}

static void refused_by_name(void **state)
{
	(void)state;
	REFUSED("--publish-all is not supported", "-itP", "image");
	/* What is so here is taken. */
	PLAN("--pull", "never", "--pull=missing", "-q", "--quiet", "--restart=no",
	     "--cgroupns=private", "image");
	REFUSED("option --pull always is not supported", "--pull", "always", "image");
	REFUSED("option --pull  is not supported", "--pull=", "image");
	REFUSED("option --pull missing|never is not supported", "--pull=missing|never", "image");
	REFUSED("--cgroupns host is not supported", "--cgroupns=host", "image");
	REFUSED("--privileged is not supported", "--privileged", "image");
	REFUSED("--restart always is not supported", "--restart=always", "image");
	REFUSED("--gpus is not supported", "--gpus", "all", "image");
	REFUSED("--publish-all is not supported", "-P", "image");
	REFUSED("did you mean --hostname?", "--hostnam", "x", "image");
	REFUSED("did you mean --dns?", "--dnss", "x", "image");
	for (const char *const *p = (const char *const[]){ "-z", "--tz", "--foo", "--arch", NULL };
	     *p; p++)
		REFUSED("mrun help IMAGE lists", *p, "x", "image");
	REFUSED("--pid container:x is not supported", "--pid", "container:x", "image");
	REFUSED("--ipc shareable is not supported", "--ipc=shareable", "image");
	REFUSED("--userns host is not supported", "--userns=host", "image");
	REFUSED("--network bridge is not supported", "--network", "bridge", "image");
	REFUSED("--security-opt label=type:x", "--security-opt", "label=type:x", "image");
	REFUSED("--security-opt apparmor=p", "--security-opt", "apparmor=p", "image");
	REFUSED("--name '../x'", "--name", "../x", "image");
	REFUSED("--name '/x'", "--name", "/x", "image");
	REFUSED("not an absolute path", "-w", "x", "image");
	REFUSED("no such signal", "--stop-signal", "SIGFOO", "image");
	REFUSED("not a size", "--shm-size", "x", "image");
	REFUSED("an argument is missing", "-i");
}

static void security_options(void **state)
{
	struct run_plan p = PLAN("--security-opt", "no-new-privileges", "--security-opt",
				 "seccomp=unconfined", "--security-opt", "label=disable", "image");

	(void)state;
	assert_true(p.spec.no_new_privileges && p.seccomp_unconfined);
	p = PLAN("--security-opt", "no-new-privileges:false", "--security-opt", "seccomp=/p.json",
		 "image");
	assert_false(p.spec.no_new_privileges);
	assert_string_equal(p.seccomp_file, "/p.json");
}

static void volumes(void **state)
{
	struct run_plan p = PLAN("-v", "/tmp:/data", "image");
	const struct oci_mount *m = only_mount(&p);

	(void)state;
	assert_string_equal(m->source, "/tmp");
	assert_string_equal(m->destination, "/data");
	assert_string_equal(m->type, "bind");
	assert_true(str_list_has(m->options, "rbind") && str_list_has(m->options, "rprivate"));
	assert_false(str_list_has(m->options, "ro"));
	assert_int_equal(str_list_has(m->options, "ridmap"), geteuid() == 0);
	p = PLAN("-v", "/tmp:/a/../../../etc/x/:ro,z", "image");
	assert_string_equal(only_mount(&p)->destination, "/etc/x");
	assert_true(str_list_has(only_mount(&p)->options, "ro"));
}

static void volumes_odd(void **state)
{
	struct run_plan p;

	(void)state;
	p = PLAN("-v", "/data", "--mount", "type=volume,target=/more", "image");
	assert_int_equal(p.mounts.n, 0);
	assert_int_equal(p.mounts.volumes.n, 2);
	assert_string_equal(p.mounts.volumes.items[0], "/data");
	REFUSED("named volumes ('db') are not supported", "-v", "db:/data", "image");
	REFUSED("no such file", "-v", "/nonexistent-dir:/data", "image");
	REFUSED("not an absolute path", "-v", "/tmp:data", "image");
	REFUSED("cannot be /", "-v", "/tmp:/x/..", "image");
	REFUSED("unknown option 'huh'", "-v", "/tmp:/x:huh", "image");
	REFUSED("is not [SOURCE:]TARGET", "-v", "/tmp:/x:ro:y", "image");
	REFUSED("two mounts at /x", "-v", "/tmp:/x", "--tmpfs", "/x", "image");
}

static void mount_option(void **state)
{
	struct run_plan p =
		PLAN("--mount", "type=bind,\"source=/tmp\",target=/c,readonly", "image");

	(void)state;
	assert_string_equal(only_mount(&p)->source, "/tmp");
	assert_true(str_list_has(only_mount(&p)->options, "ro"));
	p = PLAN("--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770", "image");
	assert_string_equal(only_mount(&p)->type, "tmpfs");
	assert_true(str_list_has(only_mount(&p)->options, "size=1048576"));
	assert_true(str_list_has(only_mount(&p)->options, "mode=1770"));
	REFUSED("quotes", "--mount", "type=bind,source=\"/tmp\",target=/c", "image");
	REFUSED("unknown field 'foo'", "--mount", "type=bind,foo=1", "image");
	REFUSED("the target is missing", "--mount", "type=tmpfs", "image");
	REFUSED("needs a source", "--mount", "type=bind,target=/c", "image");
	REFUSED("type 'cluster'", "--mount", "type=cluster,target=/c", "image");
	REFUSED("named volumes", "--mount", "source=db,target=/c", "image");
}

static void tmpfs_option(void **state)
{
	struct run_plan p = PLAN("--tmpfs", "/t:exec,size=10m,uid=5", "image");
	const struct oci_mount *m = only_mount(&p);

	(void)state;
	assert_true(str_list_has(m->options, "exec") && !str_list_has(m->options, "noexec"));
	assert_true(str_list_has(m->options, "nosuid") && str_list_has(m->options, "size=10m"));
	REFUSED("unknown option 'lowerdir=/'", "--tmpfs", "/t:lowerdir=/", "image");
	REFUSED("not a number", "--tmpfs", "/t:size=1m;x", "image");
}

static void devices(void **state)
{
	struct run_plan p = PLAN("--device", "/dev/null:/dev/nothing:rwm", "image");

	(void)state;
	assert_string_equal(only_mount(&p)->source, "/dev/null");
	assert_string_equal(only_mount(&p)->destination, "/dev/nothing");
	assert_false(str_list_has(only_mount(&p)->options, "idmap"));
	REFUSED("cannot be enforced", "--device", "/dev/null:/dev/x:r", "image");
	REFUSED("not a device", "--device", "/etc/passwd", "image");
}

static void environment(void **state)
{
	struct run_plan p;
	char file[] = "/tmp/mrun-unit-env.XXXXXX";
	FILE *f = fdopen(mkstemp(file), "w");

	(void)state;
	setenv("MRUN_UNIT_SET", "host value", 1);
	unsetenv("MRUN_UNIT_UNSET");
	fputs("\xef\xbb\xbf# comment\n\n  A=1 2 \nMRUN_UNIT_SET\nMRUN_UNIT_UNSET\nC=\"q\"\r\n", f);
	fclose(f);
	p = PLAN("-e", "MRUN_UNIT_SET", "-e", "MRUN_UNIT_UNSET", "-e", "X=a=b", "--env-file", file,
		 "image");
	assert_string_equal(p.spec.env[0], "A=1 2 ");
	assert_string_equal(p.spec.env[1], "MRUN_UNIT_SET=host value");
	assert_string_equal(p.spec.env[2], "C=\"q\"");
	assert_string_equal(p.spec.env[3], "MRUN_UNIT_SET=host value");
	assert_string_equal(p.spec.env[4], "MRUN_UNIT_UNSET");
	assert_string_equal(p.spec.env[5], "X=a=b");
	assert_null(p.spec.env[6]);
	f = fopen(file, "w");
	fputs("OK=1\nA B=1\n", f);
	fclose(f);
	REFUSED("line 2: a blank in the name", "--env-file", file, "image");
	REFUSED("the name is empty", "-e", "=x", "image");
	REFUSED("no such file", "--env-file", "/nonexistent", "image");
	unlink(file);
}

static void limits(void **state)
{
	struct run_plan p = PLAN("--ulimit", "nofile=100:200", "--ulimit", "core=-1", "image");

	(void)state;
	assert_string_equal(p.spec.rlimits[0].type, "RLIMIT_NOFILE");
	assert_int_equal(*p.spec.rlimits[0].soft, 100);
	assert_int_equal(*p.spec.rlimits[0].hard, 200);
	assert_true(*p.spec.rlimits[1].soft == UINT64_MAX);
	REFUSED("above the hard one", "--ulimit", "nofile=3:2", "image");
	REFUSED("there is no limit 'foo'", "--ulimit", "foo=3", "image");
	REFUSED("not a number", "--ulimit", "nofile=x", "image");
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = { { "0", 0 },
		     { "-0", 0 },
		     { "+7", 7 },
		     { "-12", -12 },
		     { "0x1F", 31 },
		     { "0XfF", 255 },
		     { "-0x1", -1 },
		     { "010", 8 },
		     { "0o17", 15 },
		     { "0b101", 5 },
		     { "1_000", 1000 },
		     { "0x_1f", 31 },
		     { "0_7", 7 },
		     { "00", 0 },
		     { "9223372036854775807", INT64_MAX },
		     { "-0x8000000000000000", INT64_MIN } };
	static const char *const bad[] = { "",	   "-",	  "+-1",  "0x",	 "08",
					   "0b2",  "0o8", "1__0", "_1",	 "1_",
					   "ff",   "0xg", " 1",	  "1 ",	 "--1",
					   "0x-1", "1.5", "1e3",  "0x_", "9223372036854775808" };
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!str_to_flag_number(good[i].text, &v) || v != good[i].value)
			fail_msg("%s", good[i].text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (str_to_flag_number(bad[i], &v))
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(*PLAN("--pids-limit", "0x10", "image").spec.resources->pids->limit, 16);
}

static void pairs(void **state)
{
	struct run_plan p =
		PLAN("--sysctl", "net.ipv4.ip_forward=1", "-l", "a=b", "-l", "c", "image");

	(void)state;
	assert_string_equal(p.spec.sysctl[0].key, "net.ipv4.ip_forward");
	assert_string_equal(p.spec.annotations[0].value, "b");
	assert_string_equal(p.spec.annotations[1].value, "");
	REFUSED("is not NAME=VALUE", "--sysctl", "x", "image");
	REFUSED("a meaning of their own", "--label", "org.systemd.property.X=1", "image");
	REFUSED("a meaning of their own", "--label", "run.oci.keep_original_groups=1", "image");
}

static void resources(void **state)
{
	struct run_plan p = PLAN("-m", "64m", "--memory-swap", "128m", "--cpus", "1.5",
				 "--pids-limit", "10", "--cpu-shares=512", "image");
	struct oci_resources *r = p.spec.resources;

	(void)state;
	assert_int_equal(*r->memory->limit, 64 << 20);
	assert_int_equal(*r->memory->swap, 128 << 20);
	assert_int_equal(*r->cpu->quota, 150000);
	assert_int_equal(*r->cpu->shares, 512);
	assert_int_equal(*r->pids->limit, 10);
	assert_null(PLAN("image").spec.resources);
	REFUSED("at least 6m", "-m", "1m", "image");
	REFUSED("needs --memory", "--memory-swap", "1g", "image");
	REFUSED("cannot be below", "-m", "1g", "--memory-swap", "64m", "image");
	REFUSED("not a number of processors", "--cpus", "0", "image");
	REFUSED("take a list", "--cpuset-cpus", "a", "image");
}

static void ports(void **state)
{
	struct run_plan p = PLAN("-p", "8080:80", "-p", "127.0.0.1:9000-9002:90-92/udp", "-p",
				 "[::1]:1:2/tcp", "image");

	(void)state;
	assert_int_equal(p.network.mode, NETWORK_PASTA);
	assert_null(p.network.ports[0].ip);
	assert_int_equal(p.network.ports[0].host, 8080);
	assert_int_equal(p.network.ports[0].container, 80);
	assert_string_equal(p.network.ports[1].ip, "127.0.0.1");
	assert_int_equal(p.network.ports[1].count, 3);
	assert_true(p.network.ports[1].udp);
	assert_string_equal(p.network.ports[2].ip, "::1");
	REFUSED("host's port is missing", "-p", "80", "image");
	REFUSED("1 to 65535", "-p", "0:80", "image");
	REFUSED("1 to 65535", "-p", "70000:80", "image");
	REFUSED("1 to 65535", "-p", "+80:80", "image");
	REFUSED("different length", "-p", "80-82:80-81", "image");
	REFUSED("protocol 'sctp'", "-p", "80:80/sctp", "image");
	REFUSED("not an address", "-p", "localhost:80:80", "image");
	REFUSED("does not go with --network host", "--network", "host", "-p", "1:1", "image");
	REFUSED("does not go with --network none", "--network", "none", "-p", "1:1", "image");
}

static void signals(void **state)
{
	(void)state;
	assert_int_equal(value_signal("SIGTERM"), SIGTERM);
	assert_int_equal(value_signal("int"), SIGINT);
	assert_int_equal(value_signal("9"), 9);
	assert_int_equal(value_signal("RTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(value_signal("0"), 0);
	assert_int_equal(value_signal("65"), 0);
	assert_int_equal(value_signal("-1"), 0);
	assert_int_equal(value_signal(""), 0);
}

static void keep_id(void **state)
{
	const struct oci_id_mapping from[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };
	struct oci_id_mapping *m;
	struct idmap map = { 0 };
	size_t n;

	(void)state;
	run_ids_keep(&arena, from, 2, 1000, &m, &n);
	map.uids = m;
	map.uids_len = n;
	assert_int_equal(idmap_host_uid(&map, 1000), 1000);
	assert_int_equal(idmap_host_uid(&map, 0), 100000);
	assert_int_equal(idmap_host_uid(&map, 999), 100999);
	assert_int_equal(idmap_host_uid(&map, 1001), 101000);
	assert_int_equal(idmap_host_uid(&map, 65536), 165535);
	assert_int_equal(idmap_host_uid(&map, 65537), -1);
	/* An id beyond the range. */
	run_ids_keep(&arena, from, 2, 200000, &m, &n);
	map.uids = m;
	map.uids_len = n;
	assert_int_equal(idmap_host_uid(&map, 200000), 1000);
	assert_int_equal(idmap_host_uid(&map, 65535), 165535);
}

static void resolv_conf(void **state)
{
	char *dns[] = { (char *)"192.0.2.1", NULL };
	struct etc_request r = { .mode = NETWORK_PRIVATE };
	const char *host = "# c\nnameserver 127.0.0.53\nnameserver\t192.0.2.9\nnameserver ::1\n"
			   "search a b\noptions ndots:2\n";

	(void)state;
	assert_string_equal(etc_resolv_conf(&arena, host, &r),
			    "nameserver\t192.0.2.9\nsearch a b\noptions ndots:2\n");
	r.mode = NETWORK_HOST;
	assert_non_null(strstr(etc_resolv_conf(&arena, host, &r), "127.0.0.53"));
	r.mode = NETWORK_SLIRP;
	assert_true(str_has_prefix(etc_resolv_conf(&arena, host, &r), "nameserver 10.0.2.3\n"));
	r.dns = dns;
	assert_string_equal(etc_resolv_conf(&arena, host, &r),
			    "search a b\noptions ndots:2\nnameserver 192.0.2.1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),	    cmocka_unit_test(refused_by_name),
		cmocka_unit_test(security_options), cmocka_unit_test(volumes),
		cmocka_unit_test(volumes_odd),	    cmocka_unit_test(mount_option),
		cmocka_unit_test(tmpfs_option),	    cmocka_unit_test(devices),
		cmocka_unit_test(environment),	    cmocka_unit_test(limits),
		cmocka_unit_test(numbers),	    cmocka_unit_test(pairs),
		cmocka_unit_test(resources),	    cmocka_unit_test(ports),
		cmocka_unit_test(signals),	    cmocka_unit_test(keep_id),
		cmocka_unit_test(resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
