/*
 * The program mrun-systemd: which sockets it is to try, starting it, its reply. It keeps sd-bus and
 * its libraries out of the core, and nothing starts it but the systemd driver.
 *
 * What it is told: one line of JSON on descriptor 3, for "start" the process's number in a second
 * one; what it says: one line. It inherits nothing else, and no environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/helper.h"
#include "oci/base/str.h"
#include "runtime/cgroup/systemd.h"

#define PROGRAM "mrun-systemd"
#define HINT                                                                                    \
	"it is built where libsystemd's headers are (scripts/install-deps installs them, then " \
	"`make`) and belongs beside mrun; without it leave out --systemd-cgroup"
#define REPLY_MAX (1u << 16)
/* Longer than the program itself waits for systemd. */
#define REPLY_WAIT_MS 90000
#define SOCK_FD 3

uid_t systemd_uid(struct arena *a)
{
	struct error ignored;
	char *text, *save = NULL;
	uint32_t m[3]; /* inside, outside, how many */
	uid_t uid = geteuid();

	if (file_read(a, AT_FDCWD, "/proc/self/uid_map", 65536, &text, NULL, &ignored) < 0)
		return uid;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (str_fields_u32(l, m, 3) && uid >= m[0] && uid - m[0] < m[2])
			return m[1] + (uid - m[0]);
	return uid;
}

/* A D-Bus address of a socket's path (D-Bus specification, "Server Addresses"). */
static char *socket_address(struct arena *a, const char *path)
{
	char *r = arena_strdup(a, "unix:path=");

	for (; *path; path++)
		r = arena_printf(a,
				 (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
						 (*path >= '0' && *path <= '9') ||
						 strchr("-_/.\\*", *path)
					 ? "%s%c"
					 : "%s%%%02x",
				 r, (unsigned char)*path);
	return r;
}

/* The sockets of a manager, the bus first; behind it the one that systemctl uses, which needs no
 * bus daemon. A bus address of the environment is not a path: it goes to ADDRESS. */
static void sockets(struct arena *a, bool user, const char **address, struct strlist *paths)
{
	const char *dirs[2] = { getenv("XDG_RUNTIME_DIR"), NULL };

	*address = getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
	if (*address && !**address)
		*address = NULL;
	if (!user) {
		strlist_add(a, paths, "/run/dbus/system_bus_socket");
		strlist_add(a, paths, "/run/systemd/private");
		return;
	}
	dirs[1] = arena_printf(a, "/run/user/%u", systemd_uid(a));
	if (!dirs[0] || *dirs[0] != '/' || str_eq(dirs[0], dirs[1]))
		dirs[0] = NULL;
	for (int i = 0; i < 2; i++)
		if (dirs[i])
			strlist_add(a, paths, arena_printf(a, "%s/bus", dirs[i]));
	for (int i = 0; i < 2; i++)
		if (dirs[i])
			strlist_add(a, paths, arena_printf(a, "%s/systemd/private", dirs[i]));
}

bool systemd_user_manager(struct arena *a)
{
	struct strlist paths = { 0 };
	const char *address;

	sockets(a, true, &address, &paths);
	if (address && !str_has_prefix(address, "unix:path="))
		return true;
	if (address)
		strlist_add(a, &paths,
			    arena_strndup(a, address + strlen("unix:path="),
					  strcspn(address + strlen("unix:path="), ",;")));
	for (size_t i = 0; i < paths.n; i++)
		if (access(paths.items[i], W_OK) == 0)
			return true;
	return false;
}

struct json_out *systemd_request(struct arena *a, const char *operation, bool user)
{
	struct json_out *o = json_out_new(a, false);
	struct strlist paths = { 0 };
	const char *address;

	sockets(a, user, &address, &paths);
	json_out_object(o);
	json_out_kstr(o, "operation", operation);
	json_out_kbool(o, "user", user);
	json_out_str(o, "addresses");
	json_out_array(o);
	if (address)
		json_out_str(o, address);
	for (size_t i = 0; i < paths.n; i++) {
		const char *other = socket_address(a, paths.items[i]);

		if (!address || !str_eq(address, other))
			json_out_str(o, other);
	}
	json_out_array_end(o);
	return o;
}

char *systemd_request_end(struct json_out *o)
{
	json_out_object_end(o);
	return json_out_finish(o, NULL);
}

void systemd_request_properties(struct json_out *o, const struct systemd_properties *p)
{
	json_out_str(o, "properties");
	json_out_array(o);
	for (size_t i = 0; i < p->n; i++) {
		const struct systemd_property *q = &p->items[i];

		json_out_object(o);
		json_out_kstr(o, "name", q->name);
		json_out_kstr(o, "type", q->type);
		json_out_str(o, "value");
		json_out_value(o, q->value);
		if (q->since)
			json_out_ki64(o, "since", q->since);
		json_out_object_end(o);
	}
	json_out_array_end(o);
}

/* The child, from fork to exec: system calls only. */
static _Noreturn void run_child(int program, int sock, char *const *env)
{
	char *argv[] = { (char *)(uintptr_t)PROGRAM, NULL };
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* First out of the way, then to their places. */
	null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, SOCK_FD + 1);
	program = fcntl(program, F_DUPFD_CLOEXEC, SOCK_FD + 1);
	sock = fcntl(sock, F_DUPFD_CLOEXEC, SOCK_FD + 1);
	if (program < 0 || sock < 0 || dup2(sock, SOCK_FD) < 0)
		_exit(125);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	syscall(SYS_close_range, SOCK_FD + 1, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
	syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
	_exit(126);
}

int systemd_helper_start(struct arena *a, const char *line, pid_t *ret_pid, int *ret_sock,
			 struct error *e)
{
	static const char *const passed[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
	_cleanup_fd_ int program = helper_open(a, PROGRAM, HINT, e), ours = -1, theirs = -1;
	struct strlist env = { 0 };
	int pair[2];
	pid_t pid;

	if (program < 0)
		return -1;
	fd_close_now(); /* from here on it counts when one is closed */
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		if (getenv(passed[i]))
			strlist_add(a, &env,
				    arena_printf(a, "%s=%s", passed[i], getenv(passed[i])));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket for " PROGRAM);
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid == 0) {
		char *no_env[] = { NULL };

		/* Or its closing would not be seen. */
		close(ours);
		run_child(program, theirs, env.items ? env.items : no_env);
	}
	if (pid < 0)
		return err_sys(e, errno, "start " PROGRAM);
	if (systemd_helper_send(ours, line, e) < 0) {
		systemd_helper_end(&pid, &ours);
		return -1;
	}
	*ret_pid = pid;
	*ret_sock = fd_take(&ours);
	return 0;
}

int systemd_helper_send(int sock, const char *line, struct error *e)
{
	struct iovec v[2] = { { (void *)(uintptr_t)line, strlen(line) },
			      { (void *)(uintptr_t) "\n", 1 } };

	for (size_t i = 0; i < 2; i++)
		while (v[i].iov_len) {
			ssize_t n = send(sock, v[i].iov_base, v[i].iov_len, MSG_NOSIGNAL);

			if (n < 0 && errno == EINTR)
				continue;
			/* One that is gone already has said why, or its exit status does. */
			if (n < 0)
				return errno == EPIPE || errno == ECONNRESET
					       ? 0
					       : err_sys(e, errno, "send a request to " PROGRAM);
			v[i].iov_base = (char *)v[i].iov_base + n;
			v[i].iov_len -= (size_t)n;
		}
	return 0;
}

void systemd_helper_end(pid_t *pid, int *sock)
{
	fd_closep(sock);
	*sock = -1;
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/* Reads to the end of the line or of the file; the length, -1 with E. */
static ssize_t read_reply(int sock, char *buf, size_t max, struct error *e)
{
	size_t len = 0;

	while (len < max) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		int ready = poll(&p, 1, REPLY_WAIT_MS);
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return err_sys(e, ETIMEDOUT, "wait for " PROGRAM);
		n = read(sock, buf + len, max - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read from " PROGRAM);
		if (n == 0)
			break;
		len += (size_t)n;
		if (buf[len - 1] == '\n')
			break;
	}
	return (ssize_t)len;
}

static int ended(pid_t pid, struct error *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for " PROGRAM);
	if (WIFSIGNALED(status))
		return err_msg(e, PROGRAM " was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
		err_msg(e, PROGRAM " cannot be executed");
		return err_hint(e, "one of its libraries may be missing: `ldd` on it tells");
	}
	return err_msg(e, PROGRAM " ended without an answer (status %d)", WEXITSTATUS(status));
}

const struct json_value *systemd_helper_finish(struct arena *a, pid_t *pid, int *sock,
					       struct error *e)
{
	char *buf = arena_alloc(a, REPLY_MAX);
	ssize_t n = read_reply(*sock, buf, REPLY_MAX, e);
	const struct json_value *v = NULL, *code;
	const char *text;
	uint64_t number = 0;

	if (n == 0) {
		ended(*pid, e);
		*pid = 0;
	} else if (n > 0) {
		v = json_parse(a, buf, (size_t)n, PROGRAM "'s reply", e);
	}
	systemd_helper_end(pid, sock);
	text = v ? json_get_str(v, "error") : NULL;
	if (!text)
		return v;
	err_msg(e, "%s", text);
	code = json_get(v, "code");
	if (code && code->type == JSON_NUMBER && str_to_u64(code->text, 4095, &number))
		e->code = (int)number;
	text = json_get_str(v, "hint");
	if (text && *text)
		err_hint(e, "%s", text);
	return NULL;
}

const struct json_value *systemd_helper_call(struct arena *a, struct json_out *request,
					     struct error *e)
{
	pid_t pid = 0;
	int sock = -1;

	if (systemd_helper_start(a, systemd_request_end(request), &pid, &sock, e) < 0)
		return NULL;
	return systemd_helper_finish(a, &pid, &sock, e);
}

bool cgroup_systemd_available(struct arena *a)
{
	struct error ignored;
	_cleanup_fd_ int fd = helper_open(a, PROGRAM, NULL, &ignored);

	return fd >= 0;
}
