/*
 * timer: runs several commands in turns and prints how long each took, from fork to wait.
 *
 *   timer [--raw FILE] [--before COMMAND] ROUNDS EXPECT ::: LABEL PROGRAM [ARG...] [::: LABEL
 * ...]...
 *
 * In turns, so that whatever else the machine does meets all of them alike, and each round in
 * another order: what the kernel still has to do for the one before (giving namespaces back) takes
 * from the time of the next one, which is to be another each time. Two rounds come first that don't
 * count; in the first one a command must exit 0 and, unless EXPECT is empty, print it, else it is
 * left out and a line on standard error says why. Then one line a command on standard output:
 * label, median, minimum, 90th percentile (microseconds), failures, peak resident memory of its
 * largest process (KiB), with tabs between. Each single time goes to FILE: label, round,
 * microseconds. COMMAND is run by sh before each command of each round, untimed. Output of the
 * measured runs goes to a memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 32, MAX_ROUNDS = 10000, WARM_UPS = 2 };

struct command {
	const char *label;
	char **argv;
	double *times; /* microseconds, one a round */
	int failures;
	int out;      /* left out */
	long max_rss; /* KiB */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* An empty pipe as standard input and a memory file for the output: crun gives what it finds there
 * to the container's root, and /dev/null would then be nobody's. */
static int in_fd;

/* The exit status, 128 + n for a signal, -1 if it can't be started. Output goes to out_fd. */
static int spawn_wait(char **argv, int out_fd, struct rusage *usage)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in_fd, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, out_fd, 2);
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (errno != 0)
		return -1;
	while (wait4(pid, &status, 0, usage) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs it once with its output in a file, to see whether it does at all what is to be measured. */
static void try_once(struct command *command, const char *expect)
{
	char output[4096];
	FILE *file = tmpfile();
	struct rusage usage;
	size_t length;
	int status;

	if (!file) {
		perror("timer: tmpfile");
		exit(1);
	}
	status = spawn_wait(command->argv, fileno(file), &usage);
	rewind(file);
	length = fread(output, 1, sizeof(output) - 1, file);
	output[length] = '\0';
	fclose(file);
	if (status == 0 && strstr(output, expect))
		return;
	command->out = 1;
	output[strcspn(output, "\n")] = '\0';
	fprintf(stderr, "left out: %s: status %d: %s\n", command->label, status, output);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t parse(char **argv, struct command *commands, size_t rounds)
{
	size_t count = 0;

	for (; *argv; argv++) {
		if (strcmp(*argv, ":::") != 0)
			continue;
		*argv = NULL; /* ends the previous command */
		if (!argv[1] || !argv[2] || count == MAX_COMMANDS)
			return 0;
		commands[count].label = argv[1];
		commands[count].argv = argv + 2;
		commands[count].times = calloc(rounds, sizeof(double));
		if (!commands[count].times)
			return 0;
		count++;
		argv++;
	}
	return count;
}

static void prepare(const char *before, int out_fd)
{
	char *argv[] = { "sh", "-c", (char *)before, NULL };
	struct rusage ignored;

	if (before && spawn_wait(argv, out_fd, &ignored) != 0)
		fprintf(stderr, "timer: failed: %s\n", before);
}

static void measure(struct command *c, size_t round, int out_fd)
{
	struct rusage usage = { 0 };
	double start = now();
	int status = spawn_wait(c->argv, out_fd, &usage);

	if (round < WARM_UPS - 1)
		return;
	c->times[round - (WARM_UPS - 1)] = now() - start;
	c->failures += status != 0;
	if (usage.ru_maxrss > c->max_rss)
		c->max_rss = usage.ru_maxrss;
}

static void report(struct command *c, size_t rounds, FILE *raw)
{
	for (size_t round = 0; raw && round < rounds; round++)
		fprintf(raw, "%s\t%zu\t%.0f\n", c->label, round + 1, c->times[round]);
	qsort(c->times, rounds, sizeof(*c->times), compare);
	printf("%s\t%.0f\t%.0f\t%.0f\t%d\t%ld\n", c->label, c->times[rounds / 2], c->times[0],
	       c->times[rounds * 9 / 10], c->failures, c->max_rss);
}

/* Fisher and Yates's, by numbers that are the same in each run of the timer (POSIX's example of
 * rand(3)). */
static void shuffle(struct command **order, size_t count)
{
	static unsigned long seed = 1;

	for (size_t left = count; left > 1; left--) {
		struct command *last = order[left - 1];
		size_t other;

		seed = seed * 1103515245 + 12345;
		other = (seed / 65536) % left;
		order[left - 1] = order[other];
		order[other] = last;
	}
}

int main(int argc, char **argv)
{
	static struct command commands[MAX_COMMANDS];
	struct command *order[MAX_COMMANDS];
	const char *raw_name = NULL, *before = NULL;
	int out_fd = memfd_create("output", MFD_CLOEXEC), empty[2] = { -1, -1 };
	size_t rounds, count;
	FILE *raw = NULL;

	for (argv++; argc > 4 && argv[0][0] == '-'; argv += 2, argc -= 2) {
		if (strcmp(argv[0], "--raw") == 0)
			raw_name = argv[1];
		else if (strcmp(argv[0], "--before") == 0)
			before = argv[1];
	}
	if (pipe2(empty, O_CLOEXEC) == 0)
		close(empty[1]);
	in_fd = empty[0];
	rounds = argc > 4 ? strtoul(argv[0], NULL, 10) : 0;
	if (rounds == 0 || rounds > MAX_ROUNDS || out_fd < 0 || in_fd < 0 ||
	    (count = parse(argv + 2, commands, rounds)) == 0) {
		fprintf(stderr, "usage: timer [--raw FILE] [--before COMMAND] ROUNDS EXPECT "
				"::: LABEL PROGRAM [ARG...] [::: ...]\n");
		return 1;
	}
	for (size_t c = 0; c < count; c++) {
		prepare(before, out_fd);
		try_once(&commands[c], argv[1]);
		order[c] = &commands[c];
	}
	for (size_t round = 0; round < rounds + WARM_UPS - 1; round++) {
		shuffle(order, count);
		for (size_t c = 0; c < count; c++) {
			if (order[c]->out)
				continue;
			prepare(before, out_fd);
			measure(order[c], round, out_fd);
		}
	}
	if (raw_name && !(raw = fopen(raw_name, "we"))) {
		perror("timer: raw data");
		return 1;
	}
	for (size_t c = 0; c < count; c++) {
		if (!commands[c].out)
			report(&commands[c], rounds, raw);
		free(commands[c].times);
	}
	return raw && fclose(raw) != 0;
}
