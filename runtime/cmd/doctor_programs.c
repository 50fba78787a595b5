/* `mrun doctor`: the programs that mrun starts: its own helper, and those that make a network. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/base/file.h"
#include "runtime/cmd/doctor.h"
#include "runtime/image/network.h"
#include "runtime/image/unpacker.h"

static const struct doctor_package passt = { "passt", "passt", "passt", "passt", "passt" };

/* Has it do something small: that it is there does not mean that it starts and gets confined. */
static void unpacker(struct doctor *d)
{
	_cleanup_fd_ int out = memfd_create("mrun-doctor", MFD_CLOEXEC);
	const struct pack_entry entry = { .name = "d", .dir = true, .fd = -1 };
	struct error e;

	err_clear(&e);
	if (out >= 0 && unpacker_pack(d->a, out, &entry, 1, &e) == 0)
		doctor_add(d, DOCTOR_OK, "mrun-unpack", "found, and it works");
	else if (d->userns || e.code == ENOENT)
		doctor_add(d, DOCTOR_MISSING, "mrun-unpack", "%s%s%s", e.msg, e.hint[0] ? "; " : "",
			   e.hint);
	else
		doctor_add(d, DOCTOR_MISSING, "mrun-unpack",
			   "found, but it is confined in a user namespace, which cannot be made");
}

static void network(struct doctor *d)
{
	static const struct strlist no_ports = { 0 };
	struct network n;
	struct error e;

	err_clear(&e);
	if (network_parse(d->a, "pasta", &no_ports, &n, &e) == 0 && network_check(&n, &e) == 0) {
		doctor_add(d, DOCTOR_OK, "network", "%s%s", n.program,
			   n.mode == NETWORK_SLIRP ? " (pasta, which is faster, is not installed)"
						   : "");
		return;
	}
	doctor_add(d, DOCTOR_LIMITED, "network",
		   "containers have loopback only (or --network host), and -p does not work: %s",
		   e.msg);
	if (!doctor_find(d, "pasta") && !doctor_find(d, "slirp4netns"))
		doctor_mend_install(d, &passt);
	else if (access("/dev/net/tun", F_OK) < 0)
		doctor_mend(d, "%smodprobe tun", d->sudo);
	else
		doctor_mend(d, "%schmod 666 /dev/net/tun", d->sudo);
}

void doctor_programs(struct doctor *d)
{
	unpacker(d);
	network(d);
}
