/* See idmapped.h. The mapping is handed to the kernel as a user namespace, which only lives as long
 * as a process or a descriptor is in it: a child that does nothing makes it. */
#include "runtime/init/idmapped.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/syscalls.h"

#define MOUNTINFO_MAX (16u * 1024 * 1024)

static const char *filesystem_name(int fd)
{
	static const struct {
		long magic;
		const char *name;
	} names[] = { { 0x01021994, "tmpfs" }, { 0xef53, "ext4" },	  { 0x9123683e, "btrfs" },
		      { 0x58465342, "xfs" },   { 0x794c7630, "overlay" }, { 0x6969, "nfs" },
		      { 0x65735546, "fuse" },  { 0x9fa0, "proc" },	  { 0x62656572, "sysfs" },
		      { 0x2fc12fc1, "zfs" },   { 0xfe534d42, "smb2" },	  { 0x01021997, "9p" },
		      { 0x1cd1, "devpts" },    { 0x27e0eb, "cgroup" },	  { 0x63677270, "cgroup2" },
		      { 0x858458f6, "ramfs" } };
	static char number[32];
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return "unknown";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].magic == s.f_type)
			return names[i].name;
	snprintf(number, sizeof(number), "of type %#lx", (unsigned long)s.f_type);
	return number;
}

static int userns_open(struct arena *a, const struct idmap *m, struct error *e)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	struct idmap_job job = { .open_fd = 0 };
	char path[64];
	pid_t pid;
	int fd = -1, p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = sys_clone3(&args, sizeof(args));
	/* Old kernels, and filters that answer for a call they do not know. */
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		char c;

		close(p[1]);
		_exit(read(p[0], &c, 1) < 0); /* until the parent is done */
	}
	close(p[0]);
	if (pid < 0) {
		close(p[1]);
		return err_sys(e, errno, "make a user namespace for an id-mapped mount");
	}
	if (idmap_start(a, pid, m, &job, e) == 0 && idmap_finish(&job, e) == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			err_sys(e, errno, "open %s", path);
	}
	close(p[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* Which mount of the tree at SOURCE cannot be mapped: the one itself, else what lies below it. */
static void find_refusing(struct arena *a, const struct oci_mount *s, bool recursive,
			  struct mount_attr *attr, const char **ret_path, const char **ret_type)
{
	struct error ignored;
	char *text, *save = NULL, *real = path_real(a, s->source, &ignored);
	size_t len = real ? strlen(real) : 0;

	*ret_path = s->source;
	if (!recursive || !real ||
	    file_read(a, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, &ignored) <
		    0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char **f = str_split(a, line, ' ');
		const char *path = str_list_len(f) > 4 ? f[4] : "";
		_cleanup_fd_ int fd = -1;

		if (!str_has_prefix(path, real) || (len > 1 && path[len] != '/'))
			continue;
		fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fd < 0 || sys_mount_setattr(fd, "", AT_EMPTY_PATH, attr) == 0)
			continue;
		*ret_path = path;
		*ret_type = filesystem_name(fd);
		return;
	}
}

int idmapped_apply(struct arena *a, struct mount_plan *m, const struct idmap *container, size_t i,
		   struct error *e)
{
	const struct oci_mount *s = m->spec;
	struct idmap own = { .uids = s->uid_mappings,
			     .uids_len = s->uid_mappings_len,
			     .gids = s->gid_mappings,
			     .gids_len = s->gid_mappings_len };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	_cleanup_fd_ int userns = -1;

	if (!own.uids_len && !container)
		return err_msg(
			e,
			"mounts[%zu].options: idmap needs a mapping of the mount's or a user "
			"namespace of the container's",
			i);
	userns = userns_open(a, own.uids_len ? &own : container, e);
	if (userns < 0)
		return err_wrap(e, "mounts[%zu]", i);
	attr.userns_fd = (unsigned)userns;
	if (sys_mount_setattr(m->source_fd, "",
			      AT_EMPTY_PATH | (m->idmap_recursive ? AT_RECURSIVE : 0), &attr) < 0) {
		const char *path, *type = filesystem_name(m->source_fd);
		int err = errno;

		find_refusing(a, s, m->idmap_recursive, &attr, &path, &type);
		err_sys(e, err, "mount %s: map the ids of %s (a file system %s)", s->destination,
			path, type);
		if (err == EINVAL && path != s->source)
			return err_hint(e,
					"it is mounted below %s and cannot be id-mapped: mount a "
					"deeper directory, or leave it out with --mount "
					"type=bind,source=%s,target=%s,bind-nonrecursive",
					s->source, s->source, s->destination);
		if (err == EINVAL)
			return err_hint(e, "this file system cannot be id-mapped on this kernel: "
					   "use a directory on ext4, xfs, btrfs or tmpfs");
		if (err == EPERM)
			return err_hint(e,
					"only root of the namespace that mounted %s may map its "
					"ids",
					s->source);
		return -1;
	}
	return 0;
}
