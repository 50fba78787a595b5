/* See request.h. */
#include "oci/unpack/request.h"

#include "oci/base/file.h"
#include "oci/base/json.h"

#define REQUEST_MAX ((size_t)64 * 1024 * 1024)

static const struct json_field layer_fields[] = {
	JF(request_layer, fd, "fd", J_U32, 0),
	JF(request_layer, digest, "digest", J_STR, 0),
	JF(request_layer, diff_id, "diff_id", J_STR, 0),
	JF(request_layer, size, "size", J_PU64, 0),
	JF(request_layer, name, "name", J_STR, 0),
	JF(request_layer, cached, "cached", J_BOOL, 0),
	JF(request_layer, digested, "digested", J_BOOL, 0),
	{ 0 },
};
static JSON_TYPE(layer_type, request_layer, layer_fields);

static const struct json_field entry_fields[] = {
	JF(request_entry, name, "name", J_STR, J_REQUIRED),
	JF(request_entry, link, "link", J_STR, 0),
	JF(request_entry, dir, "dir", J_BOOL, 0),
	JF(request_entry, fd, "fd", J_PU32, 0),
	JF(request_entry, size, "size", J_PU64, 0),
	{ 0 },
};
static JSON_TYPE(entry_type, request_entry, entry_fields);

static const struct json_field request_fields[] = {
	JF(request, mode, "mode", J_STR, J_REQUIRED),
	JF(request, userns, "userns", J_BOOL, 0),
	JF(request, single, "single", J_BOOL, 0),
	JF(request, max_bytes, "max_bytes", J_PU64, J_REQUIRED),
	JF(request, max_entries, "max_entries", J_PU64, J_REQUIRED),
	JF(request, max_ratio, "max_ratio", J_U32, 0),
	JF(request, in, "in", J_U32, 0),
	JF(request, out, "out", J_PU32, 0),
	JF(request, name, "name", J_STR, 0),
	JF(request, from, "from", J_STR, 0),
	JF(request, names, "names", J_STRS, 0),
	JF_L(request, layers, "layers", J_ARR, 0, &layer_type),
	JF_L(request, entries, "entries", J_ARR, 0, &entry_type),
	{ 0 },
};
static JSON_TYPE(request_type, request, request_fields);

struct request *request_read(struct arena *a, struct error *e)
{
	size_t len;
	char *text;

	if (file_read_fd(a, REQUEST_FD, "the request", REQUEST_MAX, &text, &len, e) < 0)
		return NULL;
	return json_read(a, text, len, &request_type, "the request", e);
}
