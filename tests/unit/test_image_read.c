/* Reading manifests, indexes and configs: oci/image/image.c; and docker's ways of printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oci/base/date.h"
#include "oci/base/str.h"
#include "oci/image/image.h"
#include "runtime/cmd/format.h"
#include "runtime/cmd/image_changes.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define CONFIG "{\"mediaType\":\"" OCI_TYPE_CONFIG "\",\"digest\":\"" D1 "\",\"size\":1}"
#define LAYER "{\"mediaType\":\"" OCI_TYPE_LAYER "\",\"digest\":\"" D2 "\",\"size\":2}"

static struct oci_manifest *manifest(struct arena *a, const char *text, struct error *e)
{
	err_clear(e);
	return oci_manifest_read(a, text, strlen(text), OCI_TYPE_MANIFEST, "test", e);
}

static void manifests(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"schemaVersion\":1,\"config\":" CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"config\":" CONFIG "}",
		"{\"schemaVersion\":2,\"layers\":[" LAYER "]}",
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}",
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" CONFIG "]}",
		"{\"schemaVersion\":2,\"config\":" LAYER ",\"layers\":[" LAYER "]}",
		"{\"schemaVersion\":2,\"mediaType\":\"" OCI_TYPE_INDEX "\",\"config\":" CONFIG
		",\"layers\":[]}",
		"{\"schemaVersion\":2,\"fsLayers\":[],\"config\":" CONFIG ",\"layers\":[]}",
	};
	static const char good[] =
		"{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "," LAYER
		"],\"manifests\":null,\"unknown\":{\"x\":1},\"annotations\":{\"k\":\"v\"}}";
	struct arena a = { 0 };
	struct oci_manifest *m;
	struct error e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(manifest(&a, bad[i], &e));
	m = manifest(&a, good, &e);
	assert_non_null(m);
	assert_int_equal(m->layers_len, 2);
	assert_string_equal(m->config->digest, D1);
	assert_int_equal(m->layers[1].size, 2);
	assert_false(oci_manifest_is_docker(m));
	arena_free(&a);
}

static void docker_becomes_oci(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,"
		"\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
		"\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\","
		"\"digest\":\"" D1 "\",\"size\":1},\"layers\":[{\"mediaType\":"
		"\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"digest\":\"" D2
		"\",\"size\":2}]}";
	struct arena a = { 0 };
	struct oci_manifest *m;
	struct error e;
	char *out;
	size_t len;

	(void)state;
	m = oci_manifest_read(&a, text, strlen(text), NULL, "test", &e);
	assert_non_null(m);
	assert_true(oci_manifest_is_docker(m));
	out = oci_manifest_convert(&a, m, &len);
	assert_int_equal(len, strlen(out));
	assert_null(strstr(out, "docker"));
	m = oci_manifest_read(&a, out, len, OCI_TYPE_MANIFEST, "test", &e);
	assert_non_null(m);
	assert_false(oci_manifest_is_docker(m));
	assert_string_equal(m->layers[0].media_type, OCI_TYPE_LAYER "+gzip");
	/* The same input gives the same bytes, and with them the same digest. */
	assert_string_equal(oci_manifest_convert(&a, m, &len), out);
	arena_free(&a);
}

static void configs(void **state)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b\"],"
		"\"Cmd\":null,"
		"\"ExposedPorts\":{\"80/"
		"tcp\":{}},\"Labels\":{\"a\":\"b\"},\"Healthcheck\":{\"Test\":[\"X\"]}},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},"
		"\"history\":[{\"created_by\":\"x\",\"empty_layer\":true}]}";
	static const char bare[] = "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}";
	static const char *const bad[] = {
		"{}",
		"{\"rootfs\":{\"type\":\"tar\",\"diff_ids\":[]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:x\"]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":[\"A\\u0000B\"]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":{\"A\":\"B\"}}}",
	};
	struct arena a = { 0 };
	struct oci_image_config *c;
	struct oci_manifest m = { .layers_len = 1 };
	struct error e;

	(void)state;
	c = oci_config_read(&a, text, strlen(text), "test", &e);
	assert_non_null(c);
	assert_string_equal(c->config->env[0], "A=b");
	assert_null(c->config->cmd);
	assert_string_equal(c->config->exposed_ports[0].key, "80/tcp");
	assert_non_null(c->config->healthcheck);
	assert_true(c->history[0].empty_layer);
	assert_int_equal(oci_config_check(c, &m, "test", &e), 0);
	m.layers_len = 2;
	assert_int_equal(oci_config_check(c, &m, "test", &e), -1);
	c = oci_config_read(&a, bare, strlen(bare), "test", &e);
	assert_non_null(c);
	assert_non_null(c->config);
	assert_int_equal(str_list_len(c->rootfs->diff_ids), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(oci_config_read(&a, bad[i], strlen(bad[i]), "test", &e));
	arena_free(&a);
}

static void sizes_and_times(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0B" },
		      { 999, "999B" },
		      { 1000, "1kB" },
		      { 1234, "1.23kB" },
		      { 8089600, "8.09MB" },
		      { 999900, "1MB" },
		      { 123456789, "123MB" },
		      { 2500000000u, "2.5GB" } };
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_string_equal(format_size(&a, sizes[i].bytes), sizes[i].text);
	assert_string_equal(format_since(&a, NULL), "N/A");
	assert_string_equal(format_time(&a, "2024-01-01T02:03:04.5+02:00"),
			    "2024-01-01 00:03:04 +0000 UTC");
	assert_string_equal(format_time(&a, "?"), "N/A");
	assert_string_equal(format_since(&a, "0001-01-01T00:00:00Z"), "N/A");
	assert_string_equal(format_since(&a, date_rfc3339(&a, time(NULL) - 3 * 7L * 86400, -1)),
			    "3 weeks ago");
	assert_string_equal(format_since(&a, date_rfc3339(&a, time(NULL) - 90, -1)),
			    "About a minute ago");
	arena_free(&a);
}

static void templates(void **state)
{
	static const char text[] = "{\"a\":\"x\",\"b\":{\"c\":[1,\"y\"],\"d\":null},\"t\":true}";
	static const char *const table[][2] = {
		{ "{{.a}}", "x" },
		{ "<{{ .a }}-{{.b.c}}>", "<x-[1 y]>" },
		{ "{{json .b}}", "{\"c\":[1,\"y\"],\"d\":null}" },
		{ "{{.b.d}} {{.t}}", "<nil> true" },
		{ "{{.b}}", "map[c:[1 y] d:<nil>]" },
		{ "no field", "no field" },
	};
	static const char *const bad[] = { "{{.x}}",	   "{{.a.b}}",	 "{{.a",
					   "{{range .a}}", "{{len .a}}", "{{.a | json}}" };
	struct arena a = { 0 };
	const struct json_value *v;
	struct error e;

	(void)state;
	v = json_parse(&a, text, strlen(text), "test", &e);
	assert_non_null(v);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(format_expand(&a, table[i][0], v, &e), table[i][1]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(format_expand(&a, bad[i], v, &e));
	arena_free(&a);
}

static void changes(void **state)
{
	static const char *const bad[] = { "",	       "CMD",	    "RUN x",	    "ENV",
					   "ENV A",    "ENV \"A=b", "ENV A=1 B",    "ENV =x",
					   "EXPOSE x", "EXPOSE 0",  "EXPOSE 70000", "EXPOSE 1/x",
					   "LABEL '" };
	struct oci_image_run run = { 0 };
	struct arena a = { 0 };
	struct error e;

	(void)state;
	assert_int_equal(image_change(&a, &run, "env A=1 B='x y' A=2", &e), 0);
	assert_int_equal(str_list_len(run.env), 2);
	assert_string_equal(run.env[0], "B=x y");
	assert_string_equal(run.env[1], "A=2");
	assert_int_equal(image_change(&a, &run, "ENV C the rest of it", &e), 0);
	assert_string_equal(run.env[2], "C=the rest of it");
	assert_int_equal(image_change(&a, &run, "CMD [\"a\", \"b c\"]", &e), 0);
	assert_int_equal(str_list_len(run.cmd), 2);
	assert_int_equal(image_change(&a, &run, "CMD a \"b", &e), 0);
	assert_string_equal(run.cmd[2], "a \"b");
	assert_int_equal(image_change(&a, &run, "WORKDIR /a", &e), 0);
	assert_int_equal(image_change(&a, &run, "WORKDIR ../b", &e), 0);
	assert_string_equal(run.working_dir, "/b");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(image_change(&a, &run, bad[i], &e), -1);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifests), cmocka_unit_test(docker_becomes_oci),
		cmocka_unit_test(configs),   cmocka_unit_test(sizes_and_times),
		cmocka_unit_test(templates), cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
