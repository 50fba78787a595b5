/* See cgroup_late.h. */
#include "runtime/init/cgroup_late.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "oci/base/file.h"
#include "runtime/init/sync.h"

/* Tag, and for each descriptor the cgroup it is of. */
#define PACKET_MAX (1 + CGROUP_JOIN_MAX)

int cgroup_late_send(int sock, const struct cgroup_join *j, struct error *e)
{
	char packet[PACKET_MAX] = { SYNC_TASKS };

	memcpy(packet + 1, j->which, j->n);
	return fd_send(sock, packet, 1 + j->n, j->fds, j->n, e) < 0 ? -1 : 0;
}

int cgroup_late_enter(struct init_plan *p, struct error *e)
{
	struct cgroup_join *j = p->cgroup_join;
	char packet[PACKET_MAX];
	ssize_t len;

	p->cgroup_late = false;
	j->n = CGROUP_JOIN_MAX;
	len = fd_recv(p->sync_fd, packet, sizeof(packet), j->fds, &j->n, e);
	if (len < 0)
		return -1;
	if (len == 0 || packet[0] != SYNC_TASKS || (size_t)len != 1 + j->n) {
		cgroup_join_close(j);
		return err_msg(e, len ? "unexpected message from the other side" : "mrun ended");
	}
	memcpy(j->which, packet + 1, j->n);
	if (cgroup_join_self(j, e) < 0)
		return -1;
	if ((p->late_flags & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, errno, "make a cgroup namespace");
	return 0;
}
