/* What comes with a container for the systemd driver: linux.cgroupsPath, then the value of an
 * annotation, separated by NUL. */
#include <string.h>

#include "runtime/cgroup/systemd.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct systemd_unit u = { 0 };
	struct systemd_properties p = { 0 };
	char *path = fuzz_text(&a, data, size);
	size_t n = strlen(path);
	struct json_pair pairs[2] = { { (char *)(uintptr_t) "org.systemd.property.TimeoutStopSec",
					NULL },
				      { (char *)(uintptr_t) "org.systemd.property.After", NULL } };

	pairs[0].value = pairs[1].value = n < size ? path + n + 1 : path;
	if (systemd_unit_parse(&a, path, "id", false, &u, &e) == 0) {
		FUZZ_ASSERT(u.name && strlen(u.name) <= 255 && !strchr(u.name, '/'));
		FUZZ_ASSERT(u.slice && systemd_slice_path(&a, u.slice) && !strchr(u.slice, '/'));
	}
	for (size_t i = 0; i < 2; i++)
		systemd_annotations(&a, &pairs[i], 1, &p, &e);
	for (size_t i = 0; i < p.n; i++) {
		struct json_out *o = json_out_new(&a, false);

		FUZZ_ASSERT(p.items[i].type && strlen(p.items[i].type) <= 255);
		json_out_value(o, p.items[i].value);
		json_out_finish(o, NULL);
	}
	arena_free(&a);
	return 0;
}
