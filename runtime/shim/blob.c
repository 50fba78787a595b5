/* The shim's bytes, as part of mrun. See shim.h. */
#include "runtime/shim/shim.h"

__asm__(".section .rodata\n"
	".balign 16\n"
	".global shim_program\n"
	"shim_program:\n"
	".incbin \"" SHIM_FILE "\"\n"
	"shim_program_end:\n"
	".balign 4\n"
	".global shim_program_size\n"
	"shim_program_size:\n"
	".long shim_program_end - shim_program\n"
	".previous\n");
