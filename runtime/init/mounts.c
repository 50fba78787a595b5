/*
 * The mounts of config.json, in their order. Each target is resolved beneath the root to a
 * descriptor, and the mount is attached to that descriptor, never to a name: a link planted in the
 * image or swapped while we work leads nowhere else (CVE-2021-30465, CVE-2023-27561). The same for
 * sources of later mounts that lie in earlier ones.
 */
#include "runtime/init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/init.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/tree.h"

static uint64_t propagation_type(unsigned long ms)
{
	return ms & ~(unsigned long)MS_REC;
}

static int attributes_failed(const struct mount_plan *m, const char *where, int code,
			     struct error *e)
{
	err_sys(e, code, "set the options of mount %s%s", m->dest, where);
	if (code == EPERM)
		return err_hint(e,
				"in a user namespace a mount of the host's stays as restricted as "
				"it is there (ro, nosuid, nodev, noexec), and so do its access "
				"times (noatime)");
	return -1;
}

/* Flags of one mount, then of the tree. FD is the (attached or detached) mount. */
static int set_attributes(const struct mount_plan *m, int fd, bool own, struct error *e)
{
	struct mount_attr attr = { .attr_set = own ? m->attr_set : 0,
				   .attr_clr = own ? m->attr_clear : 0 };
	struct mount_attr rec = { .attr_set = m->rec_attr_set, .attr_clr = m->rec_attr_clear };

	if (m->propagation & MS_REC)
		rec.propagation = propagation_type(m->propagation);
	else
		attr.propagation = m->propagation;
	if ((attr.attr_set || attr.attr_clr || attr.propagation) &&
	    sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		return attributes_failed(m, "", errno, e);
	if ((rec.attr_set || rec.attr_clr || rec.propagation) &&
	    sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &rec) < 0)
		return attributes_failed(m, " and below", errno, e);
	return 0;
}

/* A file's mount on a directory is EINVAL for move_mount(2), as much is; mount(2) says ENOTDIR, and
 * docker knows that one. */
static int attach_failed(const struct mount_plan *m, int src, int target, int code, struct error *e)
{
	const char *from = m->spec->source ? m->spec->source : "";
	struct stat what, where;
	bool mixed = code == EINVAL && fstat(src, &what) == 0 && !S_ISDIR(what.st_mode) &&
		     fstat(target, &where) == 0 && S_ISDIR(where.st_mode);

	err_sys(e, mixed ? ENOTDIR : code, "mount %s%s%s", m->dest, *from ? " from " : "", from);
	return mixed ? err_hint(e, "%s is a file, and %s a directory in the image", from, m->dest)
		     : -1;
}

static bool is_place(const char *dest)
{
	return str_eq(dest, "/proc") || str_eq(dest, "/sys") || str_eq(dest, "/dev");
}

int mounts_refuse_link(int rootfd, const char *dest, struct error *e)
{
	char target[256];

	if (!is_place(dest))
		return 0;
	if (readlinkat(rootfd, dest + 1, target, sizeof(target)) >= 0)
		return err_msg(e, "mount %s: it is a link in the image, not a directory", dest);
	return errno == EINVAL || errno == ENOENT ? 0 : err_sys(e, errno, "mount %s", dest);
}

int mounts_open_dir(int rootfd, const char *dest, bool *ret_made, struct error *e)
{
	*ret_made = false;
	if (is_place(dest)) {
		int fd = path_try_open_in_root(rootfd, dest, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

		if (fd >= 0)
			return fd;
		if (mounts_refuse_link(rootfd, dest, e) < 0)
			return -1;
	}
	return path_make_dir_in_root(rootfd, dest, 0755, ret_made, e);
}

/* Attaches the tree SRC at m->dest, making the target if nothing is there. */
static int attach(const struct mount_plan *m, int src, int rootfd, struct error *e)
{
	_cleanup_fd_ int target = -1;
	struct stat st = { .st_mode = S_IFDIR };
	bool made;

	/* What a place cannot be, the kernel finds. */
	if (!is_place(m->dest) && fstat(src, &st) < 0)
		return err_sys(e, errno, "stat the source of mount %s", m->dest);
	target = S_ISDIR(st.st_mode) ? mounts_open_dir(rootfd, m->dest, &made, e)
				     : path_mkfile_in_root(rootfd, m->dest, 0755, e);
	if (target < 0)
		return err_wrap(e, "mount %s", m->dest);
	if (sys_move_mount(src, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return attach_failed(m, src, target, errno, e);
	return 0;
}

static int bind(const struct mount_plan *m, const char *source, int rootfd, struct error *e)
{
	_cleanup_fd_ int own = -1;
	int src = m->source_fd;

	if (src < 0) {
		unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT;

		own = src =
			sys_open_tree(AT_FDCWD, source, flags | (m->recursive ? AT_RECURSIVE : 0));
		if (src < 0 && errno == EINVAL && !m->recursive) {
			/* In a user namespace a tree with mounts on it is only had whole. */
			own = src = sys_open_tree(AT_FDCWD, source, flags | AT_RECURSIVE);
		}
	}
	if (src < 0)
		return err_sys(e, errno, "mount %s: open the source %s", m->dest, source);
	if (set_attributes(m, src, true, e) < 0)
		return -1;
	return attach(m, src, rootfd, e);
}

#define LOCKS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* Without the flags NOT. A new procfs, sysfs or mqueue may be refused inside another container (the
 * kernel wants to see an unmasked one first): then what is there is shown, which needs no right. 1:
 * it is new, 0: that. */
static int mount_or_bind(const struct mount_plan *m, unsigned long not, const char *data,
			 int target, int rootfd, struct error *e)
{
	static const struct {
		const char *type, *path;
	} there[] = { { "proc", "/proc" }, { "sysfs", "/sys" }, { "mqueue", "/dev/mqueue" } };
	unsigned long flags = m->flags & ~(unsigned long)(MS_BIND | MS_REC) & ~not ;
	const char *source = m->spec->source ? m->spec->source : m->fstype;
	int err;

	if (tree_mount(source, target, m->fstype, flags, data) == 0)
		return 1;
	err = errno;
	if (err == EPERM || err == EACCES)
		for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
			if (str_eq(m->fstype, there[i].type)) {
				struct mount_plan b = *m;

				b.bind = b.recursive = true;
				b.source_fd = -1;
				b.attr_clear = 0;
				/* A new one has nothing below it: the host's cgroups are not to be
				 * written to. */
				b.rec_attr_set |= m->attr_set & LOCKS;
				return bind(&b, there[i].path, rootfd, e);
			}
	err_sys(e, err, "mount %s (%s%s%s)", m->dest, m->fstype, data ? ", " : "",
		data ? data : "");
	if (err == ENODEV)
		return err_hint(e, "this kernel has no file system '%s'", m->fstype);
	return -1;
}

/* tmpfs: the mode of the directory it covers is kept unless one is given (as runc does); one that
 * was made for it has tmpfs's own, 1777. */
static const char *tmpfs_data(const struct init_plan *p, const struct mount_plan *m, int target,
			      bool existed)
{
	struct stat st;

	if (!existed || (m->data && strstr(m->data, "mode=")) || fstat(target, &st) < 0)
		return m->data;
	return arena_printf(p->arena, "%s%smode=%o", m->data ? m->data : "", m->data ? "," : "",
			    st.st_mode & 07777);
}

static int remount(const struct mount_plan *m, int target, const char *data, struct error *e)
{
	if (tree_mount(NULL, target, NULL, m->flags | (m->bind ? MS_BIND : 0), data) < 0)
		return err_sys(e, errno, "remount %s", m->dest);
	return 0;
}

/* Nothing is left to do once it is mounted. */
static bool is_simple(const struct mount_plan *m)
{
	return !m->copy_up && !m->propagation && !m->rec_attr_set && !m->rec_attr_clear &&
	       !(str_eq(m->fstype, "tmpfs") && (m->flags & MS_RDONLY));
}

static bool is_new_filesystem(const struct mount_plan *m)
{
	return !m->bind && m->fstype && *m->fstype && !str_eq(m->fstype, "none") &&
	       !(m->flags & MS_REMOUNT);
}

/* A file system of ours that later ones lie directly in: /dev, with pts, shm and mqueue. Nobody but
 * us has been in it, so that a directory that we make there stays what it is until it is covered.
 * (Not with mounts that the host shares, nor where others can see ours: init_plan.watched.) */
struct fresh {
	const char *dest;
	int fd; /* its root, once it was needed */
};

static void note_fresh(const struct init_plan *p, const struct mount_plan *m, struct fresh *f)
{
	int want = p->spec->linux_->rootfs_propagation & OCI_PROPAGATION_KIND;

	if (!is_new_filesystem(m) || !str_eq(m->fstype, "tmpfs") || m->copy_up || m->propagation ||
	    p->watched || want == OCI_PROPAGATION_SHARED)
		return;
	fd_closep(&f->fd);
	*f = (struct fresh){ m->dest, -1 };
}

/* 1: M was mounted, 0: it has to be done the long way, -1: error. */
static int mount_in_fresh(const struct mount_plan *m, struct fresh *f, int rootfd, struct error *e)
{
	size_t len = f->dest ? strlen(f->dest) : 0;
	const char *name = m->dest + len + 1;
	char target[NAME_MAX + 64];
	int n;

	if (!len || !is_new_filesystem(m) || !is_simple(m) || strncmp(m->dest, f->dest, len) != 0 ||
	    m->dest[len] != '/' || strchr(name, '/'))
		return 0;
	if (f->fd < 0)
		f->fd = path_open_in_root(rootfd, f->dest, O_PATH | O_DIRECTORY, 0, e);
	if (f->fd < 0)
		return -1;
	n = snprintf(target, sizeof(target), "%s/%s", path_of_fd(f->fd), name);
	if (n < 0 || (size_t)n >= sizeof(target) || mkdirat(f->fd, name, 0755) < 0)
		return 0;
	/* What fails is told by the long way. */
	return mount(m->spec->source ? m->spec->source : m->fstype, target, m->fstype,
		     m->flags & ~(unsigned long)(MS_BIND | MS_REC), m->data) == 0;
}

static int new_filesystem(const struct init_plan *p, struct mount_plan *m, int rootfd,
			  struct error *e)
{
	_cleanup_fd_ int target = -1, mounted = -1;
	const char *data = m->data;
	unsigned long later = 0;
	bool made;
	int r;

	target = mounts_open_dir(rootfd, m->dest, &made, e);
	if (target < 0)
		return err_wrap(e, "mount %s", m->dest);
	if (m->flags & MS_REMOUNT)
		return remount(m, target, data, e);
	if (!m->fstype || !*m->fstype || str_eq(m->fstype, "none")) {
		if (tree_mount(NULL, target, NULL, m->propagation, NULL) < 0)
			return err_sys(e, errno, "change the propagation of %s", m->dest);
		return 0;
	}
	if (str_eq(m->fstype, "tmpfs")) {
		data = tmpfs_data(p, m, target, !made);
		later = m->flags & MS_RDONLY;
	}
	r = mount_or_bind(m, later, data, target, rootfd, e);
	if (r < 0)
		return -1;
	m->is_new = r > 0;
	if (is_simple(m))
		return 0;
	mounted = path_open_in_root(rootfd, m->dest, O_PATH | O_DIRECTORY, 0, e);
	if (mounted < 0)
		return err_wrap(e, "mount %s", m->dest);
	if (m->copy_up && mounts_copy_up(target, mounted, e) < 0)
		return err_wrap(e, "mount %s", m->dest);
	if (set_attributes(m, mounted, false, e) < 0)
		return -1;
	if (later)
		m->readonly_fd = fd_take(&mounted);
	return 0;
}

int mounts_readonly(const struct init_plan *p, struct error *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < p->mounts_len; i++) {
		_cleanup_fd_ int fd = p->mounts[i].readonly_fd;

		if (fd >= 0 && sys_mount_setattr(fd, "", AT_EMPTY_PATH, &ro) < 0)
			return err_sys(e, errno, "make %s read-only", p->mounts[i].dest);
	}
	return 0;
}

/* Whether a mount is the same in whatever network namespace it is made, and before the process is
 * in its cgroups: sysfs and, with v1's, those of cgroups are not. */
static bool at_any_time(const struct init_plan *p, const struct mount_plan *m)
{
	static const char *const types[] = { "proc", "tmpfs", "devpts", "mqueue" };

	for (size_t i = 0; m->fstype && i < sizeof(types) / sizeof(*types); i++)
		if (str_eq(m->fstype, types[i]))
			return true;
	if (m->fstype && (str_eq(m->fstype, "cgroup") || str_eq(m->fstype, "cgroup2")))
		return !p->cgroup_late;
	return !m->fstype || !*m->fstype;
}

static bool is_below(const char *path, const char *dir)
{
	return str_has_prefix(path, dir) && path[strlen(dir)] == '/';
}

size_t mounts_before_outside(const struct init_plan *p)
{
	size_t first = 0;

	while (first < p->mounts_len && at_any_time(p, &p->mounts[first]))
		first++;
	for (size_t i = first + 1; i < p->mounts_len; i++)
		if (!is_below(p->mounts[i].dest, p->mounts[first].dest))
			return p->mounts_len;
	return first;
}

int mounts_apply(struct init_plan *p, int rootfd, size_t first, size_t end, int *ret_dev,
		 struct error *e)
{
	struct fresh fresh = { NULL, -1 };

	for (size_t i = first; i < end; i++) {
		struct mount_plan *m = &p->mounts[i];
		int r;

		if (!at_any_time(p, m) && init_enter_outside(p, e) < 0)
			return -1;
		r = mount_in_fresh(m, &fresh, rootfd, e);
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		if (m->fstype && (str_eq(m->fstype, "cgroup") || str_eq(m->fstype, "cgroup2")))
			r = mounts_cgroup(p, m, rootfd, e);
		else if (m->bind && !(m->flags & MS_REMOUNT))
			r = bind(m, m->spec->source, rootfd, e);
		else
			r = new_filesystem(p, m, rootfd, e);
		if (r < 0)
			return -1;
		if (fresh.dest && str_eq(m->dest, fresh.dest)) {
			fd_closep(&fresh.fd);
			fresh = (struct fresh){ NULL, -1 };
		}
		note_fresh(p, m, &fresh);
	}
	if (ret_dev)
		*ret_dev = fresh.fd >= 0 && str_eq(fresh.dest, "/dev") ? fd_take(&fresh.fd) : -1;
	fd_closep(&fresh.fd);
	return 0;
}

/* F as the file NAME in DIR, and a detached mount of it; -1 with E. */
static int clone_file(const struct container_file *f, int dir, const char *name, struct error *e)
{
	_cleanup_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, f->mode);
	int tree;

	if (fd < 0)
		return err_sys(e, errno, "make %s", f->path);
	if (file_write_all(fd, f->data, f->len, f->path, e) < 0)
		return -1;
	tree = sys_open_tree(dir, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? err_sys(e, errno, "clone %s", f->path) : tree;
}

/* Detached mounts of all of them. One small tmpfs holds them, which needs a place in the tree
 * before parts of it can be cloned: on the root, for a moment in which no path is looked up (".."
 * would lead into it). The clones keep it alive. */
static int clone_files(const struct container_options *o, int rootfd, int *trees, struct error *e)
{
	_cleanup_fd_ int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC), dir = -1;

	if (fs < 0 || sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, errno, "make a file system for %s", o->files[0].path);
	dir = sys_fsmount(fs, FSMOUNT_CLOEXEC,
			  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "mount a file system for %s", o->files[0].path);
	if (sys_move_mount(dir, "", rootfd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return err_sys(e, errno, "attach a file system for %s", o->files[0].path);
	for (size_t i = 0; i < o->files_len; i++) {
		char name[24];

		snprintf(name, sizeof(name), "f%zu", i);
		trees[i] = clone_file(&o->files[i], dir, name, e);
		if (trees[i] < 0)
			return -1;
	}
	if (fchdir(dir) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "detach the file system for %s", o->files[0].path);
	return 0;
}

int mounts_files(const struct init_plan *p, int rootfd, struct error *e)
{
	const struct container_options *o = p->options;
	int *trees = ARENA_ARRAY(p->arena, o->files_len + 1, int);

	if (!o->files_len)
		return 0;
	if (clone_files(o, rootfd, trees, e) < 0)
		return -1;
	for (size_t i = 0; i < o->files_len; i++) {
		_cleanup_fd_ int tree = trees[i];
		_cleanup_fd_ int target = path_mkfile_in_root(rootfd, o->files[i].path, 0644, e);

		if (target < 0)
			return -1;
		if (sys_move_mount(tree, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return err_sys(e, errno, "mount %s", o->files[i].path);
	}
	return 0;
}
