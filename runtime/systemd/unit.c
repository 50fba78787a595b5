/* Transient units. See unit.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oci/base/str.h"
#include "runtime/systemd/unit.h"

#define INTERFACE_MANAGER MANAGER ".Manager"
#define INTERFACE_UNIT MANAGER ".Unit"
#define JOB_WAIT_MS 30000
/* How long a unit of the same name may take to go away, and how often we look. */
#define GONE_WAIT_MS 5000
#define LOOK_MS 20
/* A signal may get lost (daemon-reexec): from time to time the unit itself is looked at. */
#define CHECK_MS 1000

struct job {
	const char *path; /* of the job we wait for */
	const char *result;
	struct arena *arena;
};
static struct job job;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *of_user(const struct manager *m)
{
	return m->user ? " --user" : "";
}

static int job_removed(sd_bus_message *msg, void *userdata, sd_bus_error *error)
{
	const char *path, *unit, *result;
	uint32_t id;

	(void)userdata;
	(void)error;
	if (sd_bus_message_read(msg, "uoss", &id, &path, &unit, &result) >= 0 && job.path &&
	    str_eq(path, job.path))
		job.result = arena_strdup(job.arena, result);
	return 0;
}

int unit_prepare(struct manager *m, struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_match_signal(m->bus, NULL, MANAGER, MANAGER_PATH, INTERFACE_MANAGER,
				    "JobRemoved", job_removed, NULL);

	job.arena = m->arena;
	if (r >= 0)
		r = sd_bus_call_method(m->bus, MANAGER, MANAGER_PATH, INTERFACE_MANAGER,
				       "Subscribe", &error, NULL, NULL);
	/* Another of ours on the same connection: there is none, but it would be fine. */
	if (r < 0 && !sd_bus_error_has_name(&error, MANAGER ".AlreadySubscribed"))
		bus_failed(e, r, &error, "subscribe to systemd's signals");
	else
		r = 0;
	sd_bus_error_free(&error);
	return r < 0 ? -1 : 0;
}

static char *unit_path(struct manager *m, const char *unit)
{
	char *path = NULL, *copy;

	if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0)
		return NULL;
	copy = arena_strdup(m->arena, path);
	free(path);
	return copy;
}

static const char *active_state(struct manager *m, const char *unit)
{
	struct error ignored;
	const char *s =
		manager_string(m, unit_path(m, unit), INTERFACE_UNIT, "ActiveState", &ignored);

	return s ? s : "";
}

static int job_wait(struct manager *m, const char *unit, const char *verb, const char *state,
		    struct error *e)
{
	int64_t end = now_ms() + JOB_WAIT_MS, check = now_ms() + CHECK_MS;

	while (!job.result) {
		int r = sd_bus_process(m->bus, NULL);

		if (r > 0)
			continue;
		if (r >= 0)
			r = sd_bus_wait(m->bus, CHECK_MS * 1000ull);
		if (r < 0 && r != -EINTR)
			return err_sys(e, -r, "%s unit %s: the connection to systemd", verb, unit);
		if (now_ms() > end) {
			err_sys(e, ETIMEDOUT, "%s unit %s: wait for systemd's job", verb, unit);
			return err_hint(e, "systemctl%s status %s; systemctl%s list-jobs",
					of_user(m), unit, of_user(m));
		}
		if (now_ms() > check) {
			if (str_eq(active_state(m, unit), state))
				return 0;
			check = now_ms() + CHECK_MS;
		}
	}
	if (str_eq(job.result, "done"))
		return 0;
	err_msg(e, "%s unit %s: systemd's job ended as '%s'", verb, unit, job.result);
	return err_hint(e, "journalctl%s -u %s, and systemctl%s status %s", of_user(m), unit,
			of_user(m), unit);
}

/* Sends MSG, whose answer is a job, and remembers that one. */
static int start_job(struct manager *m, sd_bus_message *msg, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	const char *path;
	int r;

	job.path = job.result = NULL;
	r = sd_bus_call(m->bus, msg, 0, error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		job.path = arena_strdup(m->arena, path);
	sd_bus_message_unref(reply);
	return r;
}

static int new_call(struct manager *m, const char *method, sd_bus_message **ret, struct error *e)
{
	int r = sd_bus_message_new_method_call(m->bus, ret, MANAGER, MANAGER_PATH,
					       INTERFACE_MANAGER, method);

	return r < 0 ? err_sys(e, -r, "make a message for systemd") : 0;
}

static void reset_failed(struct manager *m, const char *unit)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	sd_bus_call_method(m->bus, MANAGER, MANAGER_PATH, INTERFACE_MANAGER, "ResetFailedUnit",
			   &error, NULL, "s", unit);
	sd_bus_error_free(&error);
}

static int start_once(struct manager *m, const char *unit, const struct json_value *properties,
		      int64_t pid, bool *ret_exists, struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *msg = NULL;
	int r;

	*ret_exists = false;
	if (new_call(m, "StartTransientUnit", &msg, e) < 0)
		return -1;
	r = sd_bus_message_append(msg, "ss", unit, "replace");
	if (r >= 0 && message_append_properties(m, msg, properties, pid, e) < 0)
		goto failed;
	if (r >= 0)
		r = sd_bus_message_append(msg, "a(sa(sv))", 0);
	if (r >= 0)
		r = start_job(m, msg, &error);
	if (r < 0) {
		*ret_exists = sd_bus_error_has_name(&error, MANAGER ".UnitExists");
		bus_failed(e, r, &error, "start unit %s", unit);
		goto failed;
	}
	sd_bus_message_unref(msg);
	return 0;
failed:
	sd_bus_error_free(&error);
	sd_bus_message_unref(msg);
	return -1;
}

/* A unit of that name that failed or is just ending makes way; one that is active does not. */
static int start(struct manager *m, const char *unit, const struct json_value *properties,
		 int64_t pid, struct error *e)
{
	struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	int64_t end = now_ms() + GONE_WAIT_MS;
	bool exists;

	while (start_once(m, unit, properties, pid, &exists, e) < 0) {
		const char *state = exists ? active_state(m, unit) : "";

		if (!exists)
			return -1;
		if (str_eq(state, "active") || now_ms() > end)
			return err_hint(e,
					"it may be another container's: choose another "
					"linux.cgroupsPath or id (systemctl%s status %s)",
					of_user(m), unit);
		reset_failed(m, unit);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int unit_start(struct manager *m, const char *unit, const struct json_value *properties,
	       int64_t pid, char **ret_cgroup, struct error *e)
{
	bool slice = str_has_suffix(unit, ".slice");

	if (start(m, unit, properties, slice ? 0 : pid, e) < 0)
		return -1;
	if (job_wait(m, unit, "start", "active", e) < 0) {
		reset_failed(m, unit);
		return -1;
	}
	*ret_cgroup =
		manager_string(m, unit_path(m, unit), slice ? MANAGER ".Slice" : MANAGER ".Scope",
			       "ControlGroup", e);
	return *ret_cgroup ? 0 : -1;
}

int unit_set(struct manager *m, const char *unit, const struct json_value *properties,
	     struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *msg = NULL;
	int r, result = -1;

	if (new_call(m, "SetUnitProperties", &msg, e) < 0)
		return -1;
	r = sd_bus_message_append(msg, "sb", unit, 1 /* until it ends */);
	if (r >= 0 && message_append_properties(m, msg, properties, 0, e) < 0)
		goto out;
	if (r >= 0)
		r = sd_bus_call(m->bus, msg, 0, &error, NULL);
	result = r < 0 ? bus_failed(e, r, &error, "set the properties of unit %s", unit) : 0;
out:
	sd_bus_error_free(&error);
	sd_bus_message_unref(msg);
	return result;
}

int unit_attach(struct manager *m, const char *unit, const char *sub, int64_t pid, struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(m->bus, MANAGER, MANAGER_PATH, INTERFACE_MANAGER,
				   "AttachProcessesToUnit", &error, NULL, "ssau", unit, sub, 1,
				   (uint32_t)pid);

	if (r < 0)
		bus_failed(e, r, &error, "move process %lld into unit %s", (long long)pid, unit);
	sd_bus_error_free(&error);
	return r < 0 ? -1 : 0;
}

/* 1: it is the one with MARK, 0: it is not there or another's, -1 with E. */
static int is_ours(struct manager *m, const char *unit, const char *mark, struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	char **list = NULL;
	const char *load = manager_string(m, unit_path(m, unit), INTERFACE_UNIT, "LoadState", e);
	int r, found = 0;

	if (!load)
		return -1;
	if (str_eq(load, "not-found"))
		return 0;
	r = sd_bus_get_property_strv(m->bus, MANAGER, unit_path(m, unit), INTERFACE_UNIT,
				     "Documentation", &error, &list);
	if (r < 0) {
		bus_failed(e, r, &error, "ask systemd for the documentation of unit %s", unit);
		sd_bus_error_free(&error);
		return -1;
	}
	for (char **s = list; s && *s; s++) {
		found |= str_eq(*s, mark);
		free(*s);
	}
	free(list);
	return found;
}

int unit_stop(struct manager *m, const char *unit, const char *mark, struct error *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *msg = NULL;
	int r = is_ours(m, unit, mark, e);

	if (r <= 0)
		return r;
	if (new_call(m, "StopUnit", &msg, e) < 0)
		return -1;
	r = sd_bus_message_append(msg, "ss", unit, "replace");
	if (r >= 0)
		r = start_job(m, msg, &error);
	sd_bus_message_unref(msg);
	if (r < 0 && sd_bus_error_has_name(&error, MANAGER ".NoSuchUnit"))
		r = 0;
	else if (r < 0)
		bus_failed(e, r, &error, "stop unit %s", unit);
	else
		r = job_wait(m, unit, "stop", "inactive", e);
	sd_bus_error_free(&error);
	if (r >= 0)
		reset_failed(m, unit);
	return r < 0 ? -1 : 0;
}
