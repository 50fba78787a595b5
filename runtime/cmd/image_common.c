/* See image_common.h. */
#include "runtime/cmd/image_common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "runtime/image/unpacker.h"

int image_lookup(struct arena *a, struct store *s, const char *ref, const char *platform,
		 struct store_image *ret, struct error *e)
{
	const struct oci_descriptor *entry = NULL;
	struct oci_platform want;
	struct oci_index *x = store_index(a, s, e);
	int r;

	if (!x || platform_parse(a, platform, &want, e) < 0)
		return -1;
	r = store_find(a, s, x, ref, &want, &entry, e);
	if (r < 0)
		return -1;
	if (r == 0)
		return store_not_found(a, x, ref, false, e);
	return store_image_read(a, s, entry, platform ? &want : NULL, ref, ret, e);
}

static int measure(struct arena *a, const struct store *s, const struct oci_descriptor *layer,
		   struct error *e)
{
	_cleanup_fd_ int fd = store_open_blob(s, layer, e);
	struct blob_info info;
	const char *digest;

	if (fd < 0)
		return -1;
	digest = digest_copy(a, fd, -1, (uint64_t)layer->size, layer->digest, NULL, e);
	if (!digest)
		return -1;
	if (!str_eq(digest, layer->digest))
		return err_msg(e, "blob %s in the image store has digest %s", layer->digest,
			       digest);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read blob %s", digest);
	if (unpacker_digest(a, fd, &info, e) < 0)
		return -1;
	store_diff_put(a, s, layer->digest, info.diff_id, info.diff_size);
	return 0;
}

int image_size(struct arena *a, const struct store *s, const struct store_image *im, uint64_t *ret,
	       struct error *e)
{
	const struct oci_descriptor *missing = NULL;

	/* Each layer is measured at most once: an unwritable cache must not make this endless. */
	for (size_t i = 0; i <= im->manifest->layers_len; i++) {
		if (store_image_size(a, s, im->manifest, ret, &missing))
			return 0;
		if (measure(a, s, missing, e) < 0)
			return err_wrap(e, "measure the image");
	}
	return err_msg(e, "measure the image: cannot remember sizes in %s", s->path);
}

int image_layer_size(struct arena *a, const struct store *s, const struct oci_descriptor *layer,
		     uint64_t *ret, struct error *e)
{
	struct oci_manifest m = { .layers = (struct oci_descriptor *)(uintptr_t)layer,
				  .layers_len = 1 };
	struct store_image im = { .manifest = &m };

	return image_size(a, s, &im, ret, e);
}

void image_complain(struct cmd_context *c, const struct error *e)
{
	fprintf(stderr, "%s: %s\n", c->program, e->msg);
	if (*e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
}
