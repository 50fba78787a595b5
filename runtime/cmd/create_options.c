/* See create_options.h. */
#include "runtime/cmd/create_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/container/state.h"

#define PRESERVE_MAX 4096

/* LISTEN_FDS (sd_listen_fds(3)): the descriptors go in, and the variables with them. For whom
 * LISTEN_PID says: a service's child has the variables, too, and not the descriptors. */
static int pass_listen_fds(struct arena *a, struct container_options *o, struct error *e)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	struct strlist env = { 0 };
	uint64_t n, who;

	if (!fds || !*fds || !pid || !str_to_u64(pid, INT32_MAX, &who) || who != (uint64_t)getpid())
		return 0;
	if (!str_to_u64(fds, PRESERVE_MAX, &n))
		return err_msg(e, "LISTEN_FDS: '%s' is not a number of descriptors", fds);
	if (n == 0)
		return 0;
	strlist_add(a, &env, arena_printf(a, "LISTEN_FDS=%d", (int)n));
	strlist_add(a, &env, "LISTEN_PID=1");
	if (getenv("LISTEN_FDNAMES"))
		strlist_add(a, &env,
			    arena_printf(a, "LISTEN_FDNAMES=%s", getenv("LISTEN_FDNAMES")));
	o->environment = env.items;
	o->preserve_fds += (int)n;
	return 0;
}

/* Those of LISTEN_FDS come first, as with runc. */
static int check_preserved(int preserve, int all, struct error *e)
{
	for (int fd = 3; fd < 3 + all; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return err_msg(e, "%s: descriptor %d is not open",
				       fd < 3 + all - preserve ? "LISTEN_FDS" : "--preserve-fds",
				       fd);
	return 0;
}

struct oci_spec *create_options_load(struct cmd_context *c, const struct create_args *args,
				     const char *id, struct container_options *o, struct error *e)
{
	const char *bundle = args->bundle ? args->bundle : ".";
	_cleanup_fd_ int dir = -1;
	struct oci_spec *s;

	*o = (struct container_options){
		.id = id,
		.pid_file = args->pid_file,
		.console_socket = args->console_socket,
		.pidfd_socket = args->pidfd_socket,
		.detach = args->detach,
		.keep = args->keep,
		.no_pivot = args->no_pivot,
		.no_new_keyring = args->no_new_keyring,
		.no_subreaper = args->no_subreaper,
		.preserve_fds = args->preserve_fds,
		.rootfs_fd = -1,
	};
	if (o->preserve_fds < 0 || o->preserve_fds > PRESERVE_MAX) {
		err_msg(e, "--preserve-fds: %d is not a number of descriptors", o->preserve_fds);
		return NULL;
	}
	/* Before we open anything ourselves. */
	if (state_check_id(id, e) < 0 || pass_listen_fds(c->arena, o, e) < 0 ||
	    check_preserved(args->preserve_fds, o->preserve_fds, e) < 0)
		return NULL;
	fd_close_later();
	o->bundle = path_real_dir(c->arena, bundle, &dir, e);
	if (!o->bundle) {
		err_wrap(e, "--bundle");
		return NULL;
	}
	s = oci_spec_load(c->arena, args->config ? AT_FDCWD : dir,
			  args->config ? args->config : "config.json", e);
	if (!s)
		return NULL;
	if (!s->process) {
		err_msg(e, "process: required to create a container, and not there");
		return NULL;
	}
	/* Mounts may have sources that are relative to the bundle. */
	for (size_t i = 0; i < s->mounts_len; i++)
		if (s->mounts[i].source && s->mounts[i].source[0] != '/' &&
		    (str_list_has(s->mounts[i].options, "bind") ||
		     str_list_has(s->mounts[i].options, "rbind") ||
		     (s->mounts[i].type && str_eq(s->mounts[i].type, "bind"))))
			s->mounts[i].source = path_join(c->arena, o->bundle, s->mounts[i].source);
	return s;
}
