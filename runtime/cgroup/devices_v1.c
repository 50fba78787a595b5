/*
 * Device rules on v1. The kernel keeps a default ("a" allowed or denied) and exceptions from it,
 * and silently ignores the removal of a part of an exception ("c 1:3" from "c 1:*"), so the rules
 * cannot just be written one after the other: the state that they lead to is worked out first, a
 * rule that v1 cannot express is an error, and then only the difference to the present state is
 * written, so that an update does not take a device away for a moment
 * (admin-guide/cgroup-v1/devices).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/internal.h"

#define LIST_MAX (1u << 20)

static char *rule_text(struct arena *a, const struct device_rule *r, uint32_t access)
{
	char *major = r->major == DEV_ANY ? arena_strdup(a, "*")
					  : arena_printf(a, "%lld", (long long)r->major);
	char *minor = r->minor == DEV_ANY ? arena_strdup(a, "*")
					  : arena_printf(a, "%lld", (long long)r->minor);

	return arena_printf(a, "%c %s:%s %s%s%s", r->type, major, minor,
			    access & DEV_READ ? "r" : "", access & DEV_WRITE ? "w" : "",
			    access & DEV_MKNOD ? "m" : "");
}

static bool same_device(const struct device_rule *x, const struct device_rule *y)
{
	return x->type == y->type && x->major == y->major && x->minor == y->minor;
}

static struct device_rule *find(const struct device_state *s, const struct device_rule *r)
{
	for (size_t i = 0; s->items && i < s->n; i++)
		if (same_device(&s->items[i], r))
			return &s->items[i];
	return NULL;
}

/* Another exception that covers R's device and more of them. */
static bool is_wider(const struct device_rule *wide, const struct device_rule *r)
{
	return !same_device(wide, r) && wide->type == r->type &&
	       (wide->major == DEV_ANY || wide->major == r->major) &&
	       (wide->minor == DEV_ANY || wide->minor == r->minor);
}

/* R against the default becomes, or widens, an exception. */
static void add_exception(struct device_state *s, const struct device_rule *r)
{
	struct device_rule *old = find(s, r);

	if (old)
		old->access |= r->access;
	else
		s->items[s->n++] = *r;
}

/* R as the default has it: takes away from the exceptions. */
static int remove_exception(struct arena *a, struct device_state *s, const struct device_rule *r,
			    struct error *e)
{
	struct device_rule *old = find(s, r);

	for (size_t i = 0; i < s->n; i++)
		if (is_wider(&s->items[i], r) && (s->items[i].access & r->access)) {
			err_msg(e,
				"linux.resources.devices: cgroup v1 cannot %s '%s' while '%s' is "
				"%s",
				s->allow ? "allow" : "deny", rule_text(a, r, r->access),
				rule_text(a, &s->items[i], s->items[i].access),
				s->allow ? "denied" : "allowed");
			return err_hint(e, "list the narrower devices instead of the wildcard");
		}
	if (old)
		old->access &= ~r->access;
	return 0;
}

static int apply_rule(struct arena *a, struct device_state *s, const struct device_rule *r,
		      struct error *e)
{
	if (r->allow != s->allow) {
		add_exception(s, r);
		return 0;
	}
	return remove_exception(a, s, r, e);
}

int devices_state(struct arena *a, const struct device_rule *rules, size_t n,
		  struct device_state *ret, struct error *e)
{
	struct device_state s = { .allow = false };

	s.items = ARENA_ARRAY(a, 2 * n + 1, struct device_rule);
	for (size_t i = 0; i < n; i++) {
		struct device_rule r = rules[i];

		if (r.type == 'a' && r.major == DEV_ANY && r.minor == DEV_ANY &&
		    r.access == DEV_ALL) {
			s.allow = r.allow;
			s.n = 0;
			continue;
		}
		/* The kernel takes any other "a" for everything; two rules say what is meant. */
		if (r.type == 'a') {
			r.type = 'b';
			if (apply_rule(a, &s, &r, e) < 0)
				return -1;
			r.type = 'c';
		}
		if (apply_rule(a, &s, &r, e) < 0)
			return -1;
	}
	*ret = s;
	return 0;
}

static bool parse_number(const char *s, int64_t *ret)
{
	uint64_t v;

	if (str_eq(s, "*")) {
		*ret = DEV_ANY;
		return true;
	}
	if (!str_to_u64(s, UINT32_MAX, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

int devices_parse_list(struct arena *a, const char *list, struct device_state *ret, bool *ret_known,
		       struct error *e)
{
	char **lines = str_split(a, list, '\n');
	struct device_state s = { .allow = false };

	s.items = ARENA_ARRAY(a, str_list_len(lines) + 1, struct device_rule);
	*ret_known = true;
	for (; *lines; lines++) {
		struct device_rule r = { .allow = true };
		char *save = NULL, *copy = arena_strdup(a, *lines), *type, *major, *minor, *access;

		if (!**lines)
			continue;
		if (str_has_prefix(*lines, "a ")) {
			s.allow = true;
			*ret_known = false;
			continue;
		}
		type = strtok_r(copy, " ", &save);
		major = strtok_r(NULL, ":", &save);
		minor = strtok_r(NULL, " ", &save);
		access = strtok_r(NULL, " ", &save);
		if (!type || !access || strlen(type) != 1 || !major || !minor ||
		    !parse_number(major, &r.major) || !parse_number(minor, &r.minor))
			return err_msg(e, "read devices.list: '%s' is not understood", *lines);
		r.type = *type;
		r.access = (strchr(access, 'r') ? DEV_READ : 0) |
			   (strchr(access, 'w') ? DEV_WRITE : 0) |
			   (strchr(access, 'm') ? DEV_MKNOD : 0);
		s.items[s.n++] = r;
	}
	if (s.allow)
		s.n = 0;
	*ret = s;
	return 0;
}

char **devices_transition(struct arena *a, const struct device_state *from,
			  const struct device_state *to)
{
	static const struct device_state nothing = { 0 };
	struct strlist l = { 0 };
	/* What is denied by default has exceptions that are allowed ('+'), and the other way. */
	char add = to->allow ? '-' : '+', take = to->allow ? '+' : '-';

	if (!from || from->allow || from->allow != to->allow) {
		strlist_add(a, &l, to->allow ? "+a" : "-a");
		from = &nothing;
	}
	for (size_t i = 0; i < from->n; i++) {
		const struct device_rule *kept = find(to, &from->items[i]);
		uint32_t lost = from->items[i].access & ~(kept ? kept->access : 0);

		if (lost)
			strlist_add(
				a, &l,
				arena_printf(a, "%c%s", take, rule_text(a, &from->items[i], lost)));
	}
	for (size_t i = 0; i < to->n; i++) {
		const struct device_rule *had = find(from, &to->items[i]);
		uint32_t more = to->items[i].access & ~(had ? had->access : 0);

		if (more)
			strlist_add(
				a, &l,
				arena_printf(a, "%c%s", add, rule_text(a, &to->items[i], more)));
	}
	return l.items;
}

int devices_apply_v1(struct arena *a, const char *dir, const struct device_rule *rules, size_t n,
		     struct error *e)
{
	_cleanup_fd_ int dirfd = cg_open(dir, "", O_PATH | O_DIRECTORY);
	_cleanup_fd_ int allow = -1, deny = -1;
	struct device_state from = { 0 }, to = { 0 };
	char *list, **lines;
	bool known = false;

	if (dirfd < 0)
		return err_sys(e, errno, "open cgroup %s", dir);
	if (devices_state(a, rules, n, &to, e) < 0 ||
	    file_read(a, dirfd, "devices.list", LIST_MAX, &list, NULL, e) < 0 ||
	    devices_parse_list(a, list, &from, &known, e) < 0)
		return -1;
	lines = devices_transition(a, known ? &from : NULL, &to);
	if (!lines)
		return 0;
	allow = openat(dirfd, "devices.allow", O_WRONLY | O_CLOEXEC);
	deny = openat(dirfd, "devices.deny", O_WRONLY | O_CLOEXEC);
	if (allow < 0 || deny < 0)
		return err_sys(e, errno, "open the device rules of cgroup %s", dir);
	/* A child of a cgroup that denies cannot allow more: the kernel says EPERM then. */
	for (; *lines; lines++)
		if (write(**lines == '+' ? allow : deny, *lines + 1, strlen(*lines + 1)) < 0)
			return err_sys(e, errno, "write '%s' to %s/devices.%s", *lines + 1, dir,
				       **lines == '+' ? "allow" : "deny");
	return 0;
}
