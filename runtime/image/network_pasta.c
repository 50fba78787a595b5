/*
 * pasta(1): the host's own addresses and routes in the container, connections made by ordinary
 * sockets of the caller's. The container reaches no port of the host's loopback (--no-map-gw, and
 * no forwarding out of it: -T and -U none). As root it stays root (--runas): "nobody" may not enter
 * the namespaces, and it drops its capabilities by itself.
 *
 * Ready is when it writes its pid: into a FIFO, since newer versions close inherited descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "runtime/image/network.h"

/* "-t 127.0.0.1/8080-8081:80-81" */
static void add_port(struct arena *a, struct strlist *argv, const struct port_mapping *p)
{
	char *host = p->count > 1 ? arena_printf(a, "%u-%u", p->host, p->host + p->count - 1)
				  : arena_printf(a, "%u", p->host);
	char *container =
		p->count > 1 ? arena_printf(a, "%u-%u", p->container, p->container + p->count - 1)
			     : arena_printf(a, "%u", p->container);

	strlist_add(a, argv, p->udp ? "-u" : "-t");
	strlist_add(a, argv,
		    arena_printf(a, "%s%s%s:%s", p->ip ? p->ip : "", p->ip ? "/" : "", host,
				 container));
}

static char **arguments(struct network *n, pid_t pid, const char *fifo)
{
	static const char *const fixed[] = { "--foreground", "--quiet", "--config-net",
					     "--no-map-gw",  "-T",	"none",
					     "-U",	     "none" };
	struct strlist l = { 0 };
	struct arena *a = n->arena;
	bool tcp = false, udp = false;

	strlist_add(a, &l, n->program);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		strlist_add(a, &l, fixed[i]);
	for (size_t i = 0; i < n->ports_len; i++) {
		add_port(a, &l, &n->ports[i]);
		tcp |= !n->ports[i].udp;
		udp |= n->ports[i].udp;
	}
	if (!tcp) {
		strlist_add(a, &l, "-t");
		strlist_add(a, &l, "none");
	}
	if (!udp) {
		strlist_add(a, &l, "-u");
		strlist_add(a, &l, "none");
	}
	if (geteuid() == 0) {
		strlist_add(a, &l, "--runas");
		strlist_add(a, &l, "0:0");
	}
	strlist_add(a, &l, "--pid");
	strlist_add(a, &l, fifo);
	strlist_add(a, &l, arena_printf(a, "%d", pid));
	return l.items;
}

static int start(struct network *n, pid_t pid, const char *fifo, struct error *e)
{
	static const int no_fds[] = { -1 };
	_cleanup_fd_ int ready = -1;

	if (mkfifo(fifo, 0600) < 0)
		return err_sys(e, errno, "make %s", fifo);
	/* Both ends: opening blocks neither of us, and there is no end of file. */
	ready = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (ready < 0)
		return err_sys(e, errno, "open %s", fifo);
	if (network_spawn(n, arguments(n, pid, fifo), no_fds, e) < 0)
		return -1;
	return network_wait_ready(n, ready, e);
}

int network_pasta_start(struct network *n, pid_t pid, struct error *e)
{
	const char *fifo = network_make_dir(n, "ready", e);
	int r = fifo ? start(n, pid, fifo, e) : -1;

	if (fifo)
		network_remove_dir(n);
	return r;
}
