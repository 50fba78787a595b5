/* See arena.h: a bump allocator over chunks; the first chunk is part of the program's .bss, so that
 * a small command never asks the kernel for memory. */
#include "oci/base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/base/error.h"

#define FIRST_SIZE (256 * 1024)
#define CHUNK_SIZE (1024 * 1024)
#define ALIGNMENT 16

struct arena_chunk {
	struct arena_chunk *prev;
	size_t size;
	_Alignas(ALIGNMENT) char data[];
};

static _Alignas(4096) char first[FIRST_SIZE];
static bool first_taken;
/* For when the kernel has no more: who has made half of a container needs some to take it back. */
static _Alignas(4096) char reserve[FIRST_SIZE];
static bool reserve_taken;

static _Noreturn void out_of_memory(void)
{
	static bool ending;

	/* Undoing takes memory, too. */
	if (ending)
		_exit(ERR_EXIT_RUNTIME);
	ending = true;
	fputs("mrun: out of memory\n", stderr);
	exit(ERR_EXIT_RUNTIME);
}

/* Under the address sanitizer each piece is its own block, so that a byte too far is seen. */
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

/* Pages that the kernel zeroes when they are touched, and not before: malloc's would be cleared,
 * and so made resident, at once. */
static struct arena_chunk *chunk_new(size_t want)
{
	size_t size =
		sizeof(struct arena_chunk) + (SANITIZED || want > CHUNK_SIZE ? want : CHUNK_SIZE);
	struct arena_chunk *c;

	if (SANITIZED) {
		c = calloc(1, size);
	} else if (!first_taken && sizeof(*c) + want <= sizeof(first)) {
		first_taken = true;
		c = (struct arena_chunk *)first;
		size = sizeof(first);
	} else {
		c = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c == MAP_FAILED)
			c = NULL;
	}
	if (!c && !reserve_taken && sizeof(*c) + want <= sizeof(reserve)) {
		reserve_taken = true;
		c = (struct arena_chunk *)reserve;
		size = sizeof(reserve);
	}
	if (!c)
		out_of_memory();
	c->size = size - sizeof(*c);
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t want = n;

	if (n > SIZE_MAX / 2)
		out_of_memory();
	if (!SANITIZED)
		want = n ? (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
	if (SANITIZED || !a->last || a->last->size - a->used < want) {
		struct arena_chunk *c = chunk_new(want);

		c->prev = a->last;
		a->last = c;
		a->used = 0;
	}
	a->used += want;
	return a->last->data + a->used - want;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		out_of_memory();
	return arena_alloc(a, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		out_of_memory();
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void arena_free(struct arena *a)
{
	while (a->last) {
		struct arena_chunk *prev = a->last->prev;
		bool ours = a->last == (struct arena_chunk *)first ||
			    a->last == (struct arena_chunk *)reserve;

		/* The two of ours are given once: they would have to be cleared. */
		if (SANITIZED && !ours)
			free(a->last);
		else if (!ours)
			munmap(a->last, sizeof(*a->last) + a->last->size);
		a->last = prev;
	}
	a->used = 0;
}

void strlist_add(struct arena *a, struct strlist *l, const char *s)
{
	if (l->n + 2 > l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		char **items = ARENA_ARRAY(a, cap, char *);

		if (l->n)
			memcpy(items, l->items, l->n * sizeof(char *));
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = (char *)(uintptr_t)s;
	l->items[l->n] = NULL;
}
