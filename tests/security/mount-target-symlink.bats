#!/usr/bin/env bats
# An image whose mount targets are links to the host: absolute, relative, dangling, in chains, for
# directories, files and devices. What they mean, they mean inside the image.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

plant() { # ROOT
	mkdir -p "$1/links"
	ln -s "$HOST/empty" "$1/links/absolute"
	ln -s "../../../../../../../../../..$HOST/empty" "$1/links/relative"
	ln -s "$HOST/open/secret" "$1/links/file"
	ln -s "$HOST/open/new" "$1/links/dangling"
	ln -s absolute "$1/links/chain"
	ln -s /proc/1/root "$1/links/magic"
	ln -s /proc/self/cwd "$1/links/cwd"
}

@test "control: whoever mounts by path mounts on the host" {
	need_root
	plant "$T/root"
	run -0 unshare -m --propagation private sh -c "mount -t tmpfs fallen '$T/root/links/absolute' && grep -c 'fallen' /proc/self/mountinfo && grep fallen /proc/self/mountinfo"
	[[ $output == *"$HOST/empty"* ]]
}

@test "config.json's mounts and devices" {
	for WHO in $(roles); do
		echo "as $WHO"
		hostile '.process.args = ["/bin/sh", "-c", "cat /links/absolute/here /links/file; ls -d /dev/links/*; cat /proc/self/mountinfo"]'
		plant "$B/rootfs"
		echo here >"$T/here"
		echo covered >"$T/covered"
		configure ".mounts += [{destination: \"/links/absolute\", type: \"tmpfs\", source: \"tmpfs\"},
			{destination: \"/links/absolute/here\", type: \"bind\", source: \"$T/here\", options: [\"bind\"]},
			{destination: \"/links/relative/down\", type: \"tmpfs\", source: \"tmpfs\"},
			{destination: \"/links/chain/further/down\", type: \"tmpfs\", source: \"tmpfs\", options: [\"tmpcopyup\"]},
			{destination: \"/links/file\", type: \"bind\", source: \"$T/covered\", options: [\"bind\"]},
			{destination: \"/links/dangling\", type: \"bind\", source: \"$T/covered\", options: [\"bind\", \"ro\"]}]
			| .linux.devices = [{path: \"/links/file\", type: \"c\", major: 1, minor: 3},
				{path: \"/links/relative/null\", type: \"c\", major: 1, minor: 3}]"
		# /links/file is a link: a device there would be made through it.
		go
		[ "$status" -ne 0 ]
		grep -q "device /links/file" "$T/err"
		sentinel_same
		configure 'del(.linux.devices)'
		go
		[ "$status" -eq 0 ] || [ "$status" -eq 1 ]
		grep -qx here "$T/out"
		grep -qx covered "$T/out"
		no_secret "$T/out"
		# Every mount lies at the place inside the image.
		grep -q " $HOST/empty .*tmpfs" "$T/out"
		sentinel_same
		# What is behind a link of /proc is nobody's to say before the program runs.
		configure '.mounts += [{destination: "/links/cwd/x", type: "tmpfs", source: "tmpfs"}]'
		go
		[ "$status" -eq 1 ]
		grep -q "mount /links/cwd/x" "$T/err"
		sentinel_same
	done
}

@test "an image's -v, --mount and --tmpfs targets" {
	mkdir -p "$T/image"
	plant "$T/image"
	hostile_image image
	echo covered >"$T/covered"
	for WHO in $(roles); do
		echo "as $WHO"
		m -v "$T/covered:/links/file" -v "$T/covered:/links/dangling" -v "$T/covered:/links/absolute/file" \
			--tmpfs /links/relative/tmp --mount "type=tmpfs,target=/links/chain/mnt" "$IMAGE" \
			sh -c 'cat /links/file /links/dangling /links/absolute/file; touch /links/relative/tmp/x' >"$T/out"
		[ "$(cat "$T/out")" = $'covered\ncovered\ncovered' ]
		# Through /proc, where the links are not to be followed at all.
		run -125 m --tmpfs /links/magic/tmp/x "$IMAGE" true
		run -125 m --tmpfs /links/cwd/x "$IMAGE" true
		sentinel_same
	done
}
