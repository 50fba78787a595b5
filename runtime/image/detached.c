/* See detached.h. */
#include "runtime/image/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "oci/base/file.h"

/* The caller's own descriptors: those that were open at our start. All of ours close on exec. */
static int close_inherited(struct error *e)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *de;
	int err;

	if (!d)
		return err_sys(e, errno, "open /proc/self/fd");
	while ((de = dir_next(d, &err))) {
		int fd = atoi(de->d_name), flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	closedir(d);
	return err ? err_sys(e, err, "read /proc/self/fd") : 0;
}

/* One packet: "r", it runs, or why not; or the other's end. */
static int wait_answer(struct detached *d, struct error *e)
{
	struct error answer;
	ssize_t n;

	err_clear(&answer);
	do
		n = recv(d->answer, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	/* It has cleaned up by the time it ends, and ends when nobody listens. */
	fd_closep(&d->answer);
	d->answer = -1;
	while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(answer))
		return err_msg(e, "the process that was to stay with the container ended");
	*e = answer;
	return -1;
}

int detached_fork(struct detached *d, struct error *e)
{
	struct timeval patience = { .tv_sec = 10 };
	int pair[2];
	pid_t pid;

	*d = (struct detached){ .answer = -1, .err = -1, .stdin_end = -1, .log = { .fd = -1 } };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid > 0) {
		d->pid = pid;
		close(pair[1]);
		d->answer = pair[0];
		return wait_answer(d, e);
	}
	close(pair[0]);
	d->answer = pair[1];
	setsockopt(d->answer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsid();
	d->err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return 1;
}

void detached_told(struct detached *d)
{
	send(d->answer, "k", 1, MSG_NOSIGNAL);
	close(d->answer);
	d->answer = -1;
}

/* On 0, 1 or 2; FD is closed. */
static int put(int fd, int as, struct error *e)
{
	if (fd < 0 || dup2(fd, as) < 0)
		return err_sys(e, errno, "set the program's standard streams up");
	close(fd);
	return 0;
}

int detached_streams(struct detached *d, bool interactive, int slot, int *ret_output,
		     struct error *e)
{
	int in[2], out[2];

	if (close_inherited(e) < 0 || output_log_open(&d->log, slot, e) < 0)
		return -1;
	in[0] = in[1] = -1;
	if (interactive) {
		if (pipe2(in, O_CLOEXEC) < 0)
			return err_sys(e, errno, "make a pipe");
		d->stdin_end = in[1];
	} else {
		in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	if (put(in[0], STDIN_FILENO, e) < 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	*ret_output = out[0];
	if (dup2(out[1], STDERR_FILENO) < 0)
		return err_sys(e, errno, "set the program's standard streams up");
	return put(out[1], STDOUT_FILENO, e);
}

int detached_running(struct detached *d, struct error *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char told;
	ssize_t n;

	if (send(d->answer, "r", 1, MSG_NOSIGNAL) != 1)
		return err_msg(e, "the caller is gone");
	do
		n = recv(d->answer, &told, 1, 0);
	while (n < 0 && errno == EINTR);
	/* One that is stopped, or whose reader is slow, still knows of it. */
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return err_msg(e, "the caller is gone");
	fd_closep(&d->answer);
	fd_closep(&d->err);
	d->answer = d->err = -1;
	for (int fd = 0; fd <= 2; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return err_sys(e, errno, "open /dev/null");
	close(null);
	if (chdir("/") < 0)
		return err_sys(e, errno, "change to /");
	return 0;
}

void detached_failed(struct detached *d, const struct error *e)
{
	if (d->answer < 0)
		return;
	send(d->answer, e, sizeof(*e), MSG_NOSIGNAL);
	fd_closep(&d->answer);
	d->answer = -1;
}

void detached_warn(const struct detached *d, const char *text)
{
	if (d->err >= 0)
		dprintf(d->err, "mrun: %s\n", text);
}
