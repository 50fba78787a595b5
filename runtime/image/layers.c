/*
 * See layers.h. In order: the names under which the layers may be in the cache are computed and
 * looked up (the warm path: three system calls a layer and nothing more). What is missing is
 * unpacked into temporary directories under the cache's lock, all by one run of mrun-unpack; then
 * one syncfs(2), then the renames. Only what mrun-unpack found to be what its digests say is named.
 */
#include "runtime/image/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/str.h"
#include "oci/base/undo.h"
#include "runtime/image/cache.h"
#include "runtime/image/digest_thread.h"
#include "runtime/image/unpacker.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

struct plan_layer {
	struct layer *layer;
	const char *hex, *diff; /* of the blob's digest and of the diffID */
	char chain[65];		/* of the blobs up to this one */
	bool repeated;	      /* the same blob lies further down: a directory can be mounted once */
	bool found;	      /* in the cache; else being made */
	enum cache_kind kind; /* once it is known */
	struct cache_entry entry;
	int blob;
};

struct plan {
	struct arena *a;
	int cache_fd, blobs_fd;
	const struct idmap *m;
	struct plan_layer *l;
	size_t n, missing;
	uint64_t devices, xattrs, owners; /* what was lost on the way */
	struct cache_entry root; /* the extra layer for the root's metadata, or the flat one */
};

static const char *hex_of(const char *digest, const char *what, struct error *e)
{
	const char *hex = digest ? digest : "";

	if (str_has_prefix(hex, "sha256:") && strlen(hex) == 71 &&
	    strspn(hex + 7, "0123456789abcdef") == 64)
		return hex + 7;
	err_msg(e, "%s '%.80s' is not a sha256 digest", what, hex);
	return NULL;
}

/* As image-spec, config.md, "Layer ChainID", of the chain below and the layer on top of it, but of
 * the blobs' digests: see layers.h. */
static void chain_id(const char *below, const char *hex, char out[65])
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx c;
	char text[160];
	int n;

	if (!below) {
		memcpy(out, hex, 65);
		return;
	}
	n = snprintf(text, sizeof(text), "sha256:%s sha256:%s", below, hex);
	sha256_init(&c);
	sha256_update(&c, (size_t)n, (const uint8_t *)text);
	sha256_digest(&c, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static int plan_init(struct plan *p, struct arena *a, int blobs_fd, struct layer *l, size_t n,
		     const struct idmap *m, struct error *e)
{
	*p = (struct plan){ .a = a, .cache_fd = -1, .blobs_fd = blobs_fd, .m = m, .n = n };
	p->root.lock = -1;
	p->l = ARENA_ARRAY(a, n, struct plan_layer);
	for (size_t i = 0; i < n; i++) {
		p->l[i].entry.lock = -1;
		p->l[i].blob = -1;
	}
	if (n == 0)
		return err_msg(e, "the image has no layers");
	for (size_t i = 0; i < n; i++) {
		struct plan_layer *x = &p->l[i];

		x->layer = &l[i];
		x->hex = hex_of(l[i].digest, "layer", e);
		x->diff = x->hex ? hex_of(l[i].diff_id, "diff_id", e) : NULL;
		if (!x->diff)
			return -1;
		chain_id(i ? p->l[i - 1].chain : NULL, x->hex, x->chain);
		for (size_t k = 0; k < i; k++)
			x->repeated |= str_eq(p->l[k].hex, x->hex);
	}
	return 0;
}

static void plan_close(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		fd_closep(&p->l[i].blob);
		fd_closep(&p->l[i].entry.lock);
	}
	fd_closep(&p->root.lock);
	fd_closep(&p->cache_fd);
}
#define _cleanup_plan_ __attribute__((cleanup(plan_close)))

/* Another image may have the same blob, and say something else of what is in it. */
static int check_diff_id(const struct plan_layer *x, struct error *e)
{
	if (str_eq(x->entry.meta.diff, x->diff))
		return 0;
	err_msg(e,
		"unpack layer %.12s: its content has digest sha256:%s, but the image config says "
		"sha256:%s (diffID)",
		x->hex, x->entry.meta.diff, x->diff);
	return err_hint(e, "the image is damaged or was tampered with: get it again");
}

static int look_up(struct plan *p, struct error *e)
{
	p->missing = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct plan_layer *x = &p->l[i];
		int r = 0;

		if (x->found)
			continue;
		x->kind = CACHE_DIFF;
		if (!x->repeated)
			r = cache_find(p->a, p->cache_fd, CACHE_DIFF, x->hex, &x->entry, e);
		if (r == 0) {
			x->kind = CACHE_CHAIN;
			r = cache_find(p->a, p->cache_fd, CACHE_CHAIN, x->chain, &x->entry, e);
		}
		if (r < 0 || (r > 0 && check_diff_id(x, e) < 0))
			return -1;
		x->found = r > 0;
		p->missing += r == 0;
	}
	return 0;
}

static int open_blob(struct plan *p, struct plan_layer *x, struct error *e)
{
	const char *hex = x->layer->digest + 7;
	struct stat st;

	x->blob = openat(p->blobs_fd, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (x->blob < 0) {
		err_sys(e, errno, "open the blob of layer %.12s", hex);
		if (e->code == ENOENT)
			e->code = ESTALE;
		return err_hint(e, "the store misses it: load the image again");
	}
	if (fstat(x->blob, &st) < 0 || !S_ISREG(st.st_mode))
		return err_msg(e, "the blob of layer %.12s is not a file", hex);
	if ((uint64_t)st.st_size != x->layer->size)
		return err_msg(e,
			       "the blob of layer %.12s has %lld bytes, and the manifest says %llu",
			       hex, (long long)st.st_size, (unsigned long long)x->layer->size);
	return 0;
}

static void write_layer(struct json_out *o, const struct plan_layer *x, int64_t fd)
{
	json_out_object(o);
	if (fd >= 0)
		json_out_ki64(o, "fd", fd);
	json_out_kstr(o, "digest", x->layer->digest);
	json_out_kstr(o, "diff_id", x->layer->diff_id);
	json_out_str(o, "size");
	json_out_u64(o, x->layer->size);
	if (x->entry.name)
		json_out_kstr(o, "name", x->entry.name);
	json_out_kbool(o, "cached", x->found);
	json_out_kbool(o, "digested", x->layer->digested);
	json_out_object_end(o);
}

static uint64_t get_count(const struct json_value *v, const char *key)
{
	const struct json_value *m = json_get(v, key);
	uint64_t n = 0;

	if (!m || m->type != JSON_NUMBER || !str_to_u64(m->text, INT64_MAX, &n))
		return 0;
	return n;
}

static bool get_bool(const struct json_value *v, const char *key)
{
	const struct json_value *m = json_get(v, key);

	return m && m->type == JSON_BOOL && m->boolean;
}

static int on_layer(void *arg, const struct json_value *v, struct error *e)
{
	struct plan *p = arg;
	uint64_t i = get_count(v, "layer");
	struct plan_layer *x;

	if (!json_get(v, "layer") || i >= p->n || p->l[i].found || p->l[i].entry.meta.key[0])
		return err_msg(e, "mrun-unpack answered something unexpected");
	x = &p->l[i];
	x->kind = get_bool(v, "independent") && !x->repeated ? CACHE_DIFF : CACHE_CHAIN;
	x->entry.meta.root_given = get_bool(v, "root_given");
	x->entry.meta.root_default = get_bool(v, "root_default");
	x->entry.meta.entries = get_count(v, "entries");
	x->entry.meta.bytes = get_count(v, "bytes");
	x->layer->diff_size = get_count(v, "diff_size");
	memcpy(x->entry.meta.diff, x->diff, 65);
	memcpy(x->entry.meta.key, x->kind == CACHE_DIFF ? x->hex : x->chain, 65);
	p->devices += get_count(v, "devices");
	p->xattrs += get_count(v, "xattrs");
	p->owners += get_count(v, "owners");
	return 0;
}

/* One run of mrun-unpack for all that is missing, into their temporary directories. */
static int unpack_missing(struct plan *p, struct error *e)
{
	struct json_out *o = unpacker_request(p->a, "layers", p->m, e);
	int *fds = ARENA_ARRAY(p->a, p->n + 1, int);
	size_t n = 0;

	if (!o)
		return -1;
	json_out_str(o, "layers");
	json_out_array(o);
	for (size_t i = 0; i < p->n; i++) {
		struct plan_layer *x = &p->l[i];

		if (!x->found) {
			if (open_blob(p, x, e) < 0)
				return -1;
			fds[n] = x->blob;
		}
		write_layer(o, x, x->found ? -1 : UNPACKER_FIRST_FD + (int64_t)n);
		n += !x->found;
	}
	json_out_array_end(o);
	json_out_object_end(o);
	return unpacker_run(p->a, json_out_finish(o, NULL), p->cache_fd, fds, n, p->m, on_layer, p,
			    e);
}

/* Removes the temporary directories of what failed. */
static void remove_tmp(void *arg)
{
	struct strlist names = { 0 };
	struct plan *p = arg;
	struct error ignored;

	for (size_t i = 0; i <= p->n; i++) {
		char *name = i < p->n ? p->l[i].entry.name : p->root.name;

		if (name && str_has_prefix(name, CACHE_TMP))
			strlist_add(p->a, &names, name);
	}
	cache_remove(p->a, p->cache_fd, names.items, p->m, &ignored);
}

static int __attribute__((noinline)) made(struct plan *p, struct undo *undo, int r)
{
	undo_pop(undo);
	if (r < 0)
		remove_tmp(p);
	return r;
}

static int check_digests(const struct plan *p, struct error *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (digest_thread_check(p->l[i].layer->digests, e) < 0)
			return -1;
	return 0;
}

static int sync_and_commit(struct plan *p, struct error *e)
{
	if (check_digests(p, e) < 0)
		return -1;
	if (syncfs(p->cache_fd) < 0)
		return err_sys(e, errno, "write the layers to the disk");
	for (size_t i = 0; i < p->n; i++) {
		struct plan_layer *x = &p->l[i];

		if (x->found)
			continue;
		if (!x->entry.meta.key[0])
			return err_msg(e, "mrun-unpack said nothing of layer %.12s",
				       x->layer->digest + 7);
		if (cache_commit(p->a, p->cache_fd, x->kind, &x->entry, e) < 0)
			return -1;
		x->found = true;
	}
	return 0;
}

/* The cold path, under the cache's lock. */
static int make_missing(struct plan *p, struct error *e)
{
	_cleanup_fd_ int lock = cache_lock(p->cache_fd, false, e);
	struct undo undo;
	int r = 0;

	if (lock < 0)
		return -1;
	/* Another one may have made them while this one waited. */
	if (look_up(p, e) < 0)
		return -1;
	if (p->missing == 0)
		return 0;
	if (cache_clean(p->a, p->cache_fd, p->m, e) < 0)
		return -1;
	undo_push(&undo, remove_tmp, p);
	for (size_t i = 0; r == 0 && i < p->n; i++)
		if (!p->l[i].found)
			r = cache_make_tmp(p->a, p->cache_fd, p->m, &p->l[i].entry, e);
	if (r == 0)
		r = unpack_missing(p, e);
	if (r == 0)
		r = sync_and_commit(p, e);
	return made(p, &undo, r);
}

/* Makes the empty layer whose root directory is like that of entry FROM. */
static int make_root(struct plan *p, const struct plan_layer *from, struct error *e)
{
	_cleanup_fd_ int lock = cache_lock(p->cache_fd, false, e);
	struct cache_entry *entry = &p->root;
	struct json_out *o;
	struct undo undo;
	int r;

	if (lock < 0)
		return -1;
	r = cache_find(p->a, p->cache_fd, CACHE_ROOT, from->entry.meta.key, entry, e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	o = unpacker_request(p->a, "root", p->m, e);
	if (!o || cache_make_tmp(p->a, p->cache_fd, p->m, entry, e) < 0)
		return -1;
	undo_push(&undo, remove_tmp, p);
	json_out_kstr(o, "name", arena_printf(p->a, "%s/r", entry->name));
	json_out_kstr(o, "from", arena_printf(p->a, "%s/r", from->entry.name));
	json_out_object_end(o);
	r = unpacker_run(p->a, json_out_finish(o, NULL), p->cache_fd, NULL, 0, p->m, NULL, NULL, e);
	memcpy(entry->meta.key, from->entry.meta.key, 65);
	memcpy(entry->meta.diff, from->entry.meta.diff, 65);
	entry->meta.root_given = true;
	if (r == 0)
		r = cache_commit(p->a, p->cache_fd, CACHE_ROOT, entry, e);
	return made(p, &undo, r);
}

/* In an overlay the root directory is the topmost layer's. A layer that says nothing of it must
 * not undo what one below says. */
static int ensure_root(struct plan *p, struct error *e)
{
	int r;

	for (size_t i = p->n; i-- > 0;) {
		const struct plan_layer *x = &p->l[i];

		if (!x->entry.meta.root_given)
			continue;
		if (i == p->n - 1 || x->entry.meta.root_default)
			return 0;
		r = cache_find(p->a, p->cache_fd, CACHE_ROOT, x->entry.meta.key, &p->root, e);
		return r != 0 ? (r < 0 ? -1 : 0) : make_root(p, x, e);
	}
	return 0;
}

static const char *make_note(const struct plan *p)
{
	struct strlist parts = { 0 };
	char *s;

	if (p->devices)
		strlist_add(
			p->a, &parts,
			arena_printf(p->a, "%llu device nodes", (unsigned long long)p->devices));
	if (p->xattrs)
		strlist_add(p->a, &parts,
			    arena_printf(p->a, "%llu extended attributes",
					 (unsigned long long)p->xattrs));
	if (p->owners)
		strlist_add(p->a, &parts,
			    arena_printf(p->a, "the owners of %llu entries",
					 (unsigned long long)p->owners));
	if (!parts.n)
		return NULL;
	s = arena_strdup(p->a, "left out while unpacking: ");
	for (size_t i = 0; i < parts.n; i++)
		s = arena_printf(p->a, "%s%s%s", s, i ? ", " : "", parts.items[i]);
	return s;
}

static void add_name(struct arena *a, struct layers *ret, struct cache_entry *entry)
{
	ret->locks[ret->n] = fd_take(&entry->lock);
	ret->names[ret->n++] = arena_printf(a, "%s/r", entry->name);
}

/* Hands the entries over to the caller: top first. An empty layer changes nothing, and is left out
 * unless it is all there is. */
static void hand_out(struct plan *p, struct layers *ret)
{
	*ret = (struct layers){ .cache_fd = fd_take(&p->cache_fd), .note = make_note(p) };
	ret->names = ARENA_ARRAY(p->a, p->n + 2, char *);
	ret->locks = ARENA_ARRAY(p->a, p->n + 2, int);
	if (p->root.lock >= 0)
		add_name(p->a, ret, &p->root);
	for (size_t i = p->n; i-- > 0;)
		if (p->l[i].entry.meta.entries > 0 || (i == 0 && ret->n == 0))
			add_name(p->a, ret, &p->l[i].entry);
}

static int run_flat(struct plan *p, int dir_fd, const char *name, unpacker_reply *on_reply,
		    struct error *e)
{
	struct json_out *o = unpacker_request(p->a, "flat", p->m, e);
	int *fds = ARENA_ARRAY(p->a, p->n + 1, int);

	if (!o)
		return -1;
	json_out_kstr(o, "name", name);
	json_out_str(o, "layers");
	json_out_array(o);
	for (size_t i = 0; i < p->n; i++) {
		if (open_blob(p, &p->l[i], e) < 0)
			return -1;
		fds[i] = p->l[i].blob;
		write_layer(o, &p->l[i], UNPACKER_FIRST_FD + (int64_t)i);
	}
	json_out_array_end(o);
	json_out_object_end(o);
	return unpacker_run(p->a, json_out_finish(o, NULL), dir_fd, fds, p->n, p->m, on_reply, p,
			    e);
}

static int make_flat(struct plan *p, struct error *e)
{
	_cleanup_fd_ int lock = cache_lock(p->cache_fd, false, e);
	const struct plan_layer *top = &p->l[p->n - 1];
	struct cache_entry *entry = &p->root;
	struct undo undo;
	int r;

	if (lock < 0)
		return -1;
	r = cache_find(p->a, p->cache_fd, CACHE_FLAT, top->chain, entry, e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (cache_clean(p->a, p->cache_fd, p->m, e) < 0 ||
	    cache_make_tmp(p->a, p->cache_fd, p->m, entry, e) < 0)
		return -1;
	undo_push(&undo, remove_tmp, p);
	r = run_flat(p, p->cache_fd, arena_printf(p->a, "%s/r", entry->name), on_layer, e);
	memcpy(entry->meta.key, top->chain, 65);
	memcpy(entry->meta.diff, top->diff, 65);
	entry->meta.root_given = true;
	for (size_t i = 0; i < p->n; i++) {
		entry->meta.entries += p->l[i].entry.meta.entries;
		entry->meta.bytes += p->l[i].entry.meta.bytes;
	}
	if (r == 0)
		r = check_digests(p, e);
	if (r == 0 && syncfs(p->cache_fd) < 0)
		r = err_sys(e, errno, "write the layers to the disk");
	if (r == 0)
		r = cache_commit(p->a, p->cache_fd, CACHE_FLAT, entry, e);
	return made(p, &undo, r);
}

static int ensure_flat(struct plan *p, struct layers *ret, struct error *e)
{
	int r = cache_find(p->a, p->cache_fd, CACHE_FLAT, p->l[p->n - 1].chain, &p->root, e);

	if (r == 0)
		r = make_flat(p, e);
	if (r < 0)
		return -1;
	*ret = (struct layers){ .cache_fd = fd_take(&p->cache_fd),
				.flat = true,
				.note = make_note(p) };
	ret->names = ARENA_ARRAY(p->a, 2, char *);
	ret->locks = ARENA_ARRAY(p->a, 2, int);
	add_name(p->a, ret, &p->root);
	return 0;
}

/* Layers hold overlayfs's marks. An overlay (another container's root) refuses to make a whiteout,
 * fuse-overlayfs takes it for one of its own; others (NFS, ramfs) have no user attributes. */
static bool can_hold_layers(int fd)
{
	struct statfs fs;

	if (fgetxattr(fd, "user.overlay.opaque", NULL, 0) < 0 && errno == EOPNOTSUPP)
		return false;
	return fstatfs(fd, &fs) < 0 ||
	       (fs.f_type != OVERLAYFS_SUPER_MAGIC && fs.f_type != FUSE_SUPER_MAGIC);
}

int layers_ensure(struct arena *a, int blobs_sha256_dirfd, struct layer *l, size_t n,
		  const struct idmap *m, bool flat, struct layers *ret, struct error *e)
{
	struct plan p _cleanup_plan_;

	if (plan_init(&p, a, blobs_sha256_dirfd, l, n, m, e) < 0)
		return -1;
	p.cache_fd = cache_open(a, m, e);
	if (p.cache_fd < 0)
		return -1;
	if (flat || !can_hold_layers(p.cache_fd))
		return ensure_flat(&p, ret, e);
	if (look_up(&p, e) < 0 || (p.missing && make_missing(&p, e) < 0) || ensure_root(&p, e) < 0)
		return -1;
	hand_out(&p, ret);
	return 0;
}

void layers_close(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_closep(&l->locks[i]);
	l->n = 0;
	fd_closep(&l->cache_fd);
	l->cache_fd = -1;
}

int layers_flatten(struct arena *a, int blobs_sha256_dirfd, struct layer *l, size_t n,
		   const struct idmap *m, int dirfd, const char **ret_note, struct error *e)
{
	struct plan p _cleanup_plan_;
	struct strlist names = { 0 };
	struct error ignored;

	if (plan_init(&p, a, blobs_sha256_dirfd, l, n, m, e) < 0)
		return -1;
	if (m) {
		int64_t uid = idmap_host_uid(m, 0), gid = idmap_host_gid(m, 0);

		if (uid < 0 || gid < 0 || fchown(dirfd, (uid_t)uid, (gid_t)gid) < 0)
			return err_sys(e, uid < 0 || gid < 0 ? EINVAL : errno,
				       "give the directory to the mapped root");
	}
	if (run_flat(&p, dirfd, ".", on_layer, e) < 0) {
		/* Nothing half-unpacked stays. */
		if (dir_list(a, dirfd, ".", "", CACHE_WHAT, &names, &ignored) == 0)
			cache_remove(a, dirfd, names.items, m, &ignored);
		return -1;
	}
	if (ret_note)
		*ret_note = make_note(&p);
	return 0;
}
