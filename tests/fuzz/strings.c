/* Short texts: USER, image names, platforms, sizes, signals, -v, --mount, --tmpfs, --ulimit, paths.
 * All parsers get each input. */
#include <string.h>

#include "oci/base/date.h"
#include "oci/base/path.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "oci/image/name.h"
#include "oci/image/platform.h"
#include "oci/layer/tar.h"
#include "runtime/image/options.h"
#include "tests/fuzz/fuzz.h"

static void check_clean(const char *clean)
{
	FUZZ_ASSERT(clean[0] == '/' && !strstr(clean, "/../") && !strstr(clean, "//") &&
		    !str_has_suffix(clean, "/..") && !str_has_suffix(clean, "/."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct mount_list mounts = { 0 };
	struct oci_platform platform = { 0 };
	struct image_name name = { 0 };
	struct json_pair pair;
	struct oci_rlimit limit;
	struct strlist list = { 0 };
	char buf[256];
	const char *text;
	uint64_t u;
	uint32_t fields[3];
	int64_t i;
	time_t t;

	if (size > 8192)
		return 0;
	text = fuzz_text(&a, data, size);
	check_clean(path_clean(&a, text));
	if (tar_clean_name(text, buf, sizeof(buf)))
		FUZZ_ASSERT(buf[0] != '/' && strcmp(buf, "..") != 0 && strncmp(buf, "../", 3) != 0);
	tar_quote(&a, text);
	if (image_name_parse(&a, text, &name, &e) == 0)
		FUZZ_ASSERT(image_name_parse(&a, image_name_tagged(&a, &name), &name, &e) == 0);
	platform_parse(&a, text, &platform, &e);
	digest_valid(text);
	mount_parse_volume(&a, text, &mounts, &e);
	mount_parse_mount(&a, text, &mounts, &e);
	mount_parse_tmpfs(&a, text, &mounts, &e);
	for (size_t k = 0; k < mounts.n; k++)
		FUZZ_ASSERT(mounts.items[k].destination && mounts.items[k].destination[0] == '/');
	value_ulimit(&a, text, &limit, &e);
	value_env(&a, text, &list, &e);
	value_pair(&a, "--label", text, false, &pair, &e);
	value_signal(text);
	if (str_to_size(text, &i))
		FUZZ_ASSERT(i >= 0);
	str_to_i64(text, &i);
	str_to_flag_number(text, &i);
	if (str_to_u64(text, 1000, &u))
		FUZZ_ASSERT(u <= 1000);
	str_fields_u32(text, fields, 3);
	date_parse_rfc3339(text, &t);
	str_distance(text, "images");
	arena_free(&a);
	return 0;
}
