/* What the parts of the floor share: floor.c (ids, the life), floor_child.c (the container's first
 * process up to exec), floor_cgroup.c. */
#ifndef MRUN_TESTS_BENCH_FLOOR_H
#define MRUN_TESTS_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_CGROUPS = 16 };

enum mapping { MAPPING_NONE, MAPPING_RANGE, MAPPING_SINGLE, MAPPING_SUBIDS };

struct plan {
	enum mapping mapping;
	unsigned long base; /* the range's first id outside, with MAPPING_RANGE */
	const char *rootfs;
	const char *overlay;
	const char *scratch;
	const char *cgroup2;
	const char *cgroup1[MAX_CGROUPS];
	size_t cgroup1_count;
	const char *shown[MAX_CGROUPS];
	size_t shown_count;
	bool cgroup_ns, cgroup_mount, devices, masks, host_net, host_sys, read_only;
	char **argv;
	/* made on the way */
	int pid;       /* the parent's, outside: names what is made */
	char dir[256]; /* of this run, below scratch */
	char root[512];
	char overlay_options[2048];
	int cgroup2_fd;
	int tasks_fds[MAX_CGROUPS];
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TRY(call)                    \
	do {                         \
		if ((call) < 0)      \
			fail(#call); \
	} while (0)

_Noreturn void fail(const char *what);
void write_file(int dir_fd, const char *path, const char *text);

/* floor_child.c */
_Noreturn void child(const struct plan *plan, int sync_fd);

/* floor_cgroup.c: made before the clone; the child enters those of v1 itself, since the kernel
 * makes others wait for a grace period; mounted by the child in its working directory's
 * sys/fs/cgroup. */
void cgroups_make(struct plan *plan);
void cgroups_enter(const struct plan *plan);
void cgroups_mount(const struct plan *plan);
void cgroups_show(const struct plan *plan);
void cgroups_remove(const struct plan *plan);

#endif
