/*
 * Writes resources into the container's directories. The kernel checks some files against each
 * other (memory against memory+swap, quota against burst, …) and which order it accepts depends on
 * the present values, so what it refuses with EINVAL is tried again after the rest was written.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/systemd.h"

#define DELEGATE_USER                                                        \
	"as root put [Service] and Delegate=cpu cpuset io memory pids into " \
	"/etc/systemd/system/user@.service.d/delegate.conf and log in again"
#define DELEGATE_HINT \
	"delegate it: run `systemd-run --user --scope -p Delegate=yes mrun …`, or " DELEGATE_USER
#define V1_HINT                                                                                 \
	"cgroup v1 has no delegation to users: run as root, leave the limit out, or boot with " \
	"systemd.unified_cgroup_hierarchy=1"

static bool is_permission(int errnum)
{
	return errnum == EACCES || errnum == EPERM || errnum == EROFS;
}

int cgroup_hint_delegate(const struct cgroup *cg, struct error *e)
{
	if (!cg->rootless)
		return err_hint(e, "even root may not write there: inside a container, its cgroups "
				   "have to be delegated and mounted read-write");
	if (cg->systemd && cg->systemd->user && cg->layout == LAYOUT_UNIFIED)
		return err_hint(e, "systemd does not hand it to you: " DELEGATE_USER);
	return err_hint(e, "%s", cg->layout == LAYOUT_UNIFIED ? DELEGATE_HINT : V1_HINT);
}

/* The one message for a limit whose controller the container's cgroup does not have. */
static int not_available(const struct cgroup *cg, const struct hierarchy *h,
			 const struct setting *s, int errnum, struct error *e)
{
	const char *name = ctl_name(s->ctl, h && h->v2);

	if (!name)
		name = ctl_name(s->ctl, false);
	if (cg->disabled) {
		err_msg(e, "set %s: cgroups are disabled", s->field);
		return err_hint(e, "leave out --cgroup-manager disabled, or the limit");
	}
	if (h && cg->enable_dir && cg->enable_errno == EBUSY) {
		err_sys(e, EBUSY,
			"set %s: controller %s cannot be enabled in cgroup %s, which has processes "
			"of "
			"its own",
			s->field, name, cg->enable_dir);
		return err_hint(e,
				"a cgroup v2 holds processes or hands out controllers, not both: "
				"move them into a child first, or choose another "
				"linux.cgroupsPath");
	}
	/* Without the words of ENOENT: docker and podman take them for a missing program (127). */
	if (h && hierarchy_joined(h) && errnum == ENOENT)
		err_msg(e, "set %s: controller %s is not available in cgroup %s", s->field, name,
			h->dir);
	else if (h && hierarchy_joined(h))
		err_sys(e, errnum, "set %s: controller %s is not available in cgroup %s", s->field,
			name, h->dir);
	else if (h)
		err_sys(e, errnum ? errnum : EACCES,
			"set %s: no right to make cgroup %s for controller %s", s->field, h->dir,
			name);
	else
		err_msg(e, "set %s: this host has no cgroup controller %s mounted", s->field, name);
	if (cg->rootless || is_permission(cg->enable_errno))
		return cgroup_hint_delegate(cg, e);
	return -1;
}

static bool controller_present(const struct hierarchy *h, enum cgroup_ctl ctl)
{
	char buf[512];

	if (!h->v2 || ctl == CTL_CORE)
		return true;
	return cg_read(h->dir, "cgroup.controllers", buf, sizeof(buf)) > 0 &&
	       (ctls_parse(buf, " ", true) & 1u << ctl);
}

static int write_failed(const struct cgroup *cg, const struct hierarchy *h, const struct setting *s,
			int errnum, struct error *e)
{
	char usage[64];

	if ((errnum == ENOENT || is_permission(errnum)) && !controller_present(h, s->ctl))
		return not_available(cg, h, s, cg->enable_errno ? cg->enable_errno : errnum, e);
	err_sys(e, errnum, "set %s: write '%s' to %s/%s", s->field, s->value, h->dir, s->file);
	if (is_permission(errnum) && cg->rootless)
		return cgroup_hint_delegate(cg, e);
	if (errnum == ENOENT)
		return err_hint(e, "this kernel, or its I/O scheduler, does not have that setting");
	if (errnum == EBUSY && s->ctl == CTL_MEMORY &&
	    cg_read(h->dir, "memory.usage_in_bytes", usage, sizeof(usage)) > 0)
		return err_hint(e, "the container uses %s bytes now, which could not be reclaimed",
				usage);
	return -1;
}

static int write_setting(const struct hierarchy *h, const struct setting *s)
{
	int r = cg_write(h->dir, s->file, s->value);

	if (r == -ENOENT && s->alt_file)
		r = cg_write(h->dir, s->alt_file, s->alt_value);
	return r;
}

static const struct hierarchy *setting_hierarchy(const struct cgroup *cg, const struct setting *s)
{
	const struct hierarchy *h = cg_find(cg, s->ctl);

	return h ? h : cg_find_v2(cg);
}

/* 0: done with it, 1: try again later, -1: error. */
static int apply_one(const struct cgroup *cg, const struct setting *s, bool last, struct error *e)
{
	const struct hierarchy *h = setting_hierarchy(cg, s);
	int r;

	if (!h || !hierarchy_joined(h))
		return s->relax ? 0 : not_available(cg, h, s, 0, e);
	r = write_setting(h, s);
	if (r == 0 || (r == -ENOENT && (s->optional || s->relax)))
		return 0;
	if (is_permission(-r) && s->relax && cg->rootless)
		return 0;
	if (r == -EINVAL && !last)
		return 1;
	return write_failed(cg, h, s, -r, e);
}

static int apply_all(const struct cgroup *cg, const struct settings *s, struct error *e)
{
	const struct setting **left = ARENA_ARRAY(cg->arena, s->n + 1, const struct setting *);
	size_t n = s->n;

	for (size_t i = 0; i < n; i++)
		left[i] = &s->items[i];
	for (bool progress = true; n;) {
		size_t kept = 0;

		for (size_t i = 0; i < n; i++) {
			int r = apply_one(cg, left[i], !progress, e);

			if (r < 0)
				return -1;
			if (r)
				left[kept++] = left[i];
		}
		progress = kept < n;
		n = kept;
	}
	return 0;
}

static int64_t read_max(const char *dir, const char *file)
{
	char buf[64];
	int64_t v;

	if (cg_read(dir, file, buf, sizeof(buf)) <= 0)
		return -2;
	buf[strcspn(buf, " ")] = 0;
	if (str_eq(buf, "max"))
		return -1;
	return str_to_i64(buf, &v) ? v : -2;
}

/* The controllers that the v2 hierarchy of a hybrid host keeps for itself. */
static uint32_t hybrid_ctls(const struct cgroup *cg)
{
	const struct hierarchy *h = cg_find_v2(cg);
	char buf[512];

	if (!h || cg_read(h->mount, "cgroup.controllers", buf, sizeof(buf)) <= 0)
		return 0;
	return ctls_parse(buf, " ", true);
}

/* A device's entry has to have one of both (config-linux.md, Block IO). */
static int check_weights(const struct oci_block_io *b, struct error *e)
{
	for (size_t i = 0; b && i < b->weight_device_len; i++)
		if (!b->weight_device[i].weight && !b->weight_device[i].leaf_weight)
			return err_msg(e,
				       "linux.resources.blockIO.weightDevice[%zu]: it has neither "
				       "weight nor leafWeight",
				       i);
	return 0;
}

int apply_settings(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		   struct settings *ret, struct error *e)
{
	struct settings_now now = { -2, -1 };
	const struct hierarchy *v2 = cg_find_v2(cg);
	struct settings s, other;
	uint32_t v1_ctls = 0, moved;

	*ret = (struct settings){ 0 };
	if (!r)
		return 0;
	if (check_weights(r->block_io, e) < 0)
		return -1;
	if (v2 && !fresh && (r->memory || r->cpu)) {
		now.memory_limit = read_max(v2->dir, "memory.max");
		now.cpu_quota = read_max(v2->dir, "cpu.max");
	}
	if (cg->layout == LAYOUT_UNIFIED)
		return settings_v2(cg->arena, r, &now, ret, e);
	if (settings_v1(cg->arena, r, &s, e) < 0)
		return -1;
	for (size_t i = 0; i < cg->n; i++)
		v1_ctls |= cg->h[i].ctls;
	moved = settings_needed(&s) & ~v1_ctls;
	if (moved)
		moved &= hybrid_ctls(cg);
	if (moved) {
		if (settings_v2(cg->arena, r, &now, &other, e) < 0)
			return -1;
		for (size_t i = 0; i < s.n; i++)
			if (!(moved & 1u << s.items[i].ctl))
				*settings_add(cg->arena, ret, CTL_CORE, "", "", "") = s.items[i];
		for (size_t i = 0; i < other.n; i++)
			if (moved & 1u << other.items[i].ctl)
				*settings_add(cg->arena, ret, CTL_CORE, "", "", "") =
					other.items[i];
		return 0;
	}
	*ret = s;
	return 0;
}

/* memory.checkBeforeUpdate: rather refuse than have the kernel reclaim and kill. */
static int check_usage(const struct cgroup *cg, const struct oci_memory *m, struct error *e)
{
	const struct hierarchy *h = cg_find(cg, CTL_MEMORY);
	const int64_t *limits[] = { m->limit, m->swap };
	char buf[64];
	uint64_t usage;

	if (!m->check_before_update || !*m->check_before_update)
		return 0;
	if (!h)
		h = cg_find_v2(cg);
	if (!h ||
	    cg_read(h->dir, h->v2 ? "memory.current" : "memory.usage_in_bytes", buf, sizeof(buf)) <=
		    0 ||
	    !str_to_u64(buf, UINT64_MAX, &usage))
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (limits[i] && *limits[i] > 0 && (uint64_t)*limits[i] <= usage)
			return err_msg(e,
				       "set linux.resources.memory.%s: %lld is not more than the "
				       "%llu bytes in use",
				       i ? "swap" : "limit", (long long)*limits[i],
				       (unsigned long long)usage);
	return 0;
}

int apply_devices(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		  struct error *e)
{
	const struct hierarchy *h = cg_find(cg, CTL_DEVICES), *v2 = cg_find_v2(cg);
	struct device_rule *rules;
	size_t n;
	int ret = -1;

	if (!r)
		return 0;
	if (devices_rules(cg->arena, r->devices, r->devices_len, &rules, &n, e) < 0)
		return -1;
	if (!n || cg->disabled)
		return 0;
	if (h && hierarchy_joined(h)) {
		ret = devices_apply_v1(cg->arena, h->dir, rules, n, e);
	} else if (!h && v2 && hierarchy_joined(v2)) {
		_cleanup_fd_ int own = -1;
		int fd = cg->clone_fd;

		if (fd < 0)
			fd = own = open(v2->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = fd < 0 ? err_sys(e, errno, "open cgroup %s", v2->dir)
			     : devices_attach_v2(cg->arena, fd, fresh && v2->state == HIER_MADE,
						 rules, n, e);
	} else if (!cg->rootless) {
		return err_msg(e,
			       "set linux.resources.devices: the container has no cgroup for them");
	}
	/* Clients always send device rules. Without root they can't be set, and need not be: a user
	 * namespace can't make device nodes. */
	if (ret < 0 && cg->rootless) {
		err_clear(e);
		return 0;
	}
	return ret;
}

int apply_resources(const struct cgroup *cg, const struct oci_resources *r, bool fresh,
		    struct error *e)
{
	struct settings s;

	if (!r)
		return 0;
	if (apply_settings(cg, r, fresh, &s, e) < 0 ||
	    (!fresh && r->memory && check_usage(cg, r->memory, e) < 0))
		return -1;
	/* Before the files, as it writes some of them, rounded. */
	if (!fresh && cg->systemd && systemd_set(cg, r, e) < 0)
		return -1;
	return apply_all(cg, &s, e);
}
