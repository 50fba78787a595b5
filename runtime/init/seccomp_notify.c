/*
 * The runtime's end of SCMP_ACT_NOTIFY: in the parent, after init has loaded its filter and handed
 * over the descriptor, connect to the agent's socket, send the state and the descriptor in the
 * first message (unix(7), SCM_RIGHTS), and close. One state a connection.
 */
#include "runtime/init/seccomp_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/path.h"

#define PATIENCE_SECONDS 10

static int connect_to(const char *path, struct error *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int place = -1; /* kept until the connection stands */
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0)
		return err_sys(e, errno, "make a socket for the seccomp agent");
	/* Counts for connect(2) as well (unix(7) sockets wait while the backlog is full). */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return err_sys(e, errno, "set a time limit for the seccomp agent");
	if (strlen(path) < sizeof(addr.sun_path)) {
		memcpy(addr.sun_path, path, strlen(path) + 1);
	} else {
		/* Longer than an address can be: through a descriptor. */
		const char *name;

		place = open(path, O_PATH | O_CLOEXEC);
		if (place < 0)
			return err_sys(e, errno, "open the seccomp agent's socket %s", path);
		name = path_of_fd(place);
		memcpy(addr.sun_path, name, strlen(name) + 1);
	}
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err_sys(e, errno, "connect to the seccomp agent at %s (linux.seccomp.listenerPath)",
			path);
		return err_hint(e, "the agent must listen there before the container is created");
	}
	return fd_take(&fd);
}

int seccomp_notify_send(struct arena *a, const struct seccomp_filter *f, int notify_fd, pid_t pid,
			const char *state, size_t len, struct error *e)
{
	const struct json_value *v = json_parse(a, state, len, "container state", e);
	struct json_out *o = json_out_new(a, false);
	_cleanup_fd_ int fd = -1;
	size_t n;
	ssize_t sent;
	char *text;

	if (!v)
		return -1;
	json_out_object(o);
	json_out_kstr(o, "ociVersion", json_get_str(v, "ociVersion"));
	json_out_str(o, "fds");
	json_out_array(o);
	json_out_str(o, "seccompFd");
	json_out_array_end(o);
	json_out_ki64(o, "pid", pid);
	if (f->listener_metadata && *f->listener_metadata)
		json_out_kstr(o, "metadata", f->listener_metadata);
	json_out_str(o, "state");
	json_out_value(o, v);
	json_out_object_end(o);
	text = json_out_finish(o, &n);

	fd = connect_to(f->listener_path, e);
	if (fd < 0)
		return -1;
	sent = fd_send(fd, text, n, &notify_fd, 1, e);
	while (sent >= 0 && (size_t)sent < n) {
		text += sent;
		n -= (size_t)sent;
		sent = fd_send(fd, text, n, NULL, 0, e);
	}
	if (sent < 0)
		return err_wrap(e, "seccomp agent at %s", f->listener_path);
	return 0;
}
