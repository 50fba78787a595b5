/*
 * slirp4netns(1), where pasta is missing: a network of its own (10.0.2.0/24) behind the caller's
 * sockets. It says on a descriptor when it is ready, and takes published ports, one by one, through
 * a socket that is removed again at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "runtime/image/network.h"

#define GUEST "10.0.2.100"
#define REPLY_MS 5000

static char *request(struct arena *a, const struct port_mapping *p, unsigned i)
{
	struct json_out *o = json_out_new(a, false);

	json_out_object(o);
	json_out_kstr(o, "execute", "add_hostfwd");
	json_out_str(o, "arguments");
	json_out_object(o);
	json_out_kstr(o, "proto", p->udp ? "udp" : "tcp");
	json_out_kstr(o, "host_addr", p->ip ? p->ip : "0.0.0.0");
	json_out_ki64(o, "host_port", p->host + (int64_t)i);
	json_out_kstr(o, "guest_addr", GUEST);
	json_out_ki64(o, "guest_port", p->container + (int64_t)i);
	json_out_object_end(o);
	json_out_object_end(o);
	return json_out_finish(o, NULL);
}

/* One request a connection. */
static int forward(struct arena *a, const char *path, const struct port_mapping *p, unsigned i,
		   struct error *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	const struct json_value *v;
	char *text = request(a, p, i), reply[1024];
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(e, errno, "connect to %s", path);
	if (file_write_all(fd, text, strlen(text), path, e) < 0)
		return -1;
	shutdown(fd, SHUT_WR);
	while (len < sizeof(reply) && poll(&pfd, 1, REPLY_MS) > 0 &&
	       (got = read(fd, reply + len, sizeof(reply) - len)) > 0)
		len += (size_t)got;
	v = json_parse(a, reply, len, "slirp4netns's reply", e);
	if (!v)
		return -1;
	if (json_get(v, "error"))
		return err_msg(e, "publish port %u: slirp4netns says: %.*s", p->host + i, (int)len,
			       reply);
	return 0;
}

static int start(struct network *n, pid_t pid, const char *api, struct error *e)
{
	struct arena *a = n->arena;
	_cleanup_fd_ int ready_in = -1, ready_out = -1;
	struct strlist l = { 0 };
	int ready[2], keep[2];

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	ready_in = ready[0];
	ready_out = ready[1];
	strlist_add(a, &l, n->program);
	strlist_add(a, &l, "--configure");
	strlist_add(a, &l, "--mtu=65520");
	strlist_add(a, &l, "--disable-host-loopback");
	strlist_add(a, &l, arena_printf(a, "--ready-fd=%d", ready_out));
	strlist_add(a, &l, arena_printf(a, "--userns-path=/proc/%d/ns/user", pid));
	if (n->ports_len)
		strlist_add(a, &l, arena_printf(a, "--api-socket=%s", api));
	strlist_add(a, &l, arena_printf(a, "%d", pid));
	strlist_add(a, &l, "tap0");
	keep[0] = ready_out;
	keep[1] = -1;
	if (network_spawn(n, l.items, keep, e) < 0)
		return -1;
	return network_wait_ready(n, ready_in, e);
}

int network_slirp_start(struct network *n, pid_t pid, struct error *e)
{
	const char *api = network_make_dir(n, "api", e);
	int r;

	if (!api)
		return -1;
	r = start(n, pid, api, e);
	for (size_t i = 0; r == 0 && i < n->ports_len; i++)
		for (unsigned j = 0; r == 0 && j < n->ports[i].count; j++)
			r = forward(n->arena, api, &n->ports[i], j, e);
	if (r < 0)
		network_end(n);
	network_remove_dir(n);
	return r;
}
