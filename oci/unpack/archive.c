/*
 * See modes.h. Both modes stream: nothing but names is kept in memory. Neither says what the digest
 * of a blob is: who took this process over could say it of any blob (the core digests them itself).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/layer/tar.h"
#include "oci/unpack/confine.h"
#include "oci/unpack/modes.h"
#include "oci/unpack/reply.h"

#define ARCHIVE_MAX_NAME 4096

/* JSON is UTF-8 (RFC 8259, 8.1), and no archive of images has names that are not. */
static bool is_utf8(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		unsigned n = *p < 0x80	 ? 0
			     : *p < 0xc2 ? 9
			     : *p < 0xe0 ? 1
			     : *p < 0xf0 ? 2
			     : *p < 0xf5 ? 3
					 : 9;

		if (n == 9 || *p < 0x20 || *p == 0x7f)
			return false;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; n > 0; n--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

static bool usable_name(const char *s)
{
	return *s && strlen(s) <= ARCHIVE_MAX_NAME && is_utf8(s);
}

/* A hole costs the archive nothing, and whoever copies the file all of it. */
static int take_hole(uint64_t *holes, uint64_t len, struct error *e)
{
	if (len > *holes) {
		err_msg(e, "stage: holes of more than %llu bytes, as decompression bombs have them",
			STREAM_RATIO_FREE);
		return err_hint(e, "if you trust the archive, set MRUN_UNPACK_MAX_BYTES "
				   "(for example to 64g): with it any ratio is taken");
	}
	*holes -= len;
	return 0;
}

/* Writes an entry's content to the file NUMBER. */
static int stage_file(struct tar *t, int root, unsigned number, uint64_t size, uint64_t *budget,
		      uint64_t *holes, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	uint64_t pos = 0, off;
	const void *p;
	char name[16];
	size_t len;
	int r;

	if (size > *budget)
		return err_msg(e, "stage: more than the bytes allowed for an image");
	*budget -= size;
	snprintf(name, sizeof(name), "%u", number);
	fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "create staging file %s", name);
	while ((r = tar_data(t, &p, &len, &off, e)) > 0) {
		if (off < pos || off > size)
			return err_msg(e, "read the tar: its data is out of order");
		if (len > size - off)
			return err_msg(e, "read the tar: more data than the entry's size");
		if (take_hole(holes, off - pos, e) < 0)
			return -1;
		if (lseek(fd, (off_t)off, SEEK_SET) < 0)
			return err_sys(e, errno, "write %s", name);
		if (file_write_all(fd, p, len, name, e) < 0)
			return -1;
		pos = off + len;
	}
	if (r < 0 || take_hole(holes, size - pos, e) < 0)
		return -1;
	return ftruncate(fd, (off_t)size) < 0 ? err_sys(e, errno, "write %s", name) : 0;
}

static int send_entry(const struct tar_entry *t, char type, unsigned number, struct error *e)
{
	struct arena scratch = { 0 };
	struct json_out *o = json_out_new(&scratch, false);
	const char kind[2] = { type, 0 };
	int r;

	json_out_object(o);
	json_out_str(o, "entry");
	json_out_object(o);
	json_out_kstr(o, "name", t->name);
	json_out_kstr(o, "type", kind);
	if (t->link)
		json_out_kstr(o, "link", t->link);
	if (type == 'f') {
		json_out_ki64(o, "number", number);
		json_out_ki64(o, "size", (int64_t)t->size);
	}
	json_out_object_end(o);
	json_out_object_end(o);
	r = reply_send(&scratch, o, e);
	arena_free(&scratch);
	return r;
}

int mode_archive(struct arena *a, const struct request *q, struct error *e)
{
	static const char letters[] = { [TAR_FILE] = 'f',
					[TAR_DIR] = 'd',
					[TAR_SYMLINK] = 'l',
					[TAR_HARDLINK] = 'h',
					[TAR_FIFO] = 0 };
	struct stream_options o = { .fd = (int)q->in,
				    .undigested = true,
				    .max_out = *q->max_bytes,
				    .max_ratio = q->max_ratio };
	int keep[] = { REPLY_FD, (int)q->in }, root, r;
	uint64_t count = 0, budget = *q->max_bytes;
	uint64_t holes = q->max_ratio ? STREAM_RATIO_FREE : *q->max_bytes;
	struct stream_result result;
	struct tar_entry entry;
	struct stream *s;
	struct tar *t;
	unsigned number = 0;

	root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "open the staging directory");
	root = confine_enter(root, false, keep, 2, e);
	if (root < 0 || confine_filter(true, e) < 0)
		return -1;
	s = stream_open(a, &o, e);
	t = s ? tar_open(a, s, e) : NULL;
	if (!t)
		return -1;
	while ((r = tar_next(t, &entry, e)) > 0) {
		char letter = letters[entry.type];

		if (++count > *q->max_entries) {
			err_msg(e, "more than the %llu entries allowed in an archive",
				(unsigned long long)*q->max_entries);
			return err_hint(e, "if you trust it, raise MRUN_UNPACK_MAX_ENTRIES");
		}
		if (!letter || !usable_name(entry.name) || (entry.link && !usable_name(entry.link)))
			continue;
		if (letter == 'f' &&
		    stage_file(t, root, number, entry.size, &budget, &holes, e) < 0)
			return err_wrap(e, "entry %s", tar_quote(a, entry.name));
		if (send_entry(&entry, letter, number, e) < 0)
			return -1;
		number += letter == 'f';
	}
	return r < 0 ? -1 : stream_finish(s, &result, e);
}

int mode_digest(struct arena *a, const struct request *q, struct error *e)
{
	struct stream_options o = { .fd = (int)q->in,
				    .max_out = *q->max_bytes,
				    .max_ratio = q->max_ratio };
	int keep[] = { REPLY_FD, (int)q->in };
	struct stream_result result;
	struct tar_entry entry;
	struct json_out *out;
	struct stream *s;
	struct tar *t;
	int r;

	if (confine_enter(-1, false, keep, 2, e) < 0 || confine_filter(false, e) < 0)
		return -1;
	s = stream_open(a, &o, e);
	t = s ? tar_open(a, s, e) : NULL;
	if (!t)
		return -1;
	while ((r = tar_next(t, &entry, e)) > 0)
		;
	if (r < 0 || stream_finish(s, &result, e) < 0)
		return -1;
	out = json_out_new(a, false);
	json_out_object(out);
	json_out_str(out, "blob");
	json_out_object(out);
	json_out_kstr(out, "diff_id", result.diff_id);
	json_out_kstr(out, "compression", result.compression);
	json_out_ki64(out, "size", (int64_t)result.size);
	json_out_ki64(out, "diff_size", (int64_t)result.diff_size);
	json_out_object_end(out);
	json_out_object_end(out);
	return reply_send(a, out, e);
}
