/* `mrun doctor`: the kernel by itself: architecture, system calls, seccomp, memory files. */
#include <dirent.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/platform.h"
#include "runtime/cmd/doctor.h"
#include "runtime/init/syscalls.h"

/* Called so that the kernel refuses the arguments; only ENOSYS says that the call is not there. */
static const struct {
	const char *name, *since;
	long nr;
	long args[5];
	bool replaced; /* there is another way, slower or plainer */
} calls[] = {
	{ "clone3", "5.3", SYS_clone3, { 0, 0 }, true },
	{ "openat2", "5.6", SYS_openat2, { -1, 0, 0, 0 }, true },
	{ "close_range", "5.9", SYS_close_range, { 2, 1, 0 }, false },
	{ "open_tree", "5.2", SYS_open_tree, { -1, 0, -1 }, false },
	{ "move_mount", "5.2", SYS_move_mount, { -1, 0, -1, 0, -1 }, false },
	{ "fsopen", "5.2", SYS_fsopen, { 0, -1 }, false },
	{ "mount_setattr", "5.12", SYS_mount_setattr, { -1, 0, 0, 0, 0 }, false },
	{ "pidfd_open", "5.3", SYS_pidfd_open, { -1, -1 }, false },
};

static void kernel(struct doctor *d)
{
	const char *absent = NULL, *replaced = NULL;
	struct utsname u = { 0 };

	uname(&u);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const long *p = calls[i].args;
		const char **list = calls[i].replaced ? &replaced : &absent;

		if (syscall(calls[i].nr, p[0], p[1], p[2], p[3], p[4]) >= 0 || errno != ENOSYS)
			continue;
		*list = arena_printf(d->a, "%s%s%s (Linux %s)", *list ? *list : "",
				     *list ? ", " : "", calls[i].name, calls[i].since);
	}
	if (absent)
		doctor_add(
			d, DOCTOR_MISSING, "kernel",
			"Linux %s has not, or a filter hides: %s; a newer kernel, or the container "
			"manager's seccomp profile, mends it",
			u.release, absent);
	else if (replaced)
		doctor_add(d, DOCTOR_LIMITED, "kernel",
			   "Linux %s; not there, and replaced by a slower way: %s", u.release,
			   replaced);
	else
		doctor_add(d, DOCTOR_OK, "kernel", "Linux %s has every system call that mrun uses",
			   u.release);
}

static void architecture(struct doctor *d)
{
	struct oci_platform p = { 0 };
	struct error ignored;
	const char *emulated = "";
	struct dirent *de;
	DIR *dir = opendir("/proc/sys/fs/binfmt_misc");

	if (platform_parse(d->a, NULL, &p, &ignored) < 0)
		return;
	while (dir && (de = readdir(dir)))
		if (str_has_prefix(de->d_name, "qemu-"))
			emulated = arena_printf(d->a, "%s %s", emulated, de->d_name + 5);
	if (dir)
		closedir(dir);
	doctor_add(d, DOCTOR_OK, "architecture", "%s%s%s", platform_format(d->a, &p),
		   *emulated
			   ? "; emulated as well (binfmt_misc):"
			   : "; no emulator is registered with binfmt_misc, and none is needed for "
			     "images of this architecture",
		   emulated);
}

static void seccomp(struct doctor *d)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 &&
	    (errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP)) {
		doctor_add(d, DOCTOR_MISSING, "seccomp",
			   "this kernel has no system call filters (CONFIG_SECCOMP_FILTER): only "
			   "images that you trust, with --security-opt seccomp=unconfined");
		return;
	}
	doctor_add(d, DOCTOR_OK, "seccomp", "system call filters can be had%s",
		   prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2
			   ? "; one is in force already (a container manager's?)"
			   : "");
}

static void memory_files(struct doctor *d)
{
	_cleanup_fd_ int fd = memfd_create("mrun-doctor", MFD_CLOEXEC | MFD_EXEC);
	const char *noexec = doctor_read(d, "/proc/sys/vm/memfd_noexec");

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("mrun-doctor", MFD_CLOEXEC);
	if (fd >= 0) {
		doctor_add(d, DOCTOR_OK, "memory files",
			   "an executable one can be made (vm.memfd_noexec is %s)",
			   noexec ? noexec : "not there");
		return;
	}
	doctor_add(d, DOCTOR_MISSING, "memory files",
		   "the container's first program is a sealed memory file, which cannot be made: "
		   "%s%s%s",
		   err_text(errno), noexec ? "; vm.memfd_noexec is " : "", noexec ? noexec : "");
	if (noexec && !str_eq(noexec, "0"))
		doctor_mend_sysctl(d, "vm.memfd_noexec", "1");
}

void doctor_kernel(struct doctor *d)
{
	kernel(d);
	architecture(d);
	seccomp(d);
	memory_files(d);
}
