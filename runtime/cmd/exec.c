/* mrun exec: a further process in a container. The process is config.json's with what the options
 * change, or a file's; what that file leaves open comes from config.json. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cmd/options.h"
#include "runtime/container/exec.h"
#include "runtime/container/record.h"
#include "runtime/image/default_seccomp.h"

#define EXIT_EXEC 255 /* runc's, of exec itself */
#define PRESERVE_MAX 4096

struct exec_args {
	const char *console_socket, *pidfd_socket, *cwd, *user, *process, *pid_file, *label,
		*apparmor;
	struct strlist env, gids, caps, cgroups;
	uint32_t *gid_numbers; /* of gids */
	size_t gid_numbers_len;
	bool tty, interactive, detach, no_new_privs, ignore_paused, no_subreaper;
	int preserve_fds;
};
#define O(field) offsetof(struct exec_args, field)
static const struct opt exec_opts[] = {
	{ "process", 'p', OPT_STR, O(process), "FILE",
	  "the process as JSON (process of config.json)" },
	{ "tty", 't', OPT_BOOL, O(tty), NULL, "give it a terminal" },
	{ "interactive", 'i', OPT_BOOL, O(interactive), NULL,
	  "pass standard input on (as is always done)" },
	{ "detach", 'd', OPT_BOOL, O(detach), NULL, "leave it running in the background" },
	{ "user", 'u', OPT_STR, O(user), "UID[:GID]",
	  "run it as that user; of an image's container also by name" },
	{ "additional-gids", 'g', OPT_LIST, O(gids), "GID", "a further group" },
	{ "env", 'e', OPT_LIST, O(env), "NAME=VALUE", "set a variable" },
	{ "cwd", 0, OPT_STR, O(cwd), "DIR", "working directory in the container" },
	{ "workdir", 'w', OPT_STR, O(cwd), "DIR", "the same as --cwd" },
	{ "cap", 'c', OPT_LIST, O(caps), "CAP_NAME", "add a capability" },
	{ "no-new-privs", 0, OPT_BOOL, O(no_new_privs), NULL, "set no_new_privs" },
	{ "apparmor", 0, OPT_STR, O(apparmor), "PROFILE", "AppArmor profile of the process" },
	{ "process-label", 0, OPT_STR, O(label), "LABEL", "SELinux label of the process" },
	{ "console-socket", 0, OPT_STR, O(console_socket), "PATH",
	  "socket that receives the terminal's master" },
	{ "pidfd-socket", 0, OPT_STR, O(pidfd_socket), "PATH",
	  "socket that receives a pidfd of the process" },
	{ "pid-file", 0, OPT_STR, O(pid_file), "FILE", "write the process id there" },
	{ "preserve-fds", 0, OPT_INT, O(preserve_fds), "N",
	  "pass N further descriptors, from 3 on" },
	{ "cgroup", 0, OPT_LIST, O(cgroups), "[CONTROLLER:]PATH",
	  "run it in a cgroup below the container's" },
	{ "ignore-paused", 0, OPT_BOOL, O(ignore_paused), NULL, "allow it in a paused container" },
	{ "no-subreaper", 0, OPT_BOOL, O(no_subreaper), NULL,
	  "do not become the parent of orphans (mrun exec never does)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
#undef O
static const struct opt_spec exec_spec = {
	.command = "exec",
	.usage = "[OPTIONS] CONTAINER-ID COMMAND [ARG...]\n   mrun exec [OPTIONS] --process FILE "
		 "CONTAINER-ID",
	.summary = "execute a new process inside a container",
	.opts = exec_opts,
	.min_args = 1,
	.max_args = -1,
	.stop_at_first = true,
	.single_dash = true,
};

/* What a process of its own leaves open is as in config.json. */
static void inherit(struct oci_process *p, const struct oci_process *from)
{
#define INHERIT(field) \
	if (!p->field) \
	p->field = from->field
	INHERIT(capabilities);
	INHERIT(apparmor_profile);
	INHERIT(selinux_label);
	INHERIT(oom_score_adj);
	INHERIT(scheduler);
	INHERIT(io_priority);
	INHERIT(exec_cpu_affinity);
#undef INHERIT
	if (!p->rlimits_len) {
		p->rlimits = from->rlimits;
		p->rlimits_len = from->rlimits_len;
	}
	if (!p->user->umask && from->user)
		p->user->umask = from->user->umask;
}

static int set_user(struct arena *a, struct oci_user *u, const char *text, struct error *e)
{
	char **parts = str_split(a, text, ':');
	uint64_t uid, gid;

	if (str_list_len(parts) > 2 || !str_to_u64(parts[0], UINT32_MAX - 1, &uid) ||
	    (parts[1] && !str_to_u64(parts[1], UINT32_MAX - 1, &gid))) {
		err_msg(e, "--user: '%s' is not UID[:GID]", text);
		return err_hint(e, "names are not looked up: give the numbers");
	}
	u->uid = (uint32_t)uid;
	if (parts[1])
		u->gid = (uint32_t)gid;
	return 0;
}

/* --additional-gids may be given again and again, and as one list with commas. */
static int parse_gids(struct arena *a, struct exec_args *args, struct error *e)
{
	struct strlist texts = { 0 };

	for (size_t i = 0; i < args->gids.n; i++)
		for (char **s = str_split(a, args->gids.items[i], ','); *s; s++)
			strlist_add(a, &texts, *s);
	args->gid_numbers = ARENA_ARRAY(a, texts.n + 1, uint32_t);
	for (size_t i = 0; i < texts.n; i++) {
		uint64_t gid;

		if (!str_to_u64(texts.items[i], UINT32_MAX - 1, &gid))
			return err_msg(e, "exec: --additional-gids: '%s' is not a group id",
				       texts.items[i]);
		args->gid_numbers[args->gid_numbers_len++] = (uint32_t)gid;
	}
	return 0;
}

static void add_gids(struct arena *a, struct oci_user *u, const struct exec_args *args)
{
	size_t n = u->additional_gids_len;
	uint32_t *all = ARENA_ARRAY(a, n + args->gid_numbers_len, uint32_t);

	if (n)
		memcpy(all, u->additional_gids, n * sizeof(*all));
	memcpy(all + n, args->gid_numbers, args->gid_numbers_len * sizeof(*all));
	u->additional_gids = all;
	u->additional_gids_len = n + args->gid_numbers_len;
}

/* A later value of the same name replaces the earlier one. */
static void add_env(struct arena *a, struct oci_process *p, const struct strlist *more)
{
	struct strlist env = { 0 };

	for (char **v = p->env; v && *v; v++)
		strlist_add(a, &env, *v);
	for (size_t i = 0; i < more->n; i++) {
		const char *new = more->items[i];
		size_t len = strcspn(new, "="), k;

		for (k = 0; k < env.n; k++)
			if (strncmp(env.items[k], new, len) == 0 && env.items[k][len] == '=')
				break;
		if (k < env.n)
			env.items[k] = more->items[i];
		else
			strlist_add(a, &env, new);
	}
	p->env = env.items;
}

static char **with(struct arena *a, char **list, const struct strlist *more)
{
	struct strlist l = { 0 };

	for (; list && *list; list++)
		strlist_add(a, &l, *list);
	for (size_t i = 0; i < more->n; i++)
		if (!str_list_has(l.items, more->items[i]))
			strlist_add(a, &l, more->items[i]);
	return l.items;
}

/* Not inheritable, and so not ambient either: what is not root gets them by file capabilities only
 * (CVE-2022-29162). */
static void add_caps(struct arena *a, struct oci_process *p, const struct strlist *caps)
{
	struct oci_capabilities *c = ARENA_NEW(a, struct oci_capabilities);

	if (p->capabilities)
		*c = *p->capabilities;
	c->bounding = with(a, c->bounding, caps);
	c->effective = with(a, c->effective, caps);
	c->permitted = with(a, c->permitted, caps);
	p->capabilities = c;
}

/* A terminal has a type (docker's is always xterm). */
static void add_term(struct arena *a, struct oci_process *p)
{
	struct strlist term = { 0 };

	for (char **v = p->env; v && *v; v++)
		if (str_has_prefix(*v, "TERM="))
			return;
	strlist_add(a, &term, "TERM=xterm");
	add_env(a, p, &term);
}

static int apply_options(struct arena *a, const struct exec_args *args, bool image,
			 struct oci_process *p, struct error *e)
{
	p->terminal |= args->tty;
	p->no_new_privileges |= args->no_new_privs;
	if (args->cwd)
		p->cwd = arena_strdup(a, args->cwd);
	if (args->apparmor)
		p->apparmor_profile = arena_strdup(a, args->apparmor);
	if (args->label)
		p->selinux_label = arena_strdup(a, args->label);
	if (args->user && !image && set_user(a, p->user, args->user, e) < 0)
		return -1;
	if (image && p->terminal)
		add_term(a, p);
	if (args->gid_numbers_len)
		add_gids(a, p->user, args);
	if (args->env.n)
		add_env(a, p, &args->env);
	if (args->caps.n)
		add_caps(a, p, &args->caps);
	return 0;
}

static struct oci_process *make_process(struct cmd_context *c, const struct exec_args *args,
					const struct oci_process *config, bool image,
					char **command, struct error *e)
{
	struct oci_process *p = ARENA_NEW(c->arena, struct oci_process);
	struct oci_user *u = ARENA_NEW(c->arena, struct oci_user);

	if (args->process) {
		p = oci_process_load(c->arena, args->process, e);
		if (!p)
			return NULL;
		if (*command) {
			err_msg(e, "--process and a command: give one of them");
			return NULL;
		}
	} else {
		if (!*command) {
			err_msg(e, "process args cannot be empty");
			return NULL;
		}
		*p = *config;
		p->args = command;
		p->terminal = false;
		p->console_size = NULL;
	}
	if (p->user)
		*u = *p->user;
	p->user = u;
	if (args->process)
		inherit(p, config);
	if (apply_options(c->arena, args, image, p, e) < 0 ||
	    oci_process_validate(p, "process", e) < 0)
		return NULL;
	return p;
}

/* Before anything of ours is opened: it would be taken for the caller's. */
static int check_preserved(int n, struct error *e)
{
	if (n < 0 || n > PRESERVE_MAX)
		return err_msg(e, "--preserve-fds: %d is not a number of descriptors", n);
	for (int fd = 3; fd < 3 + n; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return err_msg(e, "--preserve-fds: descriptor %d is not open", fd);
	return 0;
}

/* What config.json does not say of an image's container: the user, by name, and the filter. */
static void like_image(struct arena *a, const struct exec_args *args,
		       const struct container_record *r, struct oci_spec *spec,
		       struct exec_options *o)
{
	if (r->default_seccomp)
		spec->linux_->seccomp = (struct oci_seccomp *)(uintptr_t)seccomp_default_profile(
			a, spec->process->capabilities->bounding);
	if (args->user || !args->process)
		o->user = args->user ? args->user : r->user ? r->user : "";
	o->group_add = r->group_add;
}

/* *IMAGE: the container was made from an image, where docker's exit codes are expected. */
static int run(struct cmd_context *c, const struct exec_args *args, char **rest, bool *image,
	       struct error *e)
{
	struct exec_options o = { .pid_file = args->pid_file,
				  .console_socket = args->console_socket,
				  .pidfd_socket = args->pidfd_socket,
				  .cgroups = args->cgroups.items,
				  .detach = args->detach,
				  .ignore_paused = args->ignore_paused,
				  .preserve_fds = args->preserve_fds };
	struct container ct;
	struct oci_process *p;
	struct oci_spec *spec;
	int r = -1;

	if (check_preserved(args->preserve_fds, e) < 0 || state_open_shared(c, rest[0], &ct, e) < 0)
		return -1;
	*image = ct.record->image;
	spec = record_spec(c->arena, &ct, e);
	p = spec ? make_process(c, args, spec->process, ct.record->image, rest + 1, e) : NULL;
	if (p && ct.record->image)
		like_image(c->arena, args, ct.record, spec, &o);
	if (p)
		r = exec_run(c, &ct, spec, p, &o, e);
	state_close(&ct);
	return r;
}

int cmd_exec(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct exec_args args = { 0 };
	bool image = false;
	char **rest;
	int n, r = opt_parse(c->arena, &exec_spec, argc, argv, &args, &rest, &n, e);

	if (r == 0 && parse_gids(c->arena, &args, e) < 0)
		r = -1;
	if (r) {
		if (r < 0)
			e->exit_code = 1;
		return r < 0 ? -1 : 0;
	}
	r = run(c, &args, rest, &image, e);
	if (r < 0) {
		err_wrap(e, "exec failed");
		if (!image || !e->exit_code)
			e->exit_code = EXIT_EXEC;
	}
	return r;
}
