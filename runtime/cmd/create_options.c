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

/* LISTEN_FDS (sd_listen_fds(3)): the descriptors go in, and the variables with them. */
static int pass_listen_fds(struct arena *a, struct oci_spec *s, struct container_options *o,
			   struct error *e)
{
	const char *fds = getenv("LISTEN_FDS");
	struct strlist env = { 0 };
	uint64_t n;

	if (!fds || !*fds)
		return 0;
	if (!str_to_u64(fds, 1024, &n))
		return err_msg(e, "LISTEN_FDS: '%s' is not a number of descriptors", fds);
	for (char **v = s->process->env; v && *v; v++)
		strlist_add(a, &env, *v);
	strlist_add(a, &env, arena_printf(a, "LISTEN_FDS=%s", fds));
	strlist_add(a, &env, "LISTEN_PID=1");
	if (getenv("LISTEN_FDNAMES"))
		strlist_add(a, &env,
			    arena_printf(a, "LISTEN_FDNAMES=%s", getenv("LISTEN_FDNAMES")));
	s->process->env = env.items;
	o->preserve_fds += (int)n;
	return 0;
}

static int check_preserved(int n, struct error *e)
{
	if (n < 0 || n > 4096)
		return err_msg(e, "--preserve-fds: %d is not a number of descriptors", n);
	for (int fd = 3; fd < 3 + n; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return err_msg(e, "--preserve-fds: descriptor %d is not open", fd);
	return 0;
}

struct oci_spec *create_options_load(struct cmd_context *c, const struct create_args *args,
				     const char *id, struct container_options *o, struct error *e)
{
	const char *bundle = args->bundle ? args->bundle : ".";
	_cleanup_fd_ int dir = -1;
	struct oci_spec *s;

	/* Before we open anything ourselves. */
	if (state_check_id(id, e) < 0 || check_preserved(args->preserve_fds, e) < 0)
		return NULL;
	*o = (struct container_options){
		.id = id,
		.bundle = path_real(c->arena, bundle, e),
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
	if (!o->bundle) {
		err_wrap(e, "--bundle");
		return NULL;
	}
	dir = open(o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		err_sys(e, errno, "open the bundle %s", o->bundle);
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
	if (pass_listen_fds(c->arena, s, o, e) < 0)
		return NULL;
	/* Mounts may have sources that are relative to the bundle. */
	for (size_t i = 0; i < s->mounts_len; i++)
		if (s->mounts[i].source && s->mounts[i].source[0] != '/' &&
		    (str_list_has(s->mounts[i].options, "bind") ||
		     str_list_has(s->mounts[i].options, "rbind") ||
		     (s->mounts[i].type && str_eq(s->mounts[i].type, "bind"))))
			s->mounts[i].source = path_join(c->arena, o->bundle, s->mounts[i].source);
	return s;
}
