/* Names of signals (signal(7)). */
#ifndef MRUN_RUNTIME_CONTAINER_SIGNALS_H
#define MRUN_RUNTIME_CONTAINER_SIGNALS_H

/* "KILL", "SIGKILL", "kill", "9", "RTMIN+3" to the number; 0 when it is none. */
int signal_parse(const char *name);

#endif
