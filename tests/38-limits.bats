#!/usr/bin/env bats
# The limits of `mrun IMAGE`: docker's options, enforced and not only written. Here by what this host
# mounts of cgroup v1; v2 with delegation is tested in a guest.
# shellcheck disable=SC2016,SC2154 # programs for other shells; bats's variables
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	need_root
	"$MRUN" load -q -i "$(hello_image)"
	N=mrun-l$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$N" >/dev/null 2>&1
	lib_teardown
}

need_v1() { # CONTROLLER…: writable here
	local controller dir
	for controller; do
		dir=/sys/fs/cgroup/$controller
		{ [ -d "$dir" ] && mkdir "$dir/$N" 2>/dev/null && rmdir "$dir/$N"; } ||
			skip "no writable cgroup v1 with $controller on this host"
	done
}
# A file of the running container's cgroup.
cg() { # CONTROLLER FILE
	cat "$(find "/sys/fs/cgroup/$1" -type d -name "$N" -print -quit)/$2"
}
d() { "$MRUN" -d --name "$N" "$@" $I sleep 1000 </dev/null 3>&-; }

@test "--memory: who takes more is killed; with as much swap, unless --memory-swap says otherwise" {
	need_v1 memory
	run -137 "$MRUN" -m 20m --memory-swap 20m --network none $I sh -c 'head -c 100m /dev/zero | tail'
	swap=$(test -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes && echo yes || true)
	d -m 64m --memory-reservation 32m --memory-swappiness 7
	[ "$(cg memory memory.limit_in_bytes)" = $((64 << 20)) ]
	[ "$(cg memory memory.soft_limit_in_bytes)" = $((32 << 20)) ]
	[ "$(cg memory memory.swappiness)" = 7 ]
	[ -z "$swap" ] || [ "$(cg memory memory.memsw.limit_in_bytes)" = $((128 << 20)) ]
	"$MRUN" delete -f "$N"
	[ -n "$swap" ] || skip "this kernel does not account for swap"
	d -m 64m --memory-swap 64m
	[ "$(cg memory memory.memsw.limit_in_bytes)" = $((64 << 20)) ]
	"$MRUN" delete -f "$N"
	d -m 64m --memory-swap -1
	[ "$(cg memory memory.memsw.limit_in_bytes)" -gt $((1 << 40)) ]
	"$MRUN" delete -f "$N"
	# docker's 0: not given.
	d -m 64m --memory-swap 0
	[ "$(cg memory memory.memsw.limit_in_bytes)" = $((128 << 20)) ]
}

@test "--pids-limit: what forks too often cannot" {
	need_v1 pids
	run ! "$MRUN" --pids-limit 6 --network none $I sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all'
	[[ $output == *"fork"* ]]
	[[ $output != *all* ]]
	run -0 "$MRUN" --pids-limit -1 $I sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait; echo all'
	[ "$output" = all ]
}

@test "--cpus, --cpu-quota, --cpu-period, --cpu-shares, --cpuset-cpus" {
	need_v1 cpu cpuset
	d --cpus 0.02 --cpu-shares 512 --cpuset-cpus 0
	[ "$(cg cpu cpu.cfs_quota_us) $(cg cpu cpu.cfs_period_us) $(cg cpu cpu.shares)" = "2000 100000 512" ]
	[ "$("$MRUN" exec "$N" sh -c 'grep Cpus_allowed_list /proc/self/status | cut -f 2')" = 0 ]
	# A program that never rests is held back (so soon that a busy machine does not do it first).
	"$MRUN" exec -d "$N" sh -c 'while :; do :; done' </dev/null 3>&-
	for _ in {1..200}; do
		[ "$(cg cpu cpu.stat | awk '/nr_throttled/ { print $2 }')" -eq 0 ] || break
		sleep 0.1
	done
	[ "$(cg cpu cpu.stat | awk '/nr_throttled/ { print $2 }')" -gt 0 ]
	"$MRUN" delete -f "$N"
	d --cpu-period 50000 --cpu-quota 25000
	[ "$(cg cpu cpu.cfs_quota_us) $(cg cpu cpu.cfs_period_us)" = "25000 50000" ]
	run -125 "$MRUN" --cpus 1 --cpu-quota 5000 $I true
	[[ $output == *"give one of them"* ]]
	run -125 "$MRUN" --cpuset-cpus 4000 $I true
	[[ $output == *"linux.resources.cpu.cpus"* ]]
}

@test "block I/O: --blkio-weight and the rates of devices" {
	run -125 "$MRUN" --device-read-bps /dev/null:1m $I true
	[[ $output == *"--device-read-bps: /dev/null is not a block device"* ]]
	run -125 "$MRUN" --device-write-iops /no/such:10 $I true
	[[ $output == *"--device-write-iops: /no/such: no such file"* ]]
	run -125 "$MRUN" --device-read-iops /dev/sda $I true
	[[ $output == *"is not DEVICE:NUMBER"* ]]
	run -125 "$MRUN" --blkio-weight 9 $I true
	[[ $output == *"not between 10 and 1000"* ]]
	device=$(find /dev -maxdepth 1 -type b -print -quit)
	[ -n "$device" ] || skip "there is no block device here"
	need_v1 blkio
	[ -e /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device ] || skip "this kernel does not limit block I/O"
	d --device-read-bps "$device:1m" --device-write-iops "$device:9"
	[[ $(cg blkio blkio.throttle.read_bps_device) == *" 1048576" ]]
	[[ $(cg blkio blkio.throttle.write_iops_device) == *" 9" ]]
}

@test "--cgroup-parent: the container's cgroup is made below it" {
	need_v1 pids
	d --cgroup-parent "/$N-parent"
	[ -d "/sys/fs/cgroup/pids/$N-parent/$N" ]
	"$MRUN" delete -f "$N"
}

@test "a user without delegation: a limit that cannot be set is an error that says what to do" {
	need_v1 memory
	! as_user test -w /sys/fs/cgroup/memory || skip "the user may make cgroups here"
	run -125 as_user "$MRUN" -m 64m $I true
	[[ $output == *memory*"hint: cgroup v1 has no delegation to users"* ]]
	run -125 as_user "$MRUN" -d -m 64m $I true
	[[ $output == *memory*"hint: cgroup v1 has no delegation to users"* ]]
	[ -z "$(as_user "$MRUN" list -q)" ]
	# No limit asked for, no fuss.
	id=$(as_user "$MRUN" -d $I sleep 1000 3>&-)
	run -1 as_user "$MRUN" pause "$id"
	[[ $output == *"has no cgroup"* ]]
	as_user "$MRUN" delete -f "$id"
}

@test "--oom-score-adj, --domainname, --label-file, --annotation, --dns-opt" {
	[ "$("$MRUN" --oom-score-adj 321 $I cat /proc/self/oom_score_adj)" = 321 ]
	[ "$(as_user "$MRUN" --oom-score-adj 321 $I cat /proc/self/oom_score_adj)" = 321 ]
	run -125 "$MRUN" --oom-score-adj 1001 $I true
	[ "$("$MRUN" --domainname example.net $I cat /proc/sys/kernel/domainname)" = example.net ]
	[ "$("$MRUN" --hostname h --domainname example.net $I sh -c 'hostname; hostname -f; hostname -d' | tr '\n' ' ')" = "h h.example.net example.net " ]
	[ "$("$MRUN" --hostname h.example.net $I grep 127.0.1.1 /etc/hosts)" = $'127.0.1.1\th.example.net h' ]
	printf '# c\nfrom.file=1\n\nboth=file\n' >labels
	d --label-file labels --label both=option --annotation noted=x
	"$MRUN" state "$N" | jq -e '.annotations | .["from.file"] == "1" and .both == "option" and .noted == "x"'
	[[ $("$MRUN" --network none --dns 192.0.2.1 --dns-opt ndots:5 $I cat /etc/resolv.conf) == *"options ndots:5"* ]]
}
