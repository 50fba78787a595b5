#!/usr/bin/env bats
# podman with mrun, what needs root: limits, pausing and statistics on this host's cgroups and on a
# pure cgroup v2, bridges, devices, id-mapped and slave mounts, hooks.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154,SC2317 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load podman

setup_file() {
	if [ "$(id -u)" -ne 0 ]; then
		export LIB_SKIP="needs root"
		return 0
	fi
	podman_make
}
teardown_file() { podman_clean; }
setup() { podman_setup; }
teardown() {
	[ -z "${SECOND:-}" ] || podman_second_end
	podman_teardown
}

# The v1 hierarchy or the unified one: where a container's file of a controller lies.
cgroup_file() { # CONTAINER CONTROLLER V1-FILE V2-FILE
	local path
	path=$(p inspect "$1" --format '{{.State.CgroupPath}}')
	if [ -f "/sys/fs/cgroup/$2$path/$3" ]; then
		echo "/sys/fs/cgroup/$2$path/$3"
	else
		echo "/sys/fs/cgroup$path/$4"
	fi
}
need_controllers() {
	local controller
	for controller; do
		[ -d "/sys/fs/cgroup/$controller" ] || grep -qsw "$controller" /sys/fs/cgroup/cgroup.subtree_control ||
			skip "there is no cgroup controller $controller to be used here"
	done
}

@test "limits are set, held, and changed by update" {
	need_controllers memory pids cpu cpuset
	prun -d --name c --memory 64m --memory-reservation 32m --pids-limit 20 --cpus 0.5 --cpuset-cpus 0 "${NONE[@]}" alpine sleep 1000 >/dev/null
	[ "$(cat "$(cgroup_file c memory memory.limit_in_bytes memory.max)")" = 67108864 ]
	[ "$(cat "$(cgroup_file c memory memory.soft_limit_in_bytes memory.low)")" = 33554432 ]
	[ "$(cat "$(cgroup_file c pids pids.max pids.max)")" = 20 ]
	[ "$(cat "$(cgroup_file c cpuset cpuset.cpus cpuset.cpus)")" = 0 ]
	quota=$(cat "$(cgroup_file c cpu cpu.cfs_quota_us cpu.max)")
	[ "${quota%% *}" = 50000 ]
	run -0 p update --memory 48m --cpus 0.25 c
	[ "$(cat "$(cgroup_file c memory memory.limit_in_bytes memory.max)")" = 50331648 ]
	quota=$(cat "$(cgroup_file c cpu cpu.cfs_quota_us cpu.max)")
	[ "${quota%% *}" = 25000 ]
	# Held: for what exec starts, too.
	run ! p exec c sh -c 'for i in $(seq 30); do sleep 1000 & done; wait'
	[[ $output == *fork* ]]
	run -0 p rm -f -t 0 c
	run -137 prun --rm --memory 16m "${NONE[@]}" alpine sh -c 'x=$(head -c 60000000 /dev/zero | tr "\0" x); echo never'
	[[ $output != *never* ]]
}

@test "pause, unpause, stats, ps, stop of what is paused; cgroups and namespaces" {
	need_controllers memory pids
	prun -d --name c --memory 64m "${NONE[@]}" alpine sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/count; sleep 0.01; done' >/dev/null
	eventually p exec c test -s /count
	count() { cat "$(p inspect c --format '{{.GraphDriver.Data.UpperDir}}')/count"; }
	run -0 p pause c
	[ "$(p inspect c --format '{{.State.Status}}')" = paused ]
	upper=$(p inspect c --format '{{.GraphDriver.Data.UpperDir}}')
	before=$(cat "$upper/count")
	sleep 0.3 # nothing happens in it
	[ "$(cat "$upper/count")" = "$before" ]
	run ! p exec c true
	run -0 p unpause c
	moves() { [ "$(cat "$upper/count")" != "$before" ]; }
	eventually moves
	run -0 p stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' c
	[[ $output =~ ^c\ [1-9][0-9]*\ [0-9.]+.B\ /\ 67\.11MB$ ]]
	run -0 p pause c
	run -0 p rm -f -t 0 c

	run -0 p run --rm --cgroup-parent "/$CGROUP" --cgroupns=host "${NONE[@]}" alpine cat /proc/self/cgroup
	[[ $output == *"/$CGROUP/libpod-"* ]]
	run -0 p run --rm --cgroup-parent "/$CGROUP" --cgroupns=private "${NONE[@]}" alpine cat /proc/self/cgroup
	[[ $output != *libpod* ]]
	run -0 prun --rm --cgroups=no-conmon "${NONE[@]}" alpine true
	spaces='for n in pid ipc uts; do readlink /proc/self/ns/$n; done'
	run -0 prun --rm --pid=host --ipc=host --uts=host "${NONE[@]}" alpine sh -c "$spaces"
	[ "$output" = "$(in_ns sh -c "$spaces")" ]
}

@test "a pure cgroup v2: run, exec, pause, stats, systemd mode, a limit without its controller" {
	grep -qs ' - cgroup2 ' /proc/self/mountinfo || grep -qw cgroup2 /proc/filesystems || skip "this kernel has no cgroup v2"
	FIRST=$HOLDER SECOND=1
	podman_namespaces 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup'
	[ "$(p info --format '{{.Host.CgroupsVersion}}')" = v2 ]
	prun -d --name c "${NONE[@]}" alpine sleep 1000 >/dev/null
	run -0 p exec c sh -c 'grep ^0:: /proc/self/cgroup; grep " /sys/fs/cgroup " /proc/self/mountinfo; ls /sys/fs/cgroup/cgroup.procs; ! mkdir /sys/fs/cgroup/x'
	[ "${lines[0]}" = 0::/ ]
	[[ ${lines[1]} == *" /sys/fs/cgroup ro,nosuid,nodev,noexec"*" - cgroup2 "* ]]
	run -0 p pause c
	path=$(p inspect c --format '{{.State.CgroupPath}}')
	[ "$(in_ns cat "/sys/fs/cgroup$path/cgroup.freeze")" = 1 ]
	run -0 p unpause c
	run -0 p stats --no-stream --format '{{.Name}}' c
	[ "${lines[-1]}" = c ]
	run -0 p top c args
	[ "${lines[1]}" = "sleep 1000 " ] || [ "${lines[1]}" = "sleep 1000" ]
	run -0 p rm -f -t 0 c
	# A systemd inside may make cgroups of its own; the device program holds.
	run -0 prun --rm --systemd=always --device /dev/fuse --cap-add mknod "${NONE[@]}" alpine sh -c '
		mkdir /sys/fs/cgroup/sub && echo made && rmdir /sys/fs/cgroup/sub
		head -c 0 /dev/fuse && echo open; mknod /b b 254 99 && head -c 0 /b 2>&1 | grep -o "not permitted"'
	[ "$output" = $'made\nopen\nnot permitted' ]
	if in_ns grep -qw pids /sys/fs/cgroup/cgroup.controllers; then
		run -0 prun --rm --pids-limit 7 "${NONE[@]}" alpine cat /sys/fs/cgroup/pids.max
		[ "$output" = 7 ]
	else
		# Not taken for a missing program.
		run -126 prun --rm --pids-limit 7 "${NONE[@]}" alpine true
		[[ $output == *"controller pids is not available"* ]]
	fi
}
podman_second_end() {
	podman_none_left || podman_remove_all >/dev/null 2>&1
	podman_namespaces_end "$HOLDER"
	HOLDER=$FIRST
}

@test "a bridge: addresses, names, a published port, a pod's port, connect and disconnect" {
	[ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ] || [ -x /usr/lib/cni/bridge ] || [ -x /usr/libexec/cni/bridge ] ||
		skip "neither netavark nor the CNI plugins are installed (scripts/install-deps clients)"
	said=$(prun --rm alpine true 2>&1) || skip "no bridge can be made here: ${said##*$'\n'}"
	SERVE='while :; do echo served | nc -l -p 80; done'
	p network create net >/dev/null
	prun -d --name server --network net -p 18081:80 alpine sh -c "$SERVE" >/dev/null 2>err
	address=$(p inspect server --format '{{.NetworkSettings.Networks.net.IPAddress}}')
	ask() { [ "$(in_ns bash -c "cat </dev/tcp/$1/$2")" = served ]; }
	eventually ask "$address" 80
	eventually ask 127.0.0.1 18081
	run -0 prun --rm --network net alpine sh -c "ip -4 addr show eth0 | grep -c inet; until nc -w 10 $address 80 | grep served; do sleep 0.1; done"
	[ "$output" = $'1\nserved' ]
	# By its name, where there is a name server for it.
	if [ -x /usr/lib/podman/aardvark-dns ] || [ -x /usr/libexec/podman/aardvark-dns ]; then
		run -0 prun --rm --network net alpine sh -c 'until nc -w 10 server 80 | grep served; do sleep 0.1; done'
		[ "$output" = served ]
	fi
	run -0 p network disconnect net server
	run -0 p exec server ip addr
	[[ $output != *"$address"* ]]
	run -0 p rm -f -t 0 server

	p pod create --name pod --cgroup-parent "/$CGROUP" --network net -p 18082:80 >/dev/null
	p run -d --pod pod alpine sh -c "$SERVE" >/dev/null
	eventually ask 127.0.0.1 18082
	run -0 p pod rm -f -t 0 pod
	run -0 p network rm -f net
	# What podman made for the network has gone with the last container.
	run ! in_ns ip link show podman1
}

@test "devices: --device, --device-cgroup-rule, --privileged" {
	if [ ! -c /dev/fuse ] || [ ! -c /dev/net/tun ]; then
		skip "there is no /dev/fuse or no /dev/net/tun"
	fi
	run -0 prun --rm --device /dev/fuse:/dev/mine:r --device-cgroup-rule 'c 10:200 rwm' "${NONE[@]}" alpine sh -c '
		stat -c %t:%T /dev/mine; head -c 0 /dev/mine && echo read; ! (: >/dev/mine) 2>/dev/null && echo no write
		mknod /tun c 10 200 && head -c 0 /tun && echo by rule
		mknod /disk b 254 0 && ! head -c 0 /disk 2>/dev/null && echo no disk'
	[ "$output" = $'a:e5\nread\nno write\nby rule\nno disk' ]
	run -0 prun --rm --privileged "${NONE[@]}" alpine sh -c 'ls /dev/fuse /dev/kmsg && mknod /d c 1 11 && head -c 0 /d && echo all'
	[ "$output" = $'/dev/fuse\n/dev/kmsg\nall' ]
}

@test "-v with idmap; rslave and rprivate" {
	mkdir v && echo x >v/f && chown 33:44 v/f && chmod 755 v
	run prun --rm --uidmap 0:100000:1000 --gidmap 0:200000:1000 -v "$T/v:/v:idmap" "${NONE[@]}" alpine sh -c 'stat -c %u:%g /v/f; touch /v/new'
	if [[ $output == *"idmap"*"not supported"* || $output == *"unknown"* ]]; then
		skip "this podman has no -v …:idmap"
	fi
	[ "$output" = 33:44 ]
	[ "$(stat -c %u:%g v/new)" = 0:0 ]
	prun -d --name c -v "$T/v:/s:rslave" -v "$T/v:/p:rprivate" "${NONE[@]}" alpine sleep 1000 >/dev/null
	mkdir v/sub
	in_ns mount -t tmpfs none "$T/v/sub"
	in_ns touch "$T/v/sub/later"
	run -0 p exec c sh -c 'ls /s/sub; ls /p/sub'
	[ "$output" = later ]
	in_ns umount "$T/v/sub"
	run -0 p rm -f -t 0 c
}

@test "hooks of --hooks-dir" {
	mkdir hooks
	cat >hook <<-'END'
		#!/bin/sh
		echo "$1 $(cat | sed 's/.*"status": *"\([a-z]*\)".*/\1/')" >>"${0%/*}/order"
	END
	chmod 755 hook
	for stage in createRuntime createContainer poststart poststop; do
		printf '{"version":"1.0.0","hook":{"path":"%s","args":["hook","%s"]},"when":{"always":true},"stages":["%s"]}' \
			"$T/hook" $stage $stage >hooks/$stage.json
	done
	run -0 p --hooks-dir "$T/hooks" run --rm --cgroup-parent "/$CGROUP" "${NONE[@]}" alpine true
	ended() { [ "$(wc -l <order)" -eq 4 ]; }
	eventually ended
	[ "$(cat order)" = $'createRuntime creating\ncreateContainer creating\npoststart running\npoststop stopped' ] ||
		[ "$(sed -n 3p order)" = "poststart stopped" ]
}

@test "twenty containers at once" {
	for i in $(seq 20); do
		prun --rm "${NONE[@]}" alpine sh -c "echo $i" >"out.$i" 2>"err.$i" &
	done
	wait
	cat err.* >&2
	for i in $(seq 20); do
		[ "$(cat "out.$i")" = "$i" ]
	done
}
