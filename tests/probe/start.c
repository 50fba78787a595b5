/*
 * What a program finds in main() when runtime/start.c has started it, and what follows main():
 * linked with it as mrun is. "smash" and "relro" do what must end it instead.
 */
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *constructed;
static _Thread_local int of_thread = 17;
/* Relocated once, then read-only. */
static const char *const relocated[] __attribute__((section(".data.rel.ro"), used)) = { "a", "b" };

__attribute__((constructor)) static void construct(int argc, char **argv, char **envp)
{
	constructed = argc > 0 && argv[0] && envp ? "yes" : "badly";
}

__attribute__((destructor)) static void destruct(void)
{
	puts("destructor");
}

static void at_exit(void)
{
	puts("atexit");
}

static uintptr_t at(int place)
{
	uintptr_t v;

	if (place == 0x28)
		__asm__("movq %%fs:0x28, %0" : "=r"(v));
	else
		__asm__("movq %%fs:0x30, %0" : "=r"(v));
	return v;
}

/* In each size class that memcpy(3) treats in a way of its own. */
static int copies(void)
{
	for (size_t n = 0; n < (size_t)24 << 20; n = n * 3 + 1) {
		char *a = malloc(n + 64), *b = malloc(n + 64);

		if (!a || !b)
			return 0;
		for (size_t i = 0; i < n; i++)
			a[i] = (char)(i * 7 + i / 251);
		memset(b, 0, n + 64);
		memcpy(b + 3, a, n);
		if (memcmp(a, b + 3, n) != 0 || b[n + 3] || b[2])
			return 0;
		memmove(b + 1, b + 3, n);
		if (memcmp(a, b + 1, n) != 0)
			return 0;
		free(a);
		free(b);
	}
	return 1;
}

static void *thread(void *arg)
{
	*(int *)arg = of_thread + 1;
	return NULL;
}

int main(int argc, char **argv, char **envp)
{
	const uintptr_t *random = (const uintptr_t *)getauxval(AT_RANDOM);
	volatile int second = 0;
	pthread_t t;
	jmp_buf jump;
	int seen = 0;

	if (argc > 1 && strcmp(argv[1], "smash") == 0) {
		char small[8];
		char *volatile past = small;

		memset(past, 'x', 64);
		return past[7] == 'y';
	}
	if (argc > 1 && strcmp(argv[1], "relro") == 0) {
		*(const char **)(uintptr_t)&relocated[0] = argv[1];
		return 0;
	}
	atexit(at_exit);
	if (setjmp(jump) == 0)
		longjmp(jump, 1);
	second = 1;
	if (pthread_create(&t, NULL, thread, &seen) == 0)
		pthread_join(t, NULL);
	errno = 0;
	printf("constructor %s, arguments %d %s, environment %d, name %s\n", constructed, argc,
	       argv[argc - 1],
	       envp == environ && getenv("HERE") && strcmp(getenv("HERE"), "there") == 0,
	       program_invocation_short_name);
	printf("canary %d %d, pointers %d, jump %d, thread %d %d, page %ld %ld, copies %d\n",
	       at(0x28) != 0, at(0x28) == (random[0] & ~(uintptr_t)0xff),
	       at(0x30) == random[1] && random[1] != random[0], (int)second, of_thread, seen,
	       sysconf(_SC_PAGESIZE), getauxval(AT_PAGESZ), copies());
	printf("%s %d %.3f %s\n", setlocale(LC_ALL, "C"), errno, strtod("1.25", NULL),
	       strerror(ENOENT));
	return 3;
}
