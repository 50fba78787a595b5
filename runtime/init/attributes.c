/* See attributes.h. Files of /proc are written below a descriptor that was found to be a procfs: a
 * fake /proc would swallow the label of AppArmor or SELinux (CVE-2019-16884, CVE-2025-52881). */
#include "runtime/init/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

/* sched_setattr(2) knows no more than a number. */
static int explain_scheduler(const struct oci_scheduler *s, int r, struct error *e)
{
	int policy = s->policy - 1;

	if (e->code == EPERM && (policy == SCHED_FIFO || policy == SCHED_RR))
		return err_hint(e, "it needs CAP_SYS_NICE, and on cgroup v1 time for real-time "
				   "tasks: linux.resources.cpu.realtimeRuntime");
	if (e->code == EPERM)
		return err_hint(e, "it needs CAP_SYS_NICE");
	if (e->code == EBUSY)
		return err_hint(e, "the CPUs have not that much time left to promise");
	if (e->code == EOPNOTSUPP || e->code == EINVAL)
		return err_hint(e, "this kernel does not have it (process.scheduler.policy, "
				   "flags)");
	return r;
}

static int set_scheduler(const struct oci_scheduler *s, pid_t pid, struct error *e)
{
	struct sched_attr attr = { .size = sizeof(attr), .sched_policy = (uint32_t)s->policy - 1 };

	for (size_t i = 0; s->flags && s->flags[i]; i++)
		attr.sched_flags |= (unsigned)json_enum_value(oci_scheduler_flags, s->flags[i]);
	attr.sched_nice = s->nice ? *s->nice : 0;
	attr.sched_priority = s->priority ? (uint32_t)*s->priority : 0;
	attr.sched_runtime = s->runtime ? *s->runtime : 0;
	attr.sched_deadline = s->deadline ? *s->deadline : 0;
	attr.sched_period = s->period ? *s->period : 0;
	if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
		return explain_scheduler(s, err_sys(e, errno, "process.scheduler: set it"), e);
	return 0;
}

static int set_io_priority(const struct oci_io_priority *s, struct error *e)
{
	int value = s->priority ? *s->priority : 0;

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(s->class, value)) < 0)
		return err_sys(e, errno, "process.ioPriority: set it");
	return 0;
}

static int explain_memory_policy(int r, struct error *e)
{
	if (e->code == EINVAL)
		return err_hint(e, "are the nodes there (/sys/devices/system/node/has_memory), and "
				   "in linux.resources.cpu.mems?");
	if (e->code == ENOSYS)
		return err_hint(e, "this kernel is without NUMA");
	return r;
}

static int set_memory_policy(const struct oci_memory_policy *s, struct error *e)
{
	unsigned long mask[OCI_LIST_WORDS], mode = (unsigned long)s->mode - 1;
	bool nodes = s->nodes && *s->nodes && oci_list_parse(s->nodes, mask);

	for (size_t i = 0; s->flags && s->flags[i]; i++)
		mode |= (unsigned)json_enum_value(oci_memory_policy_flags, s->flags[i]);
	if (syscall(SYS_set_mempolicy, mode, nodes ? mask : NULL, nodes ? OCI_LIST_MAX + 1 : 0) < 0)
		return explain_memory_policy(err_sys(e, errno, "linux.memoryPolicy: set it"), e);
	return 0;
}

static int set_personality(const struct oci_personality *s, struct error *e)
{
	unsigned long value = s->domain == 2 ? PER_LINUX32 : PER_LINUX;

	if (personality(value) < 0)
		return err_sys(e, errno, "linux.personality: set it");
	return 0;
}

static int write_proc(int proc, const char *file, const char *value, struct error *e)
{
	if (proc < 0)
		return err_msg(e, "write %s: there is no /proc", file);
	return file_write_existing(proc, file, value, e);
}

/* Where the label of the next execve is written: AppArmor's newer directory, else the shared one.
 */
static const char *label_file(int proc, bool apparmor)
{
	return apparmor && faccessat(proc, "self/attr/apparmor/exec", F_OK, 0) == 0
		       ? "self/attr/apparmor/exec"
		       : "self/attr/exec";
}

/* Whether the kernel takes LABEL, without setting it. */
static int check_label(int proc, const char *label, bool apparmor, struct error *e)
{
	char value[4200];

	if (apparmor) {
		snprintf(value, sizeof(value), "permprofile %s", label);
		return write_proc(proc,
				  faccessat(proc, "self/attr/apparmor/current", F_OK, 0) == 0
					  ? "self/attr/apparmor/current"
					  : "self/attr/current",
				  value, e);
	}
	if (write_proc(proc, "self/attr/exec", label, e) < 0)
		return -1;
	return write_proc(proc, "self/attr/exec", "\n", e);
}

static int set_label(struct process_plan *p, int proc, const char *label, bool apparmor,
		     struct error *e)
{
	const char *file = label_file(proc, apparmor);
	char value[4300];

	if (!p->label_late) {
		snprintf(value, sizeof(value), "%s%s", apparmor ? "exec " : "", label);
		return write_proc(proc, file, value, e);
	}
	if (check_label(proc, label, apparmor, e) < 0)
		return -1;
	p->label_file = file;
	p->label_prefix = apparmor ? "exec " : "";
	p->label = label;
	return 0;
}

bool attributes_label_late(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		if (str_eq(spec->mounts[i].destination, "/proc") &&
		    str_eq(spec->mounts[i].type, "proc"))
			return true;
	return false;
}

int attributes_oom_score(const struct process_plan *p, int proc, pid_t pid, struct error *e)
{
	char value[16], file[40] = "self/oom_score_adj";

	if (!p->spec->oom_score_adj)
		return 0;
	if (pid)
		snprintf(file, sizeof(file), "%d/oom_score_adj", (int)pid);
	snprintf(value, sizeof(value), "%d", *p->spec->oom_score_adj);
	if (write_proc(proc, file, value, e) == 0)
		return 0;
	/* Lowering it below the caller's own needs CAP_SYS_RESOURCE of the host: rootless clients
	 * ask for it all the same, and the container is no worse off than its caller. */
	if (e->code != EACCES && e->code != EPERM)
		return err_wrap(e, "process.oomScoreAdj");
	err_clear(e);
	return 1;
}

/* Compiled in, AppArmor is there also where another module runs. */
static bool apparmor_runs(void)
{
	_cleanup_fd_ int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

int attributes_write_proc(struct process_plan *p, int proc, struct error *e)
{
	const struct oci_process *s = p->spec;

	if (s->apparmor_profile && *s->apparmor_profile) {
		if (!apparmor_runs() && str_eq(s->apparmor_profile, "unconfined"))
			return 0;
		if (!apparmor_runs())
			return err_msg(e, "process.apparmorProfile: this kernel has no AppArmor");
		if (set_label(p, proc, s->apparmor_profile, true, e) < 0)
			return err_wrap(e, "process.apparmorProfile '%s'", s->apparmor_profile);
	}
	if (s->selinux_label && *s->selinux_label) {
		if (access("/sys/fs/selinux/enforce", F_OK) != 0)
			return err_msg(e, "process.selinuxLabel: SELinux is not enabled here");
		if (set_label(p, proc, s->selinux_label, false, e) < 0)
			return err_wrap(e, "process.selinuxLabel '%s'", s->selinux_label);
	}
	return 0;
}

int attributes_scheduler(const struct process_plan *p, pid_t pid, struct error *e)
{
	return p->spec->scheduler ? set_scheduler(p->spec->scheduler, pid, e) : 0;
}

int attributes_apply(const struct process_plan *p, struct error *e)
{
	const struct oci_process *s = p->spec;

	if (!p->parent_schedules && attributes_scheduler(p, 0, e) < 0)
		return -1;
	if (s->io_priority && set_io_priority(s->io_priority, e) < 0)
		return -1;
	if (p->memory_policy_spec && set_memory_policy(p->memory_policy_spec, e) < 0)
		return -1;
	if (p->personality_spec && set_personality(p->personality_spec, e) < 0)
		return -1;
	return 0;
}
