#!/usr/bin/env bats
# Devices, FIFOs, setuid programs and file capabilities in a layer. A container has no device that an
# image brought; setuid and capabilities are the image's, for the ids of its user namespace, and lie
# where no other user of the machine can come (CVE-2024-25621).
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	need python3
}
teardown() { sec_teardown; }

special() {
	local file
	run_layers special
	[ "$status" -eq 127 ]
	grep -q 'left out while unpacking: 3 device nodes' "$T/err"
	sentinel_same
	[ -z "$(find "$(cache_dir)" \( -type b -o -type c \) -print)" ]
	if [ "$(id -u)" -eq 0 ]; then
		file=$(find "$(cache_dir)" -name suid)
		[ "$(stat -c %a "$file")" = 4755 ]
		# Nobody's setuid program but the container's root's.
		[ "$(stat -c %u "$file")" -ne 0 ]
		[ "$(stat -c %F "${file%suid}fifo")" = fifo ]
		# Not to be reached by other users, whose uid is not one of the namespace's.
		run ! setpriv --reuid 54321 --regid 54321 --clear-groups test -e "$file"
		python3 - "${file%suid}cap" <<-'PY'
		import os, struct, sys
		value = os.getxattr(sys.argv[1], "security.capability")
		# Version 3, and the root whose capabilities they are is not the host's.
		assert value[3] == 3 and struct.unpack("<I", value[20:])[0] == os.stat(sys.argv[1]).st_uid != 0
		PY
	fi
	unpack special
	[ "$status" -eq 0 ]
	run ! setpriv --reuid 54321 --regid 54321 --clear-groups test -x "$ROOTFS/suid"
	[ "$WHO" = root ] || [ -z "$(find "$ROOTFS" \( -type b -o -type c \) -print)" ]
	unpack_clean
}

@test "devices, FIFOs, setuid programs and file capabilities" {
	layer special-0.tar <<-'PY'
	[d("dev"), dev("dev/sda", tarfile.BLKTYPE, 0o666, (8, 0)), dev("dev/mem", tarfile.CHRTYPE, 0o666, (1, 1)),
	 dev("dev/kmsg", tarfile.CHRTYPE, 0o666, (1, 11)), entry("fifo", tarfile.FIFOTYPE, 0o666),
	 f("suid", b"#!/bin/sh\n", 0o4755), f("cap", b"x", 0o755, pax=xattrs(security__capability=CAP_NET_BIND))]
	PY
	layers_image special
	for WHO in $(roles); do special; done
}

written_to() {
	takes written
	[ "$(stat -c %F "$ROOTFS/fifo")" = "regular file" ]
	unpack_clean
}

@test "a FIFO that a file replaces is not written to" {
	layer written-0.tar <<<'[entry("fifo", tarfile.FIFOTYPE, 0o666)]'
	layer written-1.tar <<<'[f("fifo", b"data")]'
	layer written-2.tar <<<'[entry("fifo", tarfile.FIFOTYPE, 0o666), f("fifo", b"data"), f("fifo", b"data2")]'
	layers_image written
	for WHO in $(roles); do written_to; done
}
