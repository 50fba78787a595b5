#!/usr/bin/env bats
# A masked path is covered by the null device. An image whose own /dev/null is a link, or a volume in
# which it is swapped for one, tries to have something else mounted there, or nothing (CVE-2025-31133).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() {
	[ -z "${SWAP:-}" ] || kill "$SWAP" 2>/dev/null
	# Should that attack succeed, the machine goes on as it was.
	if [ "$(id -u)" -eq 0 ] && [ "$(stat -c %a:%u:%g /dev/null)" != 666:0:0 ]; then
		chmod 666 /dev/null
		chown 0:0 /dev/null
	fi
	sec_teardown
}

# What the program finds: the null device on each masked file, nothing in a masked directory.
LOOK='["/bin/sh", "-c", "for f in /proc/kcore /proc/keys /etc/masked; do [ ! -e $f ] || stat -c %F:%t:%T $f; done; cat /etc/masked; ls /masked; (echo h >/proc/sysrq-trigger) 2>/dev/null"]'
MASK='.linux.maskedPaths += ["/etc/masked", "/masked", "/proc/sysrq-trigger"]'
masked() {
	[ "$(sort -u "$T/out")" = "character special file:1:3" ]
	[ "$(wc -l <"$T/out")" -ge 2 ] # not every kernel has /proc/kcore
}

prepare() {
	hostile ".process.args = $LOOK | $MASK"
	echo "$SECRET" >"$B/rootfs/etc/masked"
	mkdir "$B/rootfs/masked"
	echo "$SECRET" >"$B/rootfs/masked/secret"
}

@test "the image's /dev/null is a link" {
	for WHO in $(roles); do
		for target in /proc/sysrq-trigger "$HOST/open/secret" "../../../../../../..$HOST/open/secret" nowhere; do
			echo "as $WHO: $target"
			prepare
			rm -f "$B/rootfs/dev/null"
			ln -s "$target" "$B/rootfs/dev/null"
			# Below a /dev of the container's own it is of no account …
			go
			masked
			# … without one it is an error.
			configure '.mounts |= map(select(.destination | startswith("/dev") | not))'
			go
			[ "$status" -eq 1 ]
			grep -q "make the device /dev/null: file exists" "$T/err"
			sentinel_same
		done
	done
}

@test "a /dev in which null is swapped for a link" {
	for WHO in $(roles); do
		echo "as $WHO"
		prepare
		V=$T/dev-$WHO
		mkdir -p "$V/pts" "$V/shm" "$V/mqueue"
		: >"$V/null"
		ln -s /etc/masked "$V/other"
		[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$V"
		configure ".mounts |= map(if .destination == \"/dev\" then {destination: \"/dev\", type: \"bind\", source: \"$V\", options: [\"rbind\"]} else . end)"
		"$BUILD/tests/attack-swap" 60 "$V/null" "$V/other" >"$T/swap" 3>&- &
		SWAP=$!
		wait_for grep -q ready "$T/swap"
		# The control: who looks by name sees the one and the other.
		wait_for test -L "$V/null"
		wait_for test ! -L "$V/null"
		for _ in {1..10}; do
			go
			masked
		done
		kill "$SWAP"
		wait "$SWAP" || true
		SWAP=
		sentinel_same
	done
}

@test "an image's /dev/null, and masked paths that are links themselves" {
	mkdir -p "$T/image/dev"
	ln -s "$HOST/open/secret" "$T/image/dev/null"
	hostile_image image
	for WHO in $(roles); do
		run -0 m "$IMAGE" sh -c 'stat -c %F:%t:%T /dev/null /proc/keys; echo x >/dev/null'
		[ "$output" = $'character special file:1:3\ncharacter special file:1:3' ]
		sentinel_same
		prepare
		rm -r "$B/rootfs/etc/masked" "$B/rootfs/masked"
		ln -s "$HOST/open/secret" "$B/rootfs/etc/masked"
		ln -s "$HOST/open" "$B/rootfs/masked"
		go
		no_secret "$T/out"
		sentinel_same
	done
}

# What covers a path is the host's own node.
@test "the null device that covers a path, or is the container's, keeps the host's mode and times" {
	local all='chmod 667 /proc/keys /dev/null; touch -d @1 /proc/keys /dev/null; chown 5:5 /proc/keys'
	for WHO in $(roles); do
		hostile "$DEFAULT_CAPS | .process.args = [\"/bin/sh\", \"-c\", \"$all; echo done\"]"
		before=$(stat -c '%a %u %g %Y' /dev/null)
		go
		[ "$(cat "$T/out")" = "done" ]
		[ "$before" = "$(stat -c '%a %u %g %Y' /dev/null)" ]
		# The same where the host's root is the container's, by the mapping.
		[ "$WHO" = root ] || continue
		configure '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}]
			| .linux.gidMappings = .linux.uidMappings'
		go
		[ "$(cat "$T/out")" = "done" ]
		[ "$before" = "$(stat -c '%a %u %g %Y' /dev/null)" ]
	done
}
