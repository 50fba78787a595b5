#!/usr/bin/env bats
# Whiteouts that name no entry of their directory (`.wh.`, `.wh..`, `.wh...`), that lie under a link
# which leads out, and opaque marks that come late. The first are refused; none removes anything but
# what a lower layer of the same image has.
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

@test "whiteouts of the directory itself, of its parent and of nothing are refused" {
	local n=0 name
	for name in a/.wh. a/.wh.. a/.wh... .wh. .wh.. .wh...; do
		layer "none$n-0.tar" <<<'[d("a"), f("a/keep")]'
		layer "none$n-1.tar" <<<"[d('a'), f('$name', b'')]"
		layers_image "none$n"
		for WHO in $(roles); do refuses "none$n" 'the whiteout names no entry'; done
		n=$((n + 1))
	done
}

through_links() {
	takes links
	[ ! -e "$ROOTFS/mine/x" ]
	[ -e "$ROOTFS/mine/y" ]
	unpack_clean
}

@test "a whiteout under a link takes away nothing of the host" {
	layer links-0.tar <<-'PY'
	[l("s", SENTINEL + "/open"), f("s/.wh.secret", b""), l("t", "../" * 20 + SENTINEL), d("mine"), f("mine/x"), f("mine/y"),
	 l("m", "mine")]
	PY
	layer links-1.tar <<<'[f("s/.wh.secret", b""), f("s/.wh..wh..opq", b""), f("t/.wh.open", b""), f("t/private/.wh..wh..opq", b""), f("m/.wh.x", b"")]'
	layer links-2.tar <<<'[f(SENTINEL + "/.wh.open", b""), f("../" * 20 + SENTINEL + "/.wh.private", b"")]'
	layers_image links
	for WHO in $(roles); do through_links; done
}

late() {
	takes late
	[ "$(find "$ROOTFS/d" -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')" = "mine sub sub/mine " ]
	[ "$(cat "$ROOTFS/e")" = new ]
	unpack_clean
}

@test "an opaque mark and whiteouts that come late leave what their own layer wrote" {
	layer late-0.tar <<<'[d("d"), f("d/old"), d("d/sub"), f("d/sub/old"), f("e", b"old")]'
	layer late-1.tar <<<'[d("d"), f("d/mine"), d("d/sub"), f("d/sub/mine"), f("d/.wh..wh..opq", b""), f("e", b"new"), f(".wh.e", b"")]'
	layers_image late
	for WHO in $(roles); do late; done
}
