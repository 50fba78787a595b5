/*
 * Tries dangerous system calls, harmlessly, and prints what each gave: "NAME OK" or "NAME ERRNO".
 * The arguments are such that the kernel itself refuses with another error than a filter would, or
 * that success hurts nobody.
 *
 *   syscalls 64|32|x32    through that ABI (32: int 0x80, as a 32-bit program does)
 *   syscalls agent SOCKET ERRNO
 *                         a seccomp agent: takes one container process state on SOCKET, prints it
 *                         and answers every notification with ERRNO until the container is gone
 *   syscalls socketcall   socket(AF_ALG) through i386's multiplexer
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32 0x40000000L
#define NEWUSER 0x10000000L

static const struct call {
	const char *name;
	long nr64, nr32, args[3];
} calls[] = {
#if defined(__x86_64__)
	{ "getpid", 39, 20, { 0 } },
	{ "af_unix", 41, 359, { 1, 1, 0 } },
	{ "af_alg", 41, 359, { 38, 5, 0 } },
	{ "af_alg_high", 41, 359, { 0x100000026, 5, 0 } },
	{ "af_vsock", 41, 359, { 40, 1, 0 } },
	{ "af_rxrpc", 41, 359, { 33, 2, 2 } },
	{ "pair_alg", 53, 360, { 38, 5, 0 } },
	{ "io_uring_setup", 425, 425, { 0, 0, 0 } },
	{ "io_uring_enter", 426, 426, { -1, 0, 0 } },
	{ "io_uring_register", 427, 427, { -1, 0, 0 } },
	{ "bpf", 321, 357, { 9999, 0, 0 } },
	{ "keyctl", 250, 288, { 9999, 0, 0 } },
	{ "add_key", 248, 286, { 0, 0, 0 } },
	{ "request_key", 249, 287, { 0, 0, 0 } },
	{ "userfaultfd", 323, 374, { 0xffff, 0, 0 } },
	{ "clone_newuser", 56, 120, { NEWUSER | 0x200 /* CLONE_FS: refused */, 0, 0 } },
	{ "unshare_newuser", 272, 310, { NEWUSER | 2 /* no such flag */, 0, 0 } },
	{ "setns_newuser", 308, 346, { -1, NEWUSER, 0 } },
	{ "clone3", 435, 435, { 0, 0, 0 } },
	{ "tiocsti", 16, 54, { -1, 0x5412, 0 } },
	{ "tiocsti_high", 16, 54, { -1, 0x100005412, 0 } },
	{ "tioclinux", 16, 54, { -1, 0x541c, 0 } },
	{ "tcgets", 16, 54, { -1, 0x5401, 0 } },
	{ "personality", 135, 136, { 0xffffffff, 0, 0 } },
	{ "no_randomize", 135, 136, { 0x0040000, 0, 0 } },
	{ "pidfd_getfd", 438, 438, { -1, 0, 1 } },
	{ "fsopen", 430, 430, { 0, 0xffff, 0 } },
	{ "unknown", 1000, 1000, { 0 } },
#endif
	{ NULL, 0, 0, { 0 } },
};

#if defined(__x86_64__)
static long call_64(long nr, const long *a)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2])
			 : "rcx", "r11", "memory");
	return r;
}

static long call_32(long nr, const long *a)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(0L), "D"(0L)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)r;
}
#endif

static void no_abi(int sig)
{
	static const char text[] = "this kernel does not have the ABI\n";

	(void)sig;
	if (write(1, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(77);
}

static int try_all(const char *abi)
{
	signal(SIGSEGV, no_abi);
	signal(SIGILL, no_abi);
	for (const struct call *c = calls; c->name; c++) {
		long r = -ENOSYS;

#if defined(__x86_64__)
		if (strcmp(abi, "32") == 0) {
			r = call_32(c->nr32, c->args);
		} else {
			long nr = c->nr64;

			if (strcmp(abi, "x32") == 0)
				nr = (nr == 16 ? 514 : nr) | X32;
			r = call_64(nr, c->args);
		}
#else
		(void)abi;
#endif
		if (r < 0 && r > -4096)
			printf("%s %s\n", c->name, strerrorname_np((int)-r));
		else
			printf("%s OK\n", c->name);
		fflush(stdout);
	}
	return calls[0].name ? 0 : 77;
}

/* socketcall(2) takes its arguments from memory below 4 GB. */
static int try_socketcall(void)
{
#if defined(__x86_64__)
	uint32_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long r, a[3] = { 1 /* SYS_SOCKET */, (long)(uintptr_t)args, 0 };

	signal(SIGSEGV, no_abi);
	if (args == MAP_FAILED)
		return 1;
	args[0] = 1; /* AF_UNIX */
	args[1] = 1;
	r = call_32(102, a);
	printf("socketcall %s\n", r < 0 ? strerrorname_np((int)-r) : "OK");
	return 0;
#else
	return 77;
#endif
}

static int answer(int notify, int errnum)
{
	struct seccomp_notif_sizes sizes;
	struct seccomp_notif *req;
	struct seccomp_notif_resp *resp;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return 1;
	req = calloc(1, sizes.seccomp_notif + 64u);
	resp = calloc(1, sizes.seccomp_notif_resp + 64u);
	for (;;) {
		struct pollfd p = { .fd = notify, .events = POLLIN };

		if (poll(&p, 1, 20000) <= 0 || !(p.revents & POLLIN))
			return 0; /* POLLHUP: nobody has the filter any more */
		memset(req, 0, sizes.seccomp_notif);
		if (ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, req) < 0)
			continue;
		fprintf(stderr, "notified of call %d\n", req->data.nr);
		*resp = (struct seccomp_notif_resp){ .id = req->id, .error = -errnum };
		ioctl(notify, SECCOMP_IOCTL_NOTIF_SEND, resp);
	}
}

static int agent(const char *path, int errnum)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr align;
		char buf[256];
	} control;
	char text[65536];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), peer, notify = -1;
	struct cmsghdr *c;
	ssize_t n;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	alarm(60);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0) {
		perror(path);
		return 1;
	}
	peer = accept(listener, NULL, NULL);
	n = recvmsg(peer, &m, 0);
	if (n <= 0) {
		perror("recvmsg");
		return 1;
	}
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&notify, CMSG_DATA(c), sizeof(notify));
	do
		fwrite(text, 1, (size_t)n, stdout);
	while ((n = read(peer, text, sizeof(text))) > 0); /* the runtime closes it */
	printf("\n");
	fflush(stdout);
	if (notify < 0)
		return 2;
	return answer(notify, errnum);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "agent") == 0)
		return agent(argv[2], atoi(argv[3]));
	if (argc == 2 && strcmp(argv[1], "socketcall") == 0)
		return try_socketcall();
	if (argc == 2)
		return try_all(argv[1]);
	fprintf(stderr, "usage: syscalls 64|32|x32|socketcall|agent SOCKET ERRNO\n");
	return 2;
}
