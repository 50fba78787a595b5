/* What mrun.zsh.in needs: the commands with their summaries, and a case of _mrun_arguments() for
 * each with the specifications that _arguments takes (zshcompsys(1)). */
#include <stdio.h>
#include <string.h>

#include "runtime/completion/completion.h"

/* Text between single quotes, inside of [] or before a colon. */
static void put_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\'", stdout);
		else if (strchr("[]:\\", *s))
			putchar('\\');
		putchar(*s);
	}
}

/* ":MESSAGE:ACTION" */
static void put_value(enum value_kind kind, const char *arg, const char *message)
{
	static const char *const actions[] = {
		[VALUE_DIR] = "_files -/",
		[VALUE_FILE] = "_files",
		[VALUE_CONTAINER] = "_mrun_containers",
		[VALUE_IMAGE] = "_mrun_images",
		[VALUE_ANY] = " ",
	};
	const char *words = value_words(kind, arg);

	putchar(':');
	put_text(message);
	putchar(':');
	if (*words)
		printf("(%s)", words);
	else
		fputs(actions[kind], stdout);
}

static void put_option(const struct opt *o)
{
	enum value_kind kind = value_kind(o->arg);
	char letter[] = { '-', o->letter, 0 }, name[64];

	if (o->kind == OPT_REFUSED)
		return;
	snprintf(name, sizeof(name), "--%s", o->name);
	for (int twice = o->letter ? 0 : 1; twice < 2; twice++) {
		/* Once only, in either form, but for lists. */
		fputs("\t\t'", stdout);
		if (o->kind == OPT_LIST)
			putchar('*');
		else if (o->letter)
			printf("(%s %s)", letter, name);
		if (twice)
			printf("%s%s[", name, kind == VALUE_NONE ? "" : "=");
		else
			printf("%s%s[", letter, kind == VALUE_NONE ? "" : "+");
		put_text(o->help);
		putchar(']');
		if (kind != VALUE_NONE)
			put_value(kind, o->arg, o->arg);
		fputs("'\n", stdout);
	}
}

static void put_operands(const struct described *d)
{
	struct operand list[8];
	size_t count = operands(d->usage ? d->usage : "", list, 8);

	for (size_t k = 0; k < count; k++) {
		enum value_kind kind = list[k].kind;
		bool last = k + 1 == count && list[k].repeated;

		if (last)
			fputs("\t\t'*", stdout);
		else
			printf("\t\t'%zu", k + 1);
		put_value(kind, NULL,
			  kind == VALUE_CONTAINER ? "container"
			  : kind == VALUE_IMAGE	  ? "image"
			  : kind == VALUE_FILE	  ? "file"
			  : kind == VALUE_DIR	  ? "directory"
			  : kind == VALUE_SIGNAL  ? "signal"
						  : "argument");
		fputs("'\n", stdout);
	}
}

void zsh_tables(const struct described *all, size_t n)
{
	fputs("_mrun_commands=(\n", stdout);
	for (size_t i = 2; i < n; i++) {
		printf("\t'%s:", all[i].name);
		put_text(all[i].summary);
		fputs("'\n", stdout);
	}
	fputs("\t'help:show the help of a command'\n)\n\n", stdout);
	fputs("_mrun_table() {\n\tcase $1 in\n", stdout);
	for (size_t i = 0; i < n; i++) {
		printf("\t'%s')\n\t\tspecs=(\n", all[i].name);
		for (const struct opt *o = all[i].opts; o->name; o++)
			put_option(o);
		fputs("\t\t'--help[show this help]'\n", stdout);
		if (i == 0)
			fputs("\t\t'--version[print the version]'\n", stdout);
		if (i != 1)
			put_operands(&all[i]);
		printf("\t\t) stops=%d\n\t\t;;\n", all[i].stop_at_first);
	}
	fputs("\t*) return 1 ;;\n\tesac\n}\n", stdout);
}
