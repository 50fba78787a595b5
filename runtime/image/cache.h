/* The unpack cache's directories (layout: layers.h): opening, entries and their locks. */
#ifndef MRUN_RUNTIME_IMAGE_CACHE_H
#define MRUN_RUNTIME_IMAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/init/idmap.h"

#define CACHE_TMP "tmp-" /* being made, or removed */
#define CACHE_WHAT "the cache directory"
#define CACHE_HEX 20 /* digits of a digest in a name: 127 names fit into one page of options */

enum cache_kind { CACHE_DIFF, CACHE_CHAIN, CACHE_FLAT, CACHE_ROOT };

/* What `meta` says of an entry. */
struct cache_meta {
	char key[65];  /* the whole digest that the name is cut from */
	char diff[65]; /* the diffID of the layer itself, of the topmost one for CACHE_FLAT */
	bool root_given, root_default;
	uint64_t entries, bytes;
};

struct cache_entry {
	char *name; /* below the cache directory */
	int lock;   /* the directory, opened, with a shared lock; -1: none */
	struct cache_meta meta;
};

/* Opens $XDG_CACHE_HOME/mrun/layers, made when MAKE. -1; e->code is ENOENT when it is missing. */
int cache_open_top(struct arena *a, bool make, struct error *e);
/* The directory for mapping M in it, made, owned by the mapped root. */
int cache_open(struct arena *a, const struct idmap *m, struct error *e);
/* The exclusive lock of who changes the cache directory FD: waits for another one unless NOWAIT
 * (then -1 with e->code EWOULDBLOCK). */
int cache_lock(int fd, bool nowait, struct error *e);

/* The mapping that a cache directory is named after (idmap_key()); false: it is not such a name. */
bool cache_parse_key(struct arena *a, const char *key, struct idmap *ret);
char *cache_name(struct arena *a, enum cache_kind kind, const char *hex);
/* Looks an entry up and takes its shared lock: 1, 0 when it is not there (or not whole), -1. */
int cache_find(struct arena *a, int fd, enum cache_kind kind, const char *hex,
	       struct cache_entry *ret, struct error *e);
/* Makes a temporary directory for an entry, owned by the mapped root, and opens it. */
int cache_make_tmp(struct arena *a, int fd, const struct idmap *m, struct cache_entry *ret,
		   struct error *e);
/* Gives a finished temporary directory its name; its lock becomes a shared one. The caller has the
 * cache lock and has synced the file system. */
int cache_commit(struct arena *a, int fd, enum cache_kind kind, struct cache_entry *entry,
		 struct error *e);
/* Removes directories of the cache, from inside the mapping where that is needed. */
int cache_remove(struct arena *a, int fd, char **names, const struct idmap *m, struct error *e);
/* Removes what crashed runs left. The caller has the cache lock. */
int cache_clean(struct arena *a, int fd, const struct idmap *m, struct error *e);
/* Reads an entry's meta: 1; 0 when it has none; -errno. */
int cache_read_meta(int entry_fd, struct cache_meta *ret);

#endif
