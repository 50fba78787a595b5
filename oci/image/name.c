/* See name.h. The grammar is that of github.com/distribution/reference; a name is never a path, so
 * what it lets through has no "..", no leading slash and no control character. */
#include "oci/image/name.h"

#include <string.h>

#include "oci/base/str.h"
#include "oci/image/digest.h"

#define DEFAULT_DOMAIN "docker.io"
#define NAME_MAX_LEN 255
#define TAG_MAX_LEN 128

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* One path component: runs of small letters and digits, joined by ".", "_", "__" or hyphens. */
static bool component(const char *s, size_t n)
{
	size_t i = 0;

	for (;;) {
		size_t run = strspn(s + i, LOWER DIGITS);

		if (run == 0)
			return false;
		i += run;
		if (i >= n)
			return i == n;
		if (s[i] == '.') {
			i++;
		} else if (s[i] == '_') {
			i += s[i + 1] == '_' ? 2 : 1;
		} else if (s[i] == '-') {
			i += strspn(s + i, "-");
		} else {
			return false;
		}
	}
}

static bool path_ok(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "/");

		if (!component(s, n))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

/* A host name or a bracketed IPv6 address, with or without a port. */
static bool domain_ok(const char *s)
{
	const char *p = s;
	uint64_t port;

	if (*p == '[') {
		size_t n = strspn(p + 1, DIGITS "abcdefABCDEF:");

		if (n == 0 || p[n + 1] != ']')
			return false;
		p += n + 2;
	} else {
		do {
			size_t n = strspn(p, LOWER UPPER DIGITS "-");

			if (n == 0 || *p == '-' || p[n - 1] == '-')
				return false;
			p += n;
		} while (*p == '.' && *++p);
		if (p[-1] == '.')
			return false;
	}
	return *p == 0 || (*p == ':' && str_to_u64(p + 1, 65535, &port));
}

static bool tag_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= TAG_MAX_LEN && *s != '.' && *s != '-' &&
	       strspn(s, LOWER UPPER DIGITS "_.-") == n;
}

/* Whether what stands before the first slash is a domain (docker's rule). */
static bool is_domain(const char *s)
{
	return strpbrk(s, ".:") || str_eq(s, "localhost") || strpbrk(s, UPPER);
}

static int split(struct arena *a, const char *s, struct image_name *n, struct error *e)
{
	char *rest = arena_strdup(a, s), *p;

	p = strchr(rest, '@');
	if (p) {
		*p = 0;
		n->digest = p + 1;
		if (digest_check(n->digest, arena_printf(a, "image name '%s'", s), e) < 0)
			return -1;
	}
	p = strrchr(rest, ':');
	if (p && !strchr(p, '/')) {
		*p = 0;
		n->tag = p + 1;
		if (!tag_ok(n->tag))
			return err_msg(
				e,
				"invalid image name '%s': a tag is 1 to 128 letters, digits, "
				"'_', '.' and '-', not '%s'",
				s, n->tag);
	}
	p = strchr(rest, '/');
	n->domain = DEFAULT_DOMAIN;
	n->path = rest;
	if (p) {
		*p = 0;
		if (is_domain(rest)) {
			n->domain = str_eq(rest, "index.docker.io") ? DEFAULT_DOMAIN : rest;
			n->path = p + 1;
		} else {
			*p = '/';
		}
	}
	return 0;
}

/* What stands for an image by itself cannot be the name of a repository. */
static bool is_image_id(const char *s)
{
	return strlen(s) == DIGEST_HEX_LEN && strspn(s, "0123456789abcdef") == DIGEST_HEX_LEN;
}

/* Says what is wrong with the parts; false: nothing. */
static bool complain(const char *s, const struct image_name *n, struct error *e)
{
	if (strlen(n->domain) + strlen(n->path) + 1 > NAME_MAX_LEN) {
		err_msg(e, "invalid image name '%.60s…': longer than %d characters", s,
			NAME_MAX_LEN);
	} else if (!domain_ok(n->domain)) {
		err_msg(e, "invalid image name '%s': '%s' is not a host name", s, n->domain);
	} else if (!path_ok(n->path)) {
		err_msg(e, "invalid image name '%s'", s);
		if (strpbrk(n->path, UPPER))
			err_hint(e, "repository names are lowercase");
		else
			err_hint(e,
				 "a name is [HOST[:PORT]/]NAME[/NAME…][:TAG][@DIGEST], of "
				 "lowercase letters, digits and single '.', '_', '-' between them");
	} else if (is_image_id(n->path)) {
		err_msg(e, "invalid image name '%s': 64 hexadecimal digits are an image ID", s);
	} else {
		return false;
	}
	return true;
}

int image_name_parse(struct arena *a, const char *s, struct image_name *ret, struct error *e)
{
	struct image_name n = { .domain = DEFAULT_DOMAIN, .path = "" };

	if (!*s) {
		err_msg(e, "invalid image name: it is empty");
		return -1;
	}
	if (split(a, s, &n, e) < 0 || complain(s, &n, e))
		return -1;
	if (str_eq(n.domain, DEFAULT_DOMAIN) && !strchr(n.path, '/'))
		n.path = arena_printf(a, "library/%s", n.path);
	*ret = n;
	return 0;
}

char *image_name_repository(struct arena *a, const struct image_name *n)
{
	if (!str_eq(n->domain, DEFAULT_DOMAIN))
		return arena_printf(a, "%s/%s", n->domain, n->path);
	if (str_has_prefix(n->path, "library/") && !strchr(n->path + 8, '/') &&
	    !is_image_id(n->path + 8))
		return arena_strdup(a, n->path + 8);
	return arena_strdup(a, n->path);
}

char *image_name_tagged(struct arena *a, const struct image_name *n)
{
	return arena_printf(a, "%s:%s", image_name_repository(a, n), n->tag ? n->tag : "latest");
}

char *image_name_normalise(struct arena *a, const char *s)
{
	struct image_name n = { 0 };
	struct error ignored;

	if (image_name_parse(a, s, &n, &ignored) < 0)
		return NULL;
	return image_name_tagged(a, &n);
}

bool image_id_prefix(const char *s, const char **ret_hex)
{
	size_t n;

	if (str_has_prefix(s, DIGEST_PREFIX))
		s = digest_hex(s);
	n = strspn(s, "0123456789abcdef");
	if (n == 0 || n > DIGEST_HEX_LEN || s[n])
		return false;
	if (ret_hex)
		*ret_hex = s;
	return true;
}
