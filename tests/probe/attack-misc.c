/*
 * Small attacks, each a program that runs inside a container (or beside it, for the controls).
 *
 *   attack-misc open FILE          opens FILE for reading; prints the ids it runs with
 *   attack-misc connect NAME       connects to the abstract socket NAME (unix(7))
 *   attack-misc listen NAME        a service on it, which prints what it is told
 *   attack-misc type               types into every terminal it can reach, by TIOCSTI and
 * TIOCLINUX, also with upper bits set in the request, and after stealing it attack-misc terminal
 * CMD…      runs CMD on a terminal of its own; prints what was typed into it attack-misc suid
 * prints the effective user id
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#define HIGH (1UL << 32)

static int open_file(const char *path)
{
	gid_t groups[64];
	int fd, n = getgroups(64, groups);

	printf("uid %d gid %d groups", (int)geteuid(), (int)getegid());
	for (int i = 0; i < n; i++)
		printf(" %d", (int)groups[i]);
	fd = open(path, O_RDONLY);
	printf("\n%s\n", fd < 0 ? strerror(errno) : "opened");
	return fd < 0;
}

static int abstract(const char *name, struct sockaddr_un *a, socklen_t *len)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strncpy(a->sun_path + 1, name, sizeof(a->sun_path) - 2);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int connect_to(const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int s = abstract(name, &a, &len);

	if (connect(s, (struct sockaddr *)&a, len) < 0) {
		printf("connect: %s\n", strerror(errno));
		return 1;
	}
	return write(s, "hello\n", 6) != 6;
}

static int listen_on(const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int s = abstract(name, &a, &len), c;
	char text[64];
	ssize_t n;

	if (bind(s, (struct sockaddr *)&a, len) < 0 || listen(s, 5) < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	while ((c = accept(s, NULL, NULL)) >= 0) {
		n = read(c, text, sizeof(text));
		if (n > 0 && write(1, text, (size_t)n) != n)
			return 1;
		close(c);
	}
	return 0;
}

static void type_into(int fd, const char *what)
{
	static const struct {
		unsigned long request;
		const char *name;
	} ways[] = { { TIOCSTI, "TIOCSTI" },
		     { TIOCSTI | HIGH, "TIOCSTI with upper bits" },
		     { TIOCSTI | HIGH << 31, "TIOCSTI with the highest bit" } };
	static const char line[] = "typed\n";
	/* Paste the selection (ioctl_console(2)). */
	static const char paste[] = { 3 };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (const char *p = line; *p; p++)
			if (syscall(SYS_ioctl, fd, ways[i].request, p) < 0) {
				printf("%s %s: %s\n", what, ways[i].name, strerror(errno));
				break;
			}
	if (syscall(SYS_ioctl, fd, TIOCLINUX, paste) < 0)
		printf("%s TIOCLINUX: %s\n", what, strerror(errno));
	if (syscall(SYS_ioctl, fd, TIOCLINUX | HIGH, paste) < 0)
		printf("%s TIOCLINUX with upper bits: %s\n", what, strerror(errno));
}

static int type(void)
{
	static const char *const names[] = { "0", "1", "2" };
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY);

	for (int fd = 0; fd <= 2; fd++) {
		type_into(fd, names[fd]);
		setsid();
		ioctl(fd, TIOCSCTTY, 1);
		type_into(fd, names[fd]);
	}
	if (tty >= 0)
		type_into(tty, "/dev/tty");
	return 0;
}

/* The input stays in the terminal's queue, unread: the command closes nothing and reads nothing. */
static int terminal(char **command)
{
	struct termios raw;
	int master, slave, status, n = 0;
	pid_t pid;

	if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
		return 2;
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	pid = fork();
	if (pid == 0) {
		close(master);
		login_tty(slave);
		execvp(command[0], command);
		_exit(127);
	}
	fcntl(master, F_SETFL, O_NONBLOCK);
	for (int ended = 0; ended < 2;) {
		struct pollfd p = { master, POLLIN, 0 };
		char text[4096];
		ssize_t got;

		/* What it printed is passed on, also the rest after its end. */
		ended += ended || waitpid(pid, &status, WNOHANG) == pid;
		poll(&p, 1, 10);
		while ((got = read(master, text, sizeof(text))) > 0)
			if (write(1, text, (size_t)got) != got)
				return 2;
	}
	ioctl(slave, FIONREAD, &n);
	printf("\n%d characters were typed\n", n);
	return n != 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(what, "open") == 0)
		return open_file(argv[2]);
	if (argc == 3 && strcmp(what, "connect") == 0)
		return connect_to(argv[2]);
	if (argc == 3 && strcmp(what, "listen") == 0)
		return listen_on(argv[2]);
	if (argc == 2 && strcmp(what, "type") == 0)
		return type();
	if (argc > 2 && strcmp(what, "terminal") == 0)
		return terminal(argv + 2);
	if (argc == 2 && strcmp(what, "suid") == 0)
		return printf("uid %d euid %d\n", (int)getuid(), (int)geteuid()) < 0;
	return 2;
}
