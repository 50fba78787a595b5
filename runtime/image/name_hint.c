/* See name_hint.h. */
#include "runtime/image/name_hint.h"

#include "runtime/image/source.h"

bool name_hint_is_image(struct arena *a, const char *word)
{
	struct source src;
	struct image image;
	struct error ignored;

	/* A source would be loaded by looking: a name is enough here. */
	if (source_parse(a, word, true, &src))
		return true;
	return image_resolve(a, word, NULL, &image, &ignored) == 0;
}
