/*
 * The container's terminal (runtime-spec config.md, process.terminal). The pair is made in the
 * container's own devpts. The slave is opened through the master (TIOCGPTPEER) and never by name,
 * and /dev/console is made beneath a descriptor of /dev: a console swapped for a link while we
 * work has no effect (CVE-2025-52565).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "oci/base/file.h"
#include "oci/base/path.h"
#include "runtime/init/mounts.h"
#include "runtime/init/syscalls.h"

static int open_master(int rootfd, struct error *e)
{
	/* Only a real ptmx may be opened: the image could have anything under that name. */
	_cleanup_fd_ int probe = path_try_open_in_root(rootfd, "/dev/pts/ptmx", O_PATH, 0);
	_cleanup_fd_ int fd = -1;
	struct stat st;
	struct statfs fs;
	int unlocked = 0;

	if (probe < 0) {
		err_sys(e, -probe, "open /dev/pts/ptmx for the terminal");
		return err_hint(e, "a container with a terminal needs a devpts mount on /dev/pts");
	}
	if (fstat(probe, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) ||
	    fstatfs(probe, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_msg(e, "/dev/pts/ptmx is not a terminal multiplexer");
	fd = path_open_in_root(rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, e);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_msg(e, "/dev/pts/ptmx is not a terminal multiplexer");
	if (ioctl(fd, TIOCSPTLCK, &unlocked) < 0)
		return err_sys(e, errno, "unlock the terminal");
	return fd_take(&fd);
}

static int bind_console(int rootfd, int slave, struct error *e)
{
	_cleanup_fd_ int dev = path_open_in_root(rootfd, "/dev", O_PATH | O_DIRECTORY, 0, e);
	_cleanup_fd_ int tree = -1, fd = -1;

	if (dev < 0)
		return -1;
	fd = openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_sys(e, errno, "make /dev/console");
	tree = sys_open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(e, errno, "clone the terminal for /dev/console");
	if (sys_move_mount(tree, "", dev, "console", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "bind /dev/console");
	return 0;
}

static int clear_onlcr(int slave)
{
	struct termios t;

	if (tcgetattr(slave, &t) < 0)
		return -1;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(slave, TCSANOW, &t);
}

int console_open(int rootfd, const struct console_plan *p, int *ret_slave, struct error *e)
{
	_cleanup_fd_ int master = open_master(rootfd, e);
	_cleanup_fd_ int slave = -1;
	struct winsize size = { .ws_row = p->rows, .ws_col = p->cols };

	if (master < 0)
		return -1;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "open the terminal's other side");
	/* The program must find these set when it starts. */
	if (p->no_onlcr && clear_onlcr(slave) < 0)
		return err_sys(e, errno, "set the terminal's mode");
	if ((size.ws_row || size.ws_col) && ioctl(slave, TIOCSWINSZ, &size) < 0)
		return err_sys(e, errno, "set the terminal's size");
	if (p->uid != 0 && fchown(slave, p->uid, (gid_t)-1) < 0 && errno != EPERM &&
	    errno != EINVAL)
		return err_sys(e, errno, "give the terminal to the user");
	*ret_slave = fd_take(&slave);
	return fd_take(&master);
}

int console_attach(int slave, bool control, struct error *e)
{
	if (control && ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "make the terminal the controlling one");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, errno, "dup2 of the terminal");
	return 0;
}

int console_make(const struct init_plan *p, int rootfd, struct error *e)
{
	const struct console_plan c = {
		.rows = p->rows,
		.cols = p->cols,
		.uid = p->process.uid,
		.no_onlcr = p->console_fd < 0 && p->options->bundle,
	};
	_cleanup_fd_ int slave = -1;
	_cleanup_fd_ int master = console_open(rootfd, &c, &slave, e);

	if (master < 0 || bind_console(rootfd, slave, e) < 0 ||
	    console_attach(slave, !p->exposed, e) < 0)
		return -1;
	return fd_take(&master);
}
