/* What the files of this room share; nobody else includes it. cgroup.h is the public side. */
#ifndef MRUN_RUNTIME_CGROUP_INTERNAL_H
#define MRUN_RUNTIME_CGROUP_INTERNAL_H

#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/settings.h"

/* What we know of the container's directory in a hierarchy. Only what we made is removed. */
enum hierarchy_state {
	HIER_ABSENT,  /* not made and not joined: no right to, and nothing needed it */
	HIER_PLANNED, /* a crash may have come before or after the mkdir */
	HIER_MADE,
	HIER_FOREIGN, /* was there before: used, never removed */
};

struct hierarchy {
	const char *controllers; /* "cpu,cpuacct", "name=systemd"; "" is the unified one */
	uint32_t ctls;		 /* of v1: 1u << enum cgroup_ctl; v2: 0, they come and go */
	bool v2;
	const char *mount; /* where the hierarchy, or a part of it, is mounted */
	const char *own;   /* the caller's cgroup, absolute, below the mount */
	const char *path;  /* the container's, likewise */
	const char *dir;   /* mount + path */
	const char *top; /* the uppermost cgroup above it that was not there; NULL: none is known */
	enum hierarchy_state state;
	bool planned;  /* cgroup_plan() did not find it out of reach */
	bool unmarked; /* made by us, and hierarchy_mark() was not there yet */
	bool missing;  /* found again (cgroup_restore), and not there: to be deleted, not used */
};

enum cgroup_layout {
	LAYOUT_NONE,	/* no cgroup file system, or disabled */
	LAYOUT_V1,	/* v1 controllers; with a v2 entry among the hierarchies: hybrid */
	LAYOUT_UNIFIED, /* one hierarchy, v2 */
};

struct systemd; /* systemd.h */

struct cgroup {
	struct arena *arena;
	const char *id;
	enum cgroup_layout layout;
	bool rootless, disabled;
	bool late; /* cgroup_create_first() was called */
	const struct oci_resources *resources;
	struct systemd *systemd; /* NULL: the file system driver */
	struct hierarchy *h;
	size_t n;
	int clone_fd;		    /* of the v2 directory once it is made, else -1 */
	int enable_errno;	    /* why a v2 controller could not be enabled … */
	const char *enable_dir;	    /* … and where; NULL when all went well */
	struct cgroup_above *above; /* oom.c */
	size_t above_len;
	cgroup_note *note; /* NULL: none, or called already */
	void *note_ctx;
};

/* layout.c: finding out what the host has. Text in, structure out; nothing is opened. */
struct layout {
	enum cgroup_layout kind;
	struct hierarchy *h;
	size_t n;
};
int layout_parse(struct arena *a, const char *mountinfo, const char *self_cgroup,
		 struct layout *ret, struct error *e);
/* The container's cgroup below a hierarchy's mount: as runc does, an absolute request counts from
 * the mount, a relative one (or the id, without a request) from BASE. */
char *layout_path(struct arena *a, const char *base, const char *request, const char *id);
/* The directory part of an absolute path; "/" for "/". */
char *layout_parent(struct arena *a, const char *path);

/* Bit set of the controllers listed in TEXT, separated by any of SEPS. */
uint32_t ctls_parse(const char *text, const char *seps, bool v2);

/* v1.c */
int v1_create(struct cgroup *cg, struct hierarchy *h, struct error *e);
/* v2.c */
int v2_create(struct cgroup *cg, struct hierarchy *h, uint32_t needed, struct error *e);
/* Makes DIR and missing parents below H's mount; parents that we make are marked. Sets h->state. */
int hierarchy_mkdir(struct cgroup *cg, struct hierarchy *h, struct error *e);
/* Marks the container's own directories, too. */
void hierarchy_mark(struct cgroup *cg);
/* The directory of the cgroup PATH in H. */
char *hierarchy_dir(struct arena *a, const struct hierarchy *h, const char *path);
/* Whether systemd says of that cgroup that it is its processes' to arrange (Delegate=yes). */
bool cg_delegated(const char *dir);
/* Whether it has the name of a service or scope of systemd's, which removes it with its children.
 */
bool cg_is_unit(const char *dir);
/* Whether this process is the only one in it. */
bool cg_alone(const char *dir);
/* Whether the caller's own cgroup is a unit of systemd's that was given away (Delegate=yes). */
bool cg_unit_is_ours(const struct cgroup *cg, const struct hierarchy *h);
/* Whether some mrun made that directory: said by an extended attribute of it. */
bool cg_marked(const char *dir);
/* Removes the parents that some mrun made, by their mark or by H->top, and that are empty now. */
void hierarchy_remove_parents(const struct hierarchy *h);

/* apply.c: applies resources but the rules for devices to the directories that exist. */
int apply_resources(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		    struct error *e);
/* The rules for devices alone. */
int apply_devices(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		  struct error *e);
/* All limits that R asks for, as settings of the cgroup's layout. */
int apply_settings(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		   struct settings *ret, struct error *e);

/* oom.c: notes what cgroup_oom_likely() compares with, if CG has a memory limit. */
void cg_oom_watch(struct cgroup *cg);

/* Sets the hint of an error that delegation would solve. Returns -1. */
int cgroup_hint_delegate(const struct cgroup *cg, struct error *e);

/* While a network namespace is made somewhere, the kernel holds sysfs's lock again and again, and
 * each path that leads through /sys waits for it. cg_place_open() keeps /sys/fs/cgroup open where
 * that is a file system of its own kind (v1), and from then on what follows here starts there. */
void cg_place_open(void);
void cg_place_close(void);
/* FILE of the cgroup directory DIR ("": itself); -1 with errno. */
int cg_open(const char *dir, const char *file, int flags);
/* Whether DIR is there: 0, or -1 with errno. */
int cg_access(const char *dir);

/* A file below a cgroup directory, at most LEN - 1 bytes, NUL-terminated, without the last newline.
 * Returns the length or -errno. For what is small and may be missing. */
ssize_t cg_read(const char *dir, const char *file, char *buf, size_t len);
/* Writes VALUE at once; 0 or -errno. */
int cg_write(const char *dir, const char *file, const char *value);
/* The number after KEY in a file of "key value" lines; false when missing. */
bool cg_read_key(const char *dir, const char *file, const char *key, uint64_t *ret);

/* May children be made below BASE, and processes be moved between BASE's children? */
bool cg_may_make(struct arena *a, const struct hierarchy *h, const char *base);

/* Whether it says that there is no right to something. */
bool cg_is_permission(int errnum);
/* Whether nothing was asked of H that only it can give; NEEDED: settings_needed(). */
bool cg_dispensable(const struct hierarchy *h, uint32_t needed);

/* Waits; a signal may shorten it. */
void cg_sleep_us(long us);

/* freeze.c: as cgroup_freeze(), giving up after TIMEOUT_MS (and thawing again). */
int cg_freeze(const struct cgroup *cg, bool frozen, int timeout_ms, struct error *e);

const struct hierarchy *cg_find(const struct cgroup *cg, enum cgroup_ctl ctl);
const struct hierarchy *cg_find_v2(const struct cgroup *cg);
/* The hierarchy whose process list stands for the container; NULL when there is none. */
const struct hierarchy *cg_main(const struct cgroup *cg);
static inline bool hierarchy_joined(const struct hierarchy *h)
{
	return !h->missing &&
	       (h->state == HIER_MADE || h->state == HIER_FOREIGN || h->state == HIER_PLANNED);
}

#endif
