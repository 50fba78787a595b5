/*
 * From the kernel to main(), in the place of what glibc does there (csu/libc-start.c): its steps,
 * but for one. It asks the processor for its features and caches, by 71 cpuid instructions, to
 * choose among the forms of memcpy(3) and the like. In a virtual machine each of them leaves it and
 * takes 1 to 6 us: a tenth or a fifth of the whole start of a container. With no feature known, the
 * forms are chosen that every x86-64 processor can execute.
 *
 * The functions called here are glibc's own affair, and so this is for the release that it was
 * looked at and tried with; with any other one (and without glibc) the start is the library's.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

typedef int main_function(int argc, char **argv, char **envp);

_Noreturn void __wrap___libc_start_main(main_function *main, int argc, char **argv,
					void (*init)(void), void (*fini)(void),
					void (*loader_fini)(void), void *stack_end);

#if defined(__x86_64__) && defined(__GLIBC__) && __GLIBC__ == 2 && __GLIBC_MINOR__ == 36

typedef void array_function(int argc, char **argv, char **envp);

/* The linker's. */
extern const Elf64_Rela __rela_iplt_start[], __rela_iplt_end[];
extern array_function *__preinit_array_start[], *__preinit_array_end[];
extern array_function *__init_array_start[], *__init_array_end[];
extern void (*__fini_array_start[])(void), (*__fini_array_end[])(void);
void _init(void);
void _fini(void);

/* glibc's, in the order of use. */
extern void *__libc_stack_end;
void _dl_aux_init(Elf64_auxv_t *auxv);
void __tunables_init(char **envp);
extern int _dl_x86_cpu_features; /* the first field: whose processor it is */
extern long __x86_shared_non_temporal_threshold, __x86_rep_movsb_stop_threshold;
void _dl_relocate_static_pie(void);
void __libc_setup_tls(void);
extern void *_dl_random; /* AT_RANDOM: 16 bytes */
void __libc_early_init(_Bool initial);
void __libc_init_first(int argc, char **argv, char **envp);
int __cxa_atexit(void (*f)(void *), void *arg, void *object);
extern int __libc_enable_secure;
void __libc_check_standard_fds(void);

enum { PROCESSOR_OF_SOMEBODY_ELSE = 4 };

/* From this size on memcpy(3) goes past the caches, and it does not work with a limit of 0: what
 * glibc takes for a processor whose caches it knows nothing of, three quarters of 1 MiB. */
#define NON_TEMPORAL (1024L * 1024 * 3 / 4)

static void know_nothing_of_the_processor(void)
{
	_dl_x86_cpu_features = PROCESSOR_OF_SOMEBODY_ELSE;
	__x86_shared_non_temporal_threshold = NON_TEMPORAL;
	__x86_rep_movsb_stop_threshold = NON_TEMPORAL;
}

/* Each function of several forms says which it is to be. */
static void choose_forms(void)
{
	for (const Elf64_Rela *r = __rela_iplt_start; r < __rela_iplt_end; r++) {
		uintptr_t (*choose)(void) = (uintptr_t(*)(void))(uintptr_t)r->r_addend;

		*(uintptr_t *)(uintptr_t)r->r_offset = choose();
	}
}

/* What the compiler's stack protector compares, and what setjmp(3) and atexit(3) hide addresses
 * with, at their places in the thread's block. The first has a zero byte, at which strings end. */
static void set_guards(void)
{
	const uintptr_t *random = _dl_random;
	uintptr_t stack = random[0] & ~(uintptr_t)0xff, pointer = random[1];

	__asm__ volatile("movq %0, %%fs:0x28" : : "r"(stack));
	__asm__ volatile("movq %0, %%fs:0x30" : : "r"(pointer));
}

static void begin_program(int argc, char **argv, char **envp)
{
	for (array_function **f = __preinit_array_start; f < __preinit_array_end; f++)
		(*f)(argc, argv, envp);
	_init();
	for (array_function **f = __init_array_start; f < __init_array_end; f++)
		(*f)(argc, argv, envp);
}

static void end_program(void *unused)
{
	(void)unused;
	for (void (**f)(void) = __fini_array_end; f > __fini_array_start;)
		(*--f)();
	_fini();
}

_Noreturn void __wrap___libc_start_main(main_function *main, int argc, char **argv,
					void (*init)(void), void (*fini)(void),
					void (*loader_fini)(void), void *stack_end)
{
	char **end;

	(void)init, (void)fini, (void)loader_fini; /* of other releases, and of dynamic programs */
	environ = argv + argc + 1;
	__libc_stack_end = stack_end;
	for (end = environ; *end; end++)
		;
	_dl_aux_init((Elf64_auxv_t *)(void *)(end + 1));
	__tunables_init(environ);
	know_nothing_of_the_processor();
	_dl_relocate_static_pie();
	choose_forms();
	__libc_setup_tls();
	set_guards();
	__libc_early_init(1);
	__libc_init_first(argc, argv, environ);
	__cxa_atexit(end_program, NULL, NULL);
	if (__libc_enable_secure)
		__libc_check_standard_fds();
	begin_program(argc, argv, environ);
	exit(main(argc, argv, environ));
}

#else

_Noreturn void __real___libc_start_main(main_function *main, int argc, char **argv,
					void (*init)(void), void (*fini)(void),
					void (*loader_fini)(void), void *stack_end);

_Noreturn void __wrap___libc_start_main(main_function *main, int argc, char **argv,
					void (*init)(void), void (*fini)(void),
					void (*loader_fini)(void), void *stack_end)
{
	__real___libc_start_main(main, argc, argv, init, fini, loader_fini, stack_end);
}

#endif
