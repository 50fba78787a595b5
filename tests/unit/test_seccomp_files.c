/* Seccomp and the outside: the cache of compiled filters, Docker's profiles, the agent's socket. */
#include "tests/unit/seccomp_decide.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/image/seccomp_profile.h"
#include "runtime/init/seccomp_notify.h"

static char *only_file(void)
{
	char *cmd = arena_printf(&arena, "ls %s/mrun/seccomp", dir), line[300] = "";
	FILE *p = popen(cmd, "r");

	assert_non_null(p);
	assert_non_null(fgets(line, sizeof(line), p));
	assert_int_equal(pclose(p), 0);
	line[strcspn(line, "\n")] = 0;
	return arena_printf(&arena, "%s/mrun/seccomp/%s", dir, line);
}

static void empty_cache(void)
{
	struct error e;

	assert_int_equal(file_remove_tree(AT_FDCWD, arena_printf(&arena, "%s/mrun", dir), &e), 0);
}

#define SMALL RULE("\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"")

/* Whether the filter that comes out still denies mkdir, and not what a forged file says. */
static bool denies_mkdir(void)
{
	struct seccomp_filter f = compile(SMALL);

	return ask(&f.prog, seccomp_arch_native(), "mkdir", 0, 0) == DENIED;
}

/* Changes every DENIED in the file to ALLOW; the head keeps its digest. */
static void forge(const char *path)
{
	const uint32_t allow = SCMP_ACT_ALLOW, denied = DENIED;
	char *text;
	size_t len;
	bool found = false;

	assert_int_equal(file_read(&arena, AT_FDCWD, path, 1 << 20, &text, &len, &error), 0);
	for (size_t i = 0; i + 4 <= len; i += 4)
		if (memcmp(text + i, &denied, 4) == 0) {
			memcpy(text + i, &allow, 4);
			found = true;
		}
	assert_true(found);
	assert_int_equal(file_replace(AT_FDCWD, path, text, len, 0600, false, &error), 0);
}

static void test_cache(void **state)
{
	struct stat st;
	ino_t first;
	char *path;

	(void)state;
	empty_cache();
	assert_true(denies_mkdir());
	path = only_file();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	first = st.st_ino;
	assert_true(denies_mkdir());
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_ino, first); /* read, not written again */

	forge(path); /* content does not fit the digest */
	assert_true(denies_mkdir());
	assert_int_equal(truncate(path, 100), 0); /* cut short */
	assert_true(denies_mkdir());
	assert_int_equal(chmod(path, 0666), 0); /* anybody could have written it */
	assert_true(denies_mkdir());
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600); /* replaced */

	/* Another profile's file under this name: the key is in the head. */
	empty_cache();
	compile(RULE("\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_ERRNO\""));
	assert_int_equal(rename(only_file(), path), 0);
	assert_true(denies_mkdir());

	/* A link where the file should be, and a directory that is open to others. */
	assert_int_equal(rename(path, arena_printf(&arena, "%s/elsewhere", dir)), 0);
	assert_int_equal(symlink(arena_printf(&arena, "%s/elsewhere", dir), path), 0);
	assert_true(denies_mkdir());
	empty_cache();
	assert_int_equal(mkdir(arena_printf(&arena, "%s/mrun", dir), 0700), 0);
	assert_int_equal(mkdir(arena_printf(&arena, "%s/mrun/seccomp", dir), 0700), 0);
	assert_int_equal(chmod(arena_printf(&arena, "%s/mrun/seccomp", dir), 0777), 0);
	assert_true(denies_mkdir());
	assert_int_equal(stat(path, &st), -1); /* nothing is put there */
	empty_cache();
}

static void test_cache_is_bounded(void **state)
{
	char *cmd = arena_printf(&arena, "ls %s/mrun/seccomp | wc -l", dir), line[32] = "";
	FILE *p;

	(void)state;
	empty_cache();
	for (int i = 0; i < 70; i++)
		compile(arena_printf(&arena,
				     RULE("\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\","
					  "\"errnoRet\":%d"),
				     i + 1));
	p = popen(cmd, "r");
	assert_non_null(p);
	assert_non_null(fgets(line, sizeof(line), p));
	pclose(p);
	assert_int_equal(atoi(line), 64);
	empty_cache();
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void test_cache_of_the_killed(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	const char *own = arena_printf(&arena, "%s/mrun/seccomp/a.bpf.tmp%d", dir, (int)getpid());
	char *dead, *other = arena_printf(&arena, "%s/mrun/seccomp/a.bpf.tmpx", dir);
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	empty_cache();
	assert_true(denies_mkdir());
	dead = arena_printf(&arena, "%s.tmp%d", only_file(), (int)pid);
	assert_int_equal(file_replace(AT_FDCWD, dead, "x", 1, 0600, false, &error), 0);
	assert_int_equal(file_replace(AT_FDCWD, own, "x", 1, 0600, false, &error), 0);
	assert_int_equal(file_replace(AT_FDCWD, other, "x", 1, 0600, false, &error), 0);
	compile(RULE("\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_ERRNO\""));
	assert_false(exists(dead));
	assert_true(exists(own)); /* alive, and writing */
	assert_true(exists(other));
	assert_int_equal(utimensat(AT_FDCWD, own, old, 0), 0);
	compile(RULE("\"names\":[\"chdir\"],\"action\":\"SCMP_ACT_ERRNO\""));
	assert_false(exists(own)); /* another has its pid now */
	assert_true(exists(other));
	empty_cache();
}

/* --- Docker's format --- */

static struct oci_seccomp *profile(const char *json, char *const *caps)
{
	err_clear(&error);
	return seccomp_profile_parse(&arena, json, strlen(json), "p.json", caps, &error);
}

static void test_profile(void **state)
{
	static char *const caps[] = { "CAP_SYS_ADMIN", NULL };
	static const char json[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENOSYS\","
		"\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":"
		"[\"SCMP_ARCH_X86\"]},{\"architecture\":\"SCMP_ARCH_AARCH64\","
		"\"subArchitectures\":[\"SCMP_ARCH_ARM\"]}],\"syscalls\":["
		"{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":null},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EPERM\","
		"\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"kcmp\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"minKernel\":\"4000.1\"}},"
		"{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"arches\":[\"vax\"]}},"
		"{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":"
		"{\"arches\":[\"vax\"]}}]}";
	struct oci_seccomp *s = profile(json, NULL);

	(void)state;
	if (!s)
		fail_msg("%s", error.msg);
	assert_int_equal(*s->default_errno_ret, ENOSYS);
#if defined(__x86_64__)
	assert_int_equal(str_list_len(s->architectures), 2);
	assert_string_equal(s->architectures[1], "SCMP_ARCH_X86");
#endif
	assert_int_equal(s->syscalls_len, 4);
	assert_string_equal(s->syscalls[0].names[0], "read");
	assert_int_equal(s->syscalls[1].action, OCI_ACT_ERRNO);
	assert_int_equal(*s->syscalls[1].errno_ret, EPERM);
	assert_string_equal(s->syscalls[2].names[0], "ptrace");
	assert_string_equal(s->syscalls[3].names[0], "close");
	s = profile(json, caps);
	assert_non_null(s);
	assert_int_equal(s->syscalls[1].action, OCI_ACT_ALLOW);

	/* A plain object of the specification. */
	s = profile(SMALL, NULL);
	assert_non_null(s);
	assert_int_equal(s->syscalls_len, 1);
	assert_null(s->architectures);
}

static void test_profile_errors(void **state)
{
	static const struct {
		const char *json, *message;
	} bad[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_X\"}", "defaultAction" },
		{ "{}", "defaultAction" },
		{ "[]", "object" },
		{ RULE("\"name\":\"a\",\"names\":[\"b\"],\"action\":\"SCMP_ACT_ALLOW\""),
		  "syscalls[0]: both" },
		{ RULE("\"name\":3,\"action\":\"SCMP_ACT_ALLOW\""), "syscalls[0].name" },
		{ RULE("\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EX\""),
		  "syscalls[0].errno" },
		{ RULE("\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"includes\":{\"caps\":1}"),
		  "syscalls[0].includes.caps" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
		  "\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86\"}]}",
		  "both 'architectures' and 'archMap'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(profile(bad[i].json, NULL));
		if (!strstr(error.msg, bad[i].message) || !strstr(error.msg, "p.json"))
			fail_msg("'%s' lacks '%s'", error.msg, bad[i].message);
	}
}

/* --- the agent --- */

static void check_agent(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct seccomp_filter f = { .listener_path = path, .listener_metadata = "meta" };
	static const char state[] =
		"{\"ociVersion\":\"1.0.2\",\"id\":\"c\",\"status\":\"creating\","
		"\"pid\":7,\"bundle\":\"/b\",\"annotations\":{\"k\":\"v\"}}";
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer, fds[2];
	_cleanup_fd_ int parent = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), sent = -1;
	const struct json_value *v, *inner;
	size_t nfds = 2;
	struct stat x, y;
	char buf[4096];
	ssize_t n;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/agent", parent);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	sent = memfd_create("notify", MFD_CLOEXEC);
	err_clear(&error);
	if (seccomp_notify_send(&arena, &f, sent, 7, state, strlen(state), &error) < 0)
		fail_msg("%s", error.msg);
	peer = accept(listener, NULL, NULL);
	n = fd_recv(peer, buf, sizeof(buf), fds, &nfds, &error);
	assert_true(n > 0);
	assert_int_equal(nfds, 1);
	assert_int_equal(fstat(fds[0], &x) | fstat(sent, &y), 0);
	assert_int_equal(x.st_ino, y.st_ino);
	v = json_parse(&arena, buf, (size_t)n, "sent", &error);
	assert_non_null(v);
	assert_string_equal(json_get_str(v, "ociVersion"), "1.0.2");
	assert_string_equal(json_get_str(v, "metadata"), "meta");
	assert_string_equal(json_get(v, "fds")->members[0].value.text, "seccompFd");
	assert_string_equal(json_get(v, "pid")->text, "7");
	inner = json_get(v, "state");
	assert_string_equal(json_get_str(inner, "status"), "creating");
	assert_string_equal(json_get_str(json_get(inner, "annotations"), "k"), "v");
	assert_int_equal(read(peer, buf, 1), 0); /* closed: one state a connection */
	close(fds[0]);
	close(peer);
	close(listener);
	assert_int_equal(unlinkat(parent, "agent", 0), 0);
}

static void test_notify(void **state)
{
	struct seccomp_filter f = { .listener_path = "/nonexistent/agent" };
	char *far = arena_printf(&arena, "%s/", dir);

	(void)state;
	check_agent(arena_printf(&arena, "%s/agent", dir));
	while (strlen(far) < 200) /* longer than a socket's address */
		far = arena_printf(&arena, "%s./", far);
	check_agent(arena_printf(&arena, "%sagent", far));
	err_clear(&error);
	assert_int_equal(seccomp_notify_send(&arena, &f, 0, 1, "{}", 2, &error), -1);
	assert_non_null(strstr(error.msg, "linux.seccomp.listenerPath"));
	assert_true(*error.hint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_is_bounded),
		cmocka_unit_test(test_cache_of_the_killed),
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_profile_errors),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
