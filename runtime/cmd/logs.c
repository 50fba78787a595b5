/* mrun logs, mrun wait: what a detached container of an image wrote, and its exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/cmd/options.h"
#include "runtime/container/state.h"
#include "runtime/image/output_log.h"

struct logs_args {
	bool follow;
	const char *tail;
};
#define NO_TIMES "when a line was written is not kept"
static const struct opt logs_opts[] = {
	{ "follow", 'f', OPT_BOOL, offsetof(struct logs_args, follow), NULL,
	  "go on with what is written, until the container ends" },
	{ "tail", 'n', OPT_STR, offsetof(struct logs_args, tail), "N", "the last N lines, or all" },
	{ "since", 0, OPT_REFUSED, 0, NULL, NO_TIMES },
	{ "until", 0, OPT_REFUSED, 0, NULL, NO_TIMES },
	{ "timestamps", 't', OPT_REFUSED, 0, NULL, NO_TIMES },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct opt_spec logs_spec = {
	.command = "logs",
	.usage = "[OPTIONS] CONTAINER-ID",
	.summary = "print what a detached container of an image wrote",
	.description = "Its standard output and standard error, in the order in which they were\n"
		       "   written, both on standard output. At least the last 8 MiB are kept.",
	.opts = logs_opts,
	.min_args = 1,
	.max_args = 1,
};

static int open_detached(struct cmd_context *c, const char *id, struct container *ct,
			 struct error *e)
{
	if (state_open_shared(c, id, ct, e) < 0)
		return -1;
	state_unlock(ct);
	if (ct->record->slot && faccessat(ct->dir_fd, "exit", F_OK, 0) == 0)
		return 0;
	state_close(ct);
	err_msg(e, "container %s was not started with mrun -d", id);
	return err_hint(e, "the program that started it has its output and its exit code");
}

static bool has_ended(void *ctx)
{
	struct error ignored;
	int code;

	return state_exit_wait(ctx, 0, &code, &ignored) != 1;
}

/* docker's words: all, or a number; one below 0 is all as well. */
static int parse_tail(const char *text, uint64_t *ret, struct error *e)
{
	int64_t n = -1;

	if (text && !str_eq(text, "all") && !str_to_i64(text, &n)) {
		err_msg(e, "logs: --tail: '%s' is neither a number of lines nor all", text);
		return -1;
	}
	*ret = n < 0 ? OUTPUT_LOG_ALL : (uint64_t)n;
	return 0;
}

int cmd_logs(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct logs_args args = { 0 };
	_cleanup_fd_ int slot = -1;
	struct container ct;
	uint64_t lines;
	char **rest;
	int n, r = opt_parse(c->arena, &logs_spec, argc, argv, &args, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	if (parse_tail(args.tail, &lines, e) < 0 || open_detached(c, rest[0], &ct, e) < 0)
		return -1;
	slot = open(ct.record->slot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = slot < 0 ? err_sys(e, errno, "open the log of container %s", ct.id)
		     : output_log_copy(slot, STDOUT_FILENO, lines, args.follow ? has_ended : NULL,
				       &ct, e);
	state_close(&ct);
	return r;
}

static const struct opt no_opts[] = { { NULL, 0, 0, 0, NULL, NULL } };
static const struct opt_spec wait_spec = {
	.command = "wait",
	.usage = "CONTAINER-ID [CONTAINER-ID...]",
	.summary = "wait for detached containers of images and print their exit codes",
	.opts = no_opts,
	.min_args = 1,
	.max_args = -1,
};

static int wait_one(struct container *ct, struct error *e)
{
	int code;

	if (state_exit_wait(ct, -1, &code, e) < 0)
		return -1;
	if (code < 0)
		return err_msg(e,
			       "container %s ended without an exit code: the mrun that stayed "
			       "with it was killed",
			       ct->id);
	printf("%d\n", code);
	return fflush(stdout) ? err_sys(e, errno, "write to standard output") : 0;
}

int cmd_wait(struct cmd_context *c, int argc, char **argv, struct error *e)
{
	struct container *ct;
	char **rest;
	int n, r = opt_parse(c->arena, &wait_spec, argc, argv, NULL, &rest, &n, e);

	if (r)
		return r < 0 ? -1 : 0;
	/* All of them first: the record of one that ends meanwhile may go (--rm). */
	ct = ARENA_ARRAY(c->arena, (size_t)n, struct container);
	for (int i = 0; i < n; i++)
		if (open_detached(c, rest[i], &ct[i], e) < 0)
			return -1;
	for (int i = 0; r == 0 && i < n; i++)
		r = wait_one(&ct[i], e);
	return r;
}
