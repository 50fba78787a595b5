#!/usr/bin/env bats
# Layers with names that lead out of the root: `../x`, `/x`, `a/../../x` (CVE-2014-9356, and every
# unpacker's first bug). Each lands in the image's root, as a shell in a chroot would have it; nothing
# appears on the host.
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

# The control: a careless tar writes there.
control() {
	layer control-0.tar <<<'[f("../../../../../../../../.." + SENTINEL + "/open/control", b"x")]'
	tar -C "$T" -xPf "$T/control-0.tar"
	[ -f "$HOST/open/control" ]
	rm "$HOST/open/control"
	sentinel_list >"$T/.sentinel"
}

traverse() {
	takes names
	local name
	for name in up "abs$HOST/open" via mid dots last; do
		[ "$(cat "$ROOTFS/$name/x")" = "$name" ] || { echo "$name"; return 1; }
	done
	[ -z "$(find "$ROOTFS" -name '..?*')" ]
	[ "$(cat "$ROOTFS$HOST/open/secret")" = mine ]
	unpack_clean
}

@test "names with .. and absolute names stay in the root" {
	control
	layer names-0.tar <<-'PY'
	[f("../../../../../../../../../up/x", b"up"), f("/abs" + SENTINEL + "/open/x", ("abs" + SENTINEL + "/open").encode()),
	 f("a/../../../../via/x", b"via"), d("b"), f("b/./..//../mid/x", b"mid"), d("../dots"), f("dots/x", b"dots"),
	 f("./../last/x", b"last"), f("../" * 1000 + SENTINEL + "/open/secret", b"mine")]
	PY
	layers_image names
	for WHO in $(roles); do traverse; done
}

parents() {
	takes later
	[ "$(cat "$ROOTFS/x")" = two ]
	[ "$(stat -c %a "$ROOTFS")" = 711 ]
	unpack_clean
}

@test "directory entries of that kind, and a later layer's, mean the root" {
	layer later-0.tar <<<'[d("../..", 0o700), d("/", 0o705), f("x", b"one")]'
	layer later-1.tar <<<'[d("a/../..", 0o711), f("a/../../x", b"two"), f("/../.wh.nothing", b"")]'
	layers_image later
	for WHO in $(roles); do parents; done
}
