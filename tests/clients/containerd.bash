# Shared by containerd.bats and kubernetes.bats: a containerd of the file's own. And what docker.bats,
# whose containerd dockerd starts, needs of it.
#
# In setup_file: containerd_prepare, which makes a directory, $D, with a config.toml that keeps all of
# containerd's below it; what a file adds to that; containerd_start; in teardown_file: containerd_clean. In each test's setup: lib_setup, in teardown: containerd_teardown,
# which ends the test's containers and fails if the shim or mrun left something of them.
# What cannot be put below $D is /run/containerd/s, where the shims listen.
# shellcheck shell=bash disable=SC2034,SC2154 # others use these variables; bats sets the BATS_ ones

HELLO=docker.io/library/multistage-hello-world:latest
RPC=$ROOT/tests/clients/rpc.py
TYPIST=$ROOT/tests/clients/typist.py

# LIB_SKIP where this machine or user can't: bats has no skip in setup_file.
containerd_can() {
	local program
	LIB_SKIP=
	[ "$(id -u)" -eq 0 ] || LIB_SKIP="needs root"
	for program in containerd containerd-shim-runc-v2 ctr jq python3; do
		[ -n "$LIB_SKIP" ] || command -v "$program" >/dev/null ||
			LIB_SKIP="$program is not installed (scripts/install-deps clients)"
	done
	[ -n "$LIB_SKIP" ] || unshare -m true 2>/dev/null || LIB_SKIP="no right to mount here"
	export LIB_SKIP
	[ -z "$LIB_SKIP" ]
}

# A python with the distribution's gRPC; another one may come first in PATH.
python_grpc() {
	local python
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import grpc' 2>/dev/null || {
			echo "$python"
			return 0
		}
	done
	return 1
}

containerd_prepare() {
	lib_setup
	D=$T
	CGROUP=mrun-test-$LIB_RUN-$RANDOM
	: "${CONTAINERD_NAMESPACE:=$CGROUP}"
	export D CGROUP CONTAINERD_ADDRESS=$D/containerd.sock CONTAINERD_NAMESPACE
	cat >"$D/config.toml" <<TOML
version = 2
root = "$D/root"
state = "$D/state"
[grpc]
  address = "$CONTAINERD_ADDRESS"
[ttrpc]
  address = "$CONTAINERD_ADDRESS.ttrpc"
TOML
	# The shim's default is `runc` in containerd's PATH; where a client names no program, that is mrun.
	mkdir "$D/tmp" "$D/bin"
	ln -s "$MRUN" "$D/bin/runc"
}

containerd_start() { # [PREFIX…]: a command that starts it, `unshare -n` say
	local _
	# ctr waits longer than this for a socket that isn't there yet; the log says more.
	TMPDIR=$D/tmp PATH=$D/bin:$PATH "$@" containerd --config "$D/config.toml" >>"$D/log" 2>&1 </dev/null 3>&- &
	echo $! >"$D/pid"
	disown
	for _ in {1..300}; do
		! ctr --connect-timeout 1s version >/dev/null 2>&1 || return 0
		kill -0 "$(cat "$D/pid")" 2>/dev/null || break
		sleep 0.1
	done
	echo "containerd does not start:" >&2
	tail -20 "$D/log" >&2
	return 1
}

containerd_stop() {
	local pid _
	pid=$(cat "$D/pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	for _ in {1..200}; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	rm -f "$D/pid"
}

containerd_clean() {
	[ -z "$LIB_SKIP" ] || return 0
	local failed=0
	T=$D
	[ ! -S "$CONTAINERD_ADDRESS" ] || containerd_end_containers
	containerd_stop
	# By the mark in their environment these are the shims, if one is left.
	{
		lib_processes
		lib_mounts | lib_new "$D/.mounts"
		find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" 2>/dev/null
	} >"$D/left"
	[ ! -s "$D/left" ] || {
		failed=1
		echo "left behind:" >&2
		cat "$D/left" >&2
	}
	lib_teardown || failed=1
	containerd_clean_run
	return "$failed"
}

# Empty directories, which each containerd makes anew.
containerd_clean_run() {
	pgrep -x containerd >/dev/null || find /run/containerd -depth -type d -empty -delete 2>/dev/null || true
}

containerd_end_containers() {
	local id dir _
	for id in $(c task ls -q); do c task rm -f "$id" >/dev/null 2>&1; done
	for id in $(c container ls -q); do c container rm "$id" >/dev/null 2>&1; done
	# Whatever the daemon did not reach any more.
	for dir in /sys/fs/cgroup/*/"$CGROUP"/* /sys/fs/cgroup/"$CGROUP"/*; do
		[ ! -d "$dir" ] || xargs -r kill -KILL <"$dir/cgroup.procs" 2>/dev/null
	done
}

# What may still be there of the test's containers: one line each.
containerd_leftovers() {
	c task ls -q | sed 's/^/task /'
	c container ls -q | sed 's/^/container /'
	find "$D"/state/io.containerd.runtime.v2.task -mindepth 2 -maxdepth 2 -printf 'bundle %f\n'
	find "$D/runc" -mindepth 2 -maxdepth 2 -printf 'state %f\n' 2>/dev/null
	find "$D/tmp" -mindepth 1 -printf 'file %p\n'
	find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" -printf 'cgroup %p\n' 2>/dev/null
	awk -v d="$D/state/" 'index($5, d) { print "mount " $5 }' /proc/self/mountinfo
}

# containerd removes a killed shim's container in its own time.
containerd_idle() {
	local left _
	for _ in {1..150}; do
		left=$(containerd_leftovers)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	printf 'left behind:\n%s\n' "$left" >&2
	return 1
}

containerd_teardown() {
	local failed=0
	[ -z "$LIB_SKIP" ] || return 0
	if [ -n "${BATS_TEST_COMPLETED:-}" ]; then
		containerd_idle || failed=1
	else
		tail -5 "$D/log" >&2
	fi
	if [ "$failed" -ne 0 ] || [ -z "${BATS_TEST_COMPLETED:-}" ]; then containerd_end_containers; fi
	lib_teardown || failed=1
	return "$failed"
}

c() { timeout -k 5 60 ctr "$@"; }

ctr_run() { # [OPTION…] IMAGE ID [COMMAND…]
	timeout -k 5 60 ctr run --runc-binary "$MRUN" --runc-root "$D/runc" --fifo-dir "$D/fifo" "$@"
}

ctr_exec() { # [OPTION…] ID COMMAND…
	timeout -k 5 60 ctr task exec --fifo-dir "$D/fifo" "$@"
}

until_true() { # COMMAND…: within 30 seconds
	local _
	for _ in {1..300}; do
		! "$@" || return 0
		sleep 0.1
	done
	echo "not within 30 s: $*" >&2
	return 1
}
