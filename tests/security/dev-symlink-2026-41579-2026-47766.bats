#!/usr/bin/env bats
# An image whose /dev is a link (CVE-2026-41579, CVE-2026-47766): devices and links are made where it
# points to. Likewise the null device on the program's standard input and output: it is the host's node,
# and is not to be looked for in the image (CVE-2026-88265).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() {
	if [ "$(id -u)" -eq 0 ] && [ "$(stat -c %a:%u:%g /dev/null)" != 666:0:0 ]; then
		chmod 666 /dev/null
		chown 0:0 /dev/null
	fi
	sec_teardown
}

@test "control: whoever makes devices below a path makes them on the host" {
	need_root
	ln -s "$HOST/empty" "$T/dev"
	mknod "$T/dev/null" c 1 3 || skip "may not make devices here"
	[ -c "$HOST/empty/null" ]
}

@test "/dev is a link to the host, with and without a mount of its own" {
	for WHO in $(roles); do
		for target in "$HOST/open" "../../../../../../../..$HOST/open" "$HOST/empty/new" /proc/1/root; do
			for mounts in . '.mounts |= map(select(.destination | startswith("/dev") | not))'; do
				echo "as $WHO: $target, $mounts"
				hostile "$mounts"' | .linux.devices = [{path: "/dev/extra", type: "c", major: 1, minor: 5}]
					| .process.args = ["/bin/true"]'
				rm -rf "$B/rootfs/dev"
				ln -s "$target" "$B/rootfs/dev"
				go
				[ "$status" -eq 1 ]
				grep -q "mount /dev: it is a link in the image, not a directory" "$T/err"
				sentinel_same
			done
		done
	done
}

@test "/dev is a link into a volume: nothing is made there" {
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/true"] | .mounts |= map(select(.destination | startswith("/dev") | not))'
		configure ".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$HOST/empty\", options: [\"bind\"]}]"
		rm -rf "$B/rootfs/dev"
		ln -s vol "$B/rootfs/dev"
		go
		[ "$status" -eq 1 ]
		sentinel_same
	done
	mkdir "$T/image"
	ln -s vol "$T/image/dev"
	hostile_image image
	for WHO in $(roles); do
		run -125 m -v "$HOST/empty:/vol" "$IMAGE" true
		[[ $output == *"mount /dev: it is a link in the image"* ]]
		sentinel_same
	done
}

@test "a device below a link inside /dev" {
	for WHO in $(roles); do
		hostile '.mounts |= map(select(.destination | startswith("/dev") | not)) | .process.args = ["/bin/true"]
			| .linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 3}, {path: "/dev/sub/zero", type: "c", major: 1, minor: 5}]'
		ln -s "$HOST/empty" "$B/rootfs/dev/sub"
		ln -s "$HOST/open/new" "$B/rootfs/dev/full"
		go
		[ "$status" -eq 1 ]
		sentinel_same
	done
}

@test "the null device on stdin, stdout and stderr keeps the host's mode and owner" {
	local all='chmod 667 /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; chown 5 /proc/self/fd/0; touch -d @1 /proc/self/fd/1; cat <&0; echo done >&1; touch /ran'
	for WHO in $(roles); do
		hostile "$DEFAULT_CAPS | .process.args = [\"/bin/sh\", \"-c\", \"$all\"]"
		before=$(stat -c '%a %u %g %Y' /dev/null)
		m run --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
		[ -e "$B/rootfs/ran" ]
		[ "$before" = "$(stat -c '%a %u %g %Y' /dev/null)" ]
		# Nor is the image's own file under that name taken for it.
		rm "$B/rootfs/ran"
		configure '.mounts |= map(select(.destination | startswith("/dev") | not))'
		configure "$(printf '.mounts += [{destination: "/dev", type: "bind", source: "%s", options: ["bind"]}]' "$HOST/empty")"
		m run --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
		[ "$before" = "$(stat -c '%a %u %g %Y' /dev/null)" ]
		hostile "$DEFAULT_CAPS"' | .process.args = ["/bin/sleep", "1000"]'
		start
		m exec "$ID" /bin/sh -c "$all" </dev/null >/dev/null 2>&1
		[ -e "$B/rootfs/ran" ]
		[ "$before" = "$(stat -c '%a %u %g %Y' /dev/null)" ]
		m delete -f "$ID"
		sentinel_same
	done
}
