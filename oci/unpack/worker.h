/*
 * One layer, unpacked by a process of its own: forked by the supervisor (layers.c), it makes the
 * layer's directory its root, gives up everything else, and only then reads the blob. What it says
 * of the result comes back through a pipe, as one structure of fixed size.
 */
#ifndef MRUN_OCI_UNPACK_WORKER_H
#define MRUN_OCI_UNPACK_WORKER_H

#include <sys/types.h>

#include "oci/layer/extract.h"
#include "oci/unpack/request.h"

struct worker_job {
	const struct request *request;
	const struct request_layer *layer;
	enum extract_form form;
	bool bottom;
	const char *tree;   /* the directory to fill */
	uint64_t max_bytes; /* what is left of the image's allowance */
	/* EXTRACT_APPLY over an overlay: the trees below, top first, NULL-terminated; upper and
	 * work directories and where to mount, beside TREE. NULL: onto TREE itself. */
	char **lower;
	const char *work, *mountpoint;
};

struct worker_result {
	int status;	   /* 0, EXTRACT_NEEDS_LOWER, or -1 with error */
	bool root_default; /* the root directory is as an image without an entry for it has it */
	uint64_t diff_size;
	struct extract_result extract;
	struct error error;
};

/* Forks. *ret_pipe gets the result. */
pid_t worker_start(const struct worker_job *job, int *ret_pipe, struct error *e);

#endif
