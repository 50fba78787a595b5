/* See terminal.h. */
#include "runtime/container/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* One terminal a program: what it was like, for the ways out that know nothing of the container. */
static struct termios saved;
static int saved_fd = -1;

void terminal_restore(void)
{
	if (saved_fd >= 0)
		tcsetattr(saved_fd, TCSANOW, &saved);
	saved_fd = -1;
}

int terminal_raw(int fd, bool keep_output, struct error *e)
{
	struct termios t;

	if (!isatty(fd))
		return 0;
	if (tcgetattr(fd, &saved) < 0)
		return err_sys(e, errno, "read the terminal's settings");
	t = saved;
	cfmakeraw(&t);
	if (keep_output)
		t.c_oflag |= OPOST;
	if (saved_fd < 0)
		atexit(terminal_restore);
	saved_fd = fd;
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		return err_sys(e, errno, "make the terminal raw");
	return 0;
}

void terminal_copy_size(int fd, int master)
{
	struct winsize w;

	if (ioctl(fd, TIOCGWINSZ, &w) == 0)
		ioctl(master, TIOCSWINSZ, &w);
}

void relay_init(struct relay *r, int master, bool use_stdin)
{
	r->master = master;
	r->use_stdin = use_stdin;
	r->stdin_open = r->master_open = true;
	r->sink = NULL;
	r->sink_ctx = NULL;
	r->in.start = r->in.len = r->out.start = r->out.len = 0;
}

int relay_poll(struct relay *r, struct pollfd *p)
{
	int n = 0;
	short master = 0;

	if (r->use_stdin && r->stdin_open && r->in.len == 0)
		p[n++] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	if (r->out.len)
		p[n++] = (struct pollfd){ STDOUT_FILENO, POLLOUT, 0 };
	else if (r->master_open)
		master |= POLLIN;
	if (r->in.len)
		master |= POLLOUT;
	if (r->master_open && master)
		p[n++] = (struct pollfd){ r->master, master, 0 };
	return n;
}

static bool fill(struct relay_buffer *b, int fd)
{
	ssize_t n = read(fd, b->data, sizeof(b->data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	b->start = 0;
	b->len = n > 0 ? (unsigned)n : 0;
	return n > 0;
}

/* Small pieces: a pipe or terminal that polls as writable takes these without blocking. */
static bool drain(struct relay_buffer *b, int fd)
{
	ssize_t n = write(fd, b->data + b->start, b->len < 4096 ? b->len : 4096);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n < 0) {
		b->len = 0;
		return false;
	}
	b->start += (unsigned)n;
	b->len -= (unsigned)n;
	return true;
}

static void to_sink(struct relay *r)
{
	if (!r->sink)
		return;
	r->sink(r->sink_ctx, r->out.data, r->out.len);
	r->out.len = 0;
}

void relay_move(struct relay *r, const struct pollfd *p, int n)
{
	for (int i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (p[i].fd == STDIN_FILENO && p[i].events == POLLIN) {
			if (!fill(&r->in, STDIN_FILENO)) {
				/* The end of a pipe is typed as the terminal's end-of-file key. */
				r->stdin_open = false;
				if (!isatty(STDIN_FILENO)) {
					r->in.data[0] = 4;
					r->in.start = 0;
					r->in.len = 1;
				}
			}
		} else if (p[i].fd == STDOUT_FILENO && p[i].events == POLLOUT) {
			drain(&r->out, STDOUT_FILENO);
		} else if (p[i].fd == r->master) {
			if (p[i].revents & POLLOUT)
				drain(&r->in, r->master);
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR) && r->out.len == 0 &&
			    !fill(&r->out, r->master))
				r->master_open = false;
			to_sink(r);
		}
	}
}

void relay_drain(struct relay *r)
{
	r->use_stdin = false;
	r->in.len = 0;
	fcntl(r->master, F_SETFL, O_NONBLOCK);
	while (r->out.len || r->master_open) {
		struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

		if (!r->out.len) {
			ssize_t n = read(r->master, r->out.data, sizeof(r->out.data));

			if (n <= 0)
				return;
			r->out.start = 0;
			r->out.len = (unsigned)n;
			to_sink(r);
			continue;
		}
		if (poll(&p, 1, 10000) <= 0 || !drain(&r->out, STDOUT_FILENO))
			return;
	}
}
