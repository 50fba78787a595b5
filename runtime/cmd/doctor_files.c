/*
 * `mrun doctor`: where the store, the cache and the state of containers lie, whether this user may
 * write there, on what file system, and how much room there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cmd/doctor.h"
#include "runtime/container/state.h"

#define ROOM_WANTED (1024ull * 1024 * 1024)
#define ROOM_NEEDED (16ull * 1024 * 1024)

/* File systems by the magic number of statfs(2); remote ones keep neither foreign owners nor user.*
 * attributes, as a rule, and their locks are the server's. */
static const struct {
	unsigned long magic;
	const char *name;
	bool remote;
} types[] = {
	{ NFS_SUPER_MAGIC, "NFS", true },
	{ 0xff534d42, "CIFS", true },
	{ 0xfe534d42, "SMB", true },
	{ V9FS_MAGIC, "9p", true },
	{ AFS_FS_MAGIC, "AFS", true },
	{ CEPH_SUPER_MAGIC, "Ceph", true },
	{ 0x0bd00bd0, "Lustre", true },
	{ 0x47504653, "GPFS", true },
	{ EXT4_SUPER_MAGIC, "ext4", false },
	{ XFS_SUPER_MAGIC, "XFS", false },
	{ BTRFS_SUPER_MAGIC, "Btrfs", false },
	{ 0x2fc12fc1, "ZFS", false },
	{ F2FS_SUPER_MAGIC, "F2FS", false },
	{ TMPFS_MAGIC, "tmpfs", false },
	{ OVERLAYFS_SUPER_MAGIC, "overlay", false },
	{ 0x65735546, "FUSE", false },
	{ RAMFS_MAGIC, "ramfs", false },
};

static const char *type_name(struct doctor *d, const char *path, bool *remote)
{
	struct statfs s;

	*remote = false;
	if (statfs(path, &s) < 0)
		return "an unknown file system";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].magic == ((unsigned long)s.f_type & 0xffffffff)) {
			*remote = types[i].remote;
			return types[i].name;
		}
	return arena_printf(d->a, "file system 0x%lx", (unsigned long)s.f_type);
}

static const char *amount(struct doctor *d, uint64_t bytes)
{
	if (bytes >= 10ull << 30)
		return arena_printf(d->a, "%llu GiB", (unsigned long long)(bytes >> 30));
	return arena_printf(d->a, "%llu MiB", (unsigned long long)(bytes >> 20));
}

/* Where XDG's VARIABLE or HOME/DEFAULT says (XDG Base Directory Specification); NULL: nowhere. */
static const char *location(struct doctor *d, const char *variable, const char *fallback)
{
	const char *xdg = getenv(variable), *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return arena_printf(d->a, "%s/mrun", xdg);
	return home && home[0] == '/' ? arena_printf(d->a, "%s/%s/mrun", home, fallback) : NULL;
}

static bool has_xdg(const char *variable)
{
	const char *xdg = getenv(variable);

	return xdg && xdg[0] == '/';
}

static const char *own_home(struct doctor *d)
{
	return d->home ? d->home : arena_printf(d->a, "/var/tmp/home-%s", d->user);
}

static void home(struct doctor *d)
{
	const char *h = getenv("HOME");
	struct stat st;

	if (!h || h[0] != '/') {
		bool both = has_xdg("XDG_DATA_HOME") && has_xdg("XDG_CACHE_HOME");

		doctor_add(d, both ? DOCTOR_OK : DOCTOR_MISSING, "HOME", "%s%s",
			   h && *h ? "not an absolute path" : "not set",
			   both ? "; XDG_DATA_HOME and XDG_CACHE_HOME are used"
				: ": there is no place for images");
		if (!both)
			doctor_mend(d, "export HOME=%s", own_home(d));
		return;
	}
	if (stat(h, &st) < 0) {
		doctor_add(d, DOCTOR_MISSING, "HOME", "%s: %s", h, err_text(errno));
		doctor_mend(d, "%sinstall -d -m 700 -o %u -g %u %s", d->sudo, geteuid(), getegid(),
			    h);
	} else if (st.st_uid != geteuid() && !has_xdg("XDG_DATA_HOME")) {
		/* mrun refuses it as root only: root's files there would lock its owner out. */
		doctor_add(d, geteuid() == 0 ? DOCTOR_MISSING : DOCTOR_LIMITED, "HOME",
			   "%s belongs to uid %u, and you are uid %u (after sudo or su?)", h,
			   st.st_uid, geteuid());
		doctor_mend(d, "export HOME=%s", own_home(d));
	} else {
		doctor_add(d, DOCTOR_OK, "HOME", "%s", h);
	}
}

static void mend_elsewhere(struct doctor *d, const char *variable)
{
	doctor_mend(d, "export %s=/var/tmp/mrun-%s && mkdir -m 700 -p $%s", variable, d->user,
		    variable);
}

/* Whether a directory of ours can be used, or be made. */
static bool usable(struct doctor *d, const char *name, const char *variable, const char *path)
{
	const char *there = doctor_existing(d, path);
	bool exists = str_eq(there, path);
	struct stat st;

	if (exists && stat(path, &st) == 0 && st.st_uid != geteuid()) {
		doctor_add(d, DOCTOR_MISSING, name, "%s belongs to uid %u, and you are uid %u",
			   path, st.st_uid, geteuid());
		mend_elsewhere(d, variable);
		return false;
	}
	if (exists && (st.st_mode & 022)) {
		doctor_add(d, DOCTOR_MISSING, name, "%s can be written to by others (mode %04o)",
			   path, st.st_mode & 07777u);
		doctor_mend(d, "chmod 700 %s", path);
		return false;
	}
	if (faccessat(AT_FDCWD, there, W_OK | X_OK, AT_EACCESS) < 0) {
		doctor_add(d, DOCTOR_MISSING, name, "%s cannot be made: %s: %s", path, there,
			   err_text(errno));
		mend_elsewhere(d, variable);
		return false;
	}
	return true;
}

static const char *place(struct doctor *d, const char *name, const char *variable,
			 const char *fallback)
{
	const char *path = location(d, variable, fallback), *there, *type;
	enum doctor_level level = DOCTOR_OK;
	uint64_t room;
	struct statvfs v;
	bool remote, full;

	/* What is wrong with HOME was said there. */
	if (!path || (!has_xdg(variable) && d->home_unusable))
		return NULL;
	if (!usable(d, name, variable, path))
		return NULL;
	there = doctor_existing(d, path);
	type = type_name(d, there, &remote);
	if (statvfs(there, &v) < 0)
		return path;
	room = (uint64_t)v.f_bavail * v.f_frsize;
	/* A ramfs and the like count nothing. */
	full = v.f_blocks && room < ROOM_WANTED;
	if (full || remote)
		level = full && room < ROOM_NEEDED ? DOCTOR_MISSING : DOCTOR_LIMITED;
	doctor_add(d, level, name, "%s, on %s%s, %s%s", path, type,
		   remote ? " (a remote file system: locks are the server's)" : "",
		   v.f_blocks ? amount(d, room) : "an unknown amount",
		   full ? " free: too little for many images" : " free");
	if (full)
		doctor_mend(d, "mrun prune --all");
	if (remote || (full && room < ROOM_NEEDED))
		mend_elsewhere(d, variable);
	return path;
}

static void runtime_dir(struct doctor *d)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *run, *usual, *fault = NULL;
	struct error e;
	struct stat st;

	err_clear(&e);
	run = state_root(d->c, false, &e);
	if (!run) {
		doctor_add(d, DOCTOR_MISSING, "XDG_RUNTIME_DIR", "%s; %s", e.msg, e.hint);
		doctor_mend(d, "%srm -rf /tmp/mrun-%u", d->sudo, geteuid());
		return;
	}
	if (d->c->root || (!xdg && geteuid() == 0)) {
		doctor_add(d, DOCTOR_OK, "XDG_RUNTIME_DIR",
			   "not needed: the state of containers is in %s", run);
		return;
	}
	if (!xdg)
		fault = "not set";
	else if (xdg[0] != '/')
		fault = "not an absolute path";
	else if (stat(xdg, &st) < 0)
		fault = err_text(errno);
	else if (st.st_uid != geteuid())
		fault = "another user's (after su or sudo?)";
	else if (!str_has_prefix(run, xdg))
		fault = "not to be written to";
	if (!fault) {
		doctor_add(d, DOCTOR_OK, "XDG_RUNTIME_DIR", "%s", xdg);
		return;
	}
	doctor_add(d, DOCTOR_LIMITED, "XDG_RUNTIME_DIR",
		   "%s%s%s; the state of containers is in %s instead", xdg ? xdg : "",
		   xdg ? ": " : "", fault, run);
	usual = arena_printf(d->a, "/run/user/%u", geteuid());
	if (geteuid() == 0)
		doctor_mend(d, "unset XDG_RUNTIME_DIR");
	else if (stat(usual, &st) == 0 && st.st_uid == geteuid())
		doctor_mend(d, "export XDG_RUNTIME_DIR=%s", usual);
	else if (access("/run/systemd/system", F_OK) == 0)
		doctor_mend(d, "%sloginctl enable-linger %s && export XDG_RUNTIME_DIR=%s", d->sudo,
			    d->user, usual);
	else
		doctor_mend(d, "%sinstall -d -m 700 -o %u -g %u %s && export XDG_RUNTIME_DIR=%s",
			    d->sudo, geteuid(), getegid(), usual, usual);
}

void doctor_files(struct doctor *d)
{
	home(d);
	d->home_unusable = d->checks[d->n - 1].level == DOCTOR_MISSING;
	place(d, "store", "XDG_DATA_HOME", ".local/share");
	d->cache = place(d, "cache", "XDG_CACHE_HOME", ".cache");
	runtime_dir(d);
}
