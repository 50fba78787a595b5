/*
 * Shared by the unit tests of seccomp: programs are run by a small interpreter of the kernel's BPF
 * subset, so that every decision on every ABI can be asked for, also those that would kill.
 */
#ifndef MRUN_TESTS_UNIT_SECCOMP_DECIDE_H
#define MRUN_TESTS_UNIT_SECCOMP_DECIDE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/str.h"
#include "runtime/init/seccomp_compile.h"

#define DENIED SCMP_ACT_ERRNO(EPERM)
#define NO_SUCH SCMP_ACT_ERRNO(ENOSYS)
#define RULE(r) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{" r "}]}"

static struct arena arena;
static struct error error;
static char dir[] = "/tmp/mrun-test-seccomp.XXXXXX";

/* seccomp(2): the program sees struct seccomp_data. */
static inline uint32_t decide(const struct sock_fprog *p, uint32_t arch, uint32_t nr,
			      const uint64_t *args)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	uint32_t acc = 0;

	if (args)
		memcpy(d.args, args, sizeof(d.args));
	for (size_t pc = 0; pc < p->len; pc++) {
		const struct sock_filter *f = &p->filter[pc];
		bool yes = false;

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&acc, (const char *)&d + f->k, sizeof(acc));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= f->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = acc == f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = acc >= f->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = acc > f->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = (acc & f->k) != 0;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("instruction %#x", f->code);
		}
		pc += yes ? f->jt : f->jf;
	}
	fail_msg("the program does not end");
	return 0;
}

static inline uint32_t ask(const struct sock_fprog *p, uint32_t token, const char *name,
			   uint64_t a0, uint64_t a1)
{
	const uint64_t args[6] = { a0, a1 };
	int nr = seccomp_syscall_resolve_name_arch(token, name);

	if (token == SCMP_ARCH_X86 && str_eq(name, "socket"))
		nr = 359;
	assert_true(nr >= 0);
	return decide(p, token == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : token, (uint32_t)nr, args);
}

static inline struct oci_seccomp *parse(const char *json)
{
	struct oci_seccomp *s =
		json_read(&arena, json, strlen(json), &oci_seccomp_type, "test", &error);

	if (!s)
		fail_msg("%s", error.msg);
	return s;
}

static inline struct seccomp_filter compile(const char *json)
{
	struct seccomp_filter f = { 0 };

	if (seccomp_prepare(&arena, parse(json), &f, &error) < 0)
		fail_msg("%s", error.msg);
	return f;
}

static inline int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? setenv("XDG_CACHE_HOME", dir, 1) : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return file_remove_tree(AT_FDCWD, dir, &error);
}

#endif
