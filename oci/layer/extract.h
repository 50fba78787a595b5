/*
 * A layer's tar onto disk (image-spec, layer.md, "Applying Changesets"). The result is what umoci
 * makes of it as root, entry by entry.
 */
#ifndef MRUN_OCI_LAYER_EXTRACT_H
#define MRUN_OCI_LAYER_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/layer/tar.h"

enum extract_form {
	/* Into an empty directory that becomes a layer of an overlay with userxattr: whiteouts
	 * become 0:0 character devices, opaque directories get user.overlay.opaque. What only a
	 * lower layer can decide makes extract_run return EXTRACT_NEEDS_LOWER. */
	EXTRACT_LAYER,
	/* Onto what the lower layers made (a merged overlay, or one directory for all): whiteouts
	 * remove. */
	EXTRACT_APPLY,
};

struct extract_options {
	int root_fd;
	enum extract_form form;
	bool bottom; /* nothing lies below, so nothing can depend on it, and the root is empty */
	bool userns; /* not the host's root: devices are left out, trusted.* is dropped */
	bool single; /* only one id is mapped: owners are not applied */
	uint64_t max_bytes, max_entries;
};

struct extract_result {
	bool independent; /* EXTRACT_LAYER: means the same above any other layer */
	bool root_given;  /* the layer says what its root directory is like */
	uint64_t entries, bytes;
	/* What could not be kept: device nodes, extended attributes, owners. */
	uint64_t devices, xattrs, owners;
};

#define EXTRACT_NEEDS_LOWER 1

/* Applies every entry of T. 0, EXTRACT_NEEDS_LOWER (the directory then holds a part), or -1 with
 * the entry's name in the message. */
int extract_run(struct arena *a, struct tar *t, const struct extract_options *o,
		struct extract_result *ret, struct error *e);

#endif
