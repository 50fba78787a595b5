#!/usr/bin/env bats
# What a start does side by side: the network namespace by a thread, the record and the device rules
# while the first process is at work. What it must be like all the same, and where it cannot be done.
# shellcheck disable=SC2016,SC2034,SC2154 # programs for other shells; bats's and lib.bash's variables
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	user_make_plain
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-t$$-$RANDOM
	RANGE='[{containerID: 0, hostID: 1879048192, size: 65536}]'
}
teardown() {
	WHO=root
	m delete -f "$ID" >/dev/null 2>&1
	WHO=plain
	[ -z "${TEST_USER2:-}" ] || m delete -f "$ID" >/dev/null 2>&1
	rm -rf "${TEST_HOME2:?}/b"
	lib_teardown
}

sh_bundle() { # SCRIPT [JQ]
	rm -rf b
	bundle b ".process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$1" '$s')] | ${2:-.}"
}
# A bundle of the plain user's, in its home.
plain_bundle() { # SCRIPT [JQ]
	local dir=$TEST_HOME2/b
	as_user2 mkdir "$dir"
	alpine_rootfs "$dir/rootfs"
	chown -R "$TEST_UID2:$TEST_GID2" "$dir/rootfs"
	as_user2 "$MRUN" spec --rootless --bundle "$dir"
	jq ".process.terminal = false | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$1" '$s')] | ${2:-.}" \
		"$dir/config.json" >config.json
	cat config.json >"$dir/config.json" # which stays the user's
}

# Of the container's network namespace: what /proc, /sys and the interface itself say of it.
NETWORK='
	[ "$(ls /sys/class/net)" = lo ] || exit 1
	[ "$(sed 1,2d /proc/net/dev | wc -l)" = 1 ] || exit 2
	[ $(($(cat /sys/class/net/lo/flags) & 1)) = 1 ] || exit 3
	readlink /proc/self/ns/net'

@test "the network namespace is the container's own, with lo up: root, root with ids, one id" {
	need_root
	local own
	own=$(readlink /proc/self/ns/net)
	sh_bundle "$NETWORK"
	run -0 "$MRUN" run --bundle b "$ID"
	[[ $output == net:* && $output != "$own" ]]
	sh_bundle "$NETWORK" ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = $RANGE |
		.linux.gidMappings = $RANGE"
	chown -R 1879048192:1879048192 b/rootfs
	run -0 "$MRUN" run --bundle b "$ID"
	[[ $output == net:* && $output != "$own" ]]
	plain_bundle "$NETWORK" '.linux.namespaces += [{type: "network"}] | .mounts |= map(if .destination == "/sys"
		then .type = "sysfs" | .source = "sysfs" | .options -= ["rbind"] else . end)'
	WHO=plain
	run -0 m run --bundle "$TEST_HOME2/b" "$ID"
	[[ $output == net:* && $output != "$own" ]]
}

@test "sysfs first, a file system of another kind, a mount over all: the order of mounts is kept" {
	need_root
	sh_bundle 'ls /sys/class/net; ls /sys/fs/cgroup/here; ls /a; grep -c . /proc/mounts >/dev/null' \
		'.mounts = [(.mounts[] | select(.destination | startswith("/sys")))] +
		[.mounts[] | select(.destination | startswith("/sys") | not)] +
		[{destination: "/sys/fs/cgroup", type: "tmpfs", source: "tmpfs", options: []},
		 {destination: "/sys/fs/cgroup/here", type: "tmpfs", source: "tmpfs", options: []},
		 {destination: "/a", type: "tmpfs", source: "tmpfs", options: []},
		 {destination: "/a/b", type: "tmpfs", source: "tmpfs", options: []}]'
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$output" = $'lo\nb' ]
}

@test "no network namespace may be made: the error says so, root and user namespace" {
	need_root
	# Its group is not mapped there: what the first process says would come first.
	local pts='.mounts |= map(select(.type != "devpts"))'
	sh_bundle 'echo up' "$pts"
	# Root of a user namespace in which the limit is 0.
	run -1 --separate-stderr unshare -U --map-root-user sh -c \
		"echo 0 >/proc/sys/user/max_net_namespaces; exec '$MRUN' --root '$T/r' run --bundle b $ID"
	[[ $stderr == *"make the container's namespaces: no space left on device"* ]]
	[[ $stderr == *"hint: a limit of /proc/sys/user/max_*_namespaces is reached"* ]]
	[ ! -e "$T/r/$ID" ]
	plain_bundle 'echo up' "$pts | "'.linux.namespaces += [{type: "network"}] | .linux.uidMappings[0].hostID = 0 |
		.linux.gidMappings[0].hostID = 0'
	run -1 --separate-stderr as_user2 unshare -Ur sh -c "echo 0 >/proc/sys/user/max_net_namespaces
		exec '$MRUN' --root $TEST_HOME2/r run --bundle $TEST_HOME2/b $ID"
	[[ $stderr == *"make the container's namespaces: no space left on device"* ]]
	[ ! -e "$TEST_HOME2/r/$ID" ]
}

@test "a container of one process: no thread, and it starts all the same" {
	need_root
	local pids
	pids=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2; exit }' /proc/mounts)
	[ -n "$pids" ] || skip "the pids controller is not v1's here"
	sh_bundle 'exec readlink /proc/self/ns/net' ".linux.namespaces += [{type: \"user\"}] |
		.linux.uidMappings = $RANGE | .linux.gidMappings = $RANGE | .linux.resources.pids.limit = 1"
	chown -R 1879048192:1879048192 b/rootfs
	run -0 "$MRUN" run --bundle b "$ID"
	[[ $output == net:* && $output != "$(readlink /proc/self/ns/net)" ]]
}

@test "the second container of a name is refused and the first one stays, with nothing to find again" {
	[ -n "${TEST_USER2:-}" ] || skip "$LIB_SKIP"
	plain_bundle 'echo up; exec sleep 1000'
	WHO=plain
	m run -d --bundle "$TEST_HOME2/b" "$ID" </dev/null >log 2>&1
	run -1 --separate-stderr m run --bundle "$TEST_HOME2/b" "$ID"
	[[ $stderr == *"container with given ID already exists: $ID"* ]]
	[ "$(m state "$ID" | jq -r .status)" = running ]
	m kill "$ID" KILL
	for _ in {1..200}; do [ "$(m state "$ID" | jq -r .status)" = stopped ] && break; sleep 0.05; done
	m delete "$ID"
}

@test "a limit of few descriptors is the program's, not in the way of what comes before it" {
	need_root
	sh_bundle 'ulimit -n' '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 9, hard: 9}]'
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$output" = 9 ]
}

# --- before main: runtime/start.c ---

start_programs() { # skips where they are not built
	[ -x "$BUILD/tests/start" ] || skip "not x86-64"
}

@test "what a program finds in main() and what follows it are the C library's" {
	start_programs
	HERE=there run -3 "$BUILD/tests/start" one
	[ "${lines[0]}" = "constructor yes, arguments 2 one, environment 1, name start" ]
	[ "${lines[1]}" = "canary 1 1, pointers 1, jump 1, thread 17 18, page 4096 4096, copies 1" ]
	[ "${lines[2]}" = "C 0 1.250 No such file or directory" ]
	[ "${lines[3]}" = atexit ]
	[ "${lines[4]}" = destructor ]
}

@test "a smashed stack and a write to what is relocated once end the program" {
	start_programs
	run -134 --separate-stderr "$BUILD/tests/start" smash
	[[ $stderr == *"stack smashing detected"* ]]
	run -139 "$BUILD/tests/start" relro
}

@test "a start does not ask the processor for its features" {
	start_programs
	[ "$(getconf GNU_LIBC_VERSION)" = "glibc 2.36" ] || skip "the start is the C library's here: $(getconf GNU_LIBC_VERSION)"
	! ldd "$MRUN" >/dev/null 2>&1 || skip "mrun is linked dynamically: the C library starts it"
	run -0 "$BUILD/tests/cpuid" "$MRUN" --version
	# nettle asks for the digests' instructions.
	[ "${lines[-1]}" -le 3 ]
}

# --- v1's cgroups, made while the first process is at work ---

v1_hierarchies() { # as mounted here; none on a v2 host
	sed -n 's|^[0-9]*:\([^:]\{1,\}\):.*|\1|p' /proc/self/cgroup
}
cgroups_of_test() { find /sys/fs/cgroup -maxdepth 4 -name "$ID*" 2>/dev/null; }

@test "v1: the program is in every cgroup of the container, and sees each as its root" {
	need_root
	[ -n "$(v1_hierarchies)" ] || skip "no v1 hierarchies here"
	local h
	sh_bundle 'cat /proc/self/cgroup; for d in /sys/fs/cgroup/*; do [ ! -f $d/tasks ] || grep -qx $$ $d/tasks || echo missing $d; done'
	run -0 "$MRUN" run --bundle b "$ID"
	[[ $output != *missing* ]]
	while read -r h; do
		[[ $output == *":$h:/"$'\n'* || $output == *":$h:/" ]]
	done < <(v1_hierarchies)
	sh_bundle 'cat /proc/self/cgroup' '.linux.namespaces |= map(select(.type != "cgroup"))'
	run -0 "$MRUN" run --bundle b "$ID"
	while read -r h; do
		grep -q ":$h:.*$ID\$" <<<"$output"
	done < <(v1_hierarchies)
	[ -z "$(cgroups_of_test)" ]
}

@test "v1: cgroups before sysfs, without it, with the host's network: all the same" {
	need_root
	[ -n "$(v1_hierarchies)" ] || skip "no v1 hierarchies here"
	local mounts
	for mounts in '[.mounts[] | select(.type == "cgroup")] + [.mounts[] | select(.type != "cgroup" and .type != "sysfs")]' \
		'[.mounts[] | select(.type != "sysfs")]' '.mounts'; do
		sh_bundle 'grep -c "^[0-9]*:[^:]*:/$" /proc/self/cgroup; ls /sys/fs/cgroup | grep -c .' \
			".mounts = ($mounts) | .linux.namespaces |= map(select(.type != \"network\"))"
		run -0 "$MRUN" run --bundle b "$ID"
		[ "${lines[0]}" -ge "$(v1_hierarchies | wc -l)" ]
		[ "${lines[1]}" -ge "$(v1_hierarchies | wc -l)" ]
	done
}

@test "v1: a limit that the kernel refuses is said, and neither a process nor a cgroup is left" {
	need_root
	v1_hierarchies | grep -qw cpuset || skip "no v1 cpuset here"
	sh_bundle 'echo ran' '.linux.resources.cpu.cpus = "4095"'
	run -1 --separate-stderr "$MRUN" run --bundle b "$ID"
	[[ $stderr == *4095*cpuset.cpus* && -z $output ]]
	[ -z "$(cgroups_of_test)" ]
	run ! "$MRUN" state "$ID"
	# What can be seen without the kernel is seen before there is a process.
	need strace
	sh_bundle 'echo ran' '.linux.resources.memory = {swappiness: 101}'
	run -1 strace -qq -o calls -e trace=clone3 "$MRUN" run --bundle b "$ID"
	[[ $output == *"memory.swappiness: 101 is not between 0 and 100"* ]]
	[ ! -s calls ]
	[ -z "$(cgroups_of_test)" ]
}

@test "v1: nobody is under the device rules before the last of them is written" {
	need_root
	need strace
	need script
	need_no_sanitizer "it cannot be traced"
	v1_hierarchies | grep -qw devices || skip "no v1 devices here"
	# Each write is late; the first process, which has as many to make, opens the terminal meanwhile.
	sh_bundle 'tty' '.process.terminal = true'
	run -0 script -qec "strace -qq -f -o /dev/null -e trace=write -e inject=write:delay_enter=20000 '$MRUN' run --bundle b $ID" /dev/null
	[[ $output == *"/dev/pts/0"* ]]
}

# --- ids by newuidmap and newgidmap, whose end the first process sees itself ---

@test "ids that newuidmap refuses, and ids without the caller's own: an error and a start" {
	[ -z "${LIB_SKIP:-}" ] || skip "$LIB_SKIP"
	local low dir=$TEST_HOME/b
	low=$(lib_subid "$TEST_USER" /etc/subuid)
	WHO=user
	rm -rf "$dir"
	as_user mkdir "$dir"
	alpine_rootfs "$dir/rootfs"
	chmod -R a+rX "$dir/rootfs"
	as_user "$MRUN" spec --rootless --bundle "$dir"
	map() { # MAPS OWNER
		jq ".process.terminal = false | .process.args = [\"/bin/sh\", \"-c\", \"cat /proc/self/uid_map /proc/self/gid_map\"] |
			.linux.uidMappings = $1 | .linux.gidMappings = $1" "$dir/config.json" >config.json
		cat config.json >"$dir/config.json"
		[ "$(id -u)" -ne 0 ] || chown -R "$2:$2" "$dir/rootfs"
	}
	map "[{containerID: 0, hostID: $((low + 4000000)), size: 10}]" "$TEST_UID"
	run -1 m run --bundle "$dir" "$ID"
	[[ $output == *newuidmap* ]]
	run ! m state "$ID"
	[ "$(id -u)" -eq 0 ] || return 0 # only root can give it the files
	map "[{containerID: 0, hostID: $low, size: 10}]" "$low"
	run -0 m run --bundle "$dir" "$ID"
	[ "$(awk -v l="$low" '$1 == 0 && $2 == l && $3 == 10' <<<"$output" | wc -l)" = 2 ]
	rm -rf "$dir"
}
