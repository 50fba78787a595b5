/* `mrun import`: the tar of a root file system becomes an image of one layer, stored as it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/date.h"
#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "oci/store/staging.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_changes.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"
#include "runtime/image/unpacker.h"

struct import_options {
	struct strlist changes;
	const char *message, *platform;
};
static const struct opt options[] = {
	{ "change", 'c', OPT_LIST, offsetof(struct import_options, changes), "INSTRUCTION",
	  "a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, …" },
	{ "message", 'm', OPT_STR, offsetof(struct import_options, message), "TEXT",
	  "a message for the history" },
	{ "platform", 0, OPT_STR, offsetof(struct import_options, platform), "OS/ARCH",
	  "what the files are for (default: this machine's)" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "import",
	.usage = "[OPTIONS] FILE|- [NAME[:TAG]]",
	.summary = "make an image of a root file system's tar",
	.description = "FILE is a tar, plain or compressed by gzip or zstd; - is standard input.",
	.opts = options,
	.min_args = 1,
	.max_args = 2,
};

static int open_input(const char *file, struct error *e)
{
	struct stat st;
	int fd;

	if (str_eq(file, "-")) {
		if (isatty(0))
			return err_msg(e, "import: standard input is a terminal");
		return fcntl(0, F_DUPFD_CLOEXEC, 3);
	}
	if (str_has_prefix(file, "http://") || str_has_prefix(file, "https://")) {
		err_msg(e, "import: '%s': addresses are not supported", file);
		return err_hint(e, "curl -fL %s | mrun import -", file);
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, errno, "open %s", file);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		err_sys(e, EISDIR, "read %s", file);
		return err_hint(e, "tar -C %s -c . | mrun import -", file);
	}
	return fd;
}

/* The layer, as it is, into the staging directory. */
static int stage_layer(struct arena *a, struct staging *st, const char *file,
		       struct blob_info *info, struct oci_descriptor *layer, struct error *e)
{
	_cleanup_fd_ int in = open_input(file, e), out = -1, copy = -1;
	const char *label = str_eq(file, "-") ? "standard input" : file;
	struct unpacker_limits limits;
	uint64_t size;

	if (in < 0)
		return -1;
	out = staging_create(st, "layer", e);
	if (out < 0)
		return -1;
	if (unpacker_limits(&limits, e) < 0)
		return -1;
	layer->digest = digest_copy(a, in, out, limits.bytes, label, &size, e);
	if (!layer->digest)
		return err_wrap(e, "import %s", label);
	copy = openat(st->fd, "layer", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (copy < 0)
		return err_sys(e, errno, "open the copy of %s", label);
	if (unpacker_digest(a, copy, info, e) < 0)
		return err_wrap(e, "import %s", label);
	layer->size = (int64_t)size;
	layer->media_type = arena_printf(a, OCI_TYPE_LAYER "%s%s", *info->compression ? "+" : "",
					 info->compression);
	if (staging_has(a, st, layer))
		return 0;
	return staging_adopt(a, st, st->fd, "layer", layer, e);
}

static int make_config(struct arena *a, const struct import_options *o, const char *file,
		       const char *diff_id, struct oci_image_config *c, struct error *e)
{
	struct oci_history *h = ARENA_NEW(a, struct oci_history);
	struct strlist diff_ids = { 0 };
	struct oci_platform p;

	if (platform_parse(a, o->platform, &p, e) < 0)
		return -1;
	c->created = h->created = date_rfc3339(a, time(NULL), -1);
	c->architecture = p.architecture;
	c->os = p.os;
	c->variant = p.variant;
	c->config = ARENA_NEW(a, struct oci_image_run);
	c->rootfs = ARENA_NEW(a, struct oci_rootfs);
	c->rootfs->type = arena_strdup(a, "layers");
	strlist_add(a, &diff_ids, diff_id);
	c->rootfs->diff_ids = diff_ids.items;
	h->comment = o->message ? arena_strdup(a, o->message)
				: arena_printf(a, "Imported from %s", file);
	c->history = h;
	c->history_len = 1;
	for (size_t i = 0; i < o->changes.n; i++)
		if (image_change(a, c->config, o->changes.items[i], e) < 0)
			return -1;
	return 0;
}

static int import(struct cmd_context *c, const struct import_options *o, const char *file,
		  const char *name, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	_cleanup_staging_ struct staging st = STAGING_NONE;
	struct arena *a = c->arena;
	struct oci_image_config config = { 0 };
	struct oci_descriptor layer = { 0 }, cd = { 0 };
	struct oci_manifest m = {
		.schema_version = 2, .config = &cd, .layers = &layer, .layers_len = 1
	};
	struct staging_entry entry = { 0 };
	struct oci_platform platform;
	struct image_name parsed = { 0 };
	struct blob_info info;
	char *text;
	size_t len;

	if (name && image_name_parse(a, name, &parsed, e) < 0)
		return -1;
	if (name && parsed.digest)
		return err_msg(e, "import: '%s' has a digest; a new name is NAME[:TAG]", name);
	/* A bad --change is found before the file is read. */
	if (make_config(a, o, file, "", &config, e) < 0 || store_open(a, &s, e) < 0 ||
	    staging_begin(a, &s, &st, e) < 0 || stage_layer(a, &st, file, &info, &layer, e) < 0)
		return -1;
	config.rootfs->diff_ids[0] = arena_strdup(a, info.diff_id);
	text = json_write(a, &oci_image_config_type, &config, false, &len);
	if (staging_put(a, &st, text, len, &cd, e) < 0)
		return -1;
	cd.media_type = arena_strdup(a, OCI_TYPE_CONFIG);
	text = oci_manifest_convert(a, &m, &len);
	if (staging_put(a, &st, text, len, &entry.descriptor, e) < 0)
		return -1;
	platform = (struct oci_platform){ .os = config.os,
					  .architecture = config.architecture,
					  .variant = config.variant };
	entry.descriptor.media_type = arena_strdup(a, OCI_TYPE_MANIFEST);
	entry.descriptor.platform = &platform;
	entry.name = name ? image_name_tagged(a, &parsed) : NULL;
	if (staging_commit(a, &st, &entry, 1, e) < 0)
		return -1;
	if (*info.compression)
		store_diff_put(a, &s, layer.digest, info.diff_id, info.diff_size);
	puts(cd.digest);
	return format_flush(e);
}

int cmd_import(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct import_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = import(c, &o, args[0], args[1], e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
