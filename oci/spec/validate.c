/* What the tables cannot say (runtime-spec config.md and config-linux.md). Every message names the
 * field; what is defined there and not done here is refused, never skipped. */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/spec/spec.h"

/* Identifiers with dots between, none empty; *P moves behind them. A number of a pre-release has no
 * zero in front. */
static bool version_suffix(const char **p, bool pre)
{
	do {
		const char *id = ++*p;
		size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

		if (n == 0 || (pre && n > 1 && *id == '0' && strspn(id, "0123456789") == n))
			return false;
		*p += n;
	} while (**p == '.');
	return true;
}

#define MAPPINGS_MAX 340 /* lines of a uid_map, since Linux 4.15 */

static int check_version(const char *v, struct error *e)
{
	bool valid = true;
	const char *p = v;

	/* MAJOR.MINOR.PATCH[-PRE][+BUILD] (config.md: SemVer 2.0.0). */
	for (int i = 0; i < 3 && valid; i++, p++) {
		size_t n = strspn(p, "0123456789");

		valid = n > 0 && (n == 1 || *p != '0') && (i == 2 || p[n] == '.');
		p += valid ? n : 0;
	}
	p -= valid;
	if (valid && *p == '-')
		valid = version_suffix(&p, true);
	if (valid && *p == '+')
		valid = version_suffix(&p, false);
	if (!valid || *p) {
		err_msg(e, "ociVersion: '%.100s' is not a version", v);
		return err_hint(e, "three numbers such as %s", OCI_SPEC_VERSION);
	}
	if (!str_has_prefix(v, "1.")) {
		err_msg(e, "ociVersion: version %s is not supported", v);
		return err_hint(e, "this is mrun for runtime-spec 1.x, up to %s", OCI_SPEC_VERSION);
	}
	return 0;
}

/* struct winsize (ioctl_tty(2)) has 16 bits for each. */
static int check_console_size(const struct oci_console_size *c, const char *where, struct error *e)
{
	if (c && (c->height > UINT16_MAX || c->width > UINT16_MAX))
		return err_msg(e, "%s.consoleSize.%s: a terminal has at most %u", where,
			       c->height > UINT16_MAX ? "height" : "width", UINT16_MAX);
	return 0;
}

#ifndef SCHED_ISO
#define SCHED_ISO 4
#endif

/* sched(7), SCHED_DEADLINE. */
static int check_deadline(const struct oci_scheduler *s, const char *where, struct error *e)
{
	uint64_t runtime = s->runtime ? *s->runtime : 0, deadline = s->deadline ? *s->deadline : 0,
		 period = s->period && *s->period ? *s->period : deadline;

	if (runtime < 1024)
		return err_msg(e, "%s.scheduler.runtime: %llu is less than 1024 ns", where,
			       (unsigned long long)runtime);
	if (runtime > deadline || deadline > period)
		return err_msg(e, "%s.scheduler.%s: runtime <= deadline <= period must hold", where,
			       runtime > deadline ? "deadline" : "period");
	return 0;
}

/* sched(7): what the kernel would skip without a word because the policy has no use for it. */
static int check_scheduler(const struct oci_scheduler *s, const char *where, struct error *e)
{
	int policy = s->policy - 1;
	const struct {
		const char *name;
		const uint64_t *value;
	} deadline[] = { { "runtime", s->runtime },
			 { "deadline", s->deadline },
			 { "period", s->period } };

	if (s->nice && (*s->nice < -20 || *s->nice > 19))
		return err_msg(e, "%s.scheduler.nice: %d is not from -20 to 19", where, *s->nice);
	if (s->priority && *s->priority && policy != SCHED_FIFO && policy != SCHED_RR)
		return err_msg(e, "%s.scheduler.priority: only for SCHED_FIFO and SCHED_RR", where);
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return s->priority && *s->priority >= 1 && *s->priority <= 99
			       ? 0
			       : err_msg(e, "%s.scheduler.priority: %d is not from 1 to 99", where,
					 s->priority ? *s->priority : 0);
	if (policy == SCHED_ISO)
		return err_msg(e, "%s.scheduler.policy: Linux has no SCHED_ISO", where);
	if (policy == SCHED_DEADLINE)
		return check_deadline(s, where, e);
	for (size_t i = 0; i < 3; i++)
		if (deadline[i].value && *deadline[i].value)
			return err_msg(e, "%s.scheduler.%s: only for SCHED_DEADLINE", where,
				       deadline[i].name);
	return 0;
}

static int check_scheduling(const struct oci_process *p, const char *where, struct error *e)
{
	const struct oci_io_priority *io = p->io_priority;
	const struct oci_cpu_affinity *cpus = p->exec_cpu_affinity;
	unsigned long bits[OCI_LIST_WORDS];

	if (p->scheduler && check_scheduler(p->scheduler, where, e) < 0)
		return -1;
	if (io && io->priority && (*io->priority < 0 || *io->priority > 7))
		return err_msg(e, "%s.ioPriority.priority: %d is not from 0 to 7", where,
			       *io->priority);
	if (cpus && cpus->initial && !oci_list_parse(cpus->initial, bits))
		return err_msg(e, "%s.execCPUAffinity.initial: '%s' is not a list of CPUs", where,
			       cpus->initial);
	if (cpus && cpus->final && !oci_list_parse(cpus->final, bits))
		return err_msg(e, "%s.execCPUAffinity.final: '%s' is not a list of CPUs", where,
			       cpus->final);
	return 0;
}

int oci_process_validate(const struct oci_process *p, const char *where, struct error *e)
{
	if (!p->cwd || p->cwd[0] != '/')
		return err_msg(e, "%s.cwd: '%s' is not an absolute path", where,
			       p->cwd ? p->cwd : "");
	if (p->command_line)
		return err_msg(e, "%s.commandLine: only for Windows", where);
	if (!p->args || !p->args[0])
		return err_msg(e, "%s.args: there is no program to run", where);
	if (!p->args[0][0])
		return err_msg(e, "%s.args[0]: the program's name is empty", where);
	if (p->user && p->user->username)
		return err_msg(e, "%s.user.username: only for Windows", where);
	if (p->oom_score_adj && (*p->oom_score_adj < -1000 || *p->oom_score_adj > 1000))
		return err_msg(e, "%s.oomScoreAdj: %d is not from -1000 to 1000", where,
			       *p->oom_score_adj);
	if (check_console_size(p->console_size, where, e) < 0 || check_scheduling(p, where, e) < 0)
		return -1;
	for (size_t i = 0; i < p->rlimits_len; i++) {
		const struct oci_rlimit *r = &p->rlimits[i];

		if (*r->soft > *r->hard)
			return err_msg(e, "%s.rlimits[%zu]: the soft limit is above the hard limit",
				       where, i);
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->rlimits[k].type, r->type))
				return err_msg(e, "%s.rlimits[%zu].type: %s is given twice", where,
					       i, r->type);
	}
	for (size_t i = 0; p->env && p->env[i]; i++)
		if (!strchr(p->env[i], '=') || p->env[i][0] == '=')
			return err_msg(e, "%s.env[%zu]: '%.60s' is not NAME=VALUE", where, i,
				       p->env[i]);
	return 0;
}

static const char *namespace_name(int type)
{
	const struct json_enum *en = oci_namespace_types;

	while (en->name && en->value != type)
		en++;
	return en->name ? en->name : "?";
}

static const struct oci_namespace *namespace_of(const struct oci_linux *l, int type)
{
	for (size_t i = 0; i < l->namespaces_len; i++)
		if (l->namespaces[i].type == type)
			return &l->namespaces[i];
	return NULL;
}

/* The kernel's rule (dev_valid_name) for names of network devices. TEMPLATE: one %d may stand for a
 * number. */
static bool net_device_name_ok(const char *name, bool template)
{
	const char *percent = strchr(name, '%');

	return *name && strlen(name) < IFNAMSIZ && !str_eq(name, ".") && !str_eq(name, "..") &&
	       !strpbrk(name, "/: \t\n\v\f\r") &&
	       (!percent || (template && percent[1] == 'd' && !strchr(percent + 1, '%')));
}

static int check_net_devices(const struct oci_spec *s, struct error *e)
{
	const struct oci_linux *l = s->linux_;

	if (l->net_devices_len && !oci_spec_namespace(s, CLONE_NEWNET))
		return err_msg(e, "linux.netDevices: unable to move network devices without a "
				  "network namespace in linux.namespaces");
	for (size_t i = 0; i < l->net_devices_len; i++) {
		const struct oci_net_device *d = &l->net_devices[i];
		const char *inside = d->name && *d->name ? d->name : d->key;

		if (!net_device_name_ok(d->key, false))
			return err_msg(e, "linux.netDevices: '%s' is not a network device's name",
				       d->key);
		if (!net_device_name_ok(inside, true))
			return err_msg(e,
				       "linux.netDevices.%s.name: '%s' is not a network "
				       "device's name",
				       d->key, inside);
		for (size_t k = 0; k < i; k++) {
			const struct oci_net_device *other = &l->net_devices[k];

			if (!strchr(inside, '%') &&
			    str_eq(inside, other->name && *other->name ? other->name : other->key))
				return err_msg(e,
					       "linux.netDevices.%s.name: %s is to be called %s "
					       "as well",
					       d->key, other->key, inside);
		}
	}
	return 0;
}

static int check_namespaces(const struct oci_spec *s, struct error *e)
{
	const struct oci_linux *l = s->linux_;
	const struct oci_namespace *user = namespace_of(l, CLONE_NEWUSER);
	const struct oci_namespace *time_ns = namespace_of(l, CLONE_NEWTIME);

	for (size_t i = 0; i < l->namespaces_len; i++) {
		const char *path = l->namespaces[i].path;

		if (path && *path && *path != '/')
			return err_msg(e, "linux.namespaces[%zu].path: '%s' is not absolute", i,
				       path);
		for (size_t k = 0; k < i; k++)
			if (l->namespaces[i].type == l->namespaces[k].type)
				return err_msg(e,
					       "linux.namespaces[%zu]: the %s namespace is listed "
					       "twice",
					       i, namespace_name(l->namespaces[i].type));
	}
	if (user && user->path && *user->path) {
		/* The mappings are the joined namespace's own: what is given is not used. */
	} else if (user && (!l->uid_mappings_len || !l->gid_mappings_len)) {
		return err_msg(e, "linux.%s: a new user namespace needs a mapping",
			       l->uid_mappings_len ? "gidMappings" : "uidMappings");
	} else if (!user && (l->uid_mappings_len || l->gid_mappings_len)) {
		return err_msg(e, "linux.uidMappings: given without a user namespace in "
				  "linux.namespaces");
	}
	if (l->time_offsets_len && (!time_ns || (time_ns->path && *time_ns->path)))
		return err_msg(e, "linux.timeOffsets: needs a new time namespace in "
				  "linux.namespaces");
	for (size_t i = 0; i < l->time_offsets_len; i++)
		if (!str_eq(l->time_offsets[i].key, "boottime") &&
		    !str_eq(l->time_offsets[i].key, "monotonic"))
			return err_msg(e, "linux.timeOffsets.%s: no such clock",
				       l->time_offsets[i].key);
	if ((s->hostname || s->domainname) && !oci_spec_namespace(s, CLONE_NEWUTS))
		return err_msg(e, "%s: needs a uts namespace in linux.namespaces",
			       s->hostname ? "hostname" : "domainname");
	return check_net_devices(s, e);
}

/* A number and the unit of config-linux.md: 64KB, 2MB, 1GB. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits && *s != '0' && strchr("KMG", s[digits]) && s[digits] &&
	       str_eq(s + digits + 1, "B");
}

/* set_mempolicy(2). */
static int check_memory_policy(const struct oci_memory_policy *m, struct error *e)
{
	int mode = m->mode - 1;
	bool nodes = m->nodes && *m->nodes;

	if (nodes && (mode == MPOL_DEFAULT || mode == MPOL_LOCAL))
		return err_msg(e, "linux.memoryPolicy.nodes: %s has none",
			       mode == MPOL_LOCAL ? "MPOL_LOCAL" : "MPOL_DEFAULT");
	if (!nodes && mode != MPOL_DEFAULT && mode != MPOL_LOCAL && mode != MPOL_PREFERRED)
		return err_msg(e, "linux.memoryPolicy.nodes: the mode needs some, and there are "
				  "none");
	if (str_list_has(m->flags, "MPOL_F_STATIC_NODES") &&
	    str_list_has(m->flags, "MPOL_F_RELATIVE_NODES"))
		return err_msg(e, "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and "
				  "MPOL_F_RELATIVE_NODES exclude each other");
	return 0;
}

static int check_values(const struct oci_linux *l, struct error *e)
{
	const struct oci_resources *r = l->resources;
	const struct oci_memory_policy *m = l->memory_policy;
	unsigned long bits[OCI_LIST_WORDS];

	for (size_t i = 0; r && i < r->hugepage_limits_len; i++)
		if (!is_page_size(r->hugepage_limits[i].page_size))
			return err_msg(e,
				       "linux.resources.hugepageLimits[%zu].pageSize: '%s' is not "
				       "a size as in 2MB",
				       i, r->hugepage_limits[i].page_size);
	if (m && m->nodes && !oci_list_parse(m->nodes, bits))
		return err_msg(e, "linux.memoryPolicy.nodes: '%s' is not a list of nodes",
			       m->nodes);
	if (m && check_memory_policy(m, e) < 0)
		return -1;
	if (l->personality && l->personality->flags && l->personality->flags[0])
		return err_msg(e, "linux.personality.flags[0]: none are defined");
	return 0;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* What the kernel takes (user_namespaces(7)), which says "invalid argument" to all else. */
static int check_mappings(const struct oci_id_mapping *m, size_t n, const char *where,
			  const char *kind, struct error *e)
{
	if (n > MAPPINGS_MAX)
		return err_msg(e, "%s%sMappings: %zu are more than the %d that the kernel takes",
			       where, kind, n, MAPPINGS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (m[i].size == 0)
			return err_msg(e, "%s%sMappings[%zu].size: 0 maps nothing", where, kind, i);
		if ((uint64_t)m[i].container_id + m[i].size > UINT32_MAX ||
		    (uint64_t)m[i].host_id + m[i].size > UINT32_MAX)
			return err_msg(e, "%s%sMappings[%zu]: goes beyond the largest id", where,
				       kind, i);
		for (size_t k = 0; k < i; k++)
			if (overlap(m[i].container_id, m[i].size, m[k].container_id, m[k].size) ||
			    overlap(m[i].host_id, m[i].size, m[k].host_id, m[k].size))
				return err_msg(e, "%s%sMappings[%zu]: overlaps %sMappings[%zu]",
					       where, kind, i, kind, k);
	}
	return 0;
}

/* Without a mount namespace of its own, others' mounts are the container's (the host's, or of whose
 * namespace is joined), and nothing may be done to them. */
static int check_without_mounts(const struct oci_spec *s, struct error *e)
{
	const struct oci_linux *l = s->linux_;
	const char *field = s->mounts_len				? "mounts"
			    : s->root->readonly				? "root.readonly"
			    : l->masked_paths && l->masked_paths[0]	? "linux.maskedPaths"
			    : l->readonly_paths && l->readonly_paths[0] ? "linux.readonlyPaths"
			    : l->rootfs_propagation			? "linux.rootfsPropagation"
			    : l->devices_len				? "linux.devices"
			    : s->process && s->process->terminal	? "process.terminal"
									: NULL;

	return field ? err_msg(e, "%s: needs a mount namespace in linux.namespaces, without a path",
			       field)
		     : 0;
}

static int check_linux(const struct oci_spec *s, struct error *e)
{
	const struct oci_linux *l = s->linux_;
	const struct oci_namespace *mnt = oci_spec_namespace(s, CLONE_NEWNS);

	if (l->intel_rdt)
		return err_msg(e, "linux.intelRdt: not supported by this version of mrun");
	if (check_values(l, e) < 0)
		return -1;
	for (size_t i = 0; i < l->devices_len; i++) {
		const struct oci_device *d = &l->devices[i];

		if (!strchr("cbup", d->type[0]) || !d->type[0] || d->type[1])
			return err_msg(e, "linux.devices[%zu].type: '%s' is not c, b, u or p", i,
				       d->type);
		if (d->path[0] != '/')
			return err_msg(e, "linux.devices[%zu].path: '%s' is not absolute", i,
				       d->path);
		if (d->type[0] != 'p' && (!d->major || !d->minor))
			return err_msg(e, "linux.devices[%zu].%s: required for a device", i,
				       d->major ? "minor" : "major");
	}
	for (size_t i = 0; l->masked_paths && l->masked_paths[i]; i++)
		if (l->masked_paths[i][0] != '/')
			return err_msg(e, "linux.maskedPaths[%zu]: '%s' is not absolute", i,
				       l->masked_paths[i]);
	for (size_t i = 0; l->readonly_paths && l->readonly_paths[i]; i++)
		if (l->readonly_paths[i][0] != '/')
			return err_msg(e, "linux.readonlyPaths[%zu]: '%s' is not absolute", i,
				       l->readonly_paths[i]);
	if (check_mappings(l->uid_mappings, l->uid_mappings_len, "linux.", "uid", e) < 0 ||
	    check_mappings(l->gid_mappings, l->gid_mappings_len, "linux.", "gid", e) < 0)
		return -1;
	if ((!mnt || (mnt->path && *mnt->path)) && check_without_mounts(s, e) < 0)
		return -1;
	return check_namespaces(s, e);
}

static int check_hooks(const struct oci_hook *h, size_t n, const char *name, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		if (h[i].path[0] != '/')
			return err_msg(e, "hooks.%s[%zu].path: '%s' is not absolute", name, i,
				       h[i].path);
		if (h[i].timeout && *h[i].timeout < 1)
			return err_msg(e, "hooks.%s[%zu].timeout: must be above zero", name, i);
	}
	return 0;
}

int oci_spec_validate(const struct oci_spec *s, struct error *e)
{
	const struct oci_hooks *h = s->hooks;

	if (check_version(s->oci_version, e) < 0)
		return -1;
	if (!s->root)
		return err_msg(e, "root: required, and not there");
	if (!s->root->path || !*s->root->path)
		return err_msg(e, "root.path: empty");
	if (s->process && oci_process_validate(s->process, "process", e) < 0)
		return -1;
	for (size_t i = 0; i < s->mounts_len; i++) {
		const struct oci_mount *m = &s->mounts[i];
		char where[48];

		if (!m->destination[0])
			return err_msg(e, "mounts[%zu].destination: empty", i);
		snprintf(where, sizeof(where), "mounts[%zu].", i);
		if (check_mappings(m->uid_mappings, m->uid_mappings_len, where, "uid", e) < 0 ||
		    check_mappings(m->gid_mappings, m->gid_mappings_len, where, "gid", e) < 0)
			return -1;
	}
	if (h &&
	    (check_hooks(h->prestart, h->prestart_len, "prestart", e) < 0 ||
	     check_hooks(h->create_runtime, h->create_runtime_len, "createRuntime", e) < 0 ||
	     check_hooks(h->create_container, h->create_container_len, "createContainer", e) < 0 ||
	     check_hooks(h->start_container, h->start_container_len, "startContainer", e) < 0 ||
	     check_hooks(h->poststart, h->poststart_len, "poststart", e) < 0 ||
	     check_hooks(h->poststop, h->poststop_len, "poststop", e) < 0))
		return -1;
	if (!s->linux_)
		return err_msg(e, "linux: required, and not there");
	return check_linux(s, e);
}

/* Before 1.3 a pids limit of 0 meant none (config-linux.md, "PIDs"); podman 4 sends it so. */
static void adapt_to_version(struct oci_spec *s)
{
	static const int64_t none = -1;
	struct oci_resources *r = s->linux_->resources;

	if (r && r->pids && *r->pids->limit == 0 && strncmp(s->oci_version, "1.", 2) == 0 &&
	    s->oci_version[2] < '3' && s->oci_version[3] == '.')
		r->pids->limit = &none;
}

struct oci_spec *oci_spec_read_again(struct arena *a, const char *text, size_t len,
				     const char *name, struct error *e)
{
	struct oci_spec *s = json_read(a, text, len, &oci_spec_type, name, e);

	if (!s)
		return NULL;
	/* It is optional: such a container has all namespaces of its caller. */
	if (!s->linux_)
		s->linux_ = ARENA_NEW(a, struct oci_linux);
	adapt_to_version(s);
	s->text = text;
	s->text_len = len;
	return s;
}

struct oci_spec *oci_spec_load(struct arena *a, int dirfd, const char *path, struct error *e)
{
	struct oci_spec *s;
	size_t len;
	char *text;

	if (file_read(a, dirfd, path, JSON_MAX_SIZE, &text, &len, e) < 0)
		return NULL;
	s = json_read(a, text, len, &oci_spec_type, path, e);
	if (!s)
		return NULL;
	if (oci_platforms_check(a, s, e) < 0) {
		err_wrap(e, "%s", path);
		return NULL;
	}
	/* It is optional: such a container has all namespaces of its caller. */
	if (!s->linux_)
		s->linux_ = ARENA_NEW(a, struct oci_linux);
	if (oci_spec_validate(s, e) < 0) {
		err_wrap(e, "%s", path);
		return NULL;
	}
	adapt_to_version(s);
	s->text = text;
	s->text_len = len;
	return s;
}

struct oci_process *oci_process_load(struct arena *a, const char *path, struct error *e)
{
	const struct json_value *v;
	struct oci_process *p;
	size_t len;
	char *text;

	if (file_read(a, AT_FDCWD, path, JSON_MAX_SIZE, &text, &len, e) < 0)
		return NULL;
	v = json_parse(a, text, len, path, e);
	if (!v)
		return NULL;
	p = ARENA_NEW(a, struct oci_process);
	if (json_decode(a, v, &oci_process_type, p, "process", e) < 0 ||
	    oci_process_validate(p, "process", e) < 0) {
		err_wrap(e, "%s", path);
		return NULL;
	}
	return p;
}

const struct oci_namespace *oci_spec_namespace(const struct oci_spec *s, int type)
{
	return s->linux_ ? namespace_of(s->linux_, type) : NULL;
}

const char *oci_spec_annotation(const struct oci_spec *s, const char *key)
{
	/* Of two of the same name the last one counts, as in all objects (json_get()). */
	for (size_t i = s->annotations_len; i-- > 0;)
		if (str_eq(s->annotations[i].key, key))
			return s->annotations[i].value;
	return NULL;
}
