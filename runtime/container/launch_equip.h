/* What the parent does for the container's first process. */
#ifndef MRUN_RUNTIME_CONTAINER_LAUNCH_EQUIP_H
#define MRUN_RUNTIME_CONTAINER_LAUNCH_EQUIP_H

#include "runtime/container/launch_follow.h"

/* Makes the state directory with the record. -1 with E, nothing left behind. */
int launch_begin_state(struct launch *l, struct error *e);
/* All that it needs from outside: ids, limits, network, cgroup; before it may begin, and before it
 * may run what is not ours, each of which it is told. -1 with E: the caller ends it. */
int launch_equip(struct launch *l, struct error *e);
/* Closes what the first process has copies of, and the parent has no use for. */
void launch_close_plan(struct init_plan *p);

#endif
