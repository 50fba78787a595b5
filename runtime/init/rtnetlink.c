/* See rtnetlink.h. One request, then its answers up to the acknowledgement or the end of a list. */
#include "runtime/init/rtnetlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "oci/base/file.h"

#define ANSWER_MAX 32768 /* what the kernel puts into one datagram of a list */
#define LIST_TRIES 5

struct request {
	struct nlmsghdr header;
	char body[1024];
};

static void request_init(struct request *q, uint16_t type, uint16_t flags, const void *body,
			 size_t len)
{
	memset(q, 0, sizeof(*q));
	q->header.nlmsg_len = (uint32_t)NLMSG_SPACE(len);
	q->header.nlmsg_type = type;
	q->header.nlmsg_flags = NLM_F_REQUEST | flags;
	q->header.nlmsg_seq = 1;
	memcpy(q->body, body, len);
}

/* Attributes that are there already, or one of TYPE; what is too long is left out, and the kernel
 * then refuses the request. */
static void add_raw(struct request *q, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len) - sizeof(q->header);

	if (at + len > sizeof(q->body))
		return;
	memcpy(q->body + at, data, len);
	q->header.nlmsg_len = (uint32_t)(sizeof(q->header) + at + len);
}
static void add(struct request *q, unsigned short type, const void *data, size_t len)
{
	struct rtattr attribute = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };

	add_raw(q, &attribute, sizeof(attribute));
	add_raw(q, data, len);
}

int rtnl_open(struct error *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? err_sys(e, errno, "make a netlink socket") : fd;
}

typedef void answer_function(const struct nlmsghdr *m, void *ctx);

/* One datagram. 1: more to come, 0: done, -errno. */
static int receive(int sock, char *buf, bool *interrupted, answer_function *f, void *ctx)
{
	ssize_t n;
	size_t left;

	do
		n = recv(sock, buf, ANSWER_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	left = (size_t)n;
	for (struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *err = NLMSG_DATA(m);

			return m->nlmsg_len < NLMSG_LENGTH(sizeof(*err)) ? -EPROTO : err->error;
		}
		if (f)
			f(m, ctx);
	}
	return 1;
}

static int talk(int sock, const struct request *q, bool *interrupted, answer_function *f, void *ctx)
{
	char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r;

	if (send(sock, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	do
		r = receive(sock, buf, interrupted, f, ctx);
	while (r > 0);
	return r;
}

static void take_link(const struct nlmsghdr *m, void *ctx)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	struct rtnl_link *ret = ctx;

	if (m->nlmsg_type == RTM_NEWLINK && m->nlmsg_len >= NLMSG_LENGTH(sizeof(*i)))
		*ret = (struct rtnl_link){ .index = i->ifi_index, .flags = i->ifi_flags };
}

int rtnl_find(int sock, const char *name, struct rtnl_link *ret)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	bool ignored = false;
	struct request q;
	int r;

	*ret = (struct rtnl_link){ .index = 0 };
	request_init(&q, RTM_GETLINK, NLM_F_ACK, &i, sizeof(i));
	add(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = talk(sock, &q, &ignored, take_link, ret);
	return r < 0 ? r : ret->index ? 0 : -ENODEV;
}

int rtnl_move(int sock, int index, int ns, const char *name)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	uint32_t fd = (uint32_t)ns;
	bool ignored = false;
	struct request q;

	request_init(&q, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	add(&q, IFLA_NET_NS_FD, &fd, sizeof(fd));
	add(&q, IFLA_IFNAME, name, strlen(name) + 1);
	return talk(sock, &q, &ignored, NULL, NULL);
}

int rtnl_set_up(int sock, int index)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC,
			       .ifi_index = index,
			       .ifi_flags = IFF_UP,
			       .ifi_change = IFF_UP };
	bool ignored = false;
	struct request q;

	request_init(&q, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	return talk(sock, &q, &ignored, NULL, NULL);
}

int rtnl_add_address(int sock, int index, const struct rtnl_address *address)
{
	struct ifaddrmsg i = address->header;
	bool ignored = false;
	struct request q;

	i.ifa_index = (uint32_t)index;
	i.ifa_flags = 0; /* those that can be given are in the attribute IFA_FLAGS */
	request_init(&q, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	add_raw(&q, address->attributes, address->len);
	return talk(sock, &q, &ignored, NULL, NULL);
}

struct taking {
	struct arena *a;
	int index;
	struct rtnl_address *items;
	size_t n, cap;
};

/* Those that a request may set (ip-address(8)); the rest are states. */
#define SETTABLE                                                                        \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | \
	 IFA_F_MCAUTOJOIN)

static void take_address(const struct nlmsghdr *m, void *ctx)
{
	static const unsigned short kept[] = { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST,
					       IFA_RT_PRIORITY, IFA_FLAGS };
	const struct ifaddrmsg *i = NLMSG_DATA(m);
	struct taking *t = ctx;
	struct request copy;
	uint32_t flags;
	size_t left;

	if (m->nlmsg_type != RTM_NEWADDR || m->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) ||
	    (int)i->ifa_index != t->index || i->ifa_scope != RT_SCOPE_UNIVERSE)
		return;
	flags = i->ifa_flags;
	request_init(&copy, 0, 0, i, 0);
	left = m->nlmsg_len - NLMSG_LENGTH(sizeof(*i));
	for (const struct rtattr *r = IFA_RTA(i); RTA_OK(r, left); r = RTA_NEXT(r, left))
		for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++) {
			uint32_t set;

			if (r->rta_type != kept[k])
				continue;
			if (r->rta_type == IFA_FLAGS && RTA_PAYLOAD(r) == sizeof(flags)) {
				memcpy(&flags, RTA_DATA(r), sizeof(flags));
				set = flags & SETTABLE;
				add(&copy, IFA_FLAGS, &set, sizeof(set));
			} else {
				add(&copy, r->rta_type, RTA_DATA(r), RTA_PAYLOAD(r));
			}
		}
	if (!(flags & IFA_F_PERMANENT))
		return;
	if (t->n == t->cap) {
		struct rtnl_address *more =
			ARENA_ARRAY(t->a, t->cap ? 2 * t->cap : 4, struct rtnl_address);

		if (t->n)
			memcpy(more, t->items, t->n * sizeof(*more));
		t->items = more;
		t->cap = t->cap ? 2 * t->cap : 4;
	}
	left = copy.header.nlmsg_len - sizeof(copy.header);
	t->items[t->n++] = (struct rtnl_address){ .header = *i,
						  .attributes = memcpy(arena_alloc(t->a, left + 1),
								       copy.body, left),
						  .len = left };
}

int rtnl_addresses(struct arena *a, int sock, int index, struct rtnl_address **ret, size_t *ret_len,
		   struct error *e)
{
	struct ifaddrmsg i = { .ifa_family = AF_UNSPEC };
	struct taking t = { .a = a, .index = index };
	struct request q;
	int r;

	request_init(&q, RTM_GETADDR, NLM_F_DUMP, &i, sizeof(i));
	for (int try = 0; try < LIST_TRIES; try++) {
		struct timespec pause = { 0, 1000000 };
		bool interrupted = false;

		t.n = 0;
		r = talk(sock, &q, &interrupted, take_address, &t);
		if (r < 0)
			return err_sys(e, -r, "list the addresses");
		/* Somebody changed addresses meanwhile: the list may have holes. */
		if (!interrupted) {
			*ret = t.items;
			*ret_len = t.n;
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	return err_sys(e, EAGAIN, "list the addresses");
}
