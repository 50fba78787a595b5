/* Reading and writing a cgroup's small files, and making and removing its directory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

#ifndef SYS_setxattrat /* Linux 6.13; the same number on every architecture */
#define SYS_setxattrat 463
#endif

/* A parent that we had to make carries this, so that whichever container is the last one below it
 * takes it away. Only root may set trusted.*; user.* is v2's (Linux 5.7). */
static const char *const marks[] = { "trusted.mrun", "user.mrun" };

#define PLACE "/sys/fs/cgroup/"

static int place = -1;

void cg_place_open(void)
{
	if (place < 0)
		place = open(PLACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void cg_place_close(void)
{
	fd_closep(&place);
	place = -1;
}

/* Where *PATH starts from; it is shortened accordingly. */
static int start_of(const char **path)
{
	if (place < 0 || !str_has_prefix(*path, PLACE))
		return AT_FDCWD;
	*path += strlen(PLACE);
	return place;
}

int cg_open(const char *dir, const char *file, int flags)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%s", dir, *file ? "/" : "", file);
	const char *p = path;
	int at;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	at = start_of(&p);
	return openat(at, p, flags | O_CLOEXEC);
}

int cg_access(const char *dir)
{
	int at = start_of(&dir);

	return faccessat(at, dir, F_OK, 0);
}

static int cg_mkdir(const char *dir)
{
	int at = start_of(&dir);

	return mkdirat(at, dir, 0755);
}

/* setxattrat(2), Linux 6.13. */
static int cg_setxattr(const char *dir, const char *name)
{
	const struct {
		uint64_t value;
		uint32_t size, flags;
	} args = { (uint64_t)(uintptr_t) "1", 1, 0 };
	const char *p = dir;
	int at = start_of(&p);

	if (at != AT_FDCWD) {
		long r = syscall(SYS_setxattrat, at, p, 0, name, &args, sizeof(args));

		if (r == 0 || errno != ENOSYS)
			return (int)r;
	}
	return setxattr(dir, name, "1", 1, 0);
}

void cg_sleep_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

ssize_t cg_read(const char *dir, const char *file, char *buf, size_t len)
{
	_cleanup_fd_ int fd = cg_open(dir, file, O_RDONLY);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < len - 1) {
		ssize_t r = read(fd, buf + n, len - 1 - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
		/* What the kernel shows of these files ends with a newline: saves the read of 0. */
		if (buf[n - 1] == '\n' && n < 256)
			break;
	}
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return (ssize_t)n;
}

int cg_write(const char *dir, const char *file, const char *value)
{
	_cleanup_fd_ int fd = cg_open(dir, file, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

bool cg_read_key(const char *dir, const char *file, const char *key, uint64_t *ret)
{
	char buf[16384], *save = NULL;
	size_t len = strlen(key);

	if (cg_read(dir, file, buf, sizeof(buf)) < 0)
		return false;
	for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strncmp(l, key, len) == 0 && l[len] == ' ')
			return str_to_u64(l + len + 1, UINT64_MAX, ret);
	return false;
}

static void set_mark(const char *dir)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (cg_setxattr(dir, marks[i]) == 0)
			return;
}

bool cg_marked(const char *dir)
{
	char value[8];

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (getxattr(dir, marks[i], value, sizeof(value)) >= 0)
			return true;
	return false;
}

/* systemd's CGROUP_DELEGATION.md; user.* since 251. Only root may read trusted.*. */
bool cg_delegated(const char *dir)
{
	static const char *const names[] = { "user.delegate", "trusted.delegate" };
	char value[2];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (getxattr(dir, names[i], value, sizeof(value)) == 1 && *value == '1')
			return true;
	return false;
}

bool cg_is_unit(const char *dir)
{
	return str_has_suffix(dir, ".scope") || str_has_suffix(dir, ".service");
}

bool cg_alone(const char *dir)
{
	char buf[64] = "", own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	return cg_read(dir, "cgroup.procs", buf, sizeof(buf)) > 0 && str_eq(buf, own);
}

char *hierarchy_dir(struct arena *a, const struct hierarchy *h, const char *path)
{
	return arena_printf(a, "%s%s", h->mount, str_eq(path, "/") ? "" : path);
}

/* Makes the parents of H->dir below the mount. Another mrun may take an empty one away meanwhile:
 * the caller tries again. */
static int mkdir_parents(const struct hierarchy *h, struct error *e)
{
	char path[PATH_MAX];
	size_t len = strlen(h->dir), mount = strlen(h->mount);

	if (len >= sizeof(path))
		return err_sys(e, ENAMETOOLONG, "make cgroup %s", h->dir);
	memcpy(path, h->dir, len + 1);
	for (char *p = path + mount + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (cg_mkdir(path) == 0) {
			set_mark(path);
		} else if (errno != EEXIST) {
			return err_sys(e, errno, "make cgroup %s", path);
		}
		*p = '/';
	}
	return 0;
}

/* All that will have to be made above the container's directories. */
static int note_parents(struct cgroup *cg, struct error *e)
{
	cgroup_note *note = cg->note;

	if (!note)
		return 0;
	cg->note = NULL;
	for (size_t i = 0; i < cg->n; i++) {
		struct hierarchy *h = &cg->h[i];
		const char *up = h->path;

		while (h->state == HIER_PLANNED && !str_eq(up, "/")) {
			up = layout_parent(cg->arena, up);
			if (cg_access(hierarchy_dir(cg->arena, h, up)) == 0 || errno != ENOENT)
				break;
			h->top = up;
		}
	}
	return note(cg->note_ctx, e);
}

int hierarchy_mkdir(struct cgroup *cg, struct hierarchy *h, struct error *e)
{
	for (int tries = 0; tries < 10; tries++) {
		if (cg_mkdir(h->dir) == 0) {
			h->unmarked = true;
			h->state = HIER_MADE;
			return 0;
		}
		if (errno == EEXIST) {
			h->state = HIER_FOREIGN;
			return 0;
		}
		if (errno != ENOENT)
			return err_sys(e, errno, "make cgroup %s", h->dir);
		h->state = HIER_PLANNED;
		if (note_parents(cg, e) < 0 || (mkdir_parents(h, e) < 0 && e->code != ENOENT))
			return -1;
	}
	return err_sys(e, ENOENT, "make cgroup %s", h->dir);
}

void hierarchy_mark(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->h[i].unmarked)
			set_mark(cg->h[i].dir);
		cg->h[i].unmarked = false;
	}
}

/* Fails while another container is below it; another error is asked about again. */
static bool remove_parent(const char *path)
{
	for (int tries = 0; tries < 3; tries++) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return true;
		if (errno == EBUSY || errno == ENOTEMPTY)
			break;
	}
	return false;
}

void hierarchy_remove_parents(const struct hierarchy *h)
{
	char path[PATH_MAX];
	size_t mount = strlen(h->mount), ours = h->top ? mount + strlen(h->top) : PATH_MAX;
	int n = snprintf(path, sizeof(path), "%s", h->dir);

	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	for (;;) {
		char *slash = strrchr(path, '/');

		if (!slash || (size_t)(slash - path) <= mount)
			return;
		*slash = 0;
		if (strlen(path) < ours && !cg_marked(path))
			return;
		if (!remove_parent(path))
			return;
	}
}
