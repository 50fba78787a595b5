/* runtime/init/user.c: USER strings against passwd and group files of a container. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "oci/base/file.h"
#include "runtime/init/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# a comment\n"
			     "\n"
			     "broken:x:notanumber:5::/b:/bin/sh\n"
			     "short:x\n"
			     "app:x:1000:1001:App:/home/app:/bin/sh\n"
			     "1:x:0:0:trojan:/root:/bin/sh\n"
			     "2000:x:0:0:trojan:/root:/bin/sh\n"
			     "-1:x:0:0:trojan:/root:/bin/sh\n"
			     "+0:x:0:0:trojan:/root:/bin/sh\n"
			     "4294967296:x:0:0:trojan:/root:/bin/sh\n"
			     "big:x:4294967295:5::/big:/bin/sh\n"
			     "relative:x:1003:5::home:/bin/sh\n"
			     "control:x:1004:5::/ho\tme:/bin/sh\n"
			     "www-data:x:33:33::/var/www:/bin/sh";
static const char group[] = "root:x:0:\n"
			    "app:x:1001:\n"
			    "audio:x:29:app,other\n"
			    "video:x:44:other,app\n"
			    "bad:x:zz:app\n"
			    "www-data:x:33:";

struct fixture {
	struct arena a;
	char dir[64];
	int root;
};

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char etc[128];

	if (!f)
		return -1;
	strcpy(f->dir, "/tmp/mrun-unit-user.XXXXXX");
	if (!mkdtemp(f->dir)) {
		free(f);
		return -1;
	}
	snprintf(etc, sizeof(etc), "%s/etc", f->dir);
	mkdir(etc, 0755);
	put(f->dir, "etc/passwd", passwd);
	put(f->dir, "etc/group", group);
	f->root = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct error e;

	close(f->root);
	file_remove_tree(AT_FDCWD, f->dir, &e);
	arena_free(&f->a);
	free(f);
	return 0;
}

static struct user_result good(struct fixture *f, const char *user)
{
	struct user_result u;
	struct error e = { 0 };

	if (user_resolve(&f->a, f->root, user, NULL, &u, &e) < 0)
		fail_msg("'%s': %s", user, e.msg);
	return u;
}

static void bad(struct fixture *f, const char *user, const char *expected)
{
	struct user_result u = { .uid = 77 };
	struct error e = { 0 };

	if (user_resolve(&f->a, f->root, user, NULL, &u, &e) == 0)
		fail_msg("'%s' was taken for uid %u", user, u.uid);
	assert_int_equal(u.uid, 77);
	if (!strstr(e.msg, expected))
		fail_msg("'%s': no '%s' in: %s", user, expected, e.msg);
	if (!strchr(user, '\n') && !strstr(e.msg, user))
		fail_msg("'%s' is not named in: %s", user, e.msg);
}

static void names(void **state)
{
	struct fixture *f = *state;
	struct user_result u = good(f, "app");

	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 1001);
	assert_string_equal(u.home, "/home/app");
	assert_string_equal(u.name, "app");
	assert_int_equal(u.groups_len, 3);
	assert_int_equal(u.groups[0], 1001);
	assert_int_equal(u.groups[1], 29);
	assert_int_equal(u.groups[2], 44);

	u = good(f, NULL);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.home, "/root");
	u = good(f, "");
	assert_int_equal(u.uid, 0);
	/* The last line has no newline. */
	u = good(f, "www-data");
	assert_int_equal(u.uid, 33);
	u = good(f, "app:video");
	assert_int_equal(u.gid, 44);
	assert_int_equal(u.groups_len, 1);
	u = good(f, "app:4321");
	assert_int_equal(u.gid, 4321);
	bad(f, "nobody-here", "no matching entries in passwd");
	bad(f, "app:nogroup", "no matching entries in group");
	bad(f, "broken", "no matching entries");
	bad(f, "short", "no matching entries");
	bad(f, "big", "no matching entries");
}

static void numbers(void **state)
{
	struct fixture *f = *state;
	struct user_result u = good(f, "1000");

	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 1001);
	assert_string_equal(u.home, "/home/app");
	assert_int_equal(u.groups_len, 3);
	u = good(f, "5555");
	assert_int_equal(u.uid, 5555);
	assert_int_equal(u.gid, 0);
	assert_string_equal(u.home, "/");
	assert_null(u.name);
	u = good(f, "5555:6666");
	assert_int_equal(u.gid, 6666);
	/* Digits are a number, whatever passwd calls so. */
	u = good(f, "1");
	assert_int_equal(u.uid, 1);
	u = good(f, "2000");
	assert_int_equal(u.uid, 2000);
	u = good(f, "4294967294");
	assert_int_equal(u.uid, 4294967294u);
}

static void misparsed_as_root(void **state)
{
	struct fixture *f = *state;

	bad(f, "-1", "neither a user id nor a user name");
	bad(f, "+0", "neither a user id nor a user name");
	bad(f, "-0", "neither");
	bad(f, "4294967295", "out of range");
	bad(f, "4294967296", "out of range");
	bad(f, "18446744073709551616", "out of range");
	bad(f, "99999999999999999999999999", "out of range");
	bad(f, "1:", "empty group name");
	bad(f, "app:", "empty group name");
	bad(f, ":0", "empty user name");
	bad(f, ":", "empty group name");
	bad(f, "1:-1", "neither a group id nor a group name");
	bad(f, "1:4294967296", "out of range");
	bad(f, "0:0:0", "more than one colon");
	bad(f, " 0", "blank or a control character");
	bad(f, "0 ", "blank or a control character");
	bad(f, "0x0", "no matching entries");
	bad(f, "root\n", "control character");
}

static void homes(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };
	const char *home;

	assert_string_equal(good(f, "relative").home, "/");
	assert_string_equal(good(f, "control").home, "/");
	assert_int_equal(user_home(&f->a, f->root, 1000, &home, &e), 0);
	assert_string_equal(home, "/home/app");
	assert_int_equal(user_home(&f->a, f->root, 9, &home, &e), 0);
	assert_string_equal(home, "/");
}

static void added_groups(void **state)
{
	struct fixture *f = *state;
	char *add[] = { (char *)"video", (char *)"777", NULL }, *none[] = { (char *)"nix", NULL };
	struct user_result u;
	struct error e = { 0 };

	assert_int_equal(user_resolve(&f->a, f->root, "0:0", add, &u, &e), 0);
	assert_int_equal(u.groups_len, 3);
	assert_int_equal(u.groups[1], 44);
	assert_int_equal(u.groups[2], 777);
	assert_int_equal(user_resolve(&f->a, f->root, "0", none, &u, &e), -1);
	assert_non_null(strstr(e.msg, "unable to find group nix"));
}

/* CVE-2024-9676: what is at /etc/passwd of an image need not be a file, nor end. */
static void odd_files(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct user_result u;

	snprintf(path, sizeof(path), "%s/etc/passwd", f->dir);
	unlink(path);
	assert_int_equal(mkfifo(path, 0644), 0);
	bad(f, "app", "not a regular file");
	unlink(path);
	mkdir(path, 0755);
	bad(f, "app", "not a regular file");
	rmdir(path);
	/* Meant from the container's root: that of the host is not read. */
	assert_int_equal(symlink("/etc/hostname", path), 0);
	u = good(f, "0");
	assert_string_equal(u.home, "/");
	bad(f, "root", "no matching entries");
	unlink(path);
	assert_int_equal(symlink("passwd", path), 0);
	bad(f, "root", "too many levels");
	unlink(path);
	put(f->dir, "etc/passwd", "");
	assert_int_equal(truncate(path, 1L << 33), 0);
	bad(f, "root", "more than");
	unlink(path);
	u = good(f, "42");
	assert_int_equal(u.uid, 42);
	bad(f, "app", "no matching entries");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(misparsed_as_root, setup, teardown),
		cmocka_unit_test_setup_teardown(homes, setup, teardown),
		cmocka_unit_test_setup_teardown(added_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
