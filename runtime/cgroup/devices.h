/*
 * Device rules (runtime-spec config-linux.md, "Allowed Device list"). On v1 they become lines for
 * devices.allow and devices.deny, on v2 an eBPF program. Both start from "nothing is allowed",
 * apply the rules in the order listed, and end with the devices that every container has.
 */
#ifndef MRUN_RUNTIME_CGROUP_DEVICES_H
#define MRUN_RUNTIME_CGROUP_DEVICES_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"
#include "oci/spec/spec.h"

/* The kernel's bits (BPF_DEVCG_*), used for v1 too. */
#define DEV_MKNOD 1u
#define DEV_READ 2u
#define DEV_WRITE 4u
#define DEV_ALL 7u

#define DEV_ANY (-1)

struct device_rule {
	int64_t major, minor; /* DEV_ANY: all */
	uint32_t access;
	char type; /* 'b', 'c', or 'a' for both */
	bool allow;
};

/* Checks the rules given and appends the default ones. *ret_len is 0 when none are given. */
int devices_rules(struct arena *a, const struct oci_device_cgroup *d, size_t n,
		  struct device_rule **ret, size_t *ret_len, struct error *e);

/* The program that decides: 1 in r0 allows. Its context is struct bpf_cgroup_dev_ctx. */
int devices_compile(struct arena *a, const struct device_rule *rules, size_t n,
		    struct bpf_insn **ret, size_t *ret_len, struct error *e);
/* Attaches a program made of the rules to the v2 cgroup FD; one that we attached earlier is
 * replaced at once, without a moment in which no rule holds (bpf(2), BPF_F_REPLACE). */
int devices_attach_v2(struct arena *a, int fd, bool fresh, const struct device_rule *rules,
		      size_t n, struct error *e);

/* What v1's kernel keeps: a default, and exceptions from it. */
struct device_state {
	bool allow;		   /* the default */
	struct device_rule *items; /* allow unused; type is b or c; access of the exception */
	size_t n;
};
/* The state that the rules lead to. A rule that would cut a hole into a wildcard is an error: v1
 * would silently ignore it. */
int devices_state(struct arena *a, const struct device_rule *rules, size_t n,
		  struct device_state *ret, struct error *e);
/* A devices.list as a state. A list that allows everything hides its exceptions: *ret_known is
 * false then. */
int devices_parse_list(struct arena *a, const char *list, struct device_state *ret, bool *ret_known,
		       struct error *e);
/* What has to be written, in order, to get from FROM (NULL: unknown) to TO; lines "c 1:3 rwm" with
 * '+' (devices.allow) or '-' (devices.deny) in front. */
char **devices_transition(struct arena *a, const struct device_state *from,
			  const struct device_state *to);
int devices_apply_v1(struct arena *a, const char *dir, const struct device_rule *rules, size_t n,
		     struct error *e);

#endif
