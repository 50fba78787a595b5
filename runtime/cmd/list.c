/* mrun list. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cmd/options.h"
#include "runtime/container/state.h"

struct list_args {
	const char *format;
	bool quiet;
};
static const struct opt list_opts[] = {
	{ "format", 'f', OPT_STR, offsetof(struct list_args, format), "table|json",
	  "how to print them" },
	{ "quiet", 'q', OPT_BOOL, offsetof(struct list_args, quiet), NULL, "only the ids" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec list_spec = {
	.command = "list",
	.usage = "[OPTIONS]",
	.summary = "list the containers of this --root",
	.opts = list_opts,
	.max_args = 0,
	.single_dash = true,
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *owner_name(struct arena *a, int64_t uid)
{
	struct error ignored;
	char *text, *save = NULL;

	if (uid == 0)
		return "root";
	if (file_read(a, AT_FDCWD, "/etc/passwd", 4u << 20, &text, NULL, &ignored) == 0)
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			char **f = str_split(a, line, ':');

			if (str_list_len(f) > 2 &&
			    str_eq(f[2], arena_printf(a, "%lld", (long long)uid)))
				return f[0];
		}
	return arena_printf(a, "#%lld", (long long)uid);
}

static void print_one_json(struct arena *a, struct json_out *o, const struct container *ct,
			   const char *status, pid_t pid)
{
	const struct container_record *r = ct->record;

	json_out_object(o);
	json_out_kstr(o, "ociVersion", r->oci_version ? r->oci_version : OCI_SPEC_VERSION);
	json_out_kstr(o, "id", r->id);
	json_out_ki64(o, "pid", pid);
	json_out_kstr(o, "status", status);
	json_out_kstr(o, "bundle", r->bundle ? r->bundle : "");
	json_out_kstr(o, "rootfs", r->rootfs ? r->rootfs : "");
	json_out_kstr(o, "created", r->created ? r->created : "");
	if (r->annotations_len) {
		json_out_str(o, "annotations");
		json_out_object(o);
		for (size_t i = 0; i < r->annotations_len; i++)
			json_out_kstr(o, r->annotations[i].key, r->annotations[i].value);
		json_out_object_end(o);
	}
	json_out_kstr(o, "owner", owner_name(a, r->owner));
	json_out_object_end(o);
}

static int read_names(struct arena *a, const char *root, bool explicit_root, struct strlist *ids,
		      struct error *e)
{
	DIR *d = opendir(root);
	struct dirent *de;
	int failed;

	if (!d && errno == ENOENT && !explicit_root)
		return 0;
	if (!d)
		return err_sys(e, errno, "list the containers in %s", root);
	while (errno = 0, (de = readdir(d)))
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, "..") &&
		    (de->d_type == DT_DIR || de->d_type == DT_UNKNOWN))
			strlist_add(a, ids, arena_strdup(a, de->d_name));
	failed = errno;
	closedir(d);
	if (failed)
		return err_sys(e, failed, "list the containers in %s", root);
	if (ids->n)
		qsort(ids->items, ids->n, sizeof(char *), by_name);
	return 0;
}

int cmd_list(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct list_args args = { .format = "table" };
	struct strlist ids = { 0 };
	struct json_out *o = NULL;
	const char *root;
	char **rest;
	int n, r = opt_parse(c->arena, &list_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (!str_eq(args.format, "table") && !str_eq(args.format, "json"))
		return err_msg(e, "list: invalid format option '%s': table or json", args.format);
	root = state_root(c, false, e);
	if (!root || read_names(c->arena, root, c->root != NULL, &ids, e) < 0)
		return -1;
	if (args.quiet) {
		for (size_t i = 0; i < ids.n; i++)
			puts(ids.items[i]);
		return 0;
	}
	if (str_eq(args.format, "json")) {
		o = json_out_new(c->arena, false);
		json_out_array(o);
	} else {
		printf("%-12s %-8s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	}
	for (size_t i = 0; i < ids.n; i++) {
		struct container ct;
		struct error why;
		enum status st;
		pid_t pid;

		if (state_peek(c->arena, root, ids.items[i], &ct, &why) < 0) {
			if (why.code != ENOENT) /* deleted meanwhile */
				fprintf(stderr, "mrun: warning: %s\n", why.msg);
			continue;
		}
		st = state_status(c->arena, &ct, true);
		pid = st == STATUS_STOPPED ? 0 : ct.pid;
		if (o)
			print_one_json(c->arena, o, &ct, state_status_name(st), pid);
		else
			printf("%-12s %-8d %-10s %-32s %-32s %s\n", ct.record->id, (int)pid,
			       state_status_name(st), ct.record->bundle ? ct.record->bundle : "-",
			       ct.record->created ? ct.record->created : "-",
			       owner_name(c->arena, ct.record->owner));
		state_close(&ct);
	}
	if (o) {
		json_out_array_end(o);
		puts(json_out_finish(o, NULL));
	}
	return 0;
}
