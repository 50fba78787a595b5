#!/usr/bin/env bats
# The container's terminal is bound to /dev/console. Where /dev is the image's own, or a volume that
# somebody shares, console, pts and ptmx may be links, or become some (CVE-2025-52565, CVE-2026-88264).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() {
	[ -z "${SWAP:-}" ] || kill "$SWAP" 2>/dev/null
	sec_teardown
}

# A bundle with a terminal, and $V, a directory of WHO's, as its /dev.
with_dev() {
	hostile '.process.terminal = true | .process.args = ["/bin/sh", "-c", "tty; cat /proc/keys; echo typed >/dev/console"]'
	V=$T/dev-$WHO
	rm -rf "$V"
	mkdir -p "$V/pts" "$V/shm" "$V/mqueue"
	configure ".mounts |= map(if .destination == \"/dev\" then {destination: \"/dev\", type: \"bind\", source: \"$V\", options: [\"rbind\"]} else . end)"
}
owned() {
	[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$V"
}

@test "control: whoever opens the console by its path opens the host's file" {
	with_dev
	ln -s "$HOST/open/new" "$V/console"
	: >"$V/console"
	[ -e "$HOST/open/new" ]
}

@test "console is a link" {
	for WHO in $(roles); do
		for target in "$HOST/open/secret" "$HOST/open/new" "../../../../../../..$HOST/open/new" /proc/sysrq-trigger pts/0; do
			echo "as $WHO: $target"
			with_dev
			ln -s "$target" "$V/console"
			owned
			go
			no_secret "$T/out"
			# Nothing was covered but what bears the name: the masks are in their place.
			[ "$status" -ne 0 ] || grep -q /dev/pts/0 "$T/out"
			sentinel_same
		done
	done
}

@test "console is swapped for a link" {
	for WHO in $(roles); do
		with_dev
		: >"$V/console"
		ln -s "$HOST/open/secret" "$V/other"
		owned
		"$BUILD/tests/attack-swap" 60 "$V/console" "$V/other" >"$T/swap" 3>&- &
		SWAP=$!
		wait_for grep -q ready "$T/swap"
		for _ in {1..10}; do
			go >/dev/null
			no_secret "$T/out"
		done
		kill "$SWAP"
		wait "$SWAP" || true
		SWAP=
		sentinel_same
	done
}

@test "pts and ptmx are the image's" {
	for WHO in $(roles); do
		with_dev
		configure '.mounts |= map(select(.destination != "/dev/pts"))'
		ln -s "$HOST/open/fifo" "$V/pts/ptmx"
		owned
		go
		[ "$status" -eq 1 ]
		grep -q "ptmx" "$T/err"
		rm "$V/pts/ptmx"
		mkfifo "$V/pts/ptmx"
		owned
		go
		[ "$status" -eq 1 ]
		grep -q "/dev/pts/ptmx is not a terminal multiplexer" "$T/err"
		# And of /dev/pts itself.
		with_dev
		rmdir "$V/pts"
		ln -s "$HOST/empty" "$V/pts"
		owned
		go
		sentinel_same
	done
}

@test "an image's /dev/console, with -t" {
	mkdir -p "$T/image/dev"
	ln -s "$HOST/open/secret" "$T/image/dev/console"
	ln -s "$HOST/open/new" "$T/image/dev/ptmx"
	hostile_image image
	for WHO in $(roles); do
		m -t "$IMAGE" sh -c 'tty; ls -l /dev/ptmx; echo typed >/dev/console' </dev/null >"$T/out"
		grep -q typed "$T/out"
		grep -q 'pts/ptmx' "$T/out"
		sentinel_same
	done
}
