/* See sysctl.h. A name is data: "kernel.shmmax+../../x" or one with a slash at the wrong place must
 * not reach another file (CVE-2022-0811), so each part is checked and the file is opened beneath
 * the procfs, no links followed. */
#include "runtime/init/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"

/* sysctl names use dots or slashes; an interface's name may have a dot of its own when slashes
 * separate ("net/ipv4/conf/eth0.1/forwarding"). */
static bool to_path(const char *key, char *out, size_t size)
{
	size_t n = strlen(key);
	bool slashes =
		strchr(key, '/') && (!strchr(key, '.') || strchr(key, '/') < strchr(key, '.'));
	const char *start;

	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i <= n; i++) {
		char c = key[i];

		if (!slashes && c == '.')
			c = '/';
		else if (!slashes && c == '/')
			c = '.';
		out[i] = c;
	}
	for (start = out; start; start = strchr(start, '/') ? strchr(start, '/') + 1 : NULL) {
		size_t len = strcspn(start, "/");

		if (len == 0 || (len == 1 && start[0] == '.') ||
		    (len == 2 && start[0] == '.' && start[1] == '.'))
			return false;
	}
	for (const char *p = out; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == '+' || *p == 0x7f)
			return false;
	return true;
}

static const struct {
	const char *prefix;
	int ns;
	const char *name, *file;
} owners[] = {
	{ "net/", CLONE_NEWNET, "network", "net" },
	{ "fs/mqueue/", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/msgmax", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/msgmnb", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/msgmni", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/sem", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/shmall", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/shmmax", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/shmmni", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/shm_rmid_forced", CLONE_NEWIPC, "ipc", "ipc" },
	{ "kernel/domainname", CLONE_NEWUTS, "uts", "uts" },
};

/* Whether NS is by its path the one that we are in, the host's: what is set there is set for all.
 */
static bool is_ours(const struct oci_namespace *ns, const char *kind)
{
	char own[32];
	struct stat a, b;

	if (!ns->path || !*ns->path)
		return false;
	snprintf(own, sizeof(own), "/proc/self/ns/%s", kind);
	return stat(ns->path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int sysctl_check(const struct oci_spec *s, struct error *e)
{
	for (size_t i = 0; i < s->linux_->sysctl_len; i++) {
		const char *key = s->linux_->sysctl[i].key;
		const struct oci_namespace *ns;
		char path[512];
		size_t k;

		if (!to_path(key, path, sizeof(path)))
			return err_msg(e, "linux.sysctl: '%s' is not the name of a sysctl", key);
		if (str_eq(path, "kernel/hostname"))
			return err_msg(e, "linux.sysctl: %s: use hostname instead", key);
		for (k = 0; k < sizeof(owners) / sizeof(owners[0]); k++) {
			size_t n = strlen(owners[k].prefix);

			if (str_has_suffix(owners[k].prefix, "/")
				    ? strncmp(path, owners[k].prefix, n) == 0
				    : str_eq(path, owners[k].prefix))
				break;
		}
		if (k == sizeof(owners) / sizeof(owners[0]))
			return err_msg(
				e,
				"linux.sysctl: %s does not belong to a namespace: setting it "
				"would change the host",
				key);
		ns = oci_spec_namespace(s, owners[k].ns);
		if (!ns)
			return err_msg(e,
				       "linux.sysctl: %s needs a %s namespace in "
				       "linux.namespaces",
				       key, owners[k].name);
		if (is_ours(ns, owners[k].file))
			return err_msg(e,
				       "linux.sysctl: %s would change the host: the %s namespace "
				       "in linux.namespaces is the host's own",
				       key, owners[k].name);
	}
	return 0;
}

int sysctl_apply(const struct oci_spec *s, int proc, struct error *e)
{
	for (size_t i = 0; i < s->linux_->sysctl_len; i++) {
		const struct json_pair *v = &s->linux_->sysctl[i];
		struct open_how how = { .flags = O_WRONLY | O_CLOEXEC,
					.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
						   RESOLVE_NO_XDEV };
		char path[520];
		_cleanup_fd_ int fd = -1;
		struct statfs fs;

		memcpy(path, "sys/", 4);
		if (!to_path(v->key, path + 4, sizeof(path) - 4))
			return err_msg(e, "linux.sysctl: '%s' is not the name of a sysctl", v->key);
		fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));
		if (fd < 0 && (errno == ENOSYS || errno == EXDEV))
			fd = openat(proc, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return err_sys(e, errno, "linux.sysctl: open %s", v->key);
		if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
			return err_msg(e, "linux.sysctl: %s is not in a procfs", v->key);
		if (write(fd, v->value, strlen(v->value)) < 0)
			return err_sys(e, errno, "linux.sysctl: set %s to '%s'", v->key, v->value);
	}
	return 0;
}
