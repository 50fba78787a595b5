/*
 * See tar.h. libarchive gets exactly one format and no filter, since its CVEs cluster elsewhere;
 * what it reports of the archive is data for extract.c, and its own disk writer is never used.
 */
#include "oci/layer/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct tar {
	struct archive *archive;
	struct archive_entry *entry;
	struct stream *stream;
	bool empty;	   /* a blob of no bytes at all */
	bool began;	   /* an entry was read */
	const char *other; /* what its first bytes say that it is instead of a tar */
	const void *first; /* the first buffer, not yet given to libarchive */
	size_t first_len;
	uint64_t given; /* bytes that libarchive got */
	uint64_t size;	/* of the current entry, 0 when it is no file */
};

/* Go's tar reader, and with it docker and umoci, takes a tar whose last file ends it, without zeros
 * up to the block's end; libarchive wants them. They are made up only where the bytes that are
 * there end just where that file does: a tar that was cut short stays one. */
static ssize_t last_padding(struct tar *t, const void **ret)
{
	static const char zeros[512];
	uint64_t part = t->given % sizeof(zeros);

	if (!part || t->size % sizeof(zeros) != part)
		return 0;
	*ret = zeros;
	t->given += sizeof(zeros) - part;
	return (ssize_t)(sizeof(zeros) - part);
}

static la_ssize_t on_read(struct archive *ar, void *arg, const void **ret)
{
	struct tar *t = arg;
	struct error ignored; /* asked for again with stream_failed() */
	ssize_t n;

	if (t->first_len) {
		n = (ssize_t)t->first_len;
		*ret = t->first;
		t->first_len = 0;
		t->given += (uint64_t)n;
		return n;
	}
	n = stream_next(t->stream, ret, &ignored);
	if (n < 0) {
		archive_set_error(ar, EIO, "the stream failed");
		return ARCHIVE_FATAL;
	}
	t->given += (uint64_t)n;
	return n > 0 ? n : last_padding(t, ret);
}

static int tar_error(struct tar *t, struct error *e)
{
	const char *text = archive_error_string(t->archive);

	if (stream_failed(t->stream, e))
		return -1;
	if (t->other)
		return err_msg(e, "read the tar: it is %s", t->other);
	if (!text || strstr(text, "Unrecognized archive format"))
		text = t->began ? "the data is damaged" : "it is not a tar archive";
	return err_msg(e, "read the tar: %s", text);
}

/* Other archives have their magic in the first bytes; naming them explains more than "unrecognised
 * format" does. */
static const char *other_format(const void *p, size_t n)
{
	static const struct {
		const char *magic, *name;
		size_t len;
	} table[] = {
		{ "PK\003\004", "a zip archive", 4 },
		{ "BZh", "compressed with bzip2", 3 },
		{ "\375"
		  "7zXZ",
		  "compressed with xz", 5 },
		{ "7z\274\257", "a 7z archive", 4 },
		{ "Rar!", "a rar archive", 4 },
		{ "0707", "a cpio archive", 4 },
		{ "!<arch>", "an ar archive", 7 },
		{ "\177ELF", "an ELF program", 4 },
		{ "\x04\x22\x4d\x18", "compressed with lz4", 4 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (n >= table[i].len && memcmp(p, table[i].magic, table[i].len) == 0)
			return table[i].name;
	return NULL;
}

struct tar *tar_open(struct arena *a, struct stream *s, struct error *e)
{
	struct tar *t = ARENA_NEW(a, struct tar);
	ssize_t n;

	t->stream = s;
	n = stream_next(s, &t->first, e);
	if (n < 0)
		return NULL;
	t->first_len = (size_t)n;
	t->empty = n == 0;
	t->other = other_format(t->first, t->first_len);
	if (t->empty)
		return t;
	t->archive = archive_read_new();
	if (!t->archive || archive_read_support_format_tar(t->archive) != ARCHIVE_OK) {
		err_msg(e, "start libarchive: out of memory");
		return NULL;
	}
	if (archive_read_open(t->archive, t, NULL, on_read, NULL) != ARCHIVE_OK) {
		tar_error(t, e);
		return NULL;
	}
	return t;
}

static int64_t get_time(struct archive_entry *en, bool atime, long *ret_nsec)
{
	*ret_nsec = atime ? archive_entry_atime_nsec(en) : archive_entry_mtime_nsec(en);
	return atime ? archive_entry_atime(en) : archive_entry_mtime(en);
}

static int get_type(struct archive_entry *en, struct tar_entry *ret, struct error *e)
{
	static const struct {
		unsigned mode;
		enum tar_type type;
	} table[] = {
		{ AE_IFREG, TAR_FILE }, { AE_IFDIR, TAR_DIR },	 { AE_IFLNK, TAR_SYMLINK },
		{ AE_IFCHR, TAR_CHAR }, { AE_IFBLK, TAR_BLOCK }, { AE_IFIFO, TAR_FIFO },
	};

	ret->link = archive_entry_hardlink(en);
	if (ret->link) {
		ret->type = TAR_HARDLINK;
		return 0;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (archive_entry_filetype(en) != table[i].mode)
			continue;
		ret->type = table[i].type;
		if (ret->type == TAR_SYMLINK)
			ret->link = archive_entry_symlink(en);
		if (ret->type == TAR_SYMLINK && !ret->link)
			return err_msg(e, "read the tar: a symbolic link without a target");
		return 0;
	}
	return err_msg(e, "read the tar: an entry of unknown type");
}

int tar_next(struct tar *t, struct tar_entry *ret, struct error *e)
{
	int r;

	if (t->empty)
		return 0;
	r = archive_read_next_header(t->archive, &t->entry);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return tar_error(t, e);
	/* A tar's first name may look like another format's magic. */
	t->began = true;
	t->other = NULL;
	memset(ret, 0, sizeof(*ret));
	ret->name = archive_entry_pathname(t->entry);
	if (!ret->name)
		return err_msg(e, "read the tar: an entry without a name");
	if (get_type(t->entry, ret, e) < 0)
		return -1;
	ret->mode = archive_entry_perm(t->entry) & 07777;
	ret->uid = archive_entry_uid(t->entry);
	ret->gid = archive_entry_gid(t->entry);
	ret->mtime.tv_sec = get_time(t->entry, false, &ret->mtime.tv_nsec);
	ret->atime = ret->mtime;
	if (archive_entry_atime_is_set(t->entry))
		ret->atime.tv_sec = get_time(t->entry, true, &ret->atime.tv_nsec);
	if (ret->type == TAR_FILE) {
		int64_t size = archive_entry_size(t->entry);

		if (size < 0)
			return err_msg(e, "read the tar: an entry of negative size");
		ret->size = (uint64_t)size;
	}
	t->size = ret->size;
	if (ret->type == TAR_CHAR || ret->type == TAR_BLOCK) {
		ret->dev_major = (unsigned)archive_entry_rdevmajor(t->entry);
		ret->dev_minor = (unsigned)archive_entry_rdevminor(t->entry);
	}
	archive_entry_xattr_reset(t->entry);
	return 1;
}

int tar_data(struct tar *t, const void **ret, size_t *ret_len, uint64_t *ret_off, struct error *e)
{
	la_int64_t off = 0;
	int r = archive_read_data_block(t->archive, ret, ret_len, &off);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return tar_error(t, e);
	if (off < 0)
		return err_msg(e, "read the tar: data at a negative offset");
	*ret_off = (uint64_t)off;
	return 1;
}

bool tar_xattr(struct tar *t, const char **ret_name, const void **ret_value, size_t *ret_len)
{
	while (archive_entry_xattr_next(t->entry, ret_name, ret_value, ret_len) == ARCHIVE_OK)
		if (*ret_name && **ret_name)
			return true;
	return false;
}

char *tar_quote(struct arena *a, const char *name)
{
	size_t n = strlen(name), out = 0;
	char *r = arena_alloc(a, 4 * 256 + 8);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if (n > 200 && i == 100) {
			for (unsigned dots = 0; dots < 3; dots++)
				r[out++] = '.';
			i = n - 100;
			continue;
		}
		if (c >= 0x20 && c < 0x7f && c != '\\')
			r[out++] = (char)c;
		else
			out += (size_t)snprintf(r + out, 5, "\\x%02x", c);
	}
	return r;
}

bool tar_clean_name(const char *name, char *buf, size_t size)
{
	size_t out = 0;

	for (const char *p = name; *p;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (out > 0 && buf[--out] != '/')
				;
		} else if (len > 0 && !(len == 1 && p[0] == '.')) {
			if (out + len + 2 > size)
				return false;
			if (out > 0)
				buf[out++] = '/';
			memcpy(buf + out, p, len);
			out += len;
		}
		p += len;
	}
	buf[out] = 0;
	return true;
}
