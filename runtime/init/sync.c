/* See sync.h. */
#include "runtime/init/sync.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "oci/base/file.h"

#define WATCH_US 500000

int sync_send(int sock, enum sync_tag tag, int fd, struct error *e)
{
	char c = (char)tag;

	return fd_send(sock, &c, 1, &fd, fd >= 0, e) < 0 ? -1 : 0;
}

int sync_send_pid(int sock, pid_t pid, struct error *e)
{
	char buf[1 + sizeof(pid)];

	buf[0] = SYNC_PID;
	memcpy(buf + 1, &pid, sizeof(pid));
	return fd_send(sock, buf, sizeof(buf), NULL, 0, e) < 0 ? -1 : 0;
}

int sync_send_ambient(int sock, uint64_t missing, struct error *e)
{
	char buf[1 + sizeof(missing)];

	if (!missing)
		return 0;
	buf[0] = SYNC_AMBIENT;
	memcpy(buf + 1, &missing, sizeof(missing));
	return fd_send(sock, buf, sizeof(buf), NULL, 0, e) < 0 ? -1 : 0;
}

void sync_send_error(int sock, const struct error *e)
{
	char tag = SYNC_ERROR;
	struct iovec v[2] = { { &tag, 1 }, { (void *)(uintptr_t)e, sizeof(*e) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	ssize_t n;

	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* After `start` it is a FIFO, which this one process writes to; or a filter forbids it. */
	if (n < 0)
		writev(sock, v, 2);
}

void sync_send_report(int sock, int err)
{
	struct shim_report r = { .err = err };
	ssize_t n;

	do
		n = send(sock, &r, sizeof(r), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = write(sock, &r, sizeof(r));
}

int sync_receive(int sock, struct sync_packet *p, struct error *e)
{
	char buf[1 + sizeof(struct shim_report)];
	size_t nfds = 1;
	int fd = -1;
	ssize_t n = fd_recv(sock, buf, sizeof(buf), &fd, &nfds, e);

	/* The other side ended with something of ours unread: that is told first, once, and only
	 * then what it had said before (af_unix.c, unix_release_sock). */
	if (n < 0 && e->code == ECONNRESET) {
		err_clear(e);
		nfds = 1;
		n = fd_recv(sock, buf, sizeof(buf), &fd, &nfds, e);
	}
	p->fd = nfds ? fd : -1;
	if (n < 0 && e->code != ECONNRESET)
		return -1;
	if (n <= 0) {
		p->tag = SYNC_END;
		return 0;
	}
	if ((size_t)n == sizeof(p->report)) {
		p->tag = SYNC_REPORT;
		memcpy(&p->report, buf, sizeof(p->report));
		if (p->report.head_len < 0 || p->report.head_len > SHIM_HEAD_MAX)
			p->report.head_len = 0;
		return 0;
	}
	p->tag = (enum sync_tag)(unsigned char)buf[0];
	if (p->tag == SYNC_ERROR && (size_t)n == 1 + sizeof(p->error)) {
		memcpy(&p->error, buf + 1, sizeof(p->error));
		p->error.msg[sizeof(p->error.msg) - 1] = 0;
		p->error.hint[sizeof(p->error.hint) - 1] = 0;
	} else if (p->tag == SYNC_PID && (size_t)n == 1 + sizeof(pid_t)) {
		siginfo_t si;

		memcpy(&p->pid, buf + 1, sizeof(pid_t));
		/* A program of the container's that got hold of the socket may say any pid. */
		if (p->pid <= 0 ||
		    waitid(P_PID, (id_t)p->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
			return err_msg(e, "unexpected message from the container");
	} else if (p->tag == SYNC_AMBIENT && (size_t)n == 1 + sizeof(p->ambient)) {
		memcpy(&p->ambient, buf + 1, sizeof(p->ambient));
	}
	return 0;
}

int sync_watch(int sock, struct error *e)
{
	const struct timeval pause = { .tv_usec = WATCH_US };

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause)) < 0)
		return err_sys(e, errno, "setsockopt SO_RCVTIMEO");
	return 0;
}

static bool has_ended(pid_t pid)
{
	siginfo_t si = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == pid;
}

/* What it said before its end is still to be read: the end is believed the second time. */
static int receive_from(int sock, pid_t from, struct sync_packet *p, struct error *e)
{
	bool ended = false;

	while (sync_receive(sock, p, e) < 0) {
		if (e->code != EAGAIN)
			return -1;
		err_clear(e);
		if (ended) {
			p->tag = SYNC_END;
			return 0;
		}
		ended = has_ended(from);
	}
	return 0;
}

int sync_receive_expected(int sock, pid_t from, struct sync_packet *p, unsigned *expected,
			  struct error *e)
{
	bool known;

	if (receive_from(sock, from, p, e) < 0)
		return -1;
	if (p->tag == SYNC_ERROR || p->tag == SYNC_REPORT || p->tag == SYNC_END) {
		fd_closep(&p->fd);
		return 0;
	}
	known = p->tag >= 'a' && p->tag <= 'z' && (*expected & SYNC_BIT(p->tag));
	if (!known) {
		fd_closep(&p->fd);
		return err_msg(e, "unexpected message from the container");
	}
	*expected &= ~SYNC_BIT(p->tag);
	return 0;
}

int sync_unexpected(const struct sync_packet *p, struct error *e)
{
	if (p->tag != SYNC_ERROR)
		return err_msg(e, "the other side of the container's set-up ended");
	*e = p->error;
	return -1;
}

int sync_expect(int sock, enum sync_tag tag, struct error *e)
{
	struct sync_packet p;

	if (sync_receive(sock, &p, e) < 0)
		return -1;
	return p.tag == tag ? 0 : sync_unexpected(&p, e);
}
