/*
 * Not a part of mrun: a program that the build runs to make the completion files of bash, zsh and
 * fish (and, for the tests of the documents, a plain table) from mrun's own tables.
 *
 * It is linked with everything that mrun is made of but options.c, whose place it takes: each
 * command, called once, hands over its table of options to opt_parse() here, which writes it out
 * instead of parsing anything. So there is no second list of commands or options to keep.
 *
 *   completion bash|zsh|fish|table <TEMPLATE     TEMPLATE's line @TABLES@ is what is filled in
 */
#include "runtime/completion/completion.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include "oci/base/str.h"

/* The table of commands and the one of global options are static there. */
int mrun_main(int argc, char **argv);
#define main mrun_main
#include "runtime/main.c" /* NOLINT(bugprone-suspicious-include): see above */
#undef main

static const struct opt_spec *handed_over;

int opt_parse(struct arena *a, const struct opt_spec *s, int argc, char **argv, void *out,
	      char ***ret_args, int *ret_nargs, struct error *e)
{
	(void)a, (void)argc, (void)argv, (void)out, (void)ret_args, (void)ret_nargs, (void)e;
	handed_over = s;
	return 1;
}

void opt_help(const struct opt_spec *s)
{
	handed_over = s;
}

static struct described describe(struct cmd_context *c, const char *name, const char *summary,
				 const char *group, cmd_function *function)
{
	char first[32], help[] = "--help", *argv[] = { first, help, NULL };
	struct described d = { .name = name, .summary = summary, .group = group };
	static struct error e;

	snprintf(first, sizeof(first), "%s", name);
	handed_over = NULL;
	if (function(c, 2, argv, &e) != 0 || !handed_over) {
		fprintf(stderr, "completion: %s does not take --help\n", name);
		exit(1);
	}
	d.usage = handed_over->usage;
	d.opts = handed_over->opts;
	d.stop_at_first = handed_over->stop_at_first;
	return d;
}

enum value_kind value_kind(const char *arg)
{
	static const struct {
		const char *arg;
		enum value_kind kind;
	} kinds[] = {
		{ "DIR", VALUE_DIR },	     { "FILE", VALUE_FILE },
		{ "PATH", VALUE_FILE },	     { "SIGNAL", VALUE_SIGNAL },
		{ "CAP", VALUE_CAPABILITY }, { "CAP_NAME", VALUE_CAPABILITY },
	};

	if (!arg)
		return VALUE_NONE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(kinds[i].arg, arg))
			return kinds[i].kind;
	/* Words in lower case are meant as they stand: text|json. */
	return strspn(arg, "abcdefghijklmnopqrstuvwxyz0123456789|-") == strlen(arg) ? VALUE_WORDS
										    : VALUE_ANY;
}

const char *value_words(enum value_kind kind, const char *arg)
{
	static char words[2048];
	size_t n = 0;

	words[0] = 0;
	if (kind == VALUE_WORDS) {
		snprintf(words, sizeof(words), "%s", arg);
		for (char *p = words; *p; p++)
			if (*p == '|')
				*p = ' ';
	} else if (kind == VALUE_SIGNAL) {
		for (int sig = 1; sig < 32; sig++)
			if (sigabbrev_np(sig))
				n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s",
						      n ? " " : "", sigabbrev_np(sig));
	} else if (kind == VALUE_CAPABILITY) {
		for (cap_value_t v = 0; v <= CAP_LAST_CAP; v++) {
			char *name = cap_to_name(v);

			for (char *p = name; p && *p; p++)
				*p = (char)toupper((unsigned char)*p);
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s", n ? " " : "",
					      name ? name : "");
			cap_free(name);
		}
	}
	return words;
}

/* The words of a usage line that stand for operands, and what each is. */
size_t operands(const char *usage, struct operand *ret, size_t max)
{
	static const struct {
		const char *name;
		enum value_kind kind;
	} kinds[] = {
		{ "CONTAINER-ID", VALUE_CONTAINER },
		{ "IMAGE", VALUE_IMAGE },
		{ "NAME", VALUE_IMAGE },
		{ "FILE", VALUE_FILE },
		{ "SOURCE", VALUE_FILE },
		{ "DIR", VALUE_DIR },
		{ "SIGNAL", VALUE_SIGNAL },
	};
	size_t n = 0;

	while (*usage && *usage != '\n' && n < max) {
		size_t word = strcspn(usage, " \n"), name;
		const char *start = usage + strspn(usage, "[");

		usage += word + (usage[word] == ' ');
		name = strspn(start, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
		if (*start == '-' || !name || strncmp(start, "OPTIONS", 7) == 0)
			continue;
		ret[n].kind = VALUE_ANY;
		ret[n].repeated = strncmp(start + name, "...", 3) == 0;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strlen(kinds[i].name) == name &&
			    strncmp(start, kinds[i].name, name) == 0)
				ret[n].kind = kinds[i].kind;
		n++;
	}
	return n;
}

static void table_tables(const struct described *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *usage = all[i].usage ? all[i].usage : "";

		printf("command\t%s\t%s\t%s\t%.*s\n", all[i].name, all[i].group, all[i].summary,
		       (int)strcspn(usage, "\n"), usage);
		for (const struct opt *o = all[i].opts; o->name; o++)
			printf("%s\t%s\t--%s\t%.*s\t%s\t%s\n",
			       o->kind == OPT_REFUSED ? "refused" : "option", all[i].name, o->name,
			       o->letter ? 2 : 0, (const char[]){ '-', o->letter, 0 },
			       o->arg ? o->arg : "", o->help);
	}
}

int main(int argc, char **argv)
{
	static struct arena arena;
	static struct described all[COMMANDS + 2];
	struct cmd_context c = { .arena = &arena, .program = "mrun" };
	static const struct {
		const char *name;
		void (*print)(const struct described *all, size_t n);
	} formats[] = { { "bash", bash_tables },
			{ "zsh", zsh_tables },
			{ "fish", fish_tables },
			{ "table", table_tables } };
	char line[4096];
	size_t format = 0;

	while (format < 4 && argc == 2 && !str_eq(formats[format].name, argv[1]))
		format++;
	if (argc != 2 || format == 4) {
		fputs("usage: completion bash|zsh|fish|table <TEMPLATE\n", stderr);
		return 2;
	}
	all[0] = (struct described){ .name = "", .summary = "", .group = "", .opts = global_opts };
	all[1] = describe(&c, "IMAGE", "run an image", "Images", cmd_image_run);
	for (size_t i = 0; i < COMMANDS; i++)
		all[i + 2] = describe(&c, commands[i].name, commands[i].summary, commands[i].group,
				      commands[i].function);
	while (fgets(line, sizeof(line), stdin))
		if (str_eq(line, "@TABLES@\n"))
			formats[format].print(all, COMMANDS + 2);
		else
			fputs(line, stdout);
	return fflush(stdout) != 0;
}
