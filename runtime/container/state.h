/*
 * A container on disk: ROOT/ID with
 *
 *   state.json   what create knew, written before the first side effect, never changed; then an
 *                empty line and the bundle's config.json as it was, which most commands need not
 *                read
 *   config.json  image mode: the specification, for exec
 *   init         a link to "PID STARTTIME", once the first process exists
 *   exec.fifo    until start: the first process waits on it; with it result.fifo
 *   notify/      with NOTIFY_SOCKET: what the container has as /run/notify (notify.h)
 *   exit         detached, image mode: the exit code, once there is one; locked by the mrun that
 *                stays with the container until everything that it used is given back
 *
 * The directory itself is locked (flock(2)) by whoever works on the container.
 */
#ifndef MRUN_RUNTIME_CONTAINER_STATE_H
#define MRUN_RUNTIME_CONTAINER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/base/json.h"
#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"

#define STATE_ID_MAX 1024 /* characters */
#define STATE_EXIT_FILE "exit"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

/* What state.json holds. */
struct container_record {
	char *id, *bundle, *rootfs, *created; /* created: RFC 3339 */
	char *oci_version;
	int64_t owner; /* uid */
	struct json_pair *annotations;
	size_t annotations_len;
	const struct json_value *cgroup; /* cgroup_restore's */
	bool hooks;			 /* config.json has some for start or delete */
	bool image;			 /* made by the image mode */
	char *user;			 /* image mode: docker's USER string … */
	char **group_add;		 /* … and further groups, for exec */
	bool default_seccomp;		 /* image mode: the filter is the default profile's */
	char *stop_signal;		 /* image mode: what asks it to end; NULL: SIGTERM */
	char *slot; /* image mode, detached or kept: path of the slot, for delete */
	bool new_pid_namespace;
	const char *config; /* beside the JSON: config.json as it was; NULL: not here */
	size_t config_len;
	bool no_new_keyring; /* --no-new-keyring: exec keeps its caller's, too */
};
extern const struct json_type container_record_type;

struct container {
	const char *id;
	const char *root; /* directory that holds all containers */
	int dir_fd;	  /* ROOT/ID, locked */
	struct container_record *record;
	pid_t pid;	     /* 0: none (yet) */
	uint64_t start_time; /* of pid, clock ticks since boot (proc_pid_stat(5)) */
	bool has_fifo;
	bool alone; /* the lock is ours: nobody else is at it, its creator neither */
};

/* The directory for all containers: --root, else $XDG_RUNTIME_DIR/mrun, else /run/mrun for root,
 * else a directory in /tmp that is verified to be ours. It is made when MAKE. NULL on error. */
const char *state_root(struct cmd_context *c, bool make, struct error *e);
/* The same, unlooked at, where nobody else can make one of that name; *RET is NULL where it is the
 * one in /tmp. */
int state_root_of_ours(struct cmd_context *c, const char **ret, struct error *e);

/* runc's rule: letters, digits, _ + , - and . but not "." or "..", at most 1,024 characters. */
int state_check_id(const char *id, struct error *e);

/* The text of state.json. */
char *state_record_text(struct arena *a, const struct container_record *r, size_t *ret_len);

/* Makes ROOT/ID, locks it and writes state.json. An ID that exists is an error. */
int state_new(struct cmd_context *c, const char *id, const struct container_record *record,
	      struct container *ret, struct error *e);
/* Opens and locks an existing one; waits at most a few seconds for another mrun that works on it.
 * e->code is ENOENT when there is none: "container X does not exist". */
int state_open(struct cmd_context *c, const char *id, struct container *ret, struct error *e);
/* The same beside others that do so (exec): it is not deleted or paused meanwhile. Only a request:
 * after two seconds it goes on without the lock. */
int state_open_shared(struct cmd_context *c, const char *id, struct container *ret,
		      struct error *e);
/* The same without a lock, for a look at it. */
int state_peek(struct arena *a, const char *root, const char *id, struct container *ret,
	       struct error *e);
/* Lets others work on it while we only wait; and takes the lock again. relock: -1 with e->code
 * ENOENT when somebody removed it meanwhile (E says nothing then: there is nothing left to do). */
void state_unlock(struct container *ct);
int state_relock(struct container *ct, struct error *e);
/* Makes `exit`, locked. Returns its descriptor (close-on-exec), to be passed to state_exit_write()
 * by the mrun that stays; the lock ends with the process, whatever becomes of it. */
int state_exit_make(const struct container *ct, struct error *e);
void state_exit_write(int fd, int code);
/* Waits until the mrun that stays with the container has ended, at most MAX_MS milliseconds (-1:
 * for ever). Returns 0 and its *ret_code, which is -1 when it ended without writing one; 1 when
 * time is up; -1 with e->code ENOENT when there is no such mrun (not detached, or not from an
 * image). */
int state_exit_wait(const struct container *ct, int max_ms, int *ret_code, struct error *e);

/* Lets go of it. */
void state_close(struct container *ct);

/* Records the first process; *ret_ignores: it has signals ignored (as its caller had). */
int state_write_init(struct container *ct, pid_t pid, bool *ret_ignores, struct error *e);
/* Removes the directory and all in it. */
int state_remove(struct container *ct, struct error *e);

/* What it is doing now; asks the cgroup whether it is frozen only when COMPLETE. */
enum status state_status(struct arena *a, const struct container *ct, bool complete);
const char *state_status_name(enum status s);

/* Start time of a process, 0 when it is gone or a zombie. */
uint64_t state_process_start_time(pid_t pid);

/* Whether this process has signals ignored. */
bool state_ignores_signals(void);

/* The state JSON of runtime.md for hooks and `mrun state` (PRETTY: with runc's further fields). */
char *state_json(struct arena *a, const struct container_record *r, const char *status, pid_t pid,
		 bool pretty);

#endif
