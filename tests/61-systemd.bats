#!/usr/bin/env bats
# The systemd cgroup driver where there is no systemd: what is refused, and what is said. With one it
# is tested in a guest (tests/vm).
# shellcheck disable=SC2016 # programs for other shells
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	[ -x "${MRUN%/*}/mrun-systemd" ] || skip "mrun-systemd is not built: no libsystemd here"
	ID=mrun-t$$-$RANDOM
	bundle b '.process.args = ["/bin/echo", "ran"]'
	# A manager that may be on this machine is not the tests' to talk to.
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/none/bus DBUS_SESSION_BUS_ADDRESS=unix:path=$T/none/session
}
teardown() {
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null
	lib_teardown
}

no_systemd() {
	[ ! -d /run/systemd/system ] || skip "systemd runs here: its sockets would answer"
}

@test "no bus: the sockets that were tried, and what to do; nothing is left" {
	need_root
	no_systemd
	for option in --systemd-cgroup --cgroup-manager=systemd; do
		run -1 "$MRUN" $option run --bundle b "$ID"
		[[ ${lines[0]} == *"reach systemd: unix:path=$T/none/bus: no such file or directory; unix:path=/run/dbus/system_bus_socket: "*"; unix:path=/run/systemd/private: "* ]]
		[[ ${lines[1]} == "hint: "*"whose init is systemd"*"leave out --systemd-cgroup"* ]]
		run -0 "$MRUN" list -q
		[ -z "$output" ]
	done
}

@test "no bus, as a user: the user's own sockets are tried" {
	no_systemd
	as_user mkdir -p b/rootfs
	as_user sh -c "cd b && '$MRUN' spec --rootless"
	# Without cgroup v2 it is said before anything is tried.
	in_v2() { unshare -m bash -c 'umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && "$@"' x "$@"; }
	export MRUN T TEST_USER TEST_HOME LIB_RUN
	export -f lib_as as_user
	in_v2 true || skip "no cgroup v2 can be mounted here"
	run -1 in_v2 bash -c 'as_user "$MRUN" --systemd-cgroup run --bundle b '"$ID"
	[[ $output == *"reach systemd's manager of your user: unix:path=$TEST_RUNTIME/bus: no such file or directory; unix:path=/run/user/$TEST_UID/bus: "* ]]
	[[ $output == *"hint: "*"loginctl enable-linger"* ]]
}

@test "as a user on cgroup v1: refused, as there is no delegation" {
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || skip "cgroup v2 here"
	as_user mkdir -p b1/rootfs
	as_user sh -c "cd b1 && '$MRUN' spec --rootless"
	run -1 as_user "$MRUN" --systemd-cgroup run --bundle b1 "$ID"
	[[ $output == *"the systemd cgroup driver without root: that takes cgroup v2"*"hint: cgroup v1 has no delegation"* ]]
}

@test "a bus without systemd" {
	need_root
	no_systemd
	need dbus-daemon
	dbus-daemon --session --nofork --nosyslog --address="unix:path=$T/bus" >dbus.log 2>&1 3>&- &
	SERVER=$!
	for _ in {1..200}; do [ ! -S bus ] || break; sleep 0.05; done
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus run -1 "$MRUN" --systemd-cgroup run --bundle b "$ID"
	[[ $output == *"unix:path=$T/bus: ask systemd for Version: "*org.freedesktop.systemd1* ]]
}

# systemd is asked beside the rest of the set-up: the bus has not said a word yet.
@test "a bus that does not answer: the container is made meanwhile; what waits for it ends with mrun" {
	need_root
	need python3
	no_systemd
	python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); c = s.accept(); print("connected", flush=True); time.sleep(1000)' \
		"$T/bus" >python.log 2>&1 3>&- &
	SERVER=$!
	for _ in {1..200}; do [ ! -S bus ] || break; sleep 0.05; done
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus "$MRUN" --systemd-cgroup run -d --bundle b "$ID" >log 2>&1 </dev/null 3>&- &
	local pid=$!
	for _ in {1..600}; do ! grep -q connected python.log || break; sleep 0.05; done
	grep connected python.log
	until_made() {
		local child _
		for _ in {1..200}; do
			for child in $(pgrep -P "$pid"); do
				[ "$(readlink "/proc/$child/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ] || return 0
			done
			sleep 0.05
		done
		echo "no child in namespaces of its own:"
		pgrep -lP "$pid"
		return 1
	}
	until_made
	kill -KILL "$pid"
	wait "$pid" || true
	for _ in {1..200}; do
		[ "$("$MRUN" state "$ID" | jq -r .status)" != stopped ] || break
		sleep 0.05
	done
	"$MRUN" delete --force "$ID"
	# lib_teardown finds mrun-systemd and the container's process, if one is left.
}

@test "what cgroupsPath and the annotations may be is checked before anything is made" {
	need_root
	refused() { # JQ TEXT
		rm b/config.json
		bundle b ".process.args = [\"/bin/echo\", \"ran\"] | $1"
		run -1 "$MRUN" --systemd-cgroup run --bundle b "$ID"
		[[ $output == *"$2"* ]] || {
			echo "no '$2' in: $output"
			return 1
		}
		[ -z "$("$MRUN" list -q)" ]
	}
	refused '.linux.cgroupsPath = "/a/b"' 'expected it to be of format "slice:prefix:name"'
	refused '.linux.cgroupsPath = "a b.slice:p:n"' "'a b.slice' is not the name of a slice"
	refused '.annotations = {"org.systemd.property.CollectMode": "x"}' \
		"annotation org.systemd.property.CollectMode: 'x', at character 1: not a value; a text needs quotes"
	refused '.annotations = {"org.systemd.property.PIDs": "[uint32 1]"}' 'PIDs cannot be changed: mrun sets it'
	refused '.linux.resources.memory = {limit: 100, swap: 50}' linux.resources.memory.swap
}

@test "without the helper program: it is named, and features says so" {
	need_root
	"$MRUN" features | jq -e '.linux.cgroup | .systemd and .systemdUser'
	mkdir alone
	cp "$MRUN" alone/mrun
	[ ! -e /usr/local/libexec/mrun/mrun-systemd ] || skip "mrun-systemd is installed"
	alone/mrun features | jq -e '.linux.cgroup | (.systemd or .systemdUser) | not'
	run -1 alone/mrun --systemd-cgroup run --bundle b "$ID"
	[[ $output == *"find the helper program mrun-systemd: no such file or directory"*"hint: "*libsystemd* ]]
	run -125 "${MRUN%/*}/mrun-systemd" </dev/null
	[[ $output == *"started by mrun"* ]]
}
