/* Platforms (image-spec image-index.md): which of an index's manifests this machine runs. */
#ifndef MRUN_OCI_IMAGE_PLATFORM_H
#define MRUN_OCI_IMAGE_PLATFORM_H

#include <stddef.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/image/image.h"

/* "os/arch[/variant]", "arch" or "os" as containerd takes them; NULL: this machine's. Aliases are
 * normalised (x86_64 is amd64, aarch64 is arm64). */
int platform_parse(struct arena *a, const char *s, struct oci_platform *ret, struct error *e);
/* "linux/arm/v7", from the arena; parts that are missing are left out. */
char *platform_format(struct arena *a, const struct oci_platform *p);
/* How well HAVE runs on WANT: 0 not at all, else the higher the better (the exact variant first,
 * then the next lower one: v7, v6, v5). */
unsigned platform_rank(const struct oci_platform *want, const struct oci_platform *have);

/* Whether D is no image but an attestation (BuildKit puts them into its indexes as os "unknown").
 */
bool platform_is_unknown(const struct oci_descriptor *d);
/* The manifest of X for WANT; those of unknown platform (attestations) are passed over. NULL with
 * an error that lists what is there. NAME is for messages. */
const struct oci_descriptor *platform_choose(struct arena *a, const struct oci_index *x,
					     const struct oci_platform *want, const char *name,
					     struct error *e);

#endif
