/*
 * `mrun [OPTIONS] IMAGE [COMMAND…]`. The order: options; the image, in the store or brought there;
 * the id mapping; the network's helper and ports; the layers, unpacked if they are not yet; a slot
 * for what the container writes; the specification; the run; cleaning up, whatever happened. What
 * fails before the program starts has exit code 125.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "oci/image/to_spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/container/container.h"
#include "runtime/container/fuse.h"
#include "runtime/container/state.h"
#include "runtime/image/default_seccomp.h"
#include "runtime/image/detached.h"
#include "runtime/image/etc_files.h"
#include "runtime/image/layers.h"
#include "runtime/image/network.h"
#include "runtime/image/options.h"
#include "runtime/image/run_ids.h"
#include "runtime/image/seccomp_profile.h"
#include "runtime/image/slot.h"
#include "runtime/image/source.h"

struct run {
	struct cmd_context *c;
	struct arena *a;
	struct run_options opt;
	struct run_plan plan;
	const char *ref; /* as it was given */
	struct image image;
	struct idmap ids;
	struct layers layers;
	struct slot slot;
	struct overlay_root overlay;
	struct strlist warnings;
	char *id, *state_id;
	const char *user;
	const char *driver; /* MRUN_STORAGE_DRIVER, NULL: whatever works */
	int rootfs_fd;	    /* a copy instead of an overlay */
	char **volumes;
	struct detached detached;
	struct container_stay stay;
	bool stays;	  /* we are the process that stays with a detached container */
	bool handed_over; /* … or the one that left it all to that process */
};

static void say_warnings(const struct run *r)
{
	for (size_t i = 0; i < r->warnings.n; i++) {
		char *text = arena_strdup(r->a, r->warnings.items[i]);

		str_plain(text);
		if (r->stays)
			detached_warn(&r->detached, text);
		else
			fprintf(stderr, "mrun: %s\n", text);
	}
}

static int make_id(struct arena *a, char **ret, struct error *e)
{
	unsigned char bytes[32];
	char *hex = arena_alloc(a, 2 * sizeof(bytes) + 1);

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(e, errno, "make an id for the container: getrandom");
	for (size_t i = 0; i < sizeof(bytes); i++) {
		hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	*ret = hex;
	return 0;
}

static int seccomp(struct run *r, struct error *e)
{
	struct spec_options *s = &r->plan.spec;

	if (r->plan.seccomp_unconfined)
		return 0;
	s->seccomp = r->plan.seccomp_file
			     ? seccomp_profile_load(r->a, r->plan.seccomp_file, s->caps, e)
			     : seccomp_default_profile(r->a, s->caps);
	return s->seccomp ? 0 : err_wrap(e, "--security-opt seccomp");
}

/* Ids, host name and what follows from them. */
static int identity(struct run *r, struct error *e)
{
	struct spec_options *s = &r->plan.spec;
	char host[256];

	if (make_id(r->a, &r->id, e) < 0)
		return -1;
	r->state_id = r->opt.name ? arena_strdup(r->a, r->opt.name) : r->id;
	if (r->opt.hostname)
		s->hostname = r->opt.hostname;
	else if (!s->private_net && gethostname(host, sizeof(host)) == 0)
		s->hostname = arena_strndup(r->a, host, sizeof(host) - 1);
	else
		s->hostname = arena_strndup(r->a, r->id, 12);
	r->user = r->plan.user ? r->plan.user : r->image.config->config->user;
	if (run_ids_make(r->a, r->plan.keep_id, &r->ids, e) < 0)
		return -1;
	/* keep-id is asked for to be oneself inside: more than what the image says. */
	if (r->plan.keep_id && !r->plan.user)
		r->user = arena_printf(r->a, "%u:%u", getuid(), getgid());
	if (r->ids.single) {
		s->no_new_privileges = true;
		strlist_add(r->a, &r->warnings,
			    r->ids.lost ? r->ids.lost : "only your own user id is mapped");
	}
	run_ids_apply(&r->ids, s);
	return 0;
}

/* Whether an overlay can keep its marks here: on some file systems (NFS, ramfs, tmpfs before Linux
 * 6.6) there are no user.* attributes, and only removing a directory would fail, later. */
static bool overlay_possible(int fd)
{
	static const char mark[] = "user.mrun.overlay";

	return fgetxattr(fd, mark, NULL, 0) >= 0 || fsetxattr(fd, mark, "y", 1, 0) == 0;
}

/* The whole image, unpacked once more for this container alone. */
static int copy_rootfs(struct run *r, const char *why, struct error *e)
{
	_cleanup_fd_ int dir = -1;
	const char *note = NULL;

	strlist_add(r->a, &r->warnings,
		    arena_printf(r->a, "%s: the image is copied for each run, which is slow", why));
	dir = openat(r->slot.fd, "u", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open the container's directory");
	if (layers_flatten(r->a, r->image.blobs_fd, r->image.layers, r->image.layers_len, &r->ids,
			   dir, &note, e) < 0)
		return -1;
	r->rootfs_fd = fd_take(&dir);
	return 0;
}

static void use_fuse(struct run *r, const char *why)
{
	strlist_add(r->a, &r->warnings,
		    arena_printf(r->a, "%s: fuse-overlayfs is used, which is slower", why));
	r->overlay.fuse = true;
}

/* The kernel would not mount an overlay: fuse-overlayfs, else a copy. */
static int without_overlay(struct run *r, const char *why, struct error *e)
{
	if (r->overlay.fuse || !fuse_overlayfs_available(r->a))
		return copy_rootfs(r, why, e);
	use_fuse(r, why);
	return 0;
}

/* What MRUN_STORAGE_DRIVER asks for; there is no other way then. */
static int chosen_driver(struct run *r, struct error *e)
{
	if (str_eq(r->driver, "copy"))
		return copy_rootfs(r, "MRUN_STORAGE_DRIVER=copy", e);
	if (str_eq(r->driver, "fuse-overlayfs")) {
		if (!fuse_overlayfs_available(r->a)) {
			err_msg(e, "MRUN_STORAGE_DRIVER: fuse-overlayfs is not installed, or "
				   "/dev/fuse is not open to everybody");
			return err_hint(e, "install fuse-overlayfs; modprobe fuse; "
					   "chmod 666 /dev/fuse");
		}
		use_fuse(r, "MRUN_STORAGE_DRIVER=fuse-overlayfs");
		return 0;
	}
	if (str_eq(r->driver, "overlay"))
		return 0;
	return err_msg(e, "MRUN_STORAGE_DRIVER: '%s' is not overlay, fuse-overlayfs or copy",
		       r->driver);
}

/* Another process may remove the image while we are about to unpack it. Where it is there again
 * (from an archive it can always be had), we go on. */
static int ensure_layers(struct run *r, struct error *e)
{
	for (int tries = 0; layers_ensure(r->a, r->image.blobs_fd, r->image.layers,
					  r->image.layers_len, &r->ids, false, &r->layers, e) < 0;
	     tries++) {
		struct image again = { .blobs_fd = -1 };
		struct error gone;

		if (e->code != ESTALE || tries == IMAGE_TRIES)
			return image_unpack_failed(&r->image, e);
		if (image_resolve(r->a, r->ref, r->opt.platform, &again, &gone) < 0) {
			*e = gone;
			return -1;
		}
		image_drop(&r->image);
		close(r->image.blobs_fd);
		r->image.blobs_fd = again.blobs_fd;
		r->image.pending = again.pending;
		if (!str_eq(again.manifest_digest, r->image.manifest_digest))
			return -1;
		r->image.layers = again.layers;
		err_clear(e);
	}
	return image_settle(r->a, &r->image, e);
}

static int root_filesystem(struct run *r, struct error *e)
{
	const char *states = state_root(r->c, false, e), *keep = NULL;

	if (!states)
		return -1;
	if (r->plan.keep_record || r->opt.detach)
		keep = arena_printf(r->a, "%s/%s", states, r->state_id);
	if (ensure_layers(r, e) < 0)
		return -1;
	/* With a single id the line about it says that much already. */
	if (r->layers.note && !r->ids.single)
		strlist_add(r->a, &r->warnings, r->layers.note);
	if (!r->layers.n)
		return err_msg(e, "image %s has no layers", r->image.name);
	if (slot_take(r->a, r->layers.cache_fd, r->layers.names[0], &r->ids, keep, &r->slot, e) < 0)
		return -1;
	r->overlay = (struct overlay_root){
		.cache_fd = r->layers.cache_fd,
		.lower = r->layers.names,
		.slot_fd = r->slot.fd,
		.slot_name = r->slot.name,
	};
	r->driver = getenv("MRUN_STORAGE_DRIVER");
	if (r->driver && *r->driver)
		return chosen_driver(r, e);
	r->driver = NULL;
	if (overlay_possible(r->slot.fd))
		return 0;
	/* Nor does fuse-overlayfs work on one: programs of other users cannot be executed there. */
	return copy_rootfs(r,
			   "the layer cache's file system has no user attributes, which an "
			   "overlay needs",
			   e);
}

/* The directories of -v PATH and of the image that no mount covers. */
static int volumes(struct run *r, struct error *e)
{
	struct strlist l = r->plan.mounts.volumes;
	char **image = spec_volumes(r->a, r->image.config, &r->warnings);

	(void)e;
	for (; *image; image++) {
		bool covered = str_list_has(l.items, *image);

		for (size_t i = 0; i < r->plan.mounts.n; i++)
			covered |= str_eq(r->plan.mounts.items[i].destination, *image);
		if (!covered)
			strlist_add(r->a, &l, *image);
	}
	r->volumes = l.items;
	return 0;
}

static int write_cidfile(const struct run *r, struct error *e)
{
	_cleanup_fd_ int fd = -1;

	if (!r->opt.cidfile)
		return 0;
	fd = open(r->opt.cidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0) {
		err_sys(e, errno, "--cidfile %s", r->opt.cidfile);
		return e->code == EEXIST ? err_hint(e, "remove it, or give another name") : -1;
	}
	return file_write_all(fd, r->state_id, strlen(r->state_id), r->opt.cidfile, e);
}

static int on_running(void *ctx, struct error *e)
{
	struct run *r = ctx;

	return detached_running(&r->detached, e);
}

static void on_output(void *ctx, const char *data, size_t len)
{
	struct run *r = ctx;

	output_log_write(&r->detached.log, data, len);
}

/* The caller's part ends here: everything that was taken is the other process's to give back. */
static int detach(struct run *r, struct error *e)
{
	int role = detached_fork(&r->detached, e);

	r->stays = role == 1;
	r->handed_over = !r->stays && r->detached.pid > 0;
	r->stay = (struct container_stay){
		.running = on_running,
		.write = on_output,
		.ctx = r,
		.output = -1,
		.exit_fd = -1,
	};
	if (role != 0)
		return role;
	puts(r->state_id);
	if (fflush(stdout) != 0)
		return err_sys(e, errno, "write the container's id to standard output");
	detached_told(&r->detached);
	return 0;
}

static int start(struct run *r, struct error *e)
{
	struct run_plan *p = &r->plan;
	struct etc_request etc = {
		.hostname = p->spec.hostname,
		.domainname = r->opt.domainname,
		.mode = p->network.mode,
		.add_host = r->opt.add_host.items,
		.dns = r->opt.dns.items,
		.dns_search = r->opt.dns_search.items,
		.dns_option = r->opt.dns_option.items,
		.mounts = p->mounts.items,
		.mounts_len = p->mounts.n,
	};
	struct container_file *files;
	const char *image_signal = r->image.config->config->stop_signal;
	struct container_options o = {
		.id = r->state_id,
		.keep = p->keep_record,
		.idmap = &r->ids,
		.overlay = r->rootfs_fd < 0 ? &r->overlay : NULL,
		.rootfs_fd = r->rootfs_fd,
		.user = r->user ? r->user : "",
		.group_add = r->opt.group_add.items,
		.default_seccomp = !p->seccomp_unconfined && !p->seccomp_file,
		.init = r->opt.init,
		.interactive = r->opt.interactive,
		.hostname_optional = !r->opt.hostname,
		.stop_signal = p->stop_signal				    ? p->stop_signal
			       : image_signal && value_signal(image_signal) ? image_signal
									    : NULL,
	};
	struct oci_spec *spec;
	int code;

	if (etc_files_make(r->a, &etc, &files, &o.files_len, e) < 0 || volumes(r, e) < 0)
		return -1;
	o.files = files;
	o.volumes = r->volumes;
	if (p->network.mode == NETWORK_PASTA || p->network.mode == NETWORK_SLIRP) {
		o.setup_network = network_setup;
		o.setup_network_ctx = &p->network;
	}
	spec = spec_from_image(r->a, r->image.config, &p->spec, &r->warnings, e);
	if (!spec || write_cidfile(r, e) < 0)
		return -1;
	if (r->opt.cgroup_parent)
		spec->linux_->cgroups_path =
			arena_printf(r->a, r->c->systemd_cgroup ? "%s:mrun:%s" : "%s/%s",
				     r->opt.cgroup_parent, r->state_id);
	if ((p->keep_record || r->opt.detach) && !(o.slot = slot_path(r->a, &r->slot, e)))
		return -1;
	if (r->opt.detach) {
		code = detach(r, e);
		if (!r->stays)
			return code;
		o.stay = &r->stay;
	}
	say_warnings(r);
	if (r->stays &&
	    detached_streams(&r->detached, r->opt.interactive, r->slot.fd, &r->stay.output, e) < 0)
		return -1;
	code = container_run(r->c, spec, &o, e);
	/* EOPNOTSUPP: no overlay for this user on this kernel; then fuse, then a copy. */
	for (int i = 0; i < 2 && code < 0 && e->code == EOPNOTSUPP && o.overlay && !r->driver;
	     i++) {
		r->warnings.n = 0;
		if (without_overlay(
			    r, arena_printf(r->a, "no kernel overlay can be had here (%s)", e->msg),
			    e) < 0)
			break;
		say_warnings(r);
		o.overlay = r->rootfs_fd < 0 ? &r->overlay : NULL;
		o.rootfs_fd = r->rootfs_fd;
		err_clear(e);
		code = container_run(r->c, spec, &o, e);
	}
	return code;
}

static void finish(struct run *r, bool ran)
{
	enum slot_stays stays = !ran				  ? SLOT_NOTHING
				: r->plan.keep_files		  ? SLOT_FILES
				: r->stays && r->plan.keep_record ? SLOT_LOG
								  : SLOT_NOTHING;

	if (!ran && r->opt.cidfile && !r->stays)
		unlink(r->opt.cidfile);
	if (r->handed_over)
		return;
	network_end(&r->plan.network);
	if (r->rootfs_fd >= 0)
		close(r->rootfs_fd);
	slot_release(r->a, &r->slot, &r->ids, stays);
	if (r->layers.names)
		layers_close(&r->layers);
	image_drop(&r->image);
	if (r->image.blobs_fd >= 0)
		close(r->image.blobs_fd);
}

/* Nobody listens any more, unless the container did not come to run. */
static _Noreturn void end_stay(struct run *r, int code, const struct error *e)
{
	if (code < 0)
		detached_failed(&r->detached, e);
	else
		state_exit_write(r->stay.exit_fd, code);
	_exit(0);
}

static int check_terminal(const struct run_options *o, struct error *e)
{
	if (!o->tty || !o->interactive || o->detach || isatty(0))
		return 0;
	err_msg(e, "-t with -i: standard input is not a terminal");
	return err_hint(e, "leave -t out: -i alone passes standard input on");
}

int cmd_image_run(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct run r = {
		.c = c,
		.a = c->arena,
		.image.blobs_fd = -1,
		.slot.fd = -1,
		.rootfs_fd = -1,
	};
	char **args;
	int code = run_options_parse(r.a, argc, argv, &r.opt, &args, e);

	if (code == 1)
		return 0;
	if (code < 0 || run_plan_make(r.a, &r.opt, args + 1, &r.plan, e) < 0 ||
	    check_terminal(&r.opt, e) < 0)
		goto failed;
	r.ref = args[0];
	if (image_resolve(r.a, r.ref, r.opt.platform, &r.image, e) < 0)
		goto failed;
	if (identity(&r, e) < 0 || seccomp(&r, e) < 0 || network_check(&r.plan.network, e) < 0 ||
	    root_filesystem(&r, e) < 0)
		code = -1;
	else
		code = start(&r, e);
	finish(&r, code >= 0);
	if (r.stays)
		end_stay(&r, code, e);
	if (code > 0 && code < ERR_EXIT_RUNTIME && !r.opt.network &&
	    r.plan.network.mode == NETWORK_PRIVATE)
		fprintf(stderr, "hint: no network; try --network pasta\n");
	if (code >= 0)
		return code;
failed:
	if (!e->exit_code)
		e->exit_code = ERR_EXIT_RUNTIME;
	return -1;
}
