/* Whether a word that was given elsewhere is the name of an image in the store: for hints. */
#ifndef MRUN_RUNTIME_IMAGE_NAME_HINT_H
#define MRUN_RUNTIME_IMAGE_NAME_HINT_H

#include <stdbool.h>

#include "oci/base/arena.h"

bool name_hint_is_image(struct arena *a, const char *word);

#endif
