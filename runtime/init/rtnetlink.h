/* Requests to the kernel's network configuration, rtnetlink(7): just what moving a device takes. */
#ifndef MRUN_RUNTIME_INIT_RTNETLINK_H
#define MRUN_RUNTIME_INIT_RTNETLINK_H

#include <linux/if_addr.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

struct rtnl_link {
	int index;
	unsigned flags; /* IFF_* */
};

/* An address of a device as the kernel described it: the header, then the attributes that belong to
 * the address itself (not those that name the device). */
struct rtnl_address {
	struct ifaddrmsg header;
	const char *attributes;
	size_t len;
};

/* A socket for the network namespace that the caller is in; it stays there. -1 with E. */
int rtnl_open(struct error *e);

/* All but rtnl_addresses() return 0 or the negative errno that the kernel answered. */

/* Finds a device by name; -ENODEV: there is none. */
int rtnl_find(int sock, const char *name, struct rtnl_link *ret);
/* Moves device INDEX into the namespace of the descriptor NS and gives it NAME there. The kernel
 * moves first and renames then: on failure it can be in either namespace. */
int rtnl_move(int sock, int index, int ns, const char *name);
int rtnl_set_up(int sock, int index);
int rtnl_add_address(int sock, int index, const struct rtnl_address *address);

/* The addresses of device INDEX that are permanent and of global scope (IFA_F_PERMANENT,
 * RT_SCOPE_UNIVERSE), of all families, in the kernel's order. */
int rtnl_addresses(struct arena *a, int sock, int index, struct rtnl_address **ret, size_t *ret_len,
		   struct error *e);

#endif
