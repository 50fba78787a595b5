/* The container's file systems, made by its first process before it moves into them. */
#ifndef MRUN_RUNTIME_INIT_MOUNTS_H
#define MRUN_RUNTIME_INIT_MOUNTS_H

#include "runtime/init/plan.h"

/* Mounts the root (bundle's directory or overlay) and returns a descriptor of it (O_PATH). */
int rootfs_mount(struct init_plan *p, struct error *e);
/* Makes the descriptor's directory the root of this process and drops the old one. */
int rootfs_enter(const struct init_plan *p, int rootfd, struct error *e);
/* The propagation that linux.rootfsPropagation asks of the container's root. */
int rootfs_propagation(const struct init_plan *p, struct error *e);

/* How many of p->mounts can be made before init_enter_outside(), and devices and files with them:
 * sysfs is the network namespace's, and what follows it has to lie below it; else that is called on
 * the way. */
size_t mounts_before_outside(const struct init_plan *p);
/* Those of p->mounts from FIRST to before END, in order; *ret_dev (or NULL): what devices_make()
 * takes. A tmpfs is writable until mounts_readonly: devices, copies and later
 * mounts' targets are made in it (a read-only /dev, say). */
int mounts_apply(struct init_plan *p, int rootfd, size_t first, size_t end, int *ret_dev,
		 struct error *e);
/* The directory DEST in the root (O_PATH), made if it is not there; a link is refused where
 * mounts_refuse_link() does so. */
int mounts_open_dir(int rootfd, const char *dest, bool *ret_made, struct error *e);
/* Makes those read-only that shall be; once. */
int mounts_readonly(const struct init_plan *p, struct error *e);
/* An error when DEST is /proc, /sys or /dev and a link in the root: behind one that leads into a
 * volume, whoever shares the volume could move the file system away between its mounting and its
 * masking (CVE-2019-19921, CVE-2023-27561), or have devices made there (CVE-2026-41579). */
int mounts_refuse_link(int rootfd, const char *dest, struct error *e);
/* The small files that image mode shows (hosts, hostname, resolv.conf). */
int mounts_files(const struct init_plan *p, int rootfd, struct error *e);
/* A mount of type cgroup. */
int mounts_cgroup(const struct init_plan *p, const struct mount_plan *m, int rootfd,
		  struct error *e);
/* Copies what lies at SRC (a directory's descriptor) into DST: option tmpcopyup. */
int mounts_copy_up(int src, int dst, struct error *e);

/* OPENED is what mounts_apply() opened, which is taken; linux.devices, the default devices and
 * links of /dev (config-linux.md, "Default Devices"). Where the host's null device was bound,
 * p->null_tree is a clone of it. */
int devices_make(struct init_plan *p, int rootfd, int opened, struct error *e);

/* Whether root inside is the owner of the host's nodes, who may change their mode and owner. */
bool devices_owns_host_nodes(const struct init_plan *p);
/* The host's /dev/null, found to be the null device, as a read-only mount without a place yet. */
int devices_null_clone(struct error *e);
/* Which of 0 to 2 are the null device, as bits. */
unsigned devices_null_among_stdio(void);
/* Opens each of WHICH once more, on a read-only mount: it is the host's node, and root without a
 * user namespace could change its mode through the descriptor. (runc and crun open the container's
 * /dev/null instead, which may be a link: CVE-2026-88265.) *ret_tree (or NULL) is that mount, as
 * devices_null_clone() makes it, or -1 when there was nothing to open. */
int devices_null_stdio(unsigned which, int *ret_tree, struct error *e);
/* linux.maskedPaths and linux.readonlyPaths. */
int masks_apply(const struct init_plan *p, int rootfd, struct error *e);

/* A terminal of the container's own devpts: returns the master's descriptor, *ret_slave is the
 * other side, of that size (0: not set) and user. NO_ONLCR: it does not put a CR before an LF, as
 * the caller's own terminal will (runc's attached mode). */
struct console_plan {
	unsigned short rows, cols;
	uid_t uid;
	bool no_onlcr;
};
int console_open(int rootfd, const struct console_plan *p, int *ret_slave, struct error *e);
/* Makes it the controlling terminal of the calling session's leader, on 0 to 2. */
int console_attach(int slave, bool control, struct error *e);
/* Both at the container's creation: makes it the controlling terminal on 0 to 2, binds it
 * to /dev/console and returns the master's descriptor. */
int console_make(const struct init_plan *p, int rootfd, struct error *e);

#endif
