/*
 * See net_device.h. All of it is done by the parent: it has the rights over both namespaces, and a
 * failure can be undone before the container's first process is ended (whose namespace would take
 * virtual devices with it). In order: a socket here and one there; for each device its state, a
 * free name, the move, the addresses, up. Nothing is changed before the move, so that a device that
 * cannot be moved stays as it was.
 */
#include "runtime/init/net_device.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>

#include "oci/base/file.h"
#include "oci/base/str.h"
#include "runtime/init/rtnetlink.h"

struct device {
	const char *name;      /* here */
	char inside[IFNAMSIZ]; /* in the container */
	struct rtnl_link here;
	struct rtnl_address *addresses;
	size_t addresses_len;
	bool moved;
};
struct net_devices {
	int own_ns, their_ns; /* the namespaces */
	int own, theirs;      /* a socket in each */
	struct device *items;
	size_t n;
};

int net_devices_check(const struct oci_linux *l, struct error *e)
{
	if (!l->net_devices_len || geteuid() == 0)
		return 0;
	err_msg(e, "linux.netDevices: network devices cannot be moved without root");
	return err_hint(e, "start the container as root, or connect it otherwise (pasta)");
}

/* Opens both sides. A namespace can only be given a socket from inside. */
static int open_both(struct net_devices *d, pid_t pid, struct error *e)
{
	char path[32];
	struct stat own, theirs;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	d->own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	d->their_ns = open(path, O_RDONLY | O_CLOEXEC);
	if (d->own_ns < 0 || d->their_ns < 0 || fstat(d->own_ns, &own) < 0 ||
	    fstat(d->their_ns, &theirs) < 0)
		return err_sys(e, errno, "open the container's network namespace");
	if (own.st_ino == theirs.st_ino && own.st_dev == theirs.st_dev)
		return err_msg(e, "unable to move network devices without a private network "
				  "namespace: the container's is the runtime's own");
	d->own = rtnl_open(e);
	if (d->own < 0)
		return -1;
	if (setns(d->their_ns, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the container's network namespace");
	d->theirs = rtnl_open(e);
	if (setns(d->own_ns, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "return to the runtime's network namespace");
	return d->theirs < 0 ? -1 : 0;
}

/* The name in the container: WANTED, in which the specification lets %d stand for a number that is
 * free there. */
static int choose_name(const struct net_devices *d, struct device *dev, const char *wanted,
		       struct error *e)
{
	const char *template = strstr(wanted, "%d");
	struct rtnl_link taken;
	int r;

	for (int i = 0; i < 10000; i++) {
		int len = template ? snprintf(dev->inside, sizeof(dev->inside), "%.*s%d%s",
					      (int)(template - wanted), wanted, i, template + 2)
				   : snprintf(dev->inside, sizeof(dev->inside), "%s", wanted);

		if (len >= (int)sizeof(dev->inside))
			break;
		r = rtnl_find(d->theirs, dev->inside, &taken);
		if (r == -ENODEV)
			return 0;
		if (r < 0)
			return err_sys(e, -r, "look for %s in the container", dev->inside);
		if (!template)
			return err_sys(e, EEXIST, "the container has a device %s already", wanted);
	}
	return err_msg(e, "no name like %s is free in the container", wanted);
}

static int move_one(struct arena *a, struct net_devices *d, struct device *dev, const char *wanted,
		    struct error *e)
{
	struct rtnl_link inside;
	int r = rtnl_find(d->own, dev->name, &dev->here);

	if (r < 0)
		return err_sys(e, -r, "find the device");
	if (choose_name(d, dev, wanted, e) < 0 ||
	    rtnl_addresses(a, d->own, dev->here.index, &dev->addresses, &dev->addresses_len, e) < 0)
		return -1;
	r = rtnl_move(d->own, dev->here.index, d->their_ns, dev->inside);
	dev->moved = r == 0 || rtnl_find(d->own, dev->name, &inside) == -ENODEV;
	if (r < 0) {
		err_sys(e, -r, "move it into the container's network namespace");
		return r == -EINVAL  ? err_hint(e, "loopback, and some other devices, stay where "
						    "they were made")
		       : r == -EPERM ? err_hint(e, "this takes CAP_NET_ADMIN over both namespaces")
				     : -1;
	}
	r = rtnl_find(d->theirs, dev->inside, &inside);
	for (size_t i = 0; r == 0 && i < dev->addresses_len; i++)
		r = rtnl_add_address(d->theirs, inside.index, &dev->addresses[i]);
	if (r < 0)
		return err_sys(e, -r, "give it its addresses in the container");
	r = rtnl_set_up(d->theirs, inside.index);
	return r < 0 ? err_sys(e, -r, "set it up in the container") : 0;
}

int net_devices_move(struct arena *a, const struct oci_linux *l, pid_t pid,
		     struct net_devices **ret, struct error *e)
{
	struct net_devices *d = ARENA_NEW(a, struct net_devices);

	*d = (struct net_devices){ .own_ns = -1, .their_ns = -1, .own = -1, .theirs = -1 };
	d->items = ARENA_ARRAY(a, l->net_devices_len, struct device);
	if (open_both(d, pid, e) < 0) {
		net_devices_release(d);
		return err_wrap(e, "linux.netDevices");
	}
	for (size_t i = 0; i < l->net_devices_len; i++) {
		const struct oci_net_device *s = &l->net_devices[i];

		d->items[i].name = s->key;
		d->n = i + 1;
		if (move_one(a, d, &d->items[i], s->name && *s->name ? s->name : s->key, e) < 0) {
			net_devices_give_back(d);
			return err_wrap(e, "linux.netDevices.%s", s->key);
		}
	}
	*ret = d;
	return 0;
}

/* Whatever fails here: there is nobody to tell but the one who reads the first error. */
static void give_back(const struct net_devices *d, const struct device *dev)
{
	struct rtnl_link l;

	/* Under its old name when the kernel has moved it and could not rename it. */
	if (rtnl_find(d->theirs, dev->inside, &l) < 0 && rtnl_find(d->theirs, dev->name, &l) < 0)
		return;
	if (rtnl_move(d->theirs, l.index, d->own_ns, dev->name) < 0 ||
	    rtnl_find(d->own, dev->name, &l) < 0)
		return;
	for (size_t i = 0; i < dev->addresses_len; i++)
		rtnl_add_address(d->own, l.index, &dev->addresses[i]);
	if (dev->here.flags & IFF_UP)
		rtnl_set_up(d->own, l.index);
}

void net_devices_give_back(struct net_devices *d)
{
	if (!d)
		return;
	for (size_t i = d->n; i-- > 0;)
		if (d->items[i].moved)
			give_back(d, &d->items[i]);
	net_devices_release(d);
}

void net_devices_release(struct net_devices *d)
{
	if (!d)
		return;
	fd_closep(&d->own);
	fd_closep(&d->theirs);
	fd_closep(&d->own_ns);
	fd_closep(&d->their_ns);
}
