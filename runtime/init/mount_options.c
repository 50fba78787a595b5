/* Mount options to flags (runtime-spec config.md, "Linux mount options"; mount(8)). Pure. */
#include <linux/mount.h>
#include <sys/mount.h>

#include "oci/base/str.h"
#include "runtime/init/mount_options.h"
#include "runtime/init/plan.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

enum action { SET, CLEAR, ATIME, PROPAGATE, BIND, COPY_UP, IDMAP, NOTHING };

static const struct option {
	const char *name;
	unsigned char action;
	bool recursive;
	unsigned long ms; /* for mount(2) */
	uint64_t attr;	  /* for mount_setattr(2); 0: a flag of the file system, not of the mount */
} known[] = {
	{ "acl", NOTHING, false, 0, 0 },
	{ "async", CLEAR, false, MS_SYNCHRONOUS, 0 },
	{ "atime", CLEAR, false, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "bind", BIND, false, MS_BIND, 0 },
	{ "defaults", NOTHING, false, 0, 0 },
	{ "dev", CLEAR, false, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "diratime", CLEAR, false, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", SET, false, MS_DIRSYNC, 0 },
	{ "exec", CLEAR, false, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "idmap", IDMAP, false, 0, 0 },
	{ "iversion", SET, false, MS_I_VERSION, 0 },
	{ "lazytime", SET, false, MS_LAZYTIME, 0 },
	{ "loud", CLEAR, false, MS_SILENT, 0 },
	{ "mand", SET, false, MS_MANDLOCK, 0 },
	{ "noacl", NOTHING, false, 0, 0 },
	{ "noatime", ATIME, false, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "nodev", SET, false, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "nodiratime", SET, false, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "noexec", SET, false, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "noiversion", CLEAR, false, MS_I_VERSION, 0 },
	{ "nolazytime", CLEAR, false, MS_LAZYTIME, 0 },
	{ "nomand", CLEAR, false, MS_MANDLOCK, 0 },
	{ "norelatime", CLEAR, false, MS_RELATIME, 0 },
	{ "nostrictatime", CLEAR, false, MS_STRICTATIME, 0 },
	{ "nosuid", SET, false, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", SET, false, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", PROPAGATE, false, MS_PRIVATE, 0 },
	{ "ratime", CLEAR, true, 0, MOUNT_ATTR_NOATIME },
	{ "rbind", BIND, true, MS_BIND | MS_REC, 0 },
	{ "rdev", CLEAR, true, 0, MOUNT_ATTR_NODEV },
	{ "rdiratime", CLEAR, true, 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ATIME, false, MS_RELATIME, MOUNT_ATTR_RELATIME },
	{ "remount", SET, false, MS_REMOUNT, 0 },
	{ "rexec", CLEAR, true, 0, MOUNT_ATTR_NOEXEC },
	{ "ridmap", IDMAP, true, 0, 0 },
	{ "rnoatime", ATIME, true, 0, MOUNT_ATTR_NOATIME },
	{ "rnodev", SET, true, 0, MOUNT_ATTR_NODEV },
	{ "rnodiratime", SET, true, 0, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", SET, true, 0, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", CLEAR, true, 0, MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", CLEAR, true, 0, MOUNT_ATTR_STRICTATIME },
	{ "rnosuid", SET, true, 0, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", SET, true, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", SET, false, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "rprivate", PROPAGATE, true, MS_PRIVATE | MS_REC, 0 },
	{ "rrelatime", ATIME, true, 0, MOUNT_ATTR_RELATIME },
	{ "rro", SET, true, 0, MOUNT_ATTR_RDONLY },
	{ "rrw", CLEAR, true, 0, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATE, true, MS_SHARED | MS_REC, 0 },
	{ "rslave", PROPAGATE, true, MS_SLAVE | MS_REC, 0 },
	{ "rstrictatime", ATIME, true, 0, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", CLEAR, true, 0, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", CLEAR, true, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATE, true, MS_UNBINDABLE | MS_REC, 0 },
	{ "rw", CLEAR, false, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATE, false, MS_SHARED, 0 },
	{ "silent", SET, false, MS_SILENT, 0 },
	{ "slave", PROPAGATE, false, MS_SLAVE, 0 },
	{ "strictatime", ATIME, false, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", CLEAR, false, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "symfollow", CLEAR, false, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", SET, false, MS_SYNCHRONOUS, 0 },
	{ "tmpcopyup", COPY_UP, false, 0, 0 },
	{ "unbindable", PROPAGATE, false, MS_UNBINDABLE, 0 },
};

static void attributes(struct mount_plan *m, const struct option *o)
{
	uint64_t *set = o->recursive ? &m->rec_attr_set : &m->attr_set;
	uint64_t *clear = o->recursive ? &m->rec_attr_clear : &m->attr_clear;

	/* The three atime modes are one field: the kernel wants it cleared as a whole. */
	if (o->action == ATIME || (o->action == CLEAR && (o->attr & MOUNT_ATTR__ATIME))) {
		*clear |= MOUNT_ATTR__ATIME;
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		if (o->action == ATIME)
			*set |= o->attr;
		return;
	}
	if (o->action == SET) {
		*set |= o->attr;
		*clear &= ~o->attr;
	} else {
		*clear |= o->attr;
		*set &= ~o->attr;
	}
}

/* Of several modes of access times strictatime goes before noatime, that before relatime: so does
 * mount(2), which takes a flag for each. */
static void access_times(struct mount_plan *m)
{
	if (!(m->flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)))
		return;
	m->attr_clear |= MOUNT_ATTR__ATIME;
	m->attr_set &= ~(uint64_t)MOUNT_ATTR__ATIME;
	if (m->flags & MS_STRICTATIME)
		m->attr_set |= MOUNT_ATTR_STRICTATIME;
	else
		m->attr_set |= (m->flags & MS_NOATIME) ? MOUNT_ATTR_NOATIME : MOUNT_ATTR_RELATIME;
}

int mount_options_parse(struct arena *a, char *const *options, struct mount_plan *ret,
			struct error *e)
{
	(void)e;
	for (; options && *options; options++) {
		const struct option *o = NULL;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (str_eq(known[i].name, *options))
				o = &known[i];
		if (!o) {
			ret->data = ret->data ? arena_printf(a, "%s,%s", ret->data, *options)
					      : *options;
			continue;
		}
		switch ((enum action)o->action) {
		case SET:
		case ATIME:
			ret->flags |= o->ms;
			attributes(ret, o);
			break;
		case CLEAR:
			ret->flags &= ~o->ms;
			attributes(ret, o);
			break;
		case PROPAGATE:
			ret->propagation = o->ms;
			break;
		case BIND:
			ret->bind = true;
			ret->recursive |= o->recursive;
			break;
		case COPY_UP:
			ret->copy_up = true;
			break;
		case IDMAP:
			ret->idmap = true;
			ret->idmap_recursive = o->recursive;
			break;
		case NOTHING:
			break;
		}
	}
	access_times(ret);
	return 0;
}

const char *mount_options_not_clients(struct arena *a, const char *data)
{
	static const char *const said[] = { "z", "Z", "U", "copy", "nocopy" };
	const char *left = NULL;

	for (char **w = str_split(a, data, ','); *w; w++) {
		bool clients = false;

		for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
			clients |= str_eq(*w, said[i]);
		if (!clients)
			left = left ? arena_printf(a, "%s,%s", left, *w) : *w;
	}
	return left;
}

const char *const *mount_option_names(struct arena *a)
{
	struct strlist l = { 0 };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		strlist_add(a, &l, known[i].name);
	return (const char *const *)l.items;
}
