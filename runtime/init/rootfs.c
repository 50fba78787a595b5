/*
 * The container's root: a bundle's directory bound to itself, or an overlay of unpacked layers, and
 * the move into it. pivot_root(2) and not chroot(2): the old root is detached from the namespace
 * and not merely out of sight.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/init.h"
#include "runtime/init/mounts.h"
#include "runtime/init/sync.h"
#include "runtime/init/syscalls.h"

#define OPTIONS_MAX 4096 /* mount(2) takes a page of them */

/* An overlay, created and not mounted yet, with lowerdir+ (Linux 6.5), which takes one directory a
 * call and has no limit on their number. An older kernel says EINVAL, but only in the end. */
static int overlay_context(const struct overlay_root *o, const char *upper, const char *work,
			   struct error *e)
{
	_cleanup_fd_ int fs = sys_fsopen("overlay", FSOPEN_CLOEXEC);

	if (fs < 0)
		return err_sys(e, errno, "open an overlay file system");
	for (size_t i = 0; o->lower[i]; i++)
		if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", o->lower[i], 0) < 0)
			return err_sys(e, errno, "overlay: add layer %zu", i);
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) < 0 ||
	    sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work, 0) < 0)
		return err_sys(e, errno, "overlay: set the upper directory");
	if (sys_fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return err_sys(e, errno, "overlay: set userxattr");
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, errno, "mount the layers as an overlay");
	return fd_take(&fs);
}

/* The same by mount(2), for older kernels: fsconfig(2) takes at most 255 characters, this a page.
 * It is mounted over its own first layer, the one place that is sure to be there and reachable. */
static int overlay_by_options(const struct overlay_root *o, const char *upper, const char *work,
			      struct error *e)
{
	char options[OPTIONS_MAX];
	int len = snprintf(options, sizeof(options),
			   "userxattr,upperdir=%s,workdir=%s,lowerdir=", upper, work);
	const char *place = o->lower[0];
	int mnt;

	if (!place)
		return err_msg(e, "overlay: there is no layer");
	for (size_t i = 0; o->lower[i]; i++) {
		len += snprintf(options + len, sizeof(options) - (size_t)len, "%s%s", i ? ":" : "",
				o->lower[i]);
		if ((size_t)len >= sizeof(options))
			return err_msg(e,
				       "overlay: the image has too many layers (%zu) for this "
				       "kernel",
				       i);
	}
	if (mount("overlay", place, "overlay", 0, options) < 0)
		return err_sys(e, errno, "mount the layers as an overlay");
	mnt = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mnt < 0 ? err_sys(e, errno, "open the overlay") : mnt;
}

/* An upper directory in memory, for where the cache's file system cannot hold one. */
static int tmpfs_upper(struct error *e)
{
	if (mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") < 0)
		return err_sys(e, errno, "mount a tmpfs for the upper directory");
	if (mkdir("/tmp/u", 0755) < 0 || mkdir("/tmp/w", 0700) < 0)
		return err_sys(e, errno, "make the upper directory");
	/* Before Linux 6.6 it has no user.* attributes: the mount would succeed and `rm -r` fail.
	 */
	if (setxattr("/tmp/u", "user.mrun.overlay", "y", 1, 0) < 0) {
		err_sys(e, errno, "use a tmpfs as the upper directory");
		umount2("/tmp", MNT_DETACH);
		return -1;
	}
	return 0;
}

/* The parent starts fuse-overlayfs in our user namespace and passes its mount, detached. */
static int fuse_mount(struct init_plan *p, struct error *e)
{
	const char *dir = arena_printf(p->arena, "%s/m", p->options->overlay->slot_name);
	struct sync_packet packet;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the mount point for fuse-overlayfs");
	/* The parent's answer shall be the next that comes. */
	if (init_wait_until_ready(p, e) < 0 || sync_send(p->sync_fd, SYNC_FUSE, -1, e) < 0 ||
	    sync_receive(p->sync_fd, &packet, e) < 0)
		return -1;
	if (packet.tag != SYNC_GO || packet.fd < 0)
		return err_msg(e, "fuse-overlayfs did not start");
	return packet.fd;
}

/* A mount needs a place in the tree to become the root; any will do, and "." is ours. */
static int attach_here(int mnt, struct error *e)
{
	if (sys_move_mount(mnt, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "attach the overlay");
	return 0;
}

static int overlay_try(const struct overlay_root *o, const char *upper, const char *work,
		       struct error *e)
{
	_cleanup_fd_ int fs = overlay_context(o, upper, work, e), mnt = -1;

	if (fs < 0)
		return e->code == EINVAL ? overlay_by_options(o, upper, work, e) : -1;
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return err_sys(e, errno, "mount the overlay");
	return attach_here(mnt, e) < 0 ? -1 : fd_take(&mnt);
}

static int overlay_mount(struct init_plan *p, struct error *e)
{
	const struct overlay_root *o = p->options->overlay;
	_cleanup_fd_ int mnt = -1;
	struct error first;

	if (o->fuse) {
		mnt = fuse_mount(p, e);
		return mnt < 0 || attach_here(mnt, e) < 0 ? -1 : fd_take(&mnt);
	}
	mnt = overlay_try(o, arena_printf(p->arena, "%s/u", o->slot_name),
			  arena_printf(p->arena, "%s/w", o->slot_name), e);
	if (mnt >= 0)
		return fd_take(&mnt);
	/* The cache lies on a file system that cannot hold an upper directory: another container's
	 * overlay, for one. */
	first = *e;
	if (tmpfs_upper(e) == 0) {
		mnt = overlay_try(o, "/tmp/u", "/tmp/w", e);
		/* The overlay holds it; a source of -v may lie in what it covers. */
		umount2("/tmp", MNT_DETACH);
	}
	if (mnt < 0) {
		*e = first;
		e->code = EOPNOTSUPP; /* image mode: try something else */
		return -1;
	}
	dprintf(STDERR_FILENO, "mrun: what the container writes is kept in memory: the layer "
			       "cache's file system cannot hold an overlay\n");
	return fd_take(&mnt);
}

static uint64_t mount_id(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return st.stx_mnt_id;
}

/* With a shared root the host's mounts stay its peers, so that what the container mounts reaches it
 * where that is asked for. The mount that the root is attached to must not be one of them:
 * pivot_root(2) wants that, and the host would see the root mounted twice. */
static int make_parent_private(const char *rootfs, struct error *e)
{
	char path[PATH_MAX], last[PATH_MAX];
	uint64_t id = mount_id(rootfs);
	char *slash;

	if (!id || strlen(rootfs) >= sizeof(path))
		return err_msg(e, "linux.rootfsPropagation: find the mount of %s", rootfs);
	strcpy(path, rootfs);
	do {
		strcpy(last, path);
		slash = strrchr(path, '/');
		if (!slash)
			break;
		slash[slash == path] = 0;
	} while (strcmp(last, path) != 0 && mount_id(path) == id);
	if (mount(NULL, last, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "linux.rootfsPropagation: make %s private", last);
	return 0;
}

static int bundle_mount(const struct init_plan *p, struct error *e)
{
	_cleanup_fd_ int tree = p->rootfs_tree;
	/* On itself: later mounts may name sources below the bundle's root. */
	const char *place = p->rootfs;
	int r;

	if (tree < 0)
		tree = sys_open_tree(AT_FDCWD, p->rootfs,
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 && p->new_userns && errno == EPERM)
		return namespaces_explain(CLONE_NEWUSER, errno, e);
	if (tree < 0)
		return err_sys(e, errno, "open the root file system %s", p->rootfs);
	r = sys_move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0 && errno == EACCES)
		r = sys_move_mount(tree, "", AT_FDCWD, place = "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return err_sys(e, errno, "mount the root file system %s on %s", p->rootfs, place);
	return fd_take(&tree);
}

static unsigned long propagation_flag(int oci)
{
	static const unsigned long flags[] = { MS_SLAVE, MS_PRIVATE, MS_SHARED, MS_SLAVE,
					       MS_UNBINDABLE };

	return flags[oci & OCI_PROPAGATION_KIND];
}

int rootfs_mount(struct init_plan *p, struct error *e)
{
	int want = p->spec->linux_->rootfs_propagation;
	unsigned long flag = propagation_flag(want);
	bool as_it_is = flag == MS_SHARED && !(want & OCI_PROPAGATION_RECURSIVE);

	/* What is mounted from here on must not reach the host. (A shared or unbindable root is
	 * made so at the end.) */
	if (flag == MS_UNBINDABLE)
		flag = MS_PRIVATE;
	/* (With a user namespace of its own the kernel has made them slaves, copy_mnt_ns().) */
	as_it_is |= p->new_userns && !p->options->overlay && flag == MS_SLAVE;
	if (!as_it_is && mount(NULL, "/", NULL, flag | MS_REC, NULL) < 0) {
		/* Ubuntu's AppArmor lets a user namespace be made and then takes its rights away.
		 */
		if (p->new_userns && (errno == EPERM || errno == EACCES))
			return namespaces_explain(CLONE_NEWUSER, errno, e);
		return err_sys(e, errno, "make the mounts private");
	}
	if (flag == MS_SHARED && mount(NULL, "/", NULL, MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make the root mount private");
	if (flag == MS_SHARED && !p->options->overlay && make_parent_private(p->rootfs, e) < 0)
		return -1;
	return p->options->overlay ? overlay_mount(p, e) : bundle_mount(p, e);
}

/* With a shared root the mounts below the old one are the host's peers: detached as they are, they
 * would be unmounted on the host as well. */
static int pivot(bool shared, struct error *e)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };
	_cleanup_fd_ int old = shared ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (shared && old < 0)
		return err_sys(e, errno, "open the old root");
	if (sys_pivot_root(".", ".") < 0) {
		err_sys(e, errno, "pivot_root");
		return e->code == EINVAL ? err_hint(e, "the host's root is a ramdisk (initramfs): "
						       "use --no-pivot")
					 : -1;
	}
	if (shared && (sys_mount_setattr(old, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave) < 0 ||
		       fchdir(old) < 0))
		return err_sys(e, errno, "make the old root's mounts slaves");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "detach the old root");
	return 0;
}

int rootfs_enter(const struct init_plan *p, int rootfd, struct error *e)
{
	bool shared = propagation_flag(p->spec->linux_->rootfs_propagation) == MS_SHARED;

	if (fchdir(rootfd) < 0)
		return err_sys(e, errno, "enter the root file system");
	if (!p->options->no_pivot) {
		if (pivot(shared, e) < 0)
			return -1;
		/* The directory that we are in has become /. */
		if (!shared)
			return 0;
	} else {
		if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
			return err_sys(e, errno, "move the root file system to /");
		if (chroot(".") < 0)
			return err_sys(e, errno, "chroot");
	}
	if (chdir("/") < 0)
		return err_sys(e, errno, "chdir /");
	return 0;
}

int rootfs_propagation(const struct init_plan *p, struct error *e)
{
	int want = p->spec->linux_->rootfs_propagation;
	unsigned long flag = propagation_flag(want);

	if ((flag == MS_SHARED || flag == MS_UNBINDABLE) &&
	    mount(NULL, "/", NULL, flag | (want & OCI_PROPAGATION_RECURSIVE ? MS_REC : 0), NULL) <
		    0)
		return err_sys(e, errno, "linux.rootfsPropagation");
	if (p->spec->root && p->spec->root->readonly) {
		struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

		if (sys_mount_setattr(AT_FDCWD, "/", 0, &ro) < 0)
			return err_sys(e, errno, "make the root read-only");
	}
	return 0;
}
