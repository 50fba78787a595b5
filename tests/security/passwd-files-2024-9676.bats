#!/usr/bin/env bats
# The image's passwd and group as a FIFO (reading it never ends), a link to /dev/zero or to the host, a
# file of a terabyte (CVE-2024-9676), with a million groups (CVE-2026-47262): bounded time and memory,
# and nothing of the host's is read.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

# With a user name that has to be looked up, little memory and little time.
look_up() {
	local code=0
	(
		ulimit -v 400000
		[ "$WHO" = user ] || exec timeout 20 "$MRUN" -u somebody "$IMAGE" id
		export -f as_user lib_as
		exec timeout 20 bash -c 'as_user "$MRUN" -u somebody "$1" id' - "$IMAGE"
	) >"$T/out" 2>"$T/err" || code=$?
	cat "$T/out" "$T/err"
	[ "$code" -ne 124 ] # it ended by itself
	status=$code
}

image_with() { # COMMAND that makes "$f"
	rm -rf "$T/image" "$T/image.tar"
	mkdir -p "$T/image/etc"
	for f in "$T/image/etc/passwd" "$T/image/etc/group"; do
		"$@" "$f"
	done
	hostile_image image
}

@test "FIFOs, directories, links to devices and to the host" {
	need_no_sanitizer "it wants more address space than the test allows"
	local target
	image_with mkfifo
	for WHO in $(roles); do
		look_up
		[ "$status" -eq 125 ]
		grep -q "/etc/passwd of the container: not a regular file" "$T/err"
	done
	image_with mkdir
	for WHO in $(roles); do
		look_up
		[ "$status" -eq 125 ]
		sentinel_same
	done
	for target in /dev/zero /dev/stdin /proc/self/fd/0 /proc/kmsg "$HOST/open/passwd" "../../../../../..$HOST/open/passwd" passwd; do
		# The host has a somebody; the image shall not.
		echo "somebody:x:0:0::/:/bin/sh" >"$HOST/open/passwd"
		sentinel_list >"$T/.sentinel"
		image_with ln -s "$target"
		for WHO in $(roles); do
			echo "as $WHO: $target"
			look_up </dev/zero
			[ "$status" -eq 125 ]
			run ! grep -q uid= "$T/out"
			sentinel_same
		done
	done
}

@test "a terabyte, and a million groups" {
	need_no_sanitizer "it wants more address space than the test allows"
	image_with truncate -s 9M
	for WHO in $(roles); do
		look_up
		[ "$status" -eq 125 ]
	done
	# In a bundle the file need not come through an archive.
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/sh", "-c", "echo $HOME"] | .process.env = ["PATH=/bin"]'
		truncate -s 1T "$B/rootfs/etc/passwd" || truncate -s 100G "$B/rootfs/etc/passwd"
		go
		[ "$status" -eq 1 ]
		grep -q "look up HOME of user 0, .*/etc/passwd" "$T/err"
		for make in mkfifo mkdir "ln -s /dev/zero" "ln -s passwd"; do
			rm -rf "$B/rootfs/etc/passwd"
			$make "$B/rootfs/etc/passwd"
			go
			[ "$status" -eq 1 ]
			grep -q "look up HOME of user 0, which the environment does not set: .*/etc/passwd" "$T/err"
			grep -q '^hint: .*HOME' "$T/err"
		done
		# One that is for others is none, as to runc; and nothing is looked up where HOME is given.
		rm "$B/rootfs/etc/passwd"
		echo root:x:0:0::/home/root: >"$B/rootfs/etc/passwd"
		chown root:root "$B/rootfs/etc/passwd"
		chmod 600 "$B/rootfs/etc/passwd"
		go
		[ "$(cat "$T/out")" = "$([ "$WHO" = user ] && echo / || echo /home/root)" ]
		rm "$B/rootfs/etc/passwd"
		mkfifo "$B/rootfs/etc/passwd"
		configure '.process.env += ["HOME=/here"]'
		go
		[ "$(cat "$T/out")" = /here ]
	done
	mkdir -p "$T/many/etc"
	echo somebody:x:1:1::/:/bin/sh >"$T/many/etc/passwd"
	seq -f 'g%.0f:x:%.0f:somebody' 1 250000 | awk -F: '{ print $1 ":x:" NR ":somebody" }' >"$T/many/etc/group"
	hostile_image many
	for WHO in $(roles); do
		look_up
		# NGROUPS_MAX of them; a user namespace maps fewer.
		[ "$status" -eq 0 ] || [ "$status" -eq 125 ]
	done
}
