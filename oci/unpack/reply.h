/* Answers: one JSON line each on descriptor 4. */
#ifndef MRUN_OCI_UNPACK_REPLY_H
#define MRUN_OCI_UNPACK_REPLY_H

#include "oci/base/error.h"
#include "oci/base/json.h"

/* Ends the text of O and sends it. A core that is gone is an error. */
int reply_send(struct arena *a, struct json_out *o, struct error *e);
void reply_error(struct arena *a, const struct error *why);
int reply_done(struct arena *a, struct error *e);

#endif
