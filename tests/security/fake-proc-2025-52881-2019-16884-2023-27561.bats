#!/usr/bin/env bats
# What the runtime writes to /proc (sysctls, labels, oom_score_adj) is swallowed by a false /proc of the
# image's or a volume's, or redirected to another file of it (CVE-2019-16884, CVE-2025-52881); a /proc
# behind a link is moved away between its mounting and its masking (CVE-2019-19921, CVE-2023-27561).
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

# A directory that looks like a procfs: what is written to it is lost, or goes to the host.
false_proc() {
	F=$T/proc-$WHO
	rm -rf "$F"
	mkdir -p "$F/self/attr/apparmor" "$F/self/fd" "$F/thread-self/attr" "$F/sys/net/ipv4" "$F/sys/kernel" "$F/1"
	for f in self/oom_score_adj self/attr/exec self/attr/apparmor/exec thread-self/attr/exec self/setgroups \
		sys/kernel/shm_rmid_forced self/loginuid; do
		: >"$F/$f"
	done
	ln -s "$HOST/open/secret" "$F/sys/net/ipv4/ip_default_ttl"
	for n in {3..24}; do
		cp "$BUILD/tests/attack-exe" "$F/self/fd/$n" # what execve(2) of a descriptor's name would run
	done
	[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$F"
}

WRITES='.linux.sysctl = {"net.ipv4.ip_default_ttl": "77", "kernel.shm_rmid_forced": "1"} | .process.oomScoreAdj = 321
	| .linux.namespaces |= (map(select(.type != "network")) + [{type: "network"}])'

# As the container's first process has it, seen from outside.
written() {
	[ "$(cat "/proc/$INIT/oom_score_adj")" = 321 ]
	[ "$(nsenter -t "$INIT" -U -n --preserve-credentials cat /proc/sys/net/ipv4/ip_default_ttl 2>/dev/null ||
		nsenter -t "$INIT" -n cat /proc/sys/net/ipv4/ip_default_ttl)" = 77 ]
}

@test "a false /proc over the real one, or instead of it" {
	need_root # to look from outside
	for WHO in $(roles); do
		for how in '.mounts += ' '.mounts |= map(select(.destination != "/proc")) + '; do
			echo "as $WHO: $how"
			false_proc
			hostile "$WRITES"' | .process.args = ["/bin/sleep", "1000"]'
			configure "${how}[{destination: \"/proc\", type: \"bind\", source: \"$F\", options: [\"rbind\", \"rw\"]}]"
			start
			written
			# exec writes through the host's, too.
			m exec "$ID" /bin/sh -c 'exit 0'
			# Nothing arrived in the false one, nor behind its link.
			[ -z "$(find "$F" -path "$F/self/fd" -prune -o -type f -size +0 -print)" ]
			m delete -f "$ID"
			sentinel_same
		done
	done
}

@test "a root file system with a false /proc, and no mount on it" {
	need_root
	for WHO in $(roles); do
		false_proc
		hostile "$WRITES"' | .process.args = ["/bin/sleep", "1000"] | .mounts |= map(select(.destination | startswith("/proc") | not))'
		cp -a "$F/." "$B/rootfs/proc/"
		start
		written
		[ -z "$(find "$B/rootfs/proc" -path "$B/rootfs/proc/self/fd" -prune -o -type f -size +0 -print)" ]
		m delete -f "$ID"
		sentinel_same
	done
}

@test "a profile without execveat does not make mrun execute a file of a false /proc" {
	for WHO in $(roles); do
		false_proc
		hostile '.process.args = ["/bin/true"] | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
			syscalls: [{names: ["execveat"], action: "SCMP_ACT_ERRNO"}]}'
		go
		[ "$status" -eq 0 ]
		configure ".mounts += [{destination: \"/proc\", type: \"bind\", source: \"$F\", options: [\"rbind\", \"rw\"]}]"
		go
		[ "$status" -eq 1 ]
		grep -q "/proc is not a procfs" "$T/err"
		run ! grep -q ready "$T/out"
		sentinel_same
	done
}

@test "/proc or /sys is a link: into a volume in which it is swapped, or anywhere" {
	for WHO in $(roles); do
		V=$T/volume-$WHO
		mkdir -p "$V/a/real" "$V/b/other"
		[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$V"
		for name in proc sys; do
			for target in vol/a/real "$HOST/empty" /; do
				hostile '.process.args = ["/bin/cat", "/proc/keys"] | .mounts = [{destination: "/vol", type: "bind",
					source: "'"$V"'", options: ["rbind"]}] + .mounts'
				rmdir "$B/rootfs/$name"
				ln -s "$target" "$B/rootfs/$name"
				go
				[ "$status" -eq 1 ]
				grep -q "mount /$name: it is a link in the image" "$T/err"
				sentinel_same
			done
		done
	done
	# The same in an image.
	mkdir "$T/image"
	ln -s vol/a/real "$T/image/proc"
	hostile_image image
	for WHO in $(roles); do
		run -125 m -v "$T/volume-$WHO:/vol" "$IMAGE" true
		[[ $output == *"mount /proc: it is a link"* ]]
		sentinel_same
	done
}
