/* The plan of a process and of a container's mounts, from the specification. See plan.h. */
#include "runtime/init/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/init/idmapped.h"
#include "runtime/init/mount_options.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"
#include "runtime/init/tree.h"
#include "runtime/shim/shim.h"

static int plan_rlimits(struct arena *a, const struct oci_process *s, struct process_plan *p,
			struct error *e)
{
	p->rlimits = ARENA_ARRAY(a, s->rlimits_len, struct rlimit64_plan);
	for (size_t i = 0; i < s->rlimits_len; i++) {
		struct rlimit64_plan *r = &p->rlimits[i];

		r->resource = json_enum_value(oci_rlimit_types, s->rlimits[i].type) - 1;
		if (r->resource < 0)
			return err_msg(e, "process.rlimits[%zu].type: unknown limit '%s'", i,
				       s->rlimits[i].type);
		r->lim.rlim_cur = *s->rlimits[i].soft;
		r->lim.rlim_max = *s->rlimits[i].hard;
	}
	p->rlimits_len = s->rlimits_len;
	return 0;
}

static void plan_capabilities(struct arena *a, const struct oci_capabilities *s,
			      struct process_plan *p)
{
	const struct {
		char *const *names;
		uint64_t *bits;
		const char *where;
	} sets[] = {
		{ s->bounding, &p->caps.bounding, "process.capabilities.bounding" },
		{ s->effective, &p->caps.effective, "process.capabilities.effective" },
		{ s->inheritable, &p->caps.inheritable, "process.capabilities.inheritable" },
		{ s->permitted, &p->caps.permitted, "process.capabilities.permitted" },
		{ s->ambient, &p->caps.ambient, "process.capabilities.ambient" },
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		capabilities_parse(a, sets[i].names, sets[i].bits, sets[i].where, &p->warnings);
	/* The kernel raises only what is permitted and inheritable (capabilities(7)). */
	if (p->caps.ambient & ~(p->caps.permitted & p->caps.inheritable)) {
		strlist_add(a, &p->warnings,
			    "process.capabilities.ambient: what is not permitted and inheritable "
			    "as well cannot be raised");
		p->caps.ambient &= p->caps.permitted & p->caps.inheritable;
	}
}

int process_make_shim(struct error *e)
{
	_cleanup_fd_ int fd = memfd_create("mrun-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("mrun-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_sys(e, errno, "make an executable memory file");
		if (e->code == EACCES)
			err_hint(e, "sysctl vm.memfd_noexec=2 forbids it: mrun needs 0 or 1");
		return -1;
	}
	if (file_write_all(fd, shim_program, shim_program_size, "the shim", e) < 0)
		return -1;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "seal the shim");
	return fd_take(&fd);
}

/* Of variables that are there twice the last one counts, as with runc and crun (putenv(3) of each
 * in turn): getenv(3) in the program would find the first. */
static char **unique_env(struct arena *a, char *const *env)
{
	size_t n = str_list_len(env), kept = 0;
	char **out = ARENA_ARRAY(a, n + 1, char *);
	size_t heads[256] = { 0 }, *next = ARENA_ARRAY(a, n + 1, size_t);

	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(env[i], "="), *at;
		unsigned char hash = 0;

		for (size_t k = 0; k < len; k++)
			hash = (unsigned char)(hash * 31 + (unsigned char)env[i][k]);
		/* Indices start at 1: 0 is the end of the chain. */
		for (at = &heads[hash]; *at; at = &next[*at])
			if (strncmp(out[*at - 1], env[i], len) == 0 && out[*at - 1][len] == '=')
				break;
		if (!*at)
			*at = ++kept;
		out[*at - 1] = env[i];
	}
	return out;
}

int process_plan_make(struct arena *a, const struct oci_process *s, struct process_plan *p,
		      struct error *e)
{
	static const struct oci_capabilities none;

	p->spec = s;
	p->args = s->args;
	p->env = unique_env(a, s->env);
	p->cwd = s->cwd;
	p->no_new_privs = s->no_new_privileges;
	p->umask = 0022;
	p->root_fd = -1;
	if (s->user) {
		p->uid = s->user->uid;
		p->gid = s->user->gid;
		p->groups = s->user->additional_gids;
		p->groups_len = s->user->additional_gids_len;
		if (s->user->umask)
			p->umask = *s->user->umask & 0777;
	}
	/* Without the object it has none at all, as with runc, and never the caller's own. */
	plan_capabilities(a, s->capabilities ? s->capabilities : &none, p);
	return plan_rlimits(a, s, p, e);
}

/* Whether the parent must open the mount's source: for an id-mapped mount, and where the child
 * would not have the rights of the caller any more. */
static bool parent_opens(const struct init_plan *p, const struct mount_plan *m)
{
	return m->bind && (m->idmap || (p->new_userns && self_uid() == 0));
}

int plan_open_tree(const struct init_plan *p, const char *path, unsigned flags)
{
	int want = p->spec->linux_->rootfs_propagation & OCI_PROPAGATION_KIND;
	struct mount_attr attr = { .propagation = MS_SLAVE };

	/* As the child's own mounts become (rootfs.c). Those of a user namespace are never peers of
	 * the host's. */
	if (want == OCI_PROPAGATION_PRIVATE || want == OCI_PROPAGATION_UNBINDABLE)
		attr.propagation = MS_PRIVATE;
	if (want == OCI_PROPAGATION_SHARED && !p->new_userns)
		return sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
	return tree_clone(AT_FDCWD, path, flags, &attr);
}

static int open_source(struct init_plan *p, struct mount_plan *m, size_t i, struct error *e)
{
	unsigned flags = AT_NO_AUTOMOUNT;
	const char *source = m->spec->source;

	if (m->recursive || m->idmap_recursive)
		flags |= AT_RECURSIVE;
	m->source_fd = plan_open_tree(p, source, flags);
	if (m->source_fd < 0 && !m->idmap && errno == EPERM)
		return 0; /* no right to clone mounts here: the child tries by name */
	if (m->source_fd < 0) {
		err_sys(e, errno, "mounts[%zu]: open the source %s", i, source);
		if (e->code == EPERM)
			return err_hint(e,
					"an id-mapped mount needs CAP_SYS_ADMIN on the host: leave "
					"out idmap and the mount's uidMappings and gidMappings");
		return -1;
	}
	if (m->idmap)
		return idmapped_apply(p->arena, m, p->new_userns ? &p->idmap : NULL, i, e);
	return 0;
}

const char *plan_mount_data(const struct init_plan *p, const char *data)
{
	const char *label = p->spec->linux_->mount_label;

	if (!label || !*label)
		return data;
	return arena_printf(p->arena, "%s%scontext=\"%s\"", data ? data : "", data ? "," : "",
			    label);
}

/* proc, sysfs, mqueue and the cgroup trees have labels of the policy's own (runc gives those none
 * either). */
static bool takes_label(const char *fstype)
{
	static const char *const own[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (str_eq(fstype, own[i]))
			return false;
	return true;
}

/* A quotation mark would end the label's, and what follows would be options. */
static int check_mount_label(const char *label, struct error *e)
{
	if (!label || !*label)
		return 0;
	if (strchr(label, '"') || strchr(label, '\\'))
		return err_msg(e, "linux.mountLabel: '%s' is not a label", label);
	if (access("/sys/fs/selinux/enforce", F_OK) != 0)
		return err_msg(e, "linux.mountLabel: SELinux is not enabled here");
	return 0;
}

static int plan_mount(struct init_plan *p, struct mount_plan *m, size_t i, struct error *e)
{
	const struct oci_mount *s = m->spec;

	m->dest = path_clean(p->arena, s->destination);
	if (mount_options_parse(p->arena, s->options, m, e) < 0)
		return -1;
	if (s->type && (str_eq(s->type, "bind") || str_eq(s->type, "rbind"))) {
		m->bind = true;
		m->recursive |= str_eq(s->type, "rbind");
	}
	if (!m->bind && (!s->type || !*s->type || str_eq(s->type, "none")) &&
	    !(m->flags & MS_REMOUNT) && !m->propagation)
		return err_msg(e, "mounts[%zu].type: %s has neither a type nor the option bind", i,
			       s->destination);
	m->fstype = m->bind ? NULL : s->type;
	if (m->bind && (!s->source || !*s->source))
		return err_msg(e, "mounts[%zu].source: a bind mount needs one", i);
	if (m->bind && m->data)
		m->data = mount_options_not_clients(p->arena, m->data);
	if (m->bind && m->data && *m->data) {
		err_msg(e, "mounts[%zu].options: '%.200s' is none that a bind mount has", i,
			m->data);
		return err_hint(
			e, "options of a file system hold for all of its mounts: they can only "
			   "be given where it is first mounted");
	}
	if (m->copy_up && (m->bind || !str_eq(m->fstype ? m->fstype : "", "tmpfs")))
		return err_msg(e, "mounts[%zu].options: tmpcopyup is for a tmpfs", i);
	if (s->uid_mappings_len && !m->bind)
		return err_msg(e, "mounts[%zu].uidMappings: only for bind mounts", i);
	if (m->idmap && !m->bind)
		return err_msg(e, "mounts[%zu].options: idmap is for bind mounts", i);
	if ((s->uid_mappings_len > 0) != (s->gid_mappings_len > 0))
		return err_msg(e, "mounts[%zu].%s: required beside the other one", i,
			       s->uid_mappings_len ? "gidMappings" : "uidMappings");
	if (s->uid_mappings_len)
		m->idmap = true;
	else if (m->idmap && p->new_userns && idmap_is_identity(&p->idmap))
		m->idmap = false; /* nothing to map, and inside a container it could not be had */
	if (str_eq(m->dest, "/"))
		return err_msg(e, "mounts[%zu].destination: the root itself cannot be covered", i);
	if (m->fstype && !(m->flags & MS_REMOUNT) && takes_label(m->fstype))
		m->data = plan_mount_data(p, m->data);
	return parent_opens(p, m) ? open_source(p, m, i, e) : 0;
}

static int plan_namespaces(struct init_plan *p, struct error *e)
{
	const struct oci_linux *l = p->spec->linux_;

	for (size_t i = 0; i < l->namespaces_len; i++) {
		const struct oci_namespace *n = &l->namespaces[i];
		int fd;

		if (!n->path || !*n->path) {
			if (n->type == CLONE_NEWTIME || n->type == CLONE_NEWCGROUP)
				p->late_flags |= (unsigned)n->type;
			else
				p->clone_flags |= (unsigned)n->type;
			continue;
		}
		fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return err_sys(e, errno, "linux.namespaces[%zu].path: open %s", i, n->path);
		/* setns(2) would say "invalid argument". */
		if (ioctl(fd, NS_GET_NSTYPE) != n->type)
			return err_msg(
				e, "linux.namespaces[%zu].path: %s is no namespace of that type", i,
				n->path);
		p->joins[p->joins_len].type = n->type;
		p->joins[p->joins_len++].fd = fd;
		p->joined_userns |= n->type == CLONE_NEWUSER;
		p->exposed |= n->type == CLONE_NEWPID;
	}
	p->new_userns = (p->clone_flags & CLONE_NEWUSER) != 0;
	p->watched = p->joined_userns && !(p->clone_flags & CLONE_NEWPID);
	p->exposed = p->exposed && !p->joined_userns;
	/* The directory of a message queue file system is whose who made the namespace: the host's
	 * root is nobody in there. */
	if (p->new_userns && self_uid() == 0) {
		p->late_flags |= p->clone_flags & CLONE_NEWIPC;
		p->clone_flags &= ~(uint64_t)CLONE_NEWIPC;
	}
	return 0;
}

int plan_make(struct init_plan *p, struct error *e)
{
	const struct oci_spec *s = p->spec;

	if (check_mount_label(s->linux_->mount_label, e) < 0 || plan_namespaces(p, e) < 0)
		return -1;
	if (p->options->idmap) {
		p->idmap = *p->options->idmap;
	} else if (p->new_userns) {
		p->idmap.uids = s->linux_->uid_mappings;
		p->idmap.uids_len = s->linux_->uid_mappings_len;
		p->idmap.gids = s->linux_->gid_mappings;
		p->idmap.gids_len = s->linux_->gid_mappings_len;
		/* As idmap_start writes it: then setgroups(2) is denied. */
		p->idmap.single = self_uid() != 0 && p->idmap.gids_len == 1 &&
				  p->idmap.gids[0].size == 1 &&
				  p->idmap.gids[0].host_id == self_gid();
	}
	p->null_tree = -1;
	if (devices_owns_host_nodes(p))
		p->stdio_null = devices_null_among_stdio();
	p->hostname = s->hostname;
	p->domainname = s->domainname;
	p->mounts = ARENA_ARRAY(p->arena, s->mounts_len, struct mount_plan);
	p->mounts_len = s->mounts_len;
	for (size_t i = 0; i < s->mounts_len; i++)
		p->mounts[i].source_fd = p->mounts[i].readonly_fd = -1;
	for (size_t i = 0; i < s->mounts_len; i++) {
		p->mounts[i].spec = &s->mounts[i];
		if (plan_mount(p, &p->mounts[i], i, e) < 0)
			return -1;
	}
	return 0;
}
