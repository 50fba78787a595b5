# podman without root under the user's own systemd manager.
# modes: v2
# as: tester
# shellcheck shell=bash disable=SC2154,SC2016

# shellcheck source=tests/vm/podman.bash
. /share/tests/vm/podman.bash
podman_make ~/.config/containers
SLICE=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice

test_limits_are_in_the_unit_and_in_the_files_and_hold() {
	local id unit
	id=$(p run -d --name c -m 64m --pids-limit 20 --cpus 0.5 --network none box sleep 1000)
	unit=libpod-$id.scope CG=$SLICE/libpod-$id.scope
	is "$(mrun list -q)" "$id"
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(property "$unit" MemoryMax)" 67108864
	is "$(property "$unit" TasksMax)" 20
	run p exec c sh -c 'cat /proc/self/cgroup; while :; do sleep 1000 >/tmp/out 2>&1 & done'
	like "$output" $'0::/\n*can\'t fork: Resource temporarily unavailable*'
	p update -m 48m c
	systemctl --user daemon-reload
	is "$(<"$CG/memory.max")" 50331648
	is "$(property "$unit" MemoryMax)" 50331648
	is "$(<"$CG/pids.max")" 20
	p pause c
	is "$(key "$CG/cgroup.events" frozen)" 1
	p unpause c
	# (Podman 4 shows the limit of before the update.)
	like "$(p stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c)" "[1-9]* / [56]*MB [12][0-9]"
	p rm -f -t 0 c
	nothing_left
	[ ! -e "$CG" ]
}

test_memory_who_exceeds_is_killed() {
	run p run --rm -m 20m --network none box dd if=/dev/zero of=/dev/null bs=64M count=1
	is "$status" 137
	oom_killed
	nothing_left
}

test_a_healthcheck_that_the_users_systemd_runs() {
	p run -d --name c --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 --network none box sleep 1000
	until_ok health unhealthy
	p exec c touch /tmp/well
	until_ok health healthy
	p rm -f -t 0 c
	nothing_left
}
health() { [ "$(p inspect c --format '{{.State.Health.Status}}')" = "$1" ]; }

test_systemd_mode_gives_the_container_its_cgroup() {
	run p run --rm --systemd=always --pids-limit 50 --network none box sh -c '
		cd /sys/fs/cgroup && mkdir init && echo 1 >init/cgroup.procs && echo +pids +memory >cgroup.subtree_control &&
		mkdir service && echo 5 >service/pids.max && cat /proc/self/cgroup service/pids.max
		(echo 7 >pids.max) 2>/dev/null || echo kept'
	is "$output" $'0::/init\n5\nkept'
	run p run --rm --network none box mkdir /sys/fs/cgroup/x
	like "$output" "*Read-only file system*"
	nothing_left
}

test_network_pasta() {
	case $(p --version) in *" version 4."*) skip "podman 4 has no --network pasta" ;; esac
	run p run --rm --network pasta box ip addr
	echo "$output"
	like "$output" "*inet 127.0.0.1*"
	nothing_left
}
