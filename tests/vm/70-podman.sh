# podman as root under systemd: units in slices that podman names, with limits that hold.
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016 # the harness sets status and output; $ for the container

# shellcheck source=tests/vm/podman.bash
. /share/tests/vm/podman.bash
podman_make /etc/containers
SLICE=/sys/fs/cgroup/machine.slice

test_limits_are_in_the_unit_and_in_the_files_and_hold() {
	local id unit
	id=$(p run -d --name c -m 64m --memory-reservation 32m --pids-limit 20 --cpus 0.5 --cpuset-cpus 1 --network none box sleep 1000)
	unit=libpod-$id.scope CG=$SLICE/libpod-$id.scope
	is "$(mrun list -q)" "$id"
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/memory.low")" 33554432
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(<"$CG/cpuset.cpus")" 1
	is "$(property "$unit" MemoryMax)" 67108864
	is "$(property "$unit" TasksMax)" 20
	is "$(property "$unit" CPUQuotaPerSecUSec)" 500ms
	is "$(property "$unit" AllowedCPUs)" 1
	is "$(property "$unit" Delegate)" yes
	run p exec c sh -c 'cat /proc/self/cgroup; while :; do sleep 1000 >/tmp/out 2>&1 & done'
	like "$output" $'0::/\n*can\'t fork: Resource temporarily unavailable*'
	p update -m 48m --cpus 0.25 c
	systemctl daemon-reload
	is "$(<"$CG/memory.max")" 50331648
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "25000 100000"
	is "$(property "$unit" MemoryMax)" 50331648
	is "$(property "$unit" CPUQuotaPerSecUSec)" 250ms
	p pause c
	is "$(key "$CG/cgroup.events" frozen)" 1
	is "$(p inspect c --format '{{.State.Status}}')" paused
	p unpause c
	is "$(key "$CG/cgroup.events" frozen)" 0
	# (Podman 4 shows the limit of before the update.)
	like "$(p stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' c)" "[1-9]* / [56]*MB [12][0-9]"
	p rm -f -t 0 c
	nothing_left
	[ ! -e "$CG" ]
}

test_memory_who_exceeds_is_killed() {
	run p run --name c -m 20m --network none box dd if=/dev/zero of=/dev/null bs=64M count=1
	is "$status" 137
	p rm c
	oom_killed
	nothing_left
}

# The timer is a unit that podman makes, and what it starts is podman again.
test_a_healthcheck_that_systemd_runs() {
	p run -d --name c --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 --network none box sleep 1000
	until_ok health unhealthy
	p exec c touch /tmp/well
	until_ok health healthy
	p rm -f -t 0 c
	nothing_left
}
health() { [ "$(p inspect c --format '{{.State.Health.Status}}')" = "$1" ]; }

test_a_pod_is_a_slice_with_its_containers_in_it() {
	local pod id
	pod=$(p pod create --name pod -m 64m --network none)
	id=$(p run -d --pod pod -m 32m box sleep 1000)
	pod=$SLICE/machine-libpod_pod_$pod.slice
	is "$(<"$pod/memory.max")" 67108864
	is "$(<"$pod/libpod-$id.scope/memory.max")" 33554432
	p pod rm -f -t 0 pod
	nothing_left
	[ ! -e "$pod" ]
}

# As a unit of Quadlet's does it: in the service's own cgroup.
test_cgroups_split_in_a_service() {
	run systemd-run --quiet --wait --pipe --collect --unit split -p Delegate=yes podman run --rm --cgroups=split --cgroupns=host \
		--network none -m 32m box cat /proc/self/cgroup
	is "$status" 0
	like "$output" "0::/system.slice/split.service/libpod-payload-*"
	nothing_left
}

# A systemd in a container: this guest's, on a copy-on-write view of its own root. The store is elsewhere,
# because an overlay does not go above itself.
test_systemd_in_a_container_has_its_cgroup() {
	local id own=(--root /share/store --runroot /run/store)
	id=$(p "${own[@]}" run -d --name c --systemd=always -m 256m --pids-limit 300 --network none --rootfs /:O /sbin/init)
	CG=$SLICE/libpod-$id.scope
	until_ok p "${own[@]}" exec c systemctl is-active -q dbus.socket
	[ -d "$CG/init.scope" ]
	[ -d "$CG/system.slice" ]
	is "$(<"$CG/memory.max")" 268435456
	run p "${own[@]}" exec c sh -c 'cat /proc/1/comm; systemd-run --quiet --wait --pipe -p MemoryMax=32M cat /proc/self/cgroup; mkdir /sys/fs/cgroup/../x'
	echo "$output"
	like "$output" $'systemd\n0::/system.slice/run-*.service\n*'
	# Its own stop signal: it ends by itself.
	p "${own[@]}" stop -t 100 c
	is "$(p "${own[@]}" inspect c --format '{{.State.ExitCode}}')" 0
	p "${own[@]}" rm c
	nothing_left
	[ ! -e "$CG" ]
}
