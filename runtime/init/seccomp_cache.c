/*
 * Compiled filters on disk. libseccomp needs milliseconds for a profile of Docker's size, reading
 * its result a tenth of one.
 *
 * A file is $XDG_CACHE_HOME/mrun/seccomp/DIGEST.bpf ($HOME/.cache where that is not set), DIGEST
 * being SHA-256 over everything that the program depends on: the whole profile, the architecture,
 * the kernel's release, libseccomp's version and FORMAT.
 *
 * What is in the file becomes the wall around a container, so nobody else may have written it: the
 * directory and the file are opened without following a link and looked at through the descriptor:
 * owned by us, not writable by others, a regular file of a plausible size, with our key and the
 * digest of its content in its head (which a file cut short by a crash fails). Anything else counts
 * as not there. A cache that cannot be used is no error; the filter is compiled then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "oci/base/file.h"
#include "oci/base/self.h"
#include "oci/base/str.h"
#include "runtime/init/seccomp_compile.h"

/* To be raised when the same profile compiles to another program, or the head changes. */
#define FORMAT 1
#define MAX_FILES 64

struct head {
	char magic[8];
	uint32_t format, flags;
	uint8_t notify, allows_execveat, pad[6];
	uint8_t key[SHA256_DIGEST_SIZE];
	uint8_t content[SHA256_DIGEST_SIZE]; /* of the instructions */
};
static const char magic[8] = "mrunbpf";

/* A buffer in front of the hash: many short strings. */
struct hasher {
	struct sha256_ctx ctx;
	size_t n;
	uint8_t buf[4096];
};

static void feed(struct hasher *h, const void *data, size_t len)
{
	if (len > sizeof(h->buf) - h->n) {
		sha256_update(&h->ctx, h->n, h->buf);
		h->n = 0;
	}
	if (len > sizeof(h->buf)) {
		sha256_update(&h->ctx, len, data);
		return;
	}
	memcpy(h->buf + h->n, data, len);
	h->n += len;
}

static void feed_u64(struct hasher *h, uint64_t v)
{
	feed(h, &v, sizeof(v));
}

/* Lengths come first, so that no two profiles give the same bytes. */
static void feed_str(struct hasher *h, const char *s)
{
	size_t len = strlen(s);

	feed_u64(h, len);
	feed(h, s, len);
}

static void feed_list(struct hasher *h, char *const *list)
{
	feed_u64(h, list ? str_list_len(list) : UINT64_MAX);
	for (size_t i = 0; list && list[i]; i++)
		feed_str(h, list[i]);
}

static void feed_u32p(struct hasher *h, const uint32_t *v)
{
	feed_u64(h, v ? *v : UINT64_MAX);
}

static void feed_u64p(struct hasher *h, const uint64_t *v)
{
	feed_u64(h, v != NULL);
	feed_u64(h, v ? *v : 0);
}

static void feed_profile(struct hasher *h, const struct oci_seccomp *s)
{
	feed_u64(h, (uint64_t)s->default_action);
	feed_u32p(h, s->default_errno_ret);
	feed_list(h, s->architectures);
	feed_list(h, s->flags);
	feed_u64(h, s->syscalls_len);
	for (size_t i = 0; i < s->syscalls_len; i++) {
		const struct oci_syscall *r = &s->syscalls[i];

		feed_list(h, r->names);
		feed_u64(h, (uint64_t)r->action);
		feed_u32p(h, r->errno_ret);
		feed_u64(h, r->args_len);
		for (size_t j = 0; j < r->args_len; j++) {
			feed_u32p(h, r->args[j].index);
			feed_u64p(h, r->args[j].value);
			feed_u64p(h, r->args[j].value_two);
			feed_u64(h, (uint64_t)r->args[j].op);
		}
	}
}

static void make_key(const struct oci_seccomp *s, uint8_t *key)
{
	const struct scmp_version *v = seccomp_version();
	struct hasher h = { .n = 0 };
	struct utsname u = { 0 };

	uname(&u);
	sha256_init(&h.ctx);
	feed_u64(&h, FORMAT);
	feed_u64(&h, seccomp_arch_native());
	feed_u64(&h, v->major);
	feed_u64(&h, v->minor);
	feed_u64(&h, v->micro);
	feed_str(&h, u.release);
	feed_profile(&h, s);
	sha256_update(&h.ctx, h.n, h.buf);
	sha256_digest(&h.ctx, SHA256_DIGEST_SIZE, key);
}

static void digest_program(const struct sock_filter *insn, size_t n, uint8_t *ret)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, n * sizeof(*insn), (const uint8_t *)insn);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, ret);
}

/* The cache's path; NULL without a usable variable (or in a program that runs setuid). */
static const char *cache_path(struct arena *a)
{
	const char *base = secure_getenv("XDG_CACHE_HOME"), *home;

	if (base && *base == '/')
		return arena_printf(a, "%s/mrun/seccomp", base);
	home = secure_getenv("HOME");
	return home && *home == '/' ? arena_printf(a, "%s/.cache/mrun/seccomp", home) : NULL;
}

static int open_cache(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != self_uid() || (st.st_mode & 0077))
		return -1;
	return fd_take(&fd);
}

/* The cache's directory, made where it is missing. */
static int make_cache(const char *path)
{
	struct error ignored = { 0 };
	int fd = open_cache(path);

	if (fd >= 0 || file_mkdirs(AT_FDCWD, path, 0700, &ignored) < 0)
		return fd;
	return open_cache(path);
}

static void file_name(const uint8_t *key, char name[SHA256_DIGEST_SIZE * 2 + 5])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) {
		name[i * 2] = hex[key[i] >> 4];
		name[i * 2 + 1] = hex[key[i] & 15];
	}
	memcpy(name + SHA256_DIGEST_SIZE * 2, ".bpf", 5);
}

static bool cache_read(struct arena *a, const char *path, const uint8_t *key,
		       struct seccomp_filter *ret)
{
	_cleanup_fd_ int dir = open_cache(path), fd = -1;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char name[SHA256_DIGEST_SIZE * 2 + 5];
	struct head *h;
	struct stat st;
	size_t size, n;

	if (dir < 0)
		return false;
	file_name(key, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != self_uid() ||
	    (st.st_mode & 0022))
		return false;
	if (st.st_size <= (off_t)sizeof(*h) ||
	    st.st_size > (off_t)(sizeof(*h) + BPF_MAXINSNS * sizeof(struct sock_filter)))
		return false;
	size = (size_t)st.st_size;
	n = (size - sizeof(*h)) / sizeof(struct sock_filter);
	h = arena_alloc(a, size);
	if (read(fd, h, size) != (ssize_t)size || memcmp(h->magic, magic, sizeof(magic)) != 0 ||
	    h->format != FORMAT || memcmp(h->key, key, sizeof(h->key)) != 0 ||
	    sizeof(*h) + n * sizeof(struct sock_filter) != size)
		return false;
	ret->prog.filter = (struct sock_filter *)(void *)(h + 1);
	digest_program(ret->prog.filter, n, digest);
	if (memcmp(digest, h->content, sizeof(digest)) != 0) {
		ret->prog.filter = NULL;
		return false;
	}
	ret->prog.len = (unsigned short)n;
	ret->flags = h->flags;
	ret->notify = h->notify;
	ret->allows_execveat = h->allows_execveat;
	return true;
}

/* What a writer left that was killed: its pid is nobody's, or it has taken longer than any would.
 * (One of another pid namespace that does live loses a file that it can write again.) */
static bool is_stale(const char *name, const struct stat *st)
{
	const char *tmp = strstr(name, FILE_TMP);
	int64_t pid;

	if (!tmp || !str_to_i64(tmp + strlen(FILE_TMP), &pid) || pid <= 0 || pid > INT32_MAX)
		return false;
	return (kill((pid_t)pid, 0) < 0 && errno == ESRCH) || time(NULL) - st->st_mtim.tv_sec > 60;
}

/* Removes what is stale, and the oldest file when there are too many. */
static void prune(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (;;) {
		char oldest[NAME_MAX + 1] = "";
		struct timespec then = { 0 };
		const struct dirent *entry;
		size_t n = 0;

		rewinddir(d);
		while ((entry = readdir(d))) {
			struct stat st;

			if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			    !S_ISREG(st.st_mode) ||
			    (is_stale(entry->d_name, &st) && unlinkat(dir, entry->d_name, 0) == 0))
				continue;
			if (n++ && (st.st_mtim.tv_sec > then.tv_sec ||
				    (st.st_mtim.tv_sec == then.tv_sec &&
				     st.st_mtim.tv_nsec >= then.tv_nsec)))
				continue;
			then = st.st_mtim;
			snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
		}
		if (n <= MAX_FILES || unlinkat(dir, oldest, 0) < 0)
			break;
	}
	closedir(d);
}

static void cache_write(struct arena *a, const char *path, const uint8_t *key,
			const struct seccomp_filter *f)
{
	_cleanup_fd_ int dir = make_cache(path);
	size_t len = f->prog.len * sizeof(struct sock_filter);
	struct error ignored = { 0 };
	char name[SHA256_DIGEST_SIZE * 2 + 5];
	struct head *h;

	if (dir < 0)
		return;
	h = arena_alloc(a, sizeof(*h) + len);
	*h = (struct head){ .format = FORMAT,
			    .flags = f->flags,
			    .notify = f->notify,
			    .allows_execveat = f->allows_execveat };
	memcpy(h->magic, magic, sizeof(magic));
	memcpy(h->key, key, sizeof(h->key));
	digest_program(f->prog.filter, f->prog.len, h->content);
	memcpy(h + 1, f->prog.filter, len);
	file_name(key, name);
	if (file_replace(dir, name, h, sizeof(*h) + len, 0600, false, &ignored) == 0)
		prune(dir);
}

/* These are not part of the program, so that they are looked at on every way. */
static int check_listener(const struct oci_seccomp *s, const struct seccomp_filter *f,
			  struct error *e)
{
	bool path = s->listener_path && *s->listener_path;

	if (!path && s->listener_metadata && *s->listener_metadata)
		return err_msg(e, "linux.seccomp.listenerMetadata: must not be set without "
				  "listenerPath");
	if (f->notify && !path)
		return err_msg(e, "linux.seccomp.listenerPath: needed, as a rule has "
				  "SCMP_ACT_NOTIFY");
	return 0;
}

int seccomp_prepare(struct arena *a, const struct oci_seccomp *s, struct seccomp_filter *ret,
		    struct error *e)
{
	uint8_t key[SHA256_DIGEST_SIZE];
	const char *path;

	*ret = (struct seccomp_filter){ 0 };
	if (!s)
		return 0;
	for (size_t i = 0; i < s->syscalls_len; i++)
		if (!s->syscalls[i].names)
			return err_msg(e, "linux.seccomp.syscalls[%zu].names: missing", i);
	path = cache_path(a);
	make_key(s, key);
	if (!path || !cache_read(a, path, key, ret)) {
		if (seccomp_compile(a, s, ret, e) < 0)
			return -1;
		if (path)
			cache_write(a, path, key, ret);
	}
	ret->listener_path = s->listener_path;
	ret->listener_metadata = s->listener_metadata;
	return check_listener(s, ret, e);
}
