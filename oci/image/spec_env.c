/*
 * The process's environment, in docker's order: defaults, image, options; a later one of the same
 * name takes the earlier one's place. The image's entries are data: one without '=' would make
 * docker's command line import the caller's variable of that name, here it is dropped
 * (CVE-2026-57231). Only what the user typed imports, and that happened before (runtime/image).
 */
#include <string.h>

#include "oci/base/str.h"
#include "oci/image/to_spec.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Sets or replaces "K=V"; without '=' removes K. */
static void put(struct arena *a, struct strlist *l, const char *entry)
{
	size_t name = strcspn(entry, "=");
	bool unset = !entry[name];

	for (size_t i = 0; i < l->n; i++) {
		if (strncmp(l->items[i], entry, name) != 0 || l->items[i][name] != '=')
			continue;
		if (!unset) {
			l->items[i] = arena_strdup(a, entry);
			return;
		}
		memmove(&l->items[i], &l->items[i + 1], (l->n - i) * sizeof(l->items[0]));
		l->n--;
		return;
	}
	if (!unset)
		strlist_add(a, l, arena_strdup(a, entry));
}

/* A name is what a shell could at least print: no control characters nor blanks. A value may hold
 * anything (PEM keys have newlines). */
static bool well_formed(const char *entry)
{
	const char *eq = strchr(entry, '=');

	if (!eq || eq == entry)
		return false;
	for (const unsigned char *p = (const unsigned char *)entry; p < (const unsigned char *)eq;
	     p++)
		if (*p <= 0x20 || *p == 0x7f)
			return false;
	return true;
}

char **spec_env(struct arena *a, char *const *image_env, const struct spec_options *o,
		struct strlist *warnings)
{
	struct strlist l = { 0 };
	unsigned bad = 0;

	put(a, &l, DEFAULT_PATH);
	put(a, &l, arena_printf(a, "HOSTNAME=%s", o->hostname));
	if (o->tty)
		put(a, &l, "TERM=xterm");
	for (; image_env && *image_env; image_env++) {
		if (well_formed(*image_env))
			put(a, &l, *image_env);
		else
			bad++;
	}
	for (char *const *p = o->env; p && *p; p++)
		put(a, &l, *p);
	if (bad)
		strlist_add(a, warnings,
			    arena_printf(a, "%u malformed Env %s of the image left out", bad,
					 bad == 1 ? "entry" : "entries"));
	return l.items;
}
