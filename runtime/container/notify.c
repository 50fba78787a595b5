/* See notify.h. */
#include "runtime/container/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/container/log.h"

#define DIRECTORY "notify"
#define NAME "notify.sock"
#define INSIDE "/run/notify"
#define MESSAGE_MAX 4096 /* systemd's own limit */
#define PATIENCE_SECONDS 5
#define BARRIER_MS 30000

static const char *wanted(void)
{
	const char *host = getenv("NOTIFY_SOCKET");

	return host && *host ? host : NULL;
}

bool notify_wanted(void)
{
	return wanted() != NULL;
}

static void add_mount(struct arena *a, struct oci_spec *spec, const char *source)
{
	static const char *const options[] = { "bind", "nosuid", "noexec", "nodev", "ro", NULL };
	struct oci_mount *all = ARENA_ARRAY(a, spec->mounts_len + 1, struct oci_mount);
	struct strlist list = { 0 };

	for (const char *const *o = options; *o; o++)
		strlist_add(a, &list, *o);
	if (spec->mounts_len)
		memcpy(all, spec->mounts, spec->mounts_len * sizeof(*all));
	all[spec->mounts_len++] = (struct oci_mount){ .destination = arena_strdup(a, INSIDE),
						      .type = arena_strdup(a, "bind"),
						      .source = arena_strdup(a, source),
						      .options = list.items };
	spec->mounts = all;
}

int notify_prepare(struct arena *a, const struct container *ct, struct oci_spec *spec,
		   struct error *e)
{
	const struct oci_namespace *mnt = oci_spec_namespace(spec, CLONE_NEWNS);
	struct oci_process *p = spec->process;
	struct strlist env = { 0 };

	if (!wanted() || !mnt || (mnt->path && *mnt->path))
		return 0;
	/* Whatever umask the caller has: any user of the container may look for the socket. */
	if (mkdirat(ct->dir_fd, DIRECTORY, 0755) < 0 ||
	    fchmodat(ct->dir_fd, DIRECTORY, 0755, 0) < 0)
		return err_sys(e, errno, "make the directory for the container's NOTIFY_SOCKET");
	add_mount(a, spec, arena_printf(a, "%s/%s/" DIRECTORY, ct->root, ct->id));
	for (char **v = p->env; v && *v; v++)
		strlist_add(a, &env, *v);
	strlist_add(a, &env, "NOTIFY_SOCKET=" INSIDE "/" NAME);
	p->env = env.items;
	return 0;
}

static int bind_socket(const struct container *ct, struct error *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_fd_ int s = -1, dir = -1;

	dir = openat(ct->dir_fd, DIRECTORY, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT
			       ? -1
			       : err_sys(e, errno, "open the directory of the NOTIFY_SOCKET");
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return err_sys(e, errno, "make a socket");
	/* A path of any length. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" NAME, path_of_fd(dir));
	if (bind(s, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(dir, NAME, 0777, 0) < 0)
		return err_sys(e, errno, "make the container's NOTIFY_SOCKET");
	return fd_take(&s);
}

/* A path, or with @ in front the name of an abstract socket (sd_notify(3)). */
static int connect_host(const char *host, struct error *e)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_fd_ int s = -1, at = -1;
	socklen_t len = sizeof(addr);

	if (host[0] == '@' && strlen(host) <= sizeof(addr.sun_path)) {
		memcpy(addr.sun_path, host, strlen(host));
		addr.sun_path[0] = 0;
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(host));
	} else if (host[0] == '/') {
		const char *name;

		at = open(host, O_PATH | O_CLOEXEC);
		if (at < 0)
			return err_sys(e, errno, "NOTIFY_SOCKET: open %s", host);
		name = path_of_fd(at);
		memcpy(addr.sun_path, name, strlen(name) + 1);
	} else {
		return err_msg(e, "NOTIFY_SOCKET: '%.100s' is neither a path nor @NAME", host);
	}
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(s, (const struct sockaddr *)&addr, len) < 0)
		return err_sys(e, errno, "NOTIFY_SOCKET: connect to %s", host);
	return fd_take(&s);
}

int notify_open(struct cmd_context *c, const struct container *ct, struct notify *ret,
		struct error *e)
{
	struct error why;

	*ret = (struct notify)NOTIFY_NONE;
	if (!wanted())
		return 0;
	err_clear(e);
	ret->sock = bind_socket(ct, e);
	if (ret->sock < 0)
		return e->msg[0] ? -1 : 0; /* created without: nothing in there knows of it */
	ret->host = connect_host(wanted(), &why);
	if (ret->host >= 0)
		return 0;
	log_line(c, "warning", why.msg);
	fprintf(stderr, "mrun: warning: %s\n", why.msg);
	notify_close(ret);
	return 0;
}

/* What sd_notify(3) lets a service say of itself. MAINPID would be a number of another namespace,
 * and whoever may name it chooses what systemd kills. */
static bool may_say(const char *line, size_t len)
{
	static const char *const words[] = {
		"READY=", "RELOADING=", "MONOTONIC_USEC=", "STOPPING=",	   "STATUS=",
		"ERRNO=", "BUSERROR=",	"WATCHDOG=",	   "EXIT_STATUS=", "EXTEND_TIMEOUT_USEC="
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (len > strlen(words[i]) && memcmp(line, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static void pass_on(struct notify *n, const char *text, size_t len)
{
	char out[MESSAGE_MAX + 32];
	size_t used = 0;
	bool ready = false;

	for (size_t at = 0, end; at < len; at = end + 1) {
		const char *nl = memchr(text + at, '\n', len - at);

		end = nl ? (size_t)(nl - text) : len;
		if (!may_say(text + at, end - at) || memchr(text + at, 0, end - at))
			continue;
		ready |= end - at == 7 && memcmp(text + at, "READY=1", 7) == 0;
		memcpy(out + used, text + at, end - at);
		used += end - at;
		out[used++] = '\n';
	}
	if (ready)
		used += (size_t)snprintf(out + used, sizeof(out) - used, "MAINPID=%d\n",
					 (int)n->main);
	/* That it is ready must arrive; for the rest we do not wait. */
	if (used)
		send(n->host, out, used, MSG_NOSIGNAL | (ready && !n->ready ? 0 : MSG_DONTWAIT));
	n->ready |= ready;
}

void notify_forward(struct notify *n)
{
	char text[MESSAGE_MAX];
	ssize_t len;

	/* One at a time: whoever writes faster than we read shall not keep us. Descriptors are
	 * dropped by the kernel, as there is no room for any. */
	len = recv(n->sock, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
	if (len > 0 && (size_t)len <= sizeof(text))
		pass_on(n, text, (size_t)len);
}

/* systemd closes what comes with BARRIER=1 when it has dealt with all before it. */
static void barrier(struct notify *n)
{
	struct error ignored;
	struct pollfd p;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	p = (struct pollfd){ .fd = ends[0] };
	if (fd_send(n->host, "BARRIER=1", 9, &ends[1], 1, &ignored) == 9) {
		close(ends[1]);
		poll(&p, 1, BARRIER_MS);
	} else {
		close(ends[1]);
	}
	close(ends[0]);
}

void notify_wait_ready(struct notify *n, const struct container *ct)
{
	_cleanup_fd_ int init = (int)syscall(SYS_pidfd_open, ct->pid, 0);
	struct pollfd p[2] = { { n->sock, POLLIN, 0 }, { init, POLLIN, 0 } };
	bool ended = false;

	while (n->sock >= 0 && !n->ready) {
		int got;

		/* What it said before its end is there. */
		ended = ended || state_process_start_time(ct->pid) != ct->start_time;
		got = poll(p, init >= 0 ? 2 : 1, ended ? 0 : init >= 0 ? -1 : 100);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0 && p[0].revents)
			notify_forward(n);
		else if (ended)
			break;
	}
	if (n->ready)
		barrier(n);
}

void notify_close(struct notify *n)
{
	fd_closep(&n->sock);
	fd_closep(&n->host);
	n->sock = n->host = -1;
}
