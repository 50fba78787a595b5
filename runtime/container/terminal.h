/* The caller's terminal while a container is attached to it: raw, and given back as it was on every
 * way out of the program. */
#ifndef MRUN_RUNTIME_CONTAINER_TERMINAL_H
#define MRUN_RUNTIME_CONTAINER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "oci/base/error.h"

/* Makes the terminal FD raw; it is restored by terminal_restore, at exit(3) and by fatal signals.
 * KEEP_OUTPUT: output processing stays on (runc's attached mode, with ONLCR off on the container's
 * side). Not a terminal: nothing happens. */
int terminal_raw(int fd, bool keep_output, struct error *e);
void terminal_restore(void);
/* SIGTSTP, which the caller blocks: stops the program, with the terminal as it was before. Returns
 * when it goes on, or at once where nobody could continue it (an orphaned process group). */
void terminal_stop(void);
/* It goes on: whoever had the terminal meanwhile has left it in another mode, and a change of its
 * size was not told. In the background this stops it again (SIGTTOU), as everybody who has a
 * terminal raw. */
void terminal_continue(int master);

struct winsize;
/* The window size of the caller's terminal, which one of the standard streams is; false: none is.
 */
bool terminal_size(struct winsize *ret);
/* The same onto the terminal MASTER. */
void terminal_copy_size(int master);

/* Both directions between the caller (stdin, stdout) and MASTER. A slow reader of stdout or a
 * container that does not read never blocks us: what cannot be written waits in a buffer, and
 * nothing more is read in that direction meanwhile. */
struct relay_buffer {
	char data[16384];
	unsigned start, len;
};
struct relay {
	int master;
	int out_fd; /* stdout, opened anew so that a write to it never blocks; or stdout itself */
	bool use_stdin, stdin_open, master_open;
	bool end_typed, end_cooked; /* the end-of-file key was, and in which mode of the terminal */
	/* Takes what comes from MASTER in place of stdout; NULL: stdout. Never blocks for long. */
	void (*sink)(void *ctx, const char *data, size_t len);
	void *sink_ctx;
	int lost; /* why some of the output could not be passed on, an errno; 0: all was */
	struct relay_buffer in, out;
};
struct pollfd;
/* MASTER is ours alone and becomes non-blocking. Without touching the buffers, which are eight
 * pages. */
void relay_init(struct relay *r, int master, bool use_stdin);
/* Fills up to three entries; returns how many. */
int relay_poll(struct relay *r, struct pollfd *p);
/* Moves what can be moved after poll(2) filled N entries. */
void relay_move(struct relay *r, const struct pollfd *p, int n);
/* After the container's end: takes what is still in the terminal. True: something is to be written,
 * when poll(2) of out_fd for POLLOUT says so, by relay_write(). */
bool relay_rest(struct relay *r);
void relay_write(struct relay *r);
void relay_close(struct relay *r);

#endif
