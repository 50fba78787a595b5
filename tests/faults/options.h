/* What a sweep is asked to do; sweep.c explains it. */
#ifndef MRUN_TESTS_FAULTS_OPTIONS_H
#define MRUN_TESTS_FAULTS_OPTIONS_H

#include "tests/faults/remains.h"
#include "tests/faults/trace.h"

enum { MAX_STEPS = 16, MAX_WORDS = 48 };

enum kind { ONCE, BEFORE, TRACE, AFTER, END };

struct step {
	enum kind kind;
	const char *text;
	char *argv[MAX_WORDS + 1];
	/* Of the traced ones: without a fault. */
	int code;
	char *out;
	struct lines err;
};

struct options {
	const char *name, *cgroups, *of;
	int errnos[8];
	size_t errnos_n;
	int codes[8];
	size_t codes_n;
	uid_t uid;
	gid_t gid;
	struct lines env, watch, wipe;
	const char *dir;
	bool either, messages, told, blur;
	double bound, budget;
	size_t max; /* problems */
	unsigned seed;
	struct fault *only;
	size_t only_n;
	struct step steps[MAX_STEPS];
	size_t steps_n;
};
extern struct options o;

void options_parse(int argc, char **argv);
_Noreturn void options_bad(const char *what, const char *arg);

#endif
