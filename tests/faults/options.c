/* See options.h. */
#include "tests/faults/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/calls.h"

struct options o = { .name = "sweep", .dir = "/", .bound = 20, .max = 20 };

static const char *const kinds[] = { "once", "before", "trace", "after", "end" };

_Noreturn void options_bad(const char *what, const char *arg)
{
	fprintf(stderr, "sweep: %s: %s\n", what, arg);
	exit(2);
}

static int parse_errno(const char *text)
{
	int errnum = strcmp(text, "KILL") == 0 ? TRACE_KILL : errno_of_name(text);

	if (!errnum)
		options_bad("unknown errno", text);
	return errnum;
}

static void parse_only(char *text)
{
	char *call = strchr(text, ':'), *errnum = call ? strchr(call + 1, ':') : NULL;

	if (!errnum)
		options_bad("not P:N:E", text);
	o.only = realloc(o.only, (o.only_n + 1) * sizeof(*o.only));
	if (!o.only)
		abort();
	o.only[o.only_n++] = (struct fault){ atoi(text), atol(call + 1), parse_errno(errnum + 1) };
}

static void parse_step(char *text)
{
	struct step *st = &o.steps[o.steps_n++];
	size_t n = 0;
	char *save, *word;

	if (o.steps_n == MAX_STEPS)
		options_bad("too many steps", text);
	st->text = strdup(text);
	word = strtok_r(text, " \n\t", &save);
	for (st->kind = ONCE; word && st->kind <= END; st->kind++)
		if (strcmp(word, kinds[st->kind]) == 0)
			break;
	if (!word || st->kind > END)
		options_bad("no step", st->text);
	while ((word = strtok_r(NULL, " \n\t", &save)) && n < MAX_WORDS)
		st->argv[n++] = word;
	if (n == 0 || n == MAX_WORDS)
		options_bad("no command, or too long", st->text);
}

static void parse_list(char *text, bool codes)
{
	char *save;

	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (codes && o.codes_n < 8)
			o.codes[o.codes_n++] = atoi(w);
		else if (!codes && o.errnos_n < 8)
			o.errnos[o.errnos_n++] = parse_errno(w);
}

static void parse_user(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		options_bad("not UID:GID", text);
	o.uid = (uid_t)atol(text);
	o.gid = (gid_t)atol(colon + 1);
}

/* Those whose argument, or whose presence, is kept as it is; false: another one. */
static bool keep(int opt, const char *arg)
{
	const struct {
		int opt;
		const char **text;
		bool *flag;
	} kept[] = {
		{ 'n', &o.name, NULL }, { 'd', &o.dir, NULL },	    { 'g', &o.cgroups, NULL },
		{ 'O', &o.of, NULL },	{ 'L', &calls_left, NULL }, { 'x', NULL, &o.either },
		{ 't', NULL, &o.told }, { 'D', NULL, &o.blur },	    { 'm', NULL, &o.messages },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (kept[i].opt != opt)
			continue;
		if (kept[i].text)
			*kept[i].text = arg;
		else
			*kept[i].flag = true;
		return true;
	}
	return false;
}

void options_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", 1, 0, 'n' },	  { "errnos", 1, 0, 'e' },
		{ "kill", 0, 0, 'k' },	  { "codes", 1, 0, 'c' },
		{ "user", 1, 0, 'u' },	  { "env", 1, 0, 'E' },
		{ "dir", 1, 0, 'd' },	  { "watch", 1, 0, 'w' },
		{ "either", 0, 0, 'x' },  { "wipe", 1, 0, 'W' },
		{ "cgroups", 1, 0, 'g' }, { "bound", 1, 0, 'B' },
		{ "budget", 1, 0, 'b' },  { "seed", 1, 0, 's' },
		{ "only", 1, 0, 'o' },	  { "messages", 0, 0, 'm' },
		{ "max", 1, 0, 'M' },	  { "of", 1, 0, 'O' },
		{ "told", 0, 0, 't' },	  { "blur", 0, 0, 'D' },
		{ "leave", 1, 0, 'L' },	  { 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1)
		switch (opt) {
		case 'e':
			parse_list(optarg, false);
			break;
		case 'k':
			o.errnos[o.errnos_n++] = TRACE_KILL;
			break;
		case 'c':
			parse_list(optarg, true);
			break;
		case 'u':
			parse_user(optarg);
			break;
		case 'E':
			lines_add(&o.env, "%s", optarg);
			break;
		case 'w':
			lines_add(&o.watch, "%s", optarg);
			break;
		case 'W':
			lines_add(&o.wipe, "%s", optarg);
			break;
		case 'B':
			o.bound = atof(optarg);
			break;
		case 'b':
			o.budget = atof(optarg);
			break;
		case 's':
			o.seed = (unsigned)atol(optarg);
			break;
		case 'o':
			parse_only(optarg);
			break;
		case 'M':
			o.max = (size_t)atol(optarg);
			break;
		default:
			if (!keep(opt, optarg))
				exit(2);
		}
	for (; optind < argc; optind++)
		parse_step(argv[optind]);
}
