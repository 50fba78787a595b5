/* Device rules: what v1 would be told, and what the v2 program, interpreted here, decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/bpf.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/cgroup/devices.h"

static struct arena arena;

/* The few instructions that devices_compile() uses; anything else fails the test. */
static uint64_t interpret(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { 0 };
	size_t pc = 0;

	for (unsigned steps = 0; steps < 1000000; steps++) {
		const struct bpf_insn *i = &p[pc++];
		uint32_t word;
		bool jump = false;

		assert_true(pc <= n);
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, 1);
			assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof(*ctx));
			memcpy(&word, (const char *)ctx + i->off, 4);
			r[i->dst_reg] = word;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[i->dst_reg] = (uint32_t)r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = (uint64_t)(int64_t)i->imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] & (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> i->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			jump = (uint32_t)r[i->dst_reg] != (uint32_t)i->imm;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			jump = (uint32_t)r[i->dst_reg] == (uint32_t)i->imm;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction %zu: code 0x%x", pc - 1, i->code);
		}
		if (jump)
			pc += (size_t)i->off;
	}
	fail_msg("the program does not end");
	return 0;
}

static bool decide(const struct device_rule *rules, size_t n, char type, uint32_t major,
		   uint32_t minor, uint32_t access)
{
	struct bpf_cgroup_dev_ctx ctx = {
		.access_type =
			access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	struct bpf_insn *p;
	struct error e;
	size_t len;

	assert_int_equal(devices_compile(&arena, rules, n, &p, &len, &e), 0);
	return interpret(p, len, &ctx) == 1;
}

/* The specification's sentence, said in C: for each kind of access the last rule that matches. */
static bool reference(const struct device_rule *rules, size_t n, char type, uint32_t major,
		      uint32_t minor, uint32_t access)
{
	uint32_t allowed = 0;

	for (size_t i = 0; i < n; i++) {
		const struct device_rule *r = &rules[i];

		if ((r->type != 'a' && r->type != type) ||
		    (r->major != DEV_ANY && r->major != (int64_t)major) ||
		    (r->minor != DEV_ANY && r->minor != (int64_t)minor))
			continue;
		allowed = r->allow ? allowed | r->access : allowed & ~r->access;
	}
	return (access & ~allowed) == 0;
}

static void named_cases(void **state)
{
	static const struct device_rule hole[] = {
		{ DEV_ANY, DEV_ANY, DEV_ALL, 'a', false },
		{ 1, DEV_ANY, DEV_READ | DEV_WRITE, 'c', true },
		{ 1, 3, DEV_WRITE, 'c', false },
		{ 8, 0xffffffff, DEV_READ, 'b', true },
	};

	(void)state;
	assert_true(decide(hole, 4, 'c', 1, 5, DEV_READ | DEV_WRITE));
	assert_false(decide(hole, 4, 'c', 1, 5, DEV_MKNOD));
	assert_true(decide(hole, 4, 'c', 1, 3, DEV_READ));
	assert_false(decide(hole, 4, 'c', 1, 3, DEV_READ | DEV_WRITE));
	assert_true(decide(hole, 4, 'b', 8, 0xffffffff, DEV_READ));
	assert_false(decide(hole, 4, 'b', 1, 5, DEV_READ));
	assert_false(decide(NULL, 0, 'c', 1, 3, DEV_READ));
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* Random rule lists over a few devices: the program says what the sentence says. */
static void random_rules(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct device_rule rules[8];
		size_t n = next_random(&seed) % 9;

		for (size_t i = 0; i < n; i++) {
			rules[i].allow = next_random(&seed) % 2;
			rules[i].type = "abc"[next_random(&seed) % 3];
			rules[i].major = (int64_t)(next_random(&seed) % 3) - 1;
			rules[i].minor = (int64_t)(next_random(&seed) % 3) - 1;
			rules[i].access = 1 + next_random(&seed) % 7;
		}
		for (uint32_t dev = 0; dev < 8; dev++)
			for (uint32_t access = 1; access <= DEV_ALL; access++) {
				char type = dev & 1 ? 'b' : 'c';
				uint32_t major = dev >> 1 & 1, minor = dev >> 2;

				assert_int_equal(decide(rules, n, type, major, minor, access),
						 reference(rules, n, type, major, minor, access));
			}
	}
	arena_free(&arena);
}

static struct device_rule *from_json(const char *json, size_t *n, struct error *e)
{
	struct oci_resources *r =
		json_read(&arena, json, strlen(json), &oci_resources_type, "test", e);
	struct device_rule *rules;

	assert_non_null(r);
	if (devices_rules(&arena, r->devices, r->devices_len, &rules, n, e) < 0)
		return NULL;
	return rules;
}

static void defaults(void **state)
{
	struct error e;
	size_t n;
	struct device_rule *r = from_json(
		"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\","
		"\"major\":10,\"minor\":229,\"access\":\"rw\"}]}",
		&n, &e);

	(void)state;
	assert_non_null(r);
	assert_true(decide(r, n, 'c', 1, 3, DEV_ALL));	  /* null */
	assert_true(decide(r, n, 'c', 136, 9, DEV_READ)); /* a pts */
	assert_true(decide(r, n, 'b', 8, 0, DEV_MKNOD));
	assert_false(decide(r, n, 'b', 8, 0, DEV_READ));
	assert_false(decide(r, n, 'c', 1, 11, DEV_READ)); /* kmsg */
	assert_true(decide(r, n, 'c', 10, 229, DEV_READ | DEV_WRITE));
	from_json("{}", &n, &e);
	assert_int_equal(n, 0);
}

static void bad_rules(void **state)
{
	static const struct {
		const char *json, *want;
	} table[] = {
		{ "{\"devices\":[{\"allow\":true,\"type\":\"x\",\"access\":\"r\"}]}",
		  "linux.resources.devices[0].type: 'x' is none of a, b, c" },
		{ "{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}",
		  "linux.resources.devices[0].access: 'rx' is not made of r, w and m" },
		{ "{\"devices\":[{\"allow\":true}]}",
		  "linux.resources.devices[0].access: '' is not made of r, w and m" },
		{ "{\"devices\":[{\"allow\":true,\"access\":\"r\",\"major\":-2}]}",
		  "linux.resources.devices[0].major: -2 is no device number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct error e;
		size_t n;

		assert_null(from_json(table[i].json, &n, &e));
		assert_string_equal(e.msg, table[i].want);
	}
}

static const char *join(char **lines)
{
	char *r = arena_strdup(&arena, "");

	for (; lines && *lines; lines++)
		r = arena_printf(&arena, "%s%s%s", r, *r ? ";" : "", *lines);
	return r;
}

static void v1_transitions(void **state)
{
	static const struct device_rule first[] = {
		{ DEV_ANY, DEV_ANY, DEV_ALL, 'a', false },
		{ 1, 3, DEV_ALL, 'c', true },
		{ 10, 200, DEV_READ, 'c', true },
		{ 7, 7, DEV_MKNOD, 'a', true },
	};
	static const struct device_rule second[] = {
		{ 1, 3, DEV_READ, 'c', true },
		{ 1, 5, DEV_ALL, 'c', true },
	};
	struct device_state from, to, listed;
	struct error e;
	bool known;

	(void)state;
	assert_int_equal(devices_state(&arena, first, 4, &from, &e), 0);
	assert_string_equal(join(devices_transition(&arena, NULL, &from)),
			    "-a;+c 1:3 rwm;+c 10:200 r;+b 7:7 m;+c 7:7 m");
	assert_int_equal(devices_state(&arena, second, 2, &to, &e), 0);
	/* Only the difference, and nothing that is kept goes away for a moment. */
	assert_string_equal(join(devices_transition(&arena, &from, &to)),
			    "-c 1:3 wm;-c 10:200 r;-b 7:7 m;-c 7:7 m;+c 1:5 rwm");
	assert_int_equal(devices_parse_list(&arena, "c 1:3 rwm\nb *:* m\n", &listed, &known, &e),
			 0);
	assert_true(known);
	assert_string_equal(join(devices_transition(&arena, &listed, &to)),
			    "-c 1:3 wm;-b *:* m;+c 1:5 rwm");
	assert_int_equal(devices_parse_list(&arena, "a *:* rwm\n", &listed, &known, &e), 0);
	assert_false(known);
	assert_int_equal(devices_parse_list(&arena, "x\n", &listed, &known, &e), -1);
}

static void v1_cannot_cut_holes(void **state)
{
	static const struct device_rule hole[] = {
		{ 1, DEV_ANY, DEV_ALL, 'c', true },
		{ 1, 3, DEV_WRITE, 'c', false },
	};
	struct device_state s;
	struct error e;

	(void)state;
	assert_int_equal(devices_state(&arena, hole, 2, &s, &e), -1);
	assert_string_equal(e.msg, "linux.resources.devices: cgroup v1 cannot deny 'c 1:3 w' while "
				   "'c 1:* rwm' is allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_cases),	  cmocka_unit_test(random_rules),
		cmocka_unit_test(defaults),	  cmocka_unit_test(bad_rules),
		cmocka_unit_test(v1_transitions), cmocka_unit_test(v1_cannot_cut_holes),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return r;
}
