/* `mrun import --change`: one Dockerfile instruction applied to an image config (docker import(1):
 * CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR). */
#ifndef MRUN_RUNTIME_CMD_IMAGE_CHANGES_H
#define MRUN_RUNTIME_CMD_IMAGE_CHANGES_H

#include "oci/image/image.h"

int image_change(struct arena *a, struct oci_image_run *run, const char *line, struct error *e);

#endif
