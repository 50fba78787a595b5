/* Capabilities by name: docker's default set, and --cap-add and --cap-drop applied to it. */
#include <linux/capability.h>
#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>

#include "oci/base/str.h"
#include "oci/image/to_spec.h"

/* In the kernel's order: the index is the number (capabilities(7)). */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};
#define COUNT ((int)(sizeof(names) / sizeof(names[0])))
_Static_assert(sizeof(names) / sizeof(names[0]) == CAP_LAST_CAP + 1, "a name for each capability");

#define BIT(cap) (UINT64_C(1) << (cap))
static const uint64_t docker_default = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) |
				       BIT(CAP_FOWNER) | BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) |
				       BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETFCAP) |
				       BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) |
				       BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) | BIT(CAP_AUDIT_WRITE);

/* What this kernel has; an older one lacks the last few. */
static uint64_t known(void)
{
	uint64_t set = 0;

	for (int i = 0; i < COUNT; i++)
		if (prctl(PR_CAPBSET_READ, (unsigned long)i, 0, 0, 0) >= 0)
			set |= BIT(i);
	return set;
}

static const char *nearest(const char *name)
{
	unsigned best = 4;
	const char *found = NULL;

	for (int i = 0; i < COUNT; i++) {
		unsigned d = str_distance(name, names[i] + 4);

		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

/* One option's list as a set; *ALL: the word ALL was in it. */
static int parse(struct arena *a, char *const *list, const char *option, uint64_t *set, bool *all,
		 struct error *e)
{
	*set = 0;
	*all = false;
	for (; list && *list; list++) {
		const char *s = *list;
		char *upper;
		int i;

		if (strcasecmp(s, "ALL") == 0) {
			*all = true;
			continue;
		}
		if (strncasecmp(s, "CAP_", 4) == 0)
			s += 4;
		for (i = 0; i < COUNT; i++)
			if (strcasecmp(s, names[i] + 4) == 0)
				break;
		if (i < COUNT) {
			*set |= BIT(i);
			continue;
		}
		upper = arena_strdup(a, s);
		for (char *p = upper; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		err_msg(e, "--%s %s: there is no such capability", option, *list);
		if (nearest(upper))
			return err_hint(e, "did you mean %s?", nearest(upper));
		return err_hint(e, "capabilities(7) lists them");
	}
	return 0;
}

char **spec_caps(struct arena *a, char *const *add, char *const *drop, struct error *e)
{
	uint64_t added, dropped, set;
	bool add_all, drop_all;
	struct strlist l = { 0 };

	if (parse(a, add, "cap-add", &added, &add_all, e) < 0 ||
	    parse(a, drop, "cap-drop", &dropped, &drop_all, e) < 0)
		return NULL;
	if (add_all)
		set = known() & ~dropped;
	else if (drop_all)
		set = added;
	else
		set = (docker_default | added) & ~dropped;
	for (int i = 0; i < COUNT; i++)
		if (set & BIT(i))
			strlist_add(a, &l, names[i]);
	return l.items ? l.items : ARENA_ARRAY(a, 1, char *);
}
