/* See floor.h: the container's first process. */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *target, *link;
} links[] = {
	{ "/proc/self/fd", "dev/fd" },	     { "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
	{ "pts/ptmx", "dev/ptmx" },
};

static const char *const masked[] = {
	"/proc/acpi",	       "/proc/asound",	   "/proc/kcore",	"/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/sys/firmware",       "/proc/scsi",
};

static const char *const read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* The working directory is the new root, not yet pivoted to: the devices are the host's. */
static void make_devices(const struct plan *plan)
{
	for (size_t i = 0; i < COUNT(devices); i++) {
		char from[32], to[32];
		int fd;

		snprintf(to, sizeof(to), "dev/%s", devices[i].name);
		if (plan->mapping == MAPPING_NONE) {
			TRY(mknod(to, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
			continue;
		}
		/* A user namespace may make none. */
		snprintf(from, sizeof(from), "/dev/%s", devices[i].name);
		TRY(fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
		close(fd);
		TRY(mount(from, to, NULL, MS_BIND, NULL));
	}
	for (size_t i = 0; i < COUNT(links); i++)
		TRY(symlink(links[i].target, links[i].link));
}

static void mount_standard(const struct plan *plan)
{
	const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	TRY(mount("proc", "proc", "proc", 0, NULL));
	TRY(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	TRY(mkdir("dev/pts", 0755));
	TRY(mkdir("dev/shm", 0755));
	TRY(mkdir("dev/mqueue", 0755));
	TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620"));
	TRY(mount("shm", "dev/shm", "tmpfs", strict, "mode=1777,size=65536k"));
	TRY(mount("mqueue", "dev/mqueue", "mqueue", strict, NULL));
	if (plan->host_sys) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
		int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/sys",
				      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

		TRY(fd);
		TRY(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
		TRY(syscall(SYS_move_mount, fd, "", AT_FDCWD, "sys", MOVE_MOUNT_F_EMPTY_PATH));
		close(fd);
	} else {
		TRY(mount("sysfs", "sys", "sysfs", strict | MS_RDONLY, NULL));
	}
	if (plan->cgroup_mount)
		cgroups_mount(plan);
	else if (plan->shown_count)
		cgroups_show(plan);
	make_devices(plan);
}

static void mount_masks(void)
{
	for (size_t i = 0; i < COUNT(masked); i++) {
		if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
			continue;
		if (errno != ENOTDIR)
			fail(masked[i]);
		TRY(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0"));
	}
	for (size_t i = 0; i < COUNT(read_only); i++) {
		const unsigned long flags = MS_BIND | MS_RDONLY;

		if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
			if (errno == ENOENT)
				continue;
			fail(read_only[i]);
		}
		TRY(mount(NULL, read_only[i], NULL, MS_REMOUNT | flags, NULL));
	}
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	TRY(fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	TRY(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

_Noreturn void child(const struct plan *plan, int sync_fd)
{
	char go;

	cgroups_enter(plan);
	if (read(sync_fd, &go, 1) != 1) /* the maps are written */
		_exit(125);
	if (plan->mapping == MAPPING_RANGE) {
		TRY(setresgid(0, 0, 0));
		TRY(setresuid(0, 0, 0));
	}
	if (!plan->host_net)
		loopback_up();
	TRY(sethostname("floor", 5));
	TRY(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	if (plan->overlay)
		TRY(mount("overlay", plan->root, "overlay", 0, plan->overlay_options));
	else
		TRY(mount(plan->rootfs, plan->root, NULL, MS_BIND | MS_REC, NULL));
	TRY(chdir(plan->root));
	mount_standard(plan);
	TRY(syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	TRY(chdir("/"));
	if (plan->masks)
		mount_masks();
	if (plan->read_only) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

		TRY(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)));
	}
	execv(plan->argv[0], plan->argv);
	fail(plan->argv[0]);
}
