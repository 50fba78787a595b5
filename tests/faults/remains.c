/* See remains.h. */
#include "tests/faults/remains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void lines_add(struct lines *l, const char *fmt, ...)
{
	va_list ap;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->items = realloc(l->items, l->cap * sizeof(*l->items));
		if (!l->items)
			abort();
	}
	va_start(ap, fmt);
	if (vasprintf(&l->items[l->n++], fmt, ap) < 0)
		abort();
	va_end(ap);
}

void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct lines){ 0 };
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_sort(struct lines *l)
{
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), compare);
}

void lines_tell(struct lines *l)
{
	lines_sort(l);
	for (size_t i = 0; i < l->n;) {
		size_t k = i;

		while (k < l->n && strcmp(l->items[k], l->items[i]) == 0)
			k++;
		printf("# %5zu %s\n", k - i, l->items[i]);
		i = k;
	}
}

bool lines_has(const struct lines *l, const char *line)
{
	return l->n && bsearch(&line, l->items, l->n, sizeof(*l->items), compare);
}

void lines_split(struct lines *l, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		lines_add(l, "%.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

void lines_compare(struct lines *ret, const char *expected, const char *got)
{
	struct lines a = { 0 }, b = { 0 };

	lines_split(&a, expected);
	lines_split(&b, got);
	lines_sort(&a);
	lines_sort(&b);
	for (size_t i = 0; i < a.n; i++)
		if (!lines_has(&b, a.items[i]))
			lines_add(ret, "- %s", a.items[i]);
	for (size_t i = 0; i < b.n; i++)
		if (!lines_has(&a, b.items[i]))
			lines_add(ret, "+ %s", b.items[i]);
	lines_free(&a);
	lines_free(&b);
}

void text_blur(char *text)
{
	char *to = text;

	while (*text) {
		size_t n = strspn(text, "0123456789abcdef");

		if (n == 64) {
			*to++ = '*';
			text += n;
			continue;
		}
		n += !n;
		memmove(to, text, n);
		to += n;
		text += n;
	}
	*to = 0;
}

/* nftw(3) has no argument for its function. */
static struct lines *found;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	if (ftw->level == 0)
		return 0;
	if (S_ISREG(st->st_mode))
		lines_add(found, "file %lld %s", (long long)st->st_size, path);
	else
		lines_add(found, "%s %s", S_ISDIR(st->st_mode) ? "directory" : "other", path);
	return 0;
}

void remains_files(struct lines *l, const char *dir)
{
	found = l;
	nftw(dir, note_file, 16, FTW_PHYS);
	lines_sort(l);
}

void remains_mounts(struct lines *l)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		char *at = strchr(line, '/');

		line[strcspn(line, "\n")] = 0;
		lines_add(l, "%s", at ? at : line); /* without the numbers */
	}
	free(line);
	if (f)
		fclose(f);
	lines_sort(l);
}

void remains_cgroups(struct lines *l, const char *prefix)
{
	static const char *const levels[] = { "/sys/fs/cgroup/%s*/", "/sys/fs/cgroup/*/%s*/",
					      "/sys/fs/cgroup/*/*/%s*/",
					      "/sys/fs/cgroup/*/*/*/%s*/",
					      "/sys/fs/cgroup/*/*/*/*/%s*/" };
	char pattern[512];

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		glob_t g = { 0 };

		/* The formats are the ones above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(pattern, sizeof(pattern), levels[i], prefix);
#pragma GCC diagnostic pop
		if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
			for (size_t k = 0; k < g.gl_pathc; k++)
				lines_add(l, "%s", g.gl_pathv[k]);
		globfree(&g);
	}
	lines_sort(l);
}

struct process {
	pid_t pid, parent;
	char state, name[20];
	bool ours;
};

/* proc_pid_stat(5) */
static bool read_process(const char *pid, struct process *p)
{
	char path[300], buf[512], *end;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	end = strrchr(buf, ')');
	if (!end || !strchr(buf, '('))
		return false;
	*p = (struct process){ .pid = atoi(buf), .state = end[2] };
	p->parent = atoi(end + 4);
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(end - strchr(buf, '(') - 1),
		 strchr(buf, '(') + 1);
	return true;
}

static struct process *descendants(size_t *ret_n)
{
	struct process *all = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;
	DIR *proc = opendir("/proc");
	bool more = true;

	while (proc && (d = readdir(proc))) {
		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 256;
			all = realloc(all, cap * sizeof(*all));
			if (!all)
				abort();
		}
		n += read_process(d->d_name, &all[n]);
	}
	if (proc)
		closedir(proc);
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			bool below = all[i].parent == getpid();

			for (size_t k = 0; !below && k < n; k++)
				below = all[k].ours && all[k].pid == all[i].parent;
			if (below && !all[i].ours)
				more = all[i].ours = true;
		}
	}
	*ret_n = n;
	return all;
}

/* What a killed program of the container's had started itself is its first process's to wait for,
 * and a sleep(1) does not. */
static bool is_containers_zombie(const struct process *p, const struct process *all, size_t n)
{
	for (size_t i = 0; p->state == 'Z' && i < n; i++)
		if (all[i].pid == p->parent)
			return all[i].ours && strcmp(all[i].name, "mrun") != 0;
	return false;
}

void remains_processes(struct lines *l)
{
	size_t n;
	struct process *all = descendants(&n);

	for (size_t i = 0; i < n; i++)
		if (all[i].ours && !is_containers_zombie(&all[i], all, n))
			lines_add(l, "%d %s", (int)all[i].pid, all[i].name);
	free(all);
	lines_sort(l);
}

void remains_kill_processes(const struct lines *but)
{
	size_t n;
	struct process *all = descendants(&n);

	for (size_t i = 0; i < n; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%d %s", (int)all[i].pid, all[i].name);
		if (all[i].ours && !lines_has(but, line))
			kill(all[i].pid, SIGKILL);
	}
	free(all);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	if (ftw->level > 0 && (S_ISDIR(st->st_mode) ? rmdir(path) : unlink(path)) < 0 &&
	    errno != ENOENT) {
		fprintf(stderr, "sweep: remove %s: %s\n", path, strerror(errno));
		exit(2);
	}
	return 0;
}

void remains_wipe(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}
