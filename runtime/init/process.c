/*
 * See process.h. The order (runc's, and DESIGN's): standard streams, working directory, bounding
 * set, filter if it may be loaded with rights only, groups, uid, capabilities, no_new_privs, filter
 * otherwise, then the program is looked for as the user that will run it.
 */
#include "runtime/init/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/attributes.h"
#include "runtime/init/seccomp.h"
#include "runtime/init/user.h"
#include "runtime/shim/shim.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

int process_open_proc(struct error *e)
{
	_cleanup_fd_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs s;

	if (fd < 0)
		return err_sys(e, errno, "open /proc");
	if (fstatfs(fd, &s) < 0 || s.f_type != PROC_SUPER_MAGIC)
		return err_msg(e, "/proc is not a procfs");
	return fd_take(&fd);
}

int process_limits(const struct process_plan *p, pid_t pid, struct error *e)
{
	for (size_t i = 0; i < p->rlimits_len; i++) {
		const struct rlimit64_plan *r = &p->rlimits[i];

		if (prlimit(pid, (enum __rlimit_resource)r->resource, &r->lim, NULL) == 0)
			continue;
		/* Many hosts allow no more than they have: runc goes on without it, too. */
		if (r->resource == RLIMIT_MEMLOCK && errno == EPERM)
			continue;
		err_sys(e, errno, "process.rlimits[%zu]: set %s to %llu (hard %llu)", i,
			p->spec->rlimits[i].type, (unsigned long long)r->lim.rlim_cur,
			(unsigned long long)r->lim.rlim_max);
		if (e->code == EPERM)
			err_hint(e, "raising a hard limit needs CAP_SYS_RESOURCE: ulimit -H shows "
				    "the limits of the shell you started from");
		return -1;
	}
	return 0;
}

void process_reset_signals(bool dispositions)
{
	static const char kernel_default[64]; /* struct sigaction as the kernel has it: SIG_DFL */
	sigset_t none;

	/* All that the caller may ignore. (KILL and STOP refuse.) The C library's own two, which
	 * its sigaction(3) does not touch, are looked at nowhere else: seen ignored by a caller. */
	for (int sig = 1; sig <= 64; sig++)
		if (dispositions || sig == 32 || sig == 33)
			syscall(SYS_rt_sigaction, sig, &kernel_default, NULL, 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void join_session_keyring(const struct process_plan *p)
{
	/* A kernel without keyrings, a filter that forbids them or a full quota: no reason not to
	 * run. The container just keeps the caller's. */
	long id = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, p->session_keyring, 0, 0, 0);

	if (id < 0)
		return;
	/* So that exec finds it as well (runc does so): its owner may search it, or, where exec's
	 * caller is none that the user namespace knows, everybody (keyctl_setperm(3)). The rest is
	 * what the kernel gives a session keyring. */
	syscall(SYS_keyctl, KEYCTL_SETPERM, id, 0x3f130000 | (p->user_namespace ? 0x8 : 0x80000), 0,
		0);
}

int process_prepare(struct process_plan *p, int proc, struct error *e)
{
	if (p->session_keyring)
		join_session_keyring(p);
	if (proc >= 0 && attributes_write_proc(p, proc, e) < 0)
		return -1;
	return attributes_apply(p, e);
}

/* The working directory must be inside the root: a descriptor of the host that leaked in could be
 * named by cwd (/proc/self/fd/7 was CVE-2024-21626's), and getcwd(2) then says so. */
static int enter_cwd(const struct process_plan *p, bool make, struct error *e)
{
	char buf[4096];

	if (p->in_root && str_eq(p->cwd, "/"))
		return 0;
	if (chdir(p->cwd) < 0) {
		if (errno == ENOENT && make) {
			_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
			int dir = root < 0 ? -1 : path_mkdirs_in_root(root, p->cwd, 0755, e);

			if (dir < 0)
				return err_wrap(e, "make the working directory %s", p->cwd);
			close(dir);
			if (chdir(p->cwd) == 0)
				goto check;
		}
		return err_sys(e, errno, "chdir to the working directory %s", p->cwd);
	}
check:
	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0)
		return err_sys(e, errno, "find the working directory %s", p->cwd);
	if (buf[0] != '/')
		return err_msg(e, "the working directory %s lies outside the container's root",
			       p->cwd);
	return 0;
}

/* *KNOWN becomes the capabilities that this kernel has. */
static int drop_bounding(const struct process_plan *p, uint64_t *known, struct error *e)
{
	*known = ~0ULL;
	for (int cap = 0; cap < 64; cap++) {
		bool keep = (p->caps.bounding & 1ULL << cap) != 0;

		/* Up to CAP_CHECKPOINT_RESTORE every kernel with openat2 has them. */
		if (keep && cap <= CAP_CHECKPOINT_RESTORE)
			continue;
		if (prctl(keep ? PR_CAPBSET_READ : PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno != EINVAL)
				return err_sys(e, errno, "drop capability %d from the bounding set",
					       cap);
			*known = (1ULL << cap) - 1;
			break;
		}
	}
	return 0;
}

static int set_capabilities(struct process_plan *p, uint64_t known, struct error *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	uint64_t eff = p->caps.effective & known, perm = p->caps.permitted & known,
		 inh = p->caps.inheritable & known, amb = p->caps.ambient & known;
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)eff, (uint32_t)perm, (uint32_t)inh },
		{ (uint32_t)(eff >> 32), (uint32_t)(perm >> 32), (uint32_t)(inh >> 32) },
	};

	if (syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "set the capabilities");
	/* capset(2) left of them what is both permitted and inheritable (capabilities(7)). */
	if ((perm & inh) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 &&
	    errno != EINVAL)
		return err_sys(e, errno, "clear the ambient capabilities");
	for (unsigned long cap = 0; cap < 64; cap++)
		if (amb & 1ULL << cap && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			p->ambient_missing |= 1ULL << cap;
	return 0;
}

/* A program that runs as another user opens /dev/stdout like any file: a pipe must be that user's
 * then (runc gives it to him as well). Not a terminal, a device or a file: those are the caller's.
 * Where the owner is not mapped this is not allowed, and the program has what it has. */
static void give_pipes(const struct process_plan *p)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != p->uid &&
		    fchown(fd, p->uid, (gid_t)-1) < 0)
			return;
}

static int change_user(const struct process_plan *p, struct error *e)
{
	if (p->uid != 0)
		give_pipes(p);
	if (p->setgroups_allowed) {
		if (!(p->no_groups && p->groups_len == 0) &&
		    setgroups(p->groups_len, p->groups) < 0)
			return err_sys(e, errno, "setgroups");
	} else if (p->groups_len) {
		return err_msg(e, "process.user.additionalGids: supplementary groups cannot be set "
				  "with a single mapped id");
	}
	if (p->ids_are_zero && p->uid == 0 && p->gid == 0)
		return 0;
	if (setresgid(p->gid, p->gid, p->gid) < 0) {
		err_sys(e, errno, "change to group %u", p->gid);
		return err_hint(e, "the group is not mapped in the user namespace: give a larger "
				   "range in /etc/subgid");
	}
	if (setresuid(p->uid, p->uid, p->uid) < 0) {
		err_sys(e, errno, "change to user %u", p->uid);
		return err_hint(e, "the user is not mapped in the user namespace: give a larger "
				   "range in /etc/subuid");
	}
	return 0;
}

/* docker's USER, looked up in the container's files, and HOME from there. */
static int resolve_user(struct arena *a, struct process_plan *p, struct error *e)
{
	_cleanup_fd_ int own = -1;
	int root = p->root_fd;
	struct user_result u = { 0 };
	bool have_home = false;
	size_t at = 0;

	/* An empty one counts as none (runc does so). */
	while (p->env[at] && !str_has_prefix(p->env[at], "HOME="))
		at++;
	have_home = p->env[at] && p->env[at][strlen("HOME=")];
	if (!p->user && (have_home || !p->set_home))
		return 0;
	if (root < 0)
		root = own = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "open the container's root");
	if (p->user) {
		if (user_resolve(a, root, p->user, p->group_add, &u, e) < 0)
			return -1;
		p->uid = u.uid;
		p->gid = u.gid;
		p->groups = u.groups;
		p->groups_len = u.groups_len;
		if (!p->setgroups_allowed)
			p->groups_len = 0;
	} else if (user_home(a, root, p->uid, &u.home, e) < 0) {
		return -1;
	}
	if (!have_home && p->set_home) {
		size_t n = str_list_len(p->env);
		char **env = ARENA_ARRAY(a, n + 2, char *);

		memcpy(env, p->env, n * sizeof(char *));
		env[at] = arena_printf(a, "HOME=%s", u.home ? u.home : "/");
		p->env = env;
	}
	return 0;
}

static const char *env_path(char **env)
{
	for (; *env; env++)
		if (str_has_prefix(*env, "PATH="))
			return *env + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* The words are Go's: clients of runc match them to exit codes 126 and 127. */
static const char *find_program(struct arena *a, const struct process_plan *p, struct error *e)
{
	const char *name = p->args[0];
	bool denied = false;
	char **dirs;

	if (strchr(name, '/'))
		return name;
	dirs = str_split(a, env_path(p->env), ':');
	for (; *dirs; dirs++) {
		const char *path = arena_printf(a, "%s/%s", **dirs ? *dirs : ".", name);
		struct stat st;

		if (stat(path, &st) < 0 || S_ISDIR(st.st_mode))
			continue;
		if (faccessat(AT_FDCWD, path, X_OK, 0) == 0)
			return path;
		denied = true;
	}
	if (denied) {
		err_msg(e, "exec: \"%s\": permission denied", name);
		e->exit_code = ERR_EXIT_NOT_EXEC;
		err_hint(e, "the file is in $PATH and not executable: chmod +x it in the image");
	} else {
		err_msg(e, "exec: \"%s\": executable file not found in $PATH", name);
		e->exit_code = ERR_EXIT_NOT_FOUND;
		err_hint(e, "PATH in the container is %.300s", env_path(p->env));
	}
	return NULL;
}

int process_refuses(const char *path)
{
	struct stat st;

	/* Any other error is a filter's, or one that only execve itself can judge. */
	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES
			       ? errno
			       : 0;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && errno == EACCES ? EACCES : 0;
}

static int load_filter(const struct process_plan *p, int *ret_notify, struct error *e)
{
	int fd;

	if (!p->seccomp.prog.len)
		return 0;
	fd = seccomp_filter_load(&p->seccomp, e);
	if (fd < 0)
		return -1;
	if (p->seccomp.notify)
		*ret_notify = fd;
	return 0;
}

/* A profile may know execve only; then the container's own /proc leads to the shim. */
static bool needs_proc(const struct process_plan *p)
{
	return p->seccomp.prog.len && !p->seccomp.allows_execveat;
}

/* Were /proc the image's own files, one of them would be executed with the socket to mrun open. */
static int check_proc(struct error *e)
{
	_cleanup_fd_ int proc = process_open_proc(e);

	return proc < 0 ? err_wrap(e, "the seccomp profile forbids execveat(2), and without it")
			: 0;
}

/* What a filter may forbid and nobody would look for in a profile. All descriptors go but the
 * requested ones: the caller may have left some open (CVE-2024-21626). The first process has closed
 * them when it entered its root. */
static int settle_before_filter(const struct process_plan *p, struct error *e)
{
	if (!p->in_root || p->umask != 0022)
		umask(p->umask);
	/* From here on it is the socket that tells of mrun's end. */
	if (p->goes_on && prctl(PR_SET_PDEATHSIG, 0) < 0)
		return err_sys(e, errno, "prctl");
	if (!p->in_root &&
	    syscall(SYS_close_range, 3U + (unsigned)p->preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, errno, "close_range");
	return 0;
}

int process_drop(struct arena *a, struct process_plan *p, int *ret_notify, const char **ret_path,
		 struct error *e)
{
	uint64_t known = 0;
	bool in_cwd;

	*ret_notify = -1;
	if (resolve_user(a, p, e) < 0 || (needs_proc(p) && check_proc(e) < 0))
		return -1;
	if (p->label_file && (p->label_proc = process_open_proc(e)) < 0)
		return err_wrap(e, "set the security label");
	/* Before the change of user, who may not be allowed to make it; else after it, since root
	 * of a user namespace may not be allowed to enter what the user owns. */
	in_cwd = enter_cwd(p, !p->existing_cwd, e) == 0;
	if (!in_cwd && e->code != EACCES && e->code != EPERM)
		return -1;
	if (drop_bounding(p, &known, e) < 0 || settle_before_filter(p, e) < 0)
		return -1;
	if (!p->no_new_privs && load_filter(p, ret_notify, e) < 0)
		return -1;
	if (p->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep the capabilities");
	if (change_user(p, e) < 0)
		return -1;
	/* Which has taken it back; and a filter may forbid it. */
	if (p->ends_with_mrun && (p->uid || p->gid) && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, errno, "prctl");
	if (!in_cwd && enter_cwd(p, false, e) < 0)
		return -1;
	if (set_capabilities(p, known, e) < 0)
		return -1;
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "set no_new_privs");
	*ret_path = find_program(a, p, e);
	if (!*ret_path)
		return -1;
	return p->no_new_privs ? load_filter(p, ret_notify, e) : 0;
}

bool process_can_join(const struct process_plan *p, bool terminal)
{
	static const struct {
		uint64_t a0, a1;
		int nr;
		bool terminal;
	} calls[] = {
		{ CLONE_PARENT | SIGCHLD, 0, SYS_clone, false },
		{ 0, 0, SYS_setsid, false },
		{ 0, 0, SYS_read, false },
		{ 0, 0, SYS_write, false },
		{ 0, 0, SYS_close, false },
		{ 0, 0, SYS_exit_group, false },
		{ 0, TIOCSCTTY, SYS_ioctl, true },
	};

	if (needs_proc(p)) /* /proc/self is not there before we are in the namespace */
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if ((terminal || !calls[i].terminal) &&
		    !seccomp_filter_allows(&p->seccomp, calls[i].nr, calls[i].a0, calls[i].a1))
			return false;
	return true;
}

static void process_flags(const struct process_plan *p, const struct process_call *call, char *at)
{
	if (call->join && call->terminal)
		*at++ = SHIM_TERMINAL;
	if (call->join)
		*at++ = SHIM_JOIN;
	if (p->label_file)
		*at++ = SHIM_LABEL;
	*at++ = p->init ? SHIM_INIT : SHIM_PLAIN;
	*at = 0;
}

int process_exec(struct arena *a, const struct process_plan *p, const char *path,
		 const struct process_call *call, struct error *e)
{
	size_t n = str_list_len(p->args);
	bool label = p->label_file != NULL;
	char **argv = ARENA_ARRAY(a, n + 3, char *);
	char flags[8];

	process_flags(p, call, flags);
	argv[0] = call->join ? arena_printf(a, "%s:%d:%d:%d:%s", flags, call->report_fd,
					    call->sync_fd, call->wait_fd, path)
			     : arena_printf(a, "%s:%d:%s", flags, call->report_fd, path);
	if (label)
		argv[1] = arena_printf(a, "%d:%s:%s%s", p->label_proc, p->label_file,
				       p->label_prefix, p->label);
	memcpy(argv + 1 + label, p->args, n * sizeof(char *));
	fcntl(call->report_fd, F_SETFD, 0);
	if (call->join) {
		fcntl(call->sync_fd, F_SETFD, 0);
		fcntl(call->wait_fd, F_SETFD, 0);
	}
	if (label)
		fcntl(p->label_proc, F_SETFD, 0);
	if (needs_proc(p))
		execve(path_of_fd(p->shim_fd), argv, p->env);
	else
		syscall(SYS_execveat, p->shim_fd, "", argv, p->env, AT_EMPTY_PATH);
	err_sys(e, errno, "exec %s", p->args[0]);
	e->exit_code = ERR_EXIT_NOT_EXEC;
	return -1;
}
