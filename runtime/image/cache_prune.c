/*
 * See layers.h: layers_prune and layers_remove_tree. In order for each mapping's directory: the
 * cache's lock (one that is being filled is left alone), each entry's exclusive lock (one in use is
 * left alone), its `meta` and its name taken away, and then what was in it, from inside the
 * mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/image/cache.h"
#include "runtime/image/layers.h"

/* Reads "0.1000.1+1.100000.65536", as idmap_key() writes it. */
static bool parse_mappings(struct arena *a, const char *text, struct oci_id_mapping **ret,
			   size_t *ret_len)
{
	char **parts = str_split(a, text, '+');

	*ret_len = str_list_len(parts);
	*ret = ARENA_ARRAY(a, *ret_len, struct oci_id_mapping);
	for (size_t i = 0; parts[i]; i++) {
		char **n = str_split(a, parts[i], '.');
		uint64_t v[3];

		if (str_list_len(n) != 3)
			return false;
		for (size_t k = 0; k < 3; k++)
			if (!str_to_u64(n[k], UINT32_MAX, &v[k]))
				return false;
		(*ret)[i] =
			(struct oci_id_mapping){ (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2] };
	}
	return true;
}

bool cache_parse_key(struct arena *a, const char *key, struct idmap *ret)
{
	char **parts = str_split(a, key, '-');

	*ret = (struct idmap){ 0 };
	if (str_list_len(parts) != 2 || parts[0][0] != 'u' || parts[1][0] != 'g' ||
	    !parse_mappings(a, parts[0] + 1, &ret->uids, &ret->uids_len) ||
	    !parse_mappings(a, parts[1] + 1, &ret->gids, &ret->gids_len))
		return false;
	ret->single = ret->uids_len == 1 && ret->uids[0].size == 1 && ret->gids_len == 1 &&
		      ret->gids[0].size == 1;
	return str_eq(idmap_key(a, ret), key);
}

static bool is_kept(const char *const *keep, const char *diff)
{
	for (; keep && *keep; keep++)
		if (str_has_prefix(*keep, "sha256:") && str_eq(*keep + 7, diff))
			return true;
	return false;
}

/* Takes an entry out of sight, unless it is in use or kept, to be removed with the other tmp-*. */
static int retire(struct arena *a, int fd, const char *name, const char *const *keep,
		  uint64_t *bytes, struct error *e)
{
	_cleanup_fd_ int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char *away = arena_printf(a, CACHE_TMP "%d-%s", (int)getpid(), name);
	struct cache_meta meta = { 0 };
	int r;

	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : err_sys(e, errno, "open cache entry %s", name);
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, errno, "lock cache entry %s", name);
	r = cache_read_meta(dir, &meta);
	if (r < 0)
		return err_sys(e, -r, "read cache entry %s", name);
	if (r > 0 && is_kept(keep, meta.diff))
		return 0;
	if (unlinkat(dir, "meta", 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove cache entry %s", name);
	if (renameat(fd, name, fd, away) < 0)
		return err_sys(e, errno, "remove cache entry %s", name);
	*bytes += meta.bytes;
	return 0;
}

static int prune_dir(struct arena *a, int fd, const struct idmap *m, const char *const *keep,
		     uint64_t *bytes, struct error *e)
{
	static const char *const kinds[] = { "diff-", "chain-", "flat-", "root-" };
	static const struct timespec moment = { 0, 10000000 };
	_cleanup_fd_ int lock = cache_lock(fd, true, e);

	/* A helper whose mrun was killed holds it until it is dead, too. */
	for (int i = 0; lock < 0 && e->code == EWOULDBLOCK && i < 20; i++) {
		nanosleep(&moment, NULL);
		lock = cache_lock(fd, true, e);
	}
	if (lock < 0)
		return e->code == EWOULDBLOCK ? 0 : -1;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct strlist names = { 0 };

		if (dir_list(a, fd, ".", kinds[k], CACHE_WHAT, &names, e) < 0)
			return -1;
		for (size_t i = 0; i < names.n; i++)
			if (retire(a, fd, names.items[i], keep, bytes, e) < 0)
				return -1;
	}
	/* Together with what crashed runs left. */
	return cache_clean(a, fd, m, e);
}

int layers_prune(struct arena *a, const char *const *keep_diff_ids, uint64_t *ret_bytes,
		 struct error *e)
{
	_cleanup_fd_ int top = cache_open_top(a, false, e);
	struct strlist keys = { 0 };

	*ret_bytes = 0;
	if (top < 0) {
		if (e->code != ENOENT)
			return -1;
		err_clear(e);
		return 0;
	}
	if (dir_list(a, top, ".", "u", CACHE_WHAT, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < keys.n; i++) {
		_cleanup_fd_ int fd = -1;
		struct idmap m;

		if (!cache_parse_key(a, keys.items[i], &m))
			continue;
		fd = openat(top, keys.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno, "open cache directory %s", keys.items[i]);
		if (prune_dir(a, fd, &m, keep_diff_ids, ret_bytes, e) < 0)
			return -1;
	}
	return 0;
}

int layers_remove_tree(struct arena *a, int dirfd, const char *name, const struct idmap *m,
		       struct error *e)
{
	char *names[] = { arena_strdup(a, name), NULL };

	return cache_remove(a, dirfd, names, m, e);
}
