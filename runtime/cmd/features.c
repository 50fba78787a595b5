/* mrun features: what this runtime does (runtime-spec features.md, features-linux.md). It must tell
 * the truth: tests/ compares it with what works. */
#include <stdio.h>
#include <sys/capability.h>

#include "oci/base/str.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"
#include "runtime/cmd/options.h"
#include "runtime/init/mount_options.h"

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
	for (cap_value_t v = 0; cap_max_bits() > v; v++) {
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

static void seccomp(struct json_out *o)
{
	static const char *const actions[] = { "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
					       "SCMP_ACT_KILL",	       "SCMP_ACT_KILL_PROCESS",
					       "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
					       "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
					       "SCMP_ACT_TRAP",	       NULL };
	static const char *const operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
						 "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
						 "SCMP_CMP_NE", NULL };
	static const char *const archs[] = {
		"SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",	       "SCMP_ARCH_MIPS",
		"SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
		"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
		"SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
		"SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_X32",
		"SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      NULL
	};
	static const char *const flags[] = { "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
					     "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
					     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };

	json_out_str(o, "seccomp");
	json_out_object(o);
	json_out_kbool(o, "enabled", true);
	strings(o, "actions", actions);
	strings(o, "operators", operators);
	strings(o, "archs", archs);
	strings(o, "knownFlags", flags);
	strings(o, "supportedFlags", flags);
	json_out_object_end(o);
}

static void linux_part(struct json_out *o)
{
	static const char *const namespaces[] = { "cgroup", "ipc",  "mount", "network", "pid",
						  "time",   "user", "uts",   NULL };

	json_out_str(o, "linux");
	json_out_object(o);
	strings(o, "namespaces", namespaces);
	capabilities(o);
	json_out_str(o, "cgroup");
	json_out_object(o);
	json_out_kbool(o, "v1", true);
	json_out_kbool(o, "v2", true);
	json_out_kbool(o, "systemd", false);
	json_out_kbool(o, "systemdUser", false);
	json_out_kbool(o, "rdma", true);
	json_out_object_end(o);
	seccomp(o);
	enabled(o, "apparmor", true);
	enabled(o, "selinux", true);
	enabled(o, "intelRdt", false);
	enabled(o, "memoryPolicy", true);
	enabled(o, "netDevices", false);
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
	linux_part(o);
	json_out_str(o, "annotations");
	json_out_object(o);
	json_out_kstr(o, "run.mrun.version", MRUN_VERSION);
	json_out_object_end(o);
	json_out_object_end(o);
	puts(json_out_finish(o, NULL));
	return 0;
}
