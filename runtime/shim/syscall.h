/* System calls without a C library: no errno, no thread's own data, nothing but registers. For the
 * shim, which has no such library, and for what shares its memory with a process that has one. */
#ifndef MRUN_RUNTIME_SHIM_SYSCALL_H
#define MRUN_RUNTIME_SHIM_SYSCALL_H

#include <asm/unistd.h>

#if defined(__x86_64__)
static inline long sys4(long n, long a, long b, long c, long d)
{
	long r;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
static inline long sys4(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory", "cc");
	return x0;
}
#elif defined(__riscv) && __riscv_xlen == 64
static inline long sys4(long n, long a, long b, long c, long d)
{
	register long a7 __asm__("a7") = n;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
	return a0;
}
#else
#error "this processor needs a few lines here and in the shim"
#endif

/* -errno where it fails. */
#define SYS(n, a, b, c, d) sys4(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d))

/* For a function that shares the memory of a process without being one of its threads that the C
 * library knows: sanitizers keep their state by thread. */
#define NOT_INSTRUMENTED __attribute__((no_sanitize("address", "undefined")))

#endif
