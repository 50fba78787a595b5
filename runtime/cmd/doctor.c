/*
 * `mrun doctor`: what works on this machine for this user, what does not, and the command that
 * mends it. In order: who asks, the checks (one file a subject), the report. The exit code says
 * whether `mrun IMAGE` works here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "runtime/init/host_program.h"
#include "runtime/cmd/doctor.h"
#include "runtime/cmd/options.h"

#define SMALL_FILE ((size_t)4 * 1024 * 1024)

struct doctor_options {
	const char *format;
};
static const struct opt doctor_opts[] = {
	{ "format", 0, OPT_STR, offsetof(struct doctor_options, format), "text|json",
	  "how to print it (default: text)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec doctor_spec = {
	.command = "doctor",
	.usage = "[OPTIONS]",
	.summary = "what works here for this user, and what mends the rest",
	.description =
		"One line a check: ok, limited (mrun IMAGE works, something else does not) or\n"
		"   missing (mrun IMAGE does not work without it); below it the commands that\n"
		"   mend it. Nothing is changed. Exit code 0 when mrun IMAGE works here, else 1.",
	.opts = doctor_opts,
};

static const char *const level_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LIMITED] = "limited",
	[DOCTOR_MISSING] = "missing",
};

void doctor_add(struct doctor *d, enum doctor_level level, const char *name, const char *fmt, ...)
{
	struct doctor_check *check;
	va_list ap;

	if (d->n == d->cap) {
		struct doctor_check *more = ARENA_ARRAY(d->a, d->cap + 32, struct doctor_check);

		if (d->n)
			memcpy(more, d->checks, d->n * sizeof(*more));
		d->checks = more;
		d->cap += 32;
	}
	check = &d->checks[d->n++];
	check->level = level;
	check->name = name;
	va_start(ap, fmt);
	check->text = arena_vprintf(d->a, fmt, ap);
	va_end(ap);
}

void doctor_mend(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strlist_add(d->a, &d->checks[d->n - 1].commands, arena_vprintf(d->a, fmt, ap));
	va_end(ap);
}

void doctor_mend_sysctl(struct doctor *d, const char *key, const char *value)
{
	doctor_mend(d, "%ssysctl -w %s=%s", d->sudo, key, value);
	doctor_mend(d, "echo '%s = %s' | %stee -a /etc/sysctl.d/60-mrun.conf", key, value, d->sudo);
}

void doctor_mend_install(struct doctor *d, const struct doctor_package *p)
{
	const struct {
		const char *manager, *command, *package;
	} ways[] = {
		{ "apt-get", "apt-get install -y", p->deb },
		{ "dnf", "dnf install -y", p->rpm },
		{ "yum", "yum install -y", p->rpm },
		{ "apk", "apk add", p->apk },
		{ "zypper", "zypper install -y", p->zypper },
		{ "pacman", "pacman -S --noconfirm", p->pacman },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (doctor_find(d, ways[i].manager)) {
			doctor_mend(d, "%s%s %s", d->sudo, ways[i].command, ways[i].package);
			return;
		}
}

char *doctor_read(struct doctor *d, const char *path)
{
	struct error ignored;
	size_t len;
	char *text;

	if (file_read(d->a, AT_FDCWD, path, SMALL_FILE, &text, &len, &ignored) < 0)
		return NULL;
	while (len && text[len - 1] == '\n')
		text[--len] = 0;
	return text;
}

const char *doctor_find(struct doctor *d, const char *name)
{
	return host_program(d->a, name);
}

const char *doctor_existing(struct doctor *d, const char *path)
{
	char *p = arena_strdup(d->a, path), *slash;
	struct stat st;

	while (stat(p, &st) < 0) {
		slash = strrchr(p, '/');
		if (!slash || slash == p)
			return "/";
		*slash = 0;
	}
	return p;
}

/* The line of /etc/passwd. */
static void who_asks(struct doctor *d)
{
	char *text = doctor_read(d, "/etc/passwd"), *line;
	uint64_t id;

	d->sudo = geteuid() == 0 ? "" : "sudo ";
	d->user = arena_printf(d->a, "%u", geteuid());
	while (text && (line = strsep(&text, "\n"))) {
		char **f = str_split(d->a, line, ':');

		if (str_list_len(f) < 6 || !str_to_u64(f[2], UINT32_MAX, &id) || id != geteuid())
			continue;
		d->user = f[0];
		d->home = f[5];
		d->in_passwd = true;
		return;
	}
}

static void print_text(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_check *k = &d->checks[i];

		printf("%-8s %-16s %s\n", level_names[k->level], k->name, k->text);
		for (size_t j = 0; j < k->commands.n; j++)
			printf("%-8s    %s\n", "", k->commands.items[j]);
	}
}

static void print_json(const struct doctor *d, bool works)
{
	struct json_out *o = json_out_new(d->a, true);

	json_out_object(o);
	json_out_kbool(o, "works", works);
	json_out_kstr(o, "user", d->user);
	json_out_str(o, "checks");
	json_out_array(o);
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_check *k = &d->checks[i];

		json_out_object(o);
		json_out_kstr(o, "name", k->name);
		json_out_kstr(o, "status", level_names[k->level]);
		json_out_kstr(o, "message", k->text);
		json_out_str(o, "commands");
		json_out_array(o);
		for (size_t j = 0; j < k->commands.n; j++)
			json_out_str(o, k->commands.items[j]);
		json_out_array_end(o);
		json_out_object_end(o);
	}
	json_out_array_end(o);
	json_out_object_end(o);
	puts(json_out_finish(o, NULL));
}

int cmd_doctor(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	static void (*const checks[])(struct doctor *) = {
		doctor_kernel,	    doctor_namespaces, doctor_ids,     doctor_files,
		doctor_filesystems, doctor_programs,   doctor_cgroups,
	};
	struct doctor_options o = { .format = "text" };
	struct doctor d = { .c = c, .a = c->arena };
	bool works = true;
	char **args;
	int n, r = opt_parse(c->arena, &doctor_spec, argc, argv, &o, &args, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (!str_eq(o.format, "text") && !str_eq(o.format, "json"))
		return err_msg(e, "doctor: --format '%s' is neither text nor json", o.format);
	who_asks(&d);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&d);
	for (size_t i = 0; i < d.n; i++)
		works &= d.checks[i].level != DOCTOR_MISSING;
	if (str_eq(o.format, "json"))
		print_json(&d, works);
	else
		print_text(&d);
	return works ? 0 : 1;
}
