/* The command line of the image mode, its words separated by NUL. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/image/options.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)argc;
	(void)argv;
	dup2(null, STDOUT_FILENO); /* --help */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct error e = { 0 };
	struct run_options o = { 0 };
	struct run_plan plan = { 0 };
	struct strlist words = { 0 };
	char *text = fuzz_text(&a, data, size), **args = NULL;

	strlist_add(&a, &words, "mrun");
	for (size_t i = 0; i < size && words.n < 64; i += strlen(text + i) + 1)
		/* A file of the caller's choice is read: not what is looked for here. */
		if (!strstr(text + i, "env-file"))
			strlist_add(&a, &words, text + i);
	if (run_options_parse(&a, (int)words.n, words.items, &o, &args, &e) == 0 && args && args[0])
		run_plan_make(&a, &o, args + 1, &plan, &e);
	arena_free(&a);
	return 0;
}
