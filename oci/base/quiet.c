/* See quiet.h. The kernel maps 64 KiB of an executable around each page that is touched, so what
 * lies between giving back and waiting must be this one function and syscall(3). */
#include "oci/base/quiet.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOMENT_MS 200
#define STACK_USED (256u * 1024) /* more than the deepest call takes */
#define MAX_RANGES 16

struct ranges {
	struct range {
		uintptr_t from, len;
	} items[MAX_RANGES];
	unsigned n;
	uintptr_t page;
};

static void add(struct ranges *r, uintptr_t from, uintptr_t len)
{
	if (r->n < MAX_RANGES)
		r->items[r->n++] = (struct range){ from, len };
}

/* What the program never writes to. */
static int add_segments(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct ranges *r = ctx;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(r->page - 1);

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			add(r, from, info->dlpi_addr + p->p_vaddr + p->p_memsz - from);
	}
	return 0;
}

static int __attribute__((noinline))
give_back_and_wait(const struct ranges *r, struct pollfd *p, nfds_t n)
{
	for (unsigned i = 0; i < r->n; i++)
		syscall(SYS_madvise, r->items[i].from, r->items[i].len, MADV_DONTNEED);
	return (int)syscall(SYS_ppoll, p, n, NULL, NULL, 0);
}

int quiet_poll(struct pollfd *p, nfds_t n)
{
	struct ranges r = { .page = (uintptr_t)sysconf(_SC_PAGESIZE) };
	uintptr_t below = ((uintptr_t)__builtin_frame_address(0) & ~(r.page - 1)) - 2 * r.page;
	int ready = poll(p, n, MOMENT_MS);

	if (ready != 0)
		return ready;
	malloc_trim(0);
	add(&r, below - STACK_USED, STACK_USED);
	dl_iterate_phdr(add_segments, &r);
	return give_back_and_wait(&r, p, n);
}
