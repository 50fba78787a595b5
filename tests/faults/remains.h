/* What is on the machine: lists of lines, sorted. */
#ifndef MRUN_TESTS_FAULTS_REMAINS_H
#define MRUN_TESTS_FAULTS_REMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct lines {
	char **items;
	size_t n, cap;
};

void lines_add(struct lines *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lines_free(struct lines *l);
void lines_sort(struct lines *l);
bool lines_has(const struct lines *l, const char *line);
/* Sorts and prints them, each once, after how often it is there. */
void lines_tell(struct lines *l);
/* Splits TEXT at its newlines. */
void lines_split(struct lines *l, const char *text);
/* Each digest in TEXT becomes a star. */
void text_blur(char *text);
/* The lines that only one of the two texts has, after "- " or "+ ". */
void lines_compare(struct lines *ret, const char *expected, const char *got);

/* Everything below DIR: type, size of a file, path. */
void remains_files(struct lines *l, const char *dir);
/* Mounts of ours. */
void remains_mounts(struct lines *l);
/* Cgroups whose name begins with PREFIX, in the first four levels of every hierarchy. */
void remains_cgroups(struct lines *l, const char *prefix);
/* Descendants of ours: pid, name, state. */
void remains_processes(struct lines *l);
/* Kills those that are not among BUT. */
void remains_kill_processes(const struct lines *but);
/* Removes everything in DIR. */
void remains_wipe(const char *dir);

#endif
