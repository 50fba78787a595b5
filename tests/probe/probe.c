/*
 * What a process sees from inside a container, as one JSON object: the same program under mrun,
 * runc and crun tells them apart (tests/74-compare.bats). It is static, needs no file and leaves
 * none.
 *
 *   PROBE        instead of the report: "exit N", "signal N", "wait" (until a signal ends it),
 *                "report+wait"; with "report+exit N" after it
 *   PROBE_OUT    the file that the report is appended to, a line each; default: standard output
 *   PROBE_STDIN  1: the report includes what stands on standard input
 */
#include "tests/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

const char *probe_errno(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ 0, "ok" },	      { EPERM, "EPERM" },   { ENOENT, "ENOENT" },
		{ EIO, "EIO" },	      { ENXIO, "ENXIO" },   { EACCES, "EACCES" },
		{ EEXIST, "EEXIST" }, { ENODEV, "ENODEV" }, { ENOTDIR, "ENOTDIR" },
		{ EISDIR, "EISDIR" }, { EINVAL, "EINVAL" }, { ENOTTY, "ENOTTY" },
		{ ENOSPC, "ENOSPC" }, { EROFS, "EROFS" },   { ENOSYS, "ENOSYS" },
		{ ELOOP, "ELOOP" },   { EBUSY, "EBUSY" },   { EOVERFLOW, "EOVERFLOW" },
		{ ENOKEY, "ENOKEY" },
	};
	static char number[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].err == err)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", err);
	return number;
}

long probe_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;
	size_t n = 0;
	ssize_t r = 0;

	if (fd < 0)
		return -1;
	while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	err = errno;
	close(fd);
	errno = err;
	if (r < 0)
		return -1;
	buf[n] = 0;
	return (long)n;
}

static void strings(struct json *j, const char *name, char *const *list)
{
	json_open(j, name, '[');
	for (; *list; list++)
		json_string(j, NULL, *list);
	json_close(j, ']');
}

static void standard_input(struct json *j)
{
	static char text[65536];
	size_t n = fread(text, 1, sizeof(text), stdin);

	json_bytes(j, "stdin", text, n);
}

static void report(char **argv, char **envp)
{
	const char *path = getenv("PROBE_OUT");
	char *text = NULL;
	size_t len = 0;
	struct json j = { .out = open_memstream(&text, &len) };
	int fd = 1;

	json_open(&j, NULL, '{');
	strings(&j, "argv", argv);
	strings(&j, "environ", envp);
	json_string(&j, "execfn", (const char *)getauxval(AT_EXECFN)); // NOLINT: a string's address
	json_number(&j, "secure", (long long)getauxval(AT_SECURE));
	if (getenv("PROBE_STDIN"))
		standard_input(&j);
	probe_process(&j);
	probe_files(&j);
	json_close(&j, '}');
	fputc('\n', j.out);
	fclose(j.out);
	if (path)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			exit(99);
		done += (size_t)n;
	}
	free(text);
}

int main(int argc, char **argv, char **envp)
{
	const char *what = getenv("PROBE");

	(void)argc;
	if (!what || strncmp(what, "report", 6) == 0)
		report(argv, envp);
	if (!what)
		return 0;
	if (strncmp(what, "report+", 7) == 0)
		what += 7;
	if (strncmp(what, "exit ", 5) == 0)
		return atoi(what + 5);
	if (strncmp(what, "signal ", 7) == 0) {
		raise(atoi(what + 7));
		return 98;
	}
	if (strcmp(what, "wait") == 0)
		for (;;)
			pause();
	return 97;
}
