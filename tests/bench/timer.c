/*
 * timer: runs several commands in turns and prints how long each took, from fork to wait.
 *
 *   timer ROUNDS EXPECT ::: LABEL PROGRAM [ARG...] [::: LABEL PROGRAM...]...
 *
 * In turns (A B C, A B C, ...), so that whatever else the machine does meets all of them alike. Two
 * rounds come first that don't count; in the first one a command must exit 0 and, unless EXPECT is
 * empty, print it, else it is left out and a line on standard error says why. Then one line a
 * command on standard output: label, median, minimum, 90th percentile (microseconds), failures,
 * with tabs between. Output of the measured runs goes to a memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 32, MAX_ROUNDS = 10000, WARM_UPS = 2 };

struct command {
	const char *label;
	char **argv;
	double *times; /* microseconds, one a round */
	int failures;
	int out; /* left out */
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
static int spawn_wait(char **argv, int out_fd)
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
	while (waitpid(pid, &status, 0) < 0) {
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
	size_t length;
	int status;

	if (!file) {
		perror("timer: tmpfile");
		exit(1);
	}
	status = spawn_wait(command->argv, fileno(file));
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

static size_t parse(int argc, char **argv, struct command *commands, size_t rounds)
{
	size_t count = 0;

	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], ":::") != 0)
			continue;
		argv[i] = NULL; /* ends the previous command */
		if (i + 2 >= argc || count == MAX_COMMANDS)
			return 0;
		commands[count].label = argv[i + 1];
		commands[count].argv = argv + i + 2;
		commands[count].times = calloc(rounds, sizeof(double));
		if (!commands[count].times)
			return 0;
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	static struct command commands[MAX_COMMANDS];
	size_t rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	size_t count;
	int null_fd = memfd_create("output", MFD_CLOEXEC);
	int empty[2] = { -1, -1 };

	if (pipe2(empty, O_CLOEXEC) == 0)
		close(empty[1]);
	in_fd = empty[0];
	if (rounds == 0 || rounds > MAX_ROUNDS || null_fd < 0 || in_fd < 0 ||
	    (count = parse(argc, argv, commands, rounds)) == 0) {
		fprintf(stderr,
			"usage: timer ROUNDS EXPECT ::: LABEL PROGRAM [ARG...] [::: ...]\n");
		return 1;
	}
	for (size_t c = 0; c < count; c++)
		try_once(&commands[c], argv[2]);
	for (size_t round = 0; round < rounds + WARM_UPS - 1; round++) {
		for (size_t c = 0; c < count; c++) {
			double start;
			int status;

			if (commands[c].out)
				continue;
			start = now();
			status = spawn_wait(commands[c].argv, null_fd);
			if (round + 1 < WARM_UPS)
				continue;
			commands[c].times[round + 1 - WARM_UPS] = now() - start;
			commands[c].failures += status != 0;
		}
	}
	for (size_t c = 0; c < count; c++) {
		double *times = commands[c].times;

		if (!commands[c].out) {
			qsort(times, rounds, sizeof(*times), compare);
			printf("%s\t%.0f\t%.0f\t%.0f\t%d\n", commands[c].label, times[rounds / 2],
			       times[0], times[rounds * 9 / 10], commands[c].failures);
		}
		free(times);
	}
	return 0;
}
