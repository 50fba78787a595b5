/* What mrun.bash.in needs: the lists of commands, and a case of _mrun_table() for each. */
#include <stdio.h>

#include "runtime/completion/completion.h"

/* As _mrun_offer() in mrun.bash.in knows it: a name, or the words themselves after a colon. */
static void put_kind(enum value_kind kind, const char *arg)
{
	static const char *const names[] = {
		[VALUE_NONE] = "",	   [VALUE_ANY] = "any",
		[VALUE_DIR] = "dir",	   [VALUE_FILE] = "file",
		[VALUE_SIGNAL] = "signal", [VALUE_CAPABILITY] = "capability",
		[VALUE_WORDS] = "",	   [VALUE_CONTAINER] = "container",
		[VALUE_IMAGE] = "image",
	};

	if (kind == VALUE_WORDS)
		printf(":%s", arg);
	else
		fputs(names[kind], stdout);
}

static void put_option(const struct opt *o)
{
	enum value_kind kind = value_kind(o->arg);

	if (o->kind == OPT_REFUSED)
		return;
	printf(" --%s", o->name);
	if (kind != VALUE_NONE)
		putchar('=');
	put_kind(kind, o->arg);
	if (!o->letter)
		return;
	printf(" -%c", o->letter);
	if (kind != VALUE_NONE)
		putchar('=');
	put_kind(kind, o->arg);
}

void bash_tables(const struct described *all, size_t n)
{
	fputs("_mrun_commands='", stdout);
	for (size_t i = 2; i < n; i++)
		printf("%s ", all[i].name);
	fputs("help'\n", stdout);
	printf("_mrun_signals='%s'\n", value_words(VALUE_SIGNAL, NULL));
	printf("_mrun_capabilities='%s'\n", value_words(VALUE_CAPABILITY, NULL));
	fputs("\n_mrun_table() {\n\tcase $1 in\n", stdout);
	for (size_t i = 0; i < n; i++) {
		struct operand list[8];
		size_t count = operands(all[i].usage ? all[i].usage : "", list, 8);

		printf("\t'%s')\n\t\toptions='", all[i].name);
		for (const struct opt *o = all[i].opts; o->name; o++)
			put_option(o);
		fputs(" --help", stdout);
		if (i == 0)
			fputs(" --version", stdout);
		fputs(" ' operands='", stdout);
		for (size_t k = 0; k < count; k++) {
			putchar(' ');
			put_kind(list[k].kind, NULL);
			if (list[k].repeated)
				fputs("...", stdout);
		}
		printf("' stops=%d\n\t\t;;\n", all[i].stop_at_first);
	}
	fputs("\t*) return 1 ;;\n\tesac\n}\n", stdout);
}
