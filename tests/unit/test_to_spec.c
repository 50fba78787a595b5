/* oci/image/to_spec.c: what an image's config and the options make of a specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/sched.h>

#include <cmocka.h>

#include "oci/base/str.h"
#include "oci/image/to_spec.h"

static struct arena arena;
static struct error err;
static struct strlist warnings;
static struct oci_image_run run;
static struct oci_image_config config = { .config = &run };

#define LIST(...) ((char *[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
	(void)state;
	run = (struct oci_image_run){ 0 };
	warnings = (struct strlist){ 0 };
	err_clear(&err);
	return 0;
}

static struct spec_options defaults(void)
{
	return (struct spec_options){ .hostname = "box",
				      .private_net = true,
				      .private_pid = true,
				      .private_ipc = true,
				      .private_user = true };
}

static struct oci_spec *build(struct spec_options *o)
{
	struct oci_spec *s = spec_from_image(&arena, &config, o, &warnings, &err);

	if (!s)
		fail_msg("%s", err.msg);
	return s;
}

static void args_are(const struct oci_spec *s, const char *joined)
{
	char *all = arena_strdup(&arena, "");

	for (char **p = s->process->args; *p; p++)
		all = arena_printf(&arena, "%s%s%s", all, *all ? " " : "", *p);
	assert_string_equal(all, joined);
}

static const char *env_of(const struct oci_spec *s, const char *name)
{
	const char *found = NULL;

	for (char **p = s->process->env; *p; p++) {
		if (str_has_prefix(*p, name) && (*p)[strlen(name)] == '=') {
			assert_null(found);
			found = *p + strlen(name) + 1;
		}
	}
	return found;
}

static void command(void **state)
{
	struct spec_options o = defaults();

	(void)state;
	run.entrypoint = LIST((char *)"/entry", (char *)"-e");
	run.cmd = LIST((char *)"cmd", (char *)"1");
	args_are(build(&o), "/entry -e cmd 1");
	o.command = LIST((char *)"other");
	args_are(build(&o), "/entry -e other");
	o.entrypoint = "/mine";
	args_are(build(&o), "/mine other");
	o.command = NULL;
	args_are(build(&o), "/mine");
	o.entrypoint = "";
	o.command = LIST((char *)"only");
	args_are(build(&o), "only");
	o.command = NULL;
	assert_null(spec_from_image(&arena, &config, &o, &warnings, &err));
	assert_non_null(strstr(err.msg, "no command specified"));
	o.command = LIST((char *)"");
	assert_null(spec_from_image(&arena, &config, &o, &warnings, &err));
	assert_int_equal(err.exit_code, ERR_EXIT_NOT_FOUND);
	o.command = NULL;
	run.entrypoint = run.cmd = NULL;
	o.entrypoint = NULL;
	assert_null(spec_from_image(&arena, &config, &o, &warnings, &err));
}

static void environment(void **state)
{
	struct spec_options o = defaults();
	struct oci_spec *s;

	(void)state;
	run.cmd = LIST((char *)"x");
	setenv("SECRET", "of the host", 1);
	run.env = LIST((char *)"PATH=/p", (char *)"SECRET", (char *)"*", (char *)"=x", (char *)"",
		       (char *)"A=1", (char *)"A=2", (char *)"B=1", (char *)"GONE=1",
		       (char *)"new\nline=1", (char *)"PEM=a\nb", (char *)"HOSTNAME=theirs");
	o.env = LIST((char *)"B=2", (char *)"GONE", (char *)"C=", (char *)"NEVER");
	s = build(&o);
	assert_string_equal(env_of(s, "PATH"), "/p");
	assert_string_equal(env_of(s, "HOSTNAME"), "theirs");
	assert_string_equal(env_of(s, "A"), "2");
	assert_string_equal(env_of(s, "B"), "2");
	assert_string_equal(env_of(s, "C"), "");
	assert_string_equal(env_of(s, "PEM"), "a\nb");
	assert_null(env_of(s, "SECRET"));
	assert_null(env_of(s, "GONE"));
	assert_null(env_of(s, "NEVER"));
	assert_null(env_of(s, "TERM"));
	for (char **p = s->process->env; *p; p++)
		assert_non_null(strchr(*p, '='));
	assert_int_equal(warnings.n, 1);
	assert_non_null(strstr(warnings.items[0], "5 malformed Env entries"));
	run.env = NULL;
	o.tty = true;
	s = build(&o);
	assert_string_equal(env_of(s, "TERM"), "xterm");
	assert_string_equal(env_of(s, "HOSTNAME"), "box");
	assert_true(str_has_prefix(env_of(s, "PATH"), "/usr/local/sbin:"));
}

static void directory(void **state)
{
	struct spec_options o = defaults();

	(void)state;
	run.cmd = LIST((char *)"x");
	assert_string_equal(build(&o)->process->cwd, "/");
	run.working_dir = (char *)"relative/../dir";
	assert_string_equal(build(&o)->process->cwd, "/dir");
	run.working_dir = (char *)"../../../etc";
	assert_string_equal(build(&o)->process->cwd, "/etc");
	o.workdir = "/w/";
	assert_string_equal(build(&o)->process->cwd, "/w");
}

/* CVE-2022-23648, CVE-2024-3154: nothing of an image names a host path or sets an option. */
static void image_is_data(void **state)
{
	struct spec_options o = defaults();
	struct oci_set_entry v[] = { { (char *)"/../../etc" },
				     { (char *)"/data/" },
				     { (char *)"/data" },
				     { (char *)"relative" },
				     { (char *)"/" } };
	struct json_pair labels[] = { { (char *)"run.oci.hooks.stdout", (char *)"/x" },
				      { (char *)"org.systemd.property.ExecStart", (char *)"/x" } };
	struct oci_spec *s;
	char **volumes;

	(void)state;
	run.cmd = LIST((char *)"x");
	run.volumes = v;
	run.volumes_len = 5;
	run.labels = labels;
	run.labels_len = 2;
	volumes = spec_volumes(&arena, &config, &warnings);
	assert_string_equal(volumes[0], "/etc");
	assert_string_equal(volumes[1], "/data");
	assert_null(volumes[2]);
	assert_int_equal(warnings.n, 2);
	s = build(&o);
	assert_int_equal(s->annotations_len, 0);
	assert_null(s->hooks);
	for (size_t i = 0; i < s->mounts_len; i++)
		assert_string_not_equal(s->mounts[i].type, "bind");
}

static const struct oci_mount *mount_at(const struct oci_spec *s, const char *where)
{
	for (size_t i = 0; i < s->mounts_len; i++)
		if (str_eq(s->mounts[i].destination, where))
			return &s->mounts[i];
	fail_msg("no mount at %s", where);
	abort();
}

static void mounts(void **state)
{
	struct spec_options o = defaults();
	char *none[] = { NULL };
	struct oci_mount mine[] = {
		{ .destination = (char *)"/x/y",
		  .type = (char *)"bind",
		  .source = (char *)"/s",
		  .options = none },
		{ .destination = (char *)"/x",
		  .type = (char *)"tmpfs",
		  .source = (char *)"tmpfs",
		  .options = none },
		{ .destination = (char *)"/dev/shm",
		  .type = (char *)"bind",
		  .source = (char *)"/shm",
		  .options = none },
	};
	struct oci_spec *s;

	(void)state;
	run.cmd = LIST((char *)"x");
	o.mounts = mine;
	o.mounts_len = 3;
	s = build(&o);
	assert_string_equal(s->mounts[0].destination, "/proc");
	assert_string_equal(mount_at(s, "/dev/shm")->source, "/shm");
	assert_string_equal(s->mounts[s->mounts_len - 2].destination, "/x");
	assert_string_equal(s->mounts[s->mounts_len - 1].destination, "/x/y");
	assert_true(str_list_has(mount_at(s, "/sys")->options, "ro"));
	assert_true(str_list_has(mount_at(s, "/sys/fs/cgroup")->options, "ro"));
	assert_false(str_list_has(mount_at(s, "/dev/pts")->options, "gid=5"));
	o = defaults();
	o.gid5 = true;
	o.shm_size = 4096;
	s = build(&o);
	assert_true(str_list_has(mount_at(s, "/dev/pts")->options, "gid=5"));
	assert_true(str_list_has(mount_at(s, "/dev/shm")->options, "size=4096"));
	o.private_net = o.private_pid = o.private_ipc = false;
	s = build(&o);
	assert_string_equal(mount_at(s, "/proc")->type, "bind");
	assert_string_equal(mount_at(s, "/sys")->type, "bind");
	assert_string_equal(mount_at(s, "/dev/shm")->type, "bind");
	assert_null(oci_spec_namespace(s, CLONE_NEWNET));
	assert_null(oci_spec_namespace(s, CLONE_NEWPID));
	assert_non_null(oci_spec_namespace(s, CLONE_NEWUSER));
}

static void sysctls(void **state)
{
	struct spec_options o = defaults();
	struct json_pair mine[] = { { (char *)"net.ipv4.ip_unprivileged_port_start",
				      (char *)"1024" } };
	struct oci_spec *s;

	(void)state;
	run.cmd = LIST((char *)"x");
	o.default_sysctls = true;
	o.ping_high = 65535;
	s = build(&o);
	assert_int_equal(s->linux_->sysctl_len, 2);
	assert_string_equal(s->linux_->sysctl[1].value, "0 65535");
	o.sysctl = mine;
	o.sysctl_len = 1;
	s = build(&o);
	assert_int_equal(s->linux_->sysctl_len, 2);
	assert_string_equal(s->linux_->sysctl[0].value, "1024");
	o.private_net = false;
	assert_int_equal(build(&o)->linux_->sysctl_len, 1);
}

static size_t caps(char *const *add, char *const *drop)
{
	char **l = spec_caps(&arena, add, drop, &err);

	if (!l)
		fail_msg("%s", err.msg);
	return str_list_len(l);
}

static void capabilities(void **state)
{
	struct spec_options o = defaults();
	struct oci_spec *s;

	(void)state;
	assert_int_equal(caps(NULL, NULL), 14);
	assert_int_equal(caps(LIST((char *)"sys_ptrace"), NULL), 15);
	assert_int_equal(caps(LIST((char *)"Cap_Net_Admin"), LIST((char *)"CAP_CHOWN")), 14);
	assert_int_equal(caps(NULL, LIST((char *)"all")), 0);
	assert_int_equal(caps(LIST((char *)"CHOWN"), LIST((char *)"ALL")), 1);
	assert_true(caps(LIST((char *)"ALL"), NULL) >= 38);
	assert_true(caps(LIST((char *)"ALL"), LIST((char *)"MKNOD")) >= 37);
	assert_null(spec_caps(&arena, LIST((char *)"SYS_ADMON"), NULL, &err));
	assert_non_null(strstr(err.msg, "--cap-add SYS_ADMON: there is no such capability"));
	assert_string_equal(err.hint, "did you mean CAP_SYS_ADMIN?");
	run.cmd = LIST((char *)"x");
	s = build(&o);
	assert_int_equal(str_list_len(s->process->capabilities->bounding), 14);
	assert_null(s->process->capabilities->inheritable);
	assert_null(s->process->capabilities->ambient);
}

/* What is made is what oci/spec itself takes for a sound config.json. */
static void valid(void **state)
{
	struct spec_options o = defaults();
	struct oci_id_mapping m[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };
	const struct json_value *v;
	struct oci_spec *s;
	size_t len;
	char *text;

	(void)state;
	run.cmd = LIST((char *)"x");
	o.uid_mappings = o.gid_mappings = m;
	o.uid_mappings_len = o.gid_mappings_len = 2;
	s = build(&o);
	text = json_write(&arena, &oci_spec_type, s, true, &len);
	v = json_parse(&arena, text, len, "config.json", &err);
	assert_non_null(v);
	assert_string_equal(json_get_str(json_get(v, "root"), "path"), "rootfs");
	if (oci_spec_validate(json_read(&arena, text, len, &oci_spec_type, "config.json", &err),
			      &err) < 0)
		fail_msg("%s", err.msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(command, setup),
		cmocka_unit_test_setup(environment, setup),
		cmocka_unit_test_setup(directory, setup),
		cmocka_unit_test_setup(image_is_data, setup),
		cmocka_unit_test_setup(mounts, setup),
		cmocka_unit_test_setup(sysctls, setup),
		cmocka_unit_test_setup(capabilities, setup),
		cmocka_unit_test_setup(valid, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
