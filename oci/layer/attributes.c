/*
 * See extractor.h. Nothing here follows a link: files and directories are reached by descriptor,
 * the rest by its name in the parent's descriptor, just after it was made there. What is dropped:
 * overlayfs's own attributes (a layer that brings them could hide or redirect what other layers
 * have: CVE-2021-3493, CVE-2023-0386 and kin), and what a user namespace may not set.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "oci/layer/extractor.h"

/* Not the image's to set (umoci has the same list): they are the host's labels and NFS's. */
static bool is_ignored(const char *name)
{
	return str_eq(name, "security.selinux") || str_eq(name, "system.nfs4_acl");
}

static bool is_dropped(const struct extractor *x, const char *name)
{
	/* The last two are fuse-overlayfs's. */
	static const char *const prefixes[] = { "user.overlay.", "trusted.overlay.",
						"user.fuseoverlayfs.",
						"user.containers.override_stat" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_has_prefix(name, prefixes[i]))
			return true;
	return x->o.userns && str_has_prefix(name, "trusted.");
}

/* Sets the entry's attributes on FD, or on NAME in the current directory when FD is -1. */
static int set_xattrs(struct extractor *x, int fd, const char *name, struct error *e)
{
	const char *key;
	const void *value;
	size_t len, names = 0;

	while (tar_xattr(x->tar, &key, &value, &len)) {
		/* More than listxattr(2) can tell; some file systems look for each among all. */
		names += strlen(key) + 1;
		if (names > XATTR_LIST_MAX)
			return err_msg(
				e,
				"more than the %d bytes of names of extended attributes that "
				"a file can have",
				XATTR_LIST_MAX);
		if (is_ignored(key))
			continue;
		if (is_dropped(x, key)) {
			x->r.xattrs++;
			continue;
		}
		if ((fd >= 0 ? fsetxattr(fd, key, value, len, 0)
			     : lsetxattr(name, key, value, len, 0)) == 0)
			continue;
		if (errno != EOPNOTSUPP && errno != EPERM)
			return err_sys(e, errno, "set extended attribute %s", tar_quote(x->a, key));
		x->r.xattrs++;
	}
	return 0;
}

/* Takes away what a directory that was there before, or the parent's default ACL, gave. */
static int clear_xattrs(int fd, struct error *e)
{
	char names[65536]; /* XATTR_LIST_MAX */
	ssize_t n = flistxattr(fd, names, sizeof(names));

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : err_sys(e, errno, "list extended attributes");
	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		if (is_ignored(p) || str_has_prefix(p, "user.overlay.") ||
		    str_has_prefix(p, "trusted.overlay."))
			continue;
		if (fremovexattr(fd, p) < 0 && errno != EPERM && errno != ENODATA &&
		    errno != EOPNOTSUPP)
			return err_sys(e, errno, "remove extended attribute %s", p);
	}
	return 0;
}

/* Whether the owner must be set at all. */
static bool needs_chown(struct extractor *x, const struct dir *parent, const struct tar_entry *t,
			bool fresh)
{
	if (x->o.single) {
		if (t->uid || t->gid)
			x->r.owners++;
		return false;
	}
	return t->uid || t->gid || !fresh || (parent && parent->setgid);
}

static int check_owner(const struct tar_entry *t, struct error *e)
{
	if (t->uid < 0 || t->uid >= UINT32_MAX || t->gid < 0 || t->gid >= UINT32_MAX)
		return err_msg(e, "set owner %lld:%lld: not a user or group id", (long long)t->uid,
			       (long long)t->gid);
	return 0;
}

static int chown_failed(struct extractor *x, const struct tar_entry *t, struct error *e)
{
	int err = errno;

	err_sys(e, err, "set owner %lld:%lld", (long long)t->uid, (long long)t->gid);
	if (err == EINVAL && x->o.userns)
		err_hint(e,
			 "the image needs more user and group ids than are mapped here; a larger "
			 "range in /etc/subuid and /etc/subgid mends it");
	return -1;
}

int attributes_apply_fd(struct extractor *x, int fd, const struct dir *parent,
			const struct tar_entry *t, bool fresh, struct error *e)
{

	bool inherited = parent && parent->acl;

	if (check_owner(t, e) < 0)
		return -1;
	if (needs_chown(x, parent, t, fresh) && fchown(fd, (uid_t)t->uid, (gid_t)t->gid) < 0)
		return chown_failed(x, t, e);
	if ((!fresh || inherited) && clear_xattrs(fd, e) < 0)
		return -1;
	/* After the owner, whose change takes setuid bits and file capabilities away; before the
	 * attributes, since an ACL among them has the last word on the group's bits. */
	if ((!fresh || inherited || (t->mode & 07000) || (parent && parent->setgid)) &&
	    fchmod(fd, t->mode) < 0)
		return err_sys(e, errno, "set mode %04o", (unsigned)t->mode);
	return set_xattrs(x, fd, NULL, e);
}

int attributes_apply_at(struct extractor *x, const struct dir *parent, const char *base,
			const struct tar_entry *t, struct error *e)
{
	struct timespec times[2] = { t->atime, t->mtime };

	if (check_owner(t, e) < 0)
		return -1;
	if (needs_chown(x, parent, t, true) &&
	    fchownat(parent->fd, base, (uid_t)t->uid, (gid_t)t->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return chown_failed(x, t, e);
	/* No link is there to follow: the caller made a FIFO or device of this name just now. */
	if (t->type != TAR_SYMLINK && fchmodat(parent->fd, base, t->mode, 0) < 0)
		return err_sys(e, errno, "set mode %04o", (unsigned)t->mode);
	if (fchdir(parent->fd) < 0)
		return err_sys(e, errno, "enter the parent directory");
	if (set_xattrs(x, -1, base, e) < 0)
		return -1;
	if (utimensat(parent->fd, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the times");
	return 0;
}
