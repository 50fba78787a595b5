/* The log: --log FILE, --log-format, --debug, in the shape of logrus, which clients of runc parse.
 */
#ifndef MRUN_RUNTIME_CONTAINER_LOG_H
#define MRUN_RUNTIME_CONTAINER_LOG_H

#include "oci/spec/spec.h"
#include "runtime/cmd/cmd.h"

/* One line of LEVEL ("error", "debug") to the log file; without one, nothing. */
void log_line(const struct cmd_context *c, const char *level, const char *msg);
/* Each of LIST as a warning: to the log file, and with --debug, where there is none, to stderr. */
void log_warnings(const struct cmd_context *c, const struct strlist *list);
/* A warning for what of R has no effect. R may be NULL. */
void log_without_effect(const struct cmd_context *c, const struct oci_resources *r);
/* With --debug: a line to the log file, else to stderr. */
void log_debug(const struct cmd_context *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
