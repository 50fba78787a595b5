/*
 * Slots: where a container's own files lie, the overlay's upper and work directories, below the
 * cache directory of its id mapping (so that they are on the layers' file system and the mapped
 * root's).
 *
 *   run/<n>        carries an exclusive flock(2) while a container uses it
 *       u, w       upper and work directory
 *       keep       the state directory of a container that may outlive the run (--keep, -d): the
 *                  slot is its until that directory is gone
 *       log, log.1 what such a container wrote (output_log.h)
 *
 * A slot is used again by the next run: making a directory is what costs most of a start on a slow
 * disk. One whose container wrote something, or that a killed mrun left behind, is emptied first,
 * from inside the user namespace: the files may be the subordinate ids'.
 */
#ifndef MRUN_RUNTIME_IMAGE_SLOT_H
#define MRUN_RUNTIME_IMAGE_SLOT_H

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/init/idmap.h"

struct slot {
	int fd;		  /* the directory, locked; -1: none */
	const char *name; /* "run/3", relative to cache_fd */
	int cache_fd;	  /* not ours to close */
};

/* Takes a slot; TOP is the name of the uppermost layer's directory below CACHE_FD, whose owner,
 * mode and times the root of the merged tree gets. KEEP: the container's state directory, absolute,
 * to be written into `keep`; NULL: none. */
int slot_take(struct arena *a, int cache_fd, const char *top, const struct idmap *m,
	      const char *keep, struct slot *ret, struct error *e);
/* Its path, for slot_forget(). */
const char *slot_path(struct arena *a, const struct slot *s, struct error *e);

/* What stays in the slot when the run is over. */
enum slot_stays {
	SLOT_NOTHING,
	SLOT_LOG,   /* `keep` and the log */
	SLOT_FILES, /* all of it */
};
/* Empties the slot but for what stays, and lets it go. What cannot be emptied now is emptied by the
 * next run. */
void slot_release(struct arena *a, struct slot *s, const struct idmap *m, enum slot_stays stays);
/* The container whose state directory was KEEP has been deleted: empties its slot at PATH, if that
 * is still its own. */
void slot_forget(struct arena *a, const char *path, const char *keep);

#endif
