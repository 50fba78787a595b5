#!/usr/bin/env bats
# ps, pause, resume, update, events, delete --regex, and the commands that are refused.
# shellcheck disable=SC2016,SC2030,SC2031
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-c$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	"$MRUN" delete -f --regex "^$ID" >/dev/null 2>&1
	lib_teardown
}

waiting() { # [JQ [SCRIPT]]
	bundle b ".process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "${2:-sleep 1000 & wait}" '$s')]
		| .linux.cgroupsPath = \"/$ID\" | ${1:-.}"
	"$MRUN" run -d --pid-file init --bundle b "$ID" </dev/null >log 2>&1 || {
		cat log
		return 1
	}
}
stopped() {
	local _
	"$MRUN" kill "$ID" KILL
	for _ in {1..100}; do [ "$("$MRUN" state "$ID" | jq -r .status)" = stopped ] && return; sleep 0.05; done
	return 1
}
v1() { # CONTROLLER -> the container's directory
	awk -v c="$1" -v id="$ID" '$3 == "cgroup" && ("," $4 ",") ~ ("," c ",") { print $2 "/" id; exit }' /proc/mounts
}
need_v1() {
	need_root
	local c
	for c; do [ -n "$(v1 "$c")" ] || skip "no cgroup v1 controller $c on this host (v2 is tested in the guest)"; done
}
setting() { # CONTROLLER FILE
	cat "$(v1 "$1")/$2"
}

@test "ps: the table is the host's, the ids are JSON" {
	need_root
	need ps
	waiting
	for _ in {1..100}; do [ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 2 ] && break; sleep 0.05; done
	run -0 "$MRUN" ps --format json "$ID"
	[ "$(jq -c 'sort' <<<"$output")" = "$(pgrep -g "$(cat init)" | sort -n | jq -sc .)" ]
	run -0 "$MRUN" ps "$ID"
	[[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]]
	[ ${#lines[@]} -eq 3 ]
	[[ $output == *"sleep 1000"* ]]
	run -0 "$MRUN" ps "$ID" -o pid,comm
	[[ ${lines[0]} =~ ^\ *PID\ +COMMAND$ ]]
	[ ${#lines[@]} -eq 3 ]
	run -0 "$MRUN" ps -f table "$ID" aux
	[[ ${lines[0]} == USER*PID* ]]
	run -1 "$MRUN" ps "$ID" -o comm
	[[ $output == *"couldn't find PID field in ps output"* ]]
	run -1 "$MRUN" ps "$ID" --no-such-option
	[[ $output == *ps:* ]]
	run -1 "$MRUN" ps --format yaml "$ID"
	run -1 "$MRUN" ps none
	run -1 "$MRUN" ps
	# A ps in PATH is not what runs.
	mkdir bin
	printf '#!/bin/sh\necho trap\n' >bin/ps
	chmod 755 bin/ps
	PATH=$T/bin:$PATH run -0 "$MRUN" ps "$ID"
	[[ $output != *trap* ]]
	stopped
	run -0 "$MRUN" ps "$ID"
	[ ${#lines[@]} -eq 1 ]
	[ "$("$MRUN" ps --format json "$ID")" = "[]" ]
}

@test "pause and resume: nothing runs in between" {
	need_root
	waiting '.root.readonly = false' 'i=0; while :; do i=$((i + 1)); echo $i >/count; done'
	run -1 "$MRUN" resume "$ID"
	[[ $output == *"container not paused"* ]]
	"$MRUN" pause "$ID"
	[ "$("$MRUN" state "$ID" | jq -r .status)" = paused ]
	[ "$("$MRUN" list --format json | jq -r '.[0].status')" = paused ]
	before=$(cat b/rootfs/count)
	sleep 0.3
	[ "$(cat b/rootfs/count)" = "$before" ]
	run -1 "$MRUN" pause "$ID"
	[[ $output == *"container not running"* ]]
	run -1 "$MRUN" delete "$ID"
	"$MRUN" resume "$ID"
	[ "$("$MRUN" state "$ID" | jq -r .status)" = running ]
	# (The file is empty for a moment each time, also when it was paused.)
	for _ in {1..100}; do
		now=$(cat b/rootfs/count)
		[ "$now" = "$before" ] || break
		sleep 0.1
	done
	[ "$now" != "$before" ]
	# KILL reaches a paused one, too.
	"$MRUN" pause "$ID"
	stopped
	run -1 "$MRUN" pause "$ID"
	[[ $output == *"container not running"* ]]
	run -1 "$MRUN" resume "$ID"
	run -1 "$MRUN" pause none
	[[ $output == *"does not exist"* ]]
	"$MRUN" delete "$ID"
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" pause "$ID"
	"$MRUN" delete --force "$ID"
	# Created, paused, resumed, started.
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" pause "$ID"
	[ "$("$MRUN" state "$ID" | jq -r .status)" = paused ]
	"$MRUN" resume "$ID"
	[ "$("$MRUN" state "$ID" | jq -r .status)" = created ]
	"$MRUN" start "$ID"
}

@test "update: every flag reaches the kernel" {
	need_v1 memory cpu cpuset pids
	waiting '.linux.resources = {memory: {limit: 104857600, swap: 209715200}}'
	"$MRUN" update --memory 64m --memory-reservation 32M --memory-swap 128m "$ID"
	[ "$(setting memory memory.limit_in_bytes)" = 67108864 ]
	[ "$(setting memory memory.soft_limit_in_bytes)" = 33554432 ]
	[ "$(setting memory memory.memsw.limit_in_bytes)" = 134217728 ]
	# Up again, in the order that the kernel wants; and without a limit.
	"$MRUN" update --memory 268435456 --memory-swap 300m "$ID"
	[ "$(setting memory memory.limit_in_bytes)" = 268435456 ]
	"$MRUN" update --memory -1 --memory-swap -1 "$ID"
	[ "$(setting memory memory.limit_in_bytes)" -gt 1000000000000 ]
	"$MRUN" update --cpu-period 50000 --cpu-quota 25000 --cpu-share 512 --cpu-burst 1000 "$ID"
	[ "$(setting cpu cpu.cfs_period_us) $(setting cpu cpu.cfs_quota_us) $(setting cpu cpu.shares)" = "50000 25000 512" ]
	[ "$(setting cpu cpu.cfs_burst_us)" = 1000 ]
	# What is not given stays.
	"$MRUN" update --cpu-quota 30000 "$ID"
	[ "$(setting cpu cpu.cfs_period_us) $(setting cpu cpu.cfs_quota_us) $(setting cpu cpu.shares)" = "50000 30000 512" ]
	"$MRUN" update --cpu-quota=-1 --cpu-burst 0 --cpu-idle 1 "$ID"
	[ "$(setting cpu cpu.cfs_quota_us) $(setting cpu cpu.idle)" = "-1 1" ]
	"$MRUN" update --cpu-idle 0 "$ID"
	[ "$(setting cpu cpu.idle)" = 0 ]
	"$MRUN" update --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 77 "$ID"
	[ "$(setting cpuset cpuset.cpus) $(setting cpuset cpuset.mems) $(setting pids pids.max)" = "0 0 77" ]
	[ "$("$MRUN" exec "$ID" grep Cpus_allowed_list /proc/self/status)" = "Cpus_allowed_list:	0" ]
	# As runc's flags have it; the quota and the like are in base ten.
	for value in 0x10=16 010=8 0o20=16 0b11=3 1_000=1000 +7=7 77=77; do
		"$MRUN" update --pids-limit "${value%=*}" "$ID"
		[ "$(setting pids pids.max)" = "${value#*=}" ]
	done
	"$MRUN" update --pids-limit -1 --kernel-memory 1g --kernel-memory-tcp 16m "$ID"
	[ "$(setting pids pids.max)" = max ]
	[ "$(setting memory memory.kmem.tcp.limit_in_bytes)" = 16777216 ]
	if [ -f "$(v1 cpu)/cpu.rt_runtime_us" ]; then
		"$MRUN" update --cpu-rt-period 900000 --cpu-rt-runtime 0 "$ID"
		[ "$(setting cpu cpu.rt_period_us)" = 900000 ]
	fi
	if [ -f "$(v1 blkio)/blkio.bfq.weight" ] || [ -f "$(v1 blkio)/blkio.weight" ]; then
		"$MRUN" update --blkio-weight 300 "$ID"
		[ "$(cat "$(v1 blkio)/blkio.bfq.weight" 2>/dev/null || setting blkio blkio.weight)" = 300 ]
	fi
	"$MRUN" update "$ID"
}

@test "update --resources: JSON from a file and from standard input" {
	need_v1 cpu pids
	waiting '.linux.resources = {pids: {limit: 200}}'
	echo '{"pids": {"limit": 42}, "cpu": {"quota": 50000, "period": 100000, "shares": 100}}' >r.json
	"$MRUN" update --resources r.json --pids-limit 7 "$ID"
	[ "$(setting pids pids.max) $(setting cpu cpu.cfs_quota_us)" = "42 50000" ]
	echo '{"pids": {"limit": 43}}' | "$MRUN" update --resources - "$ID"
	[ "$(setting pids pids.max) $(setting cpu cpu.shares)" = "43 100" ]
	# What Go's zero values mean: nothing.
	echo '{"memory": {}, "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""}, "pids": {"limit": 0}, "blockIO": {"weight": 0}}' |
		"$MRUN" update -r - "$ID"
	[ "$(setting pids pids.max) $(setting cpu cpu.shares)" = "43 100" ]
	run -1 bash -c "echo '{' | '$MRUN' update -r - '$ID'"
	[[ $output == *"standard input"* ]]
	run -1 bash -c "echo '{\"pids\": {\"limit\": \"x\"}}' | '$MRUN' update -r - '$ID'"
	[[ $output == *"pids.limit: expected"* ]]
	run -1 "$MRUN" update --resources none.json "$ID"
	[[ $output == *"no such file or directory"* ]]
}

@test "update: what is refused" {
	need_root
	waiting
	for o in --memory=x --memory=1q --pids-limit=5x --cpu-share=-1 --cpu-period=1.5 --blkio-weight=99999; do
		run -1 "$MRUN" update "$o" "$ID"
		[[ $output == *"invalid value for ${o%%=*}"* || $output == *"invalid value for ${o#--}"* || $output == *"invalid value for $(sed 's/^--//; s/=.*//' <<<"$o")"* ]]
	done
	for o in --pids-limit=08 --pids-limit=0x --pids-limit=1__0 --blkio-weight=-0x1 --cpu-quota=0x1000 --cpu-share=0x10; do
		run -1 "$MRUN" update "$o" "$ID"
		[[ $output == *"invalid value for $(sed 's/^--//; s/=.*//' <<<"$o")"* ]]
	done
	run -1 "$MRUN" update --l3-cache-schema L3:0=f "$ID"
	[[ $output == *--l3-cache-schema*"not supported"* ]]
	run -1 "$MRUN" update --mem-bw-schema MB:0=50 "$ID"
	[[ $output == *--mem-bw-schema*"not supported"* ]]
	run -1 "$MRUN" update --cpuset-cpus 999 "$ID"
	[[ $output == *cpu* ]]
	run -1 "$MRUN" update --pids-limit 5 none
	[[ $output == *"does not exist"* ]]
	stopped
	run -1 "$MRUN" update --pids-limit 5 "$ID"
	[[ $output == *"container not running"* ]]
}

@test "update: a value that the kernel has not, of each flag and of each resource, is refused by its name" {
	need_v1 memory cpu cpuset pids blkio
	waiting '.linux.resources = {memory: {limit: 104857600, swap: 209715200}}'
	settings() { for c in memory cpu cpuset pids blkio; do (cd "$(v1 $c)" && grep -s . memory.*limit_in_bytes cpu.* cpuset.[cm]* pids.max blkio.*weight || true) | grep -v 'usage\|stat'; done; }
	settings >before
	while read -r value name; do
		run -1 "$MRUN" update "--$value" "$ID"
		[[ $output == *"$name"* ]] || {
			echo "$value: $output"
			return 1
		}
	done <<-'END'
		cpu-share=1 linux.resources.cpu.shares: 1 is not between 2 and 262144
		cpu-share=262145 linux.resources.cpu.shares: 262145 is not between 2 and 262144
		cpu-period=999 linux.resources.cpu.period
		cpu-period=1000001 linux.resources.cpu.period
		cpu-period=-1 invalid value for cpu-period
		cpu-quota=999 linux.resources.cpu.quota
		cpu-quota=9223372036854775808 invalid value for cpu-quota
		cpu-burst=99999999999999999 linux.resources.cpu.burst
		cpu-burst=-1 invalid value for cpu-burst
		cpu-idle=2 linux.resources.cpu.idle
		cpu-idle=-1 linux.resources.cpu.idle
		cpuset-cpus=x linux.resources.cpu.cpus
		cpuset-cpus=1-0 linux.resources.cpu.cpus
		cpuset-mems=999 linux.resources.cpu.mems
		memory=1 linux.resources.memory.limit
		memory=-2 invalid value for memory
		memory=9223372036854775808 invalid value for memory
		memory-swap=1 linux.resources.memory.swap
		memory-swap=-2 invalid value for memory-swap
		memory-reservation=-2 invalid value for memory-reservation
		kernel-memory=x invalid value for kernel-memory
		kernel-memory-tcp=x invalid value for kernel-memory-tcp
		pids-limit=4194305 linux.resources.pids.limit
		pids-limit=9223372036854775808 invalid value for pids-limit
		blkio-weight=1001 linux.resources.blockIO.weight
		blkio-weight=65536 invalid value for blkio-weight
		blkio-weight=-1 invalid value for blkio-weight
	END
	if [ -f "$(v1 cpu)/cpu.rt_runtime_us" ]; then
		run -1 "$MRUN" update --cpu-rt-runtime 999999999 "$ID"
		[[ $output == *linux.resources.cpu.realtimeRuntime* ]]
		run -1 "$MRUN" update --cpu-rt-period=-1 "$ID"
		[[ $output == *"invalid value for cpu-rt-period"* ]]
	fi
	while read -r name json; do
		run -1 bash -c '"$0" update -r - "$1" <<<"$2"' "$MRUN" "$ID" "$json"
		[[ $output == *"$name"* ]] || {
			echo "$json: $output"
			return 1
		}
	done <<-'END'
		linux.resources.cpu.shares {"cpu": {"shares": 1}}
		linux.resources.memory.limit {"memory": {"limit": -2}}
		linux.resources.memory.limit {"memory": {"limit": 4096, "checkBeforeUpdate": true}}
		linux.resources.memory.swap {"memory": {"limit": 104857600, "swap": 10}}
		linux.resources.memory.swap {"memory": {"swap": -2}}
		linux.resources.memory.reservation {"memory": {"reservation": -5}}
		linux.resources.memory.swappiness {"memory": {"swappiness": 101}}
		linux.resources.memory.useHierarchy {"memory": {"useHierarchy": false}}
		linux.resources.blockIO.leafWeight {"blockIO": {"leafWeight": 5}}
		linux.resources.blockIO.weightDevice {"blockIO": {"weightDevice": [{"major": 4095, "minor": 0, "weight": 5}]}}
		linux.resources.blockIO.weightDevice[1] {"blockIO": {"weightDevice": [{"major": 7, "minor": 0, "weight": 0}, {"major": 7, "minor": 1}]}}
		linux.resources.blockIO.throttleReadBpsDevice {"blockIO": {"throttleReadBpsDevice": [{"major": 4095, "minor": 0, "rate": 100}]}}
		linux.resources.blockIO.throttleWriteBpsDevice {"blockIO": {"throttleWriteBpsDevice": [{"major": 4095, "minor": 0, "rate": 100}]}}
		linux.resources.blockIO.throttleReadIOPSDevice {"blockIO": {"throttleReadIOPSDevice": [{"major": 4095, "minor": 0, "rate": 100}]}}
		linux.resources.blockIO.throttleWriteIOPSDevice {"blockIO": {"throttleWriteIOPSDevice": [{"major": 4095, "minor": 0, "rate": 100}]}}
		linux.resources.hugepageLimits {"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
		linux.resources.network.priorities {"network": {"priorities": [{"name": "no-such-device", "priority": 5}]}}
		linux.resources.rdma {"rdma": {"none": {"hcaHandles": 5}}}
		linux.resources.unified {"unified": {"memory.high": "5000000"}}
		linux.resources.devices[0].access {"devices": [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "q"}]}
		linux.resources.devices[0].type {"devices": [{"allow": true, "type": "z", "major": 1, "minor": 3, "access": "r"}]}
	END
	settings | diff before -
	# The same at the start.
	"$MRUN" delete -f "$ID"
	jq '.linux.resources = {cpu: {shares: 1}}' b/config.json >c && mv c b/config.json
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"linux.resources.cpu.shares: 1 is not between"* ]]
}

@test "the limit that no kernel has any more is taken, as runc takes it, and the log says that it has no effect" {
	need_v1 memory
	waiting '.linux.resources = {memory: {kernel: 104857600}}'
	"$MRUN" --log l update --kernel-memory 1g "$ID"
	grep -q 'level=warning msg="linux.resources.memory.kernel: .*has no effect' l
	rm l
	"$MRUN" --log l update --kernel-memory-tcp 16m "$ID"
	[ ! -s l ]
	"$MRUN" delete -f "$ID"
	"$MRUN" --log l run -d --bundle b "$ID" </dev/null >log 2>&1
	grep -q 'level=warning msg="linux.resources.memory.kernel: .*has no effect' l
}

@test "events --stats: one line in runc's shape" {
	need_root
	waiting
	run -0 "$MRUN" events --stats "$ID"
	[ ${#lines[@]} -eq 1 ]
	[ "$(jq -r '.type + " " + .id' <<<"$output")" = "stats $ID" ]
	jq -e '.data | (.cpu.usage.total | type == "number") and (.memory.usage.usage | type == "number")
		and (.pids.current | type == "number") and has("blkio") and has("hugetlb")' <<<"$output"
	[ "$(jq .data.pids.current <<<"$output")" -ge 1 ]
	if command -v runc >/dev/null; then
		"$MRUN" delete -f "$ID"
		jq '.ociVersion = "1.0.2" | .linux.seccomp = null' b/config.json >c && mv c b/config.json
		runc --root "$T/runc" run -d --bundle b "$ID" </dev/null >log 2>&1
		runc --root "$T/runc" events --stats "$ID" >theirs
		runc --root "$T/runc" delete -f "$ID"
		# Every key that runc prints a value for is there, with one of the same type.
		jq -r 'paths(type != "object" and type != "array") as $p | [($p | map(select(type == "string")) | join(".")), (getpath($p) | type)] | join(" ")' theirs |
			grep -v '^data.blkio\|^data.memory.raw\| null$' | sort -u >their.keys
		jq -r 'paths(type != "object" and type != "array") as $p | [($p | map(select(type == "string")) | join(".")), (getpath($p) | type)] | join(" ")' <<<"$output" | sort -u >our.keys
		[ -s their.keys ]
		[ -z "$(comm -23 their.keys our.keys)" ] || { comm -23 their.keys our.keys; false; }
	fi
}

@test "events: again and again, until the container ends" {
	need_root
	waiting
	"$MRUN" events --interval 200ms "$ID" >out 3>&- &
	events=$!
	sleep 1
	stopped
	wait $events
	[ "$(wc -l <out)" -ge 3 ]
	[ "$(wc -l <out)" -le 6 ]
	[ "$(jq -r .type out | sort -u)" = stats ]
	run -1 "$MRUN" events "$ID"
	[[ $output == *"container with id $ID is not running"* ]]
	run -1 "$MRUN" events --stats "$ID"
	run -1 "$MRUN" events none
	for t in x 5 s 5y -1s '' 1s2; do
		run -1 "$MRUN" events "--interval=$t" "$ID"
	done
	run -1 "$MRUN" events --interval 0 "$ID"
	[[ $output == *"duration interval must be greater than 0"* ]]
	run -1 "$MRUN" events --interval 0s "$ID"
	[[ $output == *"duration interval must be greater than 0"* ]]
	# A reader that goes away ends it.
	"$MRUN" delete "$ID"
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	timeout 10 "$MRUN" events --interval 1ms "$ID" | head -n 2 >out
	[ "$(wc -l <out)" -eq 2 ]
}

@test "events: a process that the kernel kills for want of memory" {
	need_v1 memory
	waiting '.linux.resources = {memory: {limit: 31457280, swap: 31457280}}'
	"$MRUN" events --interval 1h "$ID" >out 3>&- &
	events=$!
	sleep 0.3
	run "$MRUN" exec "$ID" sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x)'
	[ "$status" -ne 0 ]
	for _ in {1..100}; do [ -s out ] && break; sleep 0.05; done
	stopped
	wait $events
	[ "$(jq -rs '.[0] | .type + " " + .id' out)" = "oom $ID" ]
}

@test "delete --regex: all that match, and only those" {
	need_root
	bundle b '.process.args = ["/bin/sleep", "1000"]'
	for n in a1 a2 b1; do
		"$MRUN" create --bundle b "$ID-$n" </dev/null >log 2>&1
	done
	"$MRUN" start "$ID-a2"
	run -1 "$MRUN" delete --regex "^$ID-a[0-9]\$"
	[[ $output == *"$ID-a2 that is not stopped"* ]]
	[ "$("$MRUN" list -q | tr '\n' ' ')" = "$ID-a2 $ID-b1 " ]
	"$MRUN" delete --force --regex "^$ID-a[0-9]\$"
	[ "$("$MRUN" list -q)" = "$ID-b1" ]
	"$MRUN" delete --regex "^none\$"
	run -1 "$MRUN" delete --regex "("
	[[ $output == *--regex* ]]
	"$MRUN" delete -f -r "$ID"
	[ -z "$("$MRUN" list -q)" ]
}

@test "a cgroup that the container has children in is deleted, and at once" {
	need_v1 pids
	waiting
	mkdir "$(v1 pids)/child" "$(v1 pids)/child/deeper"
	SECONDS=0
	"$MRUN" delete -f "$ID"
	[ $SECONDS -lt 5 ]
	[ ! -e "$(v1 pids)" ]
}

@test "checkpoint and restore are refused by name" {
	for c in checkpoint restore; do
		run -1 "$MRUN" "$c" --image-path x "$ID"
		[[ $output == *"$c: mrun does not support"* ]]
		run -0 "$MRUN" "$c" -h
		[ "${lines[0]}" = NAME: ]
	done
	for c in exec ps pause resume update events delete; do
		run -0 "$MRUN" "$c" -h
		[ "${lines[0]}" = NAME: ]
		run -1 "$MRUN" "$c"
		run -1 "$MRUN" "$c" --no-such-option "$ID"
	done
}

@test "rootless: without a cgroup, what needs one says so" {
	mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/b" 2>/dev/null || true
	as_user sh -c "cd b && '$MRUN' spec --rootless"
	jq '.process.terminal = false | .process.args = ["/bin/sh", "-c", "sleep 1000 & wait"]' "$TEST_HOME/b/config.json" >c
	cat c >"$TEST_HOME/b/config.json"
	as_user sh -c "'$MRUN' run -d --bundle b '$ID' </dev/null >log 2>&1"
	sleep 0.2
	[ "$(as_user "$MRUN" ps --format json "$ID" | jq length)" -eq 2 ]
	run -0 as_user "$MRUN" ps "$ID"
	[ ${#lines[@]} -eq 3 ]
	if as_user test -w /sys/fs/cgroup/cgroup.procs; then
		skip "this user has a cgroup of its own"
	fi
	for c in pause "update --pids-limit 5" "events --stats"; do
		# shellcheck disable=SC2086
		run -1 as_user "$MRUN" $c "$ID"
		[[ $output == *cgroup* ]]
	done
	as_user "$MRUN" delete -f "$ID"
}
