/*
 * See modes.h. The supervisor: pid 1 of the namespaces, it never reads a byte of a blob. It makes
 * the directories, starts a worker a layer, as many at once as there are processors, and for a
 * layer that turned out to depend on what is below it, once that is there, a second one over the
 * merged view. What workers report is checked for its size and used as data only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/unpack/modes.h"
#include "oci/unpack/reply.h"
#include "oci/unpack/trees.h"
#include "oci/unpack/worker.h"

#define MAX_WORKERS 16

enum state { WAITING, RUNNING, NEEDS_LOWER, RUNNING_OVER, DONE };

struct task {
	enum state state;
	bool depends; /* finished over its lower layers */
	pid_t pid;
	int pipe;
	size_t got; /* bytes of the result */
	struct worker_result result;
};

struct supervisor {
	struct arena *a;
	const struct request *q;
	struct task *tasks;
	size_t running, max;
	uint64_t bytes; /* written so far */
};

static size_t processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : (size_t)n;
}

static char *path_in(struct arena *a, const char *name, const char *sub)
{
	return arena_printf(a, "%s/%s", name, sub);
}

/* A worker that ended without a result died of something: which signal tells what. */
static int died(const struct request_layer *l, int status, struct error *e)
{
	if (WIFSIGNALED(status))
		return err_msg(e, "unpack layer %.19s: the worker was killed by signal %d",
			       l->digest, WTERMSIG(status));
	return err_msg(e, "unpack layer %.19s: the worker ended without a result", l->digest);
}

static uint64_t bytes_left(const struct supervisor *s)
{
	return s->bytes < *s->q->max_bytes ? *s->q->max_bytes - s->bytes : 0;
}

static int start(struct supervisor *s, size_t i, struct error *e)
{
	const struct request_layer *l = &s->q->layers[i];
	struct task *t = &s->tasks[i];
	struct worker_job job = { .request = s->q,
				  .layer = l,
				  .tree = path_in(s->a, l->name, "r"),
				  .max_bytes = bytes_left(s) };
	bool over = t->state == NEEDS_LOWER;
	int fd;

	if (over) {
		job.form = EXTRACT_APPLY;
		job.lower = ARENA_ARRAY(s->a, i + 1, char *);
		for (size_t k = 0; k < i; k++)
			job.lower[k] = path_in(s->a, s->q->layers[i - 1 - k].name, "r");
		job.work = path_in(s->a, l->name, "w");
		job.mountpoint = path_in(s->a, l->name, "m");
		if (file_remove_tree(AT_FDCWD, job.tree, e) < 0)
			return -1;
		if (mkdir(job.work, 0700) < 0 || mkdir(job.mountpoint, 0700) < 0)
			return err_sys(e, errno, "make directory %s", job.work);
	} else {
		job.form = EXTRACT_LAYER;
		job.bottom = i == 0;
	}
	fd = tree_make(job.tree, e);
	if (fd < 0)
		return -1;
	close(fd);
	memset(&t->result, 0, sizeof(t->result));
	t->got = 0;
	t->pid = worker_start(&job, &t->pipe, e);
	if (t->pid < 0)
		return -1;
	t->state = over ? RUNNING_OVER : RUNNING;
	s->running++;
	return 0;
}

static int send_layer(struct supervisor *s, size_t i, struct error *e)
{
	const struct task *t = &s->tasks[i];
	const struct extract_result *r = &t->result.extract;
	struct json_out *o = json_out_new(s->a, false);

	json_out_object(o);
	json_out_ki64(o, "layer", (int64_t)i);
	json_out_kbool(o, "independent", !t->depends && r->independent);
	/* Over its lower layers a layer's root got theirs. */
	json_out_kbool(o, "root_given", t->depends || r->root_given);
	json_out_kbool(o, "root_default", t->result.root_default);
	json_out_ki64(o, "entries", (int64_t)r->entries);
	json_out_ki64(o, "bytes", (int64_t)r->bytes);
	json_out_ki64(o, "diff_size", (int64_t)t->result.diff_size);
	json_out_ki64(o, "devices", (int64_t)r->devices);
	json_out_ki64(o, "xattrs", (int64_t)r->xattrs);
	json_out_ki64(o, "owners", (int64_t)r->owners);
	json_out_object_end(o);
	return reply_send(s->a, o, e);
}

/* A worker has closed its pipe. */
static int finish(struct supervisor *s, size_t i, struct error *e)
{
	const struct request_layer *l = &s->q->layers[i];
	struct task *t = &s->tasks[i];
	int status;

	close(t->pipe);
	s->running--;
	if (waitpid(t->pid, &status, 0) < 0)
		return err_sys(e, errno, "wait for a worker");
	if (t->got != sizeof(t->result))
		return died(l, status, e);
	t->result.error.msg[sizeof(t->result.error.msg) - 1] = 0;
	t->result.error.hint[sizeof(t->result.error.hint) - 1] = 0;
	if (t->result.status == EXTRACT_NEEDS_LOWER && t->state == RUNNING && i > 0) {
		t->state = NEEDS_LOWER;
		return 0;
	}
	if (t->result.status != 0) {
		*e = t->result.error;
		return -1;
	}
	s->bytes += t->result.extract.bytes;
	if (s->bytes > *s->q->max_bytes) {
		err_msg(e, "unpack: more than the %llu bytes allowed for an image",
			(unsigned long long)*s->q->max_bytes);
		return err_hint(e, "if you trust the image, raise MRUN_UNPACK_MAX_BYTES");
	}
	if (t->state == RUNNING_OVER) {
		t->depends = true;
		if (file_remove_tree(AT_FDCWD, path_in(s->a, l->name, "w"), e) < 0 ||
		    file_remove_tree(AT_FDCWD, path_in(s->a, l->name, "m"), e) < 0)
			return -1;
	}
	t->state = DONE;
	return send_layer(s, i, e);
}

/* Starts what can be started: first what waits for its lower layers and has them. */
static int start_next(struct supervisor *s, bool *ret_all_done, struct error *e)
{
	size_t n = s->q->layers_len, below = 0;

	while (below < n && s->tasks[below].state == DONE)
		below++;
	*ret_all_done = below == n;
	if (below < n && s->tasks[below].state == NEEDS_LOWER && start(s, below, e) < 0)
		return -1;
	for (size_t i = 0; i < n && s->running < s->max; i++)
		if (s->tasks[i].state == WAITING && start(s, i, e) < 0)
			return -1;
	return 0;
}

static int collect(struct supervisor *s, struct error *e)
{
	struct pollfd p[MAX_WORKERS + 1];
	size_t who[MAX_WORKERS + 1], n = 0;

	for (size_t i = 0; i < s->q->layers_len && n <= MAX_WORKERS; i++) {
		if (s->tasks[i].state != RUNNING && s->tasks[i].state != RUNNING_OVER)
			continue;
		who[n] = i;
		p[n++] = (struct pollfd){ .fd = s->tasks[i].pipe, .events = POLLIN };
	}
	if (poll(p, n, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, errno, "wait for the workers");
	for (size_t k = 0; k < n; k++) {
		struct task *t = &s->tasks[who[k]];
		char extra;
		ssize_t r;

		if (!p[k].revents)
			continue;
		r = t->got < sizeof(t->result)
			    ? read(t->pipe, (char *)&t->result + t->got, sizeof(t->result) - t->got)
			    : read(t->pipe, &extra, 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r > 0 && t->got < sizeof(t->result))
			t->got += (size_t)r;
		else if (r > 0)
			return err_msg(e, "a worker said more than it may");
		else if (finish(s, who[k], e) < 0)
			return -1;
	}
	return 0;
}

int mode_layers(struct arena *a, const struct request *q, struct error *e)
{
	struct supervisor s = { .a = a, .q = q, .max = processors() };
	bool done = false;

	s.tasks = ARENA_ARRAY(a, q->layers_len, struct task);
	for (size_t i = 0; i < q->layers_len; i++)
		s.tasks[i].state = q->layers[i].cached ? DONE : WAITING;
	/* On an error the workers still running die with this process, their pid 1. */
	for (;;) {
		if (start_next(&s, &done, e) < 0)
			return -1;
		if (done)
			return 0;
		if (collect(&s, e) < 0)
			return -1;
	}
}

int mode_flat(struct arena *a, const struct request *q, struct error *e)
{
	struct supervisor s = { .a = a, .q = q, .max = 1 };
	int fd = tree_make(q->name, e);

	if (fd < 0)
		return -1;
	close(fd);
	s.tasks = ARENA_ARRAY(a, q->layers_len, struct task);
	for (size_t i = 0; i < q->layers_len; i++) {
		struct worker_job job = { .request = q,
					  .layer = &q->layers[i],
					  .form = EXTRACT_APPLY,
					  .bottom = i == 0,
					  .tree = q->name,
					  .max_bytes = bytes_left(&s) };
		struct task *t = &s.tasks[i];

		t->pid = worker_start(&job, &t->pipe, e);
		if (t->pid < 0)
			return -1;
		t->state = RUNNING;
		s.running = 1;
		while (t->state == RUNNING)
			if (collect(&s, e) < 0)
				return -1;
	}
	return 0;
}
