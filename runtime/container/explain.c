/*
 * Why a program could not be executed. The kernel only says ENOENT or ENOEXEC; the start of the
 * file says the rest. Those bytes are the image author's: nothing is read outside of them.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oci/base/str.h"
#include "runtime/container/launch.h"

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = { { EM_X86_64, "amd64" }, { EM_AARCH64, "arm64" }, { EM_386, "386" },
		 { EM_ARM, "arm" },	 { EM_RISCV, "riscv64" }, { EM_PPC64, "ppc64le" },
		 { EM_S390, "s390x" },	 { EM_MIPS, "mips" },	  { 258, "loong64" } };

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_RISCV
#endif

static const char *machine_name(unsigned m)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == m)
			return machines[i].name;
	return "another machine";
}

/* Where entry I of the program header TABLE says that the interpreter's name lies; *ret_size is 0
 * when the entry is another one. False when it is not among the bytes we have. */
static bool program_header(const struct shim_report *r, bool wide, uint64_t table, unsigned i,
			   uint64_t *ret_off, uint64_t *ret_size)
{
	size_t len = (size_t)r->head_len, each = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	Elf64_Phdr p64;
	Elf32_Phdr p32;

	if (table > len || len - table < (i + 1) * each)
		return false;
	if (wide) {
		memcpy(&p64, r->head + table + i * each, each);
		*ret_off = p64.p_offset;
		*ret_size = p64.p_type == PT_INTERP ? p64.p_filesz : 0;
	} else {
		memcpy(&p32, r->head + table + i * each, each);
		*ret_off = p32.p_offset;
		*ret_size = p32.p_type == PT_INTERP ? p32.p_filesz : 0;
	}
	return true;
}

/* The path in PT_INTERP, if it lies within the bytes we have. */
static bool elf_interpreter(const struct shim_report *r, char *out, size_t size)
{
	size_t len = (size_t)r->head_len;
	union {
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} h;
	bool wide = len > EI_CLASS && r->head[EI_CLASS] == ELFCLASS64;
	uint64_t table;
	unsigned count;

	if (len < sizeof(h) || memcmp(r->head, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&h, r->head, sizeof(h));
	table = wide ? h.h64.e_phoff : h.h32.e_phoff;
	count = wide ? h.h64.e_phnum : h.h32.e_phnum;
	for (unsigned i = 0; i < count && i < 64; i++) {
		uint64_t off, there;

		if (!program_header(r, wide, table, i, &off, &there))
			return false;
		if (!there)
			continue; /* not PT_INTERP */
		if (off >= len || there > size || there > len - off)
			return false;
		memcpy(out, r->head + off, (size_t)there);
		out[there - 1] = 0;
		return out[0] == '/';
	}
	return false;
}

static bool script_interpreter(const struct shim_report *r, char *out, size_t size)
{
	size_t n = 0, i = 2;

	if (r->head_len < 3 || r->head[0] != '#' || r->head[1] != '!')
		return false;
	while (i < (size_t)r->head_len && (r->head[i] == ' ' || r->head[i] == '\t'))
		i++;
	while (i < (size_t)r->head_len && n + 1 < size && r->head[i] != ' ' && r->head[i] != '\n' &&
	       r->head[i] != '\t' && r->head[i])
		out[n++] = r->head[i++];
	out[n] = 0;
	return n > 0;
}

static void hint_missing(const char *program, const struct shim_report *r, struct error *e)
{
	char interp[256];

	if (elf_interpreter(r, interp, sizeof(interp))) {
		if (strstr(interp, "ld-musl"))
			err_hint(e,
				 "%s is there, but its ELF interpreter %s is missing in the image: "
				 "it was linked against musl and the image has no musl; link it "
				 "statically, or use an Alpine base",
				 program, interp);
		else
			err_hint(e,
				 "%s is there, but its ELF interpreter %s is missing in the image: "
				 "it was linked against glibc and the image has none; link it "
				 "statically (Go: CGO_ENABLED=0), or use a glibc base such as "
				 "debian",
				 program, interp);
	} else if (script_interpreter(r, interp, sizeof(interp))) {
		if (str_has_suffix(interp, "\r"))
			err_hint(e,
				 "the first line of %s ends in a carriage return: save the file "
				 "with Unix line ends",
				 program);
		else
			err_hint(e,
				 "%s is a script, and its interpreter %s is missing in the image",
				 program, interp);
	} else if (!r->head_len) {
		err_hint(e, "there is no %s in the image: check COPY and CMD of the final stage",
			 program);
	}
}

int explain_exec(const char *program, const struct shim_report *r, struct error *e)
{
	char interp[256];
	uint16_t machine;

	if (r->label) {
		err_sys(e, r->err, "set the security label of %s through the container's /proc",
			program);
		return err_hint(e, "a seccomp profile must allow openat2(2), and nothing may be "
				   "mounted there");
	}
	err_sys(e, r->err, "exec %s", program);
	e->exit_code = r->err == ENOENT ? ERR_EXIT_NOT_FOUND : ERR_EXIT_NOT_EXEC;
	if (r->err == ENOENT) {
		hint_missing(program, r, e);
	} else if (r->err == ENOEXEC) {
		if (r->head_len > 19 && memcmp(r->head, ELFMAG, SELFMAG) == 0) {
			memcpy(&machine, r->head + 18, sizeof(machine));
			if (machine != OUR_MACHINE)
				err_hint(e,
					 "%s was built for %s and this machine is %s: build the "
					 "image for it, or choose with --platform",
					 program, machine_name(machine), machine_name(OUR_MACHINE));
		} else if (!script_interpreter(r, interp, sizeof(interp))) {
			err_hint(e, "%s is neither a program nor a script with a #! line", program);
		}
	} else if (r->err == EACCES) {
		err_hint(e,
			 "%s may not be executed by this user: is it a file with mode +x, on a "
			 "mount without noexec?",
			 program);
	}
	return -1;
}
