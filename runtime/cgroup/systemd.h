/*
 * The systemd driver: the container's cgroup is that of a transient unit, which systemd makes on
 * request over D-Bus (systemd.scope(5), org.freedesktop.systemd1(5)). Internal to this room.
 *
 * Who does what: the files below turn linux.cgroupsPath, linux.resources and the annotations
 * org.systemd.property.* into a unit's name and typed properties (pure functions), systemd.c hands
 * them to the program mrun-systemd, which talks to the bus, and takes over the cgroup that systemd
 * made. From then on it is like any other (cgroup.c, apply.c …).
 */
#ifndef MRUN_RUNTIME_CGROUP_SYSTEMD_H
#define MRUN_RUNTIME_CGROUP_SYSTEMD_H

#include "oci/base/json.h"
#include "runtime/cgroup/internal.h"

/* --- systemd_name.c --- */

struct systemd_unit {
	const char *name;  /* "mrun-c1.scope", or a slice */
	const char *slice; /* the slice it lies in: "system.slice", "-.slice" for the root */
};

/* The unit that linux.cgroupsPath (PATH, "slice:prefix:name"; NULL or "": none) asks for, as runc
 * understands it. What a unit's name may not hold (systemd.unit(5)) is escaped. */
int systemd_unit_parse(struct arena *a, const char *path, const char *id, bool user,
		       struct systemd_unit *ret, struct error *e);
bool systemd_unit_is_slice(const char *name);
/* Where a slice lies below its manager's cgroup: "/a.slice/a-b.slice" for "a-b.slice", "" for
 * "-.slice"; NULL when it is no slice's name. */
char *systemd_slice_path(struct arena *a, const char *slice);
/* The cgroup of the manager, "" for the hierarchy's root, from where its first process (INIT: path
 * of pid 1, system manager) or we ourselves (OWN, user manager of UID) are. A guess, for what has
 * to be known before systemd says it. */
char *systemd_manager_path(struct arena *a, const char *init, const char *own, bool user,
			   uid_t uid);
/* DIR as a unit's Documentation=: "file:/run/mrun/c1". */
char *systemd_mark(struct arena *a, const char *dir);

/* --- systemd_variant.c, systemd_properties.c --- */

/* A property with its D-Bus type. A number of type d is a string in VALUE. */
struct systemd_property {
	const char *name, *type;
	const struct json_value *value;
	unsigned since; /* the systemd that has it, 0: all; left out for older ones */
};
struct systemd_properties {
	struct systemd_property *items;
	size_t n, cap;
};
void systemd_property_add(struct arena *a, struct systemd_properties *p, const char *name,
			  const char *type, const struct json_value *value, unsigned since);
/* Shorthands for the usual types, and the values that they are made of. */
void systemd_property_bool(struct arena *a, struct systemd_properties *p, const char *name, bool v);
void systemd_property_u64(struct arena *a, struct systemd_properties *p, const char *name,
			  uint64_t v);
void systemd_property_str(struct arena *a, struct systemd_properties *p, const char *name,
			  const char *v);
void systemd_property_strs(struct arena *a, struct systemd_properties *p, const char *name,
			   const char *v);

/* A value in GVariant's text format (docs.gtk.org/glib/gvariant-text.html): booleans, numbers,
 * strings, arrays and tuples, with their type in front where it is not the default one. WHERE is
 * for messages. */
int systemd_variant_parse(struct arena *a, const char *text, const char *where,
			  const char **ret_type, const struct json_value **ret, struct error *e);

/* The properties of the annotations org.systemd.property.*; others are skipped. *Sec becomes
 * *USec, as for runc. */
int systemd_annotations(struct arena *a, const struct json_pair *annotations, size_t n,
			struct systemd_properties *ret, struct error *e);

/* What the unit has now, for an update: quota and period in microseconds (quota -1: none, -2: not
 * known; period 0: not known), memory limit as in struct settings_now. */
struct systemd_now {
	int64_t memory_limit, cpu_quota;
	uint64_t cpu_period;
};
/* The limits that a unit has properties for. They are there so that systemd, when it writes the
 * cgroup's files again (daemon-reload, set-property), writes ours; all limits are written to the
 * files afterwards. DEVICES: the text of /proc/devices; NULL leaves the device rules out. */
int systemd_resources(struct arena *a, const struct oci_resources *r, bool v2,
		      const struct systemd_now *now, const char *devices,
		      struct systemd_properties *ret, struct error *e);

/* --- systemd_helper.c: the program mrun-systemd --- */

/* Our uid outside of our user namespace: the one that the user's manager has. */
uid_t systemd_uid(struct arena *a);
/* Whether there is a socket of the user's manager; nothing is connected. */
bool systemd_user_manager(struct arena *a);

/* A request: an object to which the caller adds what it wants and which systemd_request_end()
 * makes a line of. OPERATION: "start", "set", "stop", "attach", "probe" (runtime/systemd/main.c).
 */
struct json_out *systemd_request(struct arena *a, const char *operation, bool user);
char *systemd_request_end(struct json_out *o);
void systemd_request_properties(struct json_out *o, const struct systemd_properties *p);
/* Starts the program with LINE as its request. */
int systemd_helper_start(struct arena *a, const char *line, pid_t *ret_pid, int *ret_sock,
			 struct error *e);
int systemd_helper_send(int sock, const char *line, struct error *e);
/* Waits, bounded, for its reply and its end. An error that it reports becomes E. NULL on error. */
const struct json_value *systemd_helper_finish(struct arena *a, pid_t *pid, int *sock,
					       struct error *e);
/* Ends it whatever it is doing. */
void systemd_helper_end(pid_t *pid, int *sock);
/* All of it at once. */
const struct json_value *systemd_helper_call(struct arena *a, struct json_out *request,
					     struct error *e);

/* --- systemd.c --- */

struct systemd {
	struct systemd_unit unit;
	const char *mark; /* how a unit of that name is recognised as this container's */
	bool user;	  /* by the caller's user manager */
	struct systemd_properties properties; /* to start it with */
	pid_t helper;			      /* while it works; 0: none */
	int sock;
	pid_t pid;    /* the container's first process, once it is known */
	bool started; /* systemd may have been asked for the unit */
};

/* Whether the caller's own cgroup is no place for a container with limits, but his manager can make
 * one. */
bool systemd_is_better(const struct cgroup *cg);
/* Sets cg->systemd; the path that its cgroup is expected to have, NULL with E. */
const char *systemd_plan(struct cgroup *cg, const struct cgroup_request *r, struct error *e);
/* Waits until systemd has made the unit's cgroup; its path, NULL with E. */
const char *systemd_cgroup(struct cgroup *cg, struct error *e);
/* Sets the unit's properties for an update. */
int systemd_set(const struct cgroup *cg, const struct oci_resources *r, struct error *e);
/* Moves PID into the unit's cgroup, or SUB below it, where the caller may not. */
int systemd_attach(const struct cgroup *cg, const char *sub, pid_t pid, struct error *e);
/* Stops the unit, if it is this container's; a missing one is fine. */
int systemd_stop(const struct cgroup *cg, struct error *e);

/* In state.json: one value, an object. */
void systemd_save(const struct systemd *s, struct json_out *o);
struct systemd *systemd_restore(struct arena *a, const struct json_value *v, struct error *e);

#endif
