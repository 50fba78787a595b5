#!/usr/bin/env bats
# While execve(2) runs, /proc/self/exe is the program that called it. An image whose entry point is
# /proc/self/exe, or a script with that interpreter, or a program that waits for exec, tries to get at
# mrun's own file and to overwrite it (CVE-2019-5736).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	# The program under attack is a copy, which WHO may write to.
	mkdir -m 755 "$T/bin"
	cp "$MRUN" "${MRUN%/*}/mrun-unpack" "$T/bin"
	MRUN=$T/bin/mrun
	chmod 755 "$T/bin"/*
}
teardown() { sec_teardown; }

mine() {
	[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown "$TEST_USER:" "$T/bin" "$T/bin"/*
	SUM=$(sha256sum "$T/bin/mrun")
}

untouched() {
	sentinel_same
	[ "$(sha256sum "$T/bin/mrun")" = "$SUM" ]
}

@test "an entry point of /proc/self/exe runs the sealed shim, which knows nothing" {
	for WHO in $(roles); do
		echo "as $WHO"
		mine
		hostile '.process.args = ["/proc/self/exe", "--version"]'
		go
		[ "$status" -eq 125 ]
		[ ! -s "$T/out" ]
		configure '.process.args = ["/script"]'
		printf '#!/proc/self/exe --version\n' >"$B/rootfs/script"
		chmod 755 "$B/rootfs/script"
		go
		run ! grep -q "mrun version" "$T/out"
		[ "$status" -ne 0 ]
		untouched
	done
}

@test "an image's entry point of /proc/self/exe" {
	hostile_image exe '{Entrypoint: ["/proc/self/exe"], Cmd: ["--version"]}'
	for WHO in $(roles); do
		mine
		run -125 m "$IMAGE"
		[[ $output != *"mrun version"* ]]
		untouched
	done
}

@test "a program that lies in wait for exec gets hold of the shim at most" {
	for WHO in $(roles); do
		echo "as $WHO"
		mine
		hostile "$DEFAULT_CAPS"' | .process.args = ["/attack-exe", "600", "/attack-exe", "/bin/busybox"]'
		start
		wait_for grep -q ready "$T/log"
		printf '#!/proc/self/exe\n' >"$B/rootfs/bin/trap"
		chmod 755 "$B/rootfs/bin/trap"
		for _ in {1..10}; do
			m exec "$ID" /bin/true
			m exec "$ID" /bin/trap || true
			m exec -d "$ID" /bin/sleep 0 </dev/null >/dev/null 2>&1
		done
		m delete -f "$ID"
		cat "$T/log"
		run ! grep -v -e ready -e '^held /memfd:' "$T/log"
		untouched
	done
}

@test "control: a careless visitor's program is overwritten" {
	need_root
	mine
	hostile "$ALL_CAPS"' | .process.args = ["/attack-exe", "600", "/attack-exe", "/bin/busybox"]'
	cp "$BUILD/tests/attack-exe" "$T/bin/visitor"
	start
	wait_for grep -q ready "$T/log"
	mkfifo "$T/go"
	# It is a race, which the attacker wins sooner or later.
	for _ in {1..20}; do
		nsenter --target "$INIT" --pid "$T/bin/visitor" stay <"$T/go" 3>&- &
		exec 9>"$T/go"
		for _ in {1..20}; do grep -q "held.*/bin/visitor" "$T/log" && break 2; sleep 0.1; done
		exec 9>&-
		wait "$!" || true
	done
	grep -q "held.*/bin/visitor" "$T/log"
	exec 9>&-
	wait_for grep -q "WROTE.*/bin/visitor" "$T/log"
	[ "$(tail -c 6 "$T/bin/visitor")" = taken ]
}
