#!/usr/bin/env bats
# What clients of runc and crun rely on, beside the commands' own tests (70 to 73): ends of containers
# that share the host's pids, options that are seldom given, locks, where the state lies.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-i$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}
sh_bundle() { # SCRIPT [JQ]
	rm -rf b
	bundle b ".process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$1" '$s')] | ${2:-.}"
}
HOST_PIDS='(.linux.namespaces |= map(select(.type != "pid"))) | .linux.maskedPaths = [] | .linux.readonlyPaths = []
	| .mounts |= map(if .destination == "/proc" then {destination: "/proc", type: "bind", source: "/proc", options: ["rbind"]} else . end)'
status() { "$MRUN" state "$ID" | jq -r .status; }
eventually() { # COMMAND…
	local _
	for _ in {1..200}; do ! "$@" || return 0; sleep 0.05; done
	return 1
}
is() { [ "$(status)" = "$1" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "without a pid namespace: kill KILL and delete end all of the cgroup, also when the first process has gone" {
	need_root
	sh_bundle 'sleep 1000 & echo $! >/tmp/pid; exit 0' "$HOST_PIDS | .root.readonly = false"
	for how in kill delete 'delete --force'; do
		rm -f b/rootfs/tmp/pid
		"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
		eventually is stopped
		child=$(cat b/rootfs/tmp/pid)
		kill -0 "$child"
		# Other signals find nothing to signal.
		run -1 "$MRUN" kill "$ID" TERM
		[[ $output == *"container not running"* ]]
		kill -0 "$child"
		if [ "$how" = kill ]; then
			"$MRUN" kill "$ID" KILL
		else
			# shellcheck disable=SC2086
			"$MRUN" $how "$ID"
		fi
		eventually gone "$child"
		[ "$how" != kill ] || "$MRUN" delete "$ID"
	done
	# While it runs, KILL is for all of them as well, and TERM for the first alone.
	sh_bundle 'trap "exit 0" TERM; sleep 1000 & echo $! >/tmp/pid; while :; do sleep 0.05; done' "$HOST_PIDS | .root.readonly = false"
	rm -f b/rootfs/tmp/pid
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	eventually test -s b/rootfs/tmp/pid
	child=$(cat b/rootfs/tmp/pid)
	"$MRUN" kill "$ID" TERM
	eventually is stopped
	kill -0 "$child"
	"$MRUN" kill --all "$ID" KILL
	eventually gone "$child"
	"$MRUN" kill --all "$ID" KILL
	"$MRUN" delete "$ID"
}

@test "argv[0] is as given" {
	need_root
	need cc
	printf '#include <stdio.h>\nint main(int c, char **v) { for (int i = 0; i < c; i++) puts(v[i]); return 0; }\n' >show.c
	cc -static -o show show.c
	sh_bundle unused
	cp show b/rootfs/bin/show
	for name in /bin/show /bin/../bin/./show show; do
		jq ".process.args = [\"$name\", \"\", \"x y\"]" b/config.json >c && mv c b/config.json
		run -0 "$MRUN" run --bundle b "$ID"
		[ "$output" = "$name

x y" ]
	done
	jq '.process.args = ["sleep", "1000"]' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	[ "$("$MRUN" exec "$ID" ../bin/show '' | head -n 1)" = ../bin/show ]
	[ "$("$MRUN" exec "$ID" show | head -n 1)" = show ]
}

@test "mounts: a source that is in an earlier mount; a file bound through a dangling link stays inside" {
	need_root
	mkdir src
	echo file >src/f
	sh_bundle 'cat /m1/f /made/target' ".root.readonly = false | .mounts += [
		{destination: \"/m1\", type: \"tmpfs\", source: \"t\", options: [\"mode=700\"]},
		{destination: \"/m1/f\", type: \"bind\", source: \"$T/src/f\", options: [\"bind\"]},
		{destination: \"/dangling\", type: \"bind\", source: \"$T/src/f\", options: [\"bind\"]}]"
	ln -s /made/target b/rootfs/dangling
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$output" = "file
file" ]
	[ ! -e /made ]
	# A source below the container's own root, where an earlier mount lies.
	sh_bundle 'cat /m2/new' ".root.readonly = false | .mounts += [
		{destination: \"/m1\", type: \"bind\", source: \"$T/src\", options: [\"bind\"]},
		{destination: \"/m2\", type: \"bind\", source: \"$T/b/rootfs/m1\", options: [\"bind\"]}]"
	echo new >src/new
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$output" = new ]
}

@test "--cgroup-manager, run --config and what else crun and podman give" {
	need_root
	sh_bundle 'cat /proc/self/cgroup' '(.linux.namespaces |= map(select(.type != "cgroup"))) | .linux.cgroupsPath = "/'"$ID"'"'
	run -0 "$MRUN" --cgroup-manager cgroupfs run --bundle b "$ID"
	[[ $output == *"/$ID"* ]]
	run -0 "$MRUN" --cgroup-manager=disabled run --bundle b "$ID"
	[ "$(sed 's/.*://' <<<"$output" | sort -u)" = "$(sed 's/.*://' /proc/self/cgroup | sort -u)" ]
	run -125 "$MRUN" --cgroup-manager systemctl run --bundle b "$ID"
	[[ $output == *"--cgroup-manager: 'systemctl'"* ]]
	# --config is relative to the caller's directory, the root to the bundle.
	jq '.process.args = ["/bin/echo", "other"]' b/config.json >other.json
	run -0 "$MRUN" run --config other.json --bundle b "$ID"
	[ "$output" = other ]
	run -0 "$MRUN" run -f "$T/other.json" -b b "$ID"
	[ "$output" = other ]
	"$MRUN" create --config other.json --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" start "$ID"
	eventually grep -q other log
	"$MRUN" delete -f "$ID"
	run -1 "$MRUN" run --config none.json --bundle b "$ID"
	[[ $output == *"none.json"* ]]
}

@test "--no-new-keyring, --no-subreaper, --no-pivot" {
	need_root
	grep -q keyring /proc/keys || skip "no keyrings here"
	jq_keys() { sh_bundle 'grep -F "_ses.'"$1"'" /proc/keys' '.linux.maskedPaths = []'; }
	jq_keys "$ID"
	run -0 "$MRUN" run --bundle b "$ID"
	jq_keys "$ID.caller"
	run -1 "$MRUN" run --no-new-keyring --bundle b "$ID.caller"
	# An orphan's new parent is mrun, or with --no-subreaper whoever was before.
	sh_bundle 'sh -c "sh /who &"; while [ ! -s /tmp/parent ]; do sleep 0.02; done' "$HOST_PIDS | .root.readonly = false"
	# shellcheck disable=SC2028
	echo 'sleep 0.5; sed -n "s/^PPid:[^0-9]*//p" /proc/$$/status >/tmp/parent' >b/rootfs/who
	for option in --no-pivot --no-subreaper; do
		rm -f b/rootfs/tmp/parent
		"$MRUN" run $option --bundle b "$ID" </dev/null >log 2>&1 3>&- &
		mrun=$!
		wait $mrun
		cat log
		if [ $option = --no-subreaper ]; then
			[ "$(cat b/rootfs/tmp/parent)" != "$mrun" ]
		else
			[ "$(cat b/rootfs/tmp/parent)" = "$mrun" ]
		fi
	done
}

@test "a container that another mrun works on: who changes it waits and then says so, who looks does not" {
	need_root
	sh_bundle 'trap "exit 0" TERM; while :; do sleep 0.1; done'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	(exec 8<"$XDG_RUNTIME_DIR/mrun/$ID" 3>&-; flock 8; exec sleep 60) &
	holder=$!
	eventually sh -c "! flock -n '$XDG_RUNTIME_DIR/mrun/$ID' true"
	for c in "delete -f $ID" "pause $ID" "start $ID" "update --pids-limit 5 $ID"; do
		# shellcheck disable=SC2086
		(set +e; "$MRUN" $c >"out.${c%% *}" 2>&1 3>&-; echo "code $?" >>"out.${c%% *}") &
		waiting+=" $!"
	done
	SECONDS=0
	# Meanwhile.
	[ "$(status)" = running ]
	"$MRUN" list | grep -q "$ID"
	"$MRUN" ps "$ID" | grep -q sleep
	"$MRUN" kill "$ID" USR1 || true
	[ $SECONDS -lt 8 ]
	# shellcheck disable=SC2086
	wait $waiting
	for out in out.*; do
		[ "$(cat "$out")" = "mrun: container $ID is being worked on by another mrun
code 1" ] || { echo "$out: $(cat "$out")"; false; }
	done
	# Given back in time, they go on.
	kill $holder
	"$MRUN" delete -f "$ID"
	[ -z "$("$MRUN" list -q)" ]
}

@test "ten of create, start, kill and delete at once: each works or fails, and nothing is damaged" {
	need_root
	sh_bundle 'sleep 1000'
	for round in 1 2 3; do
		for i in {1..10}; do
			case $((i % 5)) in
			0) "$MRUN" create --bundle b "$ID" ;;
			1) "$MRUN" start "$ID" ;;
			2) "$MRUN" delete -f "$ID" ;;
			3) "$MRUN" kill "$ID" KILL ;;
			4) "$MRUN" run -d --bundle b "$ID" ;;
			esac </dev/null >"out.$round.$i" 2>&1 3>&- &
		done
		wait
	done
	# Nothing but these words.
	sort -u out.* | grep -v "^mrun: container with given ID already exists\|^hint: \|does not exist$\|container not running$\|cannot start an* \(already running \)*container\|worked on by another\|its first process is gone\|^mrun: the container's first process\|created *killed" >odd || true
	[ ! -s odd ] || { cat odd; false; }
	"$MRUN" delete -f "$ID"
	[ -z "$("$MRUN" list -q)" ]
	[ -z "$(find /sys/fs/cgroup -type d -name "$ID" 2>/dev/null)" ]
}

@test "a create that looked for its cgroup while one of that name was being deleted: it is its own" {
	need_root
	need strace
	[ "$(uname -m)" = x86_64 ] || skip "mkdir(2) is not a system call of $(uname -m)"
	sh_bundle 'sleep 1000'
	"$MRUN" run -d --bundle b "$ID" </dev/null >/dev/null 2>&1
	# It has looked, and is about to take the name: stopped, and for long.
	strace -qq -o /dev/null -e trace=mkdir -e inject=mkdir:delay_enter=4000000:when=1 \
		"$MRUN" create --bundle b "$ID" </dev/null >/dev/null 2>&1 3>&- &
	local stopped=0 pid
	for _ in {1..100}; do
		pid=$(pgrep -P $!) || true
		[ "$(ps -o state= -p "${pid:-0}")" = t ] && stopped=$((stopped + 1)) || stopped=0
		[ $stopped -lt 4 ] || break
		sleep 0.02
	done
	"$MRUN" delete -f "$ID"
	wait "$!"
	[ $stopped -eq 4 ]
	[ "$("$MRUN" state "$ID" | jq -r .status)" = created ]
	"$MRUN" delete -f "$ID"
	[ -z "$(find /sys/fs/cgroup -type d -name "$ID" 2>/dev/null)" ]
}

@test "an ordinary user: the process's attributes, namespaces, mounts; what needs root says so" {
	mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/b" 2>/dev/null || true
	as_user "$MRUN" spec --rootless --bundle b
	cp "$TEST_HOME/b/config.json" base.json
	# One id, the caller's.
	[ "$(jq -c '[.linux.uidMappings, .linux.gidMappings]' base.json)" = \
		"[[{\"containerID\":0,\"hostID\":$TEST_UID,\"size\":1}],[{\"containerID\":0,\"hostID\":$TEST_GID,\"size\":1}]]" ]
	see() { jq ".process.terminal = false | $1 | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$2" '$s')]" base.json >c
		cat c >"$TEST_HOME/b/config.json"; as_user timeout 30 "$MRUN" run --bundle b "$ID"; }
	refuses() { run -1 see "$1" 'echo "it ran"'; [[ $output == *"$2"* && $output != *"it ran"* ]] || { echo "no '$2' in: $output"; return 1; }; }
	[ "$(see '.process.user.umask = 7' 'id -u; umask' | tr '\n' ' ')" = "0 0007 " ]
	[ "$(see '.process.scheduler = {policy: "SCHED_BATCH", nice: 5}' 'cut -d" " -f19,41 /proc/self/stat')" = "5 3" ]
	refuses '.process.scheduler = {policy: "SCHED_OTHER", nice: -5}' 'hint: it needs CAP_SYS_NICE'
	refuses '.process.scheduler = {policy: "SCHED_FIFO", priority: 5}' 'hint: it needs CAP_SYS_NICE'
	[[ "$(see '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE"}' 'ionice -p $$')" == *idle* ]]
	refuses '.process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 0}' process.ioPriority
	[ "$(see '.linux.personality = {domain: "LINUX32"}' 'uname -m')" != "$(uname -m)" ]
	[ ! -e /proc/self/numa_maps ] || [ "$(see '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}' 'head -n 1 /proc/self/numa_maps | cut -d" " -f2')" = bind:0 ]
	[ "$(see '.process.oomScoreAdj = 500' 'cat /proc/self/oom_score_adj')" = 500 ]
	# podman asks for it all the same: a warning, and the container has what its caller has.
	[ "$(see '.process.oomScoreAdj = -500' 'cat /proc/self/oom_score_adj')" = "$(cat /proc/self/oom_score_adj)" ]
	as_user "$MRUN" --log log run --bundle b "$ID" >/dev/null
	grep -q 'level=warning msg="process.oomScoreAdj: ' "$TEST_HOME/log"
	[[ "$(see '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000, nanosecs: 5}}' 'tr -s " \n" " " </proc/self/timens_offsets')" == *"boottime 1000 5 " ]]
	[ "$(see '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 50, hard: 60}]' 'ulimit -Sn; ulimit -Hn' | tr '\n' ' ')" = "50 60 " ]
	[ "$(see '.linux.sysctl = {"kernel.shmmax": "4096"}' 'cat /proc/sys/kernel/shmmax')" = 4096 ]
	[ "$(see '.hostname = "h1" | .domainname = "d1"' 'hostname; cat /proc/sys/kernel/domainname' | tr '\n' ' ')" = "h1 d1 " ]
	[ "$(see '.linux.maskedPaths = ["/etc/passwd", "/root"] | .linux.readonlyPaths = ["/etc"] | .root.readonly = false' \
		'cat /etc/passwd | wc -c; ls -A /root | wc -l; touch /etc/x 2>/dev/null || echo ro' | tr '\n' ' ')" = "0 0 ro " ]
	[ "$(see '.mounts += [{destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"]}]' 'test -s /etc/passwd && echo copied')" = copied ]
	mkdir -p "$TEST_HOME/src/sub"
	touch "$TEST_HOME/src/f"
	chown -R "$TEST_USER:" "$TEST_HOME/src" 2>/dev/null || true
	[[ "$(see ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$TEST_HOME/src\", options: [\"rbind\", \"rro\", \"rnosuid\", \"rnoexec\"]}]" \
		'touch /mnt/f 2>/dev/null || echo ro; grep " /mnt " /proc/self/mountinfo')" == ro*"ro,nosuid,"*"noexec"* ]]
	# Devices are bound from the host; one of its own cannot be made.
	[ "$(see . 'ls -l /dev/null | cut -c1; echo x >/dev/null && echo written' | tr '\n' ' ')" = "c written " ]
	refuses '.linux.devices = [{path: "/dev/mine", type: "c", major: 240, minor: 7}]' /dev/mine
	refuses '.process.user.uid = 1' 'not mapped'
	refuses '.process.user.additionalGids = [5]' additionalGids
	refuses '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)' 'not permitted'
	rm -rf "$TEST_HOME/src"
}

@test "events and exec survive a controller that is missing" {
	need_root
	memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
	[ -n "$memory" ] || skip "no cgroup v1 controller memory here"
	sh_bundle 'sleep 1000'
	cat >script <<-END
		umount "$memory" || exit 9
		"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1 || { cat log; exit 8; }
		"$MRUN" events --stats "$ID" || exit 7
		"$MRUN" exec "$ID" echo inside || exit 6
		"$MRUN" update --pids-limit 50 "$ID" || exit 5
		"$MRUN" update --memory 100m "$ID" && exit 4
		"$MRUN" pause "$ID" && "$MRUN" resume "$ID" || exit 3
		"$MRUN" delete -f "$ID"
	END
	run -0 unshare -m bash script
	[ "$(jq -r '.type + " " + .id + " " + (.data.pids.current | tostring)' <<<"${lines[0]}")" = "stats $ID 1" ]
	[ "${lines[1]}" = inside ]
	[[ $output == *"linux.resources.memory"* ]]
}
