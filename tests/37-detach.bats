#!/usr/bin/env bats
# `mrun -d IMAGE`: a container in the background, and the commands that go with it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # programs for other shells; bats's variables
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
	N=d$$-$RANDOM
	WHO=root
}
teardown() {
	for WHO in root user; do
		for id in "$N" "$N-2"; do m delete -f "$id" >/dev/null 2>&1; done
	done
	lib_teardown
}

# Detached, as a script would: nothing of ours is held open (bats would wait for its own output).
d() { m -d --name "$N" "$@" </dev/null 2>&1 3>&-; }
status_of() { m state "$1" | jq -r .status; }
until_true() { # COMMAND…
	for _ in {1..200}; do
		! "$@" || return 0
		sleep 0.1
	done
	echo "never true: $*"
	return 1
}
stopped() { [ "$(status_of "$N")" = stopped ]; }
logged() { m logs "$N" | grep -q "$1"; }
stayer() { lib_processes | sed -n "s|^\([0-9]*\) $MRUN -d --name $N .*|\1|p" | head -n 1; }
# The slots in the cache of WHO that hold more than two empty directories.
slots() {
	local cache=$XDG_CACHE_HOME
	[ "$WHO" != user ] || cache=$TEST_HOME/.cache
	find "$cache"/mrun/layers/*/run/* -mindepth 1 ! -path '*/w' ! -path '*/w/work' ! -path '*/u' 2>/dev/null
}

no_slots() { [ -z "$(slots)" ]; }
none_listed() { [ -z "$(m list -q)" ]; }

@test "-d prints the id and returns; list, state, ps and exec know the container" {
	knows() {
		[ "$(d -e A=1 $I sh -c 'echo up; exec sleep 1000')" = "$N" ]
		[ "$(status_of "$N")" = running ]
		[[ $(m list) == *"$N"*running* ]]
		[ "$(m exec "$N" sh -c 'echo $A; cat /proc/1/comm' | tail -n 1)" = sleep ]
		[[ $(m ps "$N") == *"sleep 1000"* ]]
		until_true logged up
		m kill "$N" KILL
		[ "$(m wait "$N")" = 137 ]
		[ "$(status_of "$N")" = stopped ]
		[ "$(m logs "$N")" = up ]
		run -125 m --name "$N" $I true
		[[ $output == *"exists: $N"* ]]
		m delete "$N"
		[ -z "$(m list -q)" ]
		[ -z "$(slots)" ]
		# Without a name: the id is what is printed.
		id=$(m -d $I sleep 1000 3>&-)
		[ ${#id} -eq 64 ]
		m delete --force "$id"
		[ -z "$(m list -q)" ]
		[ -z "$(slots)" ]
	}
	both knows
}

@test "exit codes: wait prints the program's; one that does not start is the caller's error" {
	codes() {
		d $I sh -c 'exit 7'
		m -d --name "$N-2" $I sleep 1000 </dev/null 3>&-
		[ "$(m wait "$N")" = 7 ]
		m kill "$N-2" KILL
		[ "$(m wait "$N" "$N-2")" = $'7\n137' ]
		m delete "$N"
		m delete "$N-2"
		run -127 d $I no-such-program
		[[ $output == *"executable file not found"* ]]
		run -126 d $I /etc/passwd
		run -125 d -u nobody-here $I true
		[[ $output == *"unable to find user"* ]]
		run -125 d --cidfile "$HOME/id" -v /no/such/place:/x $I true
		[ ! -e "$HOME/id" ]
		[ -z "$(m list -q)" ]
		[ -z "$(slots)" ]
	}
	both codes
	run -1 "$MRUN" wait no-such
	[[ $output == *"does not exist"* ]]
}

@test "--rm leaves nothing, and wait still learns the code" {
	d --rm $I sh -c 'echo x >/file; while [ ! -e /go ]; do sleep 0.1; done; exit 4' >/dev/null
	"$MRUN" wait "$N" >code 3>&- &
	waiter=$!
	"$MRUN" exec "$N" touch /go
	wait $waiter
	[ "$(cat code)" = 4 ]
	until_true none_listed
	[ -z "$(slots)" ]
	run -125 "$MRUN" -d --rm --keep $I true
	[[ $output == *"--keep and --rm contradict each other"* ]]
}

@test "--keep keeps the files too, until delete" {
	d --keep $I sh -c 'echo mine >/kept' >/dev/null
	[ "$("$MRUN" wait "$N")" = 0 ]
	[[ $(slots) == */u/kept* ]]
	# Another run has a slot of its own.
	"$MRUN" $I sh -c '[ ! -e /kept ]; echo >/other'
	[[ $(slots) == */u/kept* ]]
	"$MRUN" delete "$N"
	[ -z "$(slots)" ]
	"$MRUN" --keep --name "$N" $I sh -c 'echo mine >/kept'
	[[ $(slots) == */u/kept* ]]
	run -1 "$MRUN" logs "$N"
	[[ $output == *"was not started with mrun -d"* ]]
	"$MRUN" delete "$N"
	[ -z "$(slots)" ]
}

@test "logs: both outputs in their order, also through /dev/stdout and as another user; -f follows" {
	logs() {
		d -u nobody $I sh -c 'echo one; echo two >&2; echo three >/dev/stdout; echo four >/dev/stderr; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo five' >/dev/null
		until_true logged four
		[ "$(m logs "$N")" = $'one\ntwo\nthree\nfour' ]
		[ "$(m logs -n 2 "$N")" = $'three\nfour' ]
		[ "$(m logs --tail 9 "$N")" = "$(m logs --tail all "$N")" ]
		[ "$(m logs --tail 0 "$N")" = "" ]
		run -1 --separate-stderr m logs --tail some "$N"
		[[ $stderr == *"logs: --tail: 'some' is neither a number of lines nor all"* ]]
		run -1 --separate-stderr m logs -t "$N"
		[[ $stderr == *"when a line was written is not kept"* ]]
		m logs -f "$N" >"$T/followed" 3>&- &
		follower=$!
		until_true grep -q four "$T/followed"
		m exec "$N" touch /tmp/go
		wait $follower
		[ "$(cat "$T/followed")" = $'one\ntwo\nthree\nfour\nfive' ]
		[ "$(m logs -f "$N")" = "$(cat "$T/followed")" ]
		[ "$(m logs -f -n 1 "$N")" = five ]
		m delete -f "$N"
	}
	both logs
}

@test "logs are bounded: the last 8 MiB at least, twice that at most" {
	d $I sh -c 'i=0; while [ $i -lt 300 ]; do head -c 99990 /dev/zero | tr "\0" x; i=$((i + 1)); echo " $i"; done' >/dev/null
	[ "$("$MRUN" wait "$N")" = 0 ]
	"$MRUN" logs "$N" >out
	size=$(stat -c %s out)
	[ "$size" -ge $((8 << 20)) ]
	[ "$size" -le $((16 << 20)) ]
	[ "$(tail -n 1 out | tail -c 5)" = " 300" ]
	# Some of the lines asked for are in the older of the two files, or all of both are.
	for n in 1 60 "$(wc -l <out)" 300; do
		"$MRUN" logs -n "$n" "$N" | cmp - <(tail -n "$n" out)
	done
	# Nothing is missing and nothing twice in what is left.
	sed 's/x//g; s/^ //' out | tail -n +2 >numbers
	seq "$(head -n 1 numbers)" 300 | diff - numbers
}

@test "pause, resume, update, events: a detached container has a cgroup where one can be had" {
	need_root
	d $I sleep 1000 >/dev/null
	"$MRUN" pause "$N"
	[ "$(status_of "$N")" = paused ]
	"$MRUN" resume "$N"
	[ "$(status_of "$N")" = running ]
	"$MRUN" update --pids-limit 50 "$N"
	"$MRUN" events --stats "$N" | jq -e '.data.pids.limit == 50'
	"$MRUN" stop -t 0 "$N"
	# Given back although the record is still there.
	! find /sys/fs/cgroup -type d -name "$N" | grep -q . || return 1
	[ "$(status_of "$N")" = stopped ]
	run -1 "$MRUN" pause "$N"
	"$MRUN" delete "$N"
}

@test "stop: the stop signal, then the end" {
	stops() {
		d --stop-signal USR1 $I sh -c 'trap "exit 5" USR1; trap "exit 6" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
		until_true logged up
		m stop "$N"
		[ "$(m wait "$N")" = 5 ]
		m stop "$N"
		m delete "$N"
		d $I sleep 1000 >/dev/null
		m stop --time 0 "$N"
		[ "$(m wait "$N")" = 137 ]
		m delete "$N"
	}
	both stops
	WHO=root
	# A signal to the process that stays goes to the program.
	d $I sh -c 'trap "exit 8" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
	until_true logged up
	kill -TERM "$(stayer)"
	[ "$("$MRUN" wait "$N")" = 8 ]
}

@test "what stays holds nothing of the caller's: descriptors, directory, session" {
	mkdir -p dir
	(cd dir && exec 7<../home 8>../held && d $I sleep 1000)
	pid=$(stayer)
	[ "$(readlink "/proc/$pid/cwd")" = / ]
	[ -z "$(find "/proc/$pid/fd" -lname "$T/held" -o -lname "$T/home")" ]
	for fd in 0 1 2; do [ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]; done
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	# Its container has neither.
	[ "$("$MRUN" exec "$N" ls /proc/1/fd)" = $'0\n1\n2' ]
	"$MRUN" delete -f "$N"
	# A relative --root means the same place to it.
	[ "$("$MRUN" --root ./states -d --name "$N" $I sh -c 'exit 3' 3>&-)" = "$N" ]
	[ "$("$MRUN" --root ./states wait "$N")" = 3 ]
	"$MRUN" --root ./states delete "$N"
	[ -z "$(ls states)" ]
	[ -z "$(slots)" ]
}

@test "the process that stays is killed: the container ends with it, and delete removes the rest" {
	killed() {
		local network=none
		[ "$WHO" = user ] || network=pasta # an ordinary user may not open /dev/net/tun everywhere
		d --network $network $I sh -c 'echo said; exec sleep 1000' >/dev/null
		until_true logged said
		kill -KILL "$(stayer)"
		until_true stopped
		[ "$(m logs "$N")" = said ]
		run -1 m wait "$N"
		[[ $output == *"ended without an exit code"* ]]
		# Its slot is not given to another one while the record is there.
		m $I true
		[ "$(m logs "$N")" = said ]
		m delete "$N"
		[ -z "$(slots)" ]
		no_leftovers
	}
	need pasta
	both killed
}

@test "a caller that is interrupted: either the id was printed and the container runs, or neither" {
	gone() { ! "$MRUN" state "$N" >/dev/null 2>&1; }
	for time in 0.005 0.01 0.015 0.02 0.025 0.03 0.035 0.04 0.05 0.06 0.08 0.1 0.2; do
		timeout --foreground -s INT $time "$MRUN" -d --name "$N" $I sleep 1000 >out 2>&1 </dev/null 3>&- || true
		if grep -qx "$N" out; then
			[ "$(status_of "$N")" = running ]
			"$MRUN" delete -f "$N"
		else
			until_true gone
		fi
		until_true no_slots
	done
	# Nobody could read the id.
	run -125 sh -c "'$MRUN' -d --name $N $I sleep 1000 >/dev/full"
	until_true gone
}

@test "-di keeps the program's input open, -dt gives a terminal" {
	d -i $I cat >/dev/null
	[ "$(status_of "$N")" = running ]
	"$MRUN" stop -t 0 "$N"
	"$MRUN" delete "$N"
	d $I cat >/dev/null
	[ "$("$MRUN" wait "$N")" = 0 ]
	"$MRUN" delete "$N"
	d -it $I sh -c 'tty; echo $TERM; exec sh' >/dev/null
	until_true logged xterm
	[ "$("$MRUN" logs "$N" | tr -d '\r' | head -n 2)" = $'/dev/pts/0\nxterm' ]
	[ "$(status_of "$N")" = running ]
	"$MRUN" stop -t 0 "$N"
}

@test "a published port is there while the container is, and free afterwards" {
	need pasta
	need ss
	port=$((20000 + RANDOM % 10000))
	d -p "127.0.0.1:$port:80" $I sleep 1000 >/dev/null
	[ -n "$(ss -Hltn "sport = :$port")" ]
	"$MRUN" stop -t 0 "$N"
	[ -z "$(ss -Hltn "sport = :$port")" ]
	# Nobody else may have it.
	"$MRUN" -d --name "$N-2" -p "127.0.0.1:$port:80" $I sleep 1000 </dev/null 3>&-
	run -125 "$MRUN" -d -p "127.0.0.1:$port:80" $I true
	[[ $output == *"address already in use"* ]]
}

@test "many at once, each with its own files and log" {
	for i in {1..8}; do
		"$MRUN" -d --name "$N-$i" $I sh -c "echo $i >/own; while [ ! -e /go ]; do sleep 0.1; done; cat /own; exit $i" >/dev/null 3>&- &
	done
	wait
	for i in {1..8}; do "$MRUN" exec "$N-$i" touch /go; done
	[ "$("$MRUN" wait "$N"-{1..8} | tr '\n' ' ')" = "1 2 3 4 5 6 7 8 " ]
	for i in {1..8}; do
		[ "$("$MRUN" logs "$N-$i")" = "$i" ]
		"$MRUN" delete "$N-$i"
	done
	[ -z "$(slots)" ]
}

@test "what stays takes at most 0.7 MB" {
	need_root
	[ -r /proc/self/smaps_rollup ] || skip "this kernel has no smaps_rollup"
	! ldd "$MRUN" >/dev/null 2>&1 || skip "a dynamic or instrumented build"
	network=none
	! command -v pasta >/dev/null || network=pasta
	d --network $network $I sleep 1000 >/dev/null || d $I sleep 1000 >/dev/null
	# Everything of ours, a moment after the start: it gives memory back when nothing happens.
	small() {
		PSS=0
		for pid in $(lib_processes | sed -n "s|^\([0-9]*\) $MRUN -d --name $N .*|\1|p"); do
			PSS=$((PSS + $(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")))
		done
		[ $PSS -gt 0 ] && [ $PSS -le 700 ]
	}
	until_true small
	echo "# $PSS KiB" >&2
}
