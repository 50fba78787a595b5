/* See state.h: the exit code of a detached container, in a file that is locked as long as the mrun
 * that stays with the container has not ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/container/state.h"

int state_exit_make(const struct container *ct, struct error *e)
{
	_cleanup_fd_ int fd = openat(ct->dir_fd, STATE_EXIT_FILE ".new",
				     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	/* Never seen without the lock. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(ct->dir_fd, STATE_EXIT_FILE ".new", ct->dir_fd, STATE_EXIT_FILE) < 0)
		return err_sys(e, errno, "make the file for the exit code of container %s", ct->id);
	return fd_take(&fd);
}

void state_exit_write(int fd, int code)
{
	struct error ignored;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", code);

	file_write_all(fd, text, (size_t)n, STATE_EXIT_FILE, &ignored);
}

int state_exit_wait(const struct container *ct, int max_ms, int *ret_code, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(ct->dir_fd, STATE_EXIT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct timespec pause = { 0, 2000000 };
	char text[16] = "";
	uint64_t code;

	if (fd < 0)
		return err_sys(e, errno, "open the exit code of container %s", ct->id);
	for (int waited = 0; flock(fd, max_ms < 0 ? LOCK_SH : LOCK_SH | LOCK_NB) < 0; waited += 2) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "wait for container %s", ct->id);
		if (waited >= max_ms)
			return 1;
		nanosleep(&pause, NULL);
	}
	*ret_code = -1;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		text[strcspn(text, "\n")] = 0;
		if (str_to_u64(text, 255, &code))
			*ret_code = (int)code;
	}
	return 0;
}
