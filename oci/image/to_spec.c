/*
 * See to_spec.h. The order: what to run, environment and directory, limits and capabilities,
 * namespaces, mounts (the standard ones, those that the user put over them, then the rest from the
 * outside inwards), masked paths, sysctls, annotations.
 *
 * What it stops: a relative WorkingDir or Volume of the image is meant from the container's root
 * and loses its ".."; labels do not become annotations, since runtimes take those for settings
 * (CVE-2024-3154); a mount always names its source from the user's options, never from the image
 * (CVE-2022-23648).
 */
#include "oci/image/to_spec.h"

#include <unistd.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "oci/base/path.h"
#include "oci/base/str.h"

#define DEFAULT_SHM (64 << 20)

/* Paths that tell about or change the host; Docker's lists. */
static const char *const masked[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
	NULL,
};
static const char *const read_only[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static char **copy_list(struct arena *a, const char *const *list)
{
	struct strlist l = { 0 };

	for (; *list; list++)
		strlist_add(a, &l, *list);
	return l.items;
}

/* A list of strings from "a,b,c". */
static char **options(struct arena *a, const char *s)
{
	return str_split(a, s, ',');
}

static char **arguments(struct arena *a, const struct oci_image_run *run,
			const struct spec_options *o, struct error *e)
{
	struct strlist l = { 0 };
	char *const *p;

	if (o->entrypoint && *o->entrypoint)
		strlist_add(a, &l, arena_strdup(a, o->entrypoint));
	for (p = o->entrypoint ? NULL : run->entrypoint; p && *p; p++)
		strlist_add(a, &l, *p);
	p = o->command && *o->command ? o->command : o->entrypoint ? NULL : run->cmd;
	for (; p && *p; p++)
		strlist_add(a, &l, *p);
	if (!l.n) {
		err_msg(e, "no command specified: the image has neither Entrypoint nor Cmd%s",
			o->entrypoint ? " (--entrypoint takes the place of both)" : "");
		err_hint(e, "put the command after the image's name");
		return NULL;
	}
	if (!l.items[0][0]) {
		err_msg(e, "exec: \"\": executable file not found in $PATH");
		e->exit_code = ERR_EXIT_NOT_FOUND;
		err_hint(e, "the name of the program is empty, in the image's Entrypoint or Cmd or "
			    "on the command line");
		return NULL;
	}
	return l.items;
}

static struct oci_process *make_process(struct arena *a, const struct oci_image_run *run,
					const struct spec_options *o, struct strlist *warnings,
					struct error *e)
{
	struct oci_process *p = ARENA_NEW(a, struct oci_process);
	struct oci_capabilities *c = ARENA_NEW(a, struct oci_capabilities);
	const char *dir = o->workdir ? o->workdir : run->working_dir ? run->working_dir : "/";

	p->args = arguments(a, run, o, e);
	if (!p->args)
		return NULL;
	p->env = spec_env(a, run->env, o, warnings);
	p->cwd = path_clean(a, dir);
	p->terminal = o->tty;
	p->user = ARENA_NEW(a, struct oci_user);
	p->no_new_privileges = o->no_new_privileges;
	p->oom_score_adj = o->oom_score_adj;
	p->rlimits = o->rlimits;
	p->rlimits_len = o->rlimits_len;
	c->bounding = o->caps ? o->caps : spec_caps(a, NULL, NULL, e);
	c->effective = c->bounding;
	c->permitted = c->bounding;
	/* Nothing inheritable nor ambient: a program that changes its user keeps nothing
	 * (CVE-2022-27650). */
	p->capabilities = c;
	return p;
}

static void add_mount(struct arena *a, struct oci_mount *m, size_t *n, const char *destination,
		      const char *type, const char *source, const char *opts)
{
	m[(*n)++] = (struct oci_mount){
		.destination = arena_strdup(a, destination),
		.type = arena_strdup(a, type),
		.source = arena_strdup(a, source),
		.options = options(a, opts),
	};
}

static void standard_mounts(struct arena *a, const struct spec_options *o, struct oci_mount *m,
			    size_t *n)
{
	int64_t shm = o->shm_size ? o->shm_size : DEFAULT_SHM;

	/* procfs and sysfs can be mounted only by who owns the pid or network namespace. */
	if (o->private_pid)
		add_mount(a, m, n, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	else
		add_mount(a, m, n, "/proc", "bind", "/proc", "rbind,nosuid,noexec,nodev");
	add_mount(a, m, n, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(a, m, n, "/dev/pts", "devpts", "devpts",
		  o->gid5 ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"
			  : "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	if (o->private_ipc) {
		add_mount(a, m, n, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
		add_mount(
			a, m, n, "/dev/shm", "tmpfs", "shm",
			arena_printf(a, "nosuid,noexec,nodev,mode=1777,size=%lld", (long long)shm));
	} else {
		/* Not every host has mounted one. */
		if (access("/dev/mqueue", F_OK) == 0)
			add_mount(a, m, n, "/dev/mqueue", "bind", "/dev/mqueue",
				  "rbind,nosuid,noexec,nodev");
		add_mount(a, m, n, "/dev/shm", "bind", "/dev/shm", "rbind,nosuid,noexec,nodev");
	}
	/* Last: until here nobody needs the network namespace, which takes longest. */
	if (!o->private_net) {
		add_mount(a, m, n, "/sys", "bind", "/sys", "rbind,nosuid,noexec,nodev,rro");
		return;
	}
	add_mount(a, m, n, "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro");
	add_mount(a, m, n, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro");
}

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* The user's mounts: one over a standard mount takes its place; the others follow, those nearer to
 * the root first, so that -v a:/x/y and --tmpfs /x go together in any order. */
static void user_mounts(struct arena *a, const struct spec_options *o, struct oci_mount *m,
			size_t *n)
{
	size_t standard = *n;
	bool *placed = ARENA_ARRAY(a, o->mounts_len + 1, bool);

	for (size_t i = 0; i < o->mounts_len; i++) {
		for (size_t j = 0; j < standard; j++) {
			if (!str_eq(m[j].destination, o->mounts[i].destination))
				continue;
			m[j] = o->mounts[i];
			placed[i] = true;
		}
	}
	for (unsigned d = 0, left = 1; left; d++) {
		left = 0;
		for (size_t i = 0; i < o->mounts_len; i++) {
			if (placed[i])
				continue;
			if (depth(o->mounts[i].destination) > d) {
				left++;
				continue;
			}
			m[(*n)++] = o->mounts[i];
			placed[i] = true;
		}
	}
}

static void add_namespaces(struct arena *a, const struct spec_options *o, struct oci_linux *l)
{
	const struct {
		int type;
		bool wanted;
	} all[] = {
		{ CLONE_NEWUSER, o->private_user },
		{ CLONE_NEWPID, o->private_pid },
		{ CLONE_NEWNET, o->private_net },
		{ CLONE_NEWIPC, o->private_ipc },
		{ CLONE_NEWUTS, true },
		{ CLONE_NEWNS, true },
		{ CLONE_NEWCGROUP, true },
	};

	l->namespaces = ARENA_ARRAY(a, sizeof(all) / sizeof(all[0]), struct oci_namespace);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].wanted)
			l->namespaces[l->namespaces_len++].type = all[i].type;
}

static void set_pair(struct arena *a, struct json_pair *list, size_t *n, const char *key,
		     const char *value)
{
	for (size_t i = 0; i < *n; i++) {
		if (str_eq(list[i].key, key)) {
			list[i].value = arena_strdup(a, value);
			return;
		}
	}
	list[*n].key = arena_strdup(a, key);
	list[(*n)++].value = arena_strdup(a, value);
}

static void add_sysctls(struct arena *a, const struct spec_options *o, struct oci_linux *l)
{
	l->sysctl = ARENA_ARRAY(a, o->sysctl_len + 2, struct json_pair);
	if (o->private_net && o->default_sysctls) {
		set_pair(a, l->sysctl, &l->sysctl_len, "net.ipv4.ip_unprivileged_port_start", "0");
		if (o->ping_low <= o->ping_high)
			set_pair(a, l->sysctl, &l->sysctl_len, "net.ipv4.ping_group_range",
				 arena_printf(a, "%d %d", o->ping_low, o->ping_high));
	}
	for (size_t i = 0; i < o->sysctl_len; i++)
		set_pair(a, l->sysctl, &l->sysctl_len, o->sysctl[i].key, o->sysctl[i].value);
}

/* The annotations whose names are fixed (image-spec conversion.md, "Annotation Fields"). */
static void add_annotations(struct arena *a, const struct oci_image_config *c,
			    const struct spec_options *o, struct oci_spec *s)
{
	const struct {
		const char *key, *value;
	} fixed[] = {
		{ "org.opencontainers.image.os", c->os },
		{ "org.opencontainers.image.architecture", c->architecture },
		{ "org.opencontainers.image.variant", c->variant },
		{ "org.opencontainers.image.author", c->author },
		{ "org.opencontainers.image.created", c->created },
		{ "org.opencontainers.image.stopSignal", c->config->stop_signal },
	};
	const size_t n = sizeof(fixed) / sizeof(fixed[0]);

	s->annotations = ARENA_ARRAY(a, n + o->annotations_len, struct json_pair);
	for (size_t i = 0; i < n; i++)
		if (fixed[i].value && *fixed[i].value)
			set_pair(a, s->annotations, &s->annotations_len, fixed[i].key,
				 fixed[i].value);
	for (size_t i = 0; i < o->annotations_len; i++)
		set_pair(a, s->annotations, &s->annotations_len, o->annotations[i].key,
			 o->annotations[i].value);
}

static struct oci_id_mapping *copy_mappings(struct arena *a, const struct oci_id_mapping *m,
					    size_t n)
{
	struct oci_id_mapping *r = ARENA_ARRAY(a, n + 1, struct oci_id_mapping);

	if (n)
		memcpy(r, m, n * sizeof(*m));
	return r;
}

struct oci_spec *spec_from_image(struct arena *a, const struct oci_image_config *c,
				 const struct spec_options *o, struct strlist *warnings,
				 struct error *e)
{
	struct oci_spec *s = ARENA_NEW(a, struct oci_spec);
	struct oci_linux *l = ARENA_NEW(a, struct oci_linux);

	s->oci_version = arena_strdup(a, OCI_SPEC_VERSION);
	s->hostname = arena_strdup(a, o->hostname);
	s->domainname = o->domainname ? arena_strdup(a, o->domainname) : NULL;
	s->root = ARENA_NEW(a, struct oci_root);
	s->root->path = arena_strdup(a, "rootfs");
	s->root->readonly = o->read_only;
	s->process = make_process(a, c->config, o, warnings, e);
	if (!s->process)
		return NULL;
	s->mounts = ARENA_ARRAY(a, o->mounts_len + 8, struct oci_mount);
	standard_mounts(a, o, s->mounts, &s->mounts_len);
	user_mounts(a, o, s->mounts, &s->mounts_len);
	s->linux_ = l;
	add_namespaces(a, o, l);
	if (o->private_user) {
		l->uid_mappings = copy_mappings(a, o->uid_mappings, o->uid_mappings_len);
		l->uid_mappings_len = o->uid_mappings_len;
		l->gid_mappings = copy_mappings(a, o->gid_mappings, o->gid_mappings_len);
		l->gid_mappings_len = o->gid_mappings_len;
	}
	l->masked_paths = copy_list(a, masked);
	l->readonly_paths = copy_list(a, read_only);
	l->resources = o->resources;
	if (o->seccomp) {
		l->seccomp = ARENA_NEW(a, struct oci_seccomp);
		*l->seccomp = *o->seccomp;
	}
	add_sysctls(a, o, l);
	add_annotations(a, c, o, s);
	return s;
}

char **spec_volumes(struct arena *a, const struct oci_image_config *c, struct strlist *warnings)
{
	struct strlist l = { 0 };

	for (size_t i = 0; i < c->config->volumes_len; i++) {
		const char *key = c->config->volumes[i].key;
		char *path = path_clean(a, key);

		if (str_eq(path, "/") || *key != '/')
			strlist_add(a, warnings,
				    arena_printf(a, "the image's volume '%s' left out", key));
		else if (!str_list_has(l.items, path))
			strlist_add(a, &l, path);
	}
	return l.items ? l.items : ARENA_ARRAY(a, 1, char *);
}
