/*
 * floor: the least that the kernel asks for a container, to measure mrun against.
 *
 * It does what `mrun IMAGE` must do and nothing more (no parsing, no checks, no seccomp, no
 * capabilities, no state on disk): clone with seven namespaces, write the id maps, mount the root,
 * /proc, /sys, /dev with its six devices, pivot, exec, wait. Not safe for anything but measuring.
 *
 *   floor MAPPING ROOT [OPTIONS] PROGRAM [ARG...]
 *
 * MAPPING  --root-range BASE    as root: ids BASE... as 0...65535, written here
 *          --single             one id, the caller's, as 0
 *          --subids             the caller's id and its subordinate range: newuidmap and newgidmap
 * ROOT     --overlay L[:L]      overlayfs over these, topmost first; needs --scratch DIR for the
 * rest
 *          --rootfs DIR         a bind mount
 * OPTIONS  --cgroup DIR         a cgroup of its own below DIR (repeatable: one a hierarchy)
 *          --masks              runc's default masked and read-only paths
 *          --no-net             the caller's network namespace
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_CGROUPS = 16, RANGE = 65536 };

enum mapping { MAPPING_NONE, MAPPING_ROOT_RANGE, MAPPING_SINGLE, MAPPING_SUBIDS };

struct plan {
	enum mapping mapping;
	unsigned long base; /* the range's first id outside, with MAPPING_ROOT_RANGE */
	const char *rootfs;
	const char *overlay;
	const char *scratch;
	const char *cgroups[MAX_CGROUPS];
	size_t cgroup_count;
	bool masks;
	bool net;
	char **argv;
	/* made by prepare() */
	char dir[256]; /* of this run, below scratch */
	char root[512];
	char overlay_options[2048];
};

static _Noreturn void fail(const char *what)
{
	dprintf(2, "floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

#define TRY(call)                    \
	do {                         \
		if ((call) < 0)      \
			fail(#call); \
	} while (0)

/* --- the child ------------------------------------------------------------------------------ */

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The working directory is the new root, not yet pivoted to: the devices are the host's. */
static void mount_standard(void)
{
	const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	TRY(mount("proc", "proc", "proc", strict, NULL));
	TRY(mount("sysfs", "sys", "sysfs", strict | MS_RDONLY, NULL));
	TRY(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	TRY(mkdir("dev/pts", 0755));
	TRY(mkdir("dev/shm", 0755));
	TRY(mkdir("dev/mqueue", 0755));
	TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620"));
	TRY(mount("shm", "dev/shm", "tmpfs", strict, "mode=1777,size=65536k"));
	TRY(mount("mqueue", "dev/mqueue", "mqueue", strict, NULL));
	for (size_t i = 0; i < COUNT(devices); i++) {
		char from[32], to[32];
		int fd;

		snprintf(from, sizeof(from), "/dev/%s", devices[i]);
		snprintf(to, sizeof(to), "dev/%s", devices[i]);
		TRY(fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
		close(fd);
		TRY(mount(from, to, NULL, MS_BIND, NULL));
	}
	for (size_t i = 0; i < COUNT(links); i++)
		TRY(symlink(links[i].target, links[i].link));
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
		const unsigned long flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

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

static _Noreturn void child(const struct plan *plan, int sync_fd)
{
	char go;

	if (read(sync_fd, &go, 1) != 1) /* the maps are written */
		_exit(125);
	if (plan->mapping == MAPPING_ROOT_RANGE) {
		TRY(setresgid(0, 0, 0));
		TRY(setresuid(0, 0, 0));
	}
	TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (plan->overlay)
		TRY(mount("overlay", plan->root, "overlay", 0, plan->overlay_options));
	else
		TRY(mount(plan->rootfs, plan->root, NULL, MS_BIND | MS_REC, NULL));
	TRY(chdir(plan->root));
	mount_standard();
	if (plan->net)
		loopback_up();
	TRY(sethostname("floor", 5));
	TRY(syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	TRY(chdir("/"));
	if (plan->masks)
		mount_masks();
	execv(plan->argv[0], plan->argv);
	fail(plan->argv[0]);
}

/* --- the parent ----------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	write_file(path, text);
}

/* The first subordinate id of the user in /etc/subuid or /etc/subgid, told by name or number. */
static unsigned long subordinate(const char *path)
{
	const char *user = getenv("USER");
	unsigned long first = 0;
	char line[256], number[16];
	FILE *file = fopen(path, "re");

	if (!file) {
		fail(path);
		return 0;
	}
	snprintf(number, sizeof(number), "%u", getuid());
	while (fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		if ((user && strcmp(line, user) == 0) || strcmp(line, number) == 0) {
			first = strtoul(colon + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	if (first == 0) {
		errno = ENOENT;
		fail(path);
	}
	return first;
}

static pid_t spawn_map(const char *program, pid_t target, unsigned int id, unsigned long first)
{
	char pid[16], own[16], sub[24];
	char *argv[] = { (char *)program, pid, "0", own, "1", "1", sub, "65535", NULL };
	char *envp[] = { NULL };
	pid_t helper;

	snprintf(pid, sizeof(pid), "%d", target);
	snprintf(own, sizeof(own), "%u", id);
	snprintf(sub, sizeof(sub), "%lu", first);
	errno = posix_spawn(&helper, program, NULL, NULL, argv, envp);
	if (errno != 0)
		fail(program);
	return helper;
}

static void write_maps(const struct plan *plan, pid_t pid)
{
	char map[64];

	switch (plan->mapping) {
	case MAPPING_ROOT_RANGE:
		snprintf(map, sizeof(map), "0 %lu %d\n", plan->base, RANGE);
		write_proc(pid, "uid_map", map);
		write_proc(pid, "gid_map", map);
		break;
	case MAPPING_SINGLE:
		write_proc(pid, "setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1\n", getuid());
		write_proc(pid, "uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1\n", getgid());
		write_proc(pid, "gid_map", map);
		break;
	case MAPPING_SUBIDS: {
		/* Side by side: each takes milliseconds. */
		pid_t a =
			spawn_map("/usr/bin/newuidmap", pid, getuid(), subordinate("/etc/subuid"));
		pid_t b =
			spawn_map("/usr/bin/newgidmap", pid, getgid(), subordinate("/etc/subgid"));
		int status_a, status_b;

		TRY(waitpid(a, &status_a, 0));
		TRY(waitpid(b, &status_b, 0));
		if (status_a != 0 || status_b != 0) {
			errno = EPERM;
			fail("newuidmap, newgidmap");
		}
		break;
	}
	case MAPPING_NONE:
		break;
	}
}

static void prepare_overlay(struct plan *plan)
{
	static const char *const names[] = { "upper", "work", "merged" };
	char path[512];

	snprintf(plan->dir, sizeof(plan->dir), "%s/floor-%d", plan->scratch, getpid());
	TRY(mkdir(plan->dir, 0755));
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", plan->dir, names[i]);
		TRY(mkdir(path, 0755));
		if (plan->mapping == MAPPING_ROOT_RANGE)
			TRY(chown(path, (uid_t)plan->base, (gid_t)plan->base));
	}
	snprintf(plan->root, sizeof(plan->root), "%s/merged", plan->dir);
	snprintf(plan->overlay_options, sizeof(plan->overlay_options),
		 "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,userxattr", plan->overlay,
		 plan->dir, plan->dir);
}

static void remove_overlay(const struct plan *plan)
{
	static const char *const names[] = { "work/work", "work/index", "work", "upper", "merged" };
	char path[512];

	/* Not all of them need be there; what remains shows in the last rmdir. */
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", plan->dir, names[i]);
		rmdir(path);
	}
	TRY(rmdir(plan->dir));
}

static void cgroup_path(const struct plan *plan, size_t i, char *path, size_t size,
			const char *file)
{
	snprintf(path, size, "%s/floor-%d%s", plan->cgroups[i], getpid(), file);
}

static void enter_cgroups(const struct plan *plan, pid_t pid)
{
	char path[512], text[16];

	snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < plan->cgroup_count; i++) {
		cgroup_path(plan, i, path, sizeof(path), "");
		TRY(mkdir(path, 0755));
		cgroup_path(plan, i, path, sizeof(path), "/cgroup.procs");
		write_file(path, text);
	}
}

static void remove_cgroups(const struct plan *plan)
{
	char path[512];

	for (size_t i = 0; i < plan->cgroup_count; i++) {
		cgroup_path(plan, i, path, sizeof(path), "");
		TRY(rmdir(path));
	}
}

static int run(struct plan *plan)
{
	unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			      CLONE_NEWUTS | CLONE_NEWCGROUP | SIGCHLD;
	int sync_fds[2], status;
	pid_t pid;

	if (plan->net)
		flags |= CLONE_NEWNET;
	if (plan->overlay)
		prepare_overlay(plan);
	else
		snprintf(plan->root, sizeof(plan->root), "%s", plan->rootfs);
	TRY(pipe2(sync_fds, O_CLOEXEC));
	TRY(pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL));
	if (pid == 0) {
		close(sync_fds[1]); /* or it would never see the parent's end */
		child(plan, sync_fds[0]);
	}
	write_maps(plan, pid);
	enter_cgroups(plan, pid);
	TRY(write(sync_fds[1], "", 1));
	TRY(waitpid(pid, &status, 0));
	if (plan->overlay)
		remove_overlay(plan);
	remove_cgroups(plan);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct option options[] = {
	{ "root-range", required_argument, NULL, 'R' }, { "single", no_argument, NULL, '1' },
	{ "subids", no_argument, NULL, 's' },		{ "overlay", required_argument, NULL, 'o' },
	{ "scratch", required_argument, NULL, 'd' },	{ "rootfs", required_argument, NULL, 'r' },
	{ "cgroup", required_argument, NULL, 'c' },	{ "masks", no_argument, NULL, 'm' },
	{ "no-net", no_argument, NULL, 'n' },		{ NULL, 0, NULL, 0 },
};

static bool parse(struct plan *plan, int argc, char **argv)
{
	int option;

	/* "+": the program's own options are not ours. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'R':
			plan->mapping = MAPPING_ROOT_RANGE;
			plan->base = strtoul(optarg, NULL, 10);
			break;
		case '1':
			plan->mapping = MAPPING_SINGLE;
			break;
		case 's':
			plan->mapping = MAPPING_SUBIDS;
			break;
		case 'o':
			plan->overlay = optarg;
			break;
		case 'd':
			plan->scratch = optarg;
			break;
		case 'r':
			plan->rootfs = optarg;
			break;
		case 'c':
			if (plan->cgroup_count == MAX_CGROUPS)
				return false;
			plan->cgroups[plan->cgroup_count++] = optarg;
			break;
		case 'm':
			plan->masks = true;
			break;
		case 'n':
			plan->net = false;
			break;
		default:
			return false;
		}
	}
	plan->argv = argv + optind;
	return optind < argc && plan->mapping != MAPPING_NONE &&
	       (plan->rootfs || (plan->overlay && plan->scratch));
}

int main(int argc, char **argv)
{
	struct plan plan = { .net = true };

	if (!parse(&plan, argc, argv)) {
		dprintf(2, "usage: floor --root-range BASE|--single|--subids "
			   "--overlay LOWER[:LOWER] --scratch DIR|--rootfs DIR "
			   "[--cgroup DIR]... [--masks] [--no-net] PROGRAM [ARG...]\n");
		return 125;
	}
	return run(&plan);
}
