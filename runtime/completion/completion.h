/* The program that makes the completion files. See completion.c. */
#ifndef MRUN_RUNTIME_COMPLETION_COMPLETION_H
#define MRUN_RUNTIME_COMPLETION_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/cmd/options.h"

/* A command with its tables. Of the array that the printers get, the first one is the global
 * options (its name is empty), the second one the image mode (IMAGE). */
struct described {
	const char *name, *summary, *group, *usage;
	const struct opt *opts;
	bool stop_at_first; /* options end with the first operand */
};

/* What can be offered for a value. */
enum value_kind {
	VALUE_NONE, /* there is no value */
	VALUE_ANY,  /* nothing is known */
	VALUE_WORDS,
	VALUE_DIR,
	VALUE_FILE,
	VALUE_SIGNAL,
	VALUE_CAPABILITY,
	VALUE_CONTAINER,
	VALUE_IMAGE,
};
/* By the name of an option's value in its table, NULL for none. */
enum value_kind value_kind(const char *arg);
/* The words themselves of kinds that are a fixed set, with spaces between; else "". Until the next
 * call. */
const char *value_words(enum value_kind kind, const char *arg);

struct operand {
	enum value_kind kind;
	bool repeated; /* this one may come again and again */
};
/* Takes a usage line apart; returns how many there are. */
size_t operands(const char *usage, struct operand *ret, size_t max);

/* Write what stands for @TABLES@ in the template. */
void bash_tables(const struct described *all, size_t n);
void zsh_tables(const struct described *all, size_t n);
void fish_tables(const struct described *all, size_t n);

#endif
