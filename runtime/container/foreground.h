/* Waiting for a container in the foreground: signals, terminal, children of its that come to us. */
#ifndef MRUN_RUNTIME_CONTAINER_FOREGROUND_H
#define MRUN_RUNTIME_CONTAINER_FOREGROUND_H

#include "runtime/container/launch.h"

/* Blocks the signals that are to be passed on, before the container exists. */
void foreground_block_signals(void);
/* Waits until process PID ended; returns its exit code, 128+n for signal n. MASTER: the terminal to
 * relay, -1: none. PASS_STDIN: what comes on stdin goes to it. INTERRUPTS_END: three SIGINT within
 * two seconds end a program that ignores them. STOP_SIGNAL: what a SIGTERM to us becomes for it
 * (image-spec config.md, StopSignal), 0: itself. */
int foreground_wait(pid_t pid, int master, bool pass_stdin, bool interrupts_end, int stop_signal,
		    struct error *e);

#endif
