# What happens to a container's cgroup from clone to delete, as root on pure v2 without systemd's help:
# entering, freezing, killing, exec, updates, namespaces, and that nothing is left whatever happened.
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016

test_the_first_process_is_born_into_its_cgroup() {
	bundle b '"true"' '"pids": {"limit": 20}'
	run strace -f -e trace=clone3,clone -o "$T/trace" mrun run -b b c1
	is "$status" 0
	grep -q 'clone3(.*CLONE_INTO_CGROUP' "$T/trace"
	run grep -c 'cgroup.procs' "$T/trace"
	is "$output" 0
}

test_devices_what_is_not_listed_cannot_be_opened_and_updates_leave_no_gap() {
	local i
	bundle b '"sh", "-c", "while :; do if [ -e /tmp/go ] && (: </nodes/kmsg) 2>/dev/null; then echo opened; fi; done"' \
		'"devices": [{"allow": false, "access": "rwm"}]'
	start c1
	run mrun exec c1 sh -c 'exec 2>/tmp/err; : </nodes/zero && echo zero; (: </nodes/kmsg) || echo denied; mknod /tmp/n c 1 11 && echo made'
	is "$output" $'zero\ndenied\nmade'
	mrun exec c1 touch /tmp/go
	for i in 1 2 3 4 5; do
		echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": '$i', "access": "rw"}]}' |
			mrun update -r - c1
	done
	mrun exec c1 rm /tmp/go
	is "$(<"$T/c1.log")" ""
	# There is only the last program, and it decides.
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}' |
		mrun update -r - c1
	run mrun exec c1 sh -c 'exec 2>/tmp/err; : </nodes/kmsg && echo allowed; (: >/nodes/kmsg) || echo read-only'
	is "$output" $'allowed\nread-only'
	mrun delete -f c1
}

test_pause_and_resume() {
	local before
	bundle b '"sh", "-c", "while :; do echo x >>/tmp/x; done"'
	start c1
	mrun pause c1
	is "$(status_of c1)" paused
	is "$(key "$CG/cgroup.events" frozen)" 1
	before=$(key "$CG/cpu.stat" usage_usec)
	nap 0.5
	is "$(key "$CG/cpu.stat" usage_usec)" "$before"
	run mrun exec c1 true
	is "$status" 255
	like "$output" "*paused*"
	mrun resume c1
	is "$(status_of c1)" running
	until_ok eval '[ "$(key "$CG/cpu.stat" usage_usec)" -gt '"$before ]"
	# A frozen one dies, too.
	mrun pause c1
	mrun kill c1 KILL
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	[ ! -e "$CG" ]
}

test_kill_all_is_one_write() {
	NS="mount ipc uts cgroup" bundle b '"sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & wait"'
	start c1
	until_ok eval '[ "$(<"$CG/pids.current")" = 4 ]'
	strace -f -e trace=openat,kill,write -o "$T/trace" mrun kill --all c1 KILL
	grep -q 'cgroup.kill' "$T/trace"
	run grep -c 'kill([0-9]' "$T/trace"
	is "$output" 0
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	[ ! -e "$CG" ]
	# Another signal goes to each.
	start c1
	until_ok eval '[ "$(<"$CG/pids.current")" = 4 ]'
	mrun kill --all c1 TERM
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	[ ! -e "$CG" ]
}

test_the_cgroup_namespace_and_mount() {
	local script='"sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup | grep -c memory.max; mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x && echo writable"'
	bundle b "$script" '"memory": {"limit": 33554432}'
	run mrun run -b b c1
	like "$output" $'0::/\n1\n*Read-only file system'
	CGOPT=rw bundle b "$script" '"memory": {"limit": 33554432}'
	run mrun run -b b c1
	is "$output" $'0::/\n1\nwritable'
}

# In a user namespace the container's root gets the cgroup only when the mount is writable.
test_a_writable_cgroup_belongs_to_the_container_s_root() {
	local maps='"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
		"gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],'
	NS="user pid mount ipc uts cgroup" LINUX=$maps CGOPT=rw bundle b '"sh", "-c", "mkdir /sys/fs/cgroup/x && echo 1 >/sys/fs/cgroup/x/cgroup.procs; echo +pids >/sys/fs/cgroup/cgroup.subtree_control && cat /proc/self/cgroup; echo 5 2>/dev/null >/sys/fs/cgroup/pids.max || echo limit stays; sleep 1000"' \
		'"pids": {"limit": 40}'
	start c1
	until_ok grep -q "limit stays" "$T/c1.log"
	is "$(<"$T/c1.log")" $'0::/x\nlimit stays'
	CG=${CG%/x}
	is "$(stat -c %u "$CG")" 100000
	mrun delete -f c1
	NS="user pid mount ipc uts cgroup" LINUX=$maps bundle b '"sleep", "1000"'
	start c1
	is "$(stat -c %u "$CG")" 0
	mrun delete -f c1
}

test_exec_is_where_the_container_is() {
	bundle b '"sleep", "1000"'
	start c1
	run mrun exec c1 cat /proc/self/cgroup
	is "$output" 0::/
	mrun delete -f c1
	# The container has made children of its cgroup: no process may be beside them, so exec goes to
	# where its first process is.
	CGOPT=rw bundle b '"sh", "-c", "cd /sys/fs/cgroup; mkdir init other; echo 1 >init/cgroup.procs; echo +pids +memory >cgroup.subtree_control && touch /tmp/done; sleep 1000"'
	start c2
	until_ok mrun exec c2 test -e /tmp/done
	run mrun exec c2 cat /proc/self/cgroup
	is "$output" 0::/init
	run mrun exec --cgroup other c2 cat /proc/self/cgroup
	is "$output" 0::/other
	run mrun exec --cgroup /none c2 true
	is "$status" 255
	like "$output" "*none*no such file*"
	CG=${CG%/init}
	mrun delete -f c2
	[ ! -e "$CG" ]
}

test_exec_into_a_threaded_cgroup() {
	CGOPT=rw bundle b '"sh", "-c", "cd /sys/fs/cgroup; mkdir t; echo threaded >t/cgroup.type; cat cgroup.type >/tmp/type; touch /tmp/done; sleep 1000"'
	start c1
	until_ok mrun exec c1 test -e /tmp/done
	run mrun exec c1 cat /proc/self/cgroup /tmp/type
	is "$output" $'0::/\ndomain threaded'
	run mrun exec --cgroup t c1 cat /proc/self/cgroup
	is "$output" 0::/t
	mrun delete -f c1
	[ ! -e "$CG" ]
}

test_update_of_each() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}'
	start c1
	mrun update --memory 64m --memory-reservation 8m --memory-swap 96m --pids-limit 9 --cpu-period 50000 \
		--cpu-quota 20000 --cpu-burst 1000 --cpu-share 512 --cpuset-cpus 1 --cpuset-mems 0 --blkio-weight 1000 c1
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/memory.low")" 8388608
	is "$(<"$CG/memory.swap.max")" 33554432
	is "$(<"$CG/pids.max")" 9
	is "$(<"$CG/cpu.max")" "20000 50000"
	is "$(<"$CG/cpu.max.burst")" 1000
	is "$(<"$CG/cpu.weight")" 59
	is "$(<"$CG/cpuset.cpus")" 1
	is "$(<"$CG/io.weight")" "default 10000"
	# What is not given stays; a quota alone keeps the period.
	mrun update --cpu-quota 30000 c1
	is "$(<"$CG/cpu.max")" "30000 50000"
	is "$(<"$CG/memory.max")" 67108864
	mrun update --memory -1 --pids-limit -1 c1
	is "$(<"$CG/memory.max")" max
	is "$(<"$CG/memory.swap.max")" max
	is "$(<"$CG/pids.max")" max
	echo '{"memory": {"limit": 50331648}, "unified": {"memory.high": "40000000"}}' | mrun update -r - c1
	is "$(<"$CG/memory.max")" 50331648
	is "$(<"$CG/memory.high")" 39997440
	# Below what is in use, if asked to look first.
	echo '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}' >r.json
	run mrun update -r r.json c1
	is "$status" 1
	like "$output" "*4096 is not more than the * bytes in use*"
	is "$(<"$CG/memory.max")" 50331648
	mrun delete -f c1
}

test_stats_have_the_fields_that_containerd_and_cadvisor_read() {
	bundle b '"sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=2 2>/dev/null; echo >/tmp/done; sleep 1000"' \
		'"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 20}, "cpu": {"quota": 50000, "cpus": "0-1"}'
	start c1
	until_ok mrun exec c1 test -e /tmp/done
	mrun events --stats c1 >stats
	jq . stats
	jq -e '.type == "stats" and .id == "c1" and (.data |
		.cpu.usage.total > 0 and .cpu.usage.kernel >= 0 and .cpu.usage.user >= 0 and
		(.cpu.throttling | type) == "object" and
		.memory.usage.limit == 33554432 and .memory.usage.usage > 2000000 and
		.memory.swap.limit == 33554432 and .memory.raw.anon > 0 and .memory.raw.file >= 2000000 and
		.memory.raw.inactive_file >= 0 and .memory.raw.pgfault > 0 and
		.pids.current >= 1 and .pids.limit == 20 and
		(.blkio | type) == "object" and .hugetlb["2MB"].failcnt == 0)' stats
	mrun delete -f c1
}

test_delete_takes_the_container_s_own_children_along() {
	CGOPT=rw bundle b '"sh", "-c", "cd /sys/fs/cgroup; mkdir -p a/b c; sleep 1000 & echo $! >a/b/cgroup.procs; touch /tmp/done; wait"'
	start c1
	until_ok mrun exec c1 test -e /tmp/done
	run mrun delete c1
	is "$status" 1
	[ -e "$CG/a/b" ]
	mrun delete -f c1
	[ ! -e "$CG" ]
}

test_paths_absolute_nested_and_parents_go_with_the_last() {
	CGPATH=/mrun-a/b/c1 bundle b1 '"sleep", "1000"' '"pids": {"limit": 20}'
	CGPATH=/mrun-a/b/c2 bundle b2 '"sleep", "1000"' '"pids": {"limit": 20}'
	start c1 b1
	is "$CG" /sys/fs/cgroup/mrun-a/b/c1
	is "$(<"$CG/pids.max")" 20
	start c2 b2
	# In use: not for another one.
	run mrun run -b b2 c3
	is "$status" 1
	like "$output" "*use cgroup /sys/fs/cgroup/mrun-a/b/c2: there are processes in it already*"
	mrun delete -f c1
	[ -e /sys/fs/cgroup/mrun-a/b/c2 ]
	mrun delete -f c2
	[ ! -e /sys/fs/cgroup/mrun-a ]
	# One above it has processes: its children get no such limit, and it is said why.
	mkdir /sys/fs/cgroup/mrun-busy
	sleep 1000 &
	echo $! >/sys/fs/cgroup/mrun-busy/cgroup.procs
	CGPATH=/mrun-busy/c1 bundle b '"true"' '"memory": {"limit": 33554432}'
	run mrun run -b b c1
	is "$status" 1
	like "$output" "*controller memory cannot be enabled in cgroup /sys/fs/cgroup/mrun-busy, which has processes of its own*"
	CGPATH=/mrun-busy/c1 bundle b '"echo", "ran"'
	run mrun run -b b c1
	is "$output" ran
	kill %%
	wait %% || true
	rmdir /sys/fs/cgroup/mrun-busy
}

test_a_cgroup_from_before_is_used_and_stays() {
	mkdir /sys/fs/cgroup/mrun-mine
	CGPATH=/mrun-mine bundle b '"cat", "/proc/self/cgroup"' '"pids": {"limit": 20}'
	run mrun run -b b c1
	is "$status" 0
	is "$(</sys/fs/cgroup/mrun-mine/pids.max)" 20
	echo 1 >/sys/fs/cgroup/mrun-mine/cgroup.freeze
	run mrun run -b b c1
	like "$output" "*use cgroup /sys/fs/cgroup/mrun-mine: it is frozen*"
	rmdir /sys/fs/cgroup/mrun-mine
}

test_nothing_stays_when_mrun_is_killed() {
	local pid
	bundle b '"sleep", "1000"' '"pids": {"limit": 20}'
	# In the foreground: the container lives on, and delete finds all of it.
	mrun run -b b --pid-file pid c1 >log 2>&1 &
	pid=$!
	until_ok test -s pid
	CG=$(cgroup_of "$(<pid)")
	kill -KILL $pid
	wait $pid || true
	[ -e "$CG" ]
	mrun delete -f c1
	[ ! -e "$CG" ]
	# At any point of a start: what it left is deleted.
	for pid in mkdir write clone3 socketpair sendmsg; do
		run strace -f -o /dev/null -e inject=$pid:signal=KILL:when=1 mrun run -d -b b c2
		mrun delete -f c2
		[ ! -e "$CG" ]
	done
}

test_nothing_stays_when_a_hook_or_the_program_fails() {
	local hook
	for hook in createRuntime prestart createContainer startContainer; do
		TOP='"hooks": {"'$hook'": [{"path": "/bin/busybox", "args": ["false"]}]},' bundle b '"true"' '"pids": {"limit": 20}'
		run mrun run -b b c1
		[ "$status" -ne 0 ]
		run mrun state c1
		is "$status" 1
		is "$(echo /sys/fs/cgroup/**/c1)" ""
	done
	bundle b '"/no/such/program"' '"pids": {"limit": 20}'
	run mrun run -b b c1
	like "$output" "*no such file*"
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

# Without a cgroup namespace the mount shows no more than the container's own part.
test_the_mount_without_a_cgroup_namespace() {
	NS="pid mount" bundle b '"sh", "-c", "cat /proc/self/cgroup; cd /sys/fs/cgroup; cat pids.max; echo *.slice; mkdir x"' '"pids": {"limit": 20}'
	run mrun run -b b c1
	echo "$output"
	like "$output" $'0::/system.slice/c1\n20\n\\*.slice\n*Read-only file system'
}
