/* See json_memory.h. Nothing is freed on its own: a freed block is simply left. */
#include "oci/base/json_memory.h"

#include <string.h>

/* Before each block its size, which realloc must know. */
static void *json_malloc(void *ctx, size_t n)
{
	size_t *p = arena_alloc(ctx, n + 2 * sizeof(size_t));

	p[0] = n;
	return p + 2;
}

static void *json_realloc(void *ctx, void *old, size_t n)
{
	void *p;

	if (old && ((size_t *)old)[-2] >= n)
		return old;
	p = json_malloc(ctx, n);
	if (old)
		memcpy(p, old, ((size_t *)old)[-2]);
	return p;
}

static void json_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

yajl_alloc_funcs json_memory(struct arena *a)
{
	return (yajl_alloc_funcs){ json_malloc, json_realloc, json_free, a };
}
