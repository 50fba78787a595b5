/*
 * The one error type. An error names the operation, the object, the cause and, where we know it,
 * what to do. It has a fixed size and owns no memory, so that the container's init can send it
 * through a socket as it is.
 *
 * Use: a function that can fail takes `struct error *e` as its last argument and returns -1 (or
 * NULL) after it has filled it. Callers up the chain put their own operation in front with
 * err_wrap(). `e` is never NULL.
 */
#ifndef MRUN_OCI_BASE_ERROR_H
#define MRUN_OCI_BASE_ERROR_H

#include <stdbool.h>

#define ERR_MSG_MAX 3072
#define ERR_HINT_MAX 1000

/* Exit codes of docker's command line (docker-run(1), "Exit status"). */
enum err_exit {
	ERR_EXIT_RUNTIME = 125,	  /* mrun itself failed */
	ERR_EXIT_NOT_EXEC = 126,  /* the command cannot be executed */
	ERR_EXIT_NOT_FOUND = 127, /* the command is not there */
};

struct error {
	int code;		 /* errno of the cause, 0 when there is none */
	int exit_code;		 /* what the program should exit with, 0: the caller's default */
	char msg[ERR_MSG_MAX];	 /* "operation object: cause", without a newline */
	char hint[ERR_HINT_MAX]; /* what to do; empty when there is nothing to say */
};

/* An error whose cause is an errno: MSG is "fmt: no such file or directory". Returns -1. */
int err_sys(struct error *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* An error of our own finding, code EINVAL. Returns -1. */
int err_msg(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "fmt: " in front of the message. Returns -1. */
int err_wrap(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint unless a deeper, more exact one is there already. Returns -1. */
int err_hint(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The C library's text of an errno with a small first letter, as Go programs print it and as
 * clients of runc match it ("no such file or directory"). Never NULL. */
const char *err_text(int errnum);

/* Makes E say nothing again. */
void err_clear(struct error *e);

#endif
