/* See gc.h. In order: what is reachable, removing, fsck. */
#include "oci/store/gc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/store/images.h"
#include "oci/store/staging.h"

#define MAX_NESTING 6

struct walk {
	struct arena *a;
	const struct store *s;
	struct strlist found;
	enum store_allows allows;
};

/* 1: there; 0: not. What cannot be looked at is neither: taken for missing, it would make garbage
 * of all that it refers to. */
static int exists(const struct store *s, const char *digest, struct error *e)
{
	if (faccessat(s->blobs, digest_hex(digest), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "look for blob %s", digest);
}

static int walk_document(struct walk *w, const struct oci_descriptor *d, int depth,
			 struct error *e);

bool store_is_damage(const struct error *e)
{
	return e->code == 0 || e->code == ENOENT || e->code == EINVAL;
}

static int unreadable(const struct walk *w, struct error *e)
{
	if (w->allows == STORE_NO_DAMAGE || (w->allows == STORE_DAMAGE && !store_is_damage(e)))
		return -1;
	err_clear(e);
	return 0;
}

/* A descriptor found in a document, whatever the document is. DOCUMENT: it is one itself. */
static int walk_value(struct walk *w, const struct json_value *v, bool document, int depth,
		      struct error *e)
{
	struct oci_descriptor d = { 0 };
	struct error ignored;

	if (v->type != JSON_OBJECT ||
	    json_decode(w->a, v, &oci_descriptor_type, &d, "", &ignored) < 0 ||
	    !digest_valid(d.digest))
		return 0;
	if (document)
		return walk_document(w, &d, depth, e);
	strlist_add(w->a, &w->found, d.digest);
	return 0;
}

static int walk_document(struct walk *w, const struct oci_descriptor *d, int depth, struct error *e)
{
	static const struct {
		const char *key;
		bool document;
	} keys[] = { { "manifests", true },
		     { "config", false },
		     { "layers", false },
		     { "blobs", false },
		     { "subject", true } };
	const struct json_value *doc, *v;
	char *text;
	size_t len;
	int r = 0;

	strlist_add(w->a, &w->found, d->digest);
	if (depth > MAX_NESTING)
		return 0;
	r = exists(w->s, d->digest, e);
	if (r <= 0)
		return r < 0 ? unreadable(w, e) : 0;
	r = 0;
	if (store_read_blob(w->a, w->s, d, "manifest", &text, &len, e) < 0)
		return unreadable(w, e);
	doc = json_parse(w->a, text, len, d->digest, e);
	if (!doc)
		return unreadable(w, e);
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]) && r == 0; k++) {
		v = json_get(doc, keys[k].key);
		if (v && v->type == JSON_ARRAY)
			for (size_t i = 0; i < v->len && r == 0; i++)
				r = walk_value(w, &v->members[i].value, keys[k].document, depth + 1,
					       e);
		else if (v)
			r = walk_value(w, v, keys[k].document, depth + 1, e);
	}
	return r;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

int store_reachable(struct arena *a, const struct store *s, const struct oci_index *x,
		    enum store_allows allows, struct strlist *ret, struct error *e)
{
	struct walk w = { .a = a, .s = s, .allows = allows };
	size_t n = 0;

	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *origin = oci_annotation(d, STORE_ANNOTATION_MANIFEST);

		if (origin && digest_valid(origin))
			strlist_add(a, &w.found, origin);
		if (walk_document(&w, d, 0, e) < 0)
			return err_hint(e, "'mrun fsck' lists the damage; 'mrun rmi -f' removes "
					   "the image");
	}
	if (w.found.n)
		qsort(w.found.items, w.found.n, sizeof(char *), by_text);
	for (size_t i = 0; i < w.found.n; i++)
		if (!i || !str_eq(w.found.items[i], w.found.items[n - 1]))
			w.found.items[n++] = w.found.items[i];
	w.found.n = n;
	*ret = w.found;
	return 0;
}

bool store_is_reachable(const struct strlist *reachable, const char *digest)
{
	return reachable->n &&
	       bsearch(&digest, reachable->items, reachable->n, sizeof(char *), by_text);
}

static int remove_file(int dirfd, const char *name, struct error *e)
{
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT
		       ? err_sys(e, errno, "remove %s from the image store", name)
		       : 0;
}

static int remove_blob(struct arena *a, struct store *s, const char *hex, uint64_t *freed,
		       struct error *e)
{
	struct stat st = { 0 };

	fstatat(s->blobs, hex, &st, AT_SYMLINK_NOFOLLOW);
	if (remove_file(s->blobs, hex, e) < 0)
		return -1;
	*freed += (uint64_t)st.st_size;
	return remove_file(s->dirfd, arena_printf(a, "diffs/%s", hex), e);
}

int store_remove(struct arena *a, struct store *s, const struct oci_index *x, store_drop *drop,
		 void *arg, enum store_allows allows, uint64_t *ret_freed, struct error *e)
{
	struct oci_index keep = *x, gone = *x;
	struct strlist needed, candidates = { 0 };

	*ret_freed = 0;
	keep.manifests = ARENA_ARRAY(a, x->manifests_len, struct oci_descriptor);
	gone.manifests = ARENA_ARRAY(a, x->manifests_len, struct oci_descriptor);
	keep.manifests_len = gone.manifests_len = 0;
	for (size_t i = 0; i < x->manifests_len; i++) {
		struct oci_index *to = drop(arg, &x->manifests[i]) ? &gone : &keep;

		to->manifests[to->manifests_len++] = x->manifests[i];
	}
	if (!gone.manifests_len)
		return 0;
	if (store_reachable(a, s, &gone, allows, &candidates, e) < 0)
		return -1;
	if (store_reachable(a, s, &keep, STORE_NO_DAMAGE, &needed, e) < 0) {
		if (!store_is_damage(e) && allows != STORE_UNREADABLE)
			return -1;
		/* Prune says so when it is asked to. */
		err_clear(e);
		candidates.n = 0;
	}
	if (store_index_write(a, s, &keep, e) < 0)
		return -1;
	for (size_t i = 0; i < candidates.n; i++)
		if (!store_is_reachable(&needed, candidates.items[i]) &&
		    remove_blob(a, s, digest_hex(candidates.items[i]), ret_freed, e) < 0)
			return err_hint(e,
					"the image is gone; 'mrun prune' removes the rest of it");
	return 0;
}

static int list(struct arena *a, const struct store *s, const char *path, struct strlist *ret,
		struct error *e)
{
	return dir_list(a, s->dirfd, path, "", arena_printf(a, "%s/%s", s->path, path), ret, e);
}

static bool is_hex(const char *name)
{
	return strlen(name) == DIGEST_HEX_LEN && strspn(name, "0123456789abcdef") == DIGEST_HEX_LEN;
}

/* What is remembered of blobs that are gone, and what was being written when somebody was killed.
 */
static int sweep_rest(struct arena *a, struct store *s, struct error *e)
{
	struct strlist diffs = { 0 }, files = { 0 };

	if (list(a, s, "diffs", &diffs, e) < 0 || list(a, s, ".", &files, e) < 0)
		return -1;
	for (size_t i = 0; i < diffs.n; i++) {
		const char *name = diffs.items[i];

		if (is_hex(name)) {
			if (faccessat(s->blobs, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				continue;
			if (errno != ENOENT)
				return err_sys(e, errno, "look for blob %s", name);
		}
		if (remove_file(s->dirfd, arena_printf(a, "diffs/%s", name), e) < 0)
			return -1;
	}
	for (size_t i = 0; i < files.n; i++)
		if ((str_has_prefix(files.items[i], "index.json" FILE_TMP) ||
		     str_has_prefix(files.items[i], "oci-layout" FILE_TMP)) &&
		    remove_file(s->dirfd, files.items[i], e) < 0)
			return -1;
	return 0;
}

int store_sweep(struct arena *a, struct store *s, const struct oci_index *x, uint64_t *ret_freed,
		size_t *ret_blobs, struct error *e)
{
	struct strlist needed, blobs = { 0 };

	*ret_freed = 0;
	*ret_blobs = 0;
	if (store_reachable(a, s, x, STORE_NO_DAMAGE, &needed, e) < 0 ||
	    list(a, s, "blobs/sha256", &blobs, e) < 0)
		return -1;
	staging_sweep(a, s);
	for (size_t i = 0; i < blobs.n; i++) {
		const char *hex = blobs.items[i];

		if (!is_hex(hex) ||
		    store_is_reachable(&needed, arena_printf(a, DIGEST_PREFIX "%s", hex)))
			continue;
		if (remove_blob(a, s, hex, ret_freed, e) < 0)
			return -1;
		++*ret_blobs;
	}
	return sweep_rest(a, s, e);
}

struct checker {
	struct arena *a;
	const struct store *s;
	store_report *report;
	void *arg;
	struct store_fsck *sum;
};

static void problem(struct checker *c, const char *line)
{
	c->sum->problems++;
	c->report(c->arg, line);
}

static void check_blob(struct checker *c, const char *hex)
{
	_cleanup_fd_ int fd =
		openat(c->s->blobs, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct error e;
	uint64_t size = 0;
	const char *digest;

	if (fd < 0) {
		problem(c,
			arena_printf(c->a, "blob %s: cannot be opened: %s", hex, err_text(errno)));
		return;
	}
	c->sum->blobs++;
	digest = digest_copy(c->a, fd, -1, UINT64_MAX, hex, &size, &e);
	c->sum->bytes += size;
	if (!digest)
		problem(c, arena_printf(c->a, "blob %s: %s", hex, e.msg));
	else if (!str_eq(digest_hex(digest), hex))
		problem(c, arena_printf(c->a, "blob %s: damaged, its content has digest %s", hex,
					digest));
}

/* The layers; that config and manifest are sound, store_image_read has proved. */
static void check_layers(struct checker *c, const struct store_image *im, const char *name)
{
	for (size_t i = 0; i < im->manifest->layers_len; i++) {
		struct error e;
		int fd;

		err_clear(&e);
		fd = store_open_blob(c->s, &im->manifest->layers[i], &e);
		if (fd >= 0)
			close(fd);
		else
			problem(c,
				arena_printf(c->a, "image %s: layer %zu: %s", name, i + 1, e.msg));
	}
}

int store_fsck(struct arena *a, struct store *s, store_report *report, void *arg,
	       struct store_fsck *ret, struct error *e)
{
	struct checker c = { a, s, report, arg, ret };
	struct strlist blobs = { 0 }, needed;
	struct oci_index *x = store_index(a, s, e);

	*ret = (struct store_fsck){ 0 };
	if (!x || list(a, s, "blobs/sha256", &blobs, e) < 0 ||
	    store_reachable(a, s, x, STORE_UNREADABLE, &needed, e) < 0)
		return -1;
	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const char *name = store_entry_name(a, d);
		struct store_image im;
		struct error bad;

		err_clear(&bad);
		name = name ? name : d->digest;
		ret->images++;
		if (store_image_read(a, s, d, NULL, name, &im, &bad) < 0)
			problem(&c, arena_printf(a, "image %s: %s", name, bad.msg));
		else
			check_layers(&c, &im, name);
	}
	for (size_t i = 0; i < blobs.n; i++) {
		if (!is_hex(blobs.items[i]))
			continue;
		check_blob(&c, blobs.items[i]);
		ret->unreferenced += !store_is_reachable(
			&needed, arena_printf(a, DIGEST_PREFIX "%s", blobs.items[i]));
	}
	return 0;
}
