/*
 * Who is in the cgroup; signals to all of them; the end of the directory; exec into it.
 *
 * Killing must not lose to a fork bomb: v2's cgroup.kill does it in the kernel, else the cgroup is
 * frozen while the signals are sent (a frozen task cannot fork), and where there is no freezer the
 * round is repeated until nobody is left. Process ids are looked at once and signalled at once; 0
 * (a process outside our pid namespace) would mean ourselves and is left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/systemd.h"

#define PIDS_TEXT_MAX (64u << 20)
#define KILL_ROUNDS 100
#define KILL_FREEZE_MS 1000
#define MAX_DEPTH 128

struct pid_list {
	pid_t *items;
	size_t n, cap;
};

static void pid_add(struct arena *a, struct pid_list *l, pid_t pid)
{
	if (l->n == l->cap) {
		pid_t *bigger;

		l->cap = l->cap ? l->cap * 2 : 64;
		bigger = ARENA_ARRAY(a, l->cap, pid_t);
		if (l->n)
			memcpy(bigger, l->items, l->n * sizeof(*bigger));
		l->items = bigger;
	}
	l->items[l->n++] = pid;
}

/* A directory that goes away while it is looked at has no processes. */
static bool is_gone(int errnum)
{
	return errnum == ENOENT || errnum == ENODEV;
}

static int read_procs(struct arena *a, int dirfd, const char *name, struct pid_list *l,
		      struct error *e)
{
	char *text, *save = NULL;

	if (file_read(a, dirfd, "cgroup.procs", PIDS_TEXT_MAX, &text, NULL, e) < 0) {
		/* A threaded cgroup only lists threads. */
		if (e->code == EOPNOTSUPP &&
		    file_read(a, dirfd, "cgroup.threads", PIDS_TEXT_MAX, &text, NULL, e) == 0)
			err_clear(e);
		else if (is_gone(e->code))
			return err_clear(e), 0;
		else
			return err_wrap(e, "list the processes of cgroup %s", name);
	}
	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
		uint64_t pid;

		if (str_to_u64(s, INT_MAX, &pid) && pid)
			pid_add(a, l, (pid_t)pid);
	}
	return 0;
}

/* Calls itself for each child directory of FD, which is consumed; children are reached from the
 * parent's descriptor and never through a link. */
static int walk_pids(struct arena *a, int fd, const char *name, unsigned depth, struct pid_list *l,
		     struct error *e)
{
	struct stat st;
	struct dirent *de;
	DIR *d;
	int r = read_procs(a, fd, name, l, e);

	/* kernfs counts children in st_nlink: most cgroups need not be listed. */
	if (r < 0 || depth > MAX_DEPTH || (fstat(fd, &st) == 0 && st.st_nlink == 2)) {
		close(fd);
		return r;
	}
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(e, errno, "list cgroup %s", name);
	}
	while (r == 0 && (de = readdir(d))) {
		int sub;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = walk_pids(a, sub, name, depth + 1, l, e);
	}
	closedir(d);
	return r;
}

static int pids_of(struct arena *a, const char *dir, struct pid_list *l, struct error *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && is_gone(errno))
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "open cgroup %s", dir);
	return walk_pids(a, fd, dir, 0, l, e);
}

int cgroup_pids(struct arena *a, const struct cgroup *cg, pid_t **ret, size_t *ret_len,
		struct error *e)
{
	const struct hierarchy *h = cg_main(cg);
	struct pid_list l = { 0 };

	if (h && pids_of(a, h->dir, &l, e) < 0)
		return -1;
	*ret = l.items;
	*ret_len = l.n;
	return 0;
}

/* One round of signals; the number of processes that got one, -1 on error. */
static ssize_t signal_all(const struct hierarchy *h, int sig, struct error *e)
{
	struct arena a = { 0 };
	struct pid_list l = { 0 };
	ssize_t r = pids_of(&a, h->dir, &l, e);

	for (size_t i = 0; r >= 0 && i < l.n; i++) {
		if (l.items[i] == getpid())
			continue;
		if (kill(l.items[i], sig) == 0)
			r++;
		else if (errno != ESRCH)
			r = err_sys(e, errno, "send signal %d to process %d of cgroup %s", sig,
				    (int)l.items[i], h->dir);
	}
	arena_free(&a);
	return r;
}

/* v2, Linux 5.14: the kernel kills all of them at once, those being forked too. */
static bool kill_v2(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find_v2(cg);

	return h && hierarchy_joined(h) && cg_write(h->dir, "cgroup.kill", "1") == 0;
}

int cgroup_kill(const struct cgroup *cg, int sig, struct error *e)
{
	const struct hierarchy *h = cg_main(cg);
	struct error ignored;
	bool frozen, was_frozen, killed;
	ssize_t r;

	if (!h)
		return err_sys(e, ENOENT, "send signal %d: the container has no cgroup", sig);
	/* A frozen v1 task takes even SIGKILL only when it is thawed. */
	was_frozen = cgroup_is_frozen(cg);
	killed = sig == SIGKILL && kill_v2(cg);
	if (killed && h->v2)
		return 0;
	/* Killed on the v2 side of a hybrid host: the rounds below only look for strays. */
	frozen = was_frozen || (!killed && cg_freeze(cg, true, KILL_FREEZE_MS, &ignored) == 0);
	r = signal_all(h, sig, e);
	if (frozen && (!was_frozen || sig == SIGKILL))
		cg_freeze(cg, false, 0, &ignored);
	for (int i = 0; !frozen && sig == SIGKILL && r > 0 && i < KILL_ROUNDS; i++) {
		cg_sleep_us(1000);
		r = signal_all(h, sig, e);
	}
	return r < 0 ? -1 : 0;
}

/* Removes the children of FD (which is consumed), deepest first. */
static void remove_children(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;

	if (!d) {
		close(fd);
		return;
	}
	while ((de = readdir(d))) {
		int sub;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		if (unlinkat(fd, de->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && depth < MAX_DEPTH)
			remove_children(sub, depth + 1);
		unlinkat(fd, de->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

/* 0 when the directory is gone, else the errno. */
static int remove_once(const struct hierarchy *h)
{
	int fd;

	if (rmdir(h->dir) == 0 || is_gone(errno))
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return errno;
	/* Only below what is known to be ours. */
	if (h->state == HIER_MADE) {
		fd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			remove_children(fd, 0);
		if (rmdir(h->dir) == 0 || is_gone(errno))
			return 0;
	}
	return errno;
}

static int still_busy(const struct cgroup *cg, const struct hierarchy *h, int errnum,
		      struct error *e)
{
	struct pid_list l = { 0 };
	struct error ignored;
	char *who;

	(void)pids_of(cg->arena, h->dir, &l, &ignored);
	who = arena_strdup(cg->arena, "");
	for (size_t i = 0; i < l.n && i < 10; i++)
		who = arena_printf(cg->arena, "%s%s%d", who, i ? ", " : "", (int)l.items[i]);
	err_sys(e, errnum, "remove cgroup %s", h->dir);
	if (l.n)
		err_hint(e, "%zu process%s still in it: %s%s", l.n, l.n == 1 ? " is" : "es are",
			 who, l.n > 10 ? ", …" : "");
	return -1;
}

int cgroup_delete(const struct cgroup *cg, int timeout_ms, struct error *e)
{
	long waited_us = 0, step_us = 200;
	struct error unit;
	int r = 0, stopped = cg->systemd ? systemd_stop(cg, &unit) : 0;

	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];
		int errnum;

		if (h->state != HIER_MADE && h->state != HIER_PLANNED)
			continue;
		/* Another error than that of one in use is asked about a few times: nobody comes
		 * by later and removes it. */
		for (int others = 0; (errnum = remove_once(h)) && waited_us < timeout_ms * 1000L;) {
			if (errnum != EBUSY && ++others == 3)
				break;
			cg_sleep_us(step_us);
			waited_us += step_us;
			if (step_us < 50000)
				step_us *= 2;
		}
		/* What was only planned may never have been made, or be another's by now. */
		if (errnum && h->state == HIER_PLANNED)
			continue;
		/* Go on with the others: as little as possible shall stay. */
		if (errnum)
			r = still_busy(cg, h, errnum, e);
		else
			hierarchy_remove_parents(h);
	}
	/* Without its cgroup a unit is gone as well: the manager that is out of reach, because its
	 * user logged out, took both along. */
	if (r < 0 && stopped < 0)
		*e = unit;
	return r;
}

/* The cgroup of INIT_PID in the v2 hierarchy, provided that it lies in the container's. */
static const char *init_dir(const struct cgroup *cg, const struct hierarchy *h, pid_t init_pid)
{
	const char *proc = arena_printf(cg->arena, "/proc/%d", (int)init_pid);
	char buf[PATH_MAX + 4096], *line;
	size_t len = strlen(h->path);

	if (init_pid <= 0 || cg_read(proc, "cgroup", buf, sizeof(buf)) <= 0)
		return NULL;
	line = strncmp(buf, "0::", 3) == 0 ? buf : strstr(buf, "\n0::");
	if (!line)
		return NULL;
	line = strchr(line, '/');
	if (!line)
		return NULL;
	line[strcspn(line, "\n")] = 0;
	if (strncmp(line, h->path, len) != 0 || line[len] != '/')
		return NULL;
	return arena_printf(cg->arena, "%s%s", h->mount, line);
}

static int attach_by_systemd(const struct cgroup *cg, const struct hierarchy *h, const char *below,
			     pid_t pid, pid_t init_pid, struct error *e)
{
	const char *init;

	if (systemd_attach(cg, below, pid, e) == 0)
		return 0;
	/* It has made children of its cgroup: with its first process, then. */
	init = e->code == EBUSY && str_eq(below, "/") ? init_dir(cg, h, init_pid) : NULL;
	return init ? systemd_attach(cg, init + strlen(h->dir), pid, e) : -1;
}

static bool has_controller(struct arena *a, const struct hierarchy *h, const char *controller)
{
	if (!controller || !*controller)
		return true;
	return str_list_has(str_split(a, h->controllers, ','), controller);
}

int cgroup_attach_exec(const struct cgroup *cg, const char *controller, const char *sub, pid_t pid,
		       pid_t init_pid, struct error *e)
{
	char *below = path_clean(cg->arena, arena_printf(cg->arena, "/%s", sub ? sub : ""));
	const char *text = arena_printf(cg->arena, "%d", (int)pid);
	bool found = false, top = str_eq(below, "/");

	for (size_t i = 0; i < cg->n; i++) {
		const struct hierarchy *h = &cg->h[i];
		const char *dir = top ? h->dir : arena_printf(cg->arena, "%s%s", h->dir, below);
		int r;

		/* A controller by name is v1's; v2 has one hierarchy for all. */
		if (!hierarchy_joined(h) ||
		    (cg->layout == LAYOUT_V1 && !has_controller(cg->arena, h, controller)))
			continue;
		found = true;
		r = cg_write(dir, "cgroup.procs", text);
		if (r == -EBUSY && h->v2 && top) {
			const char *init = init_dir(cg, h, init_pid);

			if (init)
				r = cg_write(init, "cgroup.procs", text);
		}
		/* From another session's cgroup only systemd may move it. */
		if ((r == -EACCES || r == -EPERM) && cg->systemd)
			return attach_by_systemd(cg, h, below, pid, init_pid, e);
		/* Without root a container whose cgroup cannot be entered is entered without. */
		if ((r == -EACCES || r == -EPERM) && cg->rootless && top)
			continue;
		/* Hybrid: a path that was made on the v1 side only. */
		if (r == -ENOENT && h->v2 && cg->layout == LAYOUT_V1 && !top)
			continue;
		if (r < 0)
			return err_sys(e, -r, "move process %d into cgroup %s", (int)pid, dir);
	}
	if (!found && (!top || (controller && *controller)))
		return err_msg(
			e, "move process %d into cgroup %s%s%s: the container has no such cgroup",
			(int)pid, controller ? controller : "", controller ? ":" : "", below);
	return 0;
}
