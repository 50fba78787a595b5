/*
 * Exchanges two names for as long as it lives (renameat2(2), RENAME_EXCHANGE): whoever looks the
 * same path up twice sees two things.
 *
 *   attack-swap SECONDS A B
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	time_t end;

	if (argc != 4)
		return 2;
	end = time(NULL) + atoi(argv[1]);
	if (renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE) < 0) {
		perror("attack-swap");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (time(NULL) < end)
		for (int i = 0; i < 1000; i++)
			renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE);
	return 0;
}
