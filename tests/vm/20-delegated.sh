# Without root, with the file-system driver, in a cgroup that systemd has delegated: what a limit needs
# is there, and limits hold.
# modes: v2
# as: delegated
# shellcheck shell=bash disable=SC2154,SC2016

# The service's own cgroup, and a leaf for ourselves: who hands out controllers holds no processes.
OWN=$CGROUP2$(read -r line </proc/self/cgroup && echo "${line#0::}")
mkdir "$OWN/leaf"
echo $$ >"$OWN/leaf/cgroup.procs"
cd /tmp || exit 1

test_limits_are_in_their_files_and_beside_us() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 20},
		"cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0"}, "blockIO": {"weight": 100},
		"unified": {"memory.high": "31457280"}'
	start c1
	is "$CG" "$OWN/c1"
	is "$(<"$CG/memory.max")" 33554432
	is "$(<"$CG/memory.swap.max")" 0
	is "$(<"$CG/memory.high")" 31457280
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(<"$CG/cpuset.cpus")" 0
	is "$(<"$CG/io.weight")" "default 910"
	mrun update --memory 64m --memory-swap -1 --pids-limit 7 --cpu-quota 20000 c1
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/memory.swap.max")" max
	is "$(<"$CG/pids.max")" 7
	is "$(<"$CG/cpu.max")" "20000 100000"
	mrun delete -f c1
	[ ! -e "$CG" ]
}

test_memory_and_pids_hold() {
	bundle b '"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"' '"memory": {"limit": 20971520}'
	run mrun run -b b c1
	is "$status" 137
	is "$output" "mrun: container c1: killed: out of memory (limit 20 MiB)"
	bundle b '"sh", "-c", "while :; do sleep 1000 & done"' '"pids": {"limit": 10}'
	run mrun run -b b c1
	is "$status" 2
	like "$output" "*can't fork: Resource temporarily unavailable*"
}

test_cpu_quota_holds() {
	bundle b '"sh", "-c", "while :; do :; done"' '"cpu": {"quota": 10000, "period": 100000}'
	start c1
	until_ok eval '[ "$(key "$CG/cpu.stat" nr_throttled)" -ge 5 ]'
	mrun delete -f c1
}

test_pause_stats_exec_and_kill() {
	bundle b '"sh", "-c", "sleep 1000 & sleep 1000 & wait"'
	start c1
	until_ok eval '[ "$(mrun events --stats c1 | jq .data.pids.current)" = 3 ]'
	mrun pause c1
	is "$(status_of c1)" paused
	mrun resume c1
	is "$(status_of c1)" running
	run mrun exec c1 cat /proc/self/cgroup
	is "$output" 0::/
	mrun kill --all c1 KILL
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
}

test_the_first_process_is_born_into_it() {
	bundle b '"true"' '"pids": {"limit": 20}'
	strace -f -e trace=clone3 -o trace mrun run -b b c1
	grep -q 'clone3(.*CLONE_INTO_CGROUP.*= [0-9]' trace
}

test_device_rules_are_left_out() {
	bundle b '"echo", "ran"' '"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 20}'
	run mrun run -b b c1
	is "$output" ran
}

test_a_controller_that_is_not_delegated_is_named() {
	bundle b '"true"' '"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]'
	run mrun run -b b c1
	is "$status" 1
	like "$output" "*set linux.resources.hugepageLimits: controller hugetlb is not available in cgroup $OWN/c1*"
	like "$output" "*hint: delegate it:*Delegate=yes*"
	[ ! -e "$OWN/c1" ]
}

test_a_writable_cgroup_and_exec_into_its_children() {
	# Again: an exec that looks whether it is done may be in the cgroup, which hands down nothing then.
	CGOPT=rw bundle b '"sh", "-c", "cd /sys/fs/cgroup; mkdir init; echo 1 >init/cgroup.procs; until echo +pids +memory >cgroup.subtree_control; do sleep 0.1; done; touch /tmp/done; sleep 1000"'
	start c1
	CG=${CG%/init}
	until_ok mrun exec c1 test -e /tmp/done
	run mrun exec c1 cat /proc/self/cgroup
	is "$output" 0::/init
	mrun delete -f c1
	[ ! -e "$CG" ]
	bundle b '"mkdir", "/sys/fs/cgroup/x"'
	run mrun run -b b c1
	like "$output" "*Read-only file system"
}

test_a_path_of_ones_own() {
	CGPATH=${OWN#"$CGROUP2"}/a/b bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}'
	start c1
	is "$CG" "$OWN/a/b"
	is "$(<"$CG/memory.max")" 33554432
	mrun delete -f c1
	[ ! -e "$OWN/a" ]
}
