/* config.json: reading, validating, and everything that is computed of it before the first system
 * call: sysctls, mount options, capabilities, the seccomp filter. */
#include "oci/spec/spec.h"
#include "runtime/init/plan.h"
#include "runtime/init/seccomp_compile.h"
#include "runtime/init/sysctl.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct seccomp_filter filter = { 0 };
	struct process_plan process = { 0 };
	struct oci_spec *s =
		json_read(&a, (const char *)data, size, &oci_spec_type, "config.json", &e);

	if (!s || oci_spec_validate(s, &e) < 0)
		goto out;
	FUZZ_ASSERT(s->linux_ && s->root && s->oci_version);
	sysctl_check(s, &e);
	for (size_t i = 0; i < s->mounts_len; i++) {
		struct mount_plan m = { .source_fd = -1 };

		mount_options_parse(&a, s->mounts[i].options, &m, &e);
	}
	if (s->process && process_plan_make(&a, s->process, &process, &e) == 0 &&
	    process.shim_fd >= 0)
		close(process.shim_fd);
	if (s->linux_->seccomp)
		seccomp_compile(&a, s->linux_->seccomp, &filter, &e);
	/* What is written back is read again. */
	{
		size_t len;
		char *text = json_write(&a, &oci_spec_type, s, false, &len);

		FUZZ_ASSERT(json_read(&a, text, len, &oci_spec_type, "again", &e));
	}
out:
	arena_free(&a);
	return 0;
}
