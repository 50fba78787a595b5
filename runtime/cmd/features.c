/* mrun features: what this runtime does (runtime-spec features.md, features-linux.md). It must tell
 * the truth: tests/ compares it with what works. */
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "oci/base/str.h"
#include "oci/spec/spec.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"
#include "runtime/init/mount_options.h"
#include "runtime/init/seccomp.h"

static const struct opt no_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };
static const struct opt_spec features_spec = {
	.command = "features",
	.usage = "",
	.summary = "show what this runtime supports, as JSON",
	.opts = no_opts,
	.max_args = 0,
	.single_dash = true,
};

static void strings(struct json_out *o, const char *key, const char *const *items)
{
	json_out_str(o, key);
	json_out_array(o);
	for (; *items; items++)
		json_out_str(o, *items);
	json_out_array_end(o);
}

/* What config.json may say, from the table that reads it. */
static void names(struct json_out *o, const char *key, const struct json_enum *en)
{
	json_out_str(o, key);
	json_out_array(o);
	for (; en->name; en++)
		json_out_str(o, en->name);
	json_out_array_end(o);
}

static void enabled(struct json_out *o, const char *key, bool yes)
{
	json_out_str(o, key);
	json_out_object(o);
	json_out_kbool(o, "enabled", yes);
	json_out_object_end(o);
}

static void capabilities(struct json_out *o)
{
	json_out_str(o, "capabilities");
	json_out_array(o);
	for (cap_value_t v = 0; prctl(PR_CAPBSET_READ, v, 0, 0, 0) >= 0; v++) {
		char *name = cap_to_name(v);

		if (name) {
			for (char *p = name; *p; p++)
				if (*p >= 'a' && *p <= 'z')
					*p = (char)(*p - 32);
			json_out_str(o, name);
			cap_free(name);
		}
	}
	json_out_array_end(o);
}

static void seccomp(struct arena *a, struct json_out *o)
{
	json_out_str(o, "seccomp");
	json_out_object(o);
	json_out_kbool(o, "enabled", true);
	names(o, "actions", oci_seccomp_actions);
	names(o, "operators", oci_seccomp_operators);
	strings(o, "archs", seccomp_arch_names(a));
	strings(o, "knownFlags", seccomp_flag_names(a, false));
	strings(o, "supportedFlags", seccomp_flag_names(a, true));
	json_out_object_end(o);
}

static void linux_part(struct arena *a, struct json_out *o)
{
	json_out_str(o, "linux");
	json_out_object(o);
	names(o, "namespaces", oci_namespace_types);
	capabilities(o);
	json_out_str(o, "cgroup");
	json_out_object(o);
	json_out_kbool(o, "v1", true);
	json_out_kbool(o, "v2", true);
	/* By a program of its own, which a build without libsystemd does not have. */
	json_out_kbool(o, "systemd", cgroup_systemd_available(a));
	json_out_kbool(o, "systemdUser", cgroup_systemd_available(a));
	json_out_kbool(o, "rdma", true);
	json_out_object_end(o);
	seccomp(a, o);
	enabled(o, "apparmor", true);
	enabled(o, "selinux", true);
	enabled(o, "intelRdt", false);
	enabled(o, "memoryPolicy", true);
	enabled(o, "netDevices", true);
	json_out_str(o, "mountExtensions");
	json_out_object(o);
	enabled(o, "idmap", true);
	json_out_object_end(o);
	json_out_object_end(o);
}

int cmd_features(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	static const char *const hooks[] = { "prestart",
					     "createRuntime",
					     "createContainer",
					     "startContainer",
					     "poststart",
					     "poststop",
					     NULL };
	struct json_out *o;
	char **rest;
	int n, r = opt_parse(c->arena, &features_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	o = json_out_new(c->arena, true);
	json_out_object(o);
	json_out_kstr(o, "ociVersionMin", "1.0.0");
	json_out_kstr(o, "ociVersionMax", OCI_SPEC_VERSION);
	strings(o, "hooks", hooks);
	strings(o, "mountOptions", mount_option_names(c->arena));
	linux_part(c->arena, o);
	json_out_str(o, "annotations");
	json_out_object(o);
	json_out_kstr(o, "run.mrun.version", MRUN_VERSION);
	json_out_object_end(o);
	json_out_object_end(o);
	puts(json_out_finish(o, NULL));
	return 0;
}
