/* See etc_files.h. A resolver on the host's loopback cannot be reached from another network
 * namespace: such lines are left out, systemd-resolved's list of the real ones is taken instead. */
#include "runtime/image/etc_files.h"

#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "oci/base/file.h"
#include "oci/base/str.h"

#define MAX_HOST_FILE (1u << 20)
#define RESOLVED_CONF "/run/systemd/resolve/resolv.conf"
/* Where slirp4netns answers (slirp4netns(1)). */
#define SLIRP_DNS "10.0.2.3"

struct text {
	struct arena *arena;
	char *s;
};

static void append(struct text *t, const char *line)
{
	t->s = arena_printf(t->arena, "%s%s\n", t->s, line);
}

/* Empty where there is none that the caller might read; what fails otherwise (memory, descriptors,
 * the disk) would give the container another network than the last time. */
static int host_file(struct arena *a, const char *path, char **ret, struct error *e)
{
	if (file_read(a, AT_FDCWD, path, MAX_HOST_FILE, ret, NULL, e) == 0)
		return 0;
	if (e->code && e->code != ENOENT && e->code != ENOTDIR && e->code != EACCES)
		return -1;
	err_clear(e);
	*ret = arena_strdup(a, "");
	return 0;
}

/* The word after KEY at the start of a line of resolv.conf; NULL when it is another line. */
static const char *setting(const char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != '\t'))
		return NULL;
	return line + n + strspn(line + n, " \t");
}

static bool is_loopback(const char *address)
{
	return str_has_prefix(address, "127.") || str_eq(address, "::1");
}

static bool any_reachable(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text), *line;

	while ((line = strsep(&copy, "\n"))) {
		const char *ns = setting(line, "nameserver");

		if (ns && !is_loopback(ns))
			return true;
	}
	return false;
}

char *etc_resolv_conf(struct arena *a, const char *host, const struct etc_request *r)
{
	struct text t = { a, arena_strdup(a, "") };
	char *copy = arena_strdup(a, host), *line;
	char *const *p;
	const struct {
		const char *key;
		char *const *values;
		bool joined;
	} given[] = {
		{ "nameserver", r->dns, false },
		{ "search", r->dns_search, true },
		{ "options", r->dns_option, true },
	};

	if (r->mode == NETWORK_SLIRP && !(r->dns && *r->dns))
		append(&t, "nameserver " SLIRP_DNS);
	while ((line = strsep(&copy, "\n"))) {
		bool skip = false;
		const char *ns = setting(line, "nameserver");

		for (size_t i = 0; i < 3; i++)
			skip |= given[i].values && *given[i].values && setting(line, given[i].key);
		skip |= ns && r->mode != NETWORK_HOST && is_loopback(ns);
		skip |= !*line || *line == '#' || *line == ';';
		if (!skip)
			append(&t, line);
	}
	for (size_t i = 0; i < 3; i++) {
		char *all = arena_strdup(a, given[i].key);

		for (p = given[i].values; p && *p; p++) {
			if (!given[i].joined)
				append(&t, arena_printf(a, "%s %s", given[i].key, *p));
			all = arena_printf(a, "%s %s", all, *p);
		}
		if (given[i].joined && given[i].values && *given[i].values)
			append(&t, all);
	}
	return t.s;
}

static bool is_address(const char *s)
{
	unsigned char buf[16];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

/* "NAME:IP" or "NAME=IP"; IPv6 may stand in brackets. */
static int add_host(struct arena *a, const char *s, enum network_mode mode, struct text *t,
		    struct error *e)
{
	size_t n = strcspn(s, ":=");
	char *name = arena_strndup(a, s, n), *ip = arena_strdup(a, s[n] ? s + n + 1 : "");

	if (*ip == '[' && str_has_suffix(ip, "]")) {
		ip[strlen(ip) - 1] = 0;
		ip++;
	}
	if (str_eq(ip, "host-gateway")) {
		if (mode == NETWORK_HOST)
			ip = arena_strdup(a, "127.0.0.1");
		else
			return err_msg(e,
				       "--add-host %s: the host cannot be reached from the "
				       "container's network",
				       s);
	}
	if (!*name || strpbrk(name, " \t\n#") || !is_address(ip)) {
		err_msg(e, "--add-host '%s' is not NAME:IP", s);
		return err_hint(e, "as in --add-host db:192.0.2.7");
	}
	append(t, arena_printf(a, "%s\t%s", ip, name));
	return 0;
}

/* The names of the container itself: with its domain, and the first part alone. */
static const char *own_names(struct arena *a, const struct etc_request *r)
{
	const char *dot = strchr(r->hostname, '.');

	if (r->domainname && *r->domainname)
		return arena_printf(a, "%s.%s %s", r->hostname, r->domainname, r->hostname);
	if (dot && dot > r->hostname)
		return arena_printf(a, "%s %.*s", r->hostname, (int)(dot - r->hostname),
				    r->hostname);
	return r->hostname;
}

static int hosts(struct arena *a, const struct etc_request *r, char **ret, struct error *e)
{
	struct text t = { a, arena_strdup(a, "") };

	if (r->mode == NETWORK_HOST) {
		if (host_file(a, "/etc/hosts", &t.s, e) < 0)
			return -1;
		if (*t.s && !str_has_suffix(t.s, "\n"))
			append(&t, "");
	} else {
		append(&t, "127.0.0.1\tlocalhost");
		append(&t, "::1\tlocalhost ip6-localhost ip6-loopback");
		append(&t, "fe00::\tip6-localnet");
		append(&t, "ff00::\tip6-mcastprefix");
		append(&t, "ff02::1\tip6-allnodes");
		append(&t, "ff02::2\tip6-allrouters");
		append(&t, arena_printf(a, "127.0.1.1\t%s", own_names(a, r)));
	}
	for (char *const *p = r->add_host; p && *p; p++)
		if (add_host(a, *p, r->mode, &t, e) < 0)
			return -1;
	*ret = t.s;
	return 0;
}

static int check_dns(const struct etc_request *r, struct error *e)
{
	for (char *const *p = r->dns; p && *p; p++)
		if (!is_address(*p))
			return err_msg(e, "--dns '%s' is not an address", *p);
	for (char *const *p = r->dns_search; p && *p; p++)
		if (!**p || strpbrk(*p, " \t\n"))
			return err_msg(e, "--dns-search '%s' is not a domain", *p);
	for (char *const *p = r->dns_option; p && *p; p++)
		if (!**p || strpbrk(*p, " \t\n"))
			return err_msg(e, "--dns-option '%s' is not an option", *p);
	return 0;
}

int etc_files_make(struct arena *a, const struct etc_request *r, struct container_file **ret,
		   size_t *ret_len, struct error *e)
{
	struct container_file *files = ARENA_ARRAY(a, 3, struct container_file);
	const struct {
		const char *path;
		char *data;
	} all[] = {
		{ "/etc/hosts", NULL },
		{ "/etc/hostname", arena_printf(a, "%s\n", r->hostname) },
		{ "/etc/resolv.conf", NULL },
	};
	char *resolv, *host_names;
	size_t n = 0;

	if (check_dns(r, e) < 0 || host_file(a, "/etc/resolv.conf", &resolv, e) < 0 ||
	    hosts(a, r, &host_names, e) < 0)
		return -1;
	if (r->mode != NETWORK_HOST && !any_reachable(a, resolv)) {
		char *resolved;

		if (host_file(a, RESOLVED_CONF, &resolved, e) < 0)
			return -1;
		if (any_reachable(a, resolved))
			resolv = resolved;
	}
	resolv = etc_resolv_conf(a, resolv, r);
	for (size_t i = 0; i < 3; i++) {
		const char *data = i == 0 ? host_names : i == 1 ? all[i].data : resolv;
		bool over = false;

		for (size_t j = 0; j < r->mounts_len; j++)
			over |= str_eq(r->mounts[j].destination, all[i].path) ||
				str_eq(r->mounts[j].destination, "/etc");
		if (!over)
			files[n++] =
				(struct container_file){ all[i].path, data, strlen(data), 0644 };
	}
	*ret = files;
	*ret_len = n;
	return 0;
}
