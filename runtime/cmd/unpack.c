/*
 * `mrun unpack [--rootless] IMAGE DIR`: DIR/rootfs and DIR/config.json, an OCI bundle that any
 * runtime takes (runtime-spec bundle.md). The order: resolve the image, make the directories, apply
 * the layers, look the user up in the result, write config.json last: a directory without it is not
 * a bundle. What was made is removed again on failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "oci/image/to_spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"
#include "runtime/image/default_seccomp.h"
#include "runtime/image/layers.h"
#include "runtime/image/run_ids.h"
#include "runtime/image/source.h"
#include "runtime/init/user.h"

#define BUNDLE_SPEC_VERSION "1.0.2"

struct unpack_options {
	bool rootless;
	const char *platform;
};
static const struct opt table[] = {
	{ "platform", 0, OPT_STR, offsetof(struct unpack_options, platform), "OS/ARCH",
	  "which of an index's images" },
	{ "rootless", 0, OPT_BOOL, offsetof(struct unpack_options, rootless), NULL,
	  "with a user namespace, as root too (always so as an ordinary user)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec spec = {
	.command = "unpack",
	.usage = "[--rootless] IMAGE DIR",
	.summary = "write an image as an OCI bundle",
	.description = "DIR gets config.json and rootfs, which any OCI runtime takes:\n"
		       "   cd DIR && mrun run NAME",
	.opts = table,
	.min_args = 2,
	.max_args = 2,
};

struct bundle {
	struct arena *a;
	struct image image;
	struct idmap ids;
	bool userns, made_dir, made_rootfs;
	int dir_fd, rootfs_fd;
	const char *dir;
};

static int make_directories(struct bundle *b, struct error *e)
{
	struct stat st;

	/* The image's setuid programs are not for other users of the machine (CVE-2024-25621). Root
	 * of a user namespace that is not ours must get through. */
	b->made_dir = mkdir(b->dir, b->userns && geteuid() == 0 ? 0711 : 0700) == 0;
	if (!b->made_dir && errno != EEXIST)
		return err_sys(e, errno, "make the directory %s", b->dir);
	b->dir_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0)
		return err_sys(e, errno, "open the directory %s", b->dir);
	if (fstat(b->dir_fd, &st) < 0)
		return err_sys(e, errno, "stat the directory %s", b->dir);
	if (!b->made_dir && (st.st_mode & S_IWOTH)) {
		err_msg(e, "%s: everybody may write to it, and change what is unpacked", b->dir);
		return err_hint(e, "chmod o-w it, or give a directory that is not there yet");
	}
	if (faccessat(b->dir_fd, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_msg(e, "%s has a config.json already", b->dir);
	if (errno != ENOENT)
		return err_sys(e, errno, "look for %s/config.json", b->dir);
	b->made_rootfs = mkdirat(b->dir_fd, "rootfs", 0755) == 0;
	if (!b->made_rootfs) {
		err_sys(e, errno, "make the directory %s/rootfs", b->dir);
		return err_hint(e, "give a directory that has none, or a new one");
	}
	b->rootfs_fd = openat(b->dir_fd, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return b->rootfs_fd < 0 ? err_sys(e, errno, "open %s/rootfs", b->dir) : 0;
}

static int fill_rootfs(struct bundle *b, struct strlist *warnings, struct error *e)
{
	const char *note = NULL;
	char **volumes = spec_volumes(b->a, b->image.config, warnings);

	if (layers_flatten(b->a, b->image.blobs_fd, b->image.layers, b->image.layers_len,
			   b->userns ? &b->ids : NULL, b->rootfs_fd, &note, e) < 0)
		return image_unpack_failed(&b->image, e);
	if (image_settle(b->a, &b->image, e) < 0)
		return -1;
	if (note)
		strlist_add(b->a, warnings, note);
	for (; *volumes; volumes++) {
		int fd = path_mkdirs_in_root(b->rootfs_fd, *volumes, 0755, e);

		if (fd < 0)
			return err_wrap(e, "make the volume %s", *volumes);
		close(fd);
	}
	return 0;
}

/* USER by number, as config.json has it, and HOME. */
static int set_user(struct bundle *b, struct oci_process *p, struct error *e)
{
	struct user_result u;
	struct strlist env = { 0 };
	bool has_home = false;

	if (user_databases_check(b->rootfs_fd, e) < 0 ||
	    user_resolve(b->a, b->rootfs_fd, b->image.config->config->user, NULL, &u, e) < 0)
		return -1;
	p->user->uid = u.uid;
	p->user->gid = u.gid;
	/* runc refuses supplementary groups to who is not root outside. */
	if (geteuid() == 0) {
		p->user->additional_gids = u.groups;
		p->user->additional_gids_len = u.groups_len;
	}
	for (char **v = p->env; *v; v++) {
		has_home |= str_has_prefix(*v, "HOME=");
		strlist_add(b->a, &env, *v);
	}
	if (!has_home)
		strlist_add(b->a, &env, arena_printf(b->a, "HOME=%s", u.home));
	p->env = env.items;
	return 0;
}

static int write_config(struct bundle *b, struct strlist *warnings, struct error *e)
{
	struct spec_options s = {
		.hostname = "mrun",
		.private_net = true,
		.private_pid = true,
		.private_ipc = true,
		.private_user = b->userns,
		.gid5 = true,
		.default_sysctls = true,
		.ping_high = INT32_MAX,
	};
	struct oci_spec *o;
	size_t len;
	char *text;

	s.caps = spec_caps(b->a, NULL, NULL, e);
	if (!s.caps)
		return -1;
	s.seccomp = seccomp_default_profile_plain(b->a, s.caps);
	if (b->userns)
		run_ids_apply(&b->ids, &s);
	o = spec_from_image(b->a, b->image.config, &s, warnings, e);
	if (!o || set_user(b, o->process, e) < 0)
		return -1;
	/* Nothing newer is in it, and crun 1.8 takes no later version. */
	o->oci_version = arena_strdup(b->a, BUNDLE_SPEC_VERSION);
	text = json_write(b->a, &oci_spec_type, o, true, &len);
	return file_replace(b->dir_fd, "config.json", text, len, 0644, false, e);
}

static void undo(struct bundle *b)
{
	struct error ignored;

	if (b->made_rootfs && file_remove_tree(b->dir_fd, "rootfs", &ignored) < 0)
		layers_remove_tree(b->a, b->dir_fd, "rootfs", &b->ids, &ignored);
	if (b->made_dir)
		rmdir(b->dir);
}

static void release(struct bundle *b)
{
	image_drop(&b->image);
	if (b->image.blobs_fd >= 0)
		close(b->image.blobs_fd);
	if (b->rootfs_fd >= 0)
		close(b->rootfs_fd);
	if (b->dir_fd >= 0)
		close(b->dir_fd);
}

int cmd_unpack(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct unpack_options o = { 0 };
	struct bundle b = { .a = c->arena, .dir_fd = -1, .rootfs_fd = -1, .image.blobs_fd = -1 };
	struct strlist warnings = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	b.dir = args[1];
	b.userns = o.rootless || geteuid() != 0;
	if (image_resolve(c->arena, args[0], o.platform, &b.image, e) < 0 ||
	    (b.userns && idmap_default(c->arena, &b.ids, e) < 0))
		r = -1;
	else if (make_directories(&b, e) < 0 || fill_rootfs(&b, &warnings, e) < 0 ||
		 write_config(&b, &warnings, e) < 0) {
		undo(&b);
		r = -1;
	}
	if (r == 0 && b.userns && b.ids.single && b.ids.lost)
		strlist_add(c->arena, &warnings, b.ids.lost);
	for (size_t i = 0; i < warnings.n; i++) {
		char *text = arena_strdup(c->arena, warnings.items[i]);

		str_plain(text);
		fprintf(stderr, "mrun: %s\n", text);
	}
	release(&b);
	return r;
}
