/* What mrun.fish.in needs: the lists of commands and of options with values, and a `complete` for
 * each command, option and operand. */
#include <stdio.h>

#include "runtime/completion/completion.h"

static void put_quoted(const char *s)
{
	putchar('\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('\'');
}

/* -r: there is a value; -x: and it is no file. */
static void put_value(enum value_kind kind, const char *arg)
{
	const char *words = value_words(kind, arg);

	if (*words) {
		fputs(" -x -a ", stdout);
		put_quoted(words);
	} else if (kind == VALUE_FILE) {
		fputs(" -r -F", stdout);
	} else if (kind == VALUE_DIR) {
		fputs(" -x -a '(__fish_complete_directories)'", stdout);
	} else if (kind == VALUE_ANY) {
		fputs(" -x", stdout);
	}
}

static void put_options(const struct described *d)
{
	for (const struct opt *o = d->opts; o->name; o++) {
		if (o->kind == OPT_REFUSED)
			continue;
		printf("complete -c mrun -n '__mrun_options %s' -l %s", d->name, o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		put_value(value_kind(o->arg), o->arg);
		fputs(" -d ", stdout);
		put_quoted(o->help);
		putchar('\n');
	}
	printf("complete -c mrun -n '__mrun_options %s' -l help -d 'show this help'\n", d->name);
}

static void put_operands(const struct described *d)
{
	struct operand list[8];
	size_t count = operands(d->usage, list, 8);

	for (size_t k = 0; k < count; k++) {
		const char *more = list[k].repeated ? " more" : "";

		if (list[k].kind == VALUE_ANY)
			continue;
		printf("complete -c mrun -n '__mrun_operand %s %zu%s'", d->name, k, more);
		if (list[k].kind == VALUE_CONTAINER)
			fputs(" -a '(__mrun_containers)'", stdout);
		else if (list[k].kind == VALUE_IMAGE)
			fputs(" -a '(__mrun_images)'", stdout);
		else if (list[k].kind == VALUE_FILE)
			fputs(" -F", stdout);
		else if (list[k].kind == VALUE_DIR)
			fputs(" -a '(__fish_complete_directories)'", stdout);
		else
			printf(" -a '%s'", value_words(list[k].kind, NULL));
		putchar('\n');
	}
}

/* The options with a value, which the word behind them belongs to. */
static void put_valued(const struct described *d)
{
	printf("\tcase '%s'\n\t\techo", *d->name ? d->name : "GLOBAL");
	for (const struct opt *o = d->opts; o->name; o++) {
		if (o->kind == OPT_REFUSED || value_kind(o->arg) == VALUE_NONE)
			continue;
		printf(" --%s", o->name);
		if (o->letter)
			printf(" -%c", o->letter);
	}
	putchar('\n');
}

void fish_tables(const struct described *all, size_t n)
{
	struct described global = all[0];

	fputs("set -g __mrun_commands", stdout);
	for (size_t i = 2; i < n; i++)
		printf(" %s", all[i].name);
	fputs(" help\nset -g __mrun_stops", stdout);
	for (size_t i = 1; i < n; i++)
		if (all[i].stop_at_first)
			printf(" %s", all[i].name);
	fputs("\n\nfunction __mrun_valued\n\tswitch $argv[1]\n", stdout);
	for (size_t i = 0; i < n; i++)
		put_valued(&all[i]);
	fputs("\tend\nend\n\n", stdout);
	global.name = "GLOBAL";
	put_options(&global);
	fputs("complete -c mrun -n '__mrun_options GLOBAL' -l version -d 'print the version'\n",
	      stdout);
	for (size_t i = 1; i < n; i++) {
		if (i > 1) {
			printf("complete -c mrun -n '__mrun_command_due' -a %s -d ", all[i].name);
			put_quoted(all[i].summary);
			putchar('\n');
			put_operands(&all[i]);
		}
		put_options(&all[i]);
	}
	fputs("complete -c mrun -n '__mrun_command_due' -a help -d 'show the help of a command'\n",
	      stdout);
}
