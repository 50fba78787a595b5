#!/usr/bin/env bats
# The cgroup room by itself, through a small program (tests/unit/cgroup_tool.c): limits are tested as
# enforced, not only as written; v1 or hybrid as this machine has it, and v2 in a mount namespace of
# its own. What needs v2 with its controllers (memory.max, delegation) is tested in a guest.
# shellcheck disable=SC2030,SC2031,SC2016

bats_require_minimum_version 1.5.0
load lib

setup_file() {
	TOOL=$BUILD/tests/cgroup-tool
	if [ ! -x "$TOOL" ]; then
		TOOL=$BATS_FILE_TMPDIR/cgroup-tool
		command -v "${CC:-gcc}" >/dev/null || skip "no C compiler to build the driver with"
		(cd "$ROOT" && "${CC:-gcc}" -std=gnu17 -O1 -D_GNU_SOURCE -I. -o "$TOOL" \
			tests/unit/cgroup_tool.c oci/base/*.c oci/spec/*.c runtime/cgroup/*.c -lyajl)
	fi
	export TOOL
}

setup() {
	lib_setup
	ID=mrun-cgtest-$$-$BATS_TEST_NUMBER
	S=$T/state
}

teardown() {
	if [ -f "$S" ]; then
		"$TOOL" kill "$S" 9 >/dev/null 2>&1
		"$TOOL" delete "$S" 2000 >/dev/null 2>&1
	fi
	lib_teardown
}

v1() { # CONTROLLER -> its mount point
	awk -v c="$1" '{ for (i = 7; i < NF && $i != "-"; i++); if ($(i + 1) == "cgroup" && ("," $(i + 3) ",") ~ "," c ",") { print $5; exit } }' /proc/self/mountinfo
}

need_v1() { # CONTROLLER…
	need_root
	local c
	for c; do
		[ -n "$(v1 "$c")" ] || skip "no cgroup v1 controller $c on this host (tested in the guest)"
		local probe
		probe=$(v1 "$c")/mrun-cgtest-probe-$$
		mkdir "$probe" 2>/dev/null || skip "may not make cgroups below $(v1 "$c")"
		rmdir "$probe"
	done
}

resources() { # JSON
	echo "$1" >"$T/resources.json"
}

# Starts a command in the container's cgroup in the background and waits until it is in.
background() { # OPTION… -- CMD
	"$TOOL" run "$S" "$ID" "$@" 3>&- &
	BG=$!
	for _ in {1..1000}; do
		[ ! -f "$S" ] || [ -z "$("$TOOL" pids "$S" 2>/dev/null)" ] || return 0
		sleep 0.02
	done
	return 1
}

# A namespace in which /sys/fs/cgroup is pure v2, without most controllers (v1 holds them). It is
# the host's hierarchy all the same: what gets enabled in its root is taken back.
in_v2() { # SCRIPT
	export TOOL S ID T
	unshare -m bash -euc "umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
		before=\" \$(cat /sys/fs/cgroup/cgroup.subtree_control) \"
		restore() {
			for c in \$(cat /sys/fs/cgroup/cgroup.subtree_control); do
				case \$before in *\" \$c \"*) ;; *)
					[ ! -d /sys/fs/cgroup/$ID ] || rmdir /sys/fs/cgroup/$ID
					echo -\$c >/sys/fs/cgroup/cgroup.subtree_control ;;
				esac
			done
		}
		trap restore EXIT
		$1"
}

need_v2_namespace() {
	need_root
	need unshare
	in_v2 'mkdir /sys/fs/cgroup/mrun-cgtest-probe && rmdir /sys/fs/cgroup/mrun-cgtest-probe' 2>/dev/null ||
		skip "cannot mount cgroup2 in a namespace here"
}

@test "v1: every limit is in its file" {
	need_v1 cpu memory pids cpuset
	resources '{"memory":{"limit":33554432,"reservation":16777216,"swappiness":10},
		"cpu":{"shares":512,"quota":50000,"period":200000,"cpus":"0","mems":"0"},"pids":{"limit":20}}'
	run "$TOOL" run "$S" "$ID" -p "/mrun-cgtest/$ID" -R "$T/resources.json" -- true
	[ "$status" -eq 0 ]
	local p=mrun-cgtest/$ID
	[ "$(cat "$(v1 memory)/$p/memory.limit_in_bytes")" = 33554432 ]
	[ "$(cat "$(v1 memory)/$p/memory.soft_limit_in_bytes")" = 16777216 ]
	[ "$(cat "$(v1 memory)/$p/memory.swappiness")" = 10 ]
	[ "$(cat "$(v1 cpu)/$p/cpu.shares")" = 512 ]
	[ "$(cat "$(v1 cpu)/$p/cpu.cfs_quota_us")" = 50000 ]
	[ "$(cat "$(v1 cpu)/$p/cpu.cfs_period_us")" = 200000 ]
	[ "$(cat "$(v1 cpuset)/$p/cpuset.cpus")" = 0 ]
	[ "$(cat "$(v1 pids)/$p/pids.max")" = 20 ]

	# The kernel checks limit against memory+swap: the order has to fit both ways.
	if [ -e "$(v1 memory)/$p/memory.memsw.limit_in_bytes" ]; then
		resources '{"memory":{"limit":67108864,"swap":67108864}}'
		"$TOOL" set "$S" "$T/resources.json"
		resources '{"memory":{"limit":8388608,"swap":16777216}}'
		"$TOOL" set "$S" "$T/resources.json"
		resources '{"memory":{"limit":33554432,"swap":33554432}}'
		"$TOOL" set "$S" "$T/resources.json"
		[ "$(cat "$(v1 memory)/$p/memory.limit_in_bytes")" = 33554432 ]
		[ "$(cat "$(v1 memory)/$p/memory.memsw.limit_in_bytes")" = 33554432 ]
	fi
	"$TOOL" delete "$S" 1000
	[ ! -e "$(v1 memory)/mrun-cgtest" ]
}

@test "the three ways in lead to the same cgroups" {
	need_v1 cpu memory
	local how
	for how in join clone attach; do
		run "$TOOL" run "$S" "$ID" -j "$how" -- cat /proc/self/cgroup
		[ "$status" -eq 0 ]
		echo "$output" >"$T/$how"
		"$TOOL" delete "$S" 1000
	done
	grep -q ":memory:.*/$ID" "$T/join"
	run grep -v "/$ID" "$T/join"
	[ "$status" -eq 1 ]
	cmp "$T/join" "$T/clone"
	cmp "$T/join" "$T/attach"
}

@test "memory limit: who exceeds it is killed, and it is counted" {
	need_v1 memory
	resources '{"memory":{"limit":20971520,"swap":20971520}}'
	[ -e "$(v1 memory)/memory.memsw.limit_in_bytes" ] || resources '{"memory":{"limit":20971520}}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- dd if=/dev/zero of=/dev/null bs=100M count=1
	[ "$status" -eq 137 ]
	[ "$("$TOOL" oom "$S")" -ge 1 ]
}

@test "pids limit: the fork that exceeds it fails" {
	need_v1 pids
	resources '{"pids":{"limit":5}}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- \
		bash -c 'for i in {1..10}; do sleep 0.2 & done 2>&1; wait'
	[[ "$output" == *"Resource temporarily unavailable"* ]]
	find "$(v1 pids)" -path "*/$ID/pids.events" -exec cat {} + >"$T/events"
	cat "$T/events"
	[ "$(awk '/max/ { print $2 }' "$T/events")" -ge 1 ]
}

@test "cpu quota: the container is throttled" {
	need_v1 cpu
	resources '{"cpu":{"quota":2000,"period":100000}}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- timeout 1 bash -c 'while :; do :; done'
	[ "$("$TOOL" stats "$S" | jq .cpu.throttling.throttledPeriods)" -ge 3 ]
	# About 0.02 s of processor time in 1 s, and what it took to start.
	[ "$("$TOOL" stats "$S" | jq .cpu.usage.total)" -lt 500000000 ]
}

@test "device rules: what is not listed cannot be opened; an update changes that" {
	need_v1 devices
	mknod "$T/zero" c 1 5
	mknod "$T/mem" c 1 1
	mknod "$T/kmsg" c 1 11
	resources '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- bash -c "
		true <$T/zero && echo zero; true <$T/mem || echo no-mem; true <$T/kmsg && echo kmsg
		true >$T/kmsg || echo no-write; mknod $T/made c 10 200 && echo made"
	[[ "$output" == *zero* && "$output" == *no-mem* && "$output" == *kmsg* ]]
	[[ "$output" == *no-write* && "$output" == *made* ]]
	resources '{"devices":[{"allow":false,"access":"rwm"}]}'
	"$TOOL" set "$S" "$T/resources.json"
	run "$TOOL" exec "$S" "" 0 bash -c "true <$T/kmsg || echo no-kmsg; true <$T/zero && echo zero"
	[[ "$output" == *no-kmsg* && "$output" == *zero* ]]
	# A hole in a wildcard, which v1 would silently ignore, is refused before anything is made.
	resources '{"devices":[{"allow":true,"type":"c","major":1,"access":"rw"},{"allow":false,"type":"c","major":1,"minor":1,"access":"w"}]}'
	run "$TOOL" set "$S" "$T/resources.json"
	[ "$status" -eq 125 ]
	[[ "$output" == *"cannot deny 'c 1:1 w' while 'c 1:* rw' is allowed"* ]]
}

@test "freeze, thaw, list and kill, children's processes too" {
	need_v1 freezer devices
	background -- bash -c 'sleep 100 & sleep 100 & wait'
	for _ in {1..200}; do [ "$("$TOOL" pids "$S" | wc -l)" -lt 3 ] || break; sleep 0.05; done
	[ "$("$TOOL" pids "$S" | wc -l)" -eq 3 ]
	"$TOOL" freeze "$S"
	[ "$("$TOOL" frozen "$S")" = 1 ]
	"$TOOL" thaw "$S"
	[ "$("$TOOL" frozen "$S")" = 0 ]
	# A child's process.
	mkdir "$(v1 devices)/$ID/child"
	"$TOOL" pids "$S" | tail -n 1 >"$(v1 devices)/$ID/child/cgroup.procs"
	[ "$("$TOOL" pids "$S" | wc -l)" -eq 3 ]
	# Frozen processes die as well.
	"$TOOL" freeze "$S"
	"$TOOL" kill "$S" 9
	run wait "$BG"
	[ -z "$("$TOOL" pids "$S")" ]
	"$TOOL" delete "$S" 2000
}

@test "a fork bomb is ended" {
	need_v1 freezer pids
	resources '{"pids":{"limit":200}}'
	background -R "$T/resources.json" -- bash -c 'f() { f | f & }; f; while :; do f; done' 2>/dev/null
	sleep 0.5
	"$TOOL" kill "$S" 9
	"$TOOL" delete "$S" 5000
	wait "$BG" || true
}

@test "delete: waits, names who is in the way, and leaves what is not ours" {
	need_v1 memory pids
	background -- sleep 100
	run "$TOOL" delete "$S" 100
	[ "$status" -eq 125 ]
	[[ "$output" == *"device or resource busy"*"1 process is still in it: $("$TOOL" pids "$S")"* ]]
	"$TOOL" kill "$S" 15
	wait "$BG" || true
	"$TOOL" delete "$S" 2000
	"$TOOL" delete "$S" 0

	# One that was there before is used, and stays.
	mkdir "$(v1 pids)/mrun-cgtest-foreign-$$"
	run "$TOOL" run "$S" "$ID" -p "/mrun-cgtest-foreign-$$" -- true
	[ "$status" -eq 0 ]
	"$TOOL" delete "$S" 1000
	[ -d "$(v1 pids)/mrun-cgtest-foreign-$$" ]
	[ ! -d "$(v1 memory)/mrun-cgtest-foreign-$$" ]
	# Not if somebody lives there.
	sleep 100 3>&- &
	echo $! >"$(v1 pids)/mrun-cgtest-foreign-$$/cgroup.procs"
	run "$TOOL" run "$S" "$ID" -p "/mrun-cgtest-foreign-$$" -- true
	kill %%
	wait %% 2>/dev/null || true
	for _ in {1..200}; do rmdir "$(v1 pids)/mrun-cgtest-foreign-$$" 2>/dev/null && break; sleep 0.05; done
	[ ! -e "$(v1 pids)/mrun-cgtest-foreign-$$" ]
	[ "$status" -eq 125 ]
	[[ "$output" == *"there are processes in it already"* ]]
}

@test "delete: a parent goes with the last container below it" {
	need_v1 pids
	"$TOOL" run "$S" a -p "/mrun-cgtest-$$/a" -- true
	"$TOOL" run "$T/state2" b -p "/mrun-cgtest-$$/b" -- true
	"$TOOL" delete "$S" 1000
	[ -d "$(v1 pids)/mrun-cgtest-$$/b" ]
	"$TOOL" delete "$T/state2" 1000
	[ ! -e "$(v1 pids)/mrun-cgtest-$$" ]
}

@test "delete: after a crash between plan and create nothing stays" {
	need_v1 pids
	"$TOOL" run "$S" "$ID"
	sed -i 's/"made"/"planned"/g' "$S"
	[ -d "$(v1 pids)/$ID" ]
	"$TOOL" delete "$S" 0
	[ ! -e "$(v1 pids)/$ID" ]
}

@test "a failed create takes back what it made" {
	need_v1 pids cpuset
	resources '{"cpu":{"cpus":"4000"}}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"set linux.resources.cpu.cpus: write '4000' to"* ]]
	[ -z "$(find /sys/fs/cgroup -name "$ID")" ]
}

@test "what cannot be is refused by name" {
	run "$TOOL" run "$S" "$ID" -p user.slice:mrun:c1 -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"linux.cgroupsPath"*"--systemd-cgroup"* ]]
	resources '{"pids":{"limit":5}}'
	run "$TOOL" run "$S" "$ID" -d -R "$T/resources.json" -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"linux.resources.pids.limit: cgroups are disabled"* ]]
	run "$TOOL" run "$S" "$ID" -d -- true
	[ "$status" -eq 0 ]
}

@test "v1 refuses unified keys" {
	need_v1 memory
	resources '{"unified":{"memory.high":"1000000"}}'
	run "$TOOL" run "$S" "$ID" -R "$T/resources.json" -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"linux.resources.unified: 'memory.high' needs cgroup v2"* ]]
}

@test "rootless: no limit, no fuss; a limit is an error with the way out" {
	need_v1 memory
	need setpriv
	chmod 711 "$T"
	cp "$TOOL" "$T/tool"
	chmod 755 "$T/tool"
	install -d -o 65534 -g 65534 "$T/nobody"
	local as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)
	echo '{"devices":[{"allow":false,"access":"rwm"}],"memory":{"limit":-1}}' >"$T/nobody/none"
	echo '{"memory":{"limit":33554432}}' >"$T/nobody/limit"
	run "${as[@]}" "$T/tool" run "$T/nobody/s" "$ID" -r -R "$T/nobody/none" -- echo ran
	[ "$status" -eq 0 ]
	[ "$output" = ran ]
	run "${as[@]}" "$T/tool" delete "$T/nobody/s" 0
	[ "$status" -eq 0 ]
	run "${as[@]}" "$T/tool" run "$T/nobody/s" "$ID" -r -R "$T/nobody/limit" -- echo ran
	[ "$status" -eq 125 ]
	[[ "$output" == *memory*"permission denied"*"hint: cgroup v1 has no delegation"* ]]
	[ -z "$(find /sys/fs/cgroup -name "$ID")" ]
}

@test "stats have runc's names" {
	need_v1 memory cpuacct pids
	background -- sleep 100
	# It may have used nothing yet: the kernel counts in batches.
	for _ in {1..100}; do
		"$TOOL" stats "$S" >"$T/stats"
		! jq -e '.cpu.usage.total > 0 and .memory.usage.usage > 0' "$T/stats" || break
		sleep 0.1
	done
	jq -e '.cpu.usage.total > 0 and (.cpu.usage.percpu | length) > 0 and
		.memory.usage.usage > 0 and .memory.usage.limit > 0 and .memory.raw.cache >= 0 and
		.pids.current == 1 and (.blkio | type) == "object" and (.hugetlb | type) == "object"' "$T/stats"
	"$TOOL" kill "$S" 9
	wait "$BG" || true
}

@test "pure v2: enter, devices by eBPF and their update, freeze, kill, delete" {
	need_v2_namespace
	mknod "$T/kmsg" c 1 11
	mknod "$T/zero" c 1 5
	resources '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"access":"rw"},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}'
	echo '{"devices":[{"allow":false,"access":"rwm"}]}' >"$T/second.json"
	in_v2 '
		"$TOOL" run "$S" "$ID" -R "$T/resources.json" -j clone -- bash -c "
			grep ^0:: /proc/self/cgroup; true <$T/zero && echo zero
			true <$T/kmsg && echo read; true >$T/kmsg || echo no-write" >"$T/out" 2>/dev/null
		"$TOOL" set "$S" "$T/second.json"
		"$TOOL" exec "$S" "" 0 bash -c "true <$T/kmsg || echo no-read; true <$T/zero && echo still" >>"$T/out" 2>/dev/null
		"$TOOL" exec "$S" "" 0 sleep 100 3>&- &
		for _ in {1..200}; do [ -z "$("$TOOL" pids "$S")" ] || break; sleep 0.05; done
		"$TOOL" freeze "$S"; "$TOOL" frozen "$S" >>"$T/out"
		"$TOOL" kill "$S" 9
		wait $! || true
		"$TOOL" chown "$S" 65534
		stat -c %u "/sys/fs/cgroup/$ID" "/sys/fs/cgroup/$ID/cgroup.procs" "/sys/fs/cgroup/$ID/cgroup.freeze" >>"$T/out"
		mkdir -p "/sys/fs/cgroup/$ID/a/b"
		"$TOOL" delete "$S" 2000
		[ ! -e "/sys/fs/cgroup/$ID" ]'
	[ "$(cat "$T/out")" = "0::/$ID
zero
read
no-write
no-read
still
1
65534
65534
0" ]
}

@test "pure v2: a limit without its controller names the controller" {
	need_v2_namespace
	resources '{"memory":{"limit":33554432}}'
	run in_v2 'grep -qw memory /sys/fs/cgroup/cgroup.controllers && exit 78
		"$TOOL" run "$S" "$ID" -R "$T/resources.json" -- true'
	[ "$status" -ne 78 ] || skip "memory is a v2 controller here (tested in the guest)"
	[ "$status" -eq 125 ]
	[[ "$output" == *"set linux.resources.memory.limit: controller memory is not available in cgroup /sys/fs/cgroup/$ID"* ]]
	# Clients of runc would take it for a missing program.
	[[ "$output" != *"no such file"* ]]
	resources '{"memory":{"swappiness":5}}'
	run in_v2 '"$TOOL" run "$S" "$ID" -R "$T/resources.json" -- true'
	[[ "$output" == *"linux.resources.memory.swappiness: cgroup v2 has nothing like it"* ]]
}

# With mrun itself, whose record is from before the cgroup was made.
mrun_bundle() { # ARGS-JSON RESOURCES-JSON [JQ]
	rm -rf b
	bundle b ".process.args = $1 | .linux.resources = {$2} | .linux.cgroupsPath = \"/$ID\" | ${3:-.}"
}

@test "run: who exceeds the memory limit is killed, and that is said" {
	need_v1 memory
	mrun_bundle '["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]' 'memory: {limit: 20971520}'
	run "$MRUN" run -b b "$ID" </dev/null
	echo "$status: $output"
	[ "$status" -eq 137 ]
	[ "$output" = "mrun: container $ID: killed: out of memory (limit 20 MiB)" ]
	mrun_bundle '["sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1; echo survived"]' 'memory: {limit: 20971520}'
	run "$MRUN" run -b b "$ID" </dev/null
	echo "$status: $output"
	[ "$status" -eq 0 ]
	[[ "$output" == *survived*"mrun: container $ID: out of memory (limit 20 MiB): the kernel killed 1 of its processes" ]]
	# No word of it where the code only looks like it.
	mrun_bundle '["sh", "-c", "exit 137"]' 'memory: {limit: 20971520}'
	run "$MRUN" run -b b "$ID" </dev/null
	echo "$status: $output"
	[ "$status" -eq 137 ]
	[ -z "$output" ]
}

# Not named mrun…: what is empty and called so, other tests may take for left behind.
@test "run: a cgroup from before is used, and stays" {
	need_v1 pids
	local dir
	dir=$(v1 pids)/cgtest-before-$$
	mkdir "$dir"
	mrun_bundle '["cat", "/proc/self/cgroup"]' 'pids: {limit: 20}' 'del(.linux.namespaces[] | select(.type == "cgroup")) |
		.linux.cgroupsPath = "/cgtest-before-'$$'"'
	run "$MRUN" run -b b "$ID" </dev/null
	cat "$dir/pids.max" >left || true
	rmdir "$dir"
	[ "$status" -eq 0 ]
	[[ "$output" == *":pids:/cgtest-before-$$"* ]]
	[ "$(cat left)" = 20 ]
	[ -z "$(find /sys/fs/cgroup -name "cgtest-before-$$")" ]
}
