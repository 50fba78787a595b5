/* See doctor.h: a child in namespaces of its own, in which things are tried. It ends with us, and
 * whatever it mounted ends with it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "runtime/cmd/doctor.h"

void *doctor_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static _Noreturn void child(int go, void (*run)(void *), void *shared)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &byte, 1) != 1)
		_exit(1);
	/* Supplementary groups stay: a single id may not change them. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(1);
	if (run)
		run(shared);
	_exit(0);
}

enum doctor_probe_result doctor_probe(struct doctor *d, unsigned long flags,
				      const struct idmap *ids, void (*run)(void *), void *shared,
				      struct error *e)
{
	_cleanup_fd_ int in = -1, out = -1;
	struct idmap_job job = { .open_fd = 0 };
	sigset_t block, old;
	bool mapped;
	int p[2], status = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0) {
		err_sys(e, errno, "make a pipe");
		return PROBE_NO_CLONE;
	}
	in = p[0];
	out = p[1];
	/* What the child made on disk it removes itself: an interrupt waits for that. */
	sigfillset(&block);
	sigprocmask(SIG_BLOCK, &block, &old);
#ifdef __s390__
	pid = (pid_t)syscall(SYS_clone, NULL, flags | SIGCHLD, NULL, NULL, NULL);
#else
	pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
#endif
	if (pid == 0) {
		close(out);
		child(in, run, shared);
	}
	if (pid < 0) {
		err_sys(e, errno, "make a namespace");
		sigprocmask(SIG_SETMASK, &old, NULL);
		return PROBE_NO_CLONE;
	}
	mapped = idmap_start(d->a, pid, ids, &job, e) == 0 && idmap_finish(&job, e) == 0;
	if (mapped && write(out, "g", 1) != 1)
		mapped = err_sys(e, errno, "start a process") == 0;
	close(fd_take(&out));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (!mapped)
		return PROBE_NO_MAPPING;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		err_msg(e, "map ids: root of the new namespace cannot be had");
		return PROBE_NO_MAPPING;
	}
	return PROBE_RAN;
}
