#!/usr/bin/env bats
# The network of an image's container: none, the host's, pasta's, slirp4netns's; published ports.
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	"$MRUN" load -q -i "$(hello_image)"
	helpers >"$T/.helpers"
}
teardown() {
	[ -z "${NODE:-}" ] || rm -f "$NODE"
	helpers | lib_new "$T/.helpers" | while read -r pid; do kill -KILL "$pid"; done
	lib_teardown
}

m() {
	case $WHO in
	user)
		if [ -n "${NODE:-}" ]; then
			# shellcheck disable=SC2016
			unshare -m bash -c 'mount --bind "$NODE" /dev/net/tun && as_user "$@"' _ "$MRUN" "$@"
		else
			as_user "$MRUN" "$@"
		fi
		;;
	*) "$MRUN" "$@" ;;
	esac
}
need_tun() {
	[ -c /dev/net/tun ] || skip "no /dev/net/tun here"
}
user_tun() {
	as_user test -r /dev/net/tun -a -w /dev/net/tun
}
# Every distribution opens the device to all. Where it is closed (some virtual machines), the user
# gets an open one in a mount namespace of its own.
need_user_tun() {
	need_tun
	user_tun && return
	[ "$(id -u)" -eq 0 ] || skip "/dev/net/tun is for root only here"
	NODE=$(mktemp -u "${TMPDIR:-/tmp}/mrun-tun.XXXXXX")
	mknod -m 666 "$NODE" c 10 200 || skip "/dev/net/tun is for root only, and no other can be made"
	export NODE
	export -f as_user lib_as
}
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# What a TCP server at 127.0.0.1:PORT says; waits for it to come up.
ask() {
	python3 - "$1" <<-'END'
		import socket, sys, time
		for _ in range(50):
		    try:
		        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2)
		        s.shutdown(socket.SHUT_WR)
		        data = s.recv(100)
		        if data:
		            print(data.decode(), end="")
		            sys.exit(0)
		    except OSError:
		        pass
		    time.sleep(0.1)
		sys.exit(1)
	END
}
# Helpers have no environment that would mark them: those that were not there before are ours.
helpers() { pgrep -f '^/[a-z/]*bin/(pasta|slirp4netns) ' | sort; }
no_helper() {
	for _ in {1..20}; do
		[ -z "$(helpers | lib_new "$T/.helpers")" ] && return 0
		sleep 0.1
	done
	return 1
}
# shellcheck disable=SC2016
SERVE='for p in "$@"; do (while :; do echo "port $p" | nc -l -p "$p"; done) & done; read x; kill -9 -1'

# Publishes a port by HELPER, talks to it from the host, and sees that nothing is left.
publish() { # HELPER
	local port pid
	port=$(free_port)
	mkfifo "$T/hold.$WHO.$1"
	exec 9<>"$T/hold.$WHO.$1"
	m -i --network "$1" -p "127.0.0.1:$port:8080" $I sh -c "$SERVE" sh 8080 <&9 9>&- &
	pid=$!
	[ "$(ask "$port")" = "port 8080" ]
	echo >&9
	exec 9>&-
	wait $pid || true
	no_helper
	# The port is free again.
	python3 -c "import socket; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('127.0.0.1', $port))"
}

@test "by default there is loopback, up, and nothing else" {
	loopback() {
		run -0 m $I sh -c 'ls /sys/class/net; cat /sys/class/net/lo/operstate; ip addr show lo | grep -c "inet 127.0.0.1"; ping -c1 -W1 127.0.0.1 >/dev/null && echo pings'
		[ "${lines[0]}" = lo ]
		[ "${lines[2]}" = 1 ]
		[ "${lines[3]}" = pings ]
	}
	both loopback
}

@test "-p by pasta as root" {
	need_root
	need pasta python3
	need_tun
	WHO=root publish pasta
}

@test "-p by pasta as a user" {
	need pasta python3
	need_user_tun
	WHO=user publish pasta
}

@test "-p by slirp4netns as root" {
	need_root
	need slirp4netns python3
	need_tun
	WHO=root publish slirp4netns
}

@test "-p by slirp4netns as a user" {
	need slirp4netns python3
	need_user_tun
	WHO=user publish slirp4netns
}

@test "a range of ports, and -p alone starts pasta" {
	need_root
	need pasta python3
	need_tun
	port=$(free_port)
	mkfifo hold
	exec 9<>hold
	"$MRUN" -i -p "127.0.0.1:$port-$((port + 1)):8080-8081" $I sh -c "$SERVE" sh 8080 8081 <&9 9>&- &
	pid=$!
	[ "$(ask "$port")" = "port 8080" ]
	[ "$(ask "$((port + 1))")" = "port 8081" ]
	echo >&9
	exec 9>&-
	wait $pid || true
	no_helper
}

@test "a busy port is a clear error before the program starts" {
	need_root
	need python3
	need_tun
	python3 -c 'import socket, time, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(20)' >port &
	server=$!
	for _ in {1..200}; do
		[ -s port ] && break
		sleep 0.1
	done
	run -125 "$MRUN" -p "127.0.0.1:$(cat port):80" -v "$T:/t" $I touch /t/started
	kill $server
	[[ $output == *"$(cat port)"*"address already in use"* ]]
	[ ! -e started ]
}

@test "a port of root's is refused to a user with the setting that allows it" {
	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 81 ] || skip "users may bind low ports here"
	run -125 as_user "$MRUN" -p 127.0.0.1:81:81 $I true
	[[ $output == *"127.0.0.1:81/tcp: permission denied"* ]]
	[[ $output == *ip_unprivileged_port_start* ]]
}

@test "a tun device that is closed to the user is named with the command that opens it" {
	need pasta
	user_tun && skip "/dev/net/tun is open to users here"
	run -125 as_user "$MRUN" --network pasta $I true
	[[ $output == *"/dev/net/tun"* ]]
	[[ $output == *hint:* ]]
}

@test "the host's loopback is not reached through pasta or slirp4netns" {
	need_root
	need pasta slirp4netns python3
	need_tun
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); s.settimeout(20)
while True: s.accept()[0].sendall(b"secret\n")' >port &
	server=$!
	for _ in {1..200}; do
		[ -s port ] && break
		sleep 0.1
	done
	[ "$(ask "$(cat port)")" = secret ]
	# shellcheck disable=SC2016
	probe='gw=$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"); for a in 127.0.0.1 $gw 10.0.2.2; do timeout 2 nc -w 1 $a '$(cat port)' </dev/null; done; true'
	for helper in pasta slirp4netns; do
		run -0 "$MRUN" --network $helper $I sh -c "$probe"
		[[ $output != *secret* ]]
	done
	kill $server
}

@test "a killed mrun leaves no helper behind" {
	need_root
	need pasta
	need_tun
	"$MRUN" --network pasta $I sleep 47.12 &
	pid=$!
	for _ in {1..200}; do
		pgrep -f '^sleep 47.12$' >/dev/null && break
		sleep 0.1
	done
	[ -n "$(helpers | lib_new "$T/.helpers")" ]
	kill -KILL $pid
	wait $pid || true
	no_helper
	"$MRUN" list -q | while read -r id; do "$MRUN" delete --force "$id"; done
}

@test "a pasta in PATH is not started" {
	need_root
	need pasta
	need_tun
	mkdir bin
	printf '#!/bin/sh\ntouch %s/trojan\n' "$T" >bin/pasta
	chmod 755 bin/pasta
	PATH=$T/bin:$PATH run -0 "$MRUN" --network pasta $I true
	[ ! -e trojan ]
}

@test "networks that are not there are refused by name" {
	run -125 "$MRUN" --network bridge $I true
	[[ $output == *"--network bridge is not supported"*pasta* ]]
	run -125 "$MRUN" --network none -p 1:1 $I true
	[[ $output == *"--publish does not go with --network none"* ]]
	run -125 "$MRUN" -p 80 $I true
	[[ $output == *"host's port is missing"* ]]
}
