/* See state.h. */
#include "runtime/container/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/cgroup/cgroup.h"

#define STATE_MAX (16u * 1024 * 1024)
#define LOCK_WAIT_MS 10000
#define SHARED_WAIT_MS 2000
#define INIT_FILE "init"
#define RECORD_FILE "state.json"

static const struct json_field record_fields[] = {
	JF(container_record, oci_version, "ociVersion", J_STR, 0),
	JF(container_record, id, "id", J_STR, J_REQUIRED),
	JF(container_record, bundle, "bundle", J_STR, 0),
	JF(container_record, rootfs, "rootfs", J_STR, 0),
	JF(container_record, created, "created", J_STR, 0),
	JF(container_record, owner, "owner", J_I64, J_ALWAYS),
	JF_L(container_record, annotations, "annotations", J_MAP, 0, NULL),
	JF(container_record, cgroup, "cgroup", J_RAW, 0),
	JF(container_record, hooks, "hooks", J_BOOL, 0),
	JF(container_record, image, "image", J_BOOL, 0),
	JF(container_record, user, "user", J_STR, 0),
	JF(container_record, group_add, "groupAdd", J_STRS, 0),
	JF(container_record, default_seccomp, "defaultSeccomp", J_BOOL, 0),
	JF(container_record, stop_signal, "stopSignal", J_STR, 0),
	JF(container_record, slot, "slot", J_STR, 0),
	JF(container_record, new_pid_namespace, "newPidNamespace", J_BOOL, 0),
	JF(container_record, no_new_keyring, "noNewKeyring", J_BOOL, 0),
	{ .key = NULL },
};
JSON_TYPE(container_record_type, container_record, record_fields);

enum lock_kind { LOCK_NONE, LOCK_SHARED, LOCK_ALONE };

/* Locks FD; a holder that works for longer than we wait is an error. */
static int lock(int fd, const char *id, struct error *e)
{
	struct timespec pause = { 0, 5000000 };

	for (int waited = 0;; waited += 5) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR && errno != ENOMEM)
			return err_sys(e, errno, "lock container %s", id);
		if (waited >= LOCK_WAIT_MS) {
			err_msg(e, "container %s is being worked on by another mrun", id);
			e->code = EBUSY;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

/* Whoever works on the container for longer than this may have started us (a hook that calls exec).
 */
static void lock_shared(int fd)
{
	struct timespec pause = { 0, 5000000 };

	for (int waited = 0; waited < SHARED_WAIT_MS && flock(fd, LOCK_SH | LOCK_NB) < 0;
	     waited += 5)
		nanosleep(&pause, NULL);
}

/* What is between the record, which has no empty line, and the configuration. */
#define SEPARATOR "\n\n"

char *state_record_text(struct arena *a, const struct container_record *r, size_t *ret_len)
{
	char *record = json_write(a, &container_record_type, r, false, ret_len), *text;

	if (!r->config)
		return record;
	text = arena_alloc(a, *ret_len + strlen(SEPARATOR) + r->config_len + 1);
	memcpy(text, record, *ret_len);
	memcpy(text + *ret_len, SEPARATOR, strlen(SEPARATOR));
	*ret_len += strlen(SEPARATOR);
	memcpy(text + *ret_len, r->config, r->config_len);
	*ret_len += r->config_len;
	return text;
}

/* By rename, as others may look while we write. Nobody else writes here: the name is free. */
static int write_record(int dir, const char *text, size_t len, struct error *e)
{
	_cleanup_fd_ int fd = openat(dir, RECORD_FILE ".new",
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "create %s", RECORD_FILE);
	if (file_write_all(fd, text, len, RECORD_FILE, e) < 0)
		return -1;
	if (renameat(dir, RECORD_FILE ".new", dir, RECORD_FILE) < 0)
		return err_sys(e, errno, "replace %s", RECORD_FILE);
	return 0;
}

/* JSON cannot hold a name that is not: the record could not be read again, the container not
 * deleted. */
static bool is_text(const char *name)
{
	for (size_t n; name && *name; name += n) {
		n = str_utf8_length(name, strlen(name));
		if (!n)
			return false;
	}
	return true;
}

int state_new(struct cmd_context *c, const char *id, const struct container_record *record,
	      struct container *ret, struct error *e)
{
	const char *root, *dir;
	int r;
	_cleanup_fd_ int fd = -1;
	char *text;
	size_t len;

	if (state_check_id(id, e) < 0)
		return -1;
	if (!is_text(record->bundle) || !is_text(record->rootfs) || !is_text(record->slot)) {
		err_msg(e,
			"container %s: the path of its bundle or of its files is not UTF-8, which "
			"JSON cannot hold",
			id);
		return err_hint(e, "give the directory another name");
	}
	/* Where it is is nobody's but ours to make, but for /tmp. */
	if (state_root_of_ours(c, &root, e) < 0 || (!root && !(root = state_root(c, true, e))))
		return -1;
	dir = arena_printf(c->arena, "%s/%s", root, id);
	r = mkdir(dir, 0700);
	if (r < 0 && errno == ENOENT) {
		if (!state_root(c, true, e))
			return -1;
		r = mkdir(dir, 0700);
	}
	if (r < 0) {
		if (errno == EEXIST) {
			err_msg(e, "container with given ID already exists: %s", id);
			e->code = EEXIST;
			return err_hint(e, "mrun delete %s removes it, or choose another name", id);
		}
		return err_sys(e, errno, "make the state directory %s/%s", root, id);
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err_sys(e, errno, "open the state directory %s/%s", root, id);
		rmdir(dir);
		return -1;
	}
	text = state_record_text(c->arena, record, &len);
	*ret = (struct container){ .id = id, .root = root, .dir_fd = fd };
	if (write_record(fd, text, len, e) < 0) {
		struct error ignored;

		file_remove_tree(AT_FDCWD, dir, &ignored);
		*ret = (struct container){ .dir_fd = -1 };
		return -1;
	}
	ret->record = (struct container_record *)(uintptr_t)record;
	ret->dir_fd = fd_take(&fd);
	return 0;
}

/* proc_pid_stat(5): the start time (field 22; 0 when it is gone or a zombie) and the signals below
 * 32 that are ignored (field 33). */
static uint64_t read_stat(const char *path, uint64_t *ret_ignored)
{
	char buf[1024], *p;
	uint64_t start = 0;
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')'); /* the name before it may hold anything */
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return 0;
	p += 2;
	for (int field = 3; field < 33; field++) {
		if (field == 22)
			start = strtoull(p, NULL, 10);
		p = strchr(p, ' ');
		if (!p)
			return 0;
		p++;
	}
	*ret_ignored = strtoull(p, NULL, 10);
	return start;
}

static uint64_t read_stat_of(pid_t pid, uint64_t *ret_ignored)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return read_stat(path, ret_ignored);
}

/* What an errno that was 0 before a failed look at a process says: it stays so for a zombie. */
static bool says_gone(void)
{
	return !errno || errno == ENOENT || errno == ESRCH;
}

uint64_t state_process_start_time(pid_t pid)
{
	uint64_t ignored;

	return read_stat_of(pid, &ignored);
}

bool state_ignores_signals(void)
{
	uint64_t ignored = ~0ULL;

	read_stat("/proc/self/stat", &ignored);
	return ignored != 0;
}

/* "PID STARTTIME" as the text of a link: it is there at once or not at all, by one call. What
 * cannot be looked at is not missing: the container would pass for stopped. */
static int read_init(struct container *ct, struct error *e)
{
	char text[64], *space;
	ssize_t n = readlinkat(ct->dir_fd, INIT_FILE, text, sizeof(text) - 1);
	uint64_t pid, start;

	if (n < 0 && errno != ENOENT)
		return err_sys(e, errno, "read the process of container %s", ct->id);
	text[n > 0 ? n : 0] = 0;
	space = strchr(text, ' ');
	if (space) {
		*space++ = 0;
		if (str_to_u64(text, INT32_MAX, &pid) && str_to_u64(space, UINT64_MAX, &start)) {
			ct->pid = (pid_t)pid;
			ct->start_time = start;
		}
	}
	ct->has_fifo = faccessat(ct->dir_fd, "exec.fifo", F_OK, 0) == 0;
	if (!ct->has_fifo && errno != ENOENT)
		return err_sys(e, errno, "look for the FIFO of container %s", ct->id);
	return 0;
}

static int load(struct arena *a, struct container *ct, struct error *e)
{
	char *text, *config;
	size_t len;

	if (file_read(a, ct->dir_fd, RECORD_FILE, STATE_MAX, &text, &len, e) < 0) {
		/* Made, and not written yet: a create that was killed in between. */
		ct->record = ARENA_NEW(a, struct container_record);
		ct->record->id = arena_strdup(a, ct->id);
		ct->record->owner = self_uid();
		return e->code == ENOENT ? 0 : -1;
	}
	config = strstr(text, SEPARATOR);
	if (config)
		*config = 0;
	ct->record = json_read(a, text, config ? (size_t)(config - text) : len,
			       &container_record_type, RECORD_FILE, e);
	if (!ct->record)
		return err_wrap(e, "container %s", ct->id);
	if (config) {
		ct->record->config = config + strlen(SEPARATOR);
		ct->record->config_len = len - (size_t)(ct->record->config - text);
	}
	return read_init(ct, e);
}

static int not_there(const char *id, struct error *e)
{
	err_msg(e, "container %s does not exist", id);
	e->code = ENOENT;
	return err_hint(e,
			"'mrun list' shows those of this user and --root; one of another user's is "
			"not among them");
}

/* Whether it was deleted while we waited for the lock. Asked again where the kernel has no answer:
 * who gives the container back must not leave it for that. */
static int is_removed(int fd, const char *id, struct error *e)
{
	struct stat st;

	for (int tries = 0; tries < 3; tries++)
		if (fstat(fd, &st) == 0)
			return st.st_nlink == 0;
	return err_sys(e, errno, "look at the state of container %s", id);
}

static int open_one(struct arena *a, const char *root, const char *id, enum lock_kind kind,
		    struct container *ret, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	int removed;

	if (state_check_id(id, e) < 0)
		return -1;
	*ret = (struct container){ .id = id, .root = root, .dir_fd = -1 };
	fd = open(arena_printf(a, "%s/%s", root, id),
		  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? not_there(id, e)
			       : err_sys(e, errno, "open the state of container %s", id);
	if (kind == LOCK_ALONE && lock(fd, id, e) < 0)
		return -1;
	ret->alone = kind == LOCK_ALONE;
	if (kind == LOCK_SHARED)
		lock_shared(fd);
	removed = is_removed(fd, id, e);
	if (removed < 0)
		return -1;
	if (removed)
		return not_there(id, e);
	ret->dir_fd = fd;
	if (load(a, ret, e) < 0)
		return -1;
	ret->dir_fd = fd_take(&fd);
	return 0;
}

int state_open(struct cmd_context *c, const char *id, struct container *ret, struct error *e)
{
	const char *root = state_root(c, false, e);

	return root ? open_one(c->arena, root, id, LOCK_ALONE, ret, e) : -1;
}

int state_open_shared(struct cmd_context *c, const char *id, struct container *ret, struct error *e)
{
	const char *root = state_root(c, false, e);

	return root ? open_one(c->arena, root, id, LOCK_SHARED, ret, e) : -1;
}

int state_peek(struct arena *a, const char *root, const char *id, struct container *ret,
	       struct error *e)
{
	return open_one(a, root, id, LOCK_NONE, ret, e);
}

/* Tried again where memory is short: the others would wait for as long as we do. */
void state_unlock(struct container *ct)
{
	for (int i = 0; i < 2; i++)
		if (flock(ct->dir_fd, LOCK_UN) == 0)
			break;
}

int state_relock(struct container *ct, struct error *e)
{
	int removed;

	if (lock(ct->dir_fd, ct->id, e) < 0)
		return -1;
	removed = is_removed(ct->dir_fd, ct->id, e);
	if (removed <= 0)
		return removed;
	err_clear(e);
	e->code = ENOENT;
	return -1;
}

void state_close(struct container *ct)
{
	/* The container's first process has a copy of the descriptor until it executes its program,
	 * and the lock belongs to all copies: given back, not just closed. */
	if (ct->dir_fd >= 0)
		state_unlock(ct);
	fd_closep(&ct->dir_fd);
	ct->dir_fd = -1;
}

int state_write_init(struct container *ct, pid_t pid, bool *ret_ignores, struct error *e)
{
	char text[64];
	uint64_t ignored = ~0ULL;
	bool again = ct->pid > 0;

	ct->pid = pid;
	errno = 0;
	ct->start_time = read_stat_of(pid, &ignored);
	/* Without it the process would pass for gone. */
	if (!ct->start_time && !says_gone())
		return err_sys(e, errno, "look at process %d of container %s", (int)pid, ct->id);
	*ret_ignores = ignored != 0;
	snprintf(text, sizeof(text), "%d %llu", (int)pid, (unsigned long long)ct->start_time);
	if (symlinkat(text, ct->dir_fd, again ? INIT_FILE ".new" : INIT_FILE) < 0 ||
	    (again && renameat(ct->dir_fd, INIT_FILE ".new", ct->dir_fd, INIT_FILE) < 0))
		return err_sys(e, errno, "record the process of container %s", ct->id);
	return 0;
}

int state_remove(struct container *ct, struct error *e)
{
	static const char *const created[] = { INIT_FILE, "exec.fifo", "result.fifo", RECORD_FILE,
					       NULL };
	static const char *const image[] = { INIT_FILE, "config.json", RECORD_FILE, NULL };
	static const char *const kept[] = { INIT_FILE, "config.json", STATE_EXIT_FILE, RECORD_FILE,
					    NULL };
	static const char *const running[] = { INIT_FILE, RECORD_FILE, NULL };
	const struct container_record *r = ct->record;
	const char *const *file = r && r->image	 ? (r->slot ? kept : image)
				  : ct->has_fifo ? created
						 : running;
	char name[3 + STATE_ID_MAX + 1];
	_cleanup_fd_ int parent = -1;

	for (; *file; file++)
		unlinkat(ct->dir_fd, *file, 0);
	snprintf(name, sizeof(name), "../%s", ct->id);
	if (unlinkat(ct->dir_fd, name, AT_REMOVEDIR) == 0) {
		fd_closep(&ct->dir_fd);
		ct->dir_fd = -1;
		return 0;
	}
	/* Something else is in it, left by a crash; or it is gone. */
	parent = open(ct->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(e, errno, "open %s", ct->root);
	return file_remove_tree(parent, ct->id, e);
}

/* What cannot be looked at is not taken for gone: its record would be removed, and the process
 * would stay. */
static bool is_alive(const struct container *ct)
{
	uint64_t start;

	if (!ct->start_time)
		return false;
	errno = 0;
	start = state_process_start_time(ct->pid);
	return start ? start == ct->start_time : !says_gone();
}

enum status state_status(struct arena *a, const struct container *ct, bool complete)
{
	struct error ignored;
	struct cgroup *cg;

	if (!ct->pid && ct->alone)
		return STATUS_STOPPED;
	if (!ct->pid) {
		/* No process was recorded: somebody is at it right now, or it came to nothing. */
		int fd = openat(ct->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		bool busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;

		fd_closep(&fd);
		return busy ? STATUS_CREATING : STATUS_STOPPED;
	}
	if (!is_alive(ct))
		return STATUS_STOPPED;
	if (complete && ct->record->cgroup) {
		cg = cgroup_restore(a, ct->record->cgroup, &ignored);
		if (cg && cgroup_is_frozen(cg))
			return STATUS_PAUSED;
	}
	return ct->has_fifo ? STATUS_CREATED : STATUS_RUNNING;
}

const char *state_status_name(enum status s)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
					     "stopped" };

	return names[s];
}

char *state_json(struct arena *a, const struct container_record *r, const char *status, pid_t pid,
		 bool pretty)
{
	struct json_out *o = json_out_new(a, pretty);

	json_out_object(o);
	json_out_kstr(o, "ociVersion", r->oci_version ? r->oci_version : OCI_SPEC_VERSION);
	json_out_kstr(o, "id", r->id);
	if (pretty)
		json_out_ki64(o, "pid", pid);
	json_out_kstr(o, "status", status);
	if (!pretty && pid > 0)
		json_out_ki64(o, "pid", pid);
	json_out_kstr(o, "bundle", r->bundle ? r->bundle : "");
	if (pretty) {
		json_out_kstr(o, "rootfs", r->rootfs ? r->rootfs : "");
		json_out_kstr(o, "created", r->created ? r->created : "");
	}
	if (r->annotations_len) {
		json_out_str(o, "annotations");
		json_out_object(o);
		for (size_t i = 0; i < r->annotations_len; i++)
			json_out_kstr(o, r->annotations[i].key, r->annotations[i].value);
		json_out_object_end(o);
	}
	if (pretty)
		json_out_kstr(o, "owner", "");
	json_out_object_end(o);
	return json_out_finish(o, NULL);
}
