# docker with systemd's cgroup driver (its default on v2 with systemd): units with limits that hold.
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016 # the harness sets status and output; $ for the container

# shellcheck source=tests/vm/containerd.bash
. /share/tests/vm/containerd.bash
containerd_make
mkdir -p /etc/docker
# The bridge and its firewall rules are not the cgroup driver's.
jq '.runtimes.mrun.path = "/share/mrun" | . + {"exec-opts": ["native.cgroupdriver=systemd"], bridge: "none",
	iptables: false, ip6tables: false}' /share/examples/daemon.json >/etc/docker/daemon.json
started docker
docker load -qi /tmp/box.tar >/dev/null
BOX=localhost/box:1

after_failure() {
	docker ps -aq | xargs -r docker rm -f
}
# Neither a container of docker's, nor a unit, nor a state of mrun's.
nothing_left() {
	is "$(docker ps -aq)" ""
	is "$(mrun --root /run/docker/runtime-runc/moby list -q)$(mrun --root /run/docker/runtime-mrun/moby list -q)" ""
	no_unit "$1"
}
inspect() { docker inspect -f "{{$1}}" "$2"; }

# Its first process outlives who is killed for want of memory: systemd removes a scope when its last process
# ends, and with it the count that the shim still wants to read (runc's is as often lost).
test_limits_are_in_the_unit_and_in_the_files_and_hold() {
	local id unit CG pid
	id=$(docker run -d --name one --network none -m 64m --memory-reservation 32m --pids-limit 20 --cpus 0.5 --cpuset-cpus 1 \
		--restart on-failure:1 $BOX sh -c 'trap "exit 3" TERM; while :; do sleep 1; done')
	unit=docker-$id.scope CG=/sys/fs/cgroup/system.slice/docker-$id.scope
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/memory.low")" 33554432
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(<"$CG/cpuset.cpus")" 1
	is "$(property "$unit" MemoryMax)" 67108864
	is "$(property "$unit" TasksMax)" 20
	is "$(property "$unit" CPUQuotaPerSecUSec)" 500ms
	is "$(property "$unit" Delegate)" yes
	# (With the AppArmor profile that docker loads itself.)
	run docker exec one sh -c 'cat /proc/self/cgroup /proc/self/attr/current; while :; do sleep 1000 >/tmp/out 2>&1 & done'
	like "$output" $'0::/\ndocker-default (enforce)\n*can\'t fork: Resource temporarily unavailable*'
	# That took more than half a processor has.
	[ "$(key "$CG/cpu.stat" nr_throttled)" -gt 0 ]
	docker update -m 48m --memory-swap 48m --pids-limit 30 --cpus 0.25 one
	systemctl daemon-reload
	limits_are_the_new_ones
	# Started again by its policy: a new scope of the same name.
	pid=$(inspect .State.Pid one)
	kill -TERM "$pid"
	until_ok eval '[ "$(inspect ".State.Status}} {{.RestartCount" one)" = "running 1" ]'
	limits_are_the_new_ones
	run docker exec one dd if=/dev/zero of=/dev/null bs=64M count=1
	is "$status" 137
	is "$(key "$CG/memory.events" oom_kill)" 1
	like "$(docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' one)" "[1-9]* / 48MiB [12]"
	docker pause one
	is "$(key "$CG/cgroup.events" frozen)" 1
	is "$(inspect .State.Status one)" paused
	docker unpause one
	is "$(key "$CG/cgroup.events" frozen)" 0
	docker stop -t 30 one
	[ ! -e "$CG" ]
	is "$(inspect '.State.ExitCode}} {{.State.OOMKilled' one)" "3 true"
	docker rm one
	nothing_left "$unit"
}
limits_are_the_new_ones() {
	is "$(<"$CG/memory.max")" 50331648
	is "$(<"$CG/memory.swap.max")" 0
	is "$(<"$CG/pids.max")" 30
	is "$(<"$CG/cpu.max")" "25000 100000"
	is "$(property "$unit" MemoryMax)" 50331648
	is "$(property "$unit" TasksMax)" 30
	is "$(property "$unit" CPUQuotaPerSecUSec)" 250ms
}

# Only where root has every capability: docker asks for each that it knows of the kernel's, 20.10 for 38.
test_privileged() {
	local every
	printf -v every '%016x' $(((2 << $(</proc/sys/kernel/cap_last_cap)) - 1))
	case $(docker --version) in *" 20."*) every=0000003fffffffff ;; esac
	run docker run --rm --privileged --network none $BOX grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status
	is "$output" $'CapEff:\t'"$every"$'\nCapBnd:\t'"$every"$'\nSeccomp:\t0'
	is "$(docker ps -aq)" ""
}
