/* The smallest program to run in a container: one system call, as it has no C library to begin. */
#include <unistd.h>

void _start(void);
void _start(void)
{
	_exit(0);
}
