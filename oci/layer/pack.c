/* See pack.h. */
#include "oci/layer/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <unistd.h>

#include "oci/base/file.h"

#define BUF_SIZE ((size_t)256 * 1024)

struct pack {
	struct archive *archive;
	struct archive_entry *entry;
	char *buf;
	int fd;
	struct error *error; /* of the writing callback */
};

static la_ssize_t on_write(struct archive *ar, void *arg, const void *buf, size_t len)
{
	struct pack *p = arg;

	if (file_write_all(p->fd, buf, len, "the tar", p->error) < 0) {
		archive_set_error(ar, p->error->code, "%s", p->error->msg);
		return -1;
	}
	return (la_ssize_t)len;
}

static int pack_error(struct pack *p, struct error *e)
{
	const char *text = archive_error_string(p->archive);

	err_msg(e, "%s", text ? text : "write the tar: failed");
	e->code = archive_errno(p->archive);
	return -1;
}

struct pack *pack_open(struct arena *a, int fd, struct error *e)
{
	struct pack *p = ARENA_NEW(a, struct pack);

	p->buf = arena_alloc(a, BUF_SIZE);
	p->fd = fd;
	p->error = ARENA_NEW(a, struct error);
	p->archive = archive_write_new();
	p->entry = archive_entry_new();
	if (!p->archive || !p->entry) {
		err_msg(e, "start libarchive: out of memory");
		return NULL;
	}
	if (archive_write_set_format_pax_restricted(p->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(p->archive, BUF_SIZE) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(p->archive, 512) != ARCHIVE_OK ||
	    archive_write_open(p->archive, p, NULL, on_write, NULL) != ARCHIVE_OK) {
		pack_error(p, e);
		return NULL;
	}
	return p;
}

static int header(struct pack *p, const char *name, unsigned type, mode_t mode, uint64_t size,
		  const char *link, struct error *e)
{
	archive_entry_clear(p->entry);
	archive_entry_set_pathname(p->entry, name);
	archive_entry_set_filetype(p->entry, type);
	archive_entry_set_perm(p->entry, mode);
	archive_entry_set_size(p->entry, (la_int64_t)size);
	archive_entry_set_mtime(p->entry, 0, 0);
	archive_entry_set_uid(p->entry, 0);
	archive_entry_set_gid(p->entry, 0);
	if (link)
		archive_entry_set_symlink(p->entry, link);
	/* A warning is about a name that the locale cannot show. */
	if (archive_write_header(p->archive, p->entry) < ARCHIVE_WARN)
		return pack_error(p, e);
	return 0;
}

int pack_dir(struct pack *p, const char *name, struct error *e)
{
	return header(p, name, AE_IFDIR, 0755, 0, NULL, e);
}

int pack_link(struct pack *p, const char *name, const char *target, struct error *e)
{
	return header(p, name, AE_IFLNK, 0777, 0, target, e);
}

int pack_file(struct pack *p, const char *name, int fd, uint64_t size, struct error *e)
{
	uint64_t pos = 0;

	if (header(p, name, AE_IFREG, 0644, size, NULL, e) < 0)
		return -1;
	while (pos < size) {
		size_t want = size - pos < BUF_SIZE ? (size_t)(size - pos) : BUF_SIZE;
		ssize_t n = pread(fd, p->buf, want, (off_t)pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read %s", name);
		if (n == 0)
			return err_msg(e, "read %s: it is shorter than its %llu bytes", name,
				       (unsigned long long)size);
		if (archive_write_data(p->archive, p->buf, (size_t)n) != n)
			return pack_error(p, e);
		pos += (uint64_t)n;
	}
	return 0;
}

int pack_close(struct pack *p, struct error *e)
{
	int r = 0;

	if (archive_write_close(p->archive) != ARCHIVE_OK)
		r = pack_error(p, e);
	archive_write_free(p->archive);
	archive_entry_free(p->entry);
	return r;
}
