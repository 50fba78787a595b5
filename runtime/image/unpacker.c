/*
 * See unpacker.h. In order: find and open the program, open its two sockets, clone it into its
 * namespaces, map its ids, give it the request, read its lines until it is gone. The attack this
 * file answers is a helper that was taken over: it has nothing of ours but the descriptors of the
 * request, and its replies are parsed with the JSON reader's caps and taken as data.
 */
#include "runtime/image/unpacker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/helper.h"
#include "oci/base/json.h"
#include "oci/base/str.h"
#include "oci/base/undo.h"
#include "runtime/init/init.h"

#define PROGRAM "mrun-unpack"
#define DEFAULT_MAX_BYTES (64ull << 30)
#define DEFAULT_MAX_ENTRIES 2000000ull
#define MAX_LINE (1u << 20)
#define REQUEST_FD 3
#define REPLY_FD 4

int unpacker_limits(struct unpacker_limits *ret, struct error *e)
{
	const char *bytes = getenv("MRUN_UNPACK_MAX_BYTES");
	const char *entries = getenv("MRUN_UNPACK_MAX_ENTRIES");
	int64_t n;

	*ret = (struct unpacker_limits){ DEFAULT_MAX_BYTES, DEFAULT_MAX_ENTRIES, false,
					 entries && *entries };
	if (bytes && *bytes) {
		if (!str_to_size(bytes, &n) || n <= 0)
			return err_msg(e, "MRUN_UNPACK_MAX_BYTES: '%s' is not a size", bytes);
		ret->bytes = (uint64_t)n;
		ret->bytes_given = true;
	}
	if (entries && *entries &&
	    (!str_to_u64(entries, INT64_MAX, &ret->entries) || ret->entries == 0))
		return err_msg(e, "MRUN_UNPACK_MAX_ENTRIES: '%s' is not a number", entries);
	return 0;
}

/* Keeps capabilities across the exec for a process whose uid is not mapped to root (the host's
 * root, in a namespace that maps others): the program becomes root of the namespace afterwards, by
 * itself, so that it may lie where only the caller can reach it. */
static void keep_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };
	const uint64_t caps = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER |
			      1ull << CAP_FSETID | 1ull << CAP_MKNOD | 1ull << CAP_SETFCAP |
			      1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_SYS_ADMIN |
			      1ull << CAP_SYS_CHROOT;

	d[0].effective = d[0].permitted = d[0].inheritable = (uint32_t)caps;
	d[1].effective = d[1].permitted = d[1].inheritable = (uint32_t)(caps >> 32);
	if (syscall(SYS_capset, &h, d) < 0)
		return;
	for (unsigned c = 0; c < 64; c++)
		if (caps & (1ull << c))
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
}

struct start {
	int program, go; /* go: readable once the ids are mapped */
	int request, reply;
	int dir; /* working directory or -1 */
	const int *fds;
	int *moved; /* room for as many */
	size_t n;
	bool userns;
	char **env;
};

/* In the helper's place, as the helper would say it. */
static _Noreturn void child_failed(int reply, const char *what)
{
	int err = errno;

	dprintf(reply, "{\"error\":\"start " PROGRAM ": %s: %s\",\"code\":%d}\n", what,
		err_text(err), err);
	_exit(125);
}

/* The child, from clone to exec: system calls only. */
static _Noreturn void run_child(const struct start *s)
{
	static const char descriptors[] = "pass its descriptors on";
	const int base = UNPACKER_FIRST_FD + (int)s->n;
	char *argv[] = { (char *)(uintptr_t)PROGRAM, NULL };
	int program, request, reply, null;
	char byte;
	bool ok;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		child_failed(s->reply, "set the parent-death signal");
	/* None: whoever gave up says why. */
	if (read(s->go, &byte, 1) != 1)
		_exit(125);
	/* The mount namespace comes last: it takes the working directory along, whereas a directory
	 * that came as a descriptor would belong to a mount of the old namespace, which overlayfs
	 * and open_tree(2) refuse. */
	if (s->dir >= 0 && fchdir(s->dir) < 0)
		child_failed(s->reply, "enter its directory");
	if (unshare(CLONE_NEWNS) < 0)
		child_failed(s->reply, "make a mount namespace");
	if (s->userns)
		keep_capabilities();
	/* First all out of the way, then each to its place. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		child_failed(s->reply, "open /dev/null");
	null = fcntl(null, F_DUPFD_CLOEXEC, base);
	program = fcntl(s->program, F_DUPFD_CLOEXEC, base);
	request = fcntl(s->request, F_DUPFD_CLOEXEC, base);
	reply = fcntl(s->reply, F_DUPFD_CLOEXEC, base);
	ok = null >= 0 && program >= 0 && request >= 0 && reply >= 0;
	for (size_t i = 0; i < s->n; i++) {
		s->moved[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, base);
		ok &= s->moved[i] >= 0;
	}
	if (!ok)
		child_failed(s->reply, descriptors);
	ok = dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
#ifndef __SANITIZE_ADDRESS__
	     /* The caller's terminal, which can be read and written. */
	     dup2(null, 2) >= 0 &&
#endif
	     dup2(request, REQUEST_FD) >= 0 && dup2(reply, REPLY_FD) >= 0;
	for (size_t i = 0; i < s->n; i++)
		ok &= dup2(s->moved[i], UNPACKER_FIRST_FD + (int)i) >= 0;
	if (!ok)
		child_failed(reply, descriptors);
	/* A descriptor of the caller's that is not close-on-exec is not the helper's business. */
	syscall(SYS_close_range, base, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
	syscall(SYS_execveat, program, "", argv, s->env, AT_EMPTY_PATH);
	/* What a script or a missing loader is said to be. */
	if (errno == ENOENT || errno == ENOEXEC)
		_exit(126);
	child_failed(reply, "execute it");
}

static pid_t clone_into_namespaces(bool userns)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;

	if (userns)
		flags |= CLONE_NEWUSER;
		/* Without a stack and CLONE_VM it is a fork (clone(2)); the argument order is the
		 * same on all architectures but s390, where both are 0 anyway when swapped. */
#ifdef __s390__
	return (pid_t)syscall(SYS_clone, 0, flags, 0, 0, 0);
#else
	return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
#endif
}

static char **environment(struct arena *a)
{
	static const char *const passed[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
	struct strlist env = { 0 };

	strlist_add(a, &env, "PATH=/usr/bin:/bin");
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (getenv(passed[i]))
			strlist_add(a, &env,
				    arena_printf(a, "%s=%s", passed[i], getenv(passed[i])));
	return env.items;
}

static int start_failed(int errnum, struct error *e)
{
	namespaces_explain(CLONE_NEWUSER, errnum, e);
	return err_wrap(e, "start " PROGRAM);
}

/* What the helper says reaches a terminal, and the helper may have been taken over. */
static const char *plain(struct arena *a, const char *s)
{
	char *r = arena_strdup(a, s);

	for (char *p = r; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return r;
}

/* One line of the helper's; A is only for that. */
static int take_line(struct arena *a, const char *line, size_t len, unpacker_reply *on_reply,
		     void *arg, bool *done, struct error *e)
{
	const struct json_value *v = json_parse(a, line, len, "the helper's reply", e);
	const char *text;

	if (!v)
		return -1;
	text = json_get_str(v, "error");
	if (text) {
		const struct json_value *m = json_get(v, "code");
		uint64_t code = 0;

		err_msg(e, "%s", plain(a, text));
		if (m && m->type == JSON_NUMBER && str_to_u64(m->text, 4095, &code))
			e->code = (int)code;
		text = json_get_str(v, "hint");
		if (text && *text)
			err_hint(e, "%s", plain(a, text));
		return -1;
	}
	if (json_get(v, "done")) {
		*done = true;
		return 0;
	}
	return on_reply ? on_reply(arg, v, e) : 0;
}

static int handle_line(const char *line, size_t len, unpacker_reply *on_reply, void *arg,
		       bool *done, struct error *e)
{
	struct arena scratch = { 0 };
	int r = take_line(&scratch, line, len, on_reply, arg, done, e);

	arena_free(&scratch);
	return r;
}

/* Reads lines until the helper closes its end. */
static int read_replies(struct arena *a, int fd, unpacker_reply *on_reply, void *arg, bool *done,
			struct error *e)
{
	char *buf = arena_alloc(a, MAX_LINE);
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, buf + len, MAX_LINE - len);
		char *start = buf, *nl;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read from " PROGRAM);
		if (n == 0)
			return len ? err_msg(e, PROGRAM " ended within a line") : 0;
		len += (size_t)n;
		while ((nl = memchr(start, '\n', len - (size_t)(start - buf)))) {
			if (handle_line(start, (size_t)(nl - start), on_reply, arg, done, e) < 0)
				return -1;
			start = nl + 1;
		}
		len -= (size_t)(start - buf);
		memmove(buf, start, len);
		if (len == MAX_LINE)
			return err_msg(e, PROGRAM " said too much at once");
	}
}

/* Maps the ids, says go, sends the request. */
static int hand_over(struct arena *a, pid_t pid, int go, int request_fd, const char *request,
		     const struct idmap *m, struct error *e)
{
	size_t len = strlen(request);

	if (m) {
		struct idmap_job job = { .open_fd = 0 };

		if (idmap_start(a, pid, m, &job, e) < 0 || idmap_finish(&job, e) < 0)
			return -1;
	}
	if (send(go, "g", 1, MSG_NOSIGNAL) < 0)
		return err_sys(e, errno, "start " PROGRAM);
	while (len) {
		ssize_t n = send(request_fd, request, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* One that is gone already has said why, or its exit status does. */
		if (n < 0)
			return errno == EPIPE || errno == ECONNRESET
				       ? 0
				       : err_sys(e, errno, "send the request to " PROGRAM);
		request += n;
		len -= (size_t)n;
	}
	/* It waits for the request's end. */
	if (shutdown(request_fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return err_sys(e, errno, "send the request to " PROGRAM);
	return 0;
}

static int wait_for(pid_t pid, bool done, struct error *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for " PROGRAM);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && done)
		return 0;
	if (WIFSIGNALED(status))
		return err_msg(e, PROGRAM " was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
		err_msg(e, PROGRAM " cannot be executed");
		return err_hint(e, "one of its libraries may be missing: `ldd` on it tells");
	}
	return err_msg(e, PROGRAM " failed without a reason (status %d)", WEXITSTATUS(status));
}

/* Before the directories that it writes into are removed. */
static void end_helper(void *pid)
{
	struct error ignored;

	kill(*(pid_t *)pid, SIGKILL);
	wait_for(*(pid_t *)pid, false, &ignored);
}

int unpacker_run(struct arena *a, const char *request, int dir, const int *fds, size_t n,
		 const struct idmap *m, unpacker_reply *on_reply, void *arg, struct error *e)
{
	_cleanup_fd_ int program = helper_open(a, PROGRAM, NULL, e);
	int req[2] = { -1, -1 }, rep[2] = { -1, -1 }, go[2] = { -1, -1 };
	struct start s = { .program = program,
			   .dir = dir,
			   .fds = fds,
			   .n = n,
			   .moved = ARENA_ARRAY(a, n + 1, int),
			   .userns = m != NULL,
			   .env = environment(a) };
	struct undo undo;
	bool done = false;
	int r = 0;
	pid_t pid;

	if (program < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, req) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rep) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) < 0) {
		r = err_sys(e, errno, "make sockets for " PROGRAM);
		goto out;
	}
	s.go = go[0];
	s.request = req[0];
	s.reply = rep[0];
	pid = clone_into_namespaces(s.userns);
	if (pid == 0) {
		/* The other ends must not stay open here, or their closing would not be seen. */
		close(go[1]);
		close(req[1]);
		close(rep[1]);
		run_child(&s);
	}
	if (pid < 0) {
		r = start_failed(errno, e);
		goto out;
	}
	undo_push(&undo, end_helper, &pid);
	close(go[0]);
	close(req[0]);
	close(rep[0]);
	go[0] = req[0] = rep[0] = -1;
	r = hand_over(a, pid, go[1], req[1], request, m, e);
	if (r == 0)
		r = read_replies(a, rep[1], on_reply, arg, &done, e);
	undo_pop(&undo);
	if (r < 0) {
		kill(pid, SIGKILL);
		/* If that was refused, it ends by these. */
		close(req[1]);
		close(rep[1]);
		close(go[1]);
		go[1] = req[1] = rep[1] = -1;
		end_helper(&pid);
	} else {
		r = wait_for(pid, done, e);
	}
out:
	for (size_t i = 0; i < 2; i++) {
		fd_closep(&req[i]);
		fd_closep(&rep[i]);
		fd_closep(&go[i]);
	}
	return r;
}
