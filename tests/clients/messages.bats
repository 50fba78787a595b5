#!/usr/bin/env bats
# The words in the log's last error that clients look for, state by state, and beside mrun's what runc
# (where it is installed) makes a client do there. The containerd shim takes "container not running",
# "no such process", "os: process already finished" and "does not exist" for not found, and all else
# for a failure; it looks at nothing but these words.
# shellcheck disable=SC2016 # programs for other shells, and jq's
bats_require_minimum_version 1.5.0
load ../lib

setup() {
	lib_setup
	need_root
	need jq python3
	ID=mrun-w$$-$RANDOM
	bundle b ".process.args = [\"/bin/sh\", \"-c\", \"sleep 1000 & wait\"] | .linux.cgroupsPath = \"/$ID\" |
		.ociVersion = \"1.0.2\" | .linux.seccomp = null"
	RUNTIME=$MRUN
}
teardown() {
	local runtime
	[ -z "${REAPER:-}" ] || kill "$REAPER"
	for runtime in "$MRUN" runc; do
		! command -v "$runtime" >/dev/null || "$runtime" --root "$T/root.${runtime##*/}" delete -f "$ID" >/dev/null 2>&1 || true
	done
	lib_teardown
}

r() { "$RUNTIME" --root "$T/root.${RUNTIME##*/}" --log "$T/log.json" --log-format json "$@"; }
# As conmon and the shim start it, which read a pipe of its output to the end.
quiet() { "$@" >/dev/null 2>&1 </dev/null; }
state() { r state "$ID" | jq -r .status; }
becomes() { # STATE
	local _
	for _ in {1..400}; do
		[ "$(state)" != "$1" ] || return 0
		sleep 0.05
	done
	echo "never $1"
	return 1
}

# What the shim makes of the last error.
verdict() { # COMMAND…: "STATUS VERDICT" in $got, the message in $said
	local status=0
	rm -f log.json
	quiet r "$@" || status=$?
	said=$(jq -rs 'map(select(.level == "error")) | last | .msg // ""' log.json)
	got="$status failure"
	case $said in
	*"os: process already finished"* | *"container not running"* | *"does not exist"*) got="$status not-found" ;;
	esac
	case ${said,,} in *"no such process"*) got="$status not-found" ;; esac
	[ -n "$said" ] || got="$status"
}
# CASE is COMMAND with the container's id for ID. With TEXT the whole message, too.
expect() { # CASE WANT [TEXT]
	local words
	read -ra words <<<"${1//ID/$ID}"
	verdict "${words[@]}"
	echo "# ${RUNTIME##*/}: $1: $got: $said" >&2
	[ "$got" = "$2" ]
	[ "$RUNTIME" != "$MRUN" ] || [ -z "${3:-}" ] || [ "$said" = "$3" ]
}

# FUNCTION with mrun, and with runc, whose clients must not see a difference.
and_runc() {
	RUNTIME=$MRUN
	"$1"
	! command -v runc >/dev/null || {
		RUNTIME=runc
		"$1"
	}
}

without_one() {
	local case
	for case in 'kill ID 9' 'kill ID 15' 'kill ID 0' 'kill --all ID 9' 'pause ID' 'resume ID' 'ps --format json ID' \
		'update --pids-limit 5 ID' 'start ID' 'delete ID' 'state ID' 'events --stats ID'; do
		expect "$case" '1 not-found'
	done
	expect 'exec ID true' '255 not-found'
	expect 'delete --force ID' 0
}

@test "no such container" {
	without_one
	verdict kill "$ID" 9
	[ "$said" = "container $ID does not exist" ]
	and_runc without_one
}

# With one that ended, whether its parent has looked at that (runc's word for a zombie) or not.
ended_one() {
	local case
	for case in 'kill ID 9' 'kill ID 15' 'kill ID 0' 'pause ID' 'update --pids-limit 5 ID'; do
		expect "$case" '1 not-found' "container not running"
	done
	expect 'kill --all ID 9' 0
	expect 'kill --all ID 0' 0
	expect 'ps --format json ID' 0
	expect 'resume ID' '1 failure' "container not paused"
	expect 'start ID' '1 failure' "cannot start a container that has stopped"
	expect 'exec ID true' '255 failure' "exec failed: cannot exec in a stopped container"
	expect 'events --stats ID' '1 failure'
	expect 'state ID' 0
	expect 'delete ID' 0
	expect 'delete ID' '1 not-found'
}

stopped() {
	quiet r run -d --bundle b "$ID"
	quiet r kill "$ID" 9
	becomes stopped
	ended_one
}
@test "stopped" { and_runc stopped; }

# The new parent of what detached processes leave is one that never waits.
unreaped() {
	python3 -c 'import ctypes, signal, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
signal.pause()' "$RUNTIME" --root "$T/root.${RUNTIME##*/}" run -d --bundle b --pid-file "$T/pid" "$ID" 3>&- &
	REAPER=$!
	becomes running
	kill -KILL "$(cat pid)"
	becomes stopped
	grep -q '^State:.Z' "/proc/$(cat pid)/status"
	ended_one
	kill "$REAPER"
	wait "$REAPER" || true
	REAPER=
}
@test "ended, and nobody has waited for it yet" { and_runc unreaped; }

ended_before_its_start() {
	quiet r create --bundle b --pid-file pid "$ID"
	expect 'kill ID 0' 0
	kill -KILL "$(cat pid)"
	becomes stopped
	ended_one
}
@test "created, and ended before its start" { and_runc ended_before_its_start; }

alive() {
	quiet r run -d --bundle b "$ID"
	expect 'kill ID 0' 0
	expect 'resume ID' '1 failure' "container not paused"
	expect 'start ID' '1 failure' "cannot start an already running container"
	expect 'delete ID' '1 failure' "cannot delete container $ID that is not stopped: running"
	quiet r pause "$ID"
	expect 'kill ID 0' 0
	expect 'pause ID' '1 not-found' "container not running"
	expect 'exec ID true' '255 failure' "exec failed: cannot exec in a paused container (use --ignore-paused to override)"
	expect 'start ID' '1 failure' "cannot start a container in the paused state"
	expect 'delete ID' '1 failure' "cannot delete container $ID that is not stopped: paused"
	quiet r delete -f "$ID"
	# Paused before its start: who would wait for its answer would wait for ever.
	quiet r create --bundle b "$ID"
	quiet r pause "$ID"
	expect 'start ID' '1 failure' "cannot start a container in the paused state"
	quiet r resume "$ID"
	expect 'start ID' 0
	quiet r delete -f "$ID"
}
@test "running, paused" { and_runc alive; }

# In the moment between a look at its state and the signal: the kernel's answers then, put in by strace.
@test "ended in the very moment of the signal" {
	need strace
	quiet r run -d --bundle b "$ID"
	local call
	for call in pidfd_send_signal pidfd_open; do
		rm -f log.json
		run -1 strace -qqo strace.log -e trace=$call -e inject=$call:error=ESRCH \
			"$MRUN" --root "$T/root.mrun" --log "$T/log.json" --log-format json kill "$ID" TERM
		grep -q INJECTED strace.log
		run -0 jq -r .msg log.json
		[[ $output == *"no such process"* || $output == "container not running" ]]
	done
	# One that says no for another reason is a failure.
	rm -f log.json
	run -1 strace -qqo strace.log -e trace=pidfd_send_signal -e inject=pidfd_send_signal:error=EPERM \
		"$MRUN" --root "$T/root.mrun" --log "$T/log.json" --log-format json kill "$ID" TERM
	[ "$(jq -r .msg log.json)" = "signal container $ID: operation not permitted" ]
	# Processes of a list that end while it is gone through are no failure at all.
	run -0 strace -qqo strace.log -e trace=pidfd_send_signal,kill -e inject=kill:error=ESRCH -e inject=pidfd_send_signal:error=ESRCH \
		"$MRUN" --root "$T/root.mrun" kill --all "$ID" TERM
	grep -q INJECTED strace.log
}
