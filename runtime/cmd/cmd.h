/* What every command gets, and the list of them. main.c has the table that names them. */
#ifndef MRUN_RUNTIME_CMD_CMD_H
#define MRUN_RUNTIME_CMD_CMD_H

#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

/* The global options, as parsed. */
struct cmd_context {
	struct arena *arena;
	const char *program; /* base name the program was started under ("mrun", "runc") */
	const char *root;    /* --root, NULL: the default of state_root() */
	const char *log;     /* --log FILE */
	bool log_json;	     /* --log-format json */
	bool debug;
	bool systemd_cgroup;  /* --systemd-cgroup or --cgroup-manager systemd */
	bool cgroup_disabled; /* --cgroup-manager disabled */
	const char *rootless; /* --rootless true|false|auto */
};

/* A command: argv[0] is its name. Returns its exit code, or -1 with E filled (main prints it and
 * picks the code: e->exit_code, else the command's default). */
typedef int cmd_function(struct cmd_context *c, int argc, char **argv, struct error *e);

cmd_function cmd_images, cmd_load, cmd_import, cmd_save, cmd_tag, cmd_rmi, cmd_inspect, cmd_history,
	cmd_prune, cmd_unpack, cmd_doctor, cmd_fsck;
cmd_function cmd_create, cmd_run, cmd_start, cmd_state, cmd_kill, cmd_delete, cmd_exec, cmd_ps,
	cmd_list, cmd_logs, cmd_wait, cmd_stop, cmd_pause, cmd_resume, cmd_update, cmd_events,
	cmd_spec, cmd_features, cmd_checkpoint, cmd_restore;
/* `mrun [OPTIONS] IMAGE [COMMAND…]`: argv[0] is "mrun", the options follow. */
cmd_function cmd_image_run;

#endif
