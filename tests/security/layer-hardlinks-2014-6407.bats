#!/usr/bin/env bats
# Hard links to what is not in the image (CVE-2014-6407): absolute, through `..`, through a symbolic
# link that an entry planted, and as an entry with data that is written to the target. Every target is
# looked up in the image's root, so there is nothing to link to.
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

@test "hard links out of the root are refused" {
	local n=0 entries
	while read -r entries; do
		layer "hard$n-0.tar" <<<"$entries"
		layers_image "hard$n"
		for WHO in $(roles); do refuses "hard$n" 'link to .*: no such file or directory'; done
		n=$((n + 1))
	done <<-'LIST'
		[h("hl", SENTINEL + "/open/secret")]
		[h("hl", "../" * 20 + SENTINEL + "/open/secret")]
		[l("s", SENTINEL + "/open"), h("hl", "s/secret")]
		[l("s", "../" * 20 + SENTINEL), h("a/../hl", "./s/open/../open/secret")]
	LIST
	layer top-0.tar <<<'[h("x", "/")]'
	layers_image top
	for WHO in $(roles); do refuses top 'link to the root directory'; done
	layer dir-0.tar <<<'[d("d"), h("x", "d")]'
	layers_image dir
	for WHO in $(roles); do refuses dir 'link to d: operation not permitted'; done
}

@test "a later layer's hard link finds nothing on the host either" {
	layer later-0.tar <<<'[l("s", SENTINEL + "/open")]'
	layer later-1.tar <<<'[h("hl", "s/secret")]'
	layers_image later
	for WHO in $(roles); do refuses later 'link to s/secret: no such file or directory'; done
}

with_data() {
	takes data
	# The target is the link itself, not what it points to; data of a hard link's entry is none.
	[ "$(readlink "$ROOTFS/s")" = "$HOST/open/secret" ]
	[ "$(readlink "$ROOTFS/hl")" = "$HOST/open/secret" ]
	[ "$(cat "$ROOTFS/new")" = over ]
	[ ! -L "$ROOTFS/new" ]
	unpack_clean
}

@test "hard links to symbolic links, and with data, write through nothing" {
	layer data-0.tar <<-'PY'
	[l("s", SENTINEL + "/open/secret"), h("hl", "s"), h("new", "s"), f("new", b"over"),
	 (lambda t: (setattr(t[0], "size", 4), t)[1])(entry("hl2", tarfile.LNKTYPE, link="s", data=b"evil", pax={"comment": "x"}))]
	PY
	layers_image data
	for WHO in $(roles); do with_data; done
}
