/* See probe.h: ids, rights, limits, scheduling, signals, terminal, namespaces. */
#include "tests/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched/types.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

/* A file of /proc as it is, without its last newline. */
static void file(struct json *j, const char *name, const char *path)
{
	static char text[65536];
	long n = probe_read(path, text, sizeof(text));

	if (n < 0) {
		json_string(j, name, probe_errno(errno));
		return;
	}
	json_bytes(j, name, text, (size_t)(n && text[n - 1] == '\n' ? n - 1 : n));
}

static void ids(struct json *j)
{
	uid_t u[3];
	gid_t g[3], groups[128];
	int n = getgroups(128, groups);
	mode_t mask = umask(0);

	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	json_open(j, "uid", '[');
	for (int i = 0; i < 3; i++)
		json_number(j, NULL, u[i]);
	json_close(j, ']');
	json_open(j, "gid", '[');
	for (int i = 0; i < 3; i++)
		json_number(j, NULL, g[i]);
	json_close(j, ']');
	json_open(j, "groups", '[');
	for (int i = 0; i < n; i++)
		json_number(j, NULL, groups[i]);
	json_close(j, ']');
	json_hex(j, "umask", mask);
	file(j, "uid_map", "/proc/self/uid_map");
	file(j, "gid_map", "/proc/self/gid_map");
	file(j, "setgroups", "/proc/self/setgroups");
}

static void limits(struct json *j)
{
	static const char *const names[RLIM_NLIMITS] = {
		"CPU",	   "FSIZE", "DATA",  "STACK",	   "CORE",     "RSS",  "NPROC",	 "NOFILE",
		"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
	};

	json_open(j, "rlimits", '{');
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit r;
		char text[64];

		if (getrlimit((enum __rlimit_resource)i, &r) < 0)
			continue;
		snprintf(text, sizeof(text), "%lld %lld", (long long)r.rlim_cur,
			 (long long)r.rlim_max);
		json_string(j, names[i], text);
	}
	json_close(j, '}');
}

static void rights(struct json *j)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0 } };
	unsigned long long bounding = 0, ambient = 0;

	syscall(SYS_capget, &h, d);
	for (unsigned long c = 0; c < 64; c++) {
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1)
			bounding |= 1ULL << c;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
			ambient |= 1ULL << c;
	}
	json_open(j, "capabilities", '{');
	json_hex(j, "effective", (unsigned long long)d[1].effective << 32 | d[0].effective);
	json_hex(j, "permitted", (unsigned long long)d[1].permitted << 32 | d[0].permitted);
	json_hex(j, "inheritable", (unsigned long long)d[1].inheritable << 32 | d[0].inheritable);
	json_hex(j, "bounding", bounding);
	json_hex(j, "ambient", ambient);
	json_close(j, '}');
	json_number(j, "no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	json_number(j, "seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	json_hex(j, "securebits", (unsigned)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

static void scheduling(struct json *j)
{
	struct sched_attr a = { .size = sizeof(a) };
	unsigned long set[1024 / (8 * sizeof(long))] = { 0 },
				      mask[1024 / (8 * sizeof(long))] = { 0 };
	int mode = -1;

	json_open(j, "scheduler", '{');
	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0) {
		json_number(j, "policy", a.sched_policy);
		json_hex(j, "flags", a.sched_flags);
		json_number(j, "nice", a.sched_nice);
		json_number(j, "priority", a.sched_priority);
		/* Of the fair policies the kernel says its own slice since 6.12. */
		if (a.sched_policy == 6) {
			json_number(j, "runtime", (long long)a.sched_runtime);
			json_number(j, "deadline", (long long)a.sched_deadline);
			json_number(j, "period", (long long)a.sched_period);
		}
	}
	json_close(j, '}');
	json_hex(j, "ioprio", (unsigned long)syscall(SYS_ioprio_get, 1, 0));
	if (syscall(SYS_sched_getaffinity, 0, sizeof(set), set) > 0)
		json_hex(j, "affinity", set[0]);
	if (syscall(SYS_get_mempolicy, &mode, mask, sizeof(mask) * 8, NULL, 0) == 0) {
		json_hex(j, "mempolicy", (unsigned)mode);
		json_hex(j, "memnodes", mask[0]);
	}
	json_hex(j, "personality", (unsigned)personality(0xffffffff));
	file(j, "oom_score_adj", "/proc/self/oom_score_adj");
	file(j, "coredump_filter", "/proc/self/coredump_filter");
}

static void flags(struct json *j)
{
	int sig = -1, reaper = -1;
	char comm[17] = "";

	prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
	prctl(PR_GET_NAME, comm, 0, 0, 0);
	json_string(j, "comm", comm);
	json_number(j, "dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	json_number(j, "pdeathsig", sig);
	json_number(j, "subreaper", reaper);
	json_number(j, "timerslack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	json_number(j, "thp_disable", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	json_number(j, "speculation_ssb", prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0));
	json_number(j, "speculation_branch", prctl(PR_GET_SPECULATION_CTRL, 1, 0, 0, 0));
	json_number(j, "io_flusher", prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
}

/* The kernel's own calls: the C library hides the two signals that it uses itself. */
static void signals(struct json *j)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long long mask;
	} action;
	unsigned long long blocked = 0, ignored = 0, pending = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8);
	syscall(SYS_rt_sigpending, &pending, 8);
	for (int sig = 1; sig <= 64; sig++)
		if (syscall(SYS_rt_sigaction, sig, NULL, &action, 8) == 0 &&
		    action.handler == SIG_IGN)
			ignored |= 1ULL << (sig - 1);
	json_hex(j, "signals_blocked", blocked);
	/* The C library's own two depend on who calls: runc and crun pass on what they found. */
	json_hex(j, "signals_ignored", ignored & ~(3ULL << 31));
	json_hex(j, "signals_pending", pending);
}

/* The session keyring: "type;uid;gid;permissions;description". */
static void keyring(struct json *j)
{
	char text[256] = "";
	long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);

	if (id < 0 || syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, text, sizeof(text), 0) < 0)
		json_string(j, "keyring", probe_errno(errno));
	else
		json_string(j, "keyring", text);
}

static void namespaces(struct json *j)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };

	json_open(j, "namespaces", '{');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[40], text[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, text, sizeof(text));
		if (n > 0)
			json_bytes(j, names[i], text, (size_t)n);
	}
	json_close(j, '}');
	file(j, "timens_offsets", "/proc/self/timens_offsets");
	file(j, "cgroup", "/proc/self/cgroup");
}

static void host(struct json *j)
{
	struct utsname u;
	struct if_nameindex *all = if_nameindex();
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	uname(&u);
	json_string(j, "hostname", u.nodename);
	json_string(j, "domainname", u.domainname); // NOLINT: GNU's name of it
	json_string(j, "machine", u.machine);
	json_open(j, "interfaces", '{');
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		struct ifreq r = { 0 };

		strncpy(r.ifr_name, i->if_name, IFNAMSIZ - 1);
		ioctl(s, SIOCGIFFLAGS, &r);
		json_hex(j, i->if_name, (unsigned short)r.ifr_flags);
	}
	json_close(j, '}');
	if (all)
		if_freenameindex(all);
	close(s);
}

/* Process ids are compared with each other: outside of a pid namespace of its own they are any. */
static void session(struct json *j)
{
	pid_t pid = getpid();

	json_bool(j, "is_pid_1", pid == 1);
	json_bool(j, "parent_outside", getppid() == 0);
	json_bool(j, "session_leader", getsid(0) == pid);
	json_bool(j, "group_leader", getpgrp() == pid);
}

static void terminal(struct json *j)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	struct winsize w;
	struct stat st;

	json_open(j, "terminal", '{');
	json_string(j, "controlling", fd < 0 ? probe_errno(errno) : "ok");
	if (fd >= 0 && tcgetattr(fd, &t) == 0) {
		json_hex(j, "iflag", t.c_iflag);
		json_hex(j, "oflag", t.c_oflag);
		json_hex(j, "cflag", t.c_cflag);
		json_hex(j, "lflag", t.c_lflag);
		json_bytes(j, "cc", (const char *)t.c_cc, NCCS);
	}
	if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &w) == 0) {
		json_number(j, "rows", w.ws_row);
		json_number(j, "cols", w.ws_col);
	}
	if (fd >= 0)
		json_bool(j, "foreground", tcgetpgrp(fd) == getpgrp());
	if (isatty(0) && fstat(0, &st) == 0) {
		char text[64];

		snprintf(text, sizeof(text), "%u:%u %#o", st.st_uid, st.st_gid, st.st_mode);
		json_string(j, "stdin_owner", text);
	}
	json_close(j, '}');
	if (fd >= 0)
		close(fd);
}

void probe_process(struct json *j)
{
	ids(j);
	limits(j);
	rights(j);
	scheduling(j);
	flags(j);
	signals(j);
	keyring(j);
	namespaces(j);
	host(j);
	session(j);
	terminal(j);
}
