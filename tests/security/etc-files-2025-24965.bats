#!/usr/bin/env bats
# The files that a runtime puts into a container (resolv.conf, hosts, hostname, mtab, crun's own
# .krun_config.json: CVE-2025-24965) are links to the host in the image, FIFOs, directories, devices.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

plant() { # LINK-TARGET
	rm -rf "$T/image" "$T/image.tar"
	mkdir -p "$T/image/etc"
	for f in resolv.conf hosts hostname mtab; do
		ln -s "$1" "$T/image/etc/$f"
	done
	ln -s "$1" "$T/image/.krun_config.json"
}

SHOW='cat /etc/hosts /etc/hostname /etc/resolv.conf; ls -l /etc/mtab'

@test "control: whoever writes them by their path writes to the host" {
	plant "$HOST/open/new"
	echo 127.0.0.1 localhost >"$T/image/etc/hosts"
	[ -e "$HOST/open/new" ]
}

@test "links to a file of the host, to one that is not there, to a FIFO, up and away" {
	for target in "$HOST/open/secret" "$HOST/open/new" "../../../../../../../..$HOST/open/new" "$HOST/open/fifo" \
		../run/systemd/resolve/stub-resolv.conf; do
		plant "$target"
		hostile_image image
		for WHO in $(roles); do
			echo "as $WHO: $target"
			m --hostname victim --dns 192.0.2.53 "$IMAGE" sh -c "$SHOW" >"$T/out" 2>"$T/err"
			no_secret "$T/out"
			grep -qF "/etc/mtab -> $target" "$T/out"
			# All three names lead to one file there: what was put on it last is seen.
			grep -q "nameserver 192.0.2.53" "$T/out"
			sentinel_same
		done
	done
}

@test "FIFOs: nothing waits; directories: refused" {
	plant nowhere
	rm "$T/image/etc"/*
	rm "$T/image/.krun_config.json"
	mkfifo "$T/image/etc/resolv.conf" "$T/image/etc/hosts" "$T/image/etc/hostname" "$T/image/etc/mtab" \
		"$T/image/.krun_config.json"
	hostile_image image
	for WHO in $(roles); do
		m --hostname victim "$IMAGE" cat /etc/hostname >"$T/out" 3>&- &
		pid=$!
		wait_for test -s "$T/out"
		wait "$pid"
		[ "$(cat "$T/out")" = victim ]
		sentinel_same
	done
	rm "$T/image.tar" "$T/image/etc"/*
	mkdir "$T/image/etc/hosts"
	hostile_image image
	for WHO in $(roles); do
		run -125 m "$IMAGE" true
		[[ $output == *"/etc/hosts"* ]]
		sentinel_same
	done
}

@test "/etc itself is a link to the host" {
	for target in "$HOST/empty" "../../../../../..$HOST/empty" "$HOST/open"; do
		rm -rf "$T/image" "$T/image.tar"
		mkdir "$T/image"
		ln -s "$target" "$T/image/etc"
		hostile_image image
		for WHO in $(roles); do
			m --hostname victim "$IMAGE" sh -c "readlink /etc; $SHOW" >"$T/out" 2>&1 || true
			grep -qx "$target" "$T/out"
			grep -qx victim "$T/out"
			no_secret "$T/out"
			sentinel_same
		done
	done
}
