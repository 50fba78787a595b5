/* See state.h: where containers are, and what they may be called. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/container/state.h"

/* A directory of our own in a place where everybody may make one. */
static const char *tmp_root(struct arena *a, bool make, struct error *e)
{
	const char *dir = arena_printf(a, "/tmp/mrun-%u", self_uid());
	struct stat st;

	if (make && mkdir(dir, 0700) < 0 && errno != EEXIST) {
		err_sys(e, errno, "make the directory for the state of containers, %s", dir);
		err_hint(e, "set XDG_RUNTIME_DIR, or give --root DIR");
		return NULL;
	}
	if (lstat(dir, &st) < 0) {
		if (errno == ENOENT)
			return dir;
		err_sys(e, errno, "look at %s", dir);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != self_uid() || (st.st_mode & 077)) {
		err_msg(e, "%s is not a directory of yours alone", dir);
		err_hint(e, "remove it, set XDG_RUNTIME_DIR, or give --root DIR");
		return NULL;
	}
	return dir;
}

/* Nobody can have containers there, by what the last call said. */
static bool no_place(void)
{
	return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EROFS ||
	       errno == ELOOP || errno == ENAMETOOLONG;
}

/* XDG_RUNTIME_DIR may be another user's after `su`: then it is not used. But one that only could
 * not be looked at has our containers: they would pass for missing. */
static int xdg_root(struct arena *a, const char **ret, struct error *e)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	*ret = NULL;
	if (!dir || dir[0] != '/')
		return 0;
	if (stat(dir, &st) < 0)
		return no_place() ? 0 : err_sys(e, errno, "look at XDG_RUNTIME_DIR, %s", dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != self_uid())
		return 0;
	if (access(dir, W_OK | X_OK) < 0)
		return no_place() ? 0 : err_sys(e, errno, "look at XDG_RUNTIME_DIR, %s", dir);
	*ret = arena_printf(a, "%s/mrun", dir);
	return 0;
}

int state_root_of_ours(struct cmd_context *c, const char **ret, struct error *e)
{
	*ret = c->root;
	if (!*ret && xdg_root(c->arena, ret, e) < 0)
		return -1;
	if (!*ret && self_uid() == 0)
		*ret = "/run/mrun";
	return 0;
}

const char *state_root(struct cmd_context *c, bool make, struct error *e)
{
	const char *dir;

	if (state_root_of_ours(c, &dir, e) < 0)
		return NULL;
	if (!dir)
		return tmp_root(c->arena, make, e);
	if (make && file_mkdirs(AT_FDCWD, dir, 0711, e) < 0) {
		err_wrap(e, "make the directory for the state of containers");
		err_hint(e, "give another one with --root DIR");
		return NULL;
	}
	return dir;
}

int state_check_id(const char *id, struct error *e)
{
	size_t n = strlen(id);

	if (n == 0)
		return err_msg(e, "the container id is empty");
	if (n > STATE_ID_MAX)
		return err_msg(e, "the container id has %zu characters, more than the %d allowed",
			       n, STATE_ID_MAX);
	for (size_t i = 0; i < n; i++)
		if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
		      (id[i] >= '0' && id[i] <= '9') || strchr("_+,-.", id[i]))) {
			if (id[i] >= ' ' && id[i] <= '~')
				err_msg(e,
					"invalid container id '%.80s': '%c' is not allowed in it",
					id, id[i]);
			else
				err_msg(e, "invalid container id: its character %zu is not allowed",
					i + 1);
			return err_hint(e, "use letters, digits, and _ + , - .");
		}
	if (str_eq(id, ".") || str_eq(id, ".."))
		return err_msg(e, "invalid container id '%s'", id);
	return 0;
}
