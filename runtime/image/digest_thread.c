/*
 * See digest_thread.h. The thread has the process's memory and descriptors, and of the C library
 * not even an errno of its own (as init/net_thread.c): it makes system calls by their numbers, and
 * calls nettle, which keeps nothing but its context. Counts tell each side how far the other one
 * is; each is a futex. It reads the copy, which is ours alone, and not the source, which somebody
 * may write to meanwhile: what is digested is what is used.
 */
#include "runtime/image/digest_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <nettle/sha2.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/image/digest.h"
#include "runtime/shim/syscall.h"

enum { STACK_SIZE = 16384, PIECE = 256 * 1024, RANGE = 4 * PIECE, NICER = 10 };

struct digest_job {
	struct digest_job *next;
	struct oci_descriptor d;
	const char *name;
	int fd;		 /* the copy; closed by the thread */
	uint32_t copied; /* pieces that are there to be digested, or ALL */
	uint32_t done;	 /* 1: the thread has done with it */
	int error;	 /* why it could not be read */
	uint64_t size;	 /* digested so far */
	struct sha256_ctx sum;
	char digest[DIGEST_LEN + 1];
};
#define ALL UINT32_MAX

struct digest_thread {
	struct digest_job *first, **last;
	uint32_t jobs; /* how many there are, or ALL */
	bool end;
	uint8_t *buf, *copy_buf; /* the thread's, the caller's */
	pid_t tid;		 /* while it runs; the kernel clears it and wakes who waits */
};

NOT_INSTRUMENTED static void set_and_wake(uint32_t *count, uint32_t value)
{
	__atomic_store_n(count, value, __ATOMIC_RELEASE);
	SYS(futex, count, FUTEX_WAKE_PRIVATE, 1, 0);
}

/* Returns once *COUNT is more than VALUE. */
NOT_INSTRUMENTED static void wait_for_more(const uint32_t *count, uint32_t value)
{
	uint32_t now;

	while ((now = __atomic_load_n(count, __ATOMIC_ACQUIRE)) <= value)
		SYS(futex, count, FUTEX_WAIT_PRIVATE, now, 0);
}

/* As long as layers are being unpacked nobody waits for a digest, and every processor has something
 * to do that somebody does wait for. Of a caller with a real-time policy, too. */
NOT_INSTRUMENTED static void be_nice(void)
{
	struct sched_param none = { 0 };
	long policy = SYS(sched_getscheduler, 0, 0, 0, 0) & ~SCHED_RESET_ON_FORK, nice;

	if (policy == SCHED_FIFO || policy == SCHED_RR)
		SYS(sched_setscheduler, 0, SCHED_OTHER, &none, 0);
	nice = 20 - SYS(getpriority, PRIO_PROCESS, 0, 0, 0) + NICER;
	SYS(setpriority, PRIO_PROCESS, 0, nice > 19 ? 19 : nice, 0);
}

NOT_INSTRUMENTED static void digest(struct digest_thread *t, struct digest_job *j)
{
	while (j->size < (uint64_t)j->d.size && !__atomic_load_n(&t->end, __ATOMIC_RELAXED)) {
		long n;

		wait_for_more(&j->copied, (uint32_t)(j->size / PIECE));
		n = SYS(pread64, j->fd, t->buf, PIECE - j->size % PIECE, j->size);
		if (n == -EINTR)
			continue;
		if (n <= 0) {
			j->error = n < 0 ? (int)-n : EIO;
			break;
		}
		sha256_update(&j->sum, (size_t)n, t->buf);
		j->size += (uint64_t)n;
	}
	SYS(close, j->fd, 0, 0, 0);
	set_and_wake(&j->done, 1);
}

NOT_INSTRUMENTED static int thread(void *arg)
{
	struct digest_thread *t = arg;
	struct digest_job *const *j = &t->first;

	be_nice();
	for (uint32_t n = 0;; n++) {
		wait_for_more(&t->jobs, n);
		/* Behind the last job at the end. */
		if (!*j)
			return 0;
		digest(t, *j);
		j = &(*j)->next;
	}
}

static struct digest_thread *begin(struct arena *a)
{
	const int flags = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	struct digest_thread *t = ARENA_NEW(a, struct digest_thread);
	char *stack = arena_alloc(a, STACK_SIZE);
	uintptr_t top = ((uintptr_t)stack + STACK_SIZE) & ~(uintptr_t)15;

	t->last = &t->first;
	t->buf = arena_alloc(a, PIECE);
	t->copy_buf = arena_alloc(a, PIECE);
	return clone(thread, (void *)top, flags, t, &t->tid, NULL, &t->tid) > 0 ? t : NULL;
}

void digest_thread_end(struct digest_thread *t)
{
	pid_t tid;

	if (!t)
		return;
	__atomic_store_n(&t->end, true, __ATOMIC_RELAXED);
	set_and_wake(&t->jobs, ALL);
	while ((tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)) != 0)
		syscall(SYS_futex, &t->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
}

/* Some bytes of at most LEFT, which copy_file_range(2) need not even copy on some file systems.
 * Some others, and two that differ, it refuses: then *RANGES is false from here on. */
static ssize_t copy_some(int in, int out, uint64_t left, uint8_t *buf, bool *ranges,
			 const char *name, struct error *e)
{
	ssize_t n;

	if (*ranges) {
		n = copy_file_range(in, NULL, out, NULL, left < RANGE ? (size_t)left : RANGE, 0);
		if (n > 0)
			return n;
		*ranges = false;
	}
	do
		n = read(in, buf, left < PIECE ? (size_t)left : PIECE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "read %s", name);
	return file_write_all(out, buf, (size_t)n, name, e) < 0 ? -1 : n;
}

static int copy(struct digest_job *j, int in, int out, uint8_t *buf, struct error *e)
{
	uint64_t size = 0, all = (uint64_t)j->d.size;
	bool ranges = true;

	while (size < all) {
		ssize_t n = copy_some(in, out, all - size, buf, &ranges, j->name, e);

		if (n < 0)
			return -1;
		if (n == 0)
			return err_msg(e, "blob %s: has %llu bytes, its descriptor says %lld",
				       j->d.digest, (unsigned long long)size, (long long)j->d.size);
		size += (uint64_t)n;
		set_and_wake(&j->copied, size < all ? (uint32_t)(size / PIECE) : ALL);
	}
	return 0;
}

int digest_thread_copy(struct arena *a, struct digest_thread **t, int in_fd, int out_fd,
		       const struct oci_descriptor *d, const char *name, struct digest_job **ret,
		       struct error *e)
{
	struct digest_job *j;

	*ret = NULL;
	if (!*t)
		*t = begin(a);
	if (!*t)
		return 0;
	j = ARENA_NEW(a, struct digest_job);
	*j = (struct digest_job){ .d = *d, .name = name };
	j->fd = fcntl(out_fd, F_DUPFD_CLOEXEC, 3);
	if (j->fd < 0)
		return err_sys(e, errno, "copy %s", name);
	sha256_init(&j->sum);
	*(*t)->last = j;
	(*t)->last = &j->next;
	set_and_wake(&(*t)->jobs, (*t)->jobs + 1);
	*ret = j;
	if (copy(j, in_fd, out_fd, (*t)->copy_buf, e) == 0)
		return 0;
	set_and_wake(&j->copied, ALL);
	return -1;
}

int digest_job_check(struct digest_job *j, struct error *e)
{
	uint8_t sum[SHA256_DIGEST_SIZE];

	wait_for_more(&j->done, 0);
	if (j->error)
		return err_sys(e, j->error, "read the copy of %s", j->name);
	if (!j->digest[0]) {
		sha256_digest(&j->sum, sizeof(sum), sum);
		digest_write(sum, j->digest);
	}
	if (!str_eq(j->digest, j->d.digest))
		return err_msg(e, "blob %s: wrong digest, its content has %s", j->d.digest,
			       j->digest);
	return 0;
}

int digest_thread_check(struct digest_thread *t, struct error *e)
{
	for (struct digest_job *j = t ? t->first : NULL; j; j = j->next)
		if (digest_job_check(j, e) < 0)
			return -1;
	return 0;
}
