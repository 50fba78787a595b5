/* See run_ids.h. */
#include "oci/base/self.h"
#include "runtime/image/run_ids.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* FROM is {0: own id} and {1…: subordinate ids}. Container ids below ID take the first subordinate
 * ones, ID is oneself, the rest follows. */
void run_ids_keep(struct arena *a, const struct oci_id_mapping *from, size_t n, uint32_t id,
		  struct oci_id_mapping **ret, size_t *ret_len)
{
	struct oci_id_mapping *m = ARENA_ARRAY(a, 2 * n + 2, struct oci_id_mapping);
	uint32_t next = 0;
	size_t len = 0;

	m[len++] = (struct oci_id_mapping){ id, from[0].host_id, 1 };
	for (size_t i = 1; i < n; i++) {
		uint32_t host = from[i].host_id, left = from[i].size;

		while (left) {
			uint32_t size = left;

			if (next == id)
				next++;
			if (next < id && id - next < size)
				size = id - next;
			m[len++] = (struct oci_id_mapping){ next, host, size };
			next += size;
			host += size;
			left -= size;
		}
	}
	*ret = m;
	*ret_len = len;
}

int run_ids_make(struct arena *a, bool keep_id, struct idmap *ret, struct error *e)
{
	struct idmap m;

	if (!keep_id)
		return idmap_default(a, ret, e);
	if (self_uid() == 0) {
		err_msg(e, "--userns keep-id is for ordinary users");
		return err_hint(e,
				"as root the container's ids are a range of its own; -u picks one");
	}
	if (idmap_default(a, &m, e) < 0)
		return -1;
	if (m.single) {
		const char *lost = m.lost;

		idmap_single(a, self_uid(), self_gid(), ret);
		ret->lost = lost;
		return 0;
	}
	*ret = m;
	run_ids_keep(a, m.uids, m.uids_len, self_uid(), &ret->uids, &ret->uids_len);
	run_ids_keep(a, m.gids, m.gids_len, self_gid(), &ret->gids, &ret->gids_len);
	if (idmap_host_uid(ret, 0) < 0 || idmap_host_gid(ret, 0) < 0)
		return err_msg(e, "--userns keep-id: the subordinate range has no id for root");
	return 0;
}

/* The kernel compares ping_group_range by the host's numbers: from the container's gid that is
 * lowest there to the one that is highest. */
static void ping_range(const struct idmap *m, struct spec_options *s)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < m->gids_len; i++) {
		const struct oci_id_mapping *g = &m->gids[i];

		if (g->host_id < low) {
			low = g->host_id;
			s->ping_low = (int)g->container_id;
		}
		if ((uint64_t)g->host_id + g->size > high) {
			high = (uint64_t)g->host_id + g->size;
			s->ping_high = (int)(g->container_id + g->size - 1);
		}
	}
}

void run_ids_apply(const struct idmap *m, struct spec_options *s)
{
	struct statvfs v;

	s->uid_mappings = m->uids;
	s->uid_mappings_len = m->uids_len;
	s->gid_mappings = m->gids;
	s->gid_mappings_len = m->gids_len;
	s->gid5 = idmap_host_gid(m, 5) >= 0;
	ping_range(m, s);
	/* Inside another container /proc/sys is read-only, and a new procfs may not be had. Where
	 * that cannot be found out, setting them tells. */
	s->default_sysctls =
		statvfs("/proc/sys", &v) == 0 ? !(v.f_flag & ST_RDONLY) : errno != ENOENT;
}
