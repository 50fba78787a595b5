/*
 * The table of options. Each of docker run's is here: those that are not there yet, or do not fit a
 * container without a daemon, are refused by name with the reason, so that none is ever ignored.
 */
#include "runtime/image/options.h"

#include <unistd.h>

#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/cmd/options.h"

#define BOOL(n, l, f, h)                                                 \
	{                                                                \
		n, l, OPT_BOOL, offsetof(struct run_options, f), NULL, h \
	}
#define STR(n, l, f, a, h)                                           \
	{                                                            \
		n, l, OPT_STR, offsetof(struct run_options, f), a, h \
	}
#define LIST(n, l, f, a, h)                                           \
	{                                                             \
		n, l, OPT_LIST, offsetof(struct run_options, f), a, h \
	}
#define NUM(n, l, f, a, h)                                           \
	{                                                            \
		n, l, OPT_I64, offsetof(struct run_options, f), a, h \
	}
/* What docker's own scripts say, and is so here. */
#define ONLY(n, v, h)                   \
	{                               \
		n, 0, OPT_ONLY, 0, v, h \
	}
#define NOT(n, l, h)                          \
	{                                     \
		n, l, OPT_REFUSED, 0, NULL, h \
	}

#define NO_DAEMON "mrun has no daemon that would watch the container"
#define NO_NETS "mrun has no networks of its own; see --network"
#define NO_HEALTH "health checks are not run"
#define NO_DRIVER "output goes where mrun's goes, with -d to a bounded log (mrun logs)"
#define NO_RT "real-time scheduling is not for containers without root"

static const struct opt table[] = {
	LIST("add-host", 0, add_host, "NAME:IP", "a line for /etc/hosts"),
	LIST("annotation", 0, label, "K=V", "the same as --label"),
	NUM("blkio-weight", 0, blkio_weight, "N", "relative share of block I/O, 10 to 1000"),
	LIST("cap-add", 0, cap_add, "CAP", "add a capability, or ALL"),
	LIST("cap-drop", 0, cap_drop, "CAP", "drop a capability, or ALL"),
	ONLY("cgroupns", "private", "the cgroup namespace is always private"),
	STR("cgroup-parent", 0, cgroup_parent, "PATH",
	    "cgroup below which the container's is made"),
	STR("cidfile", 0, cidfile, "FILE", "write the container's id to FILE"),
	NUM("cpu-period", 0, cpu_period, "US", "period of --cpu-quota in microseconds (100000)"),
	NUM("cpu-quota", 0, cpu_quota, "US", "processor time a period"),
	NUM("cpu-shares", 'c', cpu_shares, "N", "relative share of processor time"),
	STR("cpus", 0, cpus, "N", "processors that may be used, as in 1.5"),
	STR("cpuset-cpus", 0, cpuset_cpus, "LIST", "processors, as in 0-2,4"),
	STR("cpuset-mems", 0, cpuset_mems, "LIST", "memory nodes, as in 0,1"),
	BOOL("detach", 'd', detach, "leave it running, print its id; see mrun logs and wait"),
	LIST("device", 0, device, "HOST[:PATH]", "a device of the host"),
	LIST("device-read-bps", 0, device_read_bps, "DEV:RATE", "limit of reading, bytes a second"),
	LIST("device-read-iops", 0, device_read_iops, "DEV:N",
	     "limit of reading, requests a second"),
	LIST("device-write-bps", 0, device_write_bps, "DEV:RATE",
	     "limit of writing, bytes a second"),
	LIST("device-write-iops", 0, device_write_iops, "DEV:N",
	     "limit of writing, requests a second"),
	LIST("dns", 0, dns, "IP", "a name server for /etc/resolv.conf"),
	LIST("dns-opt", 0, dns_option, "OPTION", "the same as --dns-option"),
	LIST("dns-option", 0, dns_option, "OPTION", "an option for /etc/resolv.conf"),
	LIST("dns-search", 0, dns_search, "DOMAIN", "a search domain for /etc/resolv.conf"),
	STR("domainname", 0, domainname, "NAME", "the container's NIS domain name"),
	STR("entrypoint", 0, entrypoint, "PROGRAM", "in place of the image's Entrypoint and Cmd"),
	LIST("env", 'e', env, "K[=V]", "set a variable; K alone: from our environment"),
	LIST("env-file", 0, env_file, "FILE", "variables from FILE"),
	LIST("group-add", 0, group_add, "GROUP", "a further group"),
	STR("hostname", 'h', hostname, "NAME", "the container's host name"),
	BOOL("init", 0, init, "a small init as process 1"),
	BOOL("interactive", 'i', interactive, "keep standard input open"),
	STR("ipc", 0, ipc, "host|private", "IPC namespace"),
	BOOL("keep", 0, keep, "keep the container's record and files after it ends"),
	LIST("label", 'l', label, "K=V", "an annotation of the container"),
	LIST("label-file", 0, label_file, "FILE", "labels from FILE"),
	STR("memory", 'm', memory, "SIZE", "memory limit"),
	STR("memory-reservation", 0, memory_reservation, "SIZE", "soft memory limit"),
	STR("memory-swap", 0, memory_swap, "SIZE",
	    "limit of memory and swap together (twice --memory), -1: none"),
	NUM("memory-swappiness", 0, memory_swappiness, "N", "0 to 100 (cgroup v1 only)"),
	LIST("mount", 0, mount, "SPEC", "type=bind|tmpfs|volume,source=…,target=…"),
	STR("name", 0, name, "NAME", "the container's name"),
	STR("network", 0, network, "MODE", "private (default), none, host, pasta or slirp4netns"),
	STR("net", 0, network, "MODE", "the same as --network"),
	BOOL("no-healthcheck", 0, no_healthcheck, "health checks are never run"),
	NUM("oom-score-adj", 0, oom_score_adj, "N", "who is killed first, -1000 to 1000"),
	STR("pid", 0, pid, "host", "the host's processes"),
	NUM("pids-limit", 0, pids_limit, "N", "number of processes, -1: no limit"),
	STR("platform", 0, platform, "OS/ARCH", "which of an index's images"),
	LIST("publish", 'p', publish, "[IP:]HOST:PORT", "a port of the host for one of ours"),
	ONLY("pull", "missing|never", "nothing is pulled; `mrun load` brings images in"),
	BOOL("quiet", 'q', quiet, "nothing is pulled that would be told of"),
	BOOL("read-only", 0, read_only, "a read-only root file system"),
	ONLY("restart", "no", NO_DAEMON),
	{ "rm", 0, OPT_TRI, offsetof(struct run_options, rm), NULL,
	  "keep nothing after it ends (the default without -d)" },
	LIST("security-opt", 0, security_opt, "OPT", "seccomp=FILE|unconfined, no-new-privileges"),
	STR("shm-size", 0, shm_size, "SIZE", "size of /dev/shm (64m)"),
	STR("stop-signal", 0, stop_signal, "SIGNAL", "the signal that asks the program to end"),
	LIST("sysctl", 0, sysctl, "K=V", "a kernel setting of the container's namespaces"),
	LIST("tmpfs", 0, tmpfs, "PATH[:OPTS]", "a tmpfs at PATH"),
	BOOL("tty", 't', tty, "a terminal"),
	LIST("ulimit", 0, ulimit, "TYPE=SOFT[:HARD]", "a resource limit"),
	STR("user", 'u', user, "USER[:GROUP]", "run as this user of the image"),
	STR("userns", 0, userns, "keep-id", "our own user and group keep their numbers"),
	LIST("volume", 'v', volume, "[HOST:]PATH[:OPTS]",
	     "a directory of the host's, or of its own"),
	STR("workdir", 'w', workdir, "DIR", "working directory"),

	NOT("attach", 'a', "a foreground container has all three streams"),
	NOT("blkio-weight-device", 0, "few schedulers have it; use --blkio-weight"),
	NOT("cpu-count", 0, "Windows only"),
	NOT("cpu-percent", 0, "Windows only"),
	NOT("cpu-rt-period", 0, NO_RT),
	NOT("cpu-rt-runtime", 0, NO_RT),
	NOT("detach-keys", 0, "there is no detaching"),
	NOT("device-cgroup-rule", 0, "devices cannot be made in a user namespace"),
	NOT("disable-content-trust", 0, "image signatures are not there yet"),
	NOT("expose", 0, "it publishes nothing; use -p"),
	NOT("gpus", 0, "name the devices with --device"),
	NOT("health-cmd", 0, NO_HEALTH),
	NOT("health-interval", 0, NO_HEALTH),
	NOT("health-retries", 0, NO_HEALTH),
	NOT("health-start-interval", 0, NO_HEALTH),
	NOT("health-start-period", 0, NO_HEALTH),
	NOT("health-timeout", 0, NO_HEALTH),
	NOT("io-maxbandwidth", 0, "Windows only"),
	NOT("io-maxiops", 0, "Windows only"),
	NOT("ip", 0, NO_NETS),
	NOT("ip6", 0, NO_NETS),
	NOT("isolation", 0, "Windows only"),
	NOT("kernel-memory", 0, "the kernel no longer has this limit"),
	NOT("link", 0, NO_NETS),
	NOT("link-local-ip", 0, NO_NETS),
	NOT("log-driver", 0, NO_DRIVER),
	NOT("log-opt", 0, NO_DRIVER),
	NOT("mac-address", 0, NO_NETS),
	NOT("net-alias", 0, NO_NETS),
	NOT("network-alias", 0, NO_NETS),
	NOT("oom-kill-disable", 0, "a container that cannot be killed hangs the machine"),
	NOT("privileged", 0,
	    "a container never has more rights than a user namespace gives; "
	    "ask for what is needed with --cap-add, --device or --security-opt"),
	NOT("publish-all", 'P', "name the ports: -p HOST:PORT"),
	NOT("runtime", 0, "mrun is the runtime"),
	NOT("sig-proxy", 0, "signals are always passed on"),
	NOT("stop-timeout", 0, NO_DAEMON),
	NOT("storage-opt", 0, "there is no storage driver to set options of"),
	NOT("use-api-socket", 0, "there is no daemon"),
	NOT("uts", 0, "the UTS namespace is always private"),
	NOT("volume-driver", 0, "named volumes are not there yet; use -v /HOST/DIR:/PATH"),
	NOT("volumes-from", 0, "a finished container leaves no volumes; use -v /HOST/DIR:/PATH"),
	{ NULL, 0, 0, 0, NULL, NULL },
};

int run_options_parse(struct arena *a, int argc, char **argv, struct run_options *o, char ***args,
		      struct error *e)
{
	static const struct opt_spec spec = {
		.command = "IMAGE",
		.usage = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
		.summary = "run the image's program, or COMMAND, in a container",
		.description = "IMAGE is a name in the store (mrun images), docker-archive:FILE,\n"
			       "   oci-archive:FILE, oci:DIR[:TAG], or the path of one of these.\n"
			       "   Exit codes: the program's own; 125 mrun failed, 126 the program "
			       "cannot be\n"
			       "   executed, 127 it is not there, 128+N signal N ended it.",
		.opts = table,
		.min_args = 1,
		.max_args = -1,
		.stop_at_first = true,
	};
	int n;

	*o = (struct run_options){ .rm = -1,
				   .cpu_shares = -1,
				   .pids_limit = INT64_MIN,
				   .cpu_quota = INT64_MIN,
				   .memory_swappiness = INT64_MIN,
				   .oom_score_adj = INT64_MIN };
	return opt_parse(a, &spec, argc, argv, o, args, &n, e);
}

/* KEY=VALUE or KEY:VALUE, docker's two ways to write a security option. */
static const char *after(const char *s, const char *key)
{
	size_t n = strlen(key);

	return strncmp(s, key, n) == 0 && (s[n] == '=' || s[n] == ':') ? s + n + 1 : NULL;
}

static int security_option(const char *s, struct run_plan *p, struct error *e)
{
	const char *v;

	if (str_eq(s, "no-new-privileges")) {
		p->spec.no_new_privileges = true;
		return 0;
	}
	if ((v = after(s, "no-new-privileges"))) {
		if (!str_eq(v, "true") && !str_eq(v, "false"))
			return err_msg(e, "--security-opt %s: neither true nor false", s);
		p->spec.no_new_privileges = str_eq(v, "true");
		return 0;
	}
	if ((v = after(s, "seccomp"))) {
		p->seccomp_unconfined = str_eq(v, "unconfined");
		p->seccomp_file = p->seccomp_unconfined || str_eq(v, "builtin") ? NULL : v;
		if (!*v)
			return err_msg(e, "--security-opt seccomp: a file name is missing");
		return 0;
	}
	/* No label nor profile is set in image mode: these two ask for what is. */
	if ((v = after(s, "label")) && str_eq(v, "disable"))
		return 0;
	if ((v = after(s, "apparmor")) && str_eq(v, "unconfined"))
		return 0;
	err_msg(e, "--security-opt %s is not supported", s);
	return err_hint(e, "there are seccomp=FILE, seccomp=unconfined, no-new-privileges, "
			   "label=disable and apparmor=unconfined");
}

static int namespaces(const struct run_options *o, struct run_plan *p, struct error *e)
{
	p->spec.private_user = true;
	p->spec.private_pid = !o->pid || !*o->pid || str_eq(o->pid, "private");
	if (!p->spec.private_pid && !str_eq(o->pid, "host")) {
		err_msg(e, "--pid %s is not supported", o->pid);
		return err_hint(e, "there is --pid host");
	}
	p->spec.private_ipc = !o->ipc || !*o->ipc || str_eq(o->ipc, "private");
	if (!p->spec.private_ipc && !str_eq(o->ipc, "host")) {
		err_msg(e, "--ipc %s is not supported", o->ipc);
		return err_hint(e, "there are --ipc private, the default, and --ipc host");
	}
	p->keep_id = o->userns && str_eq(o->userns, "keep-id");
	if (o->userns && *o->userns && !p->keep_id) {
		err_msg(e, "--userns %s is not supported", o->userns);
		return err_hint(
			e, "an image always runs in a user namespace; there is --userns keep-id");
	}
	return 0;
}

static bool name_ok(const char *s)
{
	const char *all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return strspn(s, all) == strlen(s) && *s != '_' && *s != '.' && *s != '-' && *s && s[1] &&
	       strlen(s) <= 255;
}

static int check_names(const struct run_options *o, struct error *e)
{
	if (o->name && !name_ok(o->name)) {
		err_msg(e, "--name '%s' is not a container's name", o->name);
		return err_hint(e, "two or more of a-z, A-Z, 0-9, '_', '.' and '-', "
				   "the first a letter or digit");
	}
	if (o->hostname &&
	    (!*o->hostname || strlen(o->hostname) > 63 ||
	     strspn(o->hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_.-") != strlen(o->hostname)))
		return err_msg(e,
			       "--hostname '%s' is not a host name (letters, digits, '.', '-', "
			       "at most 63)",
			       o->hostname);
	if (o->workdir && *o->workdir != '/') {
		err_msg(e, "--workdir '%s' is not an absolute path", o->workdir);
		return err_hint(e, "it is a directory in the container, as in /%s", o->workdir);
	}
	if (o->stop_signal && !value_signal(o->stop_signal))
		return err_msg(e, "--stop-signal %s: there is no such signal", o->stop_signal);
	return 0;
}

static int parse_mounts(struct arena *a, const struct run_options *o, struct mount_list *l,
			struct error *e)
{
	static const struct {
		size_t off;
		int (*parse)(struct arena *, const char *, struct mount_list *, struct error *);
	} kinds[] = {
		{ offsetof(struct run_options, volume), mount_parse_volume },
		{ offsetof(struct run_options, mount), mount_parse_mount },
		{ offsetof(struct run_options, tmpfs), mount_parse_tmpfs },
		{ offsetof(struct run_options, device), mount_parse_device },
	};

	l->idmap = self_uid() == 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct strlist *s = (const void *)((const char *)o + kinds[i].off);

		for (size_t j = 0; j < s->n; j++)
			if (kinds[i].parse(a, s->items[j], l, e) < 0)
				return -1;
	}
	for (size_t i = 0; i < l->n; i++)
		for (size_t j = 0; j < i; j++)
			if (str_eq(l->items[i].destination, l->items[j].destination))
				return err_msg(e, "two mounts at %s", l->items[i].destination);
	return 0;
}

static int parse_lists(struct arena *a, const struct run_options *o, struct spec_options *s,
		       struct error *e)
{
	struct strlist env = { 0 }, labels = { 0 };

	for (size_t i = 0; i < o->env_file.n; i++)
		if (value_env_file(a, o->env_file.items[i], &env, e) < 0)
			return -1;
	for (size_t i = 0; i < o->env.n; i++)
		if (value_env(a, o->env.items[i], &env, e) < 0)
			return -1;
	s->env = env.items;
	s->rlimits = ARENA_ARRAY(a, o->ulimit.n + 1, struct oci_rlimit);
	for (size_t i = 0; i < o->ulimit.n; i++)
		if (value_ulimit(a, o->ulimit.items[i], &s->rlimits[s->rlimits_len++], e) < 0)
			return -1;
	s->sysctl = ARENA_ARRAY(a, o->sysctl.n + 1, struct json_pair);
	for (size_t i = 0; i < o->sysctl.n; i++)
		if (value_pair(a, "sysctl", o->sysctl.items[i], true, &s->sysctl[s->sysctl_len++],
			       e) < 0)
			return -1;
	for (size_t i = 0; i < o->label_file.n; i++)
		if (value_label_file(a, o->label_file.items[i], &labels, e) < 0)
			return -1;
	for (size_t i = 0; i < o->label.n; i++)
		strlist_add(a, &labels, o->label.items[i]);
	s->annotations = ARENA_ARRAY(a, labels.n + 2, struct json_pair);
	for (size_t i = 0; i < labels.n; i++)
		if (value_pair(a, "label", labels.items[i], false,
			       &s->annotations[s->annotations_len++], e) < 0)
			return -1;
	s->caps = spec_caps(a, o->cap_add.items, o->cap_drop.items, e);
	return s->caps ? 0 : -1;
}

int run_plan_make(struct arena *a, const struct run_options *o, char *const *command,
		  struct run_plan *ret, struct error *e)
{
	struct run_plan p = { .user = o->user, .stop_signal = o->stop_signal };
	struct spec_options *s = &p.spec;
	int32_t *oom = NULL;

	if (check_names(o, e) < 0 || namespaces(o, &p, e) < 0)
		return -1;
	if (o->keep && o->rm == 1)
		return err_msg(e, "--keep and --rm contradict each other");
	p.keep_files = o->keep;
	p.keep_record = o->keep || o->rm == 0 || (o->detach && o->rm != 1);
	for (size_t i = 0; i < o->security_opt.n; i++)
		if (security_option(o->security_opt.items[i], &p, e) < 0)
			return -1;
	if (network_parse(a, o->network, &o->publish, &p.network, e) < 0 ||
	    parse_mounts(a, o, &p.mounts, e) < 0 || parse_lists(a, o, s, e) < 0 ||
	    value_resources(a, o, &s->resources, e) < 0)
		return -1;
	if (o->shm_size && (!str_to_size(o->shm_size, &s->shm_size) || s->shm_size <= 0))
		return err_msg(e, "--shm-size '%s' is not a size as in 64m", o->shm_size);
	if (o->shm_size && !s->private_ipc)
		return err_msg(
			e, "--shm-size does not go with --ipc host, whose /dev/shm is the host's");
	if (o->oom_score_adj != INT64_MIN) {
		if (o->oom_score_adj < -1000 || o->oom_score_adj > 1000)
			return err_msg(e, "--oom-score-adj %lld is not between -1000 and 1000",
				       (long long)o->oom_score_adj);
		oom = ARENA_NEW(a, int32_t);
		*oom = (int32_t)o->oom_score_adj;
	}
	s->private_net = p.network.mode != NETWORK_HOST;
	s->command = command;
	s->entrypoint = o->entrypoint;
	s->workdir = o->workdir;
	s->tty = o->tty;
	s->domainname = o->domainname;
	s->oom_score_adj = oom;
	s->read_only = o->read_only;
	s->mounts = p.mounts.items;
	s->mounts_len = p.mounts.n;
	*ret = p;
	return 0;
}
