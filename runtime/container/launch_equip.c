/* See launch_equip.h. */
#include "runtime/container/launch_equip.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/self.h"
#include "runtime/container/log.h"
#include "runtime/container/record.h"
#include "runtime/init/attributes.h"
#include "runtime/init/cgroup_late.h"
#include "runtime/init/net_device.h"
#include "runtime/init/process.h"
#include "runtime/init/sync.h"

/* As root: the caller's pipes go to the container's root, who can then give them to the user that
 * the program runs as (process.c, give_pipes). Root of the host is nobody in there. */
static void give_pipes_to_container(const struct init_plan *p)
{
	int64_t uid = idmap_host_uid(&p->idmap, 0), gid = idmap_host_gid(&p->idmap, 0);
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (uid >= 0 && gid >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    st.st_uid == 0 && fchown(fd, (uid_t)uid, (gid_t)gid) < 0)
			return;
}

static int set_oom_score(const struct launch *l, struct error *e)
{
	_cleanup_fd_ int proc = -1;
	struct strlist warning = { 0 };
	int r;

	if (!l->plan.process.spec->oom_score_adj)
		return 0;
	proc = process_open_proc(e);
	r = proc < 0 ? -1 : attributes_oom_score(&l->plan.process, proc, l->out->pid, e);
	if (r > 0) {
		strlist_add(l->a, &warning,
			    "process.oomScoreAdj: lower than the caller's needs "
			    "CAP_SYS_RESOURCE: it is the caller's");
		log_warnings(l->c, &warning);
	}
	return r < 0 ? -1 : 0;
}

/* From here on only the helpers have it open. */
static void close_helpers_pipe(struct init_plan *p)
{
	for (int i = 0; i < 2 && p->helpers_fd[0]; i++)
		close(p->helpers_fd[i]);
	p->helpers_fd[0] = p->helpers_fd[1] = 0;
}

void launch_close_plan(struct init_plan *p)
{
	int *const fds[] = { &p->start_fd, &p->result_fd, &p->console_fd, &p->process.shim_fd,
			     &p->rootfs_tree };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		fd_closep(fds[i]);
		*fds[i] = -1;
	}
	close_helpers_pipe(p);
	for (size_t i = 0; i < p->mounts_len; i++) {
		fd_closep(&p->mounts[i].source_fd);
		p->mounts[i].source_fd = -1;
	}
}

int launch_begin_state(struct launch *l, struct error *e)
{
	if (state_new(l->c, l->o->id, l->record, &l->out->state, e) < 0)
		return -1;
	log_debug(l->c, "container %s: state in %s/%s", l->o->id, l->out->state.root, l->o->id);
	if (l->out->cgroup && cgroup_look_again(l->out->cgroup))
		return record_update_cgroup(l->c, &l->out->state, l->out->cgroup, e);
	return 0;
}

static int record_process(struct launch *l, struct error *e)
{
	return state_write_init(&l->out->state, l->out->pid, &l->ignores, e);
}

/* It needs it last of all. */
static int make_shim(struct launch *l, struct error *e)
{
	int *fd = &l->plan.process.shim_fd;

	if (*fd < 0)
		*fd = process_make_shim(e);
	return *fd < 0 ? -1 : 0;
}

static int give_network(struct launch *l, struct error *e)
{
	_cleanup_fd_ int ns = net_thread_finish(l->plan.net, e);

	return ns < 0 ? -1 : sync_send(l->sync, SYNC_NETWORK, ns, e);
}

/* Not while the first process waits for its cgroups. */
static bool recorded_late(const struct launch *l)
{
	return l->state_late || l->plan.cgroup_late;
}

/* Ids, and what is the process's own. */
static int equip_process(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	struct idmap_job job = { .open_fd = p->helpers_fd[1] };
	int r = 0;

	if (p->new_userns && self_uid() == 0)
		give_pipes_to_container(p);
	if (p->new_userns && idmap_start(l->a, l->out->pid, &p->idmap, &job, e) < 0)
		return -1;
	close_helpers_pipe(p);
	/* newuidmap and newgidmap work meanwhile. */
	if ((!p->at_once && process_limits(&p->process, l->out->pid, e) < 0) ||
	    set_oom_score(l, e) < 0 || (!recorded_late(l) && record_process(l, e) < 0))
		r = -1;
	if (p->new_userns) {
		struct error second;

		if (idmap_finish(&job, r < 0 ? &second : e) < 0)
			r = -1;
	}
	return r;
}

/* While it makes its first mounts. */
static int give_cgroups(struct launch *l, struct error *e)
{
	struct cgroup_join join;
	int r;

	if (launch_make_cgroup(l->c, &l->plan, l->out, e) < 0 ||
	    cgroup_join_open(l->out->cgroup, l->cloned_into, &join, e) < 0)
		return -1;
	r = cgroup_late_send(l->sync, &join, e);
	cgroup_join_close(&join);
	return r;
}

/* What others outside do for it. */
static int equip_outside(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;

	if (p->spec->linux_->net_devices_len &&
	    net_devices_move(l->a, p->spec->linux_, l->out->pid, &l->net_devices, e) < 0)
		return -1;
	/* systemd works meanwhile, too. */
	if (l->out->cgroup && cgroup_needs_pid(l->out->cgroup) &&
	    launch_make_cgroup(l->c, p, l->out, e) < 0)
		return -1;
	if (l->o->setup_network && l->o->setup_network(l->o->setup_network_ctx, l->out->pid, e) < 0)
		return -1;
	return p->exposed ? 0 : launch_send_pidfd(l, e);
}

int launch_equip(struct launch *l, struct error *e)
{
	struct init_plan *p = &l->plan;
	struct launched *out = l->out;

	if (out->cgroup && cgroup_give_pid(out->cgroup, out->pid, e) < 0)
		return -1;
	if (equip_process(l, e) < 0)
		return -1;
	/* The child's end of the pair among them: from here on its death is seen. */
	launch_close_plan(p);
	if (!l->side_by_side)
		fd_close_now();
	/* The shim when nobody waits for something else. */
	if (equip_outside(l, e) < 0 ||
	    (!p->at_once && sync_send(l->sync, SYNC_MAPPED, -1, e) < 0) ||
	    (p->cgroup_late ? give_cgroups(l, e) : make_shim(l, e)) < 0 ||
	    (p->net && give_network(l, e) < 0) || make_shim(l, e) < 0)
		return -1;
	/* While the child works. */
	if ((l->state_late && launch_begin_state(l, e) < 0) ||
	    (recorded_late(l) && record_process(l, e) < 0))
		return -1;
	if (out->cgroup && cgroup_finish(out->cgroup, e) < 0)
		return -1;
	if (sync_send(l->sync, l->ignores ? SYNC_IGNORING : SYNC_READY, p->process.shim_fd, e) < 0)
		return -1;
	fd_closep(&p->process.shim_fd);
	p->process.shim_fd = -1;
	fd_close_now();
	return l->o->bundle ? 0 : record_write_config(l->a, &out->state, p->spec, e);
}
