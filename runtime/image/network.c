/*
 * See network.h. The order: parse --network and -p; network_check() finds the helper and tries the
 * ports; container_run() calls network_setup() between clone and execve; network_end() ends the
 * helper. What it stops: a helper put into PATH, LD_PRELOAD or the image (CVE-2019-14271): fixed
 * directories, no environment, no descriptor but its own.
 */
#include "runtime/init/host_program.h"
#include "runtime/image/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/quiet.h"
#include "oci/base/str.h"

#define READY_MS 10000
#define NO_NET_HINT "there are --network private (or none), host, pasta and slirp4netns"

static int parse_range(const char *s, uint16_t *first, unsigned *count)
{
	char text[16];
	char *dash;
	uint64_t a, b;

	if (snprintf(text, sizeof(text), "%s", s) >= (int)sizeof(text))
		return -1;
	dash = strchr(text, '-');
	if (dash)
		*dash++ = 0;
	if (!str_to_u64(text, 65535, &a) || a == 0)
		return -1;
	b = a;
	if (dash && (!str_to_u64(dash, 65535, &b) || b < a))
		return -1;
	*first = (uint16_t)a;
	*count = (unsigned)(b - a + 1);
	return 0;
}

static bool is_address(const char *s)
{
	unsigned char buf[16];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

/* Takes "IP:" off the front of *S. */
static int take_address(struct arena *a, char **s, const char **ip, struct error *e)
{
	char *end, *colon;

	if (**s == '[') {
		end = strstr(*s, "]:");
		if (!end)
			return err_msg(e, "the bracket is not closed");
		*end = 0;
		*ip = arena_strdup(a, *s + 1);
		*s = end + 2;
	} else {
		colon = strchr(*s, ':');
		if (!colon || !strchr(colon + 1, ':'))
			return 0;
		*colon = 0;
		*ip = arena_strdup(a, *s);
		*s = colon + 1;
	}
	if (!**ip) {
		*ip = NULL;
		return 0;
	}
	return is_address(*ip) ? 0 : err_msg(e, "'%s' is not an address", *ip);
}

static int parse_port(struct arena *a, const char *text, struct port_mapping *ret, struct error *e)
{
	char *s = arena_strdup(a, text), *slash = strrchr(s, '/'), *colon;
	struct port_mapping p = { 0 };
	unsigned n;

	if (slash) {
		*slash++ = 0;
		p.udp = str_eq(slash, "udp");
		if (!p.udp && !str_eq(slash, "tcp"))
			return err_msg(e, "protocol '%s' is not supported (tcp and udp are)",
				       slash);
	}
	if (take_address(a, &s, &p.ip, e) < 0)
		return -1;
	colon = strchr(s, ':');
	if (!colon || colon == s) {
		err_msg(e, "the host's port is missing");
		return err_hint(e, "as in -p 8080:%s", colon ? colon + 1 : s);
	}
	*colon++ = 0;
	if (parse_range(s, &p.host, &p.count) < 0 || parse_range(colon, &p.container, &n) < 0)
		return err_msg(e, "a port is a number from 1 to 65535, or a range of them");
	if (n != p.count)
		return err_msg(e, "the two ranges are of different length");
	*ret = p;
	return 0;
}

int network_parse_port(struct arena *a, const char *s, struct port_mapping *ret, struct error *e)
{
	if (parse_port(a, s, ret, e) == 0)
		return 0;
	err_wrap(e, "--publish '%s'", s);
	return err_hint(e, "[IP:]HOST:CONTAINER[/udp], as in -p 127.0.0.1:8080:80");
}

int network_parse(struct arena *a, const char *network, const struct strlist *publish,
		  struct network *ret, struct error *e)
{
	static const struct {
		const char *name;
		enum network_mode mode;
	} modes[] = {
		{ "private", NETWORK_PRIVATE },	  { "none", NETWORK_PRIVATE },
		{ "host", NETWORK_HOST },	  { "pasta", NETWORK_PASTA },
		{ "slirp4netns", NETWORK_SLIRP },
	};
	struct network n = { .arena = a, .watcher_fd = -1, .exit_fd = -1, .said_fd = -1 };
	size_t i;

	if (network) {
		for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (str_eq(network, modes[i].name))
				break;
		if (i == sizeof(modes) / sizeof(modes[0])) {
			bool bridge = str_eq(network, "bridge") || str_eq(network, "default");

			err_msg(e, "--network %s is not supported", network);
			return err_hint(e, bridge ? "without a daemon there is no bridge; "
						    "--network pasta connects the container"
						  : NO_NET_HINT);
		}
		n.mode = modes[i].mode;
	} else {
		n.mode = publish->n ? NETWORK_PASTA : NETWORK_PRIVATE;
	}
	if (publish->n && (n.mode == NETWORK_PRIVATE || n.mode == NETWORK_HOST)) {
		err_msg(e, "--publish does not go with --network %s", network);
		return err_hint(e, n.mode == NETWORK_HOST
					   ? "the container's ports are the host's already"
					   : "leave --network out: -p starts pasta");
	}
	n.ports = ARENA_ARRAY(a, publish->n + 1, struct port_mapping);
	for (i = 0; i < publish->n; i++)
		if (network_parse_port(a, publish->items[i], &n.ports[n.ports_len++], e) < 0)
			return -1;
	*ret = n;
	return 0;
}

/* Binds and lets go at once. TCP with SO_REUSEADDR: a connection that is closing is no obstacle, a
 * listener is. */
static int try_bind(const struct port_mapping *p, unsigned port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool six = p->ip && strchr(p->ip, ':');
	_cleanup_fd_ int fd = socket(six ? AF_INET6 : AF_INET,
				     (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return errno;
	if (!p->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (p->ip && inet_pton(six ? AF_INET6 : AF_INET, p->ip,
			       six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		return EINVAL;
	if (bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
		 six ? sizeof(v6) : sizeof(v4)) < 0)
		return errno;
	return 0;
}

static int check_port(const struct port_mapping *p, struct error *e)
{
	for (unsigned i = 0; i < p->count; i++) {
		unsigned port = p->host + i;
		int err = try_bind(p, port);

		if (!err)
			continue;
		err_sys(e, err, "publish port %s%s%u/%s", p->ip ? p->ip : "", p->ip ? ":" : "",
			port, p->udp ? "udp" : "tcp");
		if (err == EADDRINUSE)
			return err_hint(e, "another program has it; ss -lntup shows which");
		if (err == EACCES)
			return err_hint(e,
					"ports below 1024 are root's: take a higher one, or "
					"sysctl -w net.ipv4.ip_unprivileged_port_start=%u",
					port);
		return -1;
	}
	return 0;
}

static int __attribute__((noinline))
find_program(struct network *n, const char *name, struct error *e)
{
	n->program = host_program(n->arena, name);
	return n->program || errno == ENOENT ? 0 : err_sys(e, errno, "look for %s", name);
}

int network_check(struct network *n, struct error *e)
{
	if (n->mode != NETWORK_PASTA && n->mode != NETWORK_SLIRP)
		return 0;
	for (size_t i = 0; i < n->ports_len; i++)
		if (check_port(&n->ports[i], e) < 0)
			return -1;
	if (n->mode == NETWORK_PASTA) {
		if (find_program(n, "pasta", e) < 0)
			return -1;
		if (!n->program)
			n->mode = NETWORK_SLIRP;
	}
	if (n->mode == NETWORK_SLIRP) {
		if (find_program(n, "slirp4netns", e) < 0)
			return -1;
		if (!n->program) {
			err_msg(e, "no network: neither pasta nor slirp4netns is installed");
			return err_hint(e, "install the package passt");
		}
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		err_sys(e, errno, "no network: open /dev/net/tun");
		return err_hint(e, e->code == ENOENT ? "modprobe tun, as root"
						     : "chmod 666 /dev/net/tun, as root (every "
						       "distribution has it so)");
	}
	return 0;
}

int network_setup(void *ctx, pid_t pid, struct error *e)
{
	struct network *n = ctx;

	switch (n->mode) {
	case NETWORK_PASTA:
		return network_pasta_start(n, pid, e);
	case NETWORK_SLIRP:
		return network_slirp_start(n, pid, e);
	case NETWORK_PRIVATE:
	case NETWORK_HOST:
		break;
	}
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void network_end(struct network *n)
{
	close_one(&n->exit_fd);
	/* By descriptor: whoever reaps all children may have reaped this one as well. */
	while (n->watcher > 0 && waitid(P_PIDFD, (id_t)n->watcher_fd, NULL, WEXITED) < 0 &&
	       errno == EINTR)
		;
	n->watcher = 0;
	close_one(&n->watcher_fd);
	close_one(&n->said_fd);
}

/* Only system calls from here to execve. */
static void __attribute__((noreturn)) helper_run(char *const *argv, const int *keep, int said_fd)
{
	char *env[] = { NULL };
	int null = open("/dev/null", O_RDWR);

	/* Should somebody kill the watcher. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 0);
	dup2(null, 1);
	dup2(said_fd, 2);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (; *keep >= 0; keep++)
		fcntl(*keep, F_SETFD, 0);
	execve(argv[0], argv, env);
	dprintf(2, "execve: %s\n", err_text(errno));
	_exit(127);
}

static void __attribute__((noreturn))
watcher_run(char *const *argv, const int *keep, int said_fd, int exit_fd)
{
	struct pollfd p[2] = { { .fd = exit_fd }, { .events = POLLIN } };
	sigset_t none;
	pid_t helper;

	/* A terminal's interrupt is the container's to see. */
	setsid();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	helper = fork();
	if (helper == 0)
		helper_run(argv, keep, said_fd);
	p[1].fd = helper < 0 ? -1 : (int)syscall(SYS_pidfd_open, helper, 0);
	if (p[1].fd < 0)
		_exit(127);
	/* Nothing of the caller's is held: pipes and terminals are to see it end. */
	if (dup2(p[0].fd, 0) < 0 || dup2(p[1].fd, 1) < 0 || close_range(2, ~0U, 0) < 0)
		_exit(127);
	p[0].fd = 0;
	p[1].fd = 1;
	while (quiet_poll(p, 2) < 0 && errno == EINTR)
		;
	/* Where that is refused (a filter), it is not waited for for ever. */
	if (kill(helper, SIGKILL) == 0 ||
	    syscall(SYS_pidfd_send_signal, p[1].fd, SIGKILL, NULL, 0) == 0)
		waitpid(helper, NULL, 0);
	_exit(0);
}

int network_spawn(struct network *n, char *const *argv, const int *keep, struct error *e)
{
	_cleanup_fd_ int exit_in = -1;
	int leave[2];

	n->said_fd = memfd_create("mrun-network", MFD_CLOEXEC);
	if (n->said_fd < 0 || pipe2(leave, O_CLOEXEC) < 0)
		return err_sys(e, errno, "start %s", argv[0]);
	exit_in = leave[0];
	n->exit_fd = leave[1];
	n->watcher = fork();
	if (n->watcher == 0) {
		close(leave[1]);
		watcher_run(argv, keep, n->said_fd, exit_in);
	}
	if (n->watcher < 0) {
		n->watcher = 0;
		return err_sys(e, errno, "start %s", argv[0]);
	}
	n->watcher_fd = (int)syscall(SYS_pidfd_open, n->watcher, 0);
	if (n->watcher_fd < 0)
		return err_sys(e, errno, "watch %s", argv[0]);
	return 0;
}

/* The last line that the helper said, without chatter. */
static const char *last_words(char *text)
{
	char *line, *found = NULL;

	while ((line = strsep(&text, "\n")))
		if (*line && !strstr(line, "syslog") && !strstr(line, "Changing to nobody"))
			found = line;
	return found ? found : "it ended and said nothing";
}

int network_wait_ready(struct network *n, int ready_fd, struct error *e)
{
	struct pollfd p[2] = { { .fd = ready_fd, .events = POLLIN },
			       { .fd = n->watcher_fd, .events = POLLIN } };
	char text[2048];
	ssize_t len;
	int r;

	do
		r = poll(p, 2, READY_MS);
	while (r < 0 && errno == EINTR);
	if (r > 0 && p[0].revents & POLLIN)
		return 0;
	if (r <= 0) {
		err_msg(e, "%s: not ready after %d seconds", n->program, READY_MS / 1000);
	} else {
		len = pread(n->said_fd, text, sizeof(text) - 1, 0);
		text[len > 0 ? len : 0] = 0;
		err_msg(e, "%s: %s", n->program, last_words(text));
	}
	network_end(n);
	return -1;
}
