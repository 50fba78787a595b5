/* See worker.h. */
#include "oci/unpack/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "oci/layer/stream.h"
#include "oci/unpack/confine.h"
#include "oci/unpack/trees.h"

/* Not <sys/mount.h>: its names clash with the kernel's header in glibc 2.36. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

#define MOUNT_DATA_MAX 3900 /* mount(2) cuts its options at one page */

static const char *short_digest(const char *digest)
{
	static char buf[20];
	const char *colon = strchr(digest, ':');

	strncpy(buf, colon ? colon + 1 : digest, 12);
	return buf;
}

static int set_option(int fs, const char *key, const char *value, struct error *e)
{
	if (syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value,
		    0) < 0)
		return err_sys(e, errno, "mount the lower layers: option %s", key);
	return 0;
}

/* For more layers than fit into mount(2)'s one page (Linux 6.5 and later). */
static int mount_many(const struct worker_job *job, struct error *e)
{
	_cleanup_fd_ int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), fd = -1;

	if (fs < 0)
		return err_sys(e, errno, "open overlayfs");
	if (set_option(fs, "userxattr", NULL, e) < 0 || set_option(fs, "volatile", NULL, e) < 0)
		return -1;
	for (char **l = job->lower; *l; l++)
		if (set_option(fs, "lowerdir+", *l, e) < 0)
			return err_hint(e, "an image with so many layers needs Linux 6.5 or later");
	if (set_option(fs, "upperdir", job->tree, e) < 0 ||
	    set_option(fs, "workdir", job->work, e) < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, errno, "mount the lower layers");
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (fd < 0 ||
	    syscall(SYS_move_mount, fd, "", AT_FDCWD, job->mountpoint, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount the lower layers");
	return 0;
}

/* Mounts what is below with the layer's directory on top, so that the kernel copies up what the
 * layer only touches. */
static int mount_lower(const struct worker_job *job, struct error *e)
{
	struct arena a = { 0 };
	struct stat st;
	char *data;
	int from, to, r;

	/* The merged root is the upper directory: it starts out as the lower one is. */
	from = open(job->lower[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(job->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "open the lower layer %s", job->lower[0]);
	if (tree_copy_attributes(from, to, e) < 0)
		return -1;
	close(from);
	close(to);
	data = arena_strdup(&a, "userxattr,volatile,lowerdir=");
	for (char **l = job->lower; *l; l++)
		data = arena_printf(&a, "%s%s%s", data, l == job->lower ? "" : ":", *l);
	data = arena_printf(&a, "%s,upperdir=%s,workdir=%s", data, job->tree, job->work);
	r = strlen(data) > MOUNT_DATA_MAX ? mount_many(job, e)
	    : mount("overlay", job->mountpoint, "overlay", 0, data) < 0
		    ? err_sys(e, errno, "mount the lower layers")
		    : 0;
	arena_free(&a);
	return r;
}

static int open_tree_fd(const struct worker_job *job, struct error *e)
{
	const char *name = job->tree;
	int fd;

	if (job->lower) {
		if (mount_lower(job, e) < 0)
			return -1;
		name = job->mountpoint;
	}
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open directory %s", name) : fd;
}

static int check(const struct request_layer *l, const struct stream_result *s, struct error *e)
{
	if (l->size && *l->size != s->size)
		return err_msg(e, "the blob has %llu bytes, and the manifest says %llu",
			       (unsigned long long)s->size, (unsigned long long)*l->size);
	if (!l->digested &&
	    (!str_has_prefix(l->digest, "sha256:") || !str_eq(l->digest + 7, s->digest)))
		return err_msg(e, "the blob's digest is sha256:%s, and the manifest says %s",
			       s->digest, l->digest);
	if (str_has_prefix(l->diff_id, "sha256:") && str_eq(l->diff_id + 7, s->diff_id))
		return 0;
	err_msg(e, "its content has digest sha256:%s, but the image config says %s (diffID)",
		s->diff_id, l->diff_id);
	return err_hint(e, "the image is damaged or was tampered with: get it again");
}

static int is_default_root(int root, bool *ret, struct error *e)
{
	ssize_t names = flistxattr(root, NULL, 0);
	struct stat st;

	if ((names < 0 && errno != EOPNOTSUPP) || fstat(root, &st) < 0)
		return err_sys(e, errno, "stat the root directory");
	*ret = (st.st_mode & 07777) == 0755 && st.st_uid == 0 && st.st_gid == 0 &&
	       st.st_mtim.tv_sec == 0 && st.st_mtim.tv_nsec == 0 && names <= 0;
	return 0;
}

static int work(const struct worker_job *job, int pipe_fd, struct worker_result *ret,
		struct error *e)
{
	const struct request *q = job->request;
	struct stream_options so = { .fd = (int)job->layer->fd,
				     .positioned = true,
				     .known = job->layer->digested,
				     .max_out = *q->max_bytes,
				     .max_ratio = q->max_ratio };
	struct extract_options eo = { .form = job->form,
				      .bottom = job->bottom,
				      .userns = q->userns,
				      .single = q->single,
				      .max_bytes = job->max_bytes,
				      .max_entries = *q->max_entries };
	int keep[] = { pipe_fd, so.fd }, fd, r;
	struct stream_result result;
	struct arena a = { 0 };
	struct stream *s;
	struct tar *t;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	fd = open_tree_fd(job, e);
	if (fd < 0)
		return -1;
	eo.root_fd = confine_enter(fd, !q->userns, keep, 2, e);
	if (eo.root_fd < 0 || confine_filter(true, e) < 0)
		return -1;
	s = stream_open(&a, &so, e);
	t = s ? tar_open(&a, s, e) : NULL;
	if (!t)
		return -1;
	r = extract_run(&a, t, &eo, &ret->extract, e);
	if (r != 0)
		return r;
	if (stream_finish(s, &result, e) < 0 || check(job->layer, &result, e) < 0)
		return -1;
	ret->diff_size = result.diff_size;
	return is_default_root(eo.root_fd, &ret->root_default, e);
}

pid_t worker_start(const struct worker_job *job, int *ret_pipe, struct error *e)
{
	static struct worker_result result;
	struct error ignored;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_sys(e, errno, "start a worker");
	}
	if (pid > 0) {
		close(fds[1]);
		*ret_pipe = fds[0];
		return pid;
	}
	/* The supervisor is pid 1 here: its end ends this process as well. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(&result, 0, sizeof(result));
	result.status = work(job, fds[1], &result, &result.error);
	if (result.status < 0)
		err_wrap(&result.error, "unpack layer %s", short_digest(job->layer->digest));
	file_write_all(fds[1], &result, sizeof(result), "the result", &ignored);
	_exit(result.status < 0);
}
