/* What create and run have in common on the command line. */
#ifndef MRUN_RUNTIME_CMD_CREATE_OPTIONS_H
#define MRUN_RUNTIME_CMD_CREATE_OPTIONS_H

#include "runtime/cmd/options.h"
#include "runtime/container/container.h"

struct create_args {
	const char *bundle, *config, *console_socket, *pid_file, *pidfd_socket;
	bool no_pivot, no_new_keyring, no_subreaper, detach, keep;
	int preserve_fds;
};
/* The lines of the option table. */
#define CREATE_OPTS                                                                          \
	{ "bundle", 'b',                                                                     \
	  OPT_STR,  offsetof(struct create_args, bundle),                                    \
	  "DIR",    "path to the bundle, by default the current directory" },                \
		{ "config", 'f',                                                             \
		  OPT_STR,  offsetof(struct create_args, config),                            \
		  "FILE",   "the configuration, by default config.json in the bundle" },     \
		{ "console-socket", 0,                                                       \
		  OPT_STR,	    offsetof(struct create_args, console_socket),            \
		  "PATH",	    "socket that receives the terminal's master" },          \
		{ "pidfd-socket", 0,                                                         \
		  OPT_STR,	  offsetof(struct create_args, pidfd_socket),                \
		  "PATH",	  "socket that receives a pidfd of the first process" },     \
		{ "pid-file", 0,                                                             \
		  OPT_STR,    offsetof(struct create_args, pid_file),                        \
		  "FILE",     "write the process id there" },                                \
		{ "no-pivot", 0,                                                             \
		  OPT_BOOL,   offsetof(struct create_args, no_pivot),                        \
		  NULL,	      "do not use pivot_root (for a root on a ramdisk)" },           \
		{ "no-new-keyring",                                                          \
		  0,                                                                         \
		  OPT_BOOL,                                                                  \
		  offsetof(struct create_args, no_new_keyring),                              \
		  NULL,                                                                      \
		  "keep the caller's session keyring" },                                     \
	{                                                                                    \
		"preserve-fds", 0, OPT_INT, offsetof(struct create_args, preserve_fds), "N", \
			"pass N further descriptors, from 3 on"                              \
	}

/* Reads the bundle and fills O; returns the specification or NULL. */
struct oci_spec *create_options_load(struct cmd_context *c, const struct create_args *args,
				     const char *id, struct container_options *o, struct error *e);

#endif
