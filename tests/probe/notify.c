/*
 * A service in a container, as sd_notify(3) would have it: each argument is a message to
 * NOTIFY_SOCKET,
 * "\n" in it a line feed. "barrier" sends BARRIER=1 with a pipe and waits until that is closed;
 * "sleep" stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int send_message(int s, const struct sockaddr_un *a, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(size_t)text, len };
	struct msghdr m = { .msg_name = (void *)(size_t)a,
			    .msg_namelen = sizeof(*a),
			    .msg_iov = &iov,
			    .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(s, &m, 0) < 0 ? -1 : 0;
}

static size_t unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] == 'n') {
			*to++ = '\n';
			from++;
		} else {
			*to++ = *from;
		}
	}
	return (size_t)(to - text);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!name || s < 0) {
		puts("no NOTIFY_SOCKET");
		return 3;
	}
	strncpy(a.sun_path, name, sizeof(a.sun_path) - 1);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "sleep") == 0) {
			sleep(1000);
		} else if (strcmp(argv[i], "barrier") == 0) {
			int ends[2];
			char c;

			if (pipe(ends) < 0 || send_message(s, &a, "BARRIER=1", 9, ends[1]) < 0)
				perror("barrier");
			close(ends[1]);
			if (read(ends[0], &c, 1) == 0)
				puts("released");
		} else if (send_message(s, &a, argv[i], unescape(argv[i]), -1) < 0) {
			perror("send");
			return 4;
		}
		fflush(stdout);
	}
	return 0;
}
