#!/usr/bin/env bats
# A container writes to the host's cgroups: a release_agent that the host's kernel runs (CVE-2022-0492),
# its own limits, or the caller's other processes (CVE-2023-25809, without a cgroup namespace).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

agents() {
	cat /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/notify_on_release 2>/dev/null || true
}

# Tries what it can; prints what worked. It writes nothing, should it get that far: what could be opened
# for writing could be written to.
ATTACK='
m=/tmp/m; mkdir -p $m
for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do
	[ -d $dir ] || continue
	mkdir $dir/attack-$$ 2>/dev/null && echo made a cgroup && rmdir $dir/attack-$$
	for f in release_agent notify_on_release cgroup.procs cgroup.kill cgroup.freeze cgroup.subtree_control tasks devices.allow; do
		[ ! -e $dir/$f ] || ! (: >>$dir/$f) 2>/dev/null || echo may write $dir/$f
	done
	mount -o remount,rw $dir 2>/dev/null && echo remounted $dir
	mount -o remount,rw,bind $dir 2>/dev/null && echo remounted $dir
done
for c in rdma memory cpu devices freezer pids misc; do
	mount -t cgroup -o $c cgroup $m 2>/dev/null && echo mounted $c && umount $m
	unshare -UrmC mount -t cgroup -o $c cgroup $m 2>/dev/null && echo mounted $c in a namespace
done
mount -t cgroup2 cgroup $m 2>/dev/null && echo mounted cgroup2 && umount $m
unshare -UrmC mount -t cgroup2 cgroup $m 2>/dev/null && echo mounted cgroup2 in a namespace
echo done'

nothing_worked() {
	[ "$(cat "$T/out")" = "done" ]
	[ "$before" = "$(agents)" ]
	sentinel_same
}

@test "images, as they are and with limits" {
	before=$(agents)
	hostile_image image
	for WHO in $(roles); do
		m "$IMAGE" sh -c "$ATTACK" >"$T/out" 2>"$T/err"
		nothing_worked
	done
	if [ "$(id -u)" -eq 0 ] && "$MRUN" --pids-limit 50 "$IMAGE" true 2>/dev/null; then
		"$MRUN" --pids-limit 50 "$IMAGE" sh -c "$ATTACK" >"$T/out" 2>"$T/err"
		nothing_worked
	fi
}

@test "config.json's containers, as mrun spec has them, with and without a cgroup namespace" {
	before=$(agents)
	for WHO in $(roles); do
		for jq in . '.linux.namespaces |= map(select(.type != "cgroup"))'; do
			hostile "$jq | $DEFAULT_CAPS | .process.args = [\"/bin/sh\", \"-c\", $(jq -Rs . <<<"$ATTACK")]"
			go
			nothing_worked
		done
	done
}

@test "without a cgroup manager the host's cgroups are shown read-only, whatever config.json says" {
	before=$(agents)
	for WHO in $(roles); do
		hostile "$DEFAULT_CAPS | .linux.namespaces |= map(select(.type != \"cgroup\")) | .process.args = [\"/bin/sh\", \"-c\", $(jq -Rs . <<<"$ATTACK")]"
		configure '.mounts |= map(select(.destination != "/sys/fs/cgroup")) + [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw", "nosuid"]}]'
		status=0
		(cd "$B" && m --cgroup-manager disabled run --bundle "$B" "$ID") </dev/null >"$T/out" 2>"$T/err" || status=$?
		cat "$T/out" "$T/err"
		[ "$status" -eq 0 ]
		nothing_worked
	done
}

@test "control: root without walls does all of it" {
	need_root
	local dir
	for dir in /sys/fs/cgroup /sys/fs/cgroup/pids /sys/fs/cgroup/unified; do
		mkdir "$dir/mrun-attack-$$" 2>/dev/null || continue
		rmdir "$dir/mrun-attack-$$"
		return 0
	done
	skip "no cgroup can be made here"
}
