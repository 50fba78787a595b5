/*
 * `mrun save`: images to an archive that docker, podman and skopeo load, or to an OCI layout
 * directory. In order: look the images up, prove their blobs, make index.json (and for
 * docker-archive manifest.json beside it: the layout that docker itself writes since version 25),
 * then write; a file appears under its name only when it is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/base/undo.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "runtime/cmd/image_common.h"
#include "runtime/cmd/options.h"
#include "runtime/image/unpacker.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

struct save_options {
	const char *output, *format, *platform;
};
static const struct opt options[] = {
	{ "format", 0, OPT_STR, offsetof(struct save_options, format), "FORMAT",
	  "docker-archive (default), oci-archive or oci-dir" },
	{ "output", 'o', OPT_STR, offsetof(struct save_options, output), "FILE",
	  "write to a file (oci-dir: a directory) instead of standard output" },
	{ "platform", 0, OPT_STR, offsetof(struct save_options, platform), "OS/ARCH",
	  "which image of an index" },
	{ .name = NULL },
};
static const struct opt_spec spec = {
	.command = "save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "write images to an archive",
	.description =
		"The archive can be loaded with mrun load, docker load and podman load, and\n"
		"   read by skopeo. A name without a tag means all of its tags.",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
};

/* One image and the names it is to have; the same image given twice is written once. */
struct item {
	struct store_image im;
	struct strlist names;
};
struct saving {
	struct arena *a;
	struct store *s;
	bool docker;
	struct item *items;
	size_t n;
	struct oci_descriptor *blobs;
	size_t blobs_len;
};

static int add_image(struct saving *w, const char *ref, const char *platform, struct error *e)
{
	struct item *it = &w->items[w->n];
	struct image_name name = { 0 };
	struct error ignored;

	if (image_lookup(w->a, w->s, ref, platform, &it->im, e) < 0)
		return -1;
	for (size_t i = 0; i < w->n; i++)
		if (str_eq(w->items[i].im.manifest_descriptor.digest,
			   it->im.manifest_descriptor.digest))
			it = &w->items[i];
	/* By id or digest an image is saved without a name, as docker does. */
	if (w->items[w->n].im.name && image_name_parse(w->a, ref, &name, &ignored) == 0 &&
	    !name.digest && str_eq(image_name_tagged(w->a, &name), w->items[w->n].im.name) &&
	    !str_list_has(it->names.items, w->items[w->n].im.name))
		strlist_add(w->a, &it->names, w->items[w->n].im.name);
	w->n += it == &w->items[w->n];
	return 0;
}

/* A name without a tag means all of its tags, as for docker; x is also found as localhost/x. */
static int expand(struct saving *w, const char *ref, struct strlist *out, struct error *e)
{
	struct oci_index *x = store_index(w->a, w->s, e);
	struct image_name want = { 0 }, have = { 0 };
	struct error ignored;
	const char *repository;
	size_t before = out->n;

	if (!x)
		return -1;
	if (image_name_parse(w->a, ref, &want, &ignored) < 0 || want.tag || want.digest) {
		strlist_add(w->a, out, ref);
		return 0;
	}
	repository = image_name_repository(w->a, &want);
	for (int round = 0; round < 2 && out->n == before; round++) {
		for (size_t i = 0; i < x->manifests_len; i++) {
			const char *name =
				oci_annotation(&x->manifests[i], OCI_ANNOTATION_REF_NAME);

			if (name && image_name_parse(w->a, name, &have, &ignored) == 0 &&
			    str_eq(image_name_repository(w->a, &have), repository) &&
			    !str_list_has(out->items, name))
				strlist_add(w->a, out, name);
		}
		repository = arena_printf(w->a, "localhost/%s", repository);
	}
	/* None: it may be an id, and if not, the lookup says so. */
	if (out->n == before)
		strlist_add(w->a, out, ref);
	return 0;
}

static void add_blob(struct saving *w, const struct oci_descriptor *d)
{
	struct oci_descriptor *blobs;

	for (size_t i = 0; i < w->blobs_len; i++)
		if (str_eq(w->blobs[i].digest, d->digest))
			return;
	blobs = ARENA_ARRAY(w->a, w->blobs_len + 1, struct oci_descriptor);
	if (w->blobs_len)
		memcpy(blobs, w->blobs, w->blobs_len * sizeof(*blobs));
	blobs[w->blobs_len++] = *d;
	w->blobs = blobs;
}

/* index.json of what is saved. In a docker-archive the reference name is the tag alone, as docker
 * has it there; in an OCI layout it is the whole name, which is what skopeo and umoci look for. */
static char *make_index(const struct saving *w, struct oci_index *x, size_t *ret_len)
{
	size_t max = 0;

	for (size_t i = 0; i < w->n; i++)
		max += w->items[i].names.n + 1;
	*x = (struct oci_index){ .schema_version = 2 };
	x->media_type = arena_strdup(w->a, OCI_TYPE_INDEX);
	x->manifests = ARENA_ARRAY(w->a, max, struct oci_descriptor);
	for (size_t i = 0; i < w->n; i++) {
		const struct item *it = &w->items[i];
		struct oci_descriptor d = it->im.manifest_descriptor;

		d.annotations_len = 0;
		for (size_t k = 0; k < it->names.n; k++) {
			const char *name = it->names.items[k];
			struct oci_descriptor *out = &x->manifests[x->manifests_len++];
			struct image_name parsed = { 0 };
			struct error ignored;

			*out = d;
			image_name_parse(w->a, name, &parsed, &ignored);
			oci_annotation_set(w->a, out, OCI_ANNOTATION_CONTAINERD_NAME,
					   arena_printf(w->a, "%s/%s:%s", parsed.domain,
							parsed.path, parsed.tag));
			oci_annotation_set(w->a, out, OCI_ANNOTATION_REF_NAME,
					   w->docker ? parsed.tag : name);
		}
		if (!it->names.n)
			x->manifests[x->manifests_len++] = d;
	}
	return json_write(w->a, &oci_index_type, x, false, ret_len);
}

static char *blob_name(struct arena *a, const char *digest)
{
	return arena_printf(a, "blobs/sha256/%s", digest_hex(digest));
}

/* docker-archive's list of images. */
static char *make_manifest_json(const struct saving *w, size_t *ret_len)
{
	struct json_out *o = json_out_new(w->a, false);

	json_out_array(o);
	for (size_t i = 0; i < w->n; i++) {
		const struct item *it = &w->items[i];

		json_out_object(o);
		json_out_kstr(o, "Config", blob_name(w->a, it->im.config_digest));
		json_out_str(o, "RepoTags");
		json_out_array(o);
		for (size_t k = 0; k < it->names.n; k++)
			json_out_str(o, it->names.items[k]);
		json_out_array_end(o);
		json_out_str(o, "Layers");
		json_out_array(o);
		for (size_t k = 0; k < it->im.manifest->layers_len; k++)
			json_out_str(o, blob_name(w->a, it->im.manifest->layers[k].digest));
		json_out_array_end(o);
		json_out_object_end(o);
	}
	json_out_array_end(o);
	return json_out_finish(o, ret_len);
}

/* Opens a blob and proves it: what is saved must load elsewhere. */
static int open_blob(const struct saving *w, const struct oci_descriptor *d, struct error *e)
{
	_cleanup_fd_ int fd = store_open_blob(w->s, d, e);
	const char *digest;

	if (fd < 0)
		return -1;
	digest = digest_copy(w->a, fd, -1, (uint64_t)d->size, d->digest, NULL, e);
	if (!digest)
		return -1;
	if (!str_eq(digest, d->digest)) {
		err_msg(e, "blob %s in the image store is damaged, its content has digest %s",
			d->digest, digest);
		return err_hint(e, "remove the image and load it again");
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "rewind blob %s", d->digest);
	return fd_take(&fd);
}

static int pack(const struct saving *w, int out, struct error *e)
{
	struct pack_entry *en = ARENA_ARRAY(w->a, w->blobs_len + 5, struct pack_entry);
	struct oci_index x;
	size_t n = 0;
	int r = 0;

	en[n++] = (struct pack_entry){ .name = "blobs", .dir = true, .fd = -1 };
	en[n++] = (struct pack_entry){ .name = "blobs/sha256", .dir = true, .fd = -1 };
	for (size_t i = 0; i < w->blobs_len && r == 0; i++) {
		const struct oci_descriptor *d = &w->blobs[i];
		int fd = open_blob(w, d, e);

		if (fd < 0)
			r = -1;
		else
			en[n++] = (struct pack_entry){ .name = blob_name(w->a, d->digest),
						       .fd = fd,
						       .size = (uint64_t)d->size };
	}
	if (r == 0) {
		struct pack_entry *p = &en[n];

		p[0] = (struct pack_entry){ .name = "index.json", .fd = -1 };
		p[0].data = make_index(w, &x, &p[0].len);
		p[1] = (struct pack_entry){
			.name = "oci-layout", .data = LAYOUT, .len = strlen(LAYOUT), .fd = -1
		};
		n += 2;
		if (w->docker) {
			p[2] = (struct pack_entry){ .name = "manifest.json", .fd = -1 };
			p[2].data = make_manifest_json(w, &p[2].len);
			n++;
		}
		r = unpacker_pack(w->a, out, en, n, e);
	}
	for (size_t i = 0; i < n; i++)
		fd_closep(&en[i].fd);
	return r;
}

static void remove_file(void *path)
{
	unlink(path);
}

/* To FILE by way of a temporary file beside it; what is no regular file is written to as it is. */
static int pack_to_file(const struct saving *w, const char *file, struct error *e)
{
	char *tmp = arena_printf(w->a, "%s.tmp%d", file, (int)getpid());
	_cleanup_fd_ int fd = -1;
	struct undo undo;
	struct stat st;
	int r;

	if (stat(file, &st) < 0) {
		if (errno != ENOENT)
			return err_sys(e, errno, "stat %s", file);
	} else if (!S_ISREG(st.st_mode)) {
		if (S_ISDIR(st.st_mode))
			return err_sys(e, EISDIR, "write %s", file);
		fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? err_sys(e, errno, "open %s", file) : pack(w, fd, e);
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, errno, "create %s", file);
	undo_push(&undo, remove_file, tmp);
	r = pack(w, fd, e);
	undo_pop(&undo);
	if (r < 0) {
		unlink(tmp);
		return err_wrap(e, "write %s", file);
	}
	if (rename(tmp, file) < 0) {
		err_sys(e, errno, "create %s", file);
		unlink(tmp);
		return -1;
	}
	return 0;
}

/* Blobs first, index.json last: a reader never sees a name without its content. */
static int write_dir(const struct saving *w, const char *path, struct error *e)
{
	_cleanup_fd_ int dir = -1;
	struct oci_index x;
	size_t len;
	char *text;

	if (file_mkdirs(AT_FDCWD, arena_printf(w->a, "%s/blobs/sha256", path), 0755, e) < 0)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open %s", path);
	if (faccessat(dir, "index.json", F_OK, 0) == 0) {
		err_msg(e, "%s: is an OCI layout already", path);
		return err_hint(e, "name a new directory; skopeo copy adds an image to a layout");
	}
	for (size_t i = 0; i < w->blobs_len; i++) {
		const struct oci_descriptor *d = &w->blobs[i];
		char *name = blob_name(w->a, d->digest);
		_cleanup_fd_ int in = open_blob(w, d, e), out = -1;

		if (in < 0)
			return -1;
		out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (out < 0)
			return err_sys(e, errno, "create %s/%s", path, name);
		if (!digest_copy(w->a, in, out, (uint64_t)d->size, name, NULL, e))
			return -1;
	}
	text = make_index(w, &x, &len);
	if (file_replace(dir, "oci-layout", LAYOUT, strlen(LAYOUT), 0644, false, e) < 0)
		return -1;
	return file_replace(dir, "index.json", text, len, 0644, true, e);
}

static int save(struct cmd_context *c, const struct save_options *o, char **refs, struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	const char *format = o->format ? o->format : "docker-archive";
	struct saving w = { .a = c->arena, .s = &s, .docker = str_eq(format, "docker-archive") };
	bool dir = str_eq(format, "oci-dir");
	struct strlist all = { 0 };

	if (!w.docker && !dir && !str_eq(format, "oci-archive")) {
		err_msg(e, "save: unknown format '%s'", format);
		return err_hint(e, "docker-archive, oci-archive and oci-dir are known");
	}
	if (dir && !o->output)
		return err_msg(e, "save: --format oci-dir needs --output DIR");
	if (!o->output && isatty(1)) {
		err_msg(e, "save: standard output is a terminal");
		return err_hint(e, "name a file with -o, or redirect the output");
	}
	if (store_open(c->arena, &s, e) < 0)
		return -1;
	for (; *refs; refs++)
		if (expand(&w, *refs, &all, e) < 0)
			return -1;
	w.items = ARENA_ARRAY(c->arena, all.n, struct item);
	for (size_t i = 0; i < all.n; i++)
		if (add_image(&w, all.items[i], o->platform, e) < 0)
			return -1;
	for (size_t i = 0; i < w.n; i++) {
		const struct store_image *im = &w.items[i].im;

		add_blob(&w, &im->manifest_descriptor);
		add_blob(&w, im->manifest->config);
		for (size_t k = 0; k < im->manifest->layers_len; k++)
			add_blob(&w, &im->manifest->layers[k]);
	}
	if (dir)
		return write_dir(&w, o->output, e);
	return o->output ? pack_to_file(&w, o->output, e) : pack(&w, 1, e);
}

int cmd_save(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct save_options o = { 0 };
	char **args;
	int n, r = opt_parse(c->arena, &spec, argc, argv, &o, &args, &n, e);

	if (r == 0)
		r = save(c, &o, args, e);
	else if (r > 0)
		r = 0;
	return image_exit(r, e);
}
