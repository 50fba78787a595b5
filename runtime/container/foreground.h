/* Waiting for a container in the foreground: signals, terminal, children of its that come to us. */
#ifndef MRUN_RUNTIME_CONTAINER_FOREGROUND_H
#define MRUN_RUNTIME_CONTAINER_FOREGROUND_H

#include "runtime/container/launch.h"

/* Blocks the signals that are to be passed on, before the container exists. */
void foreground_block_signals(void);

struct foreground {
	int master;	     /* the terminal (or pipe) to relay, -1: none */
	bool pass_stdin;     /* what comes on stdin goes to it */
	bool interrupts_end; /* three SIGINT within two seconds end a program that ignores them */
	int stop_signal; /* what a SIGTERM to us becomes for it (image-spec config.md, StopSignal);
			    0: itself */
	/* Where what comes from MASTER goes, as in struct relay. */
	void (*sink)(void *ctx, const char *data, size_t len);
	void *sink_ctx;
	struct notify *notify; /* what to pass on meanwhile; NULL: nothing */
	bool quiet;	       /* this may take days: in little memory (oci/base/quiet.h) */
};
/* Waits until process PID ended; returns its exit code, 128+n for signal n. */
int foreground_wait(pid_t pid, const struct foreground *f, struct error *e);

#endif
