/*
 * One arena a command: everything that is parsed or built lives in it until the program ends.
 * Nothing is freed one by one; only descriptors, mappings and processes need cleaning up.
 * Memory that runs out: 256 KiB are kept for that, which is what taking things back needs; then it
 * ends the program with exit code 125 through exit(3), so that what was registered with atexit(3)
 * is undone.
 */
#ifndef MRUN_OCI_BASE_ARENA_H
#define MRUN_OCI_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *last;
	size_t used;
};

/* N bytes, zeroed, aligned for any type; never NULL. Owned by the arena. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, alloc_size(2)));

/* COUNT elements of SIZE bytes, zeroed; a product that overflows ends the program. */
void *arena_array(struct arena *a, size_t count, size_t size) __attribute__((malloc));

/* A larger copy of an array that ARENA_GROW filled up. */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, count, type) ((type *)arena_array((a), (count), sizeof(type)))

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Frees all of it (tests and long-living processes). */
void arena_free(struct arena *a);

/* A NULL-terminated list of strings that grows; items points into the arena. */
struct strlist {
	char **items; /* NULL until the first add; else NULL-terminated */
	size_t n, cap;
};
/* Appends S itself (not a copy). */
void strlist_add(struct arena *a, struct strlist *l, const char *s);

#endif
