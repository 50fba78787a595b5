/*
 * Command lines by table: one line an option. Long options are `--name VALUE` or `--name=VALUE`
 * (Go's flag package, which runc's clients write for, also takes a single dash: `-name`; so does
 * this where a command asks for it), short ones may be run together (`-it`), `--` ends them.
 */
#ifndef MRUN_RUNTIME_CMD_OPTIONS_H
#define MRUN_RUNTIME_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

enum opt_kind {
	OPT_BOOL, /* bool; --name, --name=true|false */
	OPT_TRI,  /* int: the same, as 1 and 0, for defaults of their own */
	OPT_STR,  /* const char * */
	OPT_LIST, /* struct strlist: each use adds one */
	OPT_INT,  /* int */
	OPT_I64,  /* int64_t */
	OPT_ONLY, /* nothing; only the values that `arg` lists, apart by |, are as things are here
		   */
	OPT_REFUSED, /* known elsewhere, not here: `help` is the reason that is printed */
};
struct opt {
	const char *name; /* NULL ends the table */
	char letter;	  /* 0: none */
	unsigned char kind;
	size_t off;	 /* of the field in the structure that OUT points to */
	const char *arg; /* name of the value in the help, NULL for bools */
	const char *help;
};
struct opt_spec {
	const char *command;	 /* "load" */
	const char *usage;	 /* "[OPTIONS] FILE" */
	const char *summary;	 /* one line */
	const char *description; /* more lines, or NULL */
	const struct opt *opts;
	int min_args, max_args; /* positional arguments; max -1: any number */
	bool stop_at_first;	/* the first positional argument ends the options (exec, IMAGE) */
	bool single_dash;	/* -name means --name, as Go's flag package has it */
};

/* Parses argv[1..]; fills OUT; *ret_args are the positional ones (NULL-terminated, their number in
 * *ret_nargs). Returns 0; 1 when help was asked for and printed (the command returns 0 then); -1
 * with E for anything unknown, missing or malformed. */
int opt_parse(struct arena *a, const struct opt_spec *s, int argc, char **argv, void *out,
	      char ***ret_args, int *ret_nargs, struct error *e);

/* The help text: starts with NAME:, as runc's does. */
void opt_help(const struct opt_spec *s);

#endif
