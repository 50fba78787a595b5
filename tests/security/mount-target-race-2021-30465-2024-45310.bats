#!/usr/bin/env bats
# Somebody who shares a volume with a container swaps a directory in it for a link while the container
# is being set up: what is mounted (CVE-2021-30465) or made for a mount (CVE-2024-45310) must not land
# on the host.
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

# A volume in which x is a directory one moment and a link to the host the next.
volume() {
	V=$T/volume-$WHO
	mkdir -p "$V/x/inside" "$V/links"
	ln -s "$HOST/empty" "$V/links/y"
	[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$V"
}

swapping() {
	"$BUILD/tests/attack-swap" 120 "$V/x" "$V/links/y" >"$T/swap" 3>&- &
	SWAP=$!
	wait_for grep -q ready "$T/swap"
}

swapped() {
	kill "$SWAP"
	wait "$SWAP" || true
	SWAP=
}

@test "control: whoever makes directories by their path makes them on the host" {
	WHO=root
	volume
	swapping
	for ((i = 0; i < 5000; i++)); do
		mkdir -p "$V/x/new-$i/deep" 2>/dev/null || true
		[ -z "$(ls "$HOST/empty")" ] || break
	done
	swapped
	[ -n "$(ls "$HOST/empty")" ]
}

@test "mounts, and what is made for them, stay in the container" {
	for WHO in $(roles); do
		echo "as $WHO"
		volume
		echo mine >"$T/source"
		hostile '.process.args = ["/bin/true"]'
		swapping
		for i in {1..12}; do
			configure '.mounts |= map(select(.destination | startswith("/vol") | not))'
			configure ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$V\", options: [\"rbind\", \"rw\"]},
				{destination: \"/vol/x/d$i/deep\", type: \"tmpfs\", source: \"tmpfs\"},
				{destination: \"/vol/x/f$i\", type: \"bind\", source: \"$T/source\", options: [\"bind\"]},
				{destination: \"/vol/x\", type: \"tmpfs\", source: \"tmpfs\", options: [\"tmpcopyup\"]},
				{destination: \"/vol/x/inside\", type: \"bind\", source: \"$V\", options: [\"rbind\"]}]"
			go >/dev/null
			# It may fail where a link appears in the middle of it.
			[ "$status" -eq 0 ] || grep -q "^mrun: .*/vol/x" "$T/err"
		done
		swapped
		sentinel_same
	done
}

@test "an image's -v targets" {
	hostile_image race
	for WHO in $(roles); do
		volume
		swapping
		for i in {1..6}; do
			m -v "$V:/vol" -v "$V/links:/vol/x/v$i" --tmpfs "/vol/x/t$i" "$IMAGE" /bin/true >"$T/out" 2>&1 ||
				grep -q "mrun: .*/vol/x" "$T/out"
		done
		swapped
		sentinel_same
	done
}
