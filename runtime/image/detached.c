/* See detached.h. */
#include "runtime/image/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "oci/base/file.h"

/* The caller's own descriptors: those that were open at our start. All of ours close on exec. */
static void close_inherited(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *de;

	while (d && (de = readdir(d))) {
		int fd = atoi(de->d_name), flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	if (d)
		closedir(d);
}

/* Until the answer or the other's end. */
static int wait_answer(int fd, pid_t pid, struct error *e)
{
	struct error answer;
	char *at = (char *)&answer;
	size_t got = 0;

	err_clear(&answer);
	while (got < sizeof(answer)) {
		ssize_t n = read(fd, at + got, sizeof(answer) - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got == 1)
		return 0;
	/* It has cleaned up by the time it ends. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (got < sizeof(answer))
		return err_msg(e, "the process that was to stay with the container ended");
	*e = answer;
	return -1;
}

int detached_fork(struct detached *d, struct error *e)
{
	int pair[2], r;
	pid_t pid;

	*d = (struct detached){ .answer = -1, .err = -1, .stdin_end = -1, .log = { .fd = -1 } };
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid > 0) {
		d->pid = pid;
		close(pair[1]);
		r = wait_answer(pair[0], pid, e);
		close(pair[0]);
		return r;
	}
	close(pair[0]);
	d->answer = pair[1];
	close_inherited();
	setsid();
	d->err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return 1;
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

	if (output_log_open(&d->log, slot, e) < 0)
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
	ssize_t n = write(d->answer, "r", 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (n != 1)
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
	struct error ignored;

	if (d->answer < 0)
		return;
	file_write_all(d->answer, e, sizeof(*e), "the caller's mrun", &ignored);
	fd_closep(&d->answer);
	d->answer = -1;
}

void detached_warn(const struct detached *d, const char *text)
{
	if (d->err >= 0)
		dprintf(d->err, "mrun: %s\n", text);
}
