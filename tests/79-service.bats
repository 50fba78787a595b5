#!/usr/bin/env bats
# What a service manager gives a service: NOTIFY_SOCKET (sd_notify(3)) and LISTEN_FDS
# (sd_listen_fds(3)), passed on into containers.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	need python3
	[ -x "$BUILD/tests/notify" ] || skip "the service is not built (make tests-build)"
	ID=mrun-n$$-$RANDOM
	WHO=root
	DIR=$T
}
teardown() {
	[ -z "${LISTENER:-}" ] || kill "$LISTENER" 2>/dev/null || true
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	[ "$WHO" = root ] || m delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

# A bundle whose program says these messages, for WHO, in DIR/b.
service() { # JQ MESSAGE…
	local jq=$1
	shift
	rm -rf b "$DIR/b"
	bundle b "$jq" || return 1
	jq ".process.args = $(jq -n '["/notify"] + $ARGS.positional' --args "$@")" b/config.json >c && mv c b/config.json
	install -m 755 "$BUILD/tests/notify" b/rootfs/notify
	[ "$WHO" = root ] || {
		jq '.linux.namespaces |= map(select(.type != "network")) + [{type: "user"}] | del(.linux.resources)
			| .linux.uidMappings = [{containerID: 0, hostID: ('"$TEST_UID"'), size: 1}]
			| .linux.gidMappings = [{containerID: 0, hostID: ('"$TEST_GID"'), size: 1}]
			| .mounts |= map(select(.destination != "/sys") | .options |= (. // [] | map(select(startswith("gid=") | not))))' b/config.json >c && mv c b/config.json
		mv b "$DIR/b"
		chown -R "$TEST_USER:" "$DIR/b"
	}
}
# What systemd would hear: a line "<message>" for each datagram, descriptors closed.
listen() { # ADDRESS
	cat >listen.py <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		name = sys.argv[1]
		s.bind("\0" + name[1:] if name[0] == "@" else name)
		if name[0] != "@":
		    os.chmod(name, 0o777)
		print("listening", flush=True)
		while True:
		    data, fds, _, _ = socket.recv_fds(s, 8192, 8)
		    print(data.decode().replace("\n", "|"), "" if not fds else f"+{len(fds)}", flush=True)
		    for fd in fds:
		        os.close(fd)
	END
	python3 listen.py "$1" >heard 2>&1 3>&- &
	LISTENER=$!
	eventually grep -q listening heard
}
eventually() { # COMMAND…
	local _
	for _ in {1..200}; do ! "$@" || return 0; sleep 0.05; done
	return 1
}
with() { # VARIABLE=VALUE… -- COMMAND…: as WHO
	local vars=()
	while [ "$1" != -- ]; do
		vars+=("$1")
		shift
	done
	shift
	case $WHO in
	user) as_user env "${vars[@]}" "$@" ;;
	*) env "${vars[@]}" "$@" ;;
	esac
}

notify_detached() {
	DIR=$T
	[ "$WHO" = root ] || DIR=$TEST_HOME
	service . 'STATUS=up' 'READY=1\nSTATUS=all well\nMAINPID=1' sleep
	listen "$DIR/socket"
	with NOTIFY_SOCKET="$DIR/socket" -- timeout 60 "$MRUN" run -d --bundle "$DIR/b" --pid-file "$DIR/pid" "$ID" </dev/null >log 2>&1 ||
		{ cat log; false; }
	# Ready it was when run ended, and its pid is the host's.
	pid=$(cat "$DIR/pid")
	cat heard
	[ "$(sed -n 2p heard)" = "STATUS=up| " ]
	[ "$(sed -n 3p heard)" = "READY=1|STATUS=all well|MAINPID=$pid| " ]
	[ "$(sed -n 4p heard)" = "BARRIER=1 +1" ]
	[ "$(wc -l <heard)" -eq 4 ]
	[ "$(m state "$ID" | jq -r '.status + " " + (.pid | tostring)')" = "running $pid" ]
	# exec is nobody's service.
	run -3 m exec "$ID" /notify READY=1
	m delete -f "$ID"
	run -1 m state "$ID"
	kill "$LISTENER"
	rm -f "$DIR/socket"
}
@test "run -d: stays until the container is ready, and says which process it is" {
	both notify_detached
}

@test "create and start: create asks for it, start waits; others may work on it meanwhile" {
	need_root
	service . STATUS=waiting sleep
	listen "$T/socket"
	NOTIFY_SOCKET=$T/socket "$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	[ "$(wc -l <heard)" -eq 1 ]
	NOTIFY_SOCKET=$T/socket "$MRUN" start "$ID" >log 2>&1 3>&- &
	start=$!
	eventually grep -q waiting heard
	[ "$("$MRUN" state "$ID" | jq -r .status)" = running ]
	kill -0 $start
	# A further process of the container may say it.
	SECONDS=0
	"$MRUN" exec -e NOTIFY_SOCKET=/run/notify/notify.sock "$ID" /notify READY=1
	[ "$SECONDS" -lt 5 ]
	wait $start
	eventually grep -q BARRIER heard
	grep -q '^READY=1|MAINPID=' heard
	# The container's end ends the waiting as well.
	"$MRUN" delete -f "$ID"
	NOTIFY_SOCKET=$T/socket "$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	before=$(wc -l <heard)
	NOTIFY_SOCKET=$T/socket "$MRUN" start "$ID" >log 2>&1 3>&- &
	start=$!
	eventually sh -c "[ \$(wc -l <heard) -gt $before ]"
	"$MRUN" kill "$ID" KILL
	wait $start
	[ ! -s log ]
	# Without NOTIFY_SOCKET at start it does not wait, and without it at create there is none.
	"$MRUN" delete -f "$ID"
	NOTIFY_SOCKET=$T/socket "$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	timeout 20 "$MRUN" start "$ID"
	eventually grep -q 'send: No such file' log
	"$MRUN" delete -f "$ID"
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	NOTIFY_SOCKET=$T/socket timeout 20 "$MRUN" start "$ID"
	eventually grep -q 'no NOTIFY_SOCKET' log
}

@test "run in the foreground: everything from the beginning to the end, with mrun's own pid" {
	need_root
	service . 'READY=1' 'RELOADING=1\nMONOTONIC_USEC=5' 'READY=1' WATCHDOG=1 barrier STATUS=1 STATUS=2 STATUS=3 STATUS=4 'STOPPING=1\nSTATUS=bye'
	listen "@$ID"
	NOTIFY_SOCKET=@$ID timeout 60 "$MRUN" run --bundle b "$ID" </dev/null >out 2>&1 3>&- &
	run=$!
	wait $run
	# timeout(1) stands between.
	eventually grep -q bye heard
	cat heard
	[ "$(cat out)" = released ]
	[[ "$(sed -n 2p heard)" =~ ^READY=1\|MAINPID=[0-9]+\|\ $ ]]
	[ "$(sed -n 3p heard)" = "RELOADING=1|MONOTONIC_USEC=5| " ]
	[ "$(sed -n 5,10p heard | tr -d '\n')" = "WATCHDOG=1| STATUS=1| STATUS=2| STATUS=3| STATUS=4| STOPPING=1|STATUS=bye| " ]
	[ "$(wc -l <heard)" -eq 10 ]
}

@test "a container has no say in what is systemd's: MAINPID, descriptors, other words" {
	need_root
	service '.process.user = {uid: 1000, gid: 1000}' 'MAINPID=1' 'FDSTORE=1\nFDNAME=x' 'NOTIFYACCESS=all' READY READY= XREADY=1 'STATUS' \
		"STATUS=$(printf 'x%.0s' {1..5000})" '\n\n\n' 'MAINPID=1\nSTATUS=one\nMAINPIDFDID=2' 'READY=1' sleep
	listen "$T/socket"
	NOTIFY_SOCKET=$T/socket timeout 60 "$MRUN" run -d --bundle b --pid-file pid "$ID" </dev/null >log 2>&1
	cat heard log
	[ "$(sed 1d heard | tr -d '\n')" = "STATUS=one| READY=1|MAINPID=$(cat pid)| BARRIER=1 +1" ]
	# Where the socket lies nothing can be written, by root neither.
	run -1 "$MRUN" exec --user 0 "$ID" touch /run/notify/x
	[[ $output == *"ead-only file system"* ]]
	[[ "$("$MRUN" exec "$ID" grep " /run/notify " /proc/self/mountinfo)" == *"ro,nosuid,nodev,noexec"* ]]
}

@test "a NOTIFY_SOCKET that is none is a warning" {
	need_root
	service . READY=1
	python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])' "$T/closed"
	for name in "$T/none" "$T/closed" relative "@none$ID" "vsock:2:1234" "$T/$(printf 'x%.0s' {1..200})"; do
		NOTIFY_SOCKET=$name run -4 --separate-stderr "$MRUN" --log log --log-format json run --bundle b "$ID"
		[[ $stderr == *"warning: NOTIFY_SOCKET: "* ]]
		jq -e 'select(.level == "warning") | .msg | startswith("NOTIFY_SOCKET: ")' log
		rm log
	done
	# An empty one is none.
	NOTIFY_SOCKET='' run -3 "$MRUN" run --bundle b "$ID"
	# The state's path may be longer than a socket's name can be.
	long=$T/$(printf 'x%.0s' {1..120})
	listen "$T/socket"
	NOTIFY_SOCKET=$T/socket run -0 "$MRUN" --root "$long" run --bundle b "$ID"
	eventually grep -q READY=1 heard
}

@test "NOTIFY_SOCKET with a user namespace, and another user in the container" {
	need_root
	service '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings | .process.user = {uid: 1000, gid: 1000}' READY=1
	chown -R 1879048192:1879048192 b/rootfs
	listen "$T/socket"
	chmod 700 "$XDG_RUNTIME_DIR"
	NOTIFY_SOCKET=$T/socket run -0 "$MRUN" run --bundle b "$ID"
	echo "$output"
	eventually grep -q READY=1 heard
}

listen_fds() {
	DIR=$T
	[ "$WHO" = root ] || DIR=$TEST_HOME
	service . unused
	jq '.process.args = ["/bin/sh", "-c", "echo \"$LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES\"; cat <&3; ls /proc/self/fd | tr \"\\n\" \" \""]' "$DIR/b/config.json" >c && cat c >"$DIR/b/config.json"
	echo one >"$DIR/one"
	chmod 644 "$DIR/one"
	# What sd_listen_fds(3) checks: they are for this process and no other.
	cat >"$DIR/activate" <<-'END'
		#!/bin/bash
		cd "$(dirname "$0")"
		exec 3<one 4<one 5<one
		export LISTEN_PID=$$
		exec "$@"
	END
	chmod 755 "$DIR/activate"
	run -0 with LISTEN_FDS=1 LISTEN_FDNAMES=web -- "$DIR/activate" "$MRUN" run --bundle b "$ID"
	[ "$output" = "1 1 web
one
0 1 2 3 4 " ]
	# --preserve-fds counts from behind them.
	run -0 with LISTEN_FDS=1 -- "$DIR/activate" "$MRUN" run --preserve-fds 2 --bundle b "$ID"
	[ "${lines[0]}" = "1 1 " ]
	[ "${lines[2]}" = "0 1 2 3 4 5 6 " ]
	run -1 with LISTEN_FDS=4 -- "$DIR/activate" "$MRUN" run --bundle b "$ID"
	[[ $output == *"LISTEN_FDS: descriptor 6 is not open"* ]]
	run -1 with LISTEN_FDS=3 -- "$DIR/activate" "$MRUN" run --preserve-fds 1 --bundle b "$ID"
	[[ $output == *"--preserve-fds: descriptor 6 is not open"* ]]
	run -1 with LISTEN_FDS=x -- "$DIR/activate" "$MRUN" run --bundle b "$ID"
	[[ $output == *"LISTEN_FDS: 'x' is not a number of descriptors"* ]]
	# Another's: nothing is passed.
	for pid in 1 '' x -1; do
		run with LISTEN_FDS=1 -- "$DIR/activate" env LISTEN_PID=$pid "$MRUN" run --bundle b "$ID"
		[ "${lines[0]}" = "  " ]
		[[ $output == *"0 1 2 3 " ]]
	done
	run with LISTEN_FDS=1 -- "$DIR/activate" env -u LISTEN_PID "$MRUN" run --bundle b "$ID"
	[ "${lines[0]}" = "  " ]
	rm -f "$DIR/one" "$DIR/activate"
}
@test "LISTEN_FDS: for this process only, with their names, before --preserve-fds" {
	both listen_fds
}

@test "LISTEN_FDS: create and start; exec's process does not have them" {
	need_root
	service . unused
	jq '.process.args = ["/bin/sh", "-c", "echo \"$LISTEN_FDS\"; cat <&3; sleep 1000"]' b/config.json >c && mv c b/config.json
	echo one >one
	bash -c 'exec 3<one; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' bash "$MRUN" create --bundle b "$ID" </dev/null >out 2>&1
	"$MRUN" start "$ID"
	eventually grep -q one out
	[ "$(tr '\n' ' ' <out)" = "1 one " ]
	run -0 "$MRUN" exec "$ID" sh -c 'echo "x$LISTEN_FDS"; ls /proc/self/fd | tr "\n" " "'
	[ "${lines[0]}" = x ]
	[ "${lines[1]}" = "0 1 2 3 " ]
}
