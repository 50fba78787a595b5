/*
 * The network of an image's container: a namespace of its own with loopback only, the host's, or
 * one that pasta or slirp4netns connects without root. The helper is looked up in a fixed list of
 * directories. Between it and us stands a process that waits and ends it when we end, however that
 * happens: pasta of 2023 does not notice the end of a namespace that it was given through /proc.
 */
#ifndef MRUN_RUNTIME_IMAGE_NETWORK_H
#define MRUN_RUNTIME_IMAGE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

enum network_mode {
	NETWORK_PRIVATE, /* loopback only */
	NETWORK_HOST,
	NETWORK_PASTA,
	NETWORK_SLIRP,
};
/* COUNT ports from HOST on, each for the one of the container as far from CONTAINER. */
struct port_mapping {
	const char *ip; /* NULL: all addresses */
	uint16_t host, container;
	unsigned count;
	bool udp;
};
struct network {
	struct arena *arena;
	enum network_mode mode;
	struct port_mapping *ports;
	size_t ports_len;
	const char *program; /* the helper's path, after network_check() */
	const char *dir;     /* of network_make_dir() */
	pid_t watcher;	     /* ends the helper when exit_fd closes; 0: none */
	int watcher_fd;	     /* its pidfd, readable when watcher or helper ended */
	int exit_fd;
	int said_fd; /* what the helper said on stderr: a memory file */
};

/* NETWORK is --network's value (NULL: private, or pasta when a port is published). */
int network_parse(struct arena *a, const char *network, const struct strlist *publish,
		  struct network *ret, struct error *e);
/* [IP:]HOST[-HOST]:PORT[-PORT][/tcp|/udp]. */
int network_parse_port(struct arena *a, const char *s, struct port_mapping *ret, struct error *e);

/* Before anything is started: finds the helper and tries to bind every port, so that a busy one is
 * named. Falls back to slirp4netns where pasta is missing. */
int network_check(struct network *n, struct error *e);
/* container_options.setup_network; CTX is the struct network. The ports are bound when it returns.
 */
int network_setup(void *ctx, pid_t pid, struct error *e);
/* Ends the helper. For all modes, after all outcomes. */
void network_end(struct network *n);
/* Removes what runs that were killed left in /tmp. */
int network_prune(struct arena *a, struct error *e);

/* The two helpers (network_pasta.c, network_slirp.c). */
int network_pasta_start(struct network *n, pid_t pid, struct error *e);
int network_slirp_start(struct network *n, pid_t pid, struct error *e);
/* Makes n->dir, to be removed again once the helper is ready; the path of FILE in it. */
const char *network_make_dir(struct network *n, const char *file, struct error *e);
void network_remove_dir(const struct network *n);
/* Starts ARGV with the descriptors KEEP (ended by -1) and no others, without an environment. */
int network_spawn(struct network *n, char *const *argv, const int *keep, struct error *e);
/* Waits until READY_FD has something to read or the helper gives up; what it said becomes E. */
int network_wait_ready(struct network *n, int ready_fd, struct error *e);

#endif
