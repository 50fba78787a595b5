/*
 * What must not stay when memory runs out in the middle (arena.h ends the program then, by
 * exit(3)): temporary directories, helpers that write into them. Only for what nobody else removes
 * soon enough; the last one noted is undone first. A process that was forked meanwhile undoes
 * nothing.
 */
#ifndef MRUN_OCI_BASE_UNDO_H
#define MRUN_OCI_BASE_UNDO_H

#include <sys/types.h>

struct undo {
	void (*run)(void *arg);
	void *arg;
	pid_t pid;
	struct undo *next;
};

/* U, with what ARG points to, must live until undo_pop(). */
void undo_push(struct undo *u, void (*run)(void *arg), void *arg);
/* It is done with. One that was never pushed (all zero) is fine. */
void undo_pop(struct undo *u);

#endif
