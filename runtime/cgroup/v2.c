/*
 * The container's directory in the v2 hierarchy. In order: the directory and its missing parents,
 * then the controllers, which have to be listed in cgroup.subtree_control of every cgroup above it
 * (admin-guide/cgroup-v2, "Controlling Controllers"), then its type.
 *
 * A cgroup that hands controllers down may hold no processes itself ("No Internal Process
 * Constraint"): the kernel answers EBUSY then, which is kept for the message of a limit that
 * cannot be set. A controller that nothing asked for is enabled where it is easy, so that update
 * and statistics have it later, and missed without a word where it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/str.h"
#include "runtime/cgroup/internal.h"

/* As text they are at most a line of short names. */
#define LIST_MAX 512

/* Controllers that never go together with processes (admin-guide/cgroup-v2, "Threads"). */
#define DOMAIN_CTLS (1u << CTL_MEMORY | 1u << CTL_IO | 1u << CTL_HUGETLB | 1u << CTL_RDMA)

static uint32_t read_list(const char *dir, const char *file)
{
	char buf[LIST_MAX];

	return cg_read(dir, file, buf, sizeof(buf)) < 0 ? 0 : ctls_parse(buf, " \n", true);
}

static int enable_write(const char *dir, uint32_t ctls)
{
	char buf[LIST_MAX];
	size_t n = 0;

	for (int c = 0; c < CTL_CORE; c++)
		if (ctls & 1u << c)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s+%s", n ? " " : "",
					      ctl_name((enum cgroup_ctl)c, true));
	return cg_write(dir, "cgroup.subtree_control", buf);
}

/* Whether controllers for children clash with processes in DIR itself. The real root (it has no
 * cgroup.events) is exempt. Some controllers (cpu, pids) would be accepted all the same, but then
 * every child is only fit for threads: not for something that nobody asked for. */
static bool has_own_processes(const char *dir)
{
	char buf[64];

	return cg_read(dir, "cgroup.events", buf, sizeof(buf)) >= 0 &&
	       cg_read(dir, "cgroup.procs", buf, sizeof(buf)) != 0;
}

/* `systemd-run --scope -p Delegate=yes mrun …`: the cgroup is ours to arrange, but we are in it. As
 * its only process we make room, in a child that goes when systemd removes the scope. */
static void step_aside(struct cgroup *cg, const struct hierarchy *h, const char *dir)
{
	const char *leaf = arena_printf(cg->arena, "%s/mrun.%d", dir, (int)getpid());

	if (!str_eq(dir, hierarchy_dir(cg->arena, h, h->own)) || !cg_is_unit(dir) || !cg_alone(dir))
		return;
	if (mkdir(leaf, 0755) == 0 && cg_write(leaf, "cgroup.procs", "0") < 0)
		rmdir(leaf);
}

/* Hands NEEDED, and of WANTED what is to be had, down to the children of PATH. */
static void enable(struct cgroup *cg, const struct hierarchy *h, const char *path, uint32_t needed,
		   uint32_t wanted)
{
	bool top = str_eq(path, "/");
	const char *dir = hierarchy_dir(cg->arena, h, path);
	uint32_t missing = needed | wanted, here;
	int r;

	if (missing)
		missing &= ~read_list(dir, "cgroup.subtree_control");
	if (!missing)
		return;
	here = read_list(dir, "cgroup.controllers");
	if ((missing & ~here) && !top) {
		enable(cg, h, layout_parent(cg->arena, path), needed & ~here, wanted & ~here);
		here = read_list(dir, "cgroup.controllers");
	}
	missing &= here;
	if ((missing & needed) && has_own_processes(dir))
		step_aside(cg, h, dir);
	if ((missing & ~needed) && has_own_processes(dir))
		missing &= needed;
	if (!missing)
		return;
	r = enable_write(dir, missing);
	if (r == 0)
		return;
	/* The others would only spoil DIR for its children. */
	if (r == -EBUSY && (missing & needed & DOMAIN_CTLS)) {
		cg->enable_errno = EBUSY;
		cg->enable_dir = dir;
		return;
	}
	/* One that fails (cpu with real-time processes around) shall not take the others along. */
	for (int c = 0; c < CTL_CORE; c++) {
		uint32_t one = missing & 1u << c;

		if (!one)
			continue;
		r = enable_write(dir, one);
		if (r < 0 && (needed & one)) {
			cg->enable_errno = -r;
			cg->enable_dir = dir;
		}
	}
}

static int check_type(const struct hierarchy *h, uint32_t needed, struct error *e)
{
	char type[64];

	if (cg_read(h->dir, "cgroup.type", type, sizeof(type)) < 0 || str_eq(type, "domain"))
		return 0;
	if (needed & DOMAIN_CTLS) {
		err_sys(e, EOPNOTSUPP,
			"set limits in cgroup %s: it is '%s' because of processes or threads above "
			"it",
			h->dir, type);
		return err_hint(
			e, "move the processes of the parent cgroup into a child of its own, or "
			   "choose another linux.cgroupsPath");
	}
	/* Without such limits a container can live there, as runc lets it. */
	if (str_eq(type, "domain invalid")) {
		int r = cg_write(h->dir, "cgroup.type", "threaded");

		if (r < 0)
			return err_sys(e, -r, "make cgroup %s threaded", h->dir);
	}
	return 0;
}

int cgroup_make_enterable(struct cgroup *cg, struct error *e)
{
	const struct hierarchy *h = cg_find_v2(cg);

	return h && hierarchy_joined(h) ? check_type(h, 0, e) : 0;
}

int v2_create(struct cgroup *cg, struct hierarchy *h, uint32_t needed, struct error *e)
{
	const char *parent = layout_parent(cg->arena, h->path);
	uint32_t wanted;

	if (hierarchy_mkdir(cg, h, e) < 0)
		return -1;
	if (!str_eq(h->path, "/")) {
		/* Without root, higher than the parent is rarely ours: go there only if it matters.
		 * A hybrid host's v2 side is left as it is, and systemd has delegated all it knows.
		 */
		if (cg->layout != LAYOUT_UNIFIED || cg->systemd)
			wanted = 0;
		else if (cg->rootless)
			wanted = read_list(hierarchy_dir(cg->arena, h, parent),
					   "cgroup.controllers");
		else
			wanted = read_list(h->mount, "cgroup.controllers");
		enable(cg, h, parent, needed, wanted);
	}
	/* Without limits, whoever enters it finds out. */
	if (needed && check_type(h, needed, e) < 0)
		return -1;
	/* Not O_PATH: bpf(2) wants to read it. */
	cg->clone_fd = cg_open(h->dir, "", O_RDONLY | O_DIRECTORY);
	if (cg->clone_fd < 0)
		return err_sys(e, errno, "open cgroup %s", h->dir);
	return 0;
}
