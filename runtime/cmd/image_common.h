/* What the image commands share. */
#ifndef MRUN_RUNTIME_CMD_IMAGE_COMMON_H
#define MRUN_RUNTIME_CMD_IMAGE_COMMON_H

#include "oci/store/images.h"
#include "runtime/cmd/cmd.h"

/* Docker's client exits 125 when it fails itself; so do the image commands. Returns R, for the end
 * of a command. */
static inline int image_exit(int r, struct error *e)
{
	if (r < 0 && !e->exit_code)
		e->exit_code = ERR_EXIT_RUNTIME;
	return r;
}

/* Opens the store and looks REF up; the error says what is near it. */
int image_lookup(struct arena *a, struct store *s, const char *ref, const char *platform,
		 struct store_image *ret, struct error *e);
/* What the image takes unpacked, as docker counts; layers that nobody has measured yet are measured
 * now. */
int image_size(struct arena *a, const struct store *s, const struct store_image *im, uint64_t *ret,
	       struct error *e);
/* Size of one layer unpacked; likewise. */
int image_layer_size(struct arena *a, const struct store *s, const struct oci_descriptor *layer,
		     uint64_t *ret, struct error *e);
/* Prints an error of one of several objects and goes on. */
void image_complain(struct cmd_context *c, const struct error *e);

#endif
