/* See platform.h. The order of variants is containerd's; unlike there, a 386 image is never taken
 * for amd64 unless it is asked for. */
#include "oci/image/platform.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "oci/base/str.h"

static const struct alias {
	const char *from, *arch, *variant;
} aliases[] = {
	{ "x86_64", "amd64", NULL },  { "x86-64", "amd64", NULL },
	{ "i386", "386", NULL },      { "i486", "386", NULL },
	{ "i586", "386", NULL },      { "i686", "386", NULL },
	{ "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },
	{ "armel", "arm", "v6" },     { "armv8l", "arm", "v7" },
	{ "armv7l", "arm", "v7" },    { "armv6l", "arm", "v6" },
	{ "armv5tel", "arm", "v5" },  { "loongarch64", "loong64", NULL },
};
static const char *const known_arches[] = { "amd64",  "386",	"arm64",   "arm",     "ppc64le",
					    "ppc64",  "s390x",	"riscv64", "loong64", "mips64le",
					    "mips64", "mipsle", "mips",	   NULL };

static void normalise(struct arena *a, struct oci_platform *p)
{
	for (size_t i = 0; p->architecture && i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (str_eq(p->architecture, aliases[i].from)) {
			p->architecture = arena_strdup(a, aliases[i].arch);
			if (!p->variant && aliases[i].variant)
				p->variant = arena_strdup(a, aliases[i].variant);
			break;
		}
}

static void host(struct arena *a, struct oci_platform *p)
{
	struct utsname u;

	uname(&u);
	*p = (struct oci_platform){ 0 };
	p->os = arena_strdup(a, "linux");
	p->architecture = arena_strdup(a, u.machine);
	normalise(a, p);
}

/* The variant as a number: arm v7 is 7 and the default, arm64 v8, amd64 v1; -1 for nonsense. */
static int variant(const struct oci_platform *p)
{
	bool arm = str_eq(p->architecture, "arm"), arm64 = str_eq(p->architecture, "arm64");
	const char *v = p->variant;
	uint64_t n;

	if (!v || !*v)
		return arm ? 7 : arm64 ? 8 : 1;
	if (arm64 && str_has_prefix(v, "v8") && v[2] == '.')
		return str_to_u64(v + 3, 99, &n) ? 8 : -1;
	return str_to_u64(v + (*v == 'v'), 99, &n) ? (int)n : -1;
}

unsigned platform_rank(const struct oci_platform *want, const struct oci_platform *have)
{
	int w, h;

	if (!have->os || !have->architecture || !str_eq(want->os, have->os) ||
	    !str_eq(want->architecture, have->architecture))
		return 0;
	w = variant(want);
	h = variant(have);
	if (w < 0 || h < 0)
		return str_eq(want->variant ? want->variant : "",
			      have->variant ? have->variant : "");
	/* A newer variant's instructions are not there; nor does an asked-for arm64 v9 matter. */
	return h > w ? 0 : 100 - (unsigned)(w - h);
}

int platform_parse(struct arena *a, const char *s, struct oci_platform *ret, struct error *e)
{
	struct oci_platform p = { 0 };
	char **parts;
	size_t n;

	if (!s) {
		host(a, ret);
		return 0;
	}
	parts = str_split(a, s, '/');
	n = str_list_len(parts);
	for (size_t i = 0; i < n; i++)
		if (!*parts[i] ||
		    strspn(parts[i], "abcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(parts[i]))
			n = 0;
	if (n == 1 && str_eq(parts[0], "linux")) {
		host(a, ret);
		return 0;
	}
	if (n == 1) {
		p.os = arena_strdup(a, "linux");
		p.architecture = parts[0];
	} else if (n == 2 || n == 3) {
		p.os = parts[0];
		p.architecture = parts[1];
		p.variant = n == 3 ? parts[2] : NULL;
	}
	normalise(a, &p);
	if (!p.os || !p.architecture ||
	    (n == 1 && !str_list_has((char *const *)(uintptr_t)known_arches, p.architecture))) {
		err_msg(e, "invalid platform '%s'", s);
		return err_hint(e, "a platform is OS/ARCH[/VARIANT], for example linux/arm64 or "
				   "linux/arm/v7");
	}
	if (!str_eq(p.os, "linux"))
		return err_msg(e, "platform '%s': only linux images run here", s);
	*ret = p;
	return 0;
}

char *platform_format(struct arena *a, const struct oci_platform *p)
{
	bool v = p->variant && *p->variant;

	return arena_printf(a, "%s/%s%s%s", p->os && *p->os ? p->os : "unknown",
			    p->architecture && *p->architecture ? p->architecture : "unknown",
			    v ? "/" : "", v ? p->variant : "");
}

bool platform_is_unknown(const struct oci_descriptor *d)
{
	const char *type = oci_annotation(d, "vnd.docker.reference.type");

	return (type && str_eq(type, "attestation-manifest")) ||
	       (d->platform && d->platform->os && str_eq(d->platform->os, "unknown"));
}

const struct oci_descriptor *platform_choose(struct arena *a, const struct oci_index *x,
					     const struct oci_platform *want, const char *name,
					     struct error *e)
{
	const struct oci_descriptor *best = NULL, *bare = NULL;
	unsigned best_rank = 0;
	size_t images = 0;
	char list[512] = "";

	for (size_t i = 0; i < x->manifests_len; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		enum oci_media media = oci_media(d->media_type, NULL);
		size_t n = strlen(list);
		unsigned rank;

		if (platform_is_unknown(d) ||
		    (media != OCI_MEDIA_MANIFEST && media != OCI_MEDIA_INDEX))
			continue;
		images++;
		if (!d->platform || !d->platform->architecture) {
			bare = d;
			continue;
		}
		snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
			 platform_format(a, d->platform));
		rank = platform_rank(want, d->platform);
		if (rank > best_rank) {
			best_rank = rank;
			best = d;
		}
	}
	if (best)
		return best;
	/* A single manifest without a platform: its config says what it is for. */
	if (bare && images == 1)
		return bare;
	if (!images)
		err_msg(e, "%s: the index holds no image", name);
	else
		err_msg(e, "%s: no image for platform %s (there is: %s)", name,
			platform_format(a, want), *list ? list : "none with a platform");
	return NULL;
}
