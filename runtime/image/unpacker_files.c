/* The requests of unpacker.h about files of the caller's own: they run with the caller's one id
 * mapped to root, so that what they write is the caller's. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/str.h"
#include "runtime/image/unpacker.h"

#define MAX_RATIO 100
/* An archive of images has a few files a layer, and the core keeps their names. */
#define MAX_ARCHIVE_ENTRIES 100000u
#define MAX_NAMES (16u << 20)

static int limits_for(const char *mode, struct unpacker_limits *ret, struct error *e)
{
	if (unpacker_limits(ret, e) < 0)
		return -1;
	if (str_eq(mode, "archive") && !ret->entries_given)
		ret->entries = MAX_ARCHIVE_ENTRIES;
	return 0;
}

struct json_out *unpacker_request(struct arena *a, const char *mode, const struct idmap *m,
				  struct error *e)
{
	struct unpacker_limits limits;
	struct json_out *o;

	if (limits_for(mode, &limits, e) < 0)
		return NULL;
	o = json_out_new(a, false);
	json_out_object(o);
	json_out_kstr(o, "mode", mode);
	json_out_kbool(o, "userns", m != NULL);
	json_out_kbool(o, "single", m && m->single);
	json_out_str(o, "max_bytes");
	json_out_u64(o, limits.bytes);
	json_out_str(o, "max_entries");
	json_out_u64(o, limits.entries);
	json_out_ki64(o, "max_ratio", limits.bytes_given ? 0 : MAX_RATIO);
	return o;
}

static bool get_u64(const struct json_value *v, const char *key, uint64_t *ret)
{
	const struct json_value *m = json_get(v, key);

	return m && m->type == JSON_NUMBER && str_to_u64(m->text, INT64_MAX, ret);
}

/* "sha256:<hex>" of what the helper says is a digest in hex; NULL when it is none. */
static const char *get_digest(struct arena *a, const struct json_value *v, const char *key)
{
	const char *s = json_get_str(v, key);

	if (s && str_has_prefix(s, "sha256:"))
		s += 7;
	if (!s || strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
		return NULL;
	return arena_printf(a, "sha256:%s", s);
}

static int bad_reply(struct error *e)
{
	return err_msg(e, "mrun-unpack answered something unexpected");
}

struct entries {
	struct arena *a;
	struct archive_entry *list;
	size_t n, cap;
	size_t names;
	struct unpacker_limits limits;
};

static int on_entry(void *arg, const struct json_value *reply, struct error *e)
{
	const struct json_value *v = json_get(reply, "entry");
	struct archive_entry en = { 0 };
	struct entries *l = arg;
	const char *type, *name, *link;
	uint64_t number;

	if (!v)
		return bad_reply(e);
	name = json_get_str(v, "name");
	link = json_get_str(v, "link");
	type = json_get_str(v, "type");
	if (!name || !type || !*type || !strchr("fldh", *type))
		return bad_reply(e);
	en.type = *type;
	if (en.type == 'f') {
		if (!get_u64(v, "size", &en.size) || en.size > l->limits.bytes ||
		    !get_u64(v, "number", &number) || number > UINT32_MAX)
			return bad_reply(e);
		en.number = (unsigned)number;
	} else if ((en.type == 'l' || en.type == 'h') && !link) {
		return bad_reply(e);
	}
	l->names += strlen(name) + (link ? strlen(link) : 0);
	if (l->n == l->limits.entries)
		return bad_reply(e);
	if (l->names > MAX_NAMES)
		return err_msg(e, "the names in the archive take more than the %u bytes allowed",
			       MAX_NAMES);
	en.name = arena_strdup(l->a, name);
	en.link = link ? arena_strdup(l->a, link) : NULL;
	if (l->n == l->cap) {
		struct archive_entry *bigger;

		l->cap = l->cap ? l->cap * 2 : 64;
		bigger = ARENA_ARRAY(l->a, l->cap, struct archive_entry);
		if (l->n)
			memcpy(bigger, l->list, l->n * sizeof(*bigger));
		l->list = bigger;
	}
	l->list[l->n++] = en;
	return 0;
}

int unpacker_archive(struct arena *a, int in_fd, int staging_dirfd, struct archive_entry **ret,
		     size_t *ret_len, struct error *e)
{
	struct entries l = { .a = a };
	struct json_out *o;
	struct idmap m;

	idmap_single(a, 0, 0, &m);
	o = unpacker_request(a, "archive", &m, e);
	if (!o || limits_for("archive", &l.limits, e) < 0)
		return -1;
	json_out_ki64(o, "in", UNPACKER_FIRST_FD);
	json_out_object_end(o);
	if (unpacker_run(a, json_out_finish(o, NULL), staging_dirfd, &in_fd, 1, &m, on_entry, &l,
			 e) < 0)
		return -1;
	*ret = l.list;
	*ret_len = l.n;
	return 0;
}

struct blob_reply {
	struct arena *a;
	struct blob_info info;
	bool got;
};

static int on_blob(void *arg, const struct json_value *reply, struct error *e)
{
	const struct json_value *v = json_get(reply, "blob");
	static const char *const kinds[] = { "", "gzip", "zstd" };
	struct blob_reply *b = arg;
	const char *compression;

	if (!v)
		return bad_reply(e);
	b->info.diff_id = get_digest(b->a, v, "diff_id");
	compression = json_get_str(v, "compression");
	for (size_t i = 0; compression && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(compression, kinds[i]))
			b->info.compression = kinds[i];
	if (!b->info.diff_id || !b->info.compression || !get_u64(v, "size", &b->info.size) ||
	    !get_u64(v, "diff_size", &b->info.diff_size))
		return bad_reply(e);
	b->got = true;
	return 0;
}

int unpacker_digest(struct arena *a, int in_fd, struct blob_info *ret, struct error *e)
{
	struct blob_reply b = { .a = a };
	struct json_out *o;
	struct idmap m;

	idmap_single(a, 0, 0, &m);
	o = unpacker_request(a, "digest", &m, e);
	if (!o)
		return -1;
	json_out_ki64(o, "in", UNPACKER_FIRST_FD);
	json_out_object_end(o);
	if (unpacker_run(a, json_out_finish(o, NULL), -1, &in_fd, 1, &m, on_blob, &b, e) < 0)
		return -1;
	if (!b.got)
		return bad_reply(e);
	*ret = b.info;
	return 0;
}

/* Content in memory goes as a file in memory: it may hold any byte. */
static int memory_file(const void *data, size_t len, struct error *e)
{
	int fd = memfd_create("mrun-pack", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "make a file in memory");
	if (file_write_all(fd, data, len, "a file in memory", e) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int unpacker_pack(struct arena *a, int out_fd, const struct pack_entry *entries, size_t n,
		  struct error *e)
{
	int *fds = ARENA_ARRAY(a, n + 1, int), *own = ARENA_ARRAY(a, n + 1, int), r = 0;
	size_t fds_len = 0, own_len = 0;
	struct json_out *o;
	struct idmap m;

	idmap_single(a, 0, 0, &m);
	o = unpacker_request(a, "pack", &m, e);
	if (!o)
		return -1;
	fds[fds_len++] = out_fd;
	json_out_ki64(o, "out", UNPACKER_FIRST_FD);
	json_out_str(o, "entries");
	json_out_array(o);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct pack_entry *p = &entries[i];

		json_out_object(o);
		json_out_kstr(o, "name", p->name);
		if (p->dir) {
			json_out_kbool(o, "dir", true);
		} else if (p->link) {
			json_out_kstr(o, "link", p->link);
		} else {
			int fd = p->fd;

			if (p->data || fd < 0) {
				fd = memory_file(p->data, p->len, e);
				if (fd < 0)
					r = -1;
				else
					own[own_len++] = fd;
			}
			json_out_ki64(o, "fd", UNPACKER_FIRST_FD + (int64_t)fds_len);
			fds[fds_len++] = fd;
			json_out_str(o, "size");
			json_out_u64(o, fd == p->fd ? p->size : p->len);
		}
		json_out_object_end(o);
	}
	json_out_array_end(o);
	json_out_object_end(o);
	if (r == 0)
		r = unpacker_run(a, json_out_finish(o, NULL), -1, fds, fds_len, &m, NULL, NULL, e);
	for (size_t i = 0; i < own_len; i++)
		close(own[i]);
	return r;
}
