/* What mrun-systemd does with systemd: a manager reached over D-Bus, and transient units in it
 * (org.freedesktop.systemd1(5)). Every wait has a bound. */
#ifndef MRUN_RUNTIME_SYSTEMD_UNIT_H
#define MRUN_RUNTIME_SYSTEMD_UNIT_H

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "oci/base/error.h"
#include "oci/base/json.h"

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"

struct manager {
	struct arena *arena;
	sd_bus *bus;
	bool user;
	const char *version; /* as it says: "252.39-1~deb12u2" */
	unsigned number;     /* 252; 0: not known */
};

/* bus.c */

/* Connects to the first of ADDRESSES (strings) behind which a manager answers. */
int manager_open(struct arena *a, const struct json_value *addresses, bool user,
		 struct manager *ret, struct error *e);
/* A property of the manager or (PATH) of a unit, as text; NULL with E. */
char *manager_string(struct manager *m, const char *path, const char *interface, const char *name,
		     struct error *e);
/* E from a failed call: R is sd-bus's result, B what the other side said. Returns -1. */
int bus_failed(struct error *e, int r, const sd_bus_error *b, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* message.c */

/* Appends the array of properties, a(sv), from their JSON (systemd_helper.c of runtime/cgroup). */
int message_append_properties(struct manager *m, sd_bus_message *msg,
			      const struct json_value *properties, int64_t pid, struct error *e);

/* unit.c */

/* Before the process is known: hears of jobs from now on. */
int unit_prepare(struct manager *m, struct error *e);
/* Starts UNIT with PROPERTIES and process PID in it and waits; *ret_cgroup is its cgroup's path. */
int unit_start(struct manager *m, const char *unit, const struct json_value *properties,
	       int64_t pid, char **ret_cgroup, struct error *e);
int unit_set(struct manager *m, const char *unit, const struct json_value *properties,
	     struct error *e);
int unit_attach(struct manager *m, const char *unit, const char *sub, int64_t pid, struct error *e);
/* Stops UNIT if MARK is among its Documentation= and takes a failed one away; one that is missing
 * or somebody else's is left alone. */
int unit_stop(struct manager *m, const char *unit, const char *mark, struct error *e);

#endif
