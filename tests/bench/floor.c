/*
 * floor: the least that the kernel asks for a container, to measure mrun against.
 *
 * It makes the namespaces, mounts, masks, devices and cgroups that mrun makes for runc's default
 * configuration, and calls newuidmap as mrun does, and nothing more: no parsing, no checks, no
 * seccomp, no capabilities, no state on disk, no shim. Where the kernel offers two ways it takes
 * the cheaper one. Not safe for anything but measuring.
 *
 *   floor [OPTIONS] PROGRAM [ARG...]
 *
 *   --map none|range:BASE|single|subids   no user namespace | as root: ids BASE... as 0...65535,
 *                        written here | the caller's id as 0 | the caller's and its subordinate
 *                        range, by newuidmap and newgidmap side by side (default none)
 *   --rootfs DIR         the root: a bind mount, or
 *   --overlay L[:L]      overlayfs over these, topmost first; needs --scratch DIR for the rest
 *   --read-only          the root is mounted read-only in the end
 *   --host-net           the caller's network namespace instead of a new one with lo up
 *   --host-sys           /sys is the host's, read-only, instead of a sysfs of its own
 *   --cgroup-ns          a cgroup namespace
 *   --cgroup2 DIR        a cgroup of its own below DIR, from the first instruction
 *   --cgroup1 DIR        likewise in a v1 hierarchy (repeatable)
 *   --devices            runc's default rules for devices in these cgroups
 *   --cgroup-mount       the container's own cgroups at its /sys/fs/cgroup, read-only
 *   --cgroup-show DIR    DIR, a cgroup of the host's, at its /sys/fs/cgroup, read-only, or, if
 * there are several (repeatable), each in a directory there
 *   --masks              runc's default masked and read-only paths
 */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANGE = 65536 };

_Noreturn void fail(const char *what)
{
	dprintf(2, "floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

void write_file(int dir_fd, const char *path, const char *text)
{
	int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

/* --- ids ------------------------------------------------------------------------------------- */

static void write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	write_file(AT_FDCWD, path, text);
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
	case MAPPING_RANGE:
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

/* --- the overlay's directories -----------------------------------------------------------------
 */

static void prepare_overlay(struct plan *plan)
{
	static const char *const names[] = { "upper", "work", "merged" };
	char path[512];

	snprintf(plan->dir, sizeof(plan->dir), "%s/floor-%d", plan->scratch, plan->pid);
	TRY(mkdir(plan->dir, 0755));
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", plan->dir, names[i]);
		TRY(mkdir(path, 0755));
		if (plan->mapping == MAPPING_RANGE)
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

/* --- the life ----------------------------------------------------------------------------------
 */

static int run(struct plan *plan)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
	};
	int sync_fds[2], status;
	pid_t pid;

	if (plan->mapping != MAPPING_NONE)
		args.flags |= CLONE_NEWUSER;
	if (!plan->host_net)
		args.flags |= CLONE_NEWNET;
	if (plan->cgroup_ns)
		args.flags |= CLONE_NEWCGROUP;
	plan->pid = getpid();
	if (plan->overlay)
		prepare_overlay(plan);
	else
		snprintf(plan->root, sizeof(plan->root), "%s", plan->rootfs);
	cgroups_make(plan);
	if (plan->cgroup2) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)plan->cgroup2_fd;
	}
	TRY(pipe2(sync_fds, O_CLOEXEC));
	TRY(pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args)));
	if (pid == 0) {
		close(sync_fds[1]); /* or it would never see the parent's end */
		child(plan, sync_fds[0]);
	}
	write_maps(plan, pid);
	TRY(write(sync_fds[1], "", 1));
	TRY(waitpid(pid, &status, 0));
	if (plan->overlay)
		remove_overlay(plan);
	cgroups_remove(plan);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool parse_mapping(struct plan *plan, const char *text)
{
	static const char *const names[] = { "none", "range:", "single", "subids" };

	for (size_t i = 0; i < COUNT(names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(text, names[i], len) != 0)
			continue;
		plan->mapping = (enum mapping)i;
		plan->base = strtoul(text + len, NULL, 10);
		return true;
	}
	return false;
}

static const struct option options[] = {
	{ "map", required_argument, NULL, 'm' },
	{ "overlay", required_argument, NULL, 'o' },
	{ "scratch", required_argument, NULL, 'd' },
	{ "rootfs", required_argument, NULL, 'r' },
	{ "cgroup1", required_argument, NULL, '1' },
	{ "cgroup2", required_argument, NULL, '2' },
	{ "cgroup-ns", no_argument, NULL, 'C' },
	{ "cgroup-mount", no_argument, NULL, 'M' },
	{ "cgroup-show", required_argument, NULL, 'S' },
	{ "devices", no_argument, NULL, 'D' },
	{ "masks", no_argument, NULL, 'k' },
	{ "host-net", no_argument, NULL, 'n' },
	{ "host-sys", no_argument, NULL, 's' },
	{ "read-only", no_argument, NULL, 'O' },
	{ NULL, 0, NULL, 0 },
};

static bool parse(struct plan *plan, int argc, char **argv)
{
	int option;

	/* "+": the program's own options are not ours. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		bool *flag = option == 'C'   ? &plan->cgroup_ns
			     : option == 'M' ? &plan->cgroup_mount
			     : option == 'D' ? &plan->devices
			     : option == 'k' ? &plan->masks
			     : option == 'n' ? &plan->host_net
			     : option == 's' ? &plan->host_sys
			     : option == 'O' ? &plan->read_only
					     : NULL;
		const char **text = option == 'o'   ? &plan->overlay
				    : option == 'd' ? &plan->scratch
				    : option == 'r' ? &plan->rootfs
				    : option == '2' ? &plan->cgroup2
						    : NULL;

		if (flag)
			*flag = true;
		else if (text)
			*text = optarg;
		else if (option == '1' && plan->cgroup1_count < MAX_CGROUPS)
			plan->cgroup1[plan->cgroup1_count++] = optarg;
		else if (option == 'S' && plan->shown_count < MAX_CGROUPS)
			plan->shown[plan->shown_count++] = optarg;
		else if (option != 'm' || !parse_mapping(plan, optarg))
			return false;
	}
	plan->argv = argv + optind;
	return optind < argc && (plan->rootfs || (plan->overlay && plan->scratch));
}

int main(int argc, char **argv)
{
	static struct plan plan;

	if (!parse(&plan, argc, argv)) {
		dprintf(2, "usage: floor [OPTIONS] PROGRAM [ARG...] (see the head of floor.c)\n");
		return 125;
	}
	return run(&plan);
}
