/* linux.netDevices (runtime-spec 1.3 config-linux.md, "Network Devices"). */
#ifndef MRUN_RUNTIME_INIT_NET_DEVICE_H
#define MRUN_RUNTIME_INIT_NET_DEVICE_H

#include <sys/types.h>

#include "oci/spec/spec.h"

struct net_devices;

/* Before anything is made: -1 with E where the caller cannot move devices at all. */
int net_devices_check(const struct oci_linux *l, struct error *e);

/* Moves the devices from the caller's network namespace into that of process PID, under their names
 * there, with their permanent addresses of global scope (what else belongs to the device itself,
 * MTU and hardware address, goes with it), and sets them up. On failure all of them are back. */
int net_devices_move(struct arena *a, const struct oci_linux *l, pid_t pid,
		     struct net_devices **ret, struct error *e);

/* For a container that came to nothing: they come back as they were: name, addresses, state. Their
 * routes are gone, as always when a device changes namespaces. D may be NULL. */
void net_devices_give_back(struct net_devices *d);
/* For one that came to something: only closes what is open. From here on the devices are the
 * container's: at its end the kernel moves physical ones back and removes the others. */
void net_devices_release(struct net_devices *d);

#endif
