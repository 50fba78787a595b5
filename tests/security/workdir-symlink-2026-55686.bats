#!/usr/bin/env bats
# An image's WORKDIR leads through a link to the host: a runtime that makes it, or changes its owner,
# by its path does so on the host (CVE-2026-55686).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

plant() { # ROOT
	mkdir -p "$1/w"
	ln -s "$HOST/empty" "$1/w/absolute"
	ln -s "../../../../../../../../../..$HOST/empty" "$1/w/relative"
	ln -s "$HOST/open/new" "$1/w/dangling"
	ln -s /proc/1/root"$HOST/empty" "$1/w/magic"
	ln -s /vol "$1/w/volume"
}

DIRS='/w/absolute/new/deep /w/relative/new/deep /w/dangling /w/dangling/deep'

@test "control: whoever makes it by its path makes it on the host" {
	plant "$T/root"
	mkdir -p "$T/root/w/absolute/new/deep"
	[ -d "$HOST/empty/new/deep" ]
}

@test "an image's WORKDIR, and -w" {
	for WHO in $(roles); do
		for dir in $DIRS; do
			rm -rf "$T/image" "$T/image.tar"
			plant "$T/image"
			hostile_image image "{WorkingDir: \"$dir\", User: \"1000\"}"
			# It is there, below the image's own root.
			m "$IMAGE" sh -c 'pwd -P; ls -d "$PWD"' >"$T/out"
			grep -q "^$HOST/" "$T/out"
			sentinel_same
		done
		run -125 m -w /w/magic/new "$IMAGE" true
		# A read-only volume stays as it is; in a writable one it may be made.
		run -125 m -v "$HOST/empty:/vol:ro" -w /w/volume/new "$IMAGE" true
		[[ $output == *"read-only file system"* ]]
		sentinel_same
	done
}

@test "config.json's process.cwd" {
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/pwd", "-P"]'
		plant "$B/rootfs"
		for dir in $DIRS; do
			configure ".process.cwd = \"$dir\""
			go
			[ "$status" -eq 0 ]
			grep -q "^$HOST/" "$T/out"
			sentinel_same
		done
		# exec makes none at all.
		configure '.process.cwd = "/" | .process.args = ["/bin/sleep", "1000"]'
		start
		run -255 m exec --cwd /w/absolute/other "$ID" /bin/true
		m delete -f "$ID"
		sentinel_same
	done
}
