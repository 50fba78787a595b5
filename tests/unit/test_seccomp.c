/* What compiled filters decide: rules, prefix, default profile, the shorter program. */
#include "tests/unit/seccomp_decide.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/image/default_seccomp.h"

#define X32 0x40000000u

static struct seccomp_filter compile_default(char *const *caps)
{
	struct seccomp_filter f = { 0 };

	if (seccomp_prepare(&arena, seccomp_default_profile(&arena, caps), &f, &error) < 0)
		fail_msg("%s", error.msg);
	return f;
}

static void expect_error(const char *json, const char *field)
{
	const struct json_value *v = json_parse(&arena, json, strlen(json), "test", &error);
	struct oci_seccomp *s = ARENA_NEW(&arena, struct oci_seccomp);
	struct seccomp_filter f;

	err_clear(&error);
	if (json_decode(&arena, v, &oci_seccomp_type, s, "linux.seccomp", &error) == 0)
		assert_int_equal(seccomp_prepare(&arena, s, &f, &error), -1);
	if (strncmp(error.msg, field, strlen(field)) != 0)
		fail_msg("'%s' does not start with '%s'", error.msg, field);
}

static void test_errors_name_the_field(void **state)
{
	(void)state;
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
		     "linux.seccomp.defaultErrnoRet: ");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
		     "linux.seccomp.defaultErrnoRet: 4096");
	expect_error("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "linux.seccomp.defaultAction: ");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\","
		     "\"SCMP_ARCH_VAX\"]}",
		     "linux.seccomp.architectures[1]: unknown value 'SCMP_ARCH_VAX'");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":"
		     "[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_X\"]}",
		     "linux.seccomp.flags[1]: unknown value");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
		     "linux.seccomp.listenerMetadata: ");
	expect_error(RULE("\"names\":[],\"action\":\"SCMP_ACT_ERRNO\""),
		     "linux.seccomp.syscalls[0].names: ");
	expect_error(RULE("\"names\":[\"read\",\"\"],\"action\":\"SCMP_ACT_ERRNO\""),
		     "linux.seccomp.syscalls[0].names[1]: ");
	expect_error(RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRAP\",\"errnoRet\":1"),
		     "linux.seccomp.syscalls[0].errnoRet: ");
	expect_error(RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{"
			  "\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
		     "linux.seccomp.syscalls[0].args[0]: ");
	expect_error(RULE("\"names\":[\"mkdir\",\"write\"],\"action\":\"SCMP_ACT_NOTIFY\""),
		     "linux.seccomp.syscalls[0].names[1]: SCMP_ACT_NOTIFY cannot be used for the "
		     "write syscall");
	expect_error(RULE("\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\""),
		     "linux.seccomp.listenerPath: ");
}

static void test_actions(void **state)
{
	struct seccomp_filter f;

	(void)state;
	f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\",\"syscalls\":["
		    "{\"names\":[\"getuid\"],\"action\":\"SCMP_ACT_KILL\"},"
		    "{\"names\":[\"geteuid\"],\"action\":\"SCMP_ACT_KILL_THREAD\"},"
		    "{\"names\":[\"getgid\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		    "{\"names\":[\"getegid\"],\"action\":\"SCMP_ACT_TRAP\"},"
		    "{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ERRNO\"},"
		    "{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0},"
		    "{\"names\":[\"gettid\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":1234},"
		    "{\"names\":[\"getsid\"],\"action\":\"SCMP_ACT_LOG\"},"
		    "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"},"
		    "{\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		    "{\"names\":[\"no_such_call\"],\"action\":\"SCMP_ACT_KILL\"}]}");
	assert_true(f.notify);
	assert_string_equal(f.listener_path, "/x");
	const struct {
		const char *name;
		uint32_t result;
	} want[] = {
		{ "getuid", SCMP_ACT_KILL_THREAD },  { "geteuid", SCMP_ACT_KILL_THREAD },
		{ "getgid", SCMP_ACT_KILL_PROCESS }, { "getegid", SCMP_ACT_TRAP },
		{ "getpid", SCMP_ACT_ERRNO(EPERM) }, { "getppid", SCMP_ACT_ERRNO(0) },
		{ "gettid", SCMP_ACT_TRACE(1234) },  { "getsid", SCMP_ACT_LOG },
		{ "mkdir", SCMP_ACT_NOTIFY },	     { "rmdir", SCMP_ACT_ALLOW },
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(ask(&f.prog, seccomp_arch_native(), want[i].name, 0, 0),
				 want[i].result);
	/* An architecture that is not listed is killed, as libseccomp has it. */
	assert_int_equal(decide(&f.prog, 0x12345678, 0, NULL), SCMP_ACT_KILL_THREAD);
	assert_true(f.allows_execveat);
	assert_false(compile(RULE("\"names\":[\"execveat\"],\"action\":\"SCMP_ACT_LOG\""))
			     .allows_execveat);
	assert_false(compile(RULE("\"names\":[\"execveat\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
				  "[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"))
			     .allows_execveat);
}

static void test_flags(void **state)
{
	struct seccomp_filter f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");

	(void)state;
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[]}");
	assert_int_equal(f.flags, 0);
	f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
		    "\"SECCOMP_FILTER_FLAG_TSYNC\"]}");
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_LOG);
}

static void test_arguments(void **state)
{
	const uint32_t arch = seccomp_arch_native();
	struct seccomp_filter f;

	(void)state;
	/* Different arguments: all must match. The same argument twice: any may (as runc). */
	f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		    "{\"names\":[\"dup2\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		    "{\"index\":0,\"value\":3,\"op\":\"SCMP_CMP_GE\"},"
		    "{\"index\":1,\"value\":5,\"op\":\"SCMP_CMP_EQ\"}]},"
		    "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		    "{\"index\":1,\"value\":9,\"op\":\"SCMP_CMP_EQ\"},"
		    "{\"index\":1,\"value\":15,\"op\":\"SCMP_CMP_EQ\"}]},"
		    "{\"names\":[\"umask\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		    "{\"index\":0,\"value\":7,\"valueTwo\":2,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}");
	assert_int_equal(ask(&f.prog, arch, "dup2", 3, 5), DENIED);
	assert_int_equal(ask(&f.prog, arch, "dup2", 2, 5), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&f.prog, arch, "dup2", 3, 4), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&f.prog, arch, "kill", 1, 9), DENIED);
	assert_int_equal(ask(&f.prog, arch, "kill", 1, 15), DENIED);
	assert_int_equal(ask(&f.prog, arch, "kill", 1, 1), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&f.prog, arch, "umask", 0x12, 0), DENIED);
	assert_int_equal(ask(&f.prog, arch, "umask", 0x13, 0), SCMP_ACT_ALLOW);
}

/* A profile that is older than the program gets ENOSYS for what it cannot have known. */
static void test_unknown_calls(void **state)
{
	const uint32_t arch = seccomp_arch_native();
	struct seccomp_filter f;

	(void)state;
#define OLD(action)                                                                          \
	"{\"defaultAction\":\"" action "\",\"syscalls\":[{\"names\":[\"read\",\"openat2\"]," \
	"\"action\":\"SCMP_ACT_ALLOW\"}]}"
	f = compile(OLD("SCMP_ACT_ERRNO"));
	assert_int_equal(ask(&f.prog, arch, "read", 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&f.prog, arch, "mount", 0, 0), DENIED);
	assert_int_equal(ask(&f.prog, arch, "faccessat2", 0, 0), NO_SUCH);
	assert_int_equal(decide(&f.prog, arch, 9999, NULL), NO_SUCH);
	f = compile(OLD("SCMP_ACT_KILL_PROCESS"));
	assert_int_equal(ask(&f.prog, arch, "mount", 0, 0), SCMP_ACT_KILL_PROCESS);
	assert_int_equal(ask(&f.prog, arch, "faccessat2", 0, 0), NO_SUCH);
	f = compile(OLD("SCMP_ACT_LOG"));
	assert_int_equal(ask(&f.prog, arch, "faccessat2", 0, 0), SCMP_ACT_LOG);
	/* Named, but not known to every libseccomp: by number. */
	f = compile(RULE("\"names\":[\"mseal\"],\"action\":\"SCMP_ACT_ERRNO\""));
	assert_int_equal(decide(&f.prog, arch, 462, NULL), DENIED);
	assert_int_equal(decide(&f.prog, arch, 463, NULL), SCMP_ACT_ALLOW);
}

#if defined(__x86_64__)
static const uint32_t abis[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };

static void test_default_profile(void **state)
{
	static char *const docker[] = { "CAP_CHOWN", "CAP_SYS_CHROOT", NULL };
	static char *const admin[] = { "CAP_SYS_ADMIN", NULL };
	struct seccomp_filter f = compile_default(docker), g = compile_default(admin);
	static const struct {
		const char *name;
		uint64_t a0, a1;
		uint32_t result, admin;
	} want[] = {
		{ "read", 0, 0, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "execveat", 0, 0, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "chroot", 0, 0, SCMP_ACT_ALLOW, DENIED },
		{ "mount", 0, 0, DENIED, SCMP_ACT_ALLOW },
		{ "pivot_root", 0, 0, DENIED, DENIED },
		{ "unshare", 0x10000000, 0, DENIED, SCMP_ACT_ALLOW },
		{ "setns", 3, 0x10000000, DENIED, SCMP_ACT_ALLOW },
		{ "bpf", 0, 0, DENIED, SCMP_ACT_ALLOW },
		{ "keyctl", 0, 0, DENIED, DENIED },
		{ "add_key", 0, 0, DENIED, DENIED },
		{ "request_key", 0, 0, DENIED, DENIED },
		{ "userfaultfd", 0, 0, DENIED, DENIED },
		{ "io_uring_setup", 0, 0, DENIED, DENIED },
		{ "io_uring_enter", 0, 0, DENIED, DENIED },
		{ "io_uring_register", 0, 0, DENIED, DENIED },
		{ "open_by_handle_at", 0, 0, DENIED, DENIED },
		{ "kexec_load", 0, 0, DENIED, DENIED },
		{ "clone3", 0, 0, NO_SUCH, SCMP_ACT_ALLOW },
		{ "clone", 0x11, 0, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "clone", 0x10000011, 0, DENIED, SCMP_ACT_ALLOW },
		{ "clone", 0x02000011, 0, DENIED, SCMP_ACT_ALLOW },
		{ "ioctl", 0, 0x5401, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "ioctl", 0, 0x5412, DENIED, DENIED },
		{ "ioctl", 0, 0x100005412, DENIED, DENIED },
		{ "ioctl", 0, 0xffffffff0000541c, DENIED, DENIED },
		{ "personality", 0, 0, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "personality", 0xffffffff, 0, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "personality", 0x0040000, 0, DENIED, DENIED },
		{ "socket", 1, 1, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "socket", 10, 1, SCMP_ACT_ALLOW, SCMP_ACT_ALLOW },
		{ "socket", 38, 5, DENIED, DENIED },
		{ "socket", 0x100000026, 5, DENIED, DENIED },
		{ "socket", 40, 1, DENIED, DENIED },
		{ "socket", 33, 2, DENIED, DENIED },
		{ "socket", 46, 2, DENIED, DENIED },
		{ "socket", 0xffffffff, 2, DENIED, DENIED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (size_t j = 0; j < 3; j++) {
			uint32_t r = ask(&f.prog, abis[j], want[i].name, want[i].a0, want[i].a1);
			uint32_t s = ask(&g.prog, abis[j], want[i].name, want[i].a0, want[i].a1);

			if (r != want[i].result || s != want[i].admin)
				fail_msg("%s(%#llx, %#llx) on %#x: %#x, with CAP_SYS_ADMIN %#x",
					 want[i].name, (unsigned long long)want[i].a0,
					 (unsigned long long)want[i].a1, abis[j], r, s);
		}
	for (uint32_t nr = 468; nr < 2000; nr++) {
		assert_int_equal(decide(&f.prog, SCMP_ARCH_X86_64, nr, NULL), NO_SUCH);
		assert_int_equal(decide(&f.prog, SCMP_ARCH_X86, nr, NULL), NO_SUCH);
	}
	/* 64-bit calls through the x32 ABI and the other way round (both went wrong in old
	 * kernels). */
	assert_int_equal(decide(&f.prog, SCMP_ARCH_X86_64, X32 | 16, NULL), NO_SUCH);
	assert_int_equal(decide(&f.prog, SCMP_ARCH_X86_64, 514, NULL), NO_SUCH);
	assert_true(f.allows_execveat);
}

/* The profile for other runtimes: the same decisions without our operators, also through JSON. */
static void test_plain_profile(void **state)
{
	static char *const caps[] = { "CAP_CHOWN", NULL };
	static const char *const names[] = { "socket",	    "socketpair", "ioctl",  "clone",
					     "personality", "read",	  "keyctl", "mount" };
	static const uint64_t values[] = { 0,	       8,	0x20000,    0x20008,	0xffffffff,
					   0x5401,     0x5411,	0x5412,	    0x5413,	0x541b,
					   0x541c,     0x541d,	0x80045430, 0x7fffffff, 0x02000000,
					   0x10000011, 0x40000, 0x11 };
	struct seccomp_filter f = compile_default(caps), g = { 0 };
	const struct oci_seccomp *plain = seccomp_default_profile_plain(&arena, caps);
	size_t len, allowed = 0;
	char *json = json_write(&arena, &oci_seccomp_type, plain, false, &len);

	(void)state;
	if (seccomp_prepare(&arena, parse(json), &g, &error) < 0)
		fail_msg("%s", error.msg);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < 1000; j++) {
			uint64_t v = j < 100 ? j : values[j % 18] + (j % 3 ? 0 : 0x300000000);
			uint32_t arch = abis[j % 5 % 3];
			uint32_t x, y;

			if (arch == SCMP_ARCH_X86 && str_eq(names[i], "socketpair"))
				continue; /* no number of its own in libseccomp */
			x = ask(&f.prog, arch, names[i], v, v);
			y = ask(&g.prog, arch, names[i], v, v);
			allowed += x == SCMP_ACT_ALLOW;
			/* Both let it through, or both do not. */
			if ((x == SCMP_ACT_ALLOW) != (y == SCMP_ACT_ALLOW))
				fail_msg("%s(%#llx) on %#x: %#x, in plain words %#x", names[i],
					 (unsigned long long)v, arch, x, y);
		}
	assert_in_range(allowed, 2000, 7000);
}

static struct sock_fprog export(scmp_filter_ctx ctx)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct sock_fprog p;
	off_t size;

	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	p.len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	p.filter = ARENA_ARRAY(&arena, p.len, struct sock_filter);
	assert_int_equal(pread(fd, p.filter, (size_t)size, 0), size);
	close(fd);
	return p;
}

/* libseccomp's program and the short one decide alike: random rules, every number, random
 * arguments near the constants. */
static void test_compact_is_the_same(void **state)
{
	static const uint32_t actions[] = { SCMP_ACT_ALLOW, DENIED, NO_SUCH, SCMP_ACT_TRAP,
					    SCMP_ACT_LOG };
	static const uint64_t values[] = { 0, 1, 7, 0x26, 0xffffffff, 0x100000026, UINT64_MAX };
	const uint32_t audits[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };
	size_t shorter = 0;

	(void)state;
	srandom(1);
	for (int round = 0; round < 40; round++) {
		uint32_t fallback = actions[random() % 3];
		scmp_filter_ctx ctx = seccomp_init(fallback);
		int density = 8 + (int)(random() % 3);
		uint32_t last = SCMP_ACT_ALLOW;
		struct sock_fprog p, q;

		seccomp_arch_add(ctx, SCMP_ARCH_X86);
		if (round % 2)
			seccomp_arch_add(ctx, SCMP_ARCH_X32);
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, round % 4 < 2 ? 2 : 1);
		for (int nr = 0; nr < 450; nr++) {
			/* In runs, as real profiles have them. */
			uint32_t action = random() % 60 ? last : actions[random() % 5];
			unsigned int conditions =
				random() % 40 ? 0 : 1 + (unsigned int)random() % 2;
			struct scmp_arg_cmp c[2];

			last = action;
			if (random() % 100 > 10 * density || action == fallback)
				continue;
			for (unsigned int i = 0; i < conditions; i++)
				c[i] = (struct scmp_arg_cmp){ i,
							      (enum scmp_compare)(1 + random() % 7),
							      values[random() % 7],
							      values[random() % 7] };
			seccomp_rule_add_array(ctx, action, nr, conditions, c);
		}
		p = q = export(ctx);
		seccomp_compact(&arena, audits, 2, &q);
		shorter += q.len < p.len;
		for (int i = 0; i < 40000; i++) {
			uint32_t nr = (uint32_t)(i < 1200 ? i / 2 : random() % 600);
			uint32_t arch = audits[i % 2];
			uint64_t args[6];

			nr |= random() % 4 ? 0 : X32;
			if (random() % 500 == 0)
				nr = (uint32_t)random() * 2;
			if (random() % 500 == 0)
				arch = SCMP_ARCH_AARCH64;
			for (size_t j = 0; j < 6; j++)
				args[j] = values[random() % 7] + (random() % 4 == 0);
			if (decide(&p, arch, nr, args) != decide(&q, arch, nr, args))
				fail_msg("round %d: number %#x on %#x: %#x, short program %#x",
					 round, nr, arch, decide(&p, arch, nr, args),
					 decide(&q, arch, nr, args));
		}
		seccomp_release(ctx);
	}
	assert_in_range(shorter, 20, 40); /* or nothing was compared */
}
#endif

/* In a child: loads a filter and reports errno of a call (0: it passed). */
static int try_call(const struct seccomp_filter *f, long nr, long a0, long a1)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct error e = { 0 };

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_filter_load(f, &e) != 0)
			_exit(255);
		_exit(syscall(nr, a0, a1, 0, 0, 0, 0) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_kernel_takes_it(void **state)
{
	struct seccomp_filter f = compile_default(NULL);

	(void)state;
	assert_int_equal(try_call(&f, SYS_getpid, 0, 0), 0);
	assert_int_equal(try_call(&f, SYS_keyctl, 0, 0), EPERM);
	assert_int_equal(try_call(&f, SYS_unshare, 0x10000000, 0), EPERM);
	assert_int_equal(try_call(&f, SYS_socket, 38, 5), EPERM);
	assert_int_equal(try_call(&f, SYS_ioctl, 0, 0x5412), EPERM);
	assert_int_equal(try_call(&f, SYS_clone3, 0, 0), ENOSYS);
	assert_int_equal(try_call(&f, 1000, 0, 0), ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_name_the_field),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_unknown_calls),
#if defined(__x86_64__)
		cmocka_unit_test(test_default_profile),
		cmocka_unit_test(test_plain_profile),
		cmocka_unit_test(test_compact_is_the_same),
#endif
		cmocka_unit_test(test_kernel_takes_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
