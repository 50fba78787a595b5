/*
 * Devices (runtime-spec config-linux.md, "Devices", "Default Devices"; config.md, "/dev symbolic
 * links"). Made with mknod where that is allowed; in a user namespace the host's own node is bound,
 * after it was opened and found to be the device that was meant. Nodes are made below a descriptor
 * of their directory and never through a link (a /dev that is a link would redirect them). Root of
 * a container that owns the host's node gets it read-only: its mode is the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/tree.h"

#define NULL_DEVICE makedev(1, 3)

struct node {
	const char *path;
	mode_t type, mode;
	dev_t dev;
	int64_t uid, gid; /* -1: leave */
};

static const struct {
	const char *name;
	unsigned major, minor;
} defaults[] = { { "null", 1, 3 },   { "zero", 1, 5 },	  { "full", 1, 7 },
		 { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };

static const struct {
	const char *name, *target;
} links[] = { { "fd", "/proc/self/fd" },
	      { "stdin", "/proc/self/fd/0" },
	      { "stdout", "/proc/self/fd/1" },
	      { "stderr", "/proc/self/fd/2" },
	      { "ptmx", "pts/ptmx" } };

bool devices_owns_host_nodes(const struct init_plan *p)
{
	for (size_t i = 0; i < p->idmap.uids_len; i++)
		if (p->idmap.uids[i].host_id == 0)
			return true;
	return !p->new_userns;
}

static int bind_node(struct init_plan *p, const struct node *n, int dir, const char *name,
		     struct error *e)
{
	const struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_fd_ int tree = -1;
	struct stat st;

	/* The device can be written to on a read-only mount, the node not. */
	tree = devices_owns_host_nodes(p)
		       ? tree_clone(AT_FDCWD, n->path, 0, &ro)
		       : sys_open_tree(AT_FDCWD, n->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_sys(e, errno, "open the host's device %s", n->path);
	if (fstat(tree, &st) < 0 || (st.st_mode & S_IFMT) != n->type || st.st_rdev != n->dev)
		return err_msg(e, "%s on the host is not the device %u:%u", n->path, major(n->dev),
			       minor(n->dev));
	if (mknodat(dir, name, S_IFREG | 0600, 0) == 0) {
		/* a place for it */
	} else if (errno == EEXIST) {
		struct stat there = { 0 };

		/* Bound twice (a mount of config.json did it): fine when it is the device. */
		if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (there.st_mode & S_IFMT) == n->type && there.st_rdev == n->dev)
			return 0;
		if (!S_ISREG(there.st_mode))
			return err_sys(e, EEXIST, "make the device %s", n->path);
	} else {
		return err_sys(e, errno, "make the device %s", n->path);
	}
	if (sys_move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "bind the device %s", n->path);
	/* For what is masked. When it fails, devices_null_clone() finds out why. */
	if (n->dev == NULL_DEVICE && n->type == S_IFCHR && p->null_tree < 0)
		p->null_tree = tree_clone(tree, "", AT_EMPTY_PATH, &ro);
	return 0;
}

static int make_node(struct init_plan *p, const struct node *n, int dir, const char *name,
		     struct error *e)
{
	struct stat st;

	if (p->devices_by_bind && n->type != S_IFIFO)
		return bind_node(p, n, dir, name, e);
	if (mknodat(dir, name, n->type | n->mode, n->dev) < 0) {
		if (errno == EPERM && n->type != S_IFIFO)
			return bind_node(p, n, dir, name, e);
		if (errno != EEXIST)
			return err_sys(e, errno, "make the device %s", n->path);
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, errno, "stat the device %s", n->path);
		if ((st.st_mode & S_IFMT) != n->type ||
		    (n->type != S_IFIFO && st.st_rdev != n->dev))
			return err_sys(e, EEXIST, "make the device %s", n->path);
	}
	if ((n->uid > 0 || n->gid > 0) &&
	    fchownat(dir, name, n->uid < 0 ? (uid_t)-1 : (uid_t)n->uid,
		     n->gid < 0 ? (gid_t)-1 : (gid_t)n->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "change the owner of the device %s", n->path);
	return 0;
}

static int make_spec_device(struct init_plan *p, const struct oci_device *d, int rootfd,
			    struct error *e)
{
	struct node n = { .path = d->path,
			  .type = d->type[0] == 'b'   ? S_IFBLK
				  : d->type[0] == 'p' ? S_IFIFO
						      : S_IFCHR,
			  .mode = d->file_mode ? *d->file_mode & 07777 : 0666,
			  .uid = d->uid ? (int64_t)*d->uid : -1,
			  .gid = d->gid ? (int64_t)*d->gid : -1 };
	char *name;
	_cleanup_fd_ int dir = path_open_parent_in_root(p->arena, rootfd, d->path, true, &name, e);

	if (dir < 0)
		return err_wrap(e, "make the device %s", d->path);
	if (n.type != S_IFIFO)
		n.dev = makedev((unsigned)*d->major, (unsigned)*d->minor);
	return make_node(p, &n, dir, name, e);
}

/* Whether /dev is a mount of the configuration's own that is not somebody else's directory: then
 * it is ours to fill. */
static bool fills_dev(const struct init_plan *p)
{
	for (size_t i = p->mounts_len; i-- > 0;)
		if (str_eq(p->mounts[i].dest, "/dev"))
			return !p->mounts[i].bind;
	return true;
}

static bool is_given(const struct init_plan *p, const char *path)
{
	const struct oci_linux *l = p->spec->linux_;

	for (size_t i = 0; i < l->devices_len; i++)
		if (str_eq(path_clean(p->arena, l->devices[i].path), path))
			return true;
	return false;
}

static int make_defaults(struct init_plan *p, int dev, struct error *e)
{
	char path[32];
	bool has_core = access("/proc/kcore", F_OK) == 0;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct node n = { .path = path,
				  .type = S_IFCHR,
				  .mode = 0666,
				  .dev = makedev(defaults[i].major, defaults[i].minor),
				  .uid = -1,
				  .gid = -1 };

		snprintf(path, sizeof(path), "/dev/%s", defaults[i].name);
		if (!is_given(p, path) && make_node(p, &n, dev, defaults[i].name, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make the link /dev/%s", links[i].name);
	if (has_core && symlinkat("/proc/kcore", dev, "core") < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the link /dev/core");
	return 0;
}

int devices_make(struct init_plan *p, int rootfd, int opened, struct error *e)
{
	const struct oci_linux *l = p->spec->linux_;
	_cleanup_fd_ int dev = opened;
	bool made;

	if (!fills_dev(p))
		return 0;
	if (dev < 0)
		dev = mounts_open_dir(rootfd, "/dev", &made, e);
	if (dev < 0)
		return -1;
	for (size_t i = 0; i < l->devices_len; i++)
		if (make_spec_device(p, &l->devices[i], rootfd, e) < 0)
			return err_wrap(e, "linux.devices[%zu]", i);
	return make_defaults(p, dev, e);
}

static bool is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == NULL_DEVICE;
}

int devices_null_clone(struct error *e)
{
	const struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	/* By name: a descriptor that we were given is of another mount namespace. */
	_cleanup_fd_ int tree = tree_clone(AT_FDCWD, "/dev/null", AT_SYMLINK_NOFOLLOW, &ro);

	if (tree < 0)
		return err_sys(e, errno, "open /dev/null read-only");
	return is_null(tree) ? fd_take(&tree) : err_msg(e, "/dev/null is not the null device");
}

unsigned devices_null_among_stdio(void)
{
	return (unsigned)is_null(0) | (unsigned)is_null(1) << 1 | (unsigned)is_null(2) << 2;
}

int devices_null_stdio(unsigned which, int *ret_tree, struct error *e)
{
	_cleanup_fd_ int tree = -1;

	for (int fd = 0; fd <= 2; fd++) {
		_cleanup_fd_ int null = -1;

		if (!(which & 1u << fd))
			continue;
		if (tree < 0 && (tree = devices_null_clone(e)) < 0)
			return -1;
		null = open(path_of_fd(tree), (fcntl(fd, F_GETFL) & O_ACCMODE) | O_CLOEXEC);
		if (null < 0 || dup2(null, fd) < 0)
			return err_sys(e, errno, "open /dev/null read-only");
	}
	if (ret_tree)
		*ret_tree = fd_take(&tree);
	return 0;
}
