/*
 * mrun ps: the processes of a container, as the host sees them. Their ids come from the cgroup;
 * where there is none (rootless), from the pid namespace. The table is what the host's ps prints,
 * less the lines of other processes; ps is found by a fixed list, never through PATH.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/options.h"
#include "runtime/container/state.h"
#include "runtime/init/syscalls.h"

#define PS_OUTPUT_MAX (64u << 20)
#define NAMESPACE_DEPTH 32 /* the kernel's limit (pid_namespaces(7)) */

struct ps_args {
	const char *format;
};
static const struct opt ps_opts[] = {
	{ "format", 'f', OPT_STR, offsetof(struct ps_args, format), "table|json",
	  "how to print them" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec ps_spec = {
	.command = "ps",
	.usage = "[OPTIONS] CONTAINER-ID [PS OPTIONS]",
	.summary = "list the processes of a container",
	.description = "The options of ps(1) default to -ef; its output must have a column PID.",
	.opts = ps_opts,
	.min_args = 1,
	.max_args = -1,
	.stop_at_first = true,
	.single_dash = true,
};

struct pids {
	pid_t *items;
	size_t n, cap;
};

static void add(struct arena *a, struct pids *l, pid_t pid)
{
	if (l->n == l->cap) {
		pid_t *bigger = ARENA_ARRAY(a, l->cap ? l->cap * 2 : 64, pid_t);

		if (l->n)
			memcpy(bigger, l->items, l->n * sizeof(pid_t));
		l->items = bigger;
		l->cap = l->cap ? l->cap * 2 : 64;
	}
	l->items[l->n++] = pid;
}

/* Of one that has ended, or that is not ours to look at, there is none. */
static bool is_none(int errnum)
{
	return errnum == ENOENT || errnum == ESRCH || errnum == EACCES || errnum == EPERM;
}

static int pid_namespace(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Whether namespace FD (which is consumed) is WANTED or lies below it. -1 with errno. */
static int is_inside(int fd, const struct stat *wanted)
{
	bool found = false;
	struct stat st;
	int failed = 0;

	if (fd < 0)
		return is_none(errno) ? 0 : -1;

	for (int depth = 0; fd >= 0 && depth < NAMESPACE_DEPTH; depth++) {
		int parent;

		if (fstat(fd, &st) < 0)
			failed = errno;
		found = !failed && st.st_ino == wanted->st_ino && st.st_dev == wanted->st_dev;
		parent = found || failed ? -1 : ioctl(fd, NS_GET_PARENT);
		close(fd);
		fd = parent;
	}
	fd_closep(&fd);
	errno = failed;
	return failed ? -1 : found;
}

static int pids_by_namespace(struct arena *a, const struct container *ct, struct pids *l,
			     struct error *e)
{
	_cleanup_fd_ int init = pid_namespace(arena_printf(a, "%d", (int)ct->pid));
	struct stat wanted;
	struct dirent *de;
	int inside = 0;
	DIR *d;

	if (init < 0 || fstat(init, &wanted) < 0)
		return err_sys(e, errno, "look at the pid namespace of container %s", ct->id);
	d = opendir("/proc");
	if (!d)
		return err_sys(e, errno, "open /proc");
	while (inside >= 0 && (errno = 0, de = readdir(d))) {
		uint64_t pid;

		if (!str_to_u64(de->d_name, INT32_MAX, &pid))
			continue;
		inside = is_inside(pid_namespace(de->d_name), &wanted);
		if (inside > 0)
			add(a, l, (pid_t)pid);
	}
	if (errno)
		err_sys(e, errno, "look for the processes of container %s", ct->id);
	inside = errno ? -1 : 0;
	closedir(d);
	return inside;
}

static int find_pids(struct arena *a, const struct container *ct, struct pids *l, struct error *e)
{
	struct cgroup *cg = NULL;

	if (ct->record->cgroup) {
		cg = cgroup_restore(a, ct->record->cgroup, e);
		if (!cg)
			return -1;
	}
	if (cg && cgroup_exists(cg))
		return cgroup_pids(a, cg, &l->items, &l->n, e);
	if (state_status(a, ct, false) == STATUS_STOPPED)
		return 0;
	if (ct->record->new_pid_namespace)
		return pids_by_namespace(a, ct, l, e);
	err_msg(e,
		"list the processes of container %s: it has neither a cgroup nor a pid namespace",
		ct->id);
	return err_hint(e, "add a pid namespace to linux.namespaces");
}

static const char *find_ps(void)
{
	static const char *const places[] = { "/usr/bin/ps", "/bin/ps", "/usr/local/bin/ps",
					      "/run/current-system/sw/bin/ps" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* All that it says, on either descriptor; an exit code that is not 0 is an error with that text. */
static int run_ps(struct arena *a, char *const *options, char **ret, struct error *e)
{
	static const char *const usual[] = { "ps", "-ef", NULL };
	const char *path = find_ps();
	struct strlist argv = { 0 };
	int pair[2], status = 0, r;
	pid_t pid;

	if (!path) {
		err_msg(e, "there is no ps program on this host");
		return err_hint(e, "install procps, or use --format json");
	}
	strlist_add(a, &argv, "ps");
	for (; *options; options++)
		strlist_add(a, &argv, *options);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid = fork();
	if (pid == 0) {
		if (dup2(pair[1], STDOUT_FILENO) >= 0 && dup2(pair[1], STDERR_FILENO) >= 0 &&
		    syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
			execv(path, argv.n > 1 ? argv.items : (char *const *)(uintptr_t)usual);
		_exit(127);
	}
	close(pair[1]);
	r = pid < 0 ? err_sys(e, errno, "fork")
		    : file_read_fd(a, pair[0], "the output of ps", PS_OUTPUT_MAX, ret, NULL, e);
	close(pair[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && status != 0) {
		(*ret)[strcspn(*ret, "\n")] = 0;
		return err_msg(e, "%s: exit status %d: %s", path,
			       WIFEXITED(status) ? WEXITSTATUS(status) : -1, *ret);
	}
	return r;
}

/* The N-th word (from 0) of LINE; its length in *LEN, 0: there is none. */
static const char *word(const char *line, int n, size_t *len)
{
	for (;; n--) {
		line += strspn(line, " \t");
		*len = strcspn(line, " \t");
		if (n == 0 || !*len)
			return line;
		line += *len;
	}
}

static bool is_ours(struct arena *a, const char *line, int column, const struct pids *l)
{
	size_t len;
	const char *text = word(line, column, &len);
	uint64_t pid;

	if (!len || !str_to_u64(arena_strndup(a, text, len), INT32_MAX, &pid))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if ((uint64_t)l->items[i] == pid)
			return true;
	return false;
}

static int print_table(struct arena *a, char *const *options, const struct pids *l, struct error *e)
{
	char *text = NULL, *save = NULL, *line;
	int column = 0;
	size_t len;

	if (run_ps(a, options, &text, e) < 0)
		return -1;
	line = strtok_r(text, "\n", &save);
	for (;; column++) {
		const char *title = line ? word(line, column, &len) : NULL;

		if (!title || !len)
			return err_msg(e, "couldn't find PID field in ps output");
		if (len == 3 && memcmp(title, "PID", 3) == 0)
			break;
	}
	puts(line);
	while ((line = strtok_r(NULL, "\n", &save)))
		if (is_ours(a, line, column, l))
			puts(line);
	return format_flush(e);
}

int cmd_ps(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct ps_args args = { .format = "table" };
	struct container ct;
	struct pids l = { 0 };
	const char *root;
	char **rest;
	int n, r = opt_parse(c->arena, &ps_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (!str_eq(args.format, "table") && !str_eq(args.format, "json"))
		return err_msg(e, "ps: invalid format option '%s': table or json", args.format);
	root = state_root(c, false, e);
	if (!root || state_peek(c->arena, root, rest[0], &ct, e) < 0)
		return -1;
	r = find_pids(c->arena, &ct, &l, e);
	state_close(&ct);
	if (r < 0)
		return -1;
	if (str_eq(args.format, "table"))
		return print_table(c->arena, rest + 1, &l, e);
	putchar('[');
	for (size_t i = 0; i < l.n; i++)
		printf("%s%d", i ? "," : "", (int)l.items[i]);
	puts("]");
	return format_flush(e);
}
