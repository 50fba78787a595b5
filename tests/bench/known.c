/*
 * A program of a known number of instructions: instructions.c is checked with it before what it
 * counts is believed. What traps in its own way while stepping is all there: a string instruction
 * that repeats, a child by fork(2) and one by vfork(2), a signal's handler. It exits with 7.
 *
 *   the loop                    1 + 2 * 1000 = 2001
 *   the string instruction                 5
 *   fork                4, the child's 2 + 3
 *   wait4, twice                    2 * 6
 *   vfork               4, the child's 2 + 3
 *   rt_sigaction                           6
 *   getpid, kill                       2 + 4
 *   the handler, rt_sigreturn          1 + 2
 *   exit                                   3
 *
 * In all 2001 + 5 + 9 + 12 + 9 + 6 + 6 + 3 + 3 = 2054.
 */
/* clang-format off */
__asm__(
	".globl _start\n"
	"_start:\n"
	"	mov $1000, %ecx\n"
	"1:	dec %ecx\n"
	"	jnz 1b\n"

	"	sub $65536, %rsp\n"
	"	mov %rsp, %rdi\n"
	"	mov $65536, %ecx\n"
	"	xor %eax, %eax\n"
	"	rep stosb\n"

	"	mov $57, %eax\n" /* fork */
	"	syscall\n"
	"	test %eax, %eax\n"
	"	jz child\n"
	"	mov $61, %eax\n" /* wait4 */
	"	mov $-1, %rdi\n"
	"	xor %esi, %esi\n"
	"	xor %edx, %edx\n"
	"	xor %r10d, %r10d\n"
	"	syscall\n"

	"	mov $58, %eax\n" /* vfork */
	"	syscall\n"
	"	test %eax, %eax\n"
	"	jz child\n"
	"	mov $61, %eax\n"
	"	mov $-1, %rdi\n"
	"	xor %esi, %esi\n"
	"	xor %edx, %edx\n"
	"	xor %r10d, %r10d\n"
	"	syscall\n"

	"	mov $13, %eax\n" /* rt_sigaction */
	"	mov $10, %edi\n" /* SIGUSR1 */
	"	mov $action, %esi\n"
	"	xor %edx, %edx\n"
	"	mov $8, %r10d\n"
	"	syscall\n"

	"	mov $39, %eax\n" /* getpid */
	"	syscall\n"
	"	mov %eax, %edi\n"
	"	mov $10, %esi\n"
	"	mov $62, %eax\n" /* kill */
	"	syscall\n"

	"	mov $7, %edi\n"
	"	mov $60, %eax\n" /* exit */
	"	syscall\n"

	"child:	xor %edi, %edi\n"
	"	mov $60, %eax\n"
	"	syscall\n"
	"handler: ret\n"
	"restore: mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"

	"	.data\n"
	"action: .quad handler, 0x04000000, restore, 0\n"); /* SA_RESTORER */
