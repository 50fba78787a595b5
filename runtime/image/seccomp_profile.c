/*
 * Docker's profile format: a seccomp object of the runtime specification, in which a rule may say
 * for which capabilities, architectures and kernels it counts, and an archMap says which 32-bit
 * architectures come with the native one.
 *
 * In order: the text becomes a tree; a rule's old "name" becomes "names"; the specification's part
 * is decoded by its own table, the rest by the tables below, both with the indexes of the file, so
 * that messages name the right rule; then the rules that do not count here are left out.
 *
 * The file is a person's own choice, but may have been downloaded: it is data with a size cap, and
 * an ill-typed or contradictory value is an error rather than a weaker filter.
 */
#include "runtime/image/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "oci/base/file.h"
#include "oci/base/json.h"
#include "oci/base/str.h"
#include "runtime/init/seccomp_compile.h"

#define MAX_PROFILE (1024 * 1024)
#define END                 \
	{                   \
		.key = NULL \
	}

struct condition {
	char **caps, **arches;
	char *min_kernel;
};
struct rule {
	struct condition *includes, *excludes;
	char *errno_name; /* containers-common's: "ENOSYS" */
};
struct arch_map {
	char *architecture;
	char **sub;
};
struct profile {
	char *default_errno_name;
	struct arch_map *arch_map;
	size_t arch_map_len;
	struct rule *rules;
	size_t rules_len;
};

static const struct json_field condition_fields[] = {
	JF(condition, caps, "caps", J_STRS, 0),
	JF(condition, arches, "arches", J_STRS, 0),
	JF(condition, min_kernel, "minKernel", J_STR, 0),
	END,
};
static JSON_TYPE(condition_type, condition, condition_fields);

static const struct json_field rule_fields[] = {
	JF_SUB(rule, includes, "includes", J_OBJ, 0, &condition_type),
	JF_SUB(rule, excludes, "excludes", J_OBJ, 0, &condition_type),
	JF(rule, errno_name, "errno", J_STR, 0),
	END,
};
static JSON_TYPE(rule_type, rule, rule_fields);

static const struct json_field arch_map_fields[] = {
	JF(arch_map, architecture, "architecture", J_STR, J_REQUIRED),
	JF(arch_map, sub, "subArchitectures", J_STRS, 0),
	END,
};
static JSON_TYPE(arch_map_type, arch_map, arch_map_fields);

static const struct json_field profile_fields[] = {
	JF(profile, default_errno_name, "defaultErrno", J_STR, 0),
	JF_L(profile, arch_map, "archMap", J_ARR, 0, &arch_map_type),
	JF_L(profile, rules, "syscalls", J_ARR, 0, &rule_type),
	END,
};
static JSON_TYPE(profile_type, profile, profile_fields);

/* A rule with "names": ["x"] in place of "name": "x". Anything else is left for the decoder. */
static int name_to_names(struct arena *a, struct json_value *rule, size_t index, struct error *e)
{
	const struct json_value *name = json_get(rule, "name"), *names = json_get(rule, "names");
	struct json_member *members, *item;

	if (!name || (name->type == JSON_STRING && !*name->text))
		return 0;
	if (name->type != JSON_STRING)
		return err_msg(e, "syscalls[%zu].name: expected a string", index);
	if (names && names->len)
		return err_msg(e, "syscalls[%zu]: both 'name' and 'names' are given", index);
	item = ARENA_NEW(a, struct json_member);
	item->value = *name;
	members = ARENA_ARRAY(a, rule->len + 1, struct json_member);
	memcpy(members, rule->members, rule->len * sizeof(*members));
	members[rule->len].key = "names";
	members[rule->len].value =
		(struct json_value){ .type = JSON_ARRAY, .members = item, .len = 1 };
	rule->members = members;
	rule->len++;
	return 0;
}

/* The tree with its rules' names brought to one form; V itself where there is nothing to do. */
static const struct json_value *normalise(struct arena *a, const struct json_value *v,
					  struct error *e)
{
	struct json_value *copy;

	if (v->type != JSON_OBJECT)
		return v;
	copy = ARENA_NEW(a, struct json_value);
	*copy = *v;
	copy->members = ARENA_ARRAY(a, v->len, struct json_member);
	for (size_t i = 0; i < v->len; i++) {
		struct json_value *rules = &copy->members[i].value;

		copy->members[i] = v->members[i];
		if (!str_eq(v->members[i].key, "syscalls") || rules->type != JSON_ARRAY)
			continue;
		rules->members = ARENA_ARRAY(a, rules->len, struct json_member);
		for (size_t j = 0; j < rules->len; j++) {
			rules->members[j] = v->members[i].value.members[j];
			if (rules->members[j].value.type == JSON_OBJECT &&
			    name_to_names(a, &rules->members[j].value, j, e) < 0)
				return NULL;
		}
	}
	return copy;
}

/* "4.8" against the running kernel. */
static bool kernel_at_least(const char *version)
{
	unsigned long major, minor = 0, have_major, have_minor = 0;
	struct utsname u;
	char *end;

	if (*version < '0' || *version > '9' || uname(&u) < 0)
		return false;
	major = strtoul(version, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	have_major = strtoul(u.release, &end, 10);
	if (*end == '.')
		have_minor = strtoul(end + 1, NULL, 10);
	return have_major > major || (have_major == major && have_minor >= minor);
}

/* docs.docker.com "Seccomp security profiles", moby/profiles: everything that "includes" lists must
 * hold (one of the arches), nothing that "excludes" lists may. */
static bool counts(const struct rule *r, const char *goarch, char *const *caps)
{
	const struct condition *in = r->includes, *ex = r->excludes;

	if (in) {
		if (str_list_len(in->arches) && !str_list_has(in->arches, goarch))
			return false;
		for (size_t i = 0; in->caps && in->caps[i]; i++)
			if (!caps || !str_list_has(caps, in->caps[i]))
				return false;
		if (in->min_kernel && *in->min_kernel && !kernel_at_least(in->min_kernel))
			return false;
	}
	if (ex) {
		if (ex->arches && str_list_has(ex->arches, goarch))
			return false;
		for (size_t i = 0; ex->caps && ex->caps[i]; i++)
			if (caps && str_list_has(caps, ex->caps[i]))
				return false;
		if (ex->min_kernel && *ex->min_kernel && kernel_at_least(ex->min_kernel))
			return false;
	}
	return true;
}

static int errno_by_name(struct arena *a, const char *name, const char *field, const uint32_t **ret,
			 struct error *e)
{
	for (int i = 1; i < 256; i++) {
		const char *known = strerrorname_np(i);
		uint32_t *value;

		if (!known || !str_eq(known, name))
			continue;
		value = ARENA_NEW(a, uint32_t);
		*value = (uint32_t)i;
		*ret = value;
		return 0;
	}
	return err_msg(e, "%s: unknown error name '%.40s'", field, name);
}

static int choose_archs(struct arena *a, const struct profile *p, const struct seccomp_arch *native,
			struct oci_seccomp *s, struct error *e)
{
	struct strlist list = { 0 };

	if (p->arch_map_len == 0)
		return 0;
	if (str_list_len(s->architectures))
		return err_msg(e, "both 'architectures' and 'archMap' are given");
	for (size_t i = 0; i < p->arch_map_len; i++) {
		const struct arch_map *m = &p->arch_map[i];

		if (!native || !str_eq(m->architecture, native->name))
			continue;
		strlist_add(a, &list, m->architecture);
		for (size_t j = 0; m->sub && m->sub[j]; j++)
			strlist_add(a, &list, m->sub[j]);
		break;
	}
	s->architectures = list.items;
	return 0;
}

static int resolve(struct arena *a, const struct profile *p, struct oci_seccomp *s,
		   char *const *caps, struct error *e)
{
	const struct seccomp_arch *native = seccomp_arch_by_token(seccomp_arch_native());
	size_t n = 0;
	char field[64];

	if (choose_archs(a, p, native, s, e) < 0)
		return -1;
	if (!s->default_errno_ret && p->default_errno_name && *p->default_errno_name &&
	    errno_by_name(a, p->default_errno_name, "defaultErrno", &s->default_errno_ret, e) < 0)
		return -1;
	for (size_t i = 0; i < s->syscalls_len; i++) {
		const struct rule *r = &p->rules[i];
		struct oci_syscall *out = &s->syscalls[i];

		snprintf(field, sizeof(field), "syscalls[%zu].errno", i);
		if (!out->errno_ret && r->errno_name && *r->errno_name &&
		    errno_by_name(a, r->errno_name, field, &out->errno_ret, e) < 0)
			return -1;
		if (str_list_len(out->names) && counts(r, native ? native->goarch : "", caps))
			s->syscalls[n++] = *out;
	}
	s->syscalls_len = n;
	return 0;
}

struct oci_seccomp *seccomp_profile_parse(struct arena *a, const char *text, size_t len,
					  const char *name, char *const *caps, struct error *e)
{
	struct oci_seccomp *s = ARENA_NEW(a, struct oci_seccomp);
	struct profile *p = ARENA_NEW(a, struct profile);
	const struct json_value *v = json_parse(a, text, len, name, e);

	if (!v)
		return NULL;
	v = normalise(a, v, e);
	if (!v || json_decode(a, v, &oci_seccomp_type, s, "", e) < 0 ||
	    json_decode(a, v, &profile_type, p, "", e) < 0 || resolve(a, p, s, caps, e) < 0) {
		err_wrap(e, "seccomp profile %s", name);
		return NULL;
	}
	return s;
}

struct oci_seccomp *seccomp_profile_load(struct arena *a, const char *path, char *const *caps,
					 struct error *e)
{
	char *text;
	size_t len;

	if (file_read(a, AT_FDCWD, path, MAX_PROFILE, &text, &len, e) < 0) {
		err_wrap(e, "seccomp profile");
		return NULL;
	}
	return seccomp_profile_parse(a, text, len, path, caps, e);
}
