/*
 * The lifecycle of one container: what create, start, run, kill, delete and the image mode share.
 * There is one path from a struct oci_spec to execve; the image mode only fills in more of
 * struct container_options.
 */
#ifndef MRUN_RUNTIME_CONTAINER_CONTAINER_H
#define MRUN_RUNTIME_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/init/idmap.h"

/* A root that is put together from unpacked layers, inside the container's own mount namespace. */
struct overlay_root {
	int cache_fd; /* the directory that the names of the layers are relative to */
	char **lower; /* top first, NULL-terminated, short relative names */
	int slot_fd; /* a directory with "u" (upper) and "w" (work) in it, owned by the mapped root;
			-1: the upper lies on a tmpfs of the container's own */
	const char *slot_name; /* its name below cache_fd */
	bool fuse;	       /* by fuse-overlayfs instead of the kernel's overlay */
};

/* A small file that the container sees at PATH, whatever the image has there. */
struct container_file {
	const char *path; /* "/etc/hosts" */
	const char *data;
	size_t len;
	mode_t mode;
};

/* How mrun stays with a detached container of an image: like a foreground one, without a terminal.
 */
struct container_stay {
	int output; /* read end of the pipe that the program writes to; with a terminal unused */
	void (*write)(void *ctx, const char *data, size_t len); /* takes what it wrote */
	/* Called once, when the program runs and others may work on the container. A failure ends
	 * the container. */
	int (*running)(void *ctx, struct error *e);
	void *ctx;
	int exit_fd; /* out, -1 until then: see state_exit_make */
};

struct container_options {
	const char *id;
	const char *bundle; /* absolute path of the bundle; image mode: NULL */
	const char *pid_file, *console_socket, *pidfd_socket;
	bool detach, no_pivot, no_new_keyring, no_subreaper;
	int preserve_fds;	  /* from 3 on, LISTEN_FDS' among them */
	char *const *environment; /* for the first process alone, NULL-terminated; NULL: nothing */
	bool keep;		  /* the record stays when the container has ended */

	/* Image mode. */
	struct container_stay *stay;	    /* detached; NULL: in the foreground */
	const char *slot;		    /* detached or kept: path of the slot, for delete */
	const struct idmap *idmap;	    /* instead of spec->linux.uidMappings */
	const struct overlay_root *overlay; /* instead of spec->root.path; NULL: spec->root.path */
	int rootfs_fd;			    /* O_PATH of a directory to use as root; -1: none */
	const char *user;		    /* docker's USER string, resolved in the container's own
					       /etc/passwd; NULL: spec->process.user */
	char *const *group_add;		    /* names or numbers, NULL-terminated, may be NULL */
	bool default_seccomp; /* the filter is the default profile's, which exec makes anew */
	char *const *volumes; /* directories of the container's own, NULL-terminated; see
				 volumes.h */
	const struct container_file *files; /* bind-mounted over what the image has */
	size_t files_len;
	bool init;	  /* an init of ours as pid 1 (docker's --init) */
	bool interactive; /* stdin is passed on (docker's -i) */
	const char *stop_signal;
	bool hostname_optional; /* the host name is our own choice: go on without it */
	/* Called in the parent when the namespaces of process PID exist and before the command
	 * starts; NULL: nothing to do. A failure ends the container. */
	int (*setup_network)(void *ctx, pid_t pid, struct error *e);
	void *setup_network_ctx;
};

/* Creates the container, runs its process in the foreground (or leaves it, with detach) and
 * removes it again (unless keep or detach). Returns the exit code of the process (128+n when a
 * signal ended it), or -1 with E; e->exit_code is 125, 126 or 127 as docker's, with an OCI
 * command's own default left to main. */
int container_run(struct cmd_context *c, struct oci_spec *spec, struct container_options *o,
		  struct error *e);

#endif
