/*
 * Drives the cgroup room alone, for tests/60-cgroup.bats and for the guest with pure cgroup v2:
 *   cgroup-tool run STATE ID [-p PATH] [-R FILE] [-j join|attach|clone] [-r] [-d] -- CMD…
 *       plan, save, create, save, start CMD in it, wait; exits with CMD's code (125: failed before)
 *   cgroup-tool set STATE FILE | freeze | thaw | frozen | kill N | pids | stats | oom | info |
 *       delete MS | save | chown UID | exec SUB INIT CMD… (each but set: VERB STATE ARGS)
 * -j: which way the child enters; -r rootless; -d disabled.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"

static struct arena arena;
static struct error error;

static _Noreturn void fail(void)
{
	fprintf(stderr, "error: %s\n", error.msg);
	if (error.hint[0])
		fprintf(stderr, "hint: %s\n", error.hint);
	exit(125);
}

static void save(const char *path, const struct cgroup *cg)
{
	struct json_out *o = json_out_new(&arena, false);
	size_t len;
	char *text;

	cgroup_save(cg, o);
	text = json_out_finish(o, &len);
	if (file_replace(AT_FDCWD, path, text, len, 0600, false, &error) < 0)
		fail();
}

static struct cgroup *load(const char *path)
{
	const struct json_value *v;
	struct cgroup *cg;
	char *text;
	size_t len;

	if (file_read(&arena, AT_FDCWD, path, JSON_MAX_SIZE, &text, &len, &error) < 0)
		fail();
	v = json_parse(&arena, text, len, path, &error);
	cg = v ? cgroup_restore(&arena, v, &error) : NULL;
	if (!cg)
		fail();
	return cg;
}

static struct oci_resources *resources(const char *path)
{
	struct oci_resources *r;
	char *text;
	size_t len;

	if (file_read(&arena, AT_FDCWD, path, JSON_MAX_SIZE, &text, &len, &error) < 0)
		fail();
	r = json_read(&arena, text, len, &oci_resources_type, path, &error);
	if (!r)
		fail();
	return r;
}

static pid_t do_fork(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroup_fd < 0)
		return fork();
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (__u64)(unsigned)cgroup_fd;
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* As mrun does: straight into the cgroup, else from inside. */
static pid_t start_process(const struct cgroup *cg, bool join, bool *into, struct cgroup_join *j)
{
	pid_t pid;

	j->n = 0;
	if (join && cgroup_join_open(cg, *into, j, &error) < 0)
		fail();
	pid = do_fork(*into ? cgroup_open_clone_fd(cg) : -1);
	if (pid >= 0 || !*into)
		return pid;
	cgroup_join_close(j);
	*into = false;
	return start_process(cg, join, into, j);
}

static int start(const struct cgroup *cg, const char *how, char **argv)
{
	_cleanup_fd_ int dir = str_eq(how, "clone") ? cgroup_open_clone_fd(cg) : -1;
	bool into = dir >= 0;
	bool join = !str_eq(how, "attach");
	struct cgroup_join j;
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return 125;
	pid = start_process(cg, join, &into, &j);
	if (pid < 0) {
		err_sys(&error, errno, "fork");
		fail();
	}
	if (pid == 0) {
		char c;

		close(go[1]);
		if (join && cgroup_join_self(&j, &error) < 0)
			fail();
		if (!join && read(go[0], &c, 1) != 1)
			_exit(125);
		execvp(argv[0], argv);
		err_sys(&error, errno, "exec %s", argv[0]);
		fail();
	}
	if (!join && (cgroup_attach(cg, pid, false, &error) < 0 || write(go[1], "x", 1) != 1)) {
		kill(pid, SIGKILL);
		wait_for(pid);
		fail();
	}
	cgroup_join_close(&j);
	return wait_for(pid);
}

static int run(int argc, char **argv)
{
	struct cgroup_request r = { .id = argv[3] };
	const char *state = argv[2], *how = "join";
	struct cgroup *cg;
	int c;

	argv += 3;
	argc -= 3;
	while ((c = getopt(argc, argv, "+p:R:j:rd")) != -1) {
		if (c == 'p')
			r.path = optarg;
		else if (c == 'R')
			r.resources = resources(optarg);
		else if (c == 'j')
			how = optarg;
		else if (c == 'r')
			r.rootless = true;
		else if (c == 'd')
			r.disabled = true;
		else
			return 125;
	}
	cg = cgroup_plan(&arena, &r, &error);
	if (!cg)
		fail();
	save(state, cg);
	if (cgroup_create(cg, &error) < 0 || cgroup_finish(cg, &error) < 0)
		fail();
	save(state, cg);
	if (optind == argc)
		return 0;
	return start(cg, how, argv + optind);
}

static int verb(const char *name, struct cgroup *cg, int argc, char **argv)
{
	if (str_eq(name, "set"))
		return cgroup_set(cg, resources(argv[0]), &error);
	if (str_eq(name, "freeze") || str_eq(name, "thaw"))
		return cgroup_freeze(cg, str_eq(name, "freeze"), &error);
	if (str_eq(name, "frozen"))
		return printf("%d\n", cgroup_is_frozen(cg)) < 0;
	if (str_eq(name, "kill"))
		return cgroup_kill(cg, atoi(argv[0]), &error);
	if (str_eq(name, "oom"))
		return printf("%lld\n", (long long)cgroup_oom_kills(cg)) < 0;
	if (str_eq(name, "delete"))
		return cgroup_delete(cg, atoi(argv[0]), &error);
	if (str_eq(name, "chown"))
		return cgroup_chown(cg, (uid_t)atoi(argv[0]), &error);
	if (str_eq(name, "save")) {
		struct json_out *o = json_out_new(&arena, false);

		cgroup_save(cg, o);
		return puts(json_out_finish(o, NULL)) < 0;
	}
	if (str_eq(name, "stats")) {
		struct json_out *o = json_out_new(&arena, false);

		return cgroup_stats(&arena, cg, o, &error) < 0 ? -1
							       : puts(json_out_finish(o, NULL)) < 0;
	}
	if (str_eq(name, "pids")) {
		pid_t *pids;
		size_t n;

		if (cgroup_pids(&arena, cg, &pids, &n, &error) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			printf("%d\n", (int)pids[i]);
		return 0;
	}
	if (str_eq(name, "info")) {
		struct cgroup_mount_info m;

		if (cgroup_mount_info(&arena, cg, &m, &error) < 0)
			return -1;
		for (size_t i = 0; i < m.len; i++)
			printf("%d '%s' '%s' %s %s\n", m.unified, m.hierarchies[i].name,
			       m.hierarchies[i].options, m.hierarchies[i].mount_point,
			       m.hierarchies[i].path);
		return 0;
	}
	if (str_eq(name, "exec") && argc > 2) {
		if (cgroup_attach_exec(cg, NULL, argv[0], getpid(), atoi(argv[1]), &error) < 0)
			return -1;
		execvp(argv[2], argv + 2);
	}
	return err_msg(&error, "no such verb: %s", name);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;
	if (str_eq(argv[1], "run") && argc > 3)
		return run(argc, argv);
	if (verb(argv[1], load(argv[2]), argc - 3, argv + 3) < 0)
		fail();
	return 0;
}
