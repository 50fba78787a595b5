#!/usr/bin/env bats
# `mrun exec` into a container that `mrun IMAGE` started: as in docker it is the container's user,
# environment, directory, rights and filter.
# shellcheck disable=SC2016 # programs for other shells
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	user_make_plain
	as_user "$MRUN" load -q -i "$(hello_image)"
	install -m 644 "$(hello_image)" "$TEST_HOME2/hello.tar"
	as_user2 "$MRUN" load -q -i "$TEST_HOME2/hello.tar"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	"$MRUN" load -q -i "$(hello_image)"
	N=x$$-$RANDOM
	WHO=root
}
teardown() {
	for WHO in root user plain; do m delete -f "$N" >/dev/null 2>&1; done
	lib_teardown
}

# A container named $N that runs until stop is called.
start() { # OPTION…
	m --name "$N" "$@" $I sleep 1000 >started 2>&1 </dev/null 3>&- &
	STARTED=$!
	for _ in {1..200}; do
		[ "$(m state "$N" 2>/dev/null | jq -r .status)" != running ] || return 0
		kill -0 $STARTED
		sleep 0.05
	done
	cat started
	return 1
}
stop() {
	m kill "$N" KILL
	wait $STARTED || true
	run ! m state "$N"
}

@test "exec runs as the image's root, with the container's environment, directory and rights" {
	plainly() {
		start -e GIVEN=1 -w /tmp
		run -0 m exec "$N" sh -c 'id -u; echo "$HOME $GIVEN $HOSTNAME"; pwd; cat /proc/1/comm; hostname'
		[ "${lines[0]}" = 0 ]
		[ "${lines[1]}" = "/root 1 ${lines[4]}" ]
		[ "${lines[2]}" = /tmp ]
		[ "${lines[3]}" = sleep ]
		run -0 m exec -e MORE=2 -e GIVEN=3 --cwd / "$N" sh -c 'echo $GIVEN$MORE; pwd'
		[ "$output" = $'32\n/' ]
		run -0 m exec "$N" grep ^Cap /proc/self/status
		[ "$output" = "$(m $I grep ^Cap /proc/self/status)" ]
		[[ $output == *$'CapEff:\t00000000a80425fb'* ]]
		[ "$(echo in | m exec -i "$N" cat)" = in ]
		stop
	}
	both plainly
	WHO=plain plainly
}

@test "exec -u: names and groups from the image, as --user and --group-add have them" {
	users() {
		start -u nobody --group-add 7 --group-add audio
		[ "$(m exec "$N" sh -c 'id -un; id -G; echo $HOME; grep CapPrm /proc/self/status')" = \
			"$(m -u nobody --group-add 7 --group-add audio $I sh -c 'id -un; id -G; echo $HOME; grep CapPrm /proc/self/status')" ]
		run -0 m exec -u root "$N" sh -c 'id -u; grep CapPrm /proc/self/status'
		[ "$output" = $'0\nCapPrm:\t00000000a80425fb' ]
		[ "$(m exec -u 12:34 "$N" sh -c 'id -u; id -g')" = $'12\n34' ]
		run -255 m exec -u no-such-user "$N" true
		[[ $output == *"unable to find user no-such-user"* ]]
		stop
	}
	both users
}

@test "exec has the container's filter: the default one, another file, none" {
	filters() {
		start
		run ! m exec "$N" unshare -U true
		[ "$(m exec "$N" grep Seccomp: /proc/self/status)" = $'Seccomp:\t2' ]
		stop
		start --security-opt seccomp=unconfined
		m exec "$N" unshare -U true
		stop
		echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}' >p.json
		chmod 644 p.json
		start --security-opt "seccomp=$T/p.json"
		run ! m exec "$N" mkdir /tmp/x
		[[ $output == *[Nn]"ot supported"* ]]
		m exec "$N" unshare -U true
		stop
	}
	both filters
}

@test "exec: exit codes are docker's for an image's container" {
	codes() {
		start
		run -7 m exec "$N" sh -c 'exit 7'
		run -127 m exec "$N" no-such-program
		run -126 m exec "$N" /etc/passwd
		run -137 m exec "$N" sh -c 'kill -KILL $$'
		stop
		run -255 m exec "$N" true
		[[ $output == *"does not exist"* ]]
	}
	both codes
}

@test "exec -t: a terminal and its type" {
	start
	need script
	# An input without an end: script(1) types one, and the terminal echoes it anywhere.
	mkfifo input
	run -0 script -qec "stty rows 31 cols 71; '$MRUN' exec -it $N sh -c 'tty; stty size; echo \$TERM'" /dev/null 0<>input
	output=${output//$'\r'/}
	[[ $output == *$'/dev/pts/0\n31 71\nxterm'* ]]
	[ -z "$("$MRUN" exec "$N" sh -c 'echo $TERM')" ]
	stop
}

@test "exec into a copy of the image" {
	copied() {
		start
		run -0 m exec "$N" sh -c 'echo there >/new; cat /etc/hosts /new'
		[[ $output == *there ]]
		stop
	}
	m() {
		case $WHO in
		user) as_user env MRUN_STORAGE_DRIVER=copy "$MRUN" "$@" ;;
		*) MRUN_STORAGE_DRIVER=copy "$MRUN" "$@" ;;
		esac
	}
	both copied
}

@test "exec --process: the user is the file's" {
	start -u nobody
	echo '{"args": ["id", "-u"], "cwd": "/", "env": ["PATH=/bin:/usr/bin"], "user": {"uid": 5, "gid": 6}}' >p.json
	[ "$("$MRUN" exec --process p.json "$N")" = 5 ]
	[ "$("$MRUN" exec --process p.json -u root "$N")" = 0 ]
	stop
}
