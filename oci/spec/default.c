/* The config.json that `mrun spec` writes: runc's default, in our words. */
#include <linux/sched.h>
#include <string.h>

#include "oci/spec/spec.h"

#define S(s) ((char *)(uintptr_t)(s))
#define LIST(...) list(a, (const char *const[]){ __VA_ARGS__, NULL })

static char **list(struct arena *a, const char *const *items)
{
	struct strlist l = { 0 };

	for (; *items; items++)
		strlist_add(a, &l, *items);
	return l.items;
}

static void add_mount(struct arena *a, struct oci_spec *s, const char *dest, const char *type,
		      const char *source, char **options)
{
	struct oci_mount *m = ARENA_ARRAY(a, s->mounts_len + 1, struct oci_mount);

	if (s->mounts_len)
		memcpy(m, s->mounts, s->mounts_len * sizeof(*m));
	m[s->mounts_len++] = (struct oci_mount){
		.destination = S(dest), .type = S(type), .source = S(source), .options = options
	};
	s->mounts = m;
}

static void add_namespace(struct oci_linux *l, int type)
{
	l->namespaces[l->namespaces_len++].type = type;
}

static struct oci_process *default_process(struct arena *a)
{
	struct oci_process *p = ARENA_NEW(a, struct oci_process);
	static const uint64_t nofile = 1024;

	p->terminal = true;
	p->user = ARENA_NEW(a, struct oci_user);
	p->args = LIST("sh");
	p->env = LIST("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		      "TERM=xterm");
	p->cwd = S("/");
	p->capabilities = ARENA_NEW(a, struct oci_capabilities);
	p->capabilities->bounding = p->capabilities->effective = p->capabilities->permitted =
		LIST("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE");
	p->rlimits = ARENA_NEW(a, struct oci_rlimit);
	p->rlimits_len = 1;
	p->rlimits->type = S("RLIMIT_NOFILE");
	p->rlimits->soft = p->rlimits->hard = &nofile;
	p->no_new_privileges = true;
	return p;
}

static void default_mounts(struct arena *a, struct oci_spec *s, bool rootless)
{
	add_mount(a, s, "/proc", "proc", "proc", NULL);
	add_mount(a, s, "/dev", "tmpfs", "tmpfs",
		  LIST("nosuid", "strictatime", "mode=755", "size=65536k"));
	/* A single mapped id has no group 5 (tty). */
	add_mount(a, s, "/dev/pts", "devpts", "devpts",
		  rootless ? LIST("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
			   : LIST("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
				  "gid=5"));
	add_mount(a, s, "/dev/shm", "tmpfs", "shm",
		  LIST("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"));
	add_mount(a, s, "/dev/mqueue", "mqueue", "mqueue", LIST("nosuid", "noexec", "nodev"));
	if (rootless)
		add_mount(a, s, "/sys", "none", "/sys",
			  LIST("rbind", "nosuid", "noexec", "nodev", "ro"));
	else
		add_mount(a, s, "/sys", "sysfs", "sysfs", LIST("nosuid", "noexec", "nodev", "ro"));
	if (!rootless)
		add_mount(a, s, "/sys/fs/cgroup", "cgroup", "cgroup",
			  LIST("nosuid", "noexec", "nodev", "relatime", "ro"));
}

struct oci_spec *oci_spec_default(struct arena *a, bool rootless, uint32_t uid, uint32_t gid)
{
	struct oci_spec *s = ARENA_NEW(a, struct oci_spec);
	struct oci_linux *l = ARENA_NEW(a, struct oci_linux);

	s->oci_version = S(OCI_SPEC_VERSION);
	s->process = default_process(a);
	s->root = ARENA_NEW(a, struct oci_root);
	s->root->path = S("rootfs");
	s->root->readonly = true;
	s->hostname = S("mrun");
	s->linux_ = l;
	default_mounts(a, s, rootless);
	l->namespaces = ARENA_ARRAY(a, 8, struct oci_namespace);
	add_namespace(l, CLONE_NEWPID);
	if (!rootless)
		add_namespace(l, CLONE_NEWNET);
	add_namespace(l, CLONE_NEWIPC);
	add_namespace(l, CLONE_NEWUTS);
	add_namespace(l, CLONE_NEWNS);
	add_namespace(l, CLONE_NEWCGROUP);
	if (rootless) {
		add_namespace(l, CLONE_NEWUSER);
		l->uid_mappings = ARENA_NEW(a, struct oci_id_mapping);
		l->gid_mappings = ARENA_NEW(a, struct oci_id_mapping);
		*l->uid_mappings = (struct oci_id_mapping){ 0, uid, 1 };
		*l->gid_mappings = (struct oci_id_mapping){ 0, gid, 1 };
		l->uid_mappings_len = l->gid_mappings_len = 1;
	} else {
		l->resources = ARENA_NEW(a, struct oci_resources);
		l->resources->devices = ARENA_NEW(a, struct oci_device_cgroup);
		l->resources->devices->access = S("rwm");
		l->resources->devices_len = 1;
	}
	l->masked_paths = LIST("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
			       "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
			       "/proc/sched_debug", "/sys/firmware", "/proc/scsi");
	l->readonly_paths =
		LIST("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
	return s;
}
