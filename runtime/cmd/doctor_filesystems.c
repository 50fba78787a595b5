/*
 * `mrun doctor`: the mounts that a container needs, tried in a child with a container's namespaces
 * and ids. In order: a directory of ours beside the cache (on a tmpfs where there is no cache to be
 * had), owners and user.* attributes in it, an overlay with userxattr whose upper directory lies
 * there, and in that the one operation that fails where the attributes do (replacing a directory
 * of a lower layer), then /proc and /sys. The child removes what it made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cmd/doctor.h"
#include "runtime/container/fuse.h"

#define MARK "user.mrun.doctor"

struct tried {
	int dir;     /* where to work, -1: a tmpfs */
	bool owners; /* the id 1 is mapped */
	int set_up;  /* the errnos: */
	int owner, attribute, overlay, memory, replace, proc, sysfs, tmpfs;
};

static int result(int r)
{
	return r < 0 ? errno : 0;
}

static int make_file(const char *name)
{
	_cleanup_fd_ int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : 0;
}

static int make_dirs(void)
{
	static const char *const names[] = { "l", "l/d", "u", "w", "m", "p" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mkdir(names[i], 0700) < 0)
			return -1;
	return make_file("l/d/f") < 0 || make_file("o") < 0 ? -1 : 0;
}

/* What mrun does next: an upper directory that lies on a tmpfs. */
static int try_upper_in_memory(void)
{
	int err = result(mount("tmpfs", "p", "tmpfs", 0, NULL));

	if (err)
		return err;
	err = result(mkdir("p/u", 0700) < 0 || mkdir("p/w", 0700) < 0 ||
				     mount("overlay", "m", "overlay", 0,
					   "lowerdir=l,upperdir=p/u,workdir=p/w,userxattr") < 0
			     ? -1
			     : 0);
	if (!err)
		umount2("m", MNT_DETACH);
	umount2("p", MNT_DETACH);
	return err;
}

static void try_overlay(struct tried *t)
{
	t->overlay = result(
		mount("overlay", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w,userxattr"));
	if (t->overlay) {
		t->memory = try_upper_in_memory();
		return;
	}
	/* The whiteout and the mark "opaque" are what need the attributes. */
	t->replace =
		result(unlink("m/d/f") < 0 || rmdir("m/d") < 0 || mkdir("m/d", 0700) < 0 ? -1 : 0);
	umount2("m", MNT_DETACH);
}

static int try_type(const char *type)
{
	int err = result(mount(type, "p", type, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));

	if (!err)
		umount2("p", MNT_DETACH);
	return err;
}

static void try_filesystems(void *shared)
{
	static const char *const made[] = { "l", "u", "w", "m", "p", "o" };
	struct tried *t = shared;
	struct error ignored;

	/* The directory goes along into the new mount namespace as the working directory; a
	 * descriptor would be of the old one's mount, which an overlay refuses. */
	t->set_up = t->dir >= 0 ? result(fchdir(t->dir)) : 0;
	if (!t->set_up)
		t->set_up = result(unshare(CLONE_NEWNS));
	if (!t->set_up)
		t->set_up = result(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (t->set_up)
		return;
	if (t->dir < 0) {
		t->set_up =
			result(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0 ? -1 : chdir("/tmp"));
		if (t->set_up)
			return;
	}
	t->set_up = result(make_dirs());
	if (!t->set_up) {
		t->owner = t->owners ? result(chown("o", 1, 1)) : 0;
		t->attribute = result(setxattr("u", MARK, "y", 1, 0));
		removexattr("u", MARK);
		try_overlay(t);
		t->proc = try_type("proc");
		t->sysfs = try_type("sysfs");
		t->tmpfs = try_type("tmpfs");
	}
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		file_remove_tree(AT_FDCWD, made[i], &ignored);
}

static void mend_cache(struct doctor *d)
{
	doctor_mend(d, "export XDG_CACHE_HOME=/var/tmp/mrun-%s && mkdir -m 700 -p $XDG_CACHE_HOME",
		    d->user);
}

static void report_owner(struct doctor *d, const struct tried *t)
{
	if (!t->owners || t->dir < 0)
		return;
	if (!t->owner) {
		doctor_add(d, DOCTOR_OK, "file owners", "the cache keeps files of subordinate ids");
		return;
	}
	doctor_add(
		d, DOCTOR_MISSING, "file owners",
		"the cache's file system does not let files be given to subordinate ids: %s (NFS "
		"does not)",
		err_text(t->owner));
	mend_cache(d);
}

/* fuse-overlayfs, else a copy a run. */
static void report_fallback(struct doctor *d, const char *why, int err)
{
	static const struct doctor_package fuse = { "fuse-overlayfs", "fuse-overlayfs",
						    "fuse-overlayfs", "fuse-overlayfs",
						    "fuse-overlayfs" };
	const char *installed;

	if (fuse_overlayfs_available(d->a)) {
		doctor_add(d, DOCTOR_LIMITED, "overlay",
			   "%s (%s): fuse-overlayfs is used instead, which is slower", why,
			   err_text(err));
		return;
	}
	installed = doctor_find(d, "fuse-overlayfs");
	doctor_add(d, DOCTOR_LIMITED, "overlay",
		   "%s (%s), and %s: the image is copied for each run, which is slow", why,
		   err_text(err),
		   installed ? "fuse-overlayfs may not open /dev/fuse"
			     : "fuse-overlayfs is not installed");
	if (!installed)
		doctor_mend_install(d, &fuse);
	else if (access("/dev/fuse", F_OK) < 0)
		doctor_mend(d, "%smodprobe fuse", d->sudo);
	else
		doctor_mend(d, "%schmod 666 /dev/fuse", d->sudo);
}

static void report_overlay(struct doctor *d, const struct tried *t)
{
	if (t->attribute && t->dir >= 0) {
		/* The cache's file system: another one may do. */
		report_fallback(d, "the cache's file system has no user.* attributes",
				t->attribute);
		mend_cache(d);
	} else if (t->overlay && !t->memory) {
		doctor_add(
			d, DOCTOR_LIMITED, "overlay",
			"the cache's file system cannot hold one (%s): what a container writes is "
			"kept in memory",
			err_text(t->overlay));
		mend_cache(d);
	} else if (t->overlay || t->replace) {
		report_fallback(d, "this kernel has no writable overlay for user namespaces",
				t->overlay ? t->overlay : t->replace);
		if (t->overlay == ENODEV)
			doctor_mend(d, "%smodprobe overlay", d->sudo);
	} else {
		doctor_add(d, DOCTOR_OK, "overlay",
			   "mounted one in a user namespace (userxattr), writable%s",
			   t->dir < 0 ? " on a tmpfs" : " beside the cache");
	}
}

/* The kernel gives a new procfs or sysfs only to those who see an unmasked one already. */
static void report_new(struct doctor *d, const char *name, int err)
{
	if (!err)
		doctor_add(d, DOCTOR_OK, name, "a new one can be mounted");
	else
		doctor_add(d, DOCTOR_LIMITED, name,
			   "a new one cannot be mounted (%s), as inside other containers: the one "
			   "that is there is shown",
			   err_text(err));
}

/* A directory that nobody else can reach, for the child. */
static char *make_dir(struct doctor *d, const struct idmap *ids, int *ret_fd)
{
	char *dir = arena_printf(d->a, "%s/.mrun-doctor-XXXXXX", doctor_existing(d, d->cache));

	if (!mkdtemp(dir))
		return NULL;
	*ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd >= 0 && geteuid() == 0 &&
	    fchown(*ret_fd, (uid_t)idmap_host_uid(ids, 0), (gid_t)idmap_host_gid(ids, 0)) < 0)
		close(fd_take(ret_fd));
	return dir;
}

void doctor_filesystems(struct doctor *d)
{
	const unsigned long flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
				    CLONE_NEWUTS | CLONE_NEWCGROUP;
	struct tried *t = doctor_shared(sizeof(*t));
	char *dir = NULL;
	struct error e;

	if (!t || !d->userns || !d->ids.uids_len) {
		doctor_add(d, DOCTOR_MISSING, "file systems",
			   "not tried: that needs a user namespace");
		return;
	}
	err_clear(&e);
	t->dir = -1;
	t->owners = idmap_host_uid(&d->ids, 1) >= 0 && idmap_host_gid(&d->ids, 1) >= 0;
	if (d->cache)
		dir = make_dir(d, &d->ids, &t->dir);
	if (doctor_probe(d, flags, &d->ids, try_filesystems, t, &e) != PROBE_RAN) {
		doctor_add(d, DOCTOR_MISSING, "file systems", "%s", e.msg);
	} else if (t->set_up) {
		doctor_add(d, DOCTOR_MISSING, "file systems", "no room to try them%s%s: %s",
			   dir ? " beside " : "", dir ? d->cache : "", err_text(t->set_up));
	} else {
		report_owner(d, t);
		report_overlay(d, t);
		report_new(d, "/proc", t->proc);
		report_new(d, "/sys", t->sysfs);
		if (t->tmpfs)
			doctor_add(d, DOCTOR_MISSING, "tmpfs", "none can be mounted: %s",
				   err_text(t->tmpfs));
	}
	if (t->dir >= 0)
		close(t->dir);
	if (dir)
		rmdir(dir);
}
