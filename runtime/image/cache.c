/*
 * See cache.h. An entry appears by rename(2) after everything in it was synced, with `meta` made
 * before that, so that what is seen under its name is whole. Pruning takes `meta` away first and
 * the name next, under the entry's exclusive lock: whoever waited for the lock sees that it is
 * gone.
 */
#include "runtime/image/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/image/unpacker.h"

/* XDG Base Directory Specification: a relative path in the variable is not to be used. */
static const char *cache_home(struct arena *a, struct error *e)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return arena_printf(a, "%s/mrun", xdg);
	if (home && home[0] == '/')
		return arena_printf(a, "%s/.cache/mrun", home);
	err_msg(e,
		"find the cache directory: neither XDG_CACHE_HOME nor HOME is set to an absolute "
		"path");
	err_hint(e, "set HOME, or XDG_CACHE_HOME to a directory of yours");
	return NULL;
}

/* Opens a directory that must be the caller's, so that no one else can put things into it. */
static int open_own(int dirfd, const char *path, struct error *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(e, errno, "open cache directory %s", path);
	if (fstat(fd, &st) < 0 || st.st_uid != self_uid() || (st.st_mode & 022)) {
		close(fd);
		err_msg(e, "open cache directory %s: it is not yours alone (owner %u, mode %04o)",
			path, st.st_uid, st.st_mode & 07777u);
		return err_hint(e,
				"chown and chmod 700 it, or set XDG_CACHE_HOME to a directory of "
				"yours");
	}
	return fd;
}

int cache_open_top(struct arena *a, bool make, struct error *e)
{
	const char *home = cache_home(a, e), *layers;
	_cleanup_fd_ int fd = -1;
	int top;

	if (!home)
		return -1;
	layers = arena_printf(a, "%s/layers", home);
	top = open_own(AT_FDCWD, layers, e);
	if (top >= 0 || e->code != ENOENT || !make)
		return top;
	err_clear(e);
	if (file_mkdirs(AT_FDCWD, home, 0700, e) < 0)
		return err_hint(e, "set XDG_CACHE_HOME to a directory that can be written");
	fd = open_own(AT_FDCWD, home, e);
	if (fd < 0 || file_mkdirs(fd, "layers", 0700, e) < 0)
		return -1;
	return open_own(fd, "layers", e);
}

/* Gives directory FD to the mapped root, if it is not its already. */
static int give_to_root(int fd, const char *name, const struct idmap *m, struct error *e)
{
	int64_t uid = idmap_host_uid(m, 0), gid = idmap_host_gid(m, 0);
	struct stat st;

	if (uid < 0 || gid < 0)
		return err_msg(e, "the id mapping has no root");
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat %s", name);
	/* A user cannot give it away, and need not: as its owner he is mapped as well (keep-id). */
	if ((st.st_uid != (uid_t)uid || st.st_gid != (gid_t)gid) &&
	    fchown(fd, (uid_t)uid, (gid_t)gid) < 0 && !(errno == EPERM && st.st_uid == self_uid()))
		return err_sys(e, errno, "give %s to user %u", name, (uid_t)uid);
	return 0;
}

int cache_open(struct arena *a, const struct idmap *m, struct error *e)
{
	const char *key = idmap_key(a, m);
	_cleanup_fd_ int top = cache_open_top(a, true, e), fd = -1;

	if (top < 0)
		return -1;
	fd = openat(top, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(top, key, 0700) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make cache directory %s", key);
		fd = openat(top, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, errno, "open cache directory %s", key);
	if (give_to_root(fd, key, m, e) < 0)
		return -1;
	return fd_take(&fd);
}

int cache_lock(int fd, bool nowait, struct error *e)
{
	_cleanup_fd_ int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (lock < 0)
		return err_sys(e, errno, "open the cache's lock");
	while (flock(lock, LOCK_EX | (nowait ? LOCK_NB : 0)) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock the cache");
	return fd_take(&lock);
}

char *cache_name(struct arena *a, enum cache_kind kind, const char *hex)
{
	static const char *const prefixes[] = { [CACHE_DIFF] = "diff",
						[CACHE_CHAIN] = "chain",
						[CACHE_FLAT] = "flat",
						[CACHE_ROOT] = "root" };

	return arena_printf(a, "%s-%.*s", prefixes[kind], CACHE_HEX, hex);
}

static bool is_hex(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

int cache_read_meta(int entry_fd, struct cache_meta *ret)
{
	char text[512], *f[6], *save = NULL, *word;
	ssize_t len = readlinkat(entry_fd, "meta", text, sizeof(text) - 1);
	size_t n = 0;

	if (len <= 0)
		return len < 0 && errno != ENOENT && errno != EINVAL ? -errno : 0;
	text[len] = 0;
	for (word = strtok_r(text, " ", &save); word && n < 6; word = strtok_r(NULL, " ", &save))
		f[n++] = word;
	if (n != 6 || word || !str_eq(f[0], "1") || !is_hex(f[1]) || !is_hex(f[2]) ||
	    strlen(f[3]) != 2)
		return 0;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->key, f[1], sizeof(ret->key));
	memcpy(ret->diff, f[2], sizeof(ret->diff));
	ret->root_given = f[3][0] == 'g';
	ret->root_default = f[3][1] == 'd';
	/* No number where one should be is no meta, either. */
	return str_to_u64(f[4], INT64_MAX, &ret->entries) &&
	       str_to_u64(f[5], INT64_MAX, &ret->bytes);
}

int cache_find(struct arena *a, int fd, enum cache_kind kind, const char *hex,
	       struct cache_entry *ret, struct error *e)
{
	char *name = cache_name(a, kind, hex);
	_cleanup_fd_ int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open cache entry %s", name);
	while (flock(dir, LOCK_SH) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock cache entry %s", name);
	r = cache_read_meta(dir, &ret->meta);
	if (r <= 0)
		return r < 0 ? err_sys(e, -r, "read cache entry %s", name) : 0;
	if (!str_eq(ret->meta.key, hex))
		return err_msg(e, "cache entry %s is of another layer whose digest begins alike",
			       name);
	ret->name = name;
	ret->lock = fd_take(&dir);
	return 1;
}

int cache_make_tmp(struct arena *a, int fd, const struct idmap *m, struct cache_entry *ret,
		   struct error *e)
{
	static unsigned counter;
	char *name = arena_printf(a, CACHE_TMP "%d-%u", (int)getpid(), counter++);
	_cleanup_fd_ int dir = -1;

	if (mkdirat(fd, name, 0700) < 0)
		return err_sys(e, errno, "make cache entry %s", name);
	ret->name = name;
	dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		err_sys(e, errno, "open cache entry %s", name);
	if (dir < 0 || give_to_root(dir, name, m, e) < 0) {
		unlinkat(fd, name, AT_REMOVEDIR);
		return -1;
	}
	ret->lock = fd_take(&dir);
	return 0;
}

int cache_commit(struct arena *a, int fd, enum cache_kind kind, struct cache_entry *entry,
		 struct error *e)
{
	const struct cache_meta *m = &entry->meta;
	char *name = cache_name(a, kind, m->key);
	char *text = arena_printf(a, "1 %s %s %c%c %" PRIu64 " %" PRIu64, m->key, m->diff,
				  m->root_given ? 'g' : '-', m->root_default ? 'd' : '-',
				  m->entries, m->bytes);

	if (symlinkat(text, entry->lock, "meta") < 0)
		return err_sys(e, errno, "finish cache entry %s", name);
	if (flock(entry->lock, LOCK_SH) < 0)
		return err_sys(e, errno, "lock cache entry %s", name);
	if (renameat(fd, entry->name, fd, name) < 0) {
		/* Only what pruning was stopped in the middle of, without a meta, can be there. */
		if ((errno != ENOTEMPTY && errno != EEXIST) ||
		    renameat(fd, name, fd, arena_printf(a, "%s-old", entry->name)) < 0 ||
		    renameat(fd, entry->name, fd, name) < 0)
			return err_sys(e, errno, "name cache entry %s", name);
	}
	entry->name = name;
	return 0;
}

int cache_remove(struct arena *a, int fd, char **names, const struct idmap *m, struct error *e)
{
	struct json_out *o;

	if (!names || !*names)
		return 0;
	/* Root and a single id can do it themselves. */
	if (self_uid() == 0 || !m || m->single) {
		for (; *names; names++)
			if (file_remove_tree(fd, *names, e) < 0)
				return -1;
		return 0;
	}
	o = unpacker_request(a, "remove", m, e);
	if (!o)
		return -1;
	json_out_str(o, "names");
	json_out_array(o);
	for (; *names; names++)
		json_out_str(o, *names);
	json_out_array_end(o);
	json_out_object_end(o);
	return unpacker_run(a, json_out_finish(o, NULL), fd, NULL, 0, m, NULL, NULL, e);
}

int cache_clean(struct arena *a, int fd, const struct idmap *m, struct error *e)
{
	struct strlist stale = { 0 };

	if (dir_list(a, fd, ".", CACHE_TMP, CACHE_WHAT, &stale, e) < 0)
		return -1;
	return cache_remove(a, fd, stale.items, m, e);
}
