/* See modes.h. */
#include "oci/layer/pack.h"
#include "oci/unpack/confine.h"
#include "oci/unpack/modes.h"

static int pack_one(struct pack *p, const struct request_entry *r, struct error *e)
{
	if (r->dir)
		return pack_dir(p, r->name, e);
	if (r->link)
		return pack_link(p, r->name, r->link, e);
	if (!r->fd || !r->size)
		return err_msg(e, "the request has no content for %s", r->name);
	return pack_file(p, r->name, (int)*r->fd, *r->size, e);
}

int mode_pack(struct arena *a, const struct request *q, struct error *e)
{
	int *keep = ARENA_ARRAY(a, q->entries_len + 2, int);
	unsigned n = 0;
	struct pack *p;

	if (!q->out)
		return err_msg(e, "the request has no output");
	keep[n++] = REPLY_FD;
	keep[n++] = (int)*q->out;
	for (size_t i = 0; i < q->entries_len; i++)
		if (q->entries[i].fd)
			keep[n++] = (int)*q->entries[i].fd;
	if (confine_enter(-1, false, keep, n, e) < 0 || confine_filter(false, e) < 0)
		return -1;
	p = pack_open(a, (int)*q->out, e);
	if (!p)
		return -1;
	for (size_t i = 0; i < q->entries_len; i++)
		if (pack_one(p, &q->entries[i], e) < 0)
			return err_wrap(e, "entry %s", q->entries[i].name);
	return pack_close(p, e);
}
