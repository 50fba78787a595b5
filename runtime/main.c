/*
 * The command line: global options (runc's, and crun's --cgroup-manager), then ONE table of
 * commands; a word that is no command is the name of an image. What a command returns as an error
 * is printed here, once: to stderr for people, to --log for clients.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"
#include "runtime/cmd/word_hint.h"
#include "runtime/container/log.h"

struct command {
	const char *name;
	cmd_function *function;
	int exit_code; /* of a failure that does not name its own */
	const char *group, *summary;
};

static const struct command commands[] = {
	{ "load", cmd_load, 125, "Images", "load images from an archive" },
	{ "import", cmd_import, 125, "Images", "make an image of a root file system's tar" },
	{ "save", cmd_save, 125, "Images", "write images to an archive" },
	{ "images", cmd_images, 125, "Images", "list images" },
	{ "tag", cmd_tag, 125, "Images", "give an image a further name" },
	{ "rmi", cmd_rmi, 125, "Images", "remove images" },
	{ "inspect", cmd_inspect, 125, "Images", "print all that is known of an image" },
	{ "history", cmd_history, 125, "Images", "show how an image was built" },
	{ "prune", cmd_prune, 125, "Images", "remove what no image needs" },
	{ "fsck", cmd_fsck, 125, "Images", "check the store against its digests" },
	{ "unpack", cmd_unpack, 125, "Images", "write an image as an OCI bundle" },
	{ "create", cmd_create, 1, "Containers", "create a container" },
	{ "start", cmd_start, 1, "Containers", "start a created container" },
	{ "run", cmd_run, 1, "Containers", "create and start a container" },
	{ "state", cmd_state, 1, "Containers", "output the state of a container" },
	{ "logs", cmd_logs, 1, "Containers", "print what a detached container of an image wrote" },
	{ "wait", cmd_wait, 1, "Containers",
	  "wait for a detached container and print its exit code" },
	{ "exec", cmd_exec, 255, "Containers", "execute a new process in a container" },
	{ "ps", cmd_ps, 1, "Containers", "list the processes of a container" },
	{ "list", cmd_list, 1, "Containers", "list containers" },
	{ "stop", cmd_stop, 1, "Containers", "ask containers to end, and kill those that do not" },
	{ "kill", cmd_kill, 1, "Containers", "send a signal to a container" },
	{ "delete", cmd_delete, 1, "Containers", "delete a container" },
	{ "pause", cmd_pause, 1, "Containers", "suspend the processes of a container" },
	{ "resume", cmd_resume, 1, "Containers", "resume a paused container" },
	{ "update", cmd_update, 1, "Containers", "change the limits of a container" },
	{ "events", cmd_events, 1, "Containers", "print statistics and OOM events" },
	{ "checkpoint", cmd_checkpoint, 1, "Containers", "not supported" },
	{ "restore", cmd_restore, 1, "Containers", "not supported" },
	{ "spec", cmd_spec, 1, "Containers", "write a new config.json" },
	{ "features", cmd_features, 1, "Containers", "show what this runtime supports" },
	{ "doctor", cmd_doctor, 125, "This machine", "what works here, and what mends the rest" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct opt global_opts[] = {
	{ "root", 0, OPT_STR, offsetof(struct cmd_context, root), "DIR",
	  "directory for the state of containers" },
	{ "log", 0, OPT_STR, offsetof(struct cmd_context, log), "FILE", "write the log there" },
	{ "debug", 0, OPT_BOOL, offsetof(struct cmd_context, debug), NULL, "log more" },
	{ "systemd-cgroup", 0, OPT_BOOL, offsetof(struct cmd_context, systemd_cgroup), NULL,
	  "let systemd manage the cgroups" },
	{ "rootless", 0, OPT_STR, offsetof(struct cmd_context, rootless), "true|false|auto",
	  "ignore cgroup permission errors" },
	/* global_option() knows what these do. */
	{ "log-format", 0, OPT_STR, 0, "text|json", "format of the log" },
	{ "cgroup-manager", 0, OPT_STR, 0, "cgroupfs|systemd|disabled", "who makes the cgroups" },
	{ "criu", 0, OPT_STR, 0, "PATH", "accepted; checkpoints are not there yet" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

static void print_version(const struct cmd_context *c)
{
	printf("%s version %s\ncommit: %s\nspec: %s\n", c->program, MRUN_VERSION,
	       MRUN_COMMIT[0] ? MRUN_COMMIT : "unknown", OCI_SPEC_VERSION);
}

static void print_help(void)
{
	const char *group = "";

	printf("NAME:\n   mrun - run the image that a build left behind, and OCI containers\n\n"
	       "USAGE:\n   mrun [OPTIONS] IMAGE [COMMAND [ARG...]]   (mrun help IMAGE: its "
	       "options)\n"
	       "   mrun [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARG...]\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!str_eq(group, commands[i].group))
			printf("\n%s:\n", commands[i].group);
		group = commands[i].group;
		printf("   %-12s %s\n", commands[i].name, commands[i].summary);
	}
	printf("\nGLOBAL OPTIONS:\n");
	for (const struct opt *o = global_opts; o->name; o++)
		printf("   --%s %-*s %s\n", o->name, (int)(31 - strlen(o->name)),
		       o->arg ? o->arg : "", o->help);
	printf("   -h, --help                         show this help\n"
	       "   -v, --version                      print the version\n");
}

static void report(const struct cmd_context *c, const struct error *e)
{
	fflush(stdout);
	log_line(c, "error", e->msg);
	fprintf(stderr, "mrun: %s\n", e->msg);
	if (e->hint[0])
		fprintf(stderr, "hint: %s\n", e->hint);
	else if (e->code == ENOSPC || e->code == EDQUOT)
		fputs("hint: the disk is full: mrun prune --all frees what can be made again; "
		      "XDG_DATA_HOME and XDG_CACHE_HOME put store and cache elsewhere\n",
		      stderr);
}

/* A container that runs in the background outlives the directory that we are in. */
static const char *absolute(const struct cmd_context *c, const char *path)
{
	char cwd[4096];

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return path;
	return arena_printf(c->arena, "%s/%s", cwd, path);
}

static int boolean(const char *arg, const char *value, bool *ret, struct error *e)
{
	*ret = true;
	if (value && !str_to_bool(value, ret))
		return err_msg(e, "option %s: '%s' is neither true nor false", arg, value);
	return 1;
}

/* A log that cannot be written is told before anything is done, as runc does. */
static int check_log(const struct cmd_context *c, struct error *e)
{
	_cleanup_fd_ int fd = -1;

	if (!c->log || !*c->log)
		return 0;
	fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd >= 0)
		return 0;
	err_sys(e, errno, "open the log %s", c->log);
	return -1;
}

/* Takes one global option at argv[*i]; 0: it is none, 1: taken, -1: error. */
static int global_option(struct cmd_context *c, int argc, char **argv, int *i, struct error *e)
{
	const char *arg = argv[*i], *name, *value = NULL;
	static const char *const valued[] = { "root", "log",	  "log-format",
					      "criu", "rootless", "cgroup-manager" };
	size_t len;
	bool takes = false, yes;

	if (arg[0] != '-' || (arg[1] == '-' && !arg[2]))
		return 0;
	/* -name means --name, as Go's flag package has it. */
	name = arg + 1 + (arg[1] == '-');
	len = strcspn(name, "=");
	if (arg[1] != '-' && len < 3)
		return 0;
	if (name[len] == '=')
		value = name + len + 1;
	for (size_t k = 0; k < sizeof(valued) / sizeof(valued[0]); k++)
		takes |= strlen(valued[k]) == len && memcmp(valued[k], name, len) == 0;
	if (takes && !value) {
		if (*i + 1 >= argc)
			return err_msg(e, "option %s needs a value", arg);
		value = argv[++*i];
	}
#define IS(s) (len == strlen(s) && memcmp(name, s, len) == 0)
	if (IS("root")) {
		if (!*value)
			return err_msg(e, "--root: the directory's name is empty");
		c->root = absolute(c, value);
	} else if (IS("log")) {
		c->log = *value ? absolute(c, value) : value;
	} else if (IS("log-format")) {
		if (!str_eq(value, "text") && !str_eq(value, "json"))
			return err_msg(e, "--log-format: '%s' is neither text nor json", value);
		c->log_json = str_eq(value, "json");
	} else if (IS("rootless")) {
		if (!*value || strcasecmp(value, "auto") == 0)
			c->rootless = "auto";
		else if (str_to_bool(value, &yes))
			c->rootless = yes ? "true" : "false";
		else
			return err_msg(e, "--rootless: '%s' is not true, false or auto", value);
	} else if (IS("cgroup-manager")) {
		if (!str_eq(value, "cgroupfs") && !str_eq(value, "systemd") &&
		    !str_eq(value, "disabled"))
			return err_msg(e,
				       "--cgroup-manager: '%s' is not cgroupfs, systemd or "
				       "disabled",
				       value);
		c->systemd_cgroup = str_eq(value, "systemd");
		c->cgroup_disabled = str_eq(value, "disabled");
	} else if (IS("criu")) {
		/* Where criu lies: nothing to do until checkpoint and restore exist. */
	} else if (IS("debug")) {
		return boolean(arg, value, &c->debug, e);
	} else if (IS("systemd-cgroup")) {
		return boolean(arg, value, &c->systemd_cgroup, e);
	} else {
		return 0;
	}
#undef IS
	return 1;
}

/* Descriptors 0 to 2 must exist: a file opened later would land there and be written to. */
static void open_standard_fds(void)
{
	struct pollfd p[3] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	if (poll(p, 3, 0) == 0)
		return; /* POLLNVAL is the only one of interest, and would count */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
			int n = open("/dev/null", O_RDWR);

			if (n >= 0 && n != fd) {
				dup2(n, fd);
				close(n);
			}
		}
}

/* E is that WORD is no image's name, either: it can have been meant as a command, docker's or a
 * misspelled one, and no image's name that is near is said already. */
static void not_a_command(const char *word, struct error *e)
{
	const char *meant = word_hint(word);
	unsigned near = ((unsigned)strlen(word) + 1) / 2;
	char start[128];

	near = near > 3 ? 3 : near;
	snprintf(start, sizeof(start), "image '%s' not found", word);
	if (e->code != ENOENT || !str_has_prefix(e->msg, start) ||
	    str_has_prefix(e->hint, "did you mean"))
		return;
	if (meant) {
		snprintf(e->hint, sizeof(e->hint), "mrun has no command %s: %s", word, meant);
		return;
	}
	for (size_t k = 0; k < COMMANDS; k++) {
		unsigned d = str_distance(word, commands[k].name);

		if (d >= near)
			continue;
		near = d;
		snprintf(e->hint, sizeof(e->hint),
			 "did you mean 'mrun %s'? (mrun --help lists the commands)",
			 commands[k].name);
	}
}

static int dispatch(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	int i = 1, r, code = 125;

	for (; i < argc; i++) {
		r = global_option(c, argc, argv, &i, e);
		if (r < 0)
			goto failed;
		if (r == 0)
			break;
	}
	if (i >= argc || str_eq(argv[i], "--help") || (str_eq(argv[i], "-h") && i + 1 == argc)) {
		print_help();
		return 0;
	}
	if (str_eq(argv[i], "help")) {
		if (i + 1 == argc) {
			print_help();
			return 0;
		}
		argv[i] = argv[i + 1];
		argv[i + 1] = (char *)(uintptr_t) "--help";
		argc = i + 2;
		if (str_eq(argv[i], "IMAGE")) { /* the option, before an image's name */
			argv[i++] = argv[0];
			goto found;
		}
		for (size_t k = 0; k < COMMANDS; k++)
			if (str_eq(argv[i], commands[k].name))
				goto found;
		err_msg(e, "No help topic for '%s'", argv[i]);
		code = 3;
		goto failed;
	}
found:
	if (check_log(c, e) < 0) {
		c->log = NULL;
		code = 1;
		goto failed;
	}
	if (str_eq(argv[i], "--version") || (str_eq(argv[i], "-v") && i + 1 == argc)) {
		print_version(c);
		return 0;
	}
	for (size_t k = 0; k < COMMANDS; k++) {
		if (!str_eq(argv[i], commands[k].name))
			continue;
		code = commands[k].exit_code;
		r = commands[k].function(c, argc - i, argv + i, e);
		if (r < 0)
			goto failed;
		return r;
	}
	argv[i - 1] = argv[0];
	r = cmd_image_run(c, argc - i + 1, argv + i - 1, e);
	if (r >= 0)
		return r;
	not_a_command(argv[i], e);
failed:
	report(c, e);
	return e->exit_code ? e->exit_code : code;
}

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks attaches to the process as a tracer does: not where there is one already
 * (strace), nor where the kernel allows none (setuid). */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	char line[128];
	bool traced = false;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		traced |= strncmp(line, "TracerPid:", 10) == 0 && atoi(line + 10) != 0;
	if (f)
		fclose(f);
	return !f || traced || prctl(PR_GET_DUMPABLE) != 1;
}
#endif

int main(int argc, char **argv)
{
	static struct arena arena;
	static struct error error;
	struct cmd_context c = { .arena = &arena, .program = "mrun" };
	int r;

	if (getauxval(AT_SECURE) || getauxval(AT_UID) != getauxval(AT_EUID) ||
	    getauxval(AT_GID) != getauxval(AT_EGID)) {
		fputs("mrun: refusing to run setuid or setgid\n"
		      "hint: chmod u-s,g-s the program; it needs no privileges\n",
		      stderr);
		return 125;
	}
	open_standard_fds();
	/* Where the caller ignores it, the kernel reaps our children: we would wait forever. */
	signal(SIGCHLD, SIG_DFL);
	if (argc > 0 && argv[0][0]) {
		const char *slash = strrchr(argv[0], '/');

		c.program = slash ? slash + 1 : argv[0];
	}
	r = dispatch(&c, argc, argv, &error);
	if (fflush(stdout) != 0 && r == 0) {
		fprintf(stderr, "mrun: write to stdout: %s\n", err_text(errno));
		return 125;
	}
	return r;
}
