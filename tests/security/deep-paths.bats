#!/usr/bin/env bats
# Layers whose paths are made to hurt: directories nested ten thousands of levels deep (by links that lead
# down, so that no name is too long), entries that each imply two thousand directories which
# nobody counted. What is made can be removed again, what is not wanted is refused within the limit
# for entries, and none of it takes minutes.
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

# The deepest that links allow: each leads 2,000 levels further down.
deep_layer() { # LEVELS
	layer deep-0.tar <<-PY
	[f("/".join(["a"] * 2000) + "/end")] + [entry for i in range($1) for entry in (
	    l(f"l{i}", f"l{i - 1}/" * (i > 0) + "/".join(["a"] * 2000)),
	    f(f"l{i}/" + "/".join(["a"] * 2000) + "/end"))]
	PY
	layers_image deep
}

deep_goes_away() {
	run_layers deep
	[ "$status" -eq 127 ]
	[ -n "$(find "$(cache_dir)" -mindepth 2 -maxdepth 2 -name '*-*')" ]
	m prune --all --force >/dev/null
	nothing_unpacked
	# A layer that fails when it is that deep goes as well.
	refuses broken 'link to nowhere: no such file'
	sentinel_same
}

@test "what is nested 20,000 levels deep can be removed" {
	deep_layer 9
	cp "$T/deep-0.tar" "$T/broken-0.tar"
	python3 - "$T/broken-0.tar" <<-'PY'
	import sys, tarfile
	with tarfile.open(sys.argv[1], "a") as tar:
	    info = tarfile.TarInfo("x")
	    info.type, info.linkname = tarfile.LNKTYPE, "nowhere"
	    tar.addfile(info)
	PY
	layers_image broken
	for WHO in $(roles); do deep_goes_away; done
}

@test "with few descriptors as well" {
	deep_layer 1
	(
		ulimit -n 256
		WHO=root
		[ "$(id -u)" -eq 0 ] || WHO=user
		deep_few
	)
}
deep_few() {
	run_layers deep
	[ "$status" -eq 127 ]
	m prune --all --force >/dev/null
	nothing_unpacked
}

@test "directories that are only implied count as entries" {
	layer implied-0.tar <<<'[f(f"{i}/" + "/".join(["a"] * 1000) + "/x") for i in range(4)]'
	layers_image implied
	# A link to what is missing makes directories, too.
	layer dangling-0.tar <<<'[l("s", "/".join(["a"] * 2000)), f("s/x")]'
	layers_image dangling
	for WHO in $(roles); do
		refuses implied 'more than the 3500 entries allowed' MRUN_UNPACK_MAX_ENTRIES=3500
		grep -q '^hint: .*MRUN_UNPACK_MAX_ENTRIES' "$T/err"
		unpack implied MRUN_UNPACK_MAX_ENTRIES=4500
		[ "$status" -eq 0 ]
		[ "$(find "$ROOTFS" | wc -l)" -eq 4009 ]
		unpack_clean
		refuses dangling 'more than the 1500 entries allowed' MRUN_UNPACK_MAX_ENTRIES=1500
		unpack dangling MRUN_UNPACK_MAX_ENTRIES=2500
		[ "$status" -eq 0 ]
		[ -f "$ROOTFS/s/x" ]
		unpack_clean
	done
}
