/* What a container sees as /etc/hosts, /etc/hostname and /etc/resolv.conf. Made from the host's
 * files and the options; never from the image's. */
#ifndef MRUN_RUNTIME_IMAGE_ETC_FILES_H
#define MRUN_RUNTIME_IMAGE_ETC_FILES_H

#include <stddef.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "runtime/container/container.h"
#include "runtime/image/network.h"

struct etc_request {
	const char *hostname, *domainname; /* the latter may be NULL */
	enum network_mode mode;
	char *const *add_host; /* NAME:IP, NULL-terminated lists, may be NULL */
	char *const *dns, *const *dns_search, *const *dns_option;
	const struct oci_mount *mounts; /* a file that the user mounts over is left out */
	size_t mounts_len;
};

/* The three files, *ret_len at most 3, from the arena. */
int etc_files_make(struct arena *a, const struct etc_request *r, struct container_file **ret,
		   size_t *ret_len, struct error *e);

/* The text of resolv.conf given the host's (for the tests as well). */
char *etc_resolv_conf(struct arena *a, const char *host, const struct etc_request *r);

#endif
