/*
 * What a static program's libraries do before main() that mrun has no use for, put in the place of
 * theirs by the linker (--wrap): eleven of the system calls of a start.
 */
#include <linux/capability.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/single_threaded.h>

/* glibc: where the program lies, by readlink(2) and in memory from malloc(3), for the $ORIGIN of
 * libraries that a static program loads. We load none. */
const char *__wrap__dl_get_origin(void);
const char *__wrap__dl_get_origin(void)
{
	return (const char *)-1; /* not known */
}

/* And what is known of a loaded one. The only one that it would make is for the vDSO, with which
 * clock_gettime(2) needs no system call: we look at the clock once or twice. */
void *__wrap__dl_new_object(char *real_name, const char *name, int type, void *loader, int mode,
			    long ns);
void *__wrap__dl_new_object(char *real_name, const char *name, int type, void *loader, int mode,
			    long ns)
{
	(void)real_name, (void)name, (void)type, (void)loader, (void)mode, (void)ns;
	return NULL; /* no memory */
}

/* And where those libraries would be looked for. */
void __wrap__dl_init_paths(const char *path, const char *source, const char *prepend,
			   const char *mask);
void __wrap__dl_init_paths(const char *path, const char *source, const char *prepend,
			   const char *mask)
{
	(void)path, (void)source, (void)prepend, (void)mask;
}

/* A table for unwinding, which is for other languages; it is searched without it, too. */
void __wrap__dl_find_object_init(void);
void __wrap__dl_find_object_init(void)
{
}

/* Nor is it told where that table lies, and not to look there any more in the end. */
void __wrap___register_frame_info(const void *begin, void *object);
void __wrap___register_frame_info(const void *begin, void *object)
{
	(void)begin, (void)object;
}
void *__wrap___deregister_frame_info(const void *begin);
void *__wrap___deregister_frame_info(const void *begin)
{
	(void)begin;
	return NULL;
}

#ifdef __GLIBC__
/* glibc's beginnings: of the character tables, and of threads, for which it asks how large a stack
 * may be. We have none. */
void __wrap___libc_early_init(_Bool initial);
void __ctype_init(void);
void __wrap___libc_early_init(_Bool initial)
{
	(void)initial;
	__ctype_init();
	__libc_single_threaded = 1;
}
#endif

/* libcap asks the kernel how many capabilities there are, six times. This is called before main()
 * only; we ask where it matters (process.c, features.c). */
int __wrap_cap_get_bound(cap_value_t cap);
int __wrap_cap_get_bound(cap_value_t cap)
{
	return cap <= CAP_LAST_CAP ? 0 : -1;
}
