#!/usr/bin/env bats
# What overlayfs (and fuse-overlayfs) would read as its own, brought by a layer: trusted.overlay.* and
# user.overlay.* attributes (redirect, opaque, metacopy; CVE-2021-3493, CVE-2023-0386 are what such
# attributes were good for) and 0:0 devices, its whiteouts; and aufs's names. All are left out, and one
# line counts them.
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

smuggled() {
	unpack smuggled
	[ "$status" -eq 0 ]
	grep -q 'left out while unpacking: 1 device nodes, 11 extended attributes' "$T/err"
	[ "$(find "$ROOTFS" -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')" = "etc etc/a etc/z lower lower/b " ]
	run ! grep -E 'overlay|containers' <(layers_py list "$ROOTFS")
	unpack_clean
	run_layers smuggled
	[ "$status" -eq 127 ]
	grep -q 'left out while unpacking: 1 device nodes, 11 extended attributes' "$T/err"
	in_container smuggled
	sentinel_same
}

# What the merged view has, asked from inside of a container of the base image with these on top.
in_container() {
	m "oci:$T/shell:t" sh -c 'ls /etc/over; cat /lower/b; ls /gone 2>/dev/null || true' >"$T/out" 2>"$T/err"
	[ "$(tr '\n' ' ' <"$T/out")" = "a z b" ]
}

@test "overlay attributes and 0:0 devices in a layer are left out" {
	layer smuggled-0.tar <<<'[d("etc"), f("etc/a"), d("lower"), f("lower/b", b"b")]'
	layer smuggled-1.tar <<-'PY'
	[d("etc", pax=xattrs(user__overlay__opaque=b"y", trusted__overlay__opaque=b"y", user__fuseoverlayfs__opaque=b"y")),
	 dev("etc/a", tarfile.CHRTYPE, 0o666, (0, 0)),
	 f("etc/z", pax=xattrs(user__overlay__redirect=b"/x", user__overlay__metacopy=b"m", user__overlay__origin=b"x")),
	 d("lower", pax=xattrs(trusted__overlay__redirect=SENTINEL.encode(), user__overlay__redirect=b"/etc",
	                       user__overlay__overlay__opaque=b"y", user__containers__override_stat=b"0:0:04755",
	                       user__fuseoverlayfs__origin=b"x"))]
	PY
	layers_image smuggled
	# The same names beside a root that has a shell.
	ln -s "$(lib_cached "base-$BASE_KIND.tar" lib_make_base)" "$T/base.tar"
	layer shell-0.tar <<<'[d("etc/over"), f("etc/over/a"), d("lower"), f("lower/b", b"b")]'
	layer shell-1.tar <<-'PY'
	[d("etc/over", pax=xattrs(user__overlay__opaque=b"y", trusted__overlay__opaque=b"y")),
	 dev("etc/over/a", tarfile.CHRTYPE, 0o666, (0, 0)), f("etc/over/z"),
	 d("lower", pax=xattrs(user__overlay__redirect=b"/etc"))]
	PY
	layers_image shell base.tar shell-0.tar shell-1.tar
	for WHO in $(roles); do smuggled; done
}

aufs() {
	takes aufs
	[ "$(ls -A "$ROOTFS")" = f ]
	unpack_clean
}

@test "aufs's own names are no content" {
	layer aufs-0.tar <<<'[f(".wh..wh.aufs", b""), d(".wh..wh.plnk"), f(".wh..wh.plnk/1.2"), f("f")]'
	layers_image aufs
	for WHO in $(roles); do aufs; done
}
