/*
 * See user.h. The order: split USER, read /etc/passwd and /etc/group below the root, find the user,
 * then the group, then the supplementary groups.
 *
 * What it stops. Digits are a number and nothing else: an image whose passwd names a user "1000"
 * with uid 0 gets uid 1000, and what is neither a number nor can be a name (-1, +0, 4294967296) is
 * refused, never wrapped and never 0 (CVE-2024-40635). The two files are opened beneath the root,
 * looked at before they are opened for reading (a FIFO would block, /dev/zero would not end), and
 * read with a cap (CVE-2024-9676). An entry that does not parse does not exist; in particular it is
 * not uid 0.
 */
#include "runtime/init/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"

#define MAX_FILE (8u * 1024 * 1024)
#define MAX_LINE_FIELDS 7
#define MAX_GROUPS 65536 /* NGROUPS_MAX, linux/limits.h */
/* 4294967295 is "no id" to the kernel (setreuid(2)). */
#define MAX_ID 4294967294u

struct passwd_entry {
	const char *name, *home;
	uint32_t uid, gid;
};

/* The text of a file of the image; "" when there is none. */
static int read_database(struct arena *a, int rootfd, const char *path, char **ret, struct error *e)
{
	/* Whoever gets a device here opens it under the container's own device rules. */
	_cleanup_fd_ int fd =
		path_try_open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	bool masked;

	*ret = arena_strdup(a, "");
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		err_sys(e, -fd, "open %s of the container", path);
	else if (fstat(fd, &st) < 0)
		err_sys(e, errno, "stat %s of the container", path);
	else {
		/* By the null device: an empty file to whoever reads it, runc as well. */
		masked = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
		if (!masked && !S_ISREG(st.st_mode))
			err_msg(e, "read %s of the container: not a regular file", path);
		else if (masked || file_read_known(a, fd, &st, path, MAX_FILE, ret, NULL, e) == 0)
			return 0;
	}
	return err_hint(
		e,
		"users, their groups and HOME are looked up there: make it a regular file of "
		"at most %u MiB that root in the container can read, or leave it out",
		MAX_FILE >> 20);
}

/* Takes the next line out of *TEXT and cuts it at its colons; how many fields, 0: an empty line or
 * a comment, -1: the end. */
static int next_line(char **text, char *fields[MAX_LINE_FIELDS])
{
	char *line = *text, *end;
	int n = 0;

	if (!*line)
		return -1;
	end = strchrnul(line, '\n');
	*text = *end ? end + 1 : end;
	*end = 0;
	if (!*line || *line == '#' || *line == '+' || *line == '-')
		return 0;
	while (n < MAX_LINE_FIELDS) {
		char *colon = strchr(line, ':');

		fields[n++] = line;
		if (!colon)
			break;
		*colon = 0;
		line = colon + 1;
	}
	return n;
}

static bool parse_id(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (!str_to_u64(s, MAX_ID, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* HOME ends up in the environment, one line a variable in many a tool. */
static const char *clean_home(const char *home)
{
	if (*home != '/')
		return "/";
	for (const unsigned char *p = (const unsigned char *)home; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return "/";
	return home;
}

static bool next_passwd(char **text, struct passwd_entry *ret)
{
	char *f[MAX_LINE_FIELDS];
	int n;

	while ((n = next_line(text, f)) >= 0) {
		if (n < 4 || !*f[0] || !parse_id(f[2], &ret->uid) || !parse_id(f[3], &ret->gid))
			continue;
		ret->name = f[0];
		ret->home = n > 5 ? clean_home(f[5]) : "/";
		return true;
	}
	return false;
}

/* What a part of USER is: a number, a name, or neither. WHAT is "user" or "group". */
enum id_kind { ID_NUMBER, ID_NAME };
static int classify(const char *s, const char *what, uint32_t *id, enum id_kind *kind,
		    struct error *e)
{
	bool all_digits = true;

	if (!*s)
		return err_msg(e, "an empty %s name", what);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < 0x21 || *p == 0x7f)
			return err_msg(e, "the %s name has a blank or a control character in it",
				       what);
		if (*p < '0' || *p > '9')
			all_digits = false;
	}
	if (all_digits) {
		*kind = ID_NUMBER;
		if (!parse_id(s, id))
			return err_msg(e, "%s id %s is out of range (0 to %u)", what, s, MAX_ID);
		return 0;
	}
	if (*s == '-' || *s == '+')
		return err_msg(e, "'%s' is neither a %s id nor a %s name", s, what, what);
	*kind = ID_NAME;
	return 0;
}

static bool find_passwd(struct arena *a, const char *text, enum id_kind kind, const char *name,
			uint32_t uid, struct passwd_entry *ret)
{
	char *copy = arena_strdup(a, text);

	while (next_passwd(&copy, ret))
		if (kind == ID_NAME ? str_eq(ret->name, name) : ret->uid == uid)
			return true;
	return false;
}

/* The number of group NAME; a number stands for itself. */
static int find_group(struct arena *a, const char *text, const char *name, gid_t *ret,
		      struct error *e)
{
	char *copy, *f[MAX_LINE_FIELDS];
	enum id_kind kind;
	uint32_t gid;
	int n;

	if (classify(name, "group", &gid, &kind, e) < 0)
		return -1;
	if (kind == ID_NUMBER) {
		*ret = gid;
		return 0;
	}
	copy = arena_strdup(a, text);
	while ((n = next_line(&copy, f)) >= 0) {
		if (n >= 3 && str_eq(f[0], name) && parse_id(f[2], &gid)) {
			*ret = gid;
			return 0;
		}
	}
	return err_msg(e, "unable to find group %s: no matching entries in group file", name);
}

static void add_gid(struct arena *a, struct user_result *u, size_t *cap, gid_t gid)
{
	for (size_t i = 0; i < u->groups_len; i++)
		if (u->groups[i] == gid)
			return;
	if (u->groups_len == MAX_GROUPS)
		return;
	if (u->groups_len == *cap) {
		size_t bigger = *cap ? *cap * 2 : 16;
		gid_t *g = ARENA_ARRAY(a, bigger, gid_t);

		if (u->groups_len)
			memcpy(g, u->groups, u->groups_len * sizeof(*g));
		u->groups = g;
		*cap = bigger;
	}
	u->groups[u->groups_len++] = gid;
}

/* Every group whose list of members has NAME. */
static void add_memberships(struct arena *a, const char *text, const char *name,
			    struct user_result *u, size_t *cap)
{
	char *copy = arena_strdup(a, text), *f[MAX_LINE_FIELDS];
	uint32_t gid;
	int n;

	while ((n = next_line(&copy, f)) >= 0) {
		char *member, *rest;

		if (n < 4 || !parse_id(f[2], &gid))
			continue;
		rest = f[3];
		while ((member = strsep(&rest, ",")))
			if (str_eq(member, name))
				add_gid(a, u, cap, gid);
	}
}

/* Splits USER at its colon. */
static int split_user(struct arena *a, const char *user, const char **name, const char **group,
		      struct error *e)
{
	const char *colon = strchr(user, ':');

	*name = user;
	*group = NULL;
	if (!colon)
		return 0;
	if (strchr(colon + 1, ':'))
		return err_msg(e, "more than one colon");
	*name = arena_strndup(a, user, (size_t)(colon - user));
	*group = colon + 1;
	if (!**group)
		return err_msg(e, "an empty group name after the colon");
	return 0;
}

static int resolve(struct arena *a, int rootfd, const char *user, char *const *group_add,
		   struct user_result *u, struct error *e)
{
	const char *name = "0", *group = NULL;
	char *passwd, *groups = NULL;
	struct passwd_entry entry;
	enum id_kind kind;
	uint32_t uid = 0;
	size_t cap = 0;
	bool found;

	if (user && *user && split_user(a, user, &name, &group, e) < 0)
		return -1;
	if (classify(name, "user", &uid, &kind, e) < 0 ||
	    read_database(a, rootfd, "/etc/passwd", &passwd, e) < 0)
		return -1;
	found = find_passwd(a, passwd, kind, name, uid, &entry);
	if (!found && kind == ID_NAME)
		return err_msg(e, "unable to find user %s: no matching entries in passwd file",
			       name);
	u->uid = found ? entry.uid : uid;
	u->gid = found ? entry.gid : 0;
	u->name = found ? entry.name : NULL;
	u->home = found ? entry.home : "/";

	if ((group || found || (group_add && *group_add)) &&
	    read_database(a, rootfd, "/etc/group", &groups, e) < 0)
		return -1;
	if (group && find_group(a, groups, group, &u->gid, e) < 0)
		return -1;
	/* The primary group is also a supplementary one, as after a login: a setgid program cannot
	 * shed it then, and a file that denies the group keeps denying it (CVE-2022-36109). */
	add_gid(a, u, &cap, u->gid);
	if (found && !group)
		add_memberships(a, groups, entry.name, u, &cap);
	for (; group_add && *group_add; group_add++) {
		gid_t gid;

		if (find_group(a, groups, *group_add, &gid, e) < 0)
			return err_wrap(e, "group to add");
		add_gid(a, u, &cap, gid);
	}
	return 0;
}

int user_databases_check(int rootfd, struct error *e)
{
	static const char *const paths[] = { "/etc/passwd", "/etc/group" };
	struct stat st;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		_cleanup_fd_ int fd = path_try_open_in_root(rootfd, paths[i], O_PATH, 0);

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(e, fd < 0 ? -fd : errno, "look at %s of the container",
				       paths[i]);
		if (!S_ISREG(st.st_mode))
			return err_msg(e, "read %s of the container: not a regular file", paths[i]);
	}
	return 0;
}

int user_resolve(struct arena *a, int rootfd, const char *user, char *const *group_add,
		 struct user_result *ret, struct error *e)
{
	struct user_result u = { 0 };

	if (resolve(a, rootfd, user, group_add, &u, e) < 0) {
		err_wrap(e, "user '%s'", user && *user ? user : "0");
		return err_hint(e, "--user takes NAME, UID, NAME:GROUP or UID:GID; names come from "
				   "the image's own /etc/passwd and /etc/group");
	}
	*ret = u;
	return 0;
}

int user_home(struct arena *a, int rootfd, uid_t uid, const char **ret, struct error *e)
{
	struct passwd_entry entry;
	char *passwd;

	*ret = "/";
	/* One that is not for us is none, to runc as well: its owner may have no id here. */
	if (read_database(a, rootfd, "/etc/passwd", &passwd, e) < 0) {
		if (e->code != EACCES && e->code != EPERM)
			return err_wrap(
				e, "look up HOME of user %u, which the environment does not set",
				uid);
		err_clear(e);
		return 0;
	}
	if (find_passwd(a, passwd, ID_NUMBER, NULL, uid, &entry))
		*ret = entry.home;
	return 0;
}
