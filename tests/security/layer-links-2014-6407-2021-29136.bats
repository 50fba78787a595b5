#!/usr/bin/env bats
# One entry plants a symbolic link, and the next one or a later layer writes, removes, changes modes or
# owners through it (CVE-2014-6407 and a dozen since; CVE-2021-29136: the root entry itself as a link).
# Links are followed as if the image's root were "/", or replaced, and never lead out of it; while
# `/lib -> usr/lib`, which real images need, keeps working.
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

# What is written through a link lies below the same path in the image's root.
through() {
	takes through
	[ "$(cat "$ROOTFS$HOST/open/evil")" = 1 ]
	[ "$(cat "$ROOTFS$HOST/open/evil2")" = 2 ]
	[ "$(cat "$ROOTFS$HOST/open/evil3")" = 3 ]
	[ "$(cat "$ROOTFS$HOST/open/secret")" = mine ]
	[ "$(readlink "$ROOTFS/s")" = "$HOST/open" ]
	unpack_clean
}

@test "one entry plants a link and the next, or a later layer, writes through it" {
	layer through-0.tar <<<'[l("s", SENTINEL + "/open"), f("s/evil", b"1")]'
	layer through-1.tar <<<'[f("s/evil2", b"2"), l("t", "../../../../../../../.." + SENTINEL + "/open")]'
	layer through-2.tar <<<'[f("t/evil3", b"3"), f("s/secret", b"mine"), d("deep/a/b"), l("deep/a/b/u", "../" * 20 + SENTINEL)]'
	layer through-3.tar <<<'[f("deep/a/b/u/open/dir/x")]'
	layers_image through
	for WHO in $(roles); do through; done
}

replaced() {
	takes replaced
	[ -d "$ROOTFS/dir" ] && [ ! -L "$ROOTFS/dir" ]
	[ "$(stat -c %a "$ROOTFS/dir")" = 777 ]
	[ "$(cat "$ROOTFS/file")" = no ] && [ ! -L "$ROOTFS/file" ]
	[ -p "$ROOTFS/fifo" ]
	[ "$(cat "$ROOTFS/later")" = no ] && [ ! -L "$ROOTFS/later" ]
	unpack_clean
}

@test "an entry of a link's name replaces the link, with its mode, owner, times and attributes" {
	layer replaced-0.tar <<-'PY'
	[l("dir", SENTINEL + "/open"), d("dir/", 0o777, uid=5, pax=xattrs(user__x=b"1")), l("file", SENTINEL + "/open/secret"),
	 f("file", b"no", 0o4755, uid=5, pax=xattrs(user__x=b"1")), l("fifo", SENTINEL + "/open/fifo"),
	 entry("fifo", tarfile.FIFOTYPE, 0o777, uid=5), l("later", SENTINEL + "/open/secret"),
	 l("own", SENTINEL + "/open/secret", uid=7, gid=7, pax=xattrs(user__x=b"1"))]
	PY
	layer replaced-1.tar <<<'[f("later", b"no", 0o600)]'
	layers_image replaced
	for WHO in $(roles); do replaced; done
}

@test "the root as a link is refused, in each way to write it" {
	local name
	for name in /. . ./ / a/..; do
		layer root-0.tar <<<"[l('$name', SENTINEL + '/open'), f('evil')]"
		layers_image root
		for WHO in $(roles); do refuses root 'the root must be a directory'; done
	done
	layer root-0.tar <<<'[f(".", b"x")]'
	layers_image root
	for WHO in $(roles); do refuses root 'the root must be a directory'; done
}

@test "links that lead in circles are refused" {
	layer circle-0.tar <<<'[l("a", "b"), l("b", "a"), f("a/x")]'
	layers_image circle
	for WHO in $(roles); do refuses circle 'too many levels of symbolic links'; done
}

merged_usr() {
	takes merged
	[ "$(readlink "$ROOTFS/lib")" = usr/lib ]
	[ "$(cat "$ROOTFS/usr/lib/one")" = 1 ]
	[ "$(cat "$ROOTFS/usr/lib/two")" = 2 ]
	[ "$(cat "$ROOTFS/usr/lib/sub/three")" = 3 ]
	[ "$ROOTFS/usr/bin/four" -ef "$ROOTFS/usr/lib/one" ]
	[ ! -e "$ROOTFS/usr/lib/gone" ]
	[ "$(cat "$ROOTFS/run/five")" = 5 ]
	unpack_clean
}

@test "links within an image keep working" {
	layer merged-0.tar <<<'[d("usr"), d("usr/lib"), d("usr/bin"), f("usr/lib/gone"), d("run"), l("lib", "usr/lib"), l("bin", "/usr/bin"), f("lib/one", b"1"), d("var"), l("var/run", "../run")]'
	layer merged-1.tar <<<'[f("lib/two", b"2"), d("lib/sub"), f("lib/sub/three", b"3"), h("bin/four", "lib/one"), f("lib/.wh.gone", b""), f("var/run/five", b"5")]'
	layers_image merged
	for WHO in $(roles); do merged_usr; done
}
