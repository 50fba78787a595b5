#!/usr/bin/env bats
# Somebody who may write to a bundle swaps a directory of its root for a link to the host's while mrun
# unpack fills it: what a path named a moment ago is not what it names now. Files are made and whiteouts
# taken away in directories that are held open, so either this works, elsewhere, or it fails.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	need python3
	need_root
	# What is to be taken away lies there as well.
	mkdir -m 777 "$HOST/victim"
	touch "$HOST"/victim/{0..9}
	sentinel_list >"$T/.sentinel"
}
teardown() {
	stop_swapping
	unpack_clean
	sec_teardown
}

stop_swapping() {
	[ -z "${SWAP:-}" ] || kill "$SWAP" 2>/dev/null || true
	[ -z "${SWAP:-}" ] || wait "$SWAP" || true
	SWAP=
}

# DIR/d and a link to the host's directory change places as soon as DIR/d is there, until stop_swapping.
swap() { # DIR
	local links
	links=$(dirname "$(dirname "$1")")/links
	rm -rf "$links"
	mkdir "$links"
	ln -s "$HOST/victim" "$links/y"
	[ "$WHO" = root ] || chown -h -R "$TEST_USER:" "$links"
	(
		until [ -e "$1/d/first" ]; do :; done
		exec "$BUILD/tests/attack-swap" 60 "$1/d" "$links/y"
	) >"$T/swap" 2>&1 3>&- &
	SWAP=$!
}

make_image() {
	layer race-0.tar <<<'[d("d"), f("d/first")] + [f("d/f%d" % i) for i in range(4000)]'
	layer race-1.tar <<<'[f("d/.wh.%d" % (i % 10), b"") for i in range(10)] + [f("d/g%d" % i) for i in range(1000)]'
	layers_image race
}

@test "control: tar, which goes by paths, writes to the host" {
	WHO=root
	make_image
	for i in {1..20}; do
		rm -rf "$T/c"
		mkdir -p "$T/c/rootfs"
		swap "$T/c/rootfs"
		tar -C "$T/c/rootfs" -xf race-0.tar 2>/dev/null || true
		stop_swapping
		[ "$(find "$HOST/victim" -type f | wc -l)" -eq 10 ] || break
	done
	[ "$(find "$HOST/victim" -type f | wc -l)" -gt 10 ]
	rm -rf "$T/c"
}

@test "unpacking writes and removes nothing outside" {
	local i hit=0
	make_image
	for WHO in $(roles); do
		for i in {1..4}; do
			unpack_clean
			swap "$(bundle_dir)/rootfs"
			unpack race
			stop_swapping
			sentinel_same
			! grep -q ready "$T/swap" || hit=$((hit + 1))
			[ "$status" -eq 0 ] || [ "$(grep -c '^mrun: ' "$T/err")" -eq 1 ]
			rm -rf "$(dirname "$(bundle_dir)")/links"
		done
	done
	[ "$hit" -gt 0 ]
}
