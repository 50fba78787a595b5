/* See undo.h. */
#include "oci/base/undo.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static struct undo *last;

/* Each is taken off before it runs: memory may run out there as well. */
static void undo_all(void)
{
	while (last) {
		struct undo *u = last;

		last = u->next;
		if (u->pid == getpid())
			u->run(u->arg);
	}
}

void undo_push(struct undo *u, void (*run)(void *arg), void *arg)
{
	static bool registered;

	if (!registered)
		registered = atexit(undo_all) == 0;
	*u = (struct undo){ run, arg, getpid(), last };
	last = u;
}

void undo_pop(struct undo *u)
{
	for (struct undo **p = &last; *p; p = &(*p)->next)
		if (*p == u) {
			*p = u->next;
			break;
		}
}
