/*
 * Stands in for a mrun-unpack that an image's author took over before it confined itself: lies
 * beside a copy of mrun, under its helper's name, and does what the file beside it with ".script"
 * behind its name says, a line a step:
 *
 *   copy FILE NAME   FILE of the host as NAME in the working directory
 *   fifo NAME        a FIFO there
 *   tree FILE        FILE as "evil" in the directory r of each layer that it is asked to unpack
 *   say JSON         a reply
 *   hold PATH        writes to PATH what descriptors 0 to 2 are
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_FD 3
#define REPLY_FD 4

static char request[1 << 20];

static void fail(const char *what)
{
	dprintf(REPLY_FD, "{\"error\":\"attack-unpack: %s\",\"hint\":\"\",\"code\":0}\n", what);
	exit(1);
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char buf[65536];
	ssize_t n;

	if (in < 0 || out < 0)
		fail(from);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			fail(to);
	close(in);
	close(out);
}

static void tree(const char *file)
{
	static const char key[] = "\"name\":\"";

	for (char *p = request; (p = strstr(p, key));) {
		char path[256];

		p += sizeof(key) - 1;
		snprintf(path, sizeof(path), "%.*s/r", (int)strcspn(p, "\""), p);
		mkdir(path, 0755);
		strcat(path, "/evil");
		copy(file, path);
	}
}

static void hold(const char *path)
{
	FILE *f = fopen(path, "w");
	struct stat st;

	for (int fd = 0; f && fd <= 2; fd++)
		fprintf(f, "%d %s\n", fd,
			fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x103
				? "null"
				: "other");
	if (f)
		fclose(f);
}

int main(void)
{
	char line[65536], *a, *b;
	size_t len = 0;
	ssize_t n;
	FILE *script;

	/* It has no more of the caller's environment than the real one; the tests' mark is a file.
	 */
	while ((n = read(REQUEST_FD, request + len, sizeof(request) - 1 - len)) > 0)
		len += (size_t)n;
	n = readlink("/proc/self/exe", line, 4000);
	if (n < 0)
		fail("no name");
	strcpy(line + n, ".script");
	script = fopen(line, "r");
	if (!script)
		fail("no script");
	while (fgets(line, sizeof(line), script)) {
		line[strcspn(line, "\n")] = 0;
		a = strchr(line, ' ');
		if (!a)
			continue;
		*a++ = 0;
		b = strchr(a, ' ');
		if (strcmp(line, "say") == 0) {
			dprintf(REPLY_FD, "%s\n", a);
		} else if (strcmp(line, "copy") == 0 && b) {
			*b++ = 0;
			copy(a, b);
		} else if (strcmp(line, "fifo") == 0) {
			mkfifo(a, 0644);
		} else if (strcmp(line, "tree") == 0) {
			tree(a);
		} else if (strcmp(line, "hold") == 0) {
			hold(a);
		}
	}
	return 0;
}
