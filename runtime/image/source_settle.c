/*
 * An image from a source that is about to be unpacked: inflating a layer is most of the work, and
 * to look at its diffID first would be to do it twice. So it stays in the staging directory until
 * its layers are unpacked, which finds out the diffIDs, and all its blobs have been digested; then
 * the store gets it.
 */
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/image/source_load.h"

void image_pending_drop(struct image_pending *p)
{
	digest_thread_end(p->digests);
	staging_end(&p->staging);
	store_close(&p->store);
}

void image_drop(struct image *im)
{
	if (im->pending)
		image_pending_drop(im->pending);
	im->pending = NULL;
}

int image_unpack_failed(const struct image *im, struct error *e)
{
	struct error why;

	if (!im->pending)
		return -1;
	err_clear(&why);
	/* What is wrong with the blob is the reason, and not what that made of its content. */
	if (digest_thread_check(im->pending->digests, &why) < 0)
		*e = why;
	return err_wrap(e, "load image from %s", im->pending->label);
}

/* Of a layer that was in the cache already the size is not known: 'images' finds it out. */
static void note_size(struct arena *a, struct image *im, const struct deferred_layer *x)
{
	for (size_t i = 0; i < im->layers_len; i++)
		if (im->layers[i].diff_size && str_eq(im->layers[i].digest, x->blob.digest)) {
			staging_diff_put(a, &im->pending->staging, x->blob.digest, x->diff_id,
					 im->layers[i].diff_size);
			break;
		}
}

int image_settle(struct arena *a, struct image *im, struct error *e)
{
	struct image_pending *p = im->pending;
	struct staging_entry *entries;

	if (!p)
		return 0;
	if (digest_thread_check(p->digests, e) < 0)
		return image_unpack_failed(im, e);
	for (const struct deferred_layer *x = p->deferred; x; x = x->next)
		note_size(a, im, x);
	entries = ARENA_ARRAY(a, p->images.n, struct staging_entry);
	for (size_t i = 0; i < p->images.n; i++)
		entries[i] = p->images.items[i].entry;
	if (staging_commit(a, &p->staging, entries, p->images.n, e) < 0)
		return image_unpack_failed(im, e);
	close(im->blobs_fd);
	im->blobs_fd = fd_take(&p->store.blobs);
	for (size_t i = 0; i < im->layers_len; i++) {
		im->layers[i].digested = false;
		im->layers[i].digests = NULL;
	}
	image_drop(im);
	return 0;
}
