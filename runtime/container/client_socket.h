/* The sockets on which a client waits for descriptors of a container: --console-socket for the
 * terminal's master, --pidfd-socket for a pidfd of the process (unix(7), SCM_RIGHTS). */
#ifndef MRUN_RUNTIME_CONTAINER_CLIENT_SOCKET_H
#define MRUN_RUNTIME_CONTAINER_CLIENT_SOCKET_H

#include <sys/types.h>

#include "oci/base/error.h"

/* Connects to the client's stream socket at PATH, which may be longer than a socket's address. WHAT
 * ("console") is for messages. Waits at most ten seconds for a client that does not accept. Returns
 * the descriptor (close-on-exec), -1 with E. */
int client_socket_connect(const char *path, const char *what, struct error *e);

/* Sends a pidfd of PID, which must be a child of ours. KIND is the text beside it, as runc has it:
 * "standard" for a container's first process, "setns" for one of exec. */
int client_socket_send_pidfd(int sock, const char *kind, pid_t pid, struct error *e);

#endif
