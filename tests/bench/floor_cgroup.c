/* See floor.h: cgroups, with runc's default rules for devices. */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What runc allows of character devices whatever config.json says; any may be made (mknod). */
static const struct {
	int major, minor; /* -1: any */
} allowed[] = {
	{ 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, -1 },
};

static void cgroup_path(const struct plan *plan, const char *parent, char *path, size_t size)
{
	snprintf(path, size, "%s/floor-%d", parent, plan->pid);
}

static void rules_v1(int dir_fd)
{
	write_file(dir_fd, "devices.deny", "a");
	write_file(dir_fd, "devices.allow", "c *:* m");
	write_file(dir_fd, "devices.allow", "b *:* m");
	for (size_t i = 0; i < COUNT(allowed); i++) {
		char rule[32], minor[12] = "*";

		if (allowed[i].minor >= 0)
			snprintf(minor, sizeof(minor), "%d", allowed[i].minor);
		snprintf(rule, sizeof(rule), "c %d:%s rwm", allowed[i].major, minor);
		write_file(dir_fd, "devices.allow", rule);
	}
}

#define INSN(op, dst, src, offset, value)     \
	((struct bpf_insn){ .code = (op),     \
			    .dst_reg = (dst), \
			    .src_reg = (src), \
			    .off = (offset),  \
			    .imm = (value) })

/* R2: the type, R3: the access, R4: major, R5: minor (struct bpf_cgroup_dev_ctx). */
static void rules_v2(int cgroup_fd)
{
	const uint8_t load = BPF_LDX | BPF_W | BPF_MEM, jne = BPF_JMP | BPF_JNE | BPF_K;
	struct bpf_insn code[96];
	union bpf_attr attr;
	uint32_t n = 0;
	int fd;

	code[n++] = INSN(load, BPF_REG_2, BPF_REG_1, 0, 0);
	code[n++] = INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	code[n++] = INSN(load, BPF_REG_3, BPF_REG_1, 0, 0);
	code[n++] = INSN(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	code[n++] = INSN(load, BPF_REG_4, BPF_REG_1, 4, 0);
	code[n++] = INSN(load, BPF_REG_5, BPF_REG_1, 8, 0);
	/* Making a node is allowed. */
	code[n++] = INSN(jne, BPF_REG_3, 0, 2, BPF_DEVCG_ACC_MKNOD);
	code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < COUNT(allowed); i++) {
		bool any = allowed[i].minor < 0;
		int16_t skip = any ? 3 : 4; /* to the next rule */

		code[n++] = INSN(jne, BPF_REG_2, 0, skip--, BPF_DEVCG_DEV_CHAR);
		code[n++] = INSN(jne, BPF_REG_4, 0, skip--, allowed[i].major);
		if (!any)
			code[n++] = INSN(jne, BPF_REG_5, 0, skip--, allowed[i].minor);
		code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
		code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	code[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	code[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = n;
	attr.license = (uint64_t)(uintptr_t) "";
	TRY(fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	TRY(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)));
	close(fd);
}

/* A v1 cpuset starts empty and takes no process before both are set. */
static void inherit_cpuset(const char *parent, int dir_fd)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < COUNT(files); i++) {
		char path[512], text[256];
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", parent, files[i]);
		TRY(fd = open(path, O_RDONLY | O_CLOEXEC));
		n = read(fd, text, sizeof(text) - 1);
		if (n < 0) {
			fail(path);
			return;
		}
		text[n] = '\0';
		close(fd);
		write_file(dir_fd, files[i], text);
	}
}

void cgroups_make(struct plan *plan)
{
	char path[512];

	if (plan->cgroup2) {
		cgroup_path(plan, plan->cgroup2, path, sizeof(path));
		TRY(mkdir(path, 0755));
		TRY(plan->cgroup2_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		if (plan->devices && plan->cgroup1_count == 0)
			rules_v2(plan->cgroup2_fd);
	}
	for (size_t i = 0; i < plan->cgroup1_count; i++) {
		const char *parent = plan->cgroup1[i];
		int fd;

		cgroup_path(plan, parent, path, sizeof(path));
		TRY(mkdir(path, 0755));
		TRY(fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		if (strstr(parent, "cpuset"))
			inherit_cpuset(parent, fd);
		if (plan->devices && strstr(parent, "devices"))
			rules_v1(fd);
		TRY(plan->tasks_fds[i] = openat(fd, "tasks", O_WRONLY | O_CLOEXEC));
		close(fd);
	}
}

void cgroups_enter(const struct plan *plan)
{
	for (size_t i = 0; i < plan->cgroup1_count; i++)
		TRY(write(plan->tasks_fds[i], "0", 1));
}

static void bind_read_only(const char *from, const char *to)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	int fd;

	TRY(fd = (int)syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	TRY(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	TRY(syscall(SYS_move_mount, fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
	close(fd);
}

static void mount_tmpfs(void)
{
	TRY(mount("tmpfs", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
}

static void tmpfs_read_only(void)
{
	TRY(mount(NULL, "sys/fs/cgroup", NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

void cgroups_show(const struct plan *plan)
{
	char to[64];

	if (plan->shown_count == 1) {
		bind_read_only(plan->shown[0], "sys/fs/cgroup");
		return;
	}
	mount_tmpfs();
	for (size_t i = 0; i < plan->shown_count; i++) {
		snprintf(to, sizeof(to), "sys/fs/cgroup/%zu", i);
		TRY(mkdir(to, 0755));
		bind_read_only(plan->shown[i], to);
	}
	tmpfs_read_only();
}

void cgroups_mount(const struct plan *plan)
{
	char from[512], to[512];

	if (plan->cgroup1_count == 0) {
		cgroup_path(plan, plan->cgroup2, from, sizeof(from));
		bind_read_only(from, "sys/fs/cgroup");
		return;
	}
	mount_tmpfs();
	for (size_t i = 0; i <= plan->cgroup1_count; i++) {
		const char *parent = i < plan->cgroup1_count ? plan->cgroup1[i] : plan->cgroup2;

		if (!parent)
			continue;
		cgroup_path(plan, parent, from, sizeof(from));
		snprintf(to, sizeof(to), "sys/fs/cgroup/%zu", i);
		TRY(mkdir(to, 0755));
		bind_read_only(from, to);
	}
	tmpfs_read_only();
}

void cgroups_remove(const struct plan *plan)
{
	char path[512];

	if (plan->cgroup2) {
		cgroup_path(plan, plan->cgroup2, path, sizeof(path));
		TRY(rmdir(path));
	}
	for (size_t i = 0; i < plan->cgroup1_count; i++) {
		cgroup_path(plan, plan->cgroup1[i], path, sizeof(path));
		TRY(rmdir(path));
	}
}
