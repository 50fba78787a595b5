/* See client_socket.h. */
#include "runtime/container/client_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "oci/base/file.h"
#include "oci/base/path.h"

#define PATIENCE_SECONDS 10

int client_socket_connect(const char *path, const char *what, struct error *e)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_fd_ int s = -1, at = -1;
	const char *name;

	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, errno, "open the %s socket %s", what, path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return err_sys(e, errno, "make a socket");
	/* Counts for connect(2) as well. */
	if (setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return err_sys(e, errno, "set a time limit for the %s socket", what);
	name = path_of_fd(at);
	memcpy(addr.sun_path, name, strlen(name) + 1);
	if (connect(s, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(e, errno, "connect to the %s socket %s", what, path);
	return fd_take(&s);
}

int client_socket_send_pidfd(int sock, const char *kind, pid_t pid, struct error *e)
{
	_cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0) {
		err_sys(e, errno, "--pidfd-socket: open a pidfd of process %d", (int)pid);
		return e->code == ENOSYS ? err_hint(e, "it needs Linux 5.3 or newer") : -1;
	}
	if (fd_send(sock, kind, strlen(kind), &fd, 1, e) < 0)
		return err_wrap(e, "--pidfd-socket");
	return 0;
}
