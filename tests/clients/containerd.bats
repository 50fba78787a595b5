#!/usr/bin/env bats
# containerd with its own shim (containerd-shim-runc-v2) and mrun as the runtime, driven by ctr.
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2094
bats_require_minimum_version 1.5.0
load ../lib
load containerd

setup_file() {
	containerd_can || return 0
	containerd_prepare
	sed -i '1i disabled_plugins = ["io.containerd.grpc.v1.cri"]' "$D/config.toml"
	containerd_start
	c image import "$(hello_image)" >/dev/null
}
teardown_file() { containerd_clean; }
setup() {
	lib_setup
	ID=mrun-$LIB_RUN-$RANDOM
}
teardown() { containerd_teardown; }

# A container that is left running.
waiting() { # [OPTION…] [-- COMMAND…]
	local options=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# -gt 0 ] || set -- -- sleep 1000
	shift
	# Its output is a FIFO that nobody reads until somebody attaches.
	ctr_run -d "${options[@]}" $HELLO "$ID" "$@" </dev/null >log 2>&1 || {
		cat log
		return 1
	}
}
ended() {
	c task kill -s KILL "$ID"
	removed
}
removed() {
	until_true is STOPPED
	# It is the container's exit code, not a failure of ctr's.
	c task rm "$ID" || true
	c container rm "$ID"
}
status() { c task ls | awk -v id="$ID" '$1 == id { print $3 }'; }
is() { [ "$(status)" = "$1" ]; }
v1() { # CONTROLLER FILE -> what the container's file of it holds
	local dir
	dir=$(awk -v c="$1" '$3 == "cgroup" && ("," $4 ",") ~ ("," c ",") { print $2; exit }' /proc/mounts)
	cat "$dir/$CONTAINERD_NAMESPACE/$ID/$2"
}
v2() { cat "/sys/fs/cgroup/$CONTAINERD_NAMESPACE/$ID/$1"; }
is_v1() { grep -q '^[^ ]* [^ ]* cgroup [^ ]*memory' /proc/mounts; }
memory_limit() {
	if is_v1; then v1 memory memory.limit_in_bytes; else v2 memory.max; fi
}
pids_limit() {
	if is_v1; then v1 pids pids.max; else v2 pids.max; fi
}
shim() { # its pid
	local pid
	for pid in $(pgrep -x containerd-shim); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- "-id $ID " || echo "$pid"
	done
}

@test "the example image, imported, says Hello world! on overlayfs and native" {
	local snapshotter
	for snapshotter in overlayfs native; do
		run -0 ctr_run --rm --snapshotter $snapshotter $HELLO "$ID"
		[ "$output" = "Hello world!" ] || {
			echo "$snapshotter: $output"
			false
		}
		containerd_idle
	done
}

@test "options of ctr run arrive" {
	run -7 --separate-stderr ctr_run --rm --env A=b --cwd /tmp --read-only \
		--mount "type=bind,src=$T,dst=/here,options=rbind:ro" \
		--cap-drop CAP_CHOWN --seccomp --rootfs-propagation slave $HELLO "$ID" sh -c '
			echo "$A $(pwd)"
			touch /x 2>/dev/null || echo read-only
			touch /here/x 2>/dev/null || echo read-only
			grep -q "^Seccomp:.2" /proc/self/status && echo filtered
			[ $((0x$(sed -n "s/^CapEff:\t//p" /proc/self/status) & 1)) -eq 0 ] && echo no chown
			exit 7'
	[ "$output" = $'b /tmp\nread-only\nread-only\nfiltered\nno chown' ]
	waiting --memory-limit 50000000 --cpus 0.5 --device /dev/fuse
	[ "$(memory_limit)" -eq 49999872 ] # whole pages
	if is_v1; then
		[ "$(v1 cpu cpu.cfs_quota_us)" -eq 50000 ]
	else
		[ "$(v2 cpu.max)" = "50000 100000" ]
	fi
	run -0 ctr_exec --exec-id e "$ID" stat -c %t:%T /dev/fuse
	[ "$output" = "$(stat -c %t:%T /dev/fuse)" ]
	ended
}

@test "a user namespace with containerd's remapped snapshot" {
	# With --uidmap ctr forgets --runc-binary: this is mrun under the name runc.
	run -0 ctr_run --rm --snapshotter native --uidmap 0:200000:65536 --gidmap 0:200000:65536 $HELLO "$ID" \
		sh -c 'id -u; cat /proc/self/uid_map'
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} =~ ^\ *0\ +200000\ +65536$ ]]
}

@test "under a terminal: its size, a change of it, Ctrl-C, the exit code" {
	run -5 "$TYPIST" size=33x99 'wait=33 99' size=21x43 'wait=21 43' 'send=\x03' -- \
		ctr run -t --rm --runc-binary "$MRUN" --runc-root "$D/runc" --fifo-dir "$D/fifo" $HELLO "$ID" \
		sh -c 'trap "exit 5" INT; tty; while :; do stty size; sleep 0.1; done'
	[[ $output == */dev/pts/0* ]]
}

@test "detached: list, ps, exec without and with a terminal" {
	waiting
	is RUNNING
	pid=$(c task ls | awk -v id="$ID" '$1 == id { print $2 }')
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "sleep 1000 " ]
	run -0 c task ps "$ID"
	[[ ${lines[1]} == "$pid"* ]]
	[ ${#lines[@]} -eq 2 ]
	run -3 --separate-stderr ctr_exec --exec-id e1 --cwd /tmp --user 1000:1000 "$ID" \
		sh -c 'pwd; id -u; cat; echo oops >&2; exit 3' <<<typed
	[ "$output" = $'/tmp\n1000\ntyped' ]
	# shellcheck disable=SC2154 # bats sets it
	[ "$stderr" = oops ]
	# The size comes by a message of its own, after the start.
	run -4 "$TYPIST" size=30x90 'wait=30 90' 'send=\x03' -- ctr task exec -t --fifo-dir "$D/fifo" --exec-id e2 "$ID" \
		sh -c 'trap "exit 4" INT; tty; while :; do stty size; sleep 0.1; done'
	[[ $output == */dev/pts/0* ]]
	run -1 ctr_exec --exec-id e3 "$ID" /nowhere
	[[ $output == *"no such file or directory"* ]]
	# One that stays, which the list shows by its exec id, and ends with the container.
	ctr_exec -d --exec-id e4 "$ID" sleep 2000 </dev/null
	run -0 c task ps "$ID"
	[ ${#lines[@]} -eq 3 ]
	[[ $output == *e4* ]]
	ended
}

@test "attach reads and writes what a detached container's streams are" {
	waiting -- sh -c 'read -r x; echo "got $x"; read -r x; echo "got $x"; exit 7'
	run -7 c task attach "$ID" <<<$'one\ntwo'
	[ "$output" = $'got one\ngot two' ]
	# ctr attach removes the task itself.
	c container rm "$ID"
}

@test "pause stops it, resume goes on" {
	waiting --mount "type=bind,src=$T,dst=/here,options=rbind:rw" -- \
		sh -c 'while :; do echo x >>/here/beat; usleep 20000; done'
	until_true test -s beat
	c task pause "$ID"
	is PAUSED
	before=$(stat -c %s beat)
	sleep 0.5
	[ "$(stat -c %s beat)" -eq "$before" ]
	run -1 ctr_exec --exec-id e "$ID" true
	[[ $output == *"paused state"* ]]
	c task resume "$ID"
	is RUNNING
	grown() { [ "$(stat -c %s beat)" -gt "$before" ]; }
	until_true grown
	ended
}

@test "kill: by number and name, one process of it or all, and when there is none left" {
	waiting -- sh -c 'trap "echo HUP" HUP; trap "exit 42" TERM; sleep 3000 & while :; do wait; done'
	# The shell has to get as far as its traps.
	asleep() { c task ps "$ID" | grep -c '^[0-9]' | grep -qx 2; }
	until_true asleep
	c task kill -s SIGHUP "$ID"
	c task kill -s 15 "$ID"
	until_true is STOPPED
	run -1 c task kill -s TERM "$ID"
	[[ $output == *"not found"* ]]
	run -0 c task rm "$ID"
	[[ $output == *"exit code 42"* ]]
	c container rm "$ID"
	waiting
	c task kill -a -s KILL "$ID"
	removed
}

# What the shim takes for "not found" are words in mrun's log; the rest of them is in messages.bats.
@test "kill in the moment of the end, and of what somebody else has removed: not found" {
	need strace
	printf '#!/bin/sh\ncase " $* " in *" kill "*) exec strace -qqo "%s" -e trace=pidfd_send_signal \
		-e inject=pidfd_send_signal:error=ESRCH "%s" "$@" ;; esac\nexec "%s" "$@"\n' "$T/strace" "$MRUN" "$MRUN" >raced
	chmod 755 raced
	timeout -k 5 60 ctr run -d --runc-binary "$T/raced" --runc-root "$D/runc" --fifo-dir "$D/fifo" $HELLO "$ID" \
		sleep 1000 </dev/null >log 2>&1
	run -1 c task kill -s TERM "$ID"
	[[ $output == *"process already finished"*"not found"* ]]
	grep -q INJECTED strace
	"$MRUN" --root "$D/runc/$CONTAINERD_NAMESPACE" delete --force "$ID"
	until_true is STOPPED
	run -1 c task kill -s KILL "$ID"
	[[ $output == *"no such container"*"not found"* ]]
	c task rm "$ID" || true
	[ -z "$(status)" ]
	c container rm "$ID"
}

@test "metrics are the cgroup's" {
	waiting --memory-limit 64000000 -- sh -c 'head -c 10000000 /dev/zero >/dev/shm/x; sleep 1000 & wait'
	used() { [ "$(c task metrics --format json "$ID" | jq .memory.usage.usage)" -gt 10000000 ]; }
	until_true used
	c task metrics --format json "$ID" >m
	if is_v1; then
		[ "$(jq .memory.usage.limit m)" -eq 64000000 ]
		[ "$(jq .pids.current m)" -ge 1 ]
		[ "$(jq .cpu.usage.total m)" -gt 0 ]
	else
		[ "$(jq .memory.usage_limit m)" -eq 64000000 ]
	fi
	ended
}

@test "events of a whole life, and of a program that needs more memory than it may" {
	ctr events >events 2>&1 </dev/null 3>&- &
	listener=$!
	# A namespace's label is the first event: the listener is there.
	listening() {
		c namespace label "$CONTAINERD_NAMESPACE" seen="$RANDOM"
		grep -q /namespaces/update events
	}
	until_true listening
	waiting --memory-limit 30000000 -- sleep 1000
	ctr_exec --exec-id e1 "$ID" true
	c task pause "$ID"
	c task resume "$ID"
	run -137 ctr_exec --exec-id e2 "$ID" dd if=/dev/zero of=/dev/null bs=200M count=1
	until_true grep -q /tasks/oom events
	ended
	until_true grep -q /containers/delete events
	kill $listener
	wait $listener || true
	for topic in containers/create tasks/create tasks/start tasks/exec-added tasks/exec-started tasks/exit \
		tasks/paused tasks/resumed tasks/oom tasks/delete; do
		grep -q "/$topic .*\"$ID\"" events || {
			echo "no event $topic"
			cat events
			false
		}
	done
}

@test "update, which ctr has not: the task service's" {
	local python
	python=$(python_grpc) || skip "python3-grpcio is not installed (scripts/install-deps clients)"
	waiting --memory-limit 64000000
	update() { # JSON
		"$python" "$RPC" "$CONTAINERD_ADDRESS" --namespace "$CONTAINERD_NAMESPACE" Update "$(jq -cn --arg id "$ID" \
			--arg r "$1" '{container_id: $id, resources: {value: $r,
				type_url: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"}}')"
	}
	run -0 update '{"memory": {"limit": 33554432}, "pids": {"limit": 9}}'
	[ "$(memory_limit)" -eq 33554432 ]
	[ "$(pids_limit)" -eq 9 ]
	run -137 ctr_exec --exec-id e "$ID" dd if=/dev/zero of=/dev/null bs=50M count=1
	run -1 update '{"memory": {"limit": "much"}}'
	[[ $output == *memory* ]]
	[ "$(memory_limit)" -eq 33554432 ]
	ended
}

@test "what cannot be started says why, and leaves nothing" {
	run -1 ctr_run --rm $HELLO "$ID" /nowhere
	[[ $output == *"/nowhere"*"no such file or directory"* ]]
	containerd_idle
	run -1 ctr_run --rm $HELLO "$ID" /etc/passwd
	[[ $output == *"permission denied"* ]]
	containerd_idle
	run -1 ctr_run --rm --mount type=bind,src=/nowhere,dst=/x,options=rbind $HELLO "$ID" true
	[[ $output == *"/nowhere"* ]]
}

# What mrun has to understand, word for word; the directory is the bundle's.
@test "what the shim calls" {
	printf '#!/bin/sh\necho "$PWD $*" >>"%s"\nexec "%s" "$@"\n' "$T/calls" "$MRUN" >logged
	chmod 755 logged
	timeout -k 5 60 ctr run -d --runc-binary "$T/logged" --runc-root "$D/runc" --fifo-dir "$D/fifo" $HELLO "$ID" \
		sleep 1000 </dev/null >log 2>&1
	ctr_exec --exec-id e "$ID" true
	run -0 "$TYPIST" -- ctr task exec -t --fifo-dir "$D/fifo" --exec-id f "$ID" true
	c task pause "$ID"
	c task resume "$ID"
	c task ps "$ID"
	c task kill -s TERM "$ID"
	c task kill -a -s KILL "$ID"
	removed
	until_true grep -q 'delete --force' calls
	local call bundle="$D/state/io.containerd.runtime.v2.task/$CONTAINERD_NAMESPACE/$ID"
	local begin="--root $D/runc/$CONTAINERD_NAMESPACE --log $bundle/log.json --log-format json"
	for call in "create --bundle $bundle --pid-file [^ ]* $ID" "start $ID" \
		"exec --process [^ ]* --detach --pid-file [^ ]* $ID" "exec --process [^ ]* --console-socket [^ ]* --detach --pid-file [^ ]* $ID" \
		"pause $ID" "resume $ID" "ps --format json $ID" "kill $ID 15" "kill --all $ID 9" "delete $ID" "delete --force $ID"; do
		grep -qx "$bundle $begin $call" calls || {
			echo "not called: $call"
			cat calls
			false
		}
	done
}

@test "fifty at once" {
	local i
	for i in {1..50}; do
		ctr_run --rm $HELLO "$ID-$i" >"out.$i" 2>&1 </dev/null 3>&- &
	done
	wait
	[ "$(cat out.* | sort | uniq -c | sed 's/^ *//')" = "50 Hello world!" ]
}

@test "the shim killed: containerd and mrun clear its container away" {
	waiting -- sh -c 'sleep 4000 & sleep 5000 & wait'
	three() { c task ps "$ID" | grep -c '^[0-9]' | grep -qx 3; }
	until_true three
	mapfile -t pids < <(c task ps "$ID" | awk 'NR > 1 { print $1 }')
	socket=$(sed 's,^unix://,,' "$D/state/io.containerd.runtime.v2.task/$CONTAINERD_NAMESPACE/$ID/address")
	kill -KILL "$(shim)"
	gone() { [ -z "$(status)" ]; }
	until_true gone
	dead() { ! kill -0 "${pids[@]}" 2>/dev/null; }
	until_true dead
	c container rm "$ID"
	rm -f "$socket"
}

@test "containerd killed and started again finds the container, which ran on" {
	waiting
	pid=$(c task ls | awk -v id="$ID" '$1 == id { print $2 }')
	kill -KILL "$(cat "$D/pid")"
	MRUN_TEST_MARK=$D containerd_start
	is RUNNING
	[ "$(c task ls | awk -v id="$ID" '$1 == id { print $2 }')" = "$pid" ]
	run -0 ctr_exec --exec-id e "$ID" echo still here
	[ "$output" = "still here" ]
	ended
}
