/*
 * image_resolve: the store, then sources; and loading a source: parse the reference, open it, let
 * the unpacker take an archive apart, hand over to the reader of its format, commit. The attacks
 * that this stops: an archive whose names or links lead elsewhere (they are looked up in a list and
 * never opened), an OCI directory whose blobs are links out of it (opened in its root), a source
 * that lies about a digest or size.
 */
#include "runtime/image/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "oci/store/images.h"
#include "runtime/image/source_load.h"

#define LIST_MAX 300 /* bytes of a list in a message */

static const struct transport {
	const char *prefix;
	enum source_kind kind;
} transports[] = {
	{ "docker-archive:", SOURCE_DOCKER_ARCHIVE },
	{ "oci-archive:", SOURCE_OCI_ARCHIVE },
	{ "oci:", SOURCE_OCI_DIR },
};

/* PATH[:REF]: a path may have colons in it, so the longest... first existing front part wins. */
static void split_ref(struct arena *a, const char *s, struct source *src)
{
	struct stat st;

	src->path = s;
	if (stat(s, &st) == 0)
		return;
	for (const char *p = strchr(s, ':'); p; p = strchr(p + 1, ':')) {
		char *front = arena_strndup(a, s, (size_t)(p - s));

		if (stat(front, &st) == 0) {
			src->path = front;
			src->ref = p[1] ? p + 1 : NULL;
			return;
		}
	}
}

bool source_parse(struct arena *a, const char *ref, bool files, struct source *ret)
{
	struct source src = { .kind = SOURCE_ANY, .label = ref };
	struct stat st;

	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (str_has_prefix(ref, transports[i].prefix)) {
			src.kind = transports[i].kind;
			split_ref(a, ref + strlen(transports[i].prefix), &src);
			*ret = src;
			return true;
		}
	if (ref[0] != '/' && !str_has_prefix(ref, "./") && !str_has_prefix(ref, "../") &&
	    !str_eq(ref, ".") && !str_eq(ref, "..") && (!files || stat(ref, &st) < 0))
		return false;
	split_ref(a, ref, &src);
	*ret = src;
	return true;
}

static int by_path(const void *x, const void *y)
{
	const struct source_file *a = x, *b = y;
	int r = strcmp(a->path, b->path);

	/* Of two entries of a name the later one counts: it comes first here. */
	return r ? r : (a->order < b->order) - (a->order > b->order);
}

static struct archive_entry *find_entry(struct source_load *l, const char *path)
{
	char *want = path_clean(l->a, path);

	for (int hops = 0; hops < 16; hops++) {
		struct archive_entry *en = NULL;
		size_t low = 0, high = l->files_len;
		char *slash;

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (strcmp(l->files[mid].path, want) < 0)
				low = mid + 1;
			else
				high = mid;
		}
		if (low < l->files_len && str_eq(l->files[low].path, want))
			en = l->files[low].entry;
		if (!en || en->type == 'd' || en->type == 'f')
			return en;
		if (en->type == 'h' || en->link[0] == '/') {
			want = path_clean(l->a, en->link);
		} else {
			slash = strrchr(want, '/');
			want = path_clean(l->a, arena_printf(l->a, "%.*s/%s", (int)(slash - want),
							     want, en->link));
		}
	}
	return NULL;
}

int source_has(struct source_load *l, const char *path, struct error *e)
{
	struct archive_entry *en;
	struct error why;
	int fd;

	if (l->archive) {
		en = find_entry(l, path);
		return en && en->type == 'f';
	}
	err_clear(&why);
	fd = source_open(l, path, NULL, &why);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || !why.code || why.code == ENOENT || why.code == ENOTDIR)
		return fd >= 0;
	*e = why;
	return -1;
}

int source_open(struct source_load *l, const char *path, struct archive_entry **ret_entry,
		struct error *e)
{
	struct archive_entry *en = NULL;
	struct stat st;
	int fd;

	if (l->archive) {
		en = find_entry(l, path);
		if (!en || en->type != 'f')
			return err_sys(e, ENOENT, "find %s in the archive", path);
		fd = openat(l->dirfd, arena_printf(l->a, "%u", en->number),
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		/* A layer that another image has as well was taken in already. */
		if (fd < 0 && en->digest)
			fd = openat(l->staging->fd, digest_hex(en->digest),
				    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	} else {
		fd = path_try_open_in_root(l->dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	}
	if (fd < 0)
		return err_sys(e, -fd, "open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_msg(e, "open %s: not a regular file", path);
	}
	if (ret_entry)
		*ret_entry = en;
	return fd;
}

int source_too_many(const struct source_load *l, struct error *e)
{
	return l->src->ref ? -1
			   : err_hint(e, "take one image of it by its name "
					 "(docker-archive:FILE:NAME, oci-archive:FILE:NAME, "
					 "oci:DIR:NAME)");
}

int source_read(struct source_load *l, const char *path, char **ret, size_t *ret_len,
		struct error *e)
{
	_cleanup_fd_ int fd = source_open(l, path, NULL, e);

	if (fd < 0 || file_read_fd(l->a, fd, path, OCI_JSON_MAX, ret, ret_len, e) < 0)
		return -1;
	l->json += *ret_len;
	if (l->json <= SOURCE_JSON_MAX)
		return 0;
	err_msg(e, "read %s: more than the %zu bytes of JSON allowed in one source", path,
		SOURCE_JSON_MAX);
	return source_too_many(l, e);
}

void source_list(struct source_load *l, char **list, const char *name)
{
	size_t n = strlen(*list);

	if (n < LIST_MAX)
		*list = arena_printf(l->a, "%s%s%.100s", *list, n ? ", " : "", name);
	else if (!str_has_suffix(*list, "..."))
		*list = arena_printf(l->a, "%s ...", *list);
}

int source_add(struct source_load *l, const struct oci_descriptor *d, const char *config_digest,
	       const char *name, struct error *e)
{
	struct image_name parsed = { 0 };
	struct source_image *added;

	if (name) {
		if (image_name_parse(l->a, name, &parsed, e) < 0)
			return -1;
		name = image_name_tagged(l->a, &parsed);
	}
	if (l->found.n == SOURCE_IMAGES_MAX) {
		err_msg(e, "more than the %d images and names allowed in one source",
			SOURCE_IMAGES_MAX);
		return source_too_many(l, e);
	}
	if (!l->found.items)
		l->found.items = ARENA_ARRAY(l->a, SOURCE_IMAGES_MAX, struct source_image);
	added = &l->found.items[l->found.n++];
	added->entry.descriptor = *d;
	added->entry.name = name;
	added->config_digest = config_digest;
	return 0;
}

bool source_platform_fits(const struct source_load *l, const struct oci_image_config *c)
{
	struct oci_platform have = { .os = c->os,
				     .architecture = c->architecture,
				     .variant = c->variant };

	return !l->platform_given || platform_rank(&l->platform, &have) > 0;
}

bool source_ref_matches(struct source_load *l, const char *name)
{
	const char *ref = l->src->ref, *x, *y;

	if (!ref || !name)
		return !ref;
	if (str_eq(ref, name))
		return true;
	x = image_name_normalise(l->a, ref);
	y = image_name_normalise(l->a, name);
	return x && y && str_eq(x, y);
}

static int open_archive(struct source_load *l, int in, struct error *e)
{
	struct archive_entry *entries;
	size_t n;

	l->dirfd = staging_mkdir(l->staging, "in", e);
	if (l->dirfd < 0 || unpacker_archive(l->a, in, l->dirfd, &entries, &n, e) < 0)
		return -1;
	l->archive = true;
	l->files = ARENA_ARRAY(l->a, n, struct source_file);
	for (size_t i = 0; i < n; i++)
		l->files[l->files_len++] =
			(struct source_file){ path_clean(l->a, entries[i].name), &entries[i], i };
	qsort(l->files, l->files_len, sizeof(*l->files), by_path);
	return 0;
}

static int read_format(struct source_load *l, struct error *e)
{
	int oci = source_has(l, "index.json", e), docker = 0;
	enum source_kind kind = l->src->kind;

	if (oci > 0)
		oci = source_has(l, "oci-layout", e);
	if (oci >= 0 && l->archive)
		docker = source_has(l, "manifest.json", e);
	if (oci < 0 || docker < 0)
		return -1;
	if (kind == SOURCE_DOCKER_ARCHIVE ? docker : docker && !oci && kind == SOURCE_ANY)
		return source_load_docker(l, e);
	if (kind != SOURCE_DOCKER_ARCHIVE && oci)
		return source_load_oci(l, e);
	if (kind == SOURCE_DOCKER_ARCHIVE) {
		err_msg(e, "not a docker-archive: it has no manifest.json");
		if (oci)
			err_hint(e, "it is an OCI layout: try oci-archive:");
	} else if (!l->archive) {
		err_msg(e, "not an image: an OCI layout directory has the files oci-layout and "
			   "index.json");
		return err_hint(e, "give the directory that has them, or an archive's file");
	} else if (!l->files_len) {
		err_msg(e, "not an image: nothing is in it");
		return err_hint(e, "did what was to write it (docker save) fail?");
	} else {
		err_msg(e,
			"not an image: it has neither manifest.json (docker save) nor index.json "
			"(OCI)");
		if (docker)
			err_hint(e, "it is what docker save writes: try docker-archive:");
	}
	return err_hint(e,
			"the tar of a root file system is brought in with 'mrun import FILE NAME'");
}

static int load_into(struct source_load *l, struct error *e)
{
	const struct source *src = l->src;
	_cleanup_fd_ int in = -1;
	struct stat st;

	if (!src->path)
		in = fcntl(0, F_DUPFD_CLOEXEC, 3);
	else
		in = open(src->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in < 0)
		return err_sys(e, errno, "open");
	if (fstat(in, &st) < 0)
		return err_sys(e, errno, "stat");
	if (S_ISDIR(st.st_mode)) {
		if (src->kind == SOURCE_DOCKER_ARCHIVE || src->kind == SOURCE_OCI_ARCHIVE)
			return err_sys(e, EISDIR, "read");
		l->dirfd = fd_take(&in);
	} else if (src->kind == SOURCE_OCI_DIR) {
		err_sys(e, ENOTDIR, "open");
		return err_hint(e, "for an archive write oci-archive:%s", src->path);
	} else if (open_archive(l, in, e) < 0) {
		return -1;
	}
	return read_format(l, e);
}

static int check_one(struct source_load *l, struct error *e)
{
	char *list = arena_strdup(l->a, "");
	bool several = false;

	for (size_t i = 0; i < l->found.n; i++) {
		const struct source_image *im = &l->found.items[i];
		const char *name = im->entry.name ? im->entry.name : im->config_digest;

		several |= !str_eq(im->config_digest, l->found.items[0].config_digest);
		source_list(l, &list, name);
	}
	if (!several)
		return 0;
	err_msg(e, "it holds several images: %s", list);
	return err_hint(e, "name one (docker-archive:FILE:NAME, oci:DIR:NAME), or 'mrun load' them "
			   "all and run one by its name");
}

/* Everything of SRC into the staging directory. ONE: see source_load_one(). */
static int stage(struct source_load *l, const char *platform, bool one, struct error *e)
{
	int r;

	l->platform_given = platform != NULL;
	r = platform_parse(l->a, platform, &l->platform, e);
	if (r == 0)
		r = load_into(l, e);
	if (r == 0 && !l->found.n)
		r = err_msg(e, "it holds no image");
	if (r == 0 && one)
		r = check_one(l, e);
	fd_closep(&l->dirfd);
	return r;
}

static int commit(struct source_load *l, struct error *e)
{
	struct staging_entry *entries = ARENA_ARRAY(l->a, l->found.n, struct staging_entry);

	if (digest_thread_check(l->digests, e) < 0)
		return -1;
	for (size_t i = 0; i < l->found.n; i++)
		entries[i] = l->found.items[i].entry;
	return staging_commit(l->a, l->staging, entries, l->found.n, e);
}

static int load_failed(const struct source *src, struct error *e)
{
	err_wrap(e, "load image from %s", src->label);
	e->exit_code = ERR_EXIT_RUNTIME;
	return -1;
}

int source_load(struct arena *a, struct store *s, const struct source *src, const char *platform,
		struct source_images *ret, struct error *e)
{
	_cleanup_staging_ struct staging st = STAGING_NONE;
	struct source_load l = { .a = a, .src = src, .staging = &st, .dirfd = -1 };
	int r;

	if (staging_begin(a, s, &st, e) < 0)
		return -1;
	r = stage(&l, platform, false, e);
	if (r == 0)
		r = commit(&l, e);
	digest_thread_end(l.digests);
	if (r < 0)
		return load_failed(src, e);
	*ret = l.found;
	return 0;
}

/* Under several names, an image may have its layers in more than one form: who unpacks one of them
 * finds out nothing about the others. */
static int check_other_forms(struct source_load *l, struct error *e)
{
	bool several = false;

	for (size_t i = 0; i < l->found.n; i++)
		several |= !str_eq(l->found.items[i].entry.descriptor.digest,
				   l->found.items[0].entry.descriptor.digest);
	for (; several && l->deferred; l->deferred = l->deferred->next)
		if (source_check_diff_id(l->a, l->staging, &l->deferred->blob, l->deferred->diff_id,
					 e) < 0)
			return -1;
	return 0;
}

int source_load_one(struct arena *a, struct store *s, const struct source *src,
		    const char *platform, struct image_pending **ret_pending,
		    struct source_images *ret, struct error *e)
{
	struct image_pending *p = ARENA_NEW(a, struct image_pending);
	struct source_load l = {
		.a = a, .src = src, .staging = &p->staging, .dirfd = -1, .defer = true
	};
	int r;

	*ret_pending = NULL;
	*p = (struct image_pending){ .store = *s, .staging = STAGING_NONE, .label = src->label };
	if (staging_begin(a, &p->store, &p->staging, e) < 0)
		return -1;
	r = stage(&l, platform, true, e);
	if (r == 0)
		r = check_other_forms(&l, e);
	if (r == 0 && !l.deferred)
		r = commit(&l, e);
	*ret = p->images = l.found;
	p->deferred = l.deferred;
	p->digests = l.digests;
	if (r == 0 && l.deferred) {
		*s = (struct store)STORE_CLOSED;
		*ret_pending = p;
		return 0;
	}
	digest_thread_end(p->digests);
	staging_end(&p->staging);
	return r < 0 ? load_failed(src, e) : 0;
}

static int check_platform(struct arena *a, const struct store_image *im, const char *platform,
			  const char *name, struct error *e)
{
	struct oci_platform want, have = { .os = im->config->os,
					   .architecture = im->config->architecture,
					   .variant = im->config->variant };

	if (!platform)
		return 0;
	if (platform_parse(a, platform, &want, e) < 0)
		return -1;
	if (platform_rank(&want, &have) == 0)
		return err_msg(e, "image %s is for %s, not for %s", name, platform_format(a, &have),
			       platform_format(a, &want));
	return 0;
}

static int fill(struct arena *a, struct store *s, const struct oci_descriptor *d,
		const char *platform, const char *ref, struct image *ret, struct error *e)
{
	struct oci_platform want;
	struct store_image im;
	struct image out = { 0 };

	if (platform_parse(a, platform, &want, e) < 0 ||
	    store_image_read(a, s, d, &want, ref, &im, e) < 0 ||
	    check_platform(a, &im, platform, ref, e) < 0)
		return -1;
	out.name = im.name ? im.name : im.config_digest;
	out.manifest_digest = im.manifest_descriptor.digest;
	out.config_digest = im.config_digest;
	out.config = im.config;
	out.layers_len = im.manifest->layers_len;
	out.layers = ARENA_ARRAY(a, out.layers_len, struct layer);
	for (size_t i = 0; i < out.layers_len; i++) {
		const struct oci_descriptor *layer = &im.manifest->layers[i];

		out.layers[i] = (struct layer){ .digest = layer->digest,
						.diff_id = im.config->rootfs->diff_ids[i],
						.media_type = layer->media_type,
						.size = (uint64_t)layer->size };
	}
	out.blobs_fd = s->blobs;
	s->blobs = -1;
	*ret = out;
	return 0;
}

static void note_digested(const struct image_pending *p, struct image *im)
{
	for (size_t i = 0; i < im->layers_len; i++) {
		struct layer *l = &im->layers[i];

		l->digests = p->digests;
		for (const struct deferred_layer *x = p->deferred; x; x = x->next)
			l->digested |= str_eq(l->digest, x->blob.digest);
	}
}

/* All that it needs has a name in the staging directory. */
static int fill_pending(struct arena *a, struct image_pending *p, const char *platform,
			const char *ref, struct image *ret, struct error *e)
{
	struct store view = p->store;

	view.blobs = fcntl(p->staging.fd, F_DUPFD_CLOEXEC, 3);
	if (view.blobs < 0)
		err_sys(e, errno, "open the image's blobs");
	else if (fill(a, &view, &p->images.items[0].entry.descriptor, platform, ref, ret, e) == 0) {
		note_digested(p, ret);
		ret->pending = p;
		return 0;
	}
	fd_closep(&view.blobs);
	image_pending_drop(p);
	return -1;
}

static int resolve(struct arena *a, struct store *s, const char *ref, const char *platform,
		   struct image *ret, struct error *e)
{
	const struct oci_descriptor *entry = NULL;
	struct image_pending *pending;
	struct source_images loaded;
	struct oci_platform want;
	struct oci_index *x;
	struct source src;

	if (!source_parse(a, ref, false, &src)) {
		int found;

		x = store_index(a, s, e);
		if (!x || platform_parse(a, platform, &want, e) < 0)
			return -1;
		found = store_find(a, s, x, ref, &want, &entry, e);
		if (found > 0)
			return fill(a, s, entry, platform, ref, ret, e);
		if (!source_parse(a, ref, true, &src))
			return found < 0 ? -1 : store_not_found(a, x, ref, true, e);
	}
	if (source_load_one(a, s, &src, platform, &pending, &loaded, e) < 0)
		return -1;
	return pending ? fill_pending(a, pending, platform, ref, ret, e)
		       : fill(a, s, &loaded.items[0].entry.descriptor, platform, ref, ret, e);
}

int image_resolve(struct arena *a, const char *ref, const char *platform, struct image *ret,
		  struct error *e)
{
	_cleanup_store_ struct store s = STORE_CLOSED;
	int r = store_open(a, &s, e);

	/* Another process may remove it, and load it again, between two steps of ours. */
	for (int tries = 0; r == 0 && s.dirfd >= 0 && tries < IMAGE_TRIES; tries++) {
		if (resolve(a, &s, ref, platform, ret, e) == 0)
			return 0;
		if (e->code != ENOENT)
			break;
		if (tries + 1 < IMAGE_TRIES)
			err_clear(e);
	}
	e->exit_code = ERR_EXIT_RUNTIME;
	return -1;
}
