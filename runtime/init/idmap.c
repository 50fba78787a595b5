/* See idmap.h. Helpers found on the host are looked up in a fixed list of directories and get no
 * environment: a PATH or an LD_PRELOAD of the caller's cannot put another program in their place.
 */
#include "runtime/init/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/init/host_program.h"
#include "runtime/init/idmap_helper.h"

#define INITIAL_USER_NAMESPACE 0xEFFFFFFDu /* linux/nsfs.h, USER_NS_INIT_INO */
#define SUBID_MAX_SIZE (4u * 1024 * 1024)
#define MAP_RECORD 64 /* a line of a map has three numbers of ten digits */

/* A file of the host's that need not be there: 1, 0 or -1. */
static int read_optional(struct arena *a, const char *file, char **ret, struct error *e)
{
	if (file_read(a, AT_FDCWD, file, SUBID_MAX_SIZE, ret, NULL, e) == 0)
		return 1;
	return e->code == ENOENT || e->code == ENOTDIR ? 0 : -1;
}

/* The user's name in the host's /etc/passwd, NULL: it has none. subuid(5) lists names or numbers.
 */
static int passwd_name(struct arena *a, uid_t uid, const char **ret, struct error *e)
{
	char *text;
	int r = read_optional(a, "/etc/passwd", &text, e);

	*ret = NULL;
	for (char *line = r > 0 ? text : NULL; line && *line;) {
		char *next = strchr(line, '\n');
		char **f;
		uint64_t id;

		if (next)
			*next++ = 0;
		f = str_split(a, line, ':');
		if (str_list_len(f) >= 4 && str_to_u64(f[2], UINT32_MAX, &id) && id == uid) {
			*ret = f[0];
			break;
		}
		line = next;
	}
	return r < 0 && e->code != EACCES ? -1 : 0;
}

int idmap_subordinate_range(struct arena *a, const char *file, uid_t uid, const char *name,
			    uint32_t *first, uint32_t *count, struct error *e)
{
	char *text, number[16];
	int r;

	*count = 0;
	snprintf(number, sizeof(number), "%u", uid);
	r = read_optional(a, file, &text, e);
	if (r <= 0)
		return r;
	for (char *line = text; line && *line;) {
		char *next = strchr(line, '\n');
		char **f;
		uint64_t start, n;

		if (next)
			*next++ = 0;
		f = str_split(a, line, ':');
		if (str_list_len(f) == 3 &&
		    (str_eq(f[0], number) || (name && str_eq(f[0], name))) &&
		    str_to_u64(f[1], UINT32_MAX, &start) && str_to_u64(f[2], UINT32_MAX, &n) &&
		    start > 0 && start + n <= UINT32_MAX && n > *count) {
			*first = (uint32_t)start;
			*count = (uint32_t)n;
		}
		line = next;
	}
	return *count > 0;
}

static void add(struct arena *a, struct oci_id_mapping **list, size_t *len, uint32_t container,
		uint32_t host, uint32_t size)
{
	struct oci_id_mapping *m = ARENA_ARRAY(a, *len + 1, struct oci_id_mapping);

	if (*len)
		memcpy(m, *list, *len * sizeof(*m));
	m[*len] = (struct oci_id_mapping){ container, host, size };
	*list = m;
	(*len)++;
}

void idmap_single(struct arena *a, uid_t uid, gid_t gid, struct idmap *ret)
{
	*ret = (struct idmap){ .single = true };
	add(a, &ret->uids, &ret->uids_len, uid, self_uid(), 1);
	add(a, &ret->gids, &ret->gids_len, gid, self_gid(), 1);
}

/* Whether ids FIRST.. are mapped in the namespace that we are in (root inside a container may
 * have fewer ids than the world). FILE is /proc/self/uid_map or gid_map. */
static bool range_mapped_here(struct arena *a, const char *file, uint32_t first, uint32_t count)
{
	struct error ignored;
	char *text, *save = NULL;

	if (file_read_proc(a, file, MAP_RECORD, 65536, &text, &ignored) < 0)
		return true;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t m[3]; /* inside, outside, how many */

		if (str_fields_u32(line, m, 3) && first >= m[0] &&
		    (uint64_t)first + count <= (uint64_t)m[0] + m[2])
			return true;
	}
	return false;
}

bool idmap_in_user_namespace(struct arena *a)
{
	static enum { UNKNOWN, NO, YES } known;

	struct stat st;

	if (known == UNKNOWN && stat("/proc/self/ns/user", &st) == 0 &&
	    st.st_ino == INITIAL_USER_NAMESPACE)
		known = NO;
	if (known == UNKNOWN)
		known = range_mapped_here(a, "/proc/self/uid_map", 0, UINT32_MAX) ? NO : YES;
	return known == YES;
}

/* The ids that this namespace maps, one to one, for root inside a container. The kernel takes no
 * range that spans two of the parent's, so each of them becomes one of ours. */
static void add_mapped_here(struct arena *a, const char *file, struct oci_id_mapping **list,
			    size_t *len)
{
	struct error ignored;
	char *text = NULL, *save = NULL;

	if (file_read_proc(a, file, MAP_RECORD, 65536, &text, &ignored) < 0)
		text = arena_strdup(a, "0 0 1");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t m[3]; /* inside, outside, how many */

		if (!str_fields_u32(line, m, 3) || m[0] >= IDMAP_RANGE)
			continue;
		if (m[2] > IDMAP_RANGE - m[0])
			m[2] = IDMAP_RANGE - m[0];
		add(a, list, len, m[0], m[0], m[2]);
	}
}

/* Root's own range in FILE, else IDMAP_ROOT_BASE. */
static int root_range(struct arena *a, const char *file, uint32_t *first, struct error *e)
{
	uint32_t count;

	if (idmap_subordinate_range(a, file, 0, "root", first, &count, e) < 0)
		return err_wrap(e, "find root's subordinate ids");
	if (count < IDMAP_RANGE)
		*first = IDMAP_ROOT_BASE;
	return 0;
}

static int root_default(struct arena *a, struct idmap *ret, struct error *e)
{
	uint32_t uid, gid;

	if (root_range(a, "/etc/subuid", &uid, e) < 0 || root_range(a, "/etc/subgid", &gid, e) < 0)
		return -1;
	if (!range_mapped_here(a, "/proc/self/uid_map", uid, IDMAP_RANGE) ||
	    !range_mapped_here(a, "/proc/self/gid_map", gid, IDMAP_RANGE)) {
		add_mapped_here(a, "/proc/self/uid_map", &ret->uids, &ret->uids_len);
		add_mapped_here(a, "/proc/self/gid_map", &ret->gids, &ret->gids_len);
		if (ret->uids_len != 1 || ret->uids[0].size != 1)
			return 0;
		idmap_single(a, 0, 0, ret);
		ret->lost = "the user namespace around us maps one id only: files of other owners "
			    "become yours and changing users fails";
		return 0;
	}
	add(a, &ret->uids, &ret->uids_len, 0, uid, IDMAP_RANGE);
	add(a, &ret->gids, &ret->gids_len, 0, gid, IDMAP_RANGE);
	return 0;
}

#define ONLY_YOURS                                                                       \
	": only your own id is mapped, files of other owners become yours and changing " \
	"users fails (mrun doctor says what mends it)"

/* RANGES[0] of users and [1] of groups: 1; 0: there are none, *ret_lost says why; -1: what could
 * not be found out (memory, descriptors, the disk) is no reason to run with other ids than the last
 * time. */
static int user_ranges(struct arena *a, struct oci_id_mapping *ranges, const char **ret_lost,
		       struct error *e)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	const char *name;

	if (!host_program(a, "newuidmap") || !host_program(a, "newgidmap")) {
		if (errno != ENOENT)
			return err_sys(e, errno, "look for newuidmap and newgidmap");
		*ret_lost = "newuidmap and newgidmap are not installed" ONLY_YOURS;
		return 0;
	}
	if (passwd_name(a, self_uid(), &name, e) < 0)
		return err_wrap(e, "find your subordinate ids");
	for (size_t i = 0; i < 2; i++) {
		int r = idmap_subordinate_range(a, files[i], self_uid(), name, &ranges[i].host_id,
						&ranges[i].size, e);

		if (r > 0)
			continue;
		if (r < 0 && e->code != EACCES)
			return err_wrap(e, "find your subordinate ids");
		*ret_lost = r == 0 ? "no subordinate ids in /etc/subuid and /etc/subgid" ONLY_YOURS
				   : arena_printf(a, "%s" ONLY_YOURS, e->msg);
		err_clear(e);
		return 0;
	}
	return 1;
}

int idmap_default(struct arena *a, struct idmap *ret, struct error *e)
{
	struct oci_id_mapping ranges[2] = { 0 };
	const char *lost = NULL;
	int r;

	*ret = (struct idmap){ 0 };
	if (self_uid() == 0)
		return root_default(a, ret, e);
	r = user_ranges(a, ranges, &lost, e);
	if (r < 0)
		return -1;
	if (r == 0) {
		idmap_single(a, 0, 0, ret);
		ret->lost = lost;
		return 0;
	}
	add(a, &ret->uids, &ret->uids_len, 0, self_uid(), 1);
	add(a, &ret->uids, &ret->uids_len, 1, ranges[0].host_id, ranges[0].size);
	add(a, &ret->gids, &ret->gids_len, 0, self_gid(), 1);
	add(a, &ret->gids, &ret->gids_len, 1, ranges[1].host_id, ranges[1].size);
	return 0;
}

static int64_t host_id(const struct oci_id_mapping *m, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= m[i].container_id && id - m[i].container_id < m[i].size)
			return (int64_t)m[i].host_id + (id - m[i].container_id);
	return -1;
}
int64_t idmap_host_uid(const struct idmap *m, uint32_t uid)
{
	return host_id(m->uids, m->uids_len, uid);
}
int64_t idmap_host_gid(const struct idmap *m, uint32_t gid)
{
	return host_id(m->gids, m->gids_len, gid);
}

bool idmap_is_identity(const struct idmap *m)
{
	bool same = true;

	for (size_t i = 0; i < m->uids_len; i++)
		same &= m->uids[i].container_id == m->uids[i].host_id;
	for (size_t i = 0; i < m->gids_len; i++)
		same &= m->gids[i].container_id == m->gids[i].host_id;
	return same;
}

static char *key_part(struct arena *a, char *s, const struct oci_id_mapping *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s = arena_printf(a, "%s%s%u.%u.%u", s, i ? "+" : "", m[i].container_id,
				 m[i].host_id, m[i].size);
	return s;
}

char *idmap_key(struct arena *a, const struct idmap *m)
{
	char *s = key_part(a, arena_strdup(a, "u"), m->uids, m->uids_len);

	s = key_part(a, arena_printf(a, "%s-g", s), m->gids, m->gids_len);
	return s;
}

static char *map_text(struct arena *a, const struct oci_id_mapping *m, size_t n)
{
	char *s = arena_strdup(a, "");

	for (size_t i = 0; i < n; i++)
		s = arena_printf(a, "%s%u %u %u\n", s, m[i].container_id, m[i].host_id, m[i].size);
	return s;
}

/* Writes /proc/PID/FILE in one write(2), as user_namespaces(7) demands; returns -errno. */
static int write_proc(pid_t pid, const char *file, const char *text)
{
	char path[64];
	_cleanup_fd_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int idmap_start(struct arena *a, pid_t pid, const struct idmap *m, struct idmap_job *job,
		struct error *e)
{
	bool own_uid = m->uids_len == 1 && m->uids[0].size == 1 && m->uids[0].host_id == self_uid();
	bool own_gid = m->gids_len == 1 && m->gids[0].size == 1 && m->gids[0].host_id == self_gid();
	int r;

	job->uids = (struct idmap_helper){ .name = "newuidmap", .open_fd = job->open_fd };
	job->gids = (struct idmap_helper){ .name = "newgidmap", .open_fd = job->open_fd };
	r = write_proc(pid, "uid_map", map_text(a, m->uids, m->uids_len));
	if (r == 0) {
		if (own_gid && self_uid() != 0) {
			r = write_proc(pid, "setgroups", "deny");
			if (r < 0 && r != -ENOENT)
				return err_sys(e, -r, "write /proc/%d/setgroups", (int)pid);
		}
		r = write_proc(pid, "gid_map", map_text(a, m->gids, m->gids_len));
		if (r < 0)
			return err_sys(e, -r, "write /proc/%d/gid_map", (int)pid);
		return 0;
	}
	if (r != -EPERM || (own_uid && own_gid) || self_uid() == 0)
		return err_sys(e, -r, "write /proc/%d/uid_map", (int)pid);
	if (idmap_helper_start(a, pid, m->uids, m->uids_len, &job->uids, e) < 0)
		return -1;
	if (idmap_helper_start(a, pid, m->gids, m->gids_len, &job->gids, e) < 0) {
		struct error ignored;

		idmap_finish(job, &ignored);
		return -1;
	}
	return 0;
}

int idmap_finish(struct idmap_job *job, struct error *e)
{
	struct error second;
	int r = idmap_helper_finish(&job->uids, e);

	return idmap_helper_finish(&job->gids, r < 0 ? &second : e) < 0 ? -1 : r;
}
