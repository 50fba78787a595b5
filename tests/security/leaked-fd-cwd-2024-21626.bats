#!/usr/bin/env bats
# A descriptor of a host directory that the runtime or its caller left open is reached by a working
# directory of /proc/self/fd/N, in config.json, in exec, in an image, or through a link in it
# (CVE-2024-21626).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

# CMD with the host's directory open as 3 to 12, and not close-on-exec.
leaking() {
	"$@" 3<"$HOST" 4<"$HOST" 5<"$HOST" 6<"$HOST" 7<"$HOST" 8<"$HOST" 9<"$HOST" 10<"$HOST" \
		11<"$HOST" 12<"$HOST" 13<&- 14<&- 15<&- 16<&-
}

# The container's program did not run, or it saw nothing of the host's.
nothing_seen() {
	cat "$T/out" "$T/err"
	no_secret "$T/out" "$T/err"
	sentinel_same
}

READ='["/bin/sh", "-c", "cat open/secret ../open/secret ../host/open/secret; pwd -P; echo x >open/new"]'

@test "run: no working directory leads to a descriptor" {
	for WHO in $(roles); do
		hostile ".process.args = $READ"
		for n in {3..14}; do
			configure ".process.cwd = \"/proc/self/fd/$n\""
			leaking go
			[ "$status" -ne 0 ]
			nothing_seen
		done
		# The same through a link of the image's.
		ln -s /proc/self/fd/7 "$B/rootfs/w"
		configure '.process.cwd = "/w/open"'
		leaking go
		[ "$status" -ne 0 ]
		nothing_seen
	done
}

@test "run: one that is handed over is refused as a working directory all the same" {
	for WHO in $(roles); do
		# The control: with it the program would be in the host's directory.
		hostile '.process.args = ["/bin/cat", "/proc/self/fd/7/open/secret"]'
		leaking go --preserve-fds 6
		grep -q "$SECRET" "$T/out"
		configure ".process.args = $READ | .process.cwd = \"/proc/self/fd/7\""
		leaking go --preserve-fds 6
		[ "$status" -ne 0 ]
		grep -q "lies outside the container's root" "$T/err"
		nothing_seen
	done
}

@test "run: the program has the descriptors 0, 1 and 2, and those that were asked for" {
	for WHO in $(roles); do
		# The shell's own pattern opens one more, and has closed it when it prints.
		hostile '.process.args = ["/bin/sh", "-c", "for f in /proc/self/fd/*; do [ ! -e $f ] || echo ${f##*/}; done"]'
		leaking go
		[ "$(tr '\n' ' ' <"$T/out")" = "0 1 2 " ]
		leaking go --preserve-fds 2
		[ "$(tr '\n' ' ' <"$T/out")" = "0 1 2 3 4 " ]
	done
}

@test "exec: no working directory leads to a descriptor" {
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/sleep", "1000"]'
		start
		ln -s /proc/self/fd/7 "$B/rootfs/w"
		for n in {3..12}; do
			run -255 leaking m exec --cwd "/proc/self/fd/$n" "$ID" /bin/cat open/secret
			[[ $output != *"$SECRET"* ]]
		done
		run -255 leaking m exec --cwd /w "$ID" /bin/cat open/secret
		# Whoever looks is in the container's pid namespace (and finds the descriptor), or has no
		# /proc/self there.
		run -255 leaking m exec --preserve-fds 6 --cwd /w "$ID" /bin/cat open/secret
		[[ $output == *"lies outside the container's root"* || $output == *"working directory /w: no such file"* ]]
		run -0 leaking m exec "$ID" /bin/sh -c 'for f in /proc/self/fd/*; do [ ! -e $f ] || echo ${f##*/}; done'
		[ "$output" = $'0\n1\n2' ]
		m delete -f "$ID"
		sentinel_same
	done
}

@test "an image's WORKDIR" {
	hostile_image wd '{WorkingDir: "/proc/self/fd/7", Cmd: ["/bin/cat", "open/secret"]}'
	for WHO in $(roles); do
		run leaking m "$IMAGE"
		[ "$status" -ne 0 ]
		[[ $output != *"$SECRET"* ]]
		for n in 3 4 5 8 12; do
			run leaking m -w "/proc/self/fd/$n" "$IMAGE"
			[ "$status" -ne 0 ]
			[[ $output != *"$SECRET"* ]]
		done
		sentinel_same
	done
}
