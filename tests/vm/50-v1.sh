# cgroup v1 alone, and the hybrid layout under systemd.
# modes: hybrid v1
# shellcheck shell=bash disable=SC2154,SC2016

# The directory of the container's cgroup in the hierarchy of CONTROLLER.
v1() { # CONTROLLER
	cgroup_of "$PID" "$1"
}

test_limits_are_in_their_files() {
	local device
	device=$(mountpoint -d /share)
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432, "reservation": 16777216, "swappiness": 10},
		"pids": {"limit": 20}, "cpu": {"shares": 512, "quota": 50000, "period": 200000, "cpus": "0", "mems": "0"},
		"blockIO": {"throttleReadIOPSDevice": [{"major": '"${device%:*}"', "minor": '"${device#*:}"', "rate": 77}]},
		"network": {"classID": 65537, "priorities": [{"name": "lo", "priority": 3}]},
		"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]'
	start c1
	is "$(<"$(v1 memory)/memory.limit_in_bytes")" 33554432
	is "$(<"$(v1 memory)/memory.soft_limit_in_bytes")" 16777216
	is "$(<"$(v1 memory)/memory.swappiness")" 10
	is "$(<"$(v1 pids)/pids.max")" 20
	is "$(<"$(v1 cpu)/cpu.shares")" 512
	is "$(<"$(v1 cpu)/cpu.cfs_quota_us")" 50000
	is "$(<"$(v1 cpuset)/cpuset.cpus")" 0
	is "$(<"$(v1 blkio)/blkio.throttle.read_iops_device")" "$device 77"
	is "$(<"$(v1 net_cls)/net_cls.classid")" 65537
	like "$(<"$(v1 net_prio)/net_prio.ifpriomap")" "*lo 3*"
	is "$(<"$(v1 hugetlb)/hugetlb.2MB.limit_in_bytes")" 4194304
	mrun update --memory 64m --pids-limit 9 --cpu-share 1024 c1
	is "$(<"$(v1 memory)/memory.limit_in_bytes")" 67108864
	is "$(<"$(v1 pids)/pids.max")" 9
	is "$(<"$(v1 cpu)/cpu.shares")" 1024
	mrun delete -f c1
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

test_burst_idle_oom_and_write_rates_are_in_their_files() {
	local device
	device=$(mountpoint -d /share)
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432, "disableOOMKiller": true},
		"cpu": {"quota": 50000, "period": 200000, "burst": 10000, "idle": 1},
		"blockIO": {"throttleWriteBpsDevice": [{"major": '"${device%:*}"', "minor": '"${device#*:}"', "rate": 262144}]}'
	start c1
	is "$(key "$(v1 memory)/memory.oom_control" oom_kill_disable)" 1
	is "$(<"$(v1 cpu)/cpu.cfs_burst_us")" 10000
	is "$(<"$(v1 cpu)/cpu.idle")" 1
	is "$(<"$(v1 blkio)/blkio.throttle.write_bps_device")" "$device 262144"
	mrun delete -f c1
	bundle b '"true"' '"rdma": {"mlx5_0": {"hcaHandles": 3}}'
	run mrun run -b b c1
	echo "$output"
	like "$output" "*linux.resources.rdma: write 'mlx5_0 hca_handle=3' to */rdma.max: no such device*"
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

test_memory_who_exceeds_is_killed_and_that_is_said() {
	bundle b '"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"' '"memory": {"limit": 20971520}'
	run mrun run -b b c1
	is "$status" 137
	is "$output" "mrun: container c1: killed: out of memory (limit 20 MiB)"
}

test_pids_and_cpu_hold() {
	bundle b '"sh", "-c", "while :; do sleep 1000 & done"' '"pids": {"limit": 10}'
	run mrun run -b b c1
	like "$output" "*can't fork: Resource temporarily unavailable*"
	bundle b '"sh", "-c", "while :; do :; done"' '"cpu": {"quota": 10000, "period": 100000}'
	start c2
	until_ok eval '[ "$(mrun events --stats c2 | jq .data.cpu.throttling.throttledPeriods)" -ge 3 ]'
	mrun delete -f c2
}

test_devices_pause_exec_and_kill() {
	bundle b '"sh", "-c", "sleep 1000 & sleep 1000 & wait"' '"devices": [{"allow": false, "access": "rwm"}]'
	start c1
	run mrun exec c1 sh -c '(: </nodes/kmsg) 2>/tmp/err || echo denied; grep -c ":/$" /proc/self/cgroup'
	like "$output" $'denied\n[1-9]*'
	echo '{"devices": [{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}' | mrun update -r - c1
	run mrun exec c1 sh -c ': </nodes/kmsg && echo allowed'
	is "$output" allowed
	mrun pause c1
	is "$(status_of c1)" paused
	mrun kill --all c1 KILL
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

test_the_mount_inside() {
	bundle b '"sh", "-c", "cd /sys/fs/cgroup; cat pids/pids.max; mkdir pids/x || echo read-only; ls"' '"pids": {"limit": 20}'
	run mrun run -b b c1
	like "$output" $'20\n*read-only\n*cpuset\n*freezer\n*memory\n*pids*'
}

test_the_mount_without_a_cgroup_namespace_and_a_writable_one() {
	NS="pid mount ipc uts" bundle b '"sh", "-c", "grep -o :pids:.* /proc/self/cgroup; cd /sys/fs/cgroup; cat pids/pids.max; mkdir pids/x 2>/tmp/err || echo read-only"' '"pids": {"limit": 20}'
	run mrun run -b b c1
	like "$output" $':pids:/*c1\n20\nread-only'
	CGOPT=rw bundle b '"sh", "-c", "cd /sys/fs/cgroup; mkdir pids/x && rmdir pids/x && echo writable"'
	run mrun run -b b c1
	is "$output" writable
}

test_without_root_no_limit_no_fuss_a_limit_says_what_to_do() {
	local user='"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
		"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],'
	chmod 777 "$T"
	NS="user pid mount ipc uts" LINUX=$user bundle b '"echo", "ran"' '"devices": [{"allow": false, "access": "rwm"}]'
	run as-tester mrun run -b b c1
	is "$output" ran
	NS="user pid mount ipc uts" LINUX=$user bundle b '"echo", "ran"' '"memory": {"limit": 33554432}'
	run as-tester mrun run -b b c1
	is "$status" 1
	like "$output" "*linux.resources.memory.limit: controller memory*permission denied*hint: cgroup v1 has no delegation*"
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}
