/* See probe.h: working directory, mounts, devices, descriptors, and what can be done to given paths
 * (one a line in /probe.paths). */
#include "tests/probe/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TRY ".probe"

static const char *kind(mode_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "dir"
	       : S_ISCHR(mode)	? "char"
	       : S_ISBLK(mode)	? "block"
	       : S_ISFIFO(mode) ? "pipe"
	       : S_ISLNK(mode)	? "link"
	       : S_ISSOCK(mode) ? "socket"
				: "other";
}

/* "dir 0755 0:0", with the numbers of a device and a link's target. */
static void describe(struct json *j, const char *name, const char *path)
{
	char text[512], target[256];
	struct stat st;
	int n;

	if (lstat(path, &st) < 0) {
		json_string(j, name, probe_errno(errno));
		return;
	}
	n = snprintf(text, sizeof(text), "%s %#o %u:%u", kind(st.st_mode), st.st_mode & 07777,
		     st.st_uid, st.st_gid);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		snprintf(text + n, sizeof(text) - (size_t)n, " %u,%u", major(st.st_rdev),
			 minor(st.st_rdev));
	if (S_ISLNK(st.st_mode)) {
		ssize_t len = readlink(path, target, sizeof(target) - 1);

		target[len < 0 ? 0 : len] = 0;
		snprintf(text + n, sizeof(text) - (size_t)n, " %s", target);
	}
	json_string(j, name, text);
}

static void directory(struct json *j)
{
	char path[4096];

	/* The kernel's own call: the C library hides a directory that lies outside the root. */
	if (syscall(SYS_getcwd, path, sizeof(path)) > 0)
		json_string(j, "cwd", path);
	else
		json_string(j, "cwd", probe_errno(errno));
	describe(j, "root", "/");
}

/* Octal escapes, as in "\040" (proc_pid_mountinfo(5)). */
static char *unescape(char *s)
{
	char *to = s;

	for (char *from = s; *from; from++)
		if (*from == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 3;
		} else {
			*to++ = *from;
		}
	*to = 0;
	return s;
}

static void one_mount(struct json *j, char *line)
{
	char *field[10] = { 0 }, *f, propagation[64] = "";
	size_t n = 0;

	while ((f = strsep(&line, " "))) { /* a source may be empty */
		/* From the seventh on there are optional ones, up to a dash. */
		if (n == 6 && strcmp(f, "-") != 0) {
			size_t len = strlen(propagation);

			/* A group's number is the kernel's choice. */
			snprintf(propagation + len, sizeof(propagation) - len, "%s%.*s",
				 len ? " " : "", (int)strcspn(f, ":"), f);
			continue;
		}
		if (n < 10)
			field[n++] = f;
	}
	if (n < 10)
		return;
	json_open(j, NULL, '{');
	json_string(j, "target", unescape(field[4]));
	json_string(j, "root", unescape(field[3]));
	json_string(j, "fstype", field[7]);
	json_string(j, "source", unescape(field[8]));
	json_string(j, "options", field[5]);
	json_string(j, "super", field[9]);
	json_string(j, "propagation", *propagation ? propagation : "private");
	describe(j, "is", field[4]);
	json_close(j, '}');
}

static void mounts(struct json *j)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;

	json_open(j, "mounts", '[');
	while (f && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		one_mount(j, line);
	}
	json_close(j, ']');
	free(line);
	if (f)
		fclose(f);
}

/* Of what is mounted in /dev only the names: it belongs to nobody's configuration. */
static void devices(struct json *j, const char *path, int depth)
{
	DIR *d = opendir(path);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		char name[512];
		struct stat in, over;

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		describe(j, name, name);
		if (depth < 4 && stat(path, &over) == 0 && lstat(name, &in) == 0 &&
		    S_ISDIR(in.st_mode) && in.st_dev == over.st_dev)
			devices(j, name, depth + 1);
	}
	if (d)
		closedir(d);
}

static const char *opened(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd < 0)
		return probe_errno(errno);
	close(fd);
	return "ok";
}

static const char *writable(const char *path, bool dir)
{
	char name[4200];
	const char *result;

	if (!dir)
		return opened(path, O_WRONLY);
	snprintf(name, sizeof(name), "%s/%s", path, TRY);
	result = opened(name, O_WRONLY | O_CREAT | O_EXCL);
	if (strcmp(result, "ok") == 0)
		unlink(name);
	return result;
}

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 2 ? n - 2 : 0;
}

/* The kernel's lists differ from one moment to the next, settings do not. */
static bool changes(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 && strncmp(path, "/proc/sys/", 10) != 0;
}

static void one_path(struct json *j, const char *path)
{
	struct statvfs v;
	struct stat st;
	char text[257];
	long n;

	json_open(j, path, '{');
	describe(j, "is", path);
	if (stat(path, &st) == 0) {
		json_string(j, "read", opened(path, O_RDONLY));
		json_string(j, "write", writable(path, S_ISDIR(st.st_mode)));
		if (statvfs(path, &v) == 0)
			json_hex(j, "flags", v.f_flag);
		if (S_ISDIR(st.st_mode))
			json_number(j, "entries", (long long)entries(path));
		else if (S_ISREG(st.st_mode) && !changes(path) &&
			 (n = probe_read(path, text, sizeof(text))) >= 0)
			json_bytes(j, "text", text, (size_t)n);
	}
	json_close(j, '}');
}

static void paths(struct json *j)
{
	static char list[16384];
	char *save = NULL;

	json_open(j, "paths", '{');
	one_path(j, "/");
	if (probe_read("/probe.paths", list, sizeof(list)) > 0)
		for (char *p = strtok_r(list, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
			one_path(j, p);
	json_close(j, '}');
}

/* What is behind a descriptor: a path, else its kind without the kernel's number. */
static void descriptors(struct json *j)
{
	json_open(j, "descriptors", '{');
	for (int fd = 0; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFL);
		char number[16], path[32], text[4200], target[4096];
		struct stat st;
		ssize_t n;

		if (flags < 0)
			continue;
		snprintf(number, sizeof(number), "%d", fd);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (target[0] != '/')
			target[strcspn(target, ":")] = 0;
		if (fstat(fd, &st) < 0)
			st.st_mode = 0;
		snprintf(text, sizeof(text), "%s %s %s%s%s%s", kind(st.st_mode), target,
			 (flags & O_ACCMODE) == O_RDONLY   ? "r"
			 : (flags & O_ACCMODE) == O_WRONLY ? "w"
							   : "rw",
			 flags & O_APPEND ? " append" : "", flags & O_NONBLOCK ? " nonblock" : "",
			 fcntl(fd, F_GETFD) & FD_CLOEXEC ? " cloexec" : "");
		json_string(j, number, text);
	}
	json_close(j, '}');
}

void probe_files(struct json *j)
{
	descriptors(j); /* before any is opened here */
	directory(j);
	mounts(j);
	json_open(j, "dev", '{');
	devices(j, "/dev", 0);
	json_close(j, '}');
	paths(j);
}
