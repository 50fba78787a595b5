/* See terminal.h. */
#include "runtime/container/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "oci/base/file.h"

/* One terminal a program: what it was like, for the ways out that know nothing of the container. */
static struct termios saved, raw;
static int saved_fd = -1;

void terminal_restore(void)
{
	if (saved_fd >= 0)
		tcsetattr(saved_fd, TCSANOW, &saved);
	saved_fd = -1;
}

/* One of our own faults: as after any other way out, and then what the signal does anyway. */
static void restore_and_die(int sig)
{
	terminal_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

int terminal_raw(int fd, bool keep_output, struct error *e)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
	if (!isatty(fd))
		return 0;
	if (tcgetattr(fd, &saved) < 0)
		return err_sys(e, errno, "read the terminal's settings");
	raw = saved;
	cfmakeraw(&raw);
	if (keep_output)
		raw.c_oflag |= OPOST;
	if (saved_fd < 0) {
		atexit(terminal_restore);
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			signal(faults[i], restore_and_die);
	}
	saved_fd = fd;
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return err_sys(e, errno, "make the terminal raw");
	return 0;
}

void terminal_stop(void)
{
	sigset_t set;

	if (saved_fd >= 0)
		tcsetattr(saved_fd, TCSANOW, &saved);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	kill(getpid(), SIGTSTP); /* not raise(3), after which cppcheck takes us for ended */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void terminal_continue(int master)
{
	if (saved_fd >= 0)
		tcsetattr(saved_fd, TCSANOW, &raw);
	terminal_copy_size(master);
}

bool terminal_size(struct winsize *ret)
{
	for (int fd = 0; fd <= 2; fd++)
		if (ioctl(fd, TIOCGWINSZ, ret) == 0)
			return true;
	return false;
}

void terminal_copy_size(int master)
{
	struct winsize w;

	if (terminal_size(&w))
		ioctl(master, TIOCSWINSZ, &w);
}

/* Others have stdout open, too: what we set on it would hold for them. A terminal says that it can
 * be written to when it has room for a single character. */
static int open_stdout_anew(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		return -1;
	return open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void relay_init(struct relay *r, int master, bool use_stdin)
{
	r->master = master;
	r->out_fd = master < 0 ? -1 : open_stdout_anew();
	if (r->out_fd < 0)
		r->out_fd = STDOUT_FILENO;
	if (master >= 0)
		fcntl(master, F_SETFL, O_NONBLOCK);
	r->use_stdin = use_stdin;
	r->stdin_open = r->master_open = true;
	r->end_typed = false;
	r->sink = NULL;
	r->sink_ctx = NULL;
	r->lost = 0;
	r->in.start = r->in.len = r->out.start = r->out.len = 0;
}

int relay_poll(struct relay *r, struct pollfd *p)
{
	int n = 0;
	short master = 0;

	if (r->use_stdin && r->stdin_open && r->in.len == 0)
		p[n++] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	if (r->out.len)
		p[n++] = (struct pollfd){ r->out_fd, POLLOUT, 0 };
	else if (r->master_open)
		master |= POLLIN;
	if (r->in.len)
		master |= POLLOUT;
	if (r->master_open && master)
		p[n++] = (struct pollfd){ r->master, master, 0 };
	return n;
}

/* Output is lost for what errno says, unless that is GONE: the other side has left. */
static void note_lost(struct relay *r, int gone)
{
	if (!r->lost && errno != gone && errno != EAGAIN)
		r->lost = errno;
}

/* False at the end and on error (errno 0: the end). */
static bool fill(struct relay_buffer *b, int fd)
{
	ssize_t n = read(fd, b->data, sizeof(b->data));

	if (n == 0)
		errno = 0;
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

void relay_write(struct relay *r)
{
	if (!drain(&r->out, r->out_fd))
		note_lost(r, EPIPE);
}

static bool is_cooked(int master)
{
	struct termios t;

	return tcgetattr(master, &t) == 0 && (t.c_lflag & ICANON);
}

/* The end of a pipe is typed as the terminal's end-of-file key. */
static void type_end(struct relay *r)
{
	r->in.data[0] = 4;
	r->in.start = 0;
	r->in.len = 1;
	r->end_typed = true;
	r->end_cooked = is_cooked(r->master);
}

void relay_move(struct relay *r, const struct pollfd *p, int n)
{
	for (int i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (p[i].fd == STDIN_FILENO && p[i].events == POLLIN) {
			if (!fill(&r->in, STDIN_FILENO)) {
				r->stdin_open = false;
				if (!isatty(STDIN_FILENO))
					type_end(r);
			}
		} else if (p[i].fd == r->out_fd && p[i].events == POLLOUT) {
			relay_write(r);
		} else if (p[i].fd == r->master) {
			if (p[i].revents & POLLOUT)
				drain(&r->in, r->master);
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR) && r->out.len == 0 &&
			    !fill(&r->out, r->master)) {
				note_lost(r, EIO);
				r->master_open = false;
			}
			/* A shell that edits lines has changed the mode, and with that the kernel
			 * has made an ordinary character of what waited. */
			if (r->end_typed && r->in.len == 0 && r->master_open &&
			    is_cooked(r->master) != r->end_cooked)
				type_end(r);
			to_sink(r);
		}
	}
}

bool relay_rest(struct relay *r)
{
	while (!r->out.len && r->master_open) {
		ssize_t n = read(r->master, r->out.data, sizeof(r->out.data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			note_lost(r, EIO);
		/* Others may keep it open: what is not there now is not waited for. */
		r->master_open = n > 0;
		r->out.start = 0;
		r->out.len = n > 0 ? (unsigned)n : 0;
		to_sink(r);
	}
	return r->out.len > 0;
}

void relay_close(struct relay *r)
{
	if (r->out_fd != STDOUT_FILENO)
		fd_closep(&r->out_fd);
}
