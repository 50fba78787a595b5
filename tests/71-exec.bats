#!/usr/bin/env bats
# exec: each option by what the process sees from inside and what the host sees of it from outside.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	export CLIENT=$BATS_FILE_TMPDIR/client.py
	lib_listen_py "$CLIENT"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-x$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	[ -z "${AS:-}" ] || as_user "$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

# A container that waits. JQ changes its config.json.
waiting() { # [JQ]
	bundle b ".process.args = [\"/bin/sleep\", \"1000\"] | ${1:-.}"
	"$MRUN" run -d --pid-file init --bundle b "$ID" </dev/null >log 2>&1 || {
		cat log
		return 1
	}
}
x() { timeout 20 "$MRUN" exec "$@"; }

@test "output, exit codes, signals" {
	need_root
	waiting
	run -0 --separate-stderr x "$ID" sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
	run -7 x "$ID" sh -c 'exit 7'
	run -137 x "$ID" sh -c 'kill -9 $$'
	run -143 x "$ID" sh -c 'kill $$'
	[ "$(echo text | x "$ID" cat)" = text ]
	# A signal to mrun goes to the process.
	"$MRUN" exec "$ID" sh -c 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.05; done' >out 3>&- &
	for _ in {1..100}; do grep -q ready out && break; sleep 0.05; done
	kill -TERM $!
	code=0
	wait $! || code=$?
	[ "$code" -eq 5 ]
	grep -q got out
	# The container's end ends it.
	"$MRUN" exec "$ID" sleep 100 3>&- &
	for _ in {1..100}; do [ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 2 ] && break; sleep 0.05; done
	"$MRUN" kill "$ID" KILL
	code=0
	wait $! || code=$?
	[ "$code" -eq 137 ]
}

@test "failures of exec itself are 255, of its arguments 1" {
	need_root
	waiting
	run -1 x -g 5,x "$ID" id
	[[ $output == *"--additional-gids: 'x' is not a group id"* ]]
	run -255 x none true
	[[ $output == *"container none does not exist"* ]]
	run -255 x "$ID" no-such
	[[ $output == *'exec: "no-such": executable file not found in $PATH'* ]]
	run -255 x "$ID" /no/such
	[[ $output == *"no such file or directory"* ]]
	run -255 x "$ID" /etc/passwd
	[[ $output == *"permission denied"* ]]
	run -255 x --pid-file "$T/none/p" "$ID" true
	[[ $output == *"--pid-file"*"no such file or directory"* ]]
	run -255 x "$ID"
	[[ $output == *"process args cannot be empty"* ]]
	run -255 x --cwd /none "$ID" pwd
	[[ $output == *"/none: no such file or directory"* ]]
	run -255 x --cwd rel "$ID" pwd
	[[ $output == *"process.cwd"* ]]
	run -255 x --env NOVALUE "$ID" env
	[[ $output == *NOVALUE* ]]
	run -255 x --detach --tty "$ID" true
	[[ $output == *--console-socket* ]]
	run -255 x --console-socket s "$ID" true
	run -255 x --preserve-fds 7 "$ID" true
	run -255 x --process none.json "$ID"
	for u in root 4294967296 -1 +0 '' 1: :1 1:2:3; do
		run -255 x "--user=$u" "$ID" id
	done
	run -1 x --nonsense "$ID" true
	run -1 x
	run -0 x -h
	[ "${lines[0]}" = NAME: ]
	[ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 1 ]
	"$MRUN" kill "$ID" KILL
	for _ in {1..100}; do [ "$("$MRUN" state "$ID" | jq -r .status)" = stopped ] && break; sleep 0.05; done
	run -255 x "$ID" true
	[[ $output == *"cannot exec in a stopped container"* ]]
	run -255 "$MRUN" --log log.json --log-format json exec "$ID" true
	[ "$(jq -r .msg log.json)" = "exec failed: cannot exec in a stopped container" ]
}

@test "--user, --additional-gids, --cwd, --env; HOME is the user's" {
	need_root
	waiting '.process.user = {uid: 0, gid: 0, additionalGids: [10]} | .process.env += ["A=config"]'
	echo "dev:x:1234:55:dev:/home/dev:/bin/sh" >>b/rootfs/etc/passwd
	run -0 x "$ID" sh -c 'id -u; id -g; id -G; pwd; echo $A $HOME'
	[ "${lines[*]}" = "0 0 0 10 / config /root" ]
	run -0 x -u 1234:55 "$ID" sh -c 'id -u; id -g; echo $HOME'
	[ "${lines[*]}" = "1234 55 /home/dev" ]
	run -0 x --user 77 -g 88 -g 99,100,101,102,103,104,105 "$ID" sh -c 'id -u; id -g; id -G; echo $HOME'
	[ "${lines[*]}" = "77 0 0 10 88 99 100 101 102 103 104 105 /" ]
	run -0 x --cwd /usr/bin -e A=new -e B=x=y -e HOME=/mine "$ID" sh -c 'pwd; env'
	[ "${lines[0]}" = /usr/bin ]
	[ "$(grep -c ^A= <<<"$output")" -eq 1 ]
	[[ $output == *A=new* && $output == *B=x=y* && $output == *HOME=/mine* ]]
	# Options end at the id.
	run -0 x "$ID" echo --user -e
	[ "$output" = "--user -e" ]
}

@test "capabilities: config.json's, more by --cap, none that are inheritable" {
	need_root
	waiting '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"]}
		| .process.noNewPrivileges = false'
	run -0 x "$ID" grep -E '^(Cap|NoNew)' /proc/self/status
	[[ $output == *"CapInh:	0000000000000000"*"CapPrm:	0000000000000021"*"CapEff:	0000000000000021"*"CapBnd:	0000000000000021"*"CapAmb:	0000000000000000"*"NoNewPrivs:	0"* ]]
	run -0 x --cap CAP_NET_ADMIN -c CAP_KILL "$ID" grep -E '^Cap' /proc/self/status
	[[ $output == *"CapInh:	0000000000000000"*"CapPrm:	0000000000001021"*"CapBnd:	0000000000001021"*"CapAmb:	0000000000000000"* ]]
	run -0 x --cap CAP_NET_ADMIN -u 5 "$ID" grep -E '^Cap' /proc/self/status
	[[ $output == *"CapPrm:	0000000000000000"*"CapBnd:	0000000000001021"* ]]
	run -0 x --no-new-privs "$ID" grep NoNewPrivs /proc/self/status
	[ "$output" = "NoNewPrivs:	1" ]
}

@test "umask, limits, OOM score, scheduler, I/O priority, personality and CPUs are config.json's" {
	need_root
	waiting '.process.user.umask = 23 | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 99}]
		| .process.oomScoreAdj = 321 | .process.scheduler = {policy: "SCHED_BATCH", nice: 7}
		| .process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}
		| .linux.personality = {domain: "LINUX32"}
		| .process.execCPUAffinity = {initial: "0", final: "0"}'
	run -0 x "$ID" sh -c 'umask; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; uname -m; grep Cpus_allowed_list /proc/self/status'
	[ "${lines[*]}" = "0027 77 99 321 $(setarch linux32 uname -m) Cpus_allowed_list:	0" ]
	x -d --pid-file p "$ID" sleep 100 </dev/null >log 2>&1
	[[ $(chrt -p "$(cat p)") == *SCHED_BATCH* ]]
	[ "$(ionice -p "$(cat p)")" = idle ]
	[ "$(ps -o ni= -p "$(cat p)" | tr -d ' ')" = 7 ]
	[ "$(cat "/proc/$(cat p)/oom_score_adj")" = 321 ]
	# What the process of a file gives goes before.
	cat >p.json <<-'END'
		{"cwd": "/tmp", "args": ["sh", "-c", "umask; ulimit -n; cat /proc/self/oom_score_adj; pwd; id -u; id -G"],
		"user": {"uid": 3, "gid": 4, "umask": 7, "additionalGids": [6]}, "oomScoreAdj": 400,
		"env": ["PATH=/bin:/usr/bin"], "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}]}
	END
	run -0 x --process p.json "$ID"
	[ "${lines[*]}" = "0007 50 400 /tmp 3 4 6" ]
	jq 'del(.rlimits, .oomScoreAdj, .user.umask)' p.json >q.json
	run -0 x -p q.json "$ID"
	[ "${lines[*]}" = "0027 77 321 /tmp 3 4 6" ]
	run -255 x -p q.json "$ID" true
	run -255 x -p <(echo) "$ID"
	jq '.args = []' p.json >r.json
	run -255 x -p r.json "$ID"
	[[ $output == *"process.args"* ]]
	jq '.user.uid = "x"' p.json >r.json
	run -255 x -p r.json "$ID"
	[[ $output == *"user.uid: expected"* ]]
}

same_as_init() { # PID
	local ns
	for ns in user mnt pid net ipc uts cgroup time; do
		[ "$(readlink "/proc/$1/ns/$ns")" = "$(readlink "/proc/$(cat init)/ns/$ns")" ] || {
			echo "$ns"
			return 1
		}
	done
	[ "$(stat -L -c %d:%i "/proc/$1/root")" = "$(stat -L -c %d:%i "/proc/$(cat init)/root")" ] || return 1
	[ "$(cat "/proc/$1/cgroup")" = "$(cat "/proc/$(cat init)/cgroup")" ] || return 1
	# Nothing but the three, none of them the host's.
	[ "$(find "/proc/$1/fd" -mindepth 1 -printf '%f ')" = "0 1 2 " ]
}

@test "the process is in all namespaces, the cgroup and the root of the container" {
	need_root
	waiting '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000}}'
	x -d --pid-file p "$ID" sleep 100 </dev/null >log 2>&1
	same_as_init "$(cat p)"
	[ "$(x "$ID" cut -d. -f1 /proc/uptime)" -ge 1000000 ]
	[ "$(cut -d. -f1 /proc/uptime)" -lt 1000000 ]
	# A user namespace of its own.
	"$MRUN" delete -f "$ID"
	rm -rf b init p
	AS=
	bundle b '.process.args = ["/bin/sleep", "1000"] | .linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}]'
	chown -R 1879048192:1879048192 b/rootfs
	"$MRUN" run -d --pid-file init --bundle b "$ID" </dev/null >log 2>&1
	x -d --pid-file p -u 5 "$ID" sleep 100 </dev/null >log 2>&1
	same_as_init "$(cat p)"
	[ "$(stat -c %u "/proc/$(cat p)")" = 1879048197 ]
	[ "$(echo text | x "$ID" cat)" = text ]
}

@test "a container that shares the host's namespaces, and one without a mount namespace" {
	need_root
	waiting '.linux.namespaces = [{type: "mount"}] | del(.hostname) | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .mounts = [.mounts[] | select(.type != "mqueue" and .type != "sysfs" and .type != "cgroup")]'
	x -d --pid-file p "$ID" sleep 100 </dev/null >log 2>&1
	same_as_init "$(cat p)"
	[ "$(x "$ID" cat /etc/alpine-release 2>/dev/null)" = "$(cat b/rootfs/etc/alpine-release 2>/dev/null)" ]
	"$MRUN" kill "$ID" KILL
	# Without a pid namespace, KILL ends what exec started as well.
	for _ in {1..100}; do [ -e "/proc/$(cat p)/root/" ] || break; sleep 0.05; done
	[ ! -e "/proc/$(cat p)/root/" ]
	"$MRUN" delete -f "$ID"
	rm -rf b init
	bundle b '.process.args = ["/bin/sleep", "1000"] | .linux.namespaces = [{type: "pid"}] | del(.hostname)
		| .mounts = [] | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .root.readonly = false'
	"$MRUN" run -d --pid-file init --bundle b "$ID" </dev/null >log 2>&1 || skip "no container without a mount namespace: $(cat log)"
	x -d --pid-file p "$ID" sleep 100 </dev/null >log 2>&1
	same_as_init "$(cat p)"
}

@test "--cgroup: below the container's, one hierarchy or all" {
	need_root
	waiting '.linux.cgroupsPath = "/'"$ID"'" | .linux.namespaces |= map(select(.type != "cgroup"))'
	pids=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2; exit }' /proc/mounts)
	[ -n "$pids" ] || skip "no cgroup v1 controller pids here (v2 is tested in the guest)"
	mkdir "$pids/$ID/sub"
	run -0 x --cgroup pids:sub "$ID" cat /proc/self/cgroup
	[[ $output == *"pids:/$ID/sub"* ]]
	[ "$(grep -c "/$ID/sub$" <<<"$output")" -eq 1 ]
	[ "$(grep -c "/$ID$" <<<"$output")" -ge 2 ]
	run -0 x --cgroup pids:/sub "$ID" cat /proc/self/cgroup
	[[ $output == *"pids:/$ID/sub"* ]]
	run -255 x --cgroup sub "$ID" true
	[[ $output == *"no such file or directory"* ]]
	run -255 x --cgroup nope:sub "$ID" true
	run -255 x --cgroup pids:../x "$ID" true
	run -255 x --cgroup a:b:c "$ID" true
	run -255 x --cgroup pids:sub --cgroup sub "$ID" true
	rmdir "$pids/$ID/sub"
	while read -r dir; do
		mkdir "$dir/sub"
		for f in cpuset.cpus cpuset.mems; do
			[ ! -f "$dir/$f" ] || cat "$dir/$f" >"$dir/sub/$f"
		done
	done < <(find /sys/fs/cgroup -maxdepth 2 -type d -name "$ID")
	run -0 x --cgroup sub "$ID" cat /proc/self/cgroup
	[ "$(grep -c "/$ID/sub$" <<<"$output")" -ge 3 ]
}

@test "pause: exec is refused, or waits with --ignore-paused" {
	need_root
	waiting
	"$MRUN" pause "$ID"
	run -255 x "$ID" true
	[[ $output == *"cannot exec in a paused container (use --ignore-paused to override)"* ]]
	"$MRUN" exec --ignore-paused "$ID" echo finished >out 3>&- &
	sleep 0.4
	[ ! -s out ]
	"$MRUN" resume "$ID"
	wait $!
	[ "$(cat out)" = finished ]
	# One that is given up leaves nothing.
	"$MRUN" pause "$ID"
	code=0
	timeout 0.5 "$MRUN" exec --ignore-paused "$ID" echo x >never 2>&1 3>&- || code=$?
	[ "$code" -eq 124 ]
	"$MRUN" resume "$ID"
	for _ in {1..100}; do [ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 1 ] && break; sleep 0.05; done
	[ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 1 ]
	[ ! -s never ]
}

@test "a created container can be entered" {
	need_root
	bundle b '.process.args = ["/bin/sleep", "1000"]'
	"$MRUN" create --pid-file init --bundle b "$ID" </dev/null >log 2>&1
	run -0 x "$ID" hostname
	[ "$output" = mrun ]
	"$MRUN" start "$ID"
	run -0 x "$ID" hostname
	[ "$output" = mrun ]
}

@test "terminal: attached, detached with --console-socket" {
	need_root
	need python3 script
	waiting
	# stdin is no terminal; output has LF alone.
	run -0 bash -c "echo word | timeout 20 '$MRUN' exec -t '$ID' sh -c 'tty; stty -a | grep -o .onlcr; read x; echo got \$x'"
	[[ $output == */dev/pts/0*-onlcr*"got word"* ]]
	[[ $output != *$'\r'* ]]
	# However early the program writes.
	for _ in {1..20}; do
		[ "$("$MRUN" exec -t "$ID" echo word </dev/null)" = word ]
	done
	# Size and controlling terminal of a real one; the caller's settings come back.
	cat >attach.py <<-'END'
		import fcntl, os, pty, select, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 123, 0, 0))
		    before = termios.tcgetattr(0)
		    import subprocess
		    r = subprocess.run(sys.argv[1:]).returncode
		    print("restored", termios.tcgetattr(0) == before, "code", r)
		    sys.exit(0)
		out = b""
		sent = False
		while select.select([fd], [], [], 15)[0]:
		    try:
		        d = os.read(fd, 1000)
		    except OSError:
		        break
		    if not d:
		        break
		    out += d
		    if b"ready" in out and not sent:
		        os.write(fd, b"\x03")
		        sent = True
		sys.stdout.write(out.decode())
	END
	run -0 timeout 30 python3 attach.py "$MRUN" exec -t "$ID" sh -c 'stty size; echo >/dev/tty; trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.05; done'
	[[ $output == *"41 123"*interrupted*"restored True code 9"* ]]
	run -0 timeout 30 python3 "$CLIENT" sock sh -c '"$0" "$@" >log 2>&1' "$MRUN" exec -d -t --console-socket sock --pid-file p "$ID" \
		sh -c 'read x; tty; echo "got $x"'
	[[ $output == "message /dev/ptmx"*/dev/pts/0*"got word"* ]]
	run -255 x -d -t --console-socket none "$ID" true
	[[ $output == *"console socket"* ]]
}

@test "--pidfd-socket: exec, run, create" {
	need_root
	need python3
	waiting
	run -0 timeout 30 python3 "$CLIENT" s1 sh -c '"$0" "$@" >log 2>&1' "$MRUN" exec -d --pidfd-socket s1 --pid-file p "$ID" sleep 100
	[ "${lines[0]}" = "message setns" ]
	[ "${lines[1]}" = "$(cat p)" ]
	"$MRUN" delete -f "$ID"
	run -0 timeout 30 python3 "$CLIENT" s2 sh -c '"$0" "$@" >log 2>&1' "$MRUN" run -d --bundle b --pidfd-socket s2 --pid-file p "$ID"
	[ "${lines[*]}" = "message standard $(cat p)" ]
	"$MRUN" delete -f "$ID"
	run -0 timeout 30 python3 "$CLIENT" s3 sh -c '"$0" "$@" >log 2>&1' "$MRUN" create --bundle b --pidfd-socket s3 --pid-file p "$ID"
	[ "${lines[*]}" = "message standard $(cat p)" ]
	"$MRUN" delete -f "$ID"
	run -1 "$MRUN" run --bundle b --pidfd-socket none "$ID"
	[[ $output == *"pidfd socket none"* ]]
	[ -z "$("$MRUN" list -q)" ]
}

@test "descriptors: --preserve-fds passes those and no other" {
	need_root
	waiting
	echo content >file
	run -0 bash -c "exec 3<file 4</etc/passwd 9</etc/group; '$MRUN' exec --preserve-fds 1 '$ID' sh -c 'cat <&3; ls /proc/self/fd | tr \"\n\" \" \"'"
	[ "${lines[0]}" = content ]
	# ls itself has one open.
	[ "${lines[1]}" = "0 1 2 3 4 " ]
	run -0 bash -c "exec 3<file 9</etc/group; '$MRUN' exec '$ID' sh -c 'ls /proc/self/fd | tr \"\n\" \" \"'"
	[ "${lines[0]}" = "0 1 2 3 " ]
}

@test "seccomp: config.json's filter holds, an agent is asked" {
	need_root
	waiting '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 99}]}'
	run -1 x "$ID" mkdir /tmp/x
	[ "$(x "$ID" grep ^Seccomp: /proc/self/status)" = "Seccomp:	2" ]
	"$MRUN" delete -f "$ID"
	[ -x "$BUILD/tests/syscalls" ] || skip "the agent is not built (make tests-build)"
	rm -rf b
	"$BUILD/tests/syscalls" agent "$T/agent" 97 >agent.out 2>&1 3>&- &
	for _ in {1..100}; do [ -S agent ] && break; sleep 0.02; done
	bundle b '.process.args = ["/bin/sleep", "1000"]'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	# The running container's configuration has none; exec's is the recorded one.
	"$MRUN" delete -f "$ID"
	jq --arg s "$T/agent" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s, listenerMetadata: "m",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]}' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	for _ in {1..100}; do grep -q seccompFd agent.out && break; sleep 0.02; done
	wait_agent=$!
	rm -f agent
	"$BUILD/tests/syscalls" agent "$T/agent" 98 >agent2.out 2>&1 3>&- &
	for _ in {1..100}; do [ -S agent ] && break; sleep 0.02; done
	run -1 timeout 20 "$MRUN" exec "$ID" mkdir /tmp/x
	[ "$(grep -o '{.*}' agent2.out | jq -r '.metadata + " " + .state.id + " " + .state.status')" = "m $ID running" ]
	"$MRUN" delete -f "$ID"
	wait "$wait_agent" $! || true
}

# An agent that does not answer keeps exec's process where it is: inside, before its program runs.
# $T/seen is what a program in there sees of processes whose name matches NAME.
look_into() { # NAME RULES
	rm -rf b agent
	bundle b '.process.args = ["/bin/sh", "-c", "while :; do for p in /proc/[0-9]*; do echo; echo \"== $p $(cat $p/comm)\"; for f in fd cwd root; do ls -l $p/$f/ 2>&1; done; cat $p/environ 2>&1; done >/new; mv /new /seen; sleep 0.1; done"]
		| .root.readonly = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "'"$T"'/agent", syscalls: [{names: ["mknodat"], action: "SCMP_ACT_NOTIFY"}'"$2"']}'
	cat >agent.py <<-'END'
		import socket, sys, time
		s = socket.socket(socket.AF_UNIX)
		s.bind("agent")
		s.listen(0)
		first = s.accept()[0]
		full = [socket.socket(socket.AF_UNIX) for _ in range(4)]
		for c in full:
		    c.setblocking(False)
		    try:
		        c.connect("agent")
		    except BlockingIOError:
		        break
		print("full", flush=True)
		time.sleep(60)
	END
	python3 agent.py >agent.out 3>&- &
	agent=$!
	for _ in {1..100}; do [ -S agent ] && break; sleep 0.02; done
	"$MRUN" run -d --pid-file init --bundle b "$ID" </dev/null >log 2>&1
	for _ in {1..100}; do grep -q full agent.out && break; sleep 0.02; done
	"$MRUN" exec "$ID" env </dev/null >out 2>&1 3>&- &
	mrun=$!
	for _ in {1..100}; do [ "$("$MRUN" ps --format json "$ID" | jq length)" -ge 2 ] && grep -q "== .* $1" b/rootfs/seen && break; sleep 0.05; done
	sed -n "/== .* $1/,/== /p" b/rootfs/seen | sed "1s/.*== /== /" >seen
	kill $mrun
	kill $agent
	wait || true
	cat seen
	"$MRUN" delete -f "$ID"
}

@test "the process, while it joins, has nothing to be found" {
	need_root
	need python3
	export SECRET_OF_CALLER=1
	look_into memfd ''
	# All is open, and it is the container's: no descriptor but the caller's three and the socket, its
	# own root, no variable of ours.
	[ "$(grep -cE " [0-9]+ -> " seen)" -eq 4 ]
	grep -qE " [0-9]+ -> socket:" seen
	grep -qE " sbin$" seen
	grep -q PATH= seen
	run ! grep -aE "SECRET_OF_CALLER|MRUN_" seen
}

@test "the process cannot be looked into while it joins in the other order" {
	need_root
	need python3
	look_into mrun ', {names: ["setsid"], action: "SCMP_ACT_ERRNO"}'
	# Seen, and closed: no descriptor, no directory of it can be listed, no variable read.
	[ "$(grep -c "ermission denied" seen)" -ge 4 ]
	run ! grep -E -- "-> |HOME=|$T" seen
	# With the right to trace it would be open.
	rm -rf b
	bundle b '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["setsid"], action: "SCMP_ACT_ERRNO"}]}
		| .process.args = ["/bin/sleep", "600"] | .process.capabilities[] |= . + ["CAP_SYS_PTRACE"]'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -255 "$MRUN" exec "$ID" true
	[[ $output == *"may trace (CAP_SYS_PTRACE)"*"hint: "*"setsid"* ]]
}


@test "nothing leads out of the root, nor to mrun itself" {
	need_root
	waiting '.root.readonly = false'
	for n in {3..20}; do
		run -255 x --cwd "/proc/self/fd/$n" "$ID" pwd
		run -255 x --cwd "/proc/self/fd/$n/../.." "$ID" pwd
	done
	run -0 x "$ID" readlink /proc/self/exe
	[[ $output == /bin/* || $output == /usr/bin/* ]]
	ln -sf /proc/self/exe b/rootfs/exe
	run -125 x "$ID" /exe --version
	[[ $output != *"mrun version"* ]]
	printf '#!/proc/self/exe --version\n' >b/rootfs/script
	chmod 755 b/rootfs/script
	run -125 x "$ID" /script
	[[ $output != *"mrun version"* ]]
}

# MRUN_TEST_EXECS=10000 for the full number, some minutes.
@test "exec again and again: nothing is left behind, in the container or around it" {
	need_root
	local i n=${MRUN_TEST_EXECS:-200} how=(
		'/bin/true'
		'-t /bin/true' # a terminal
		'-d --preserve-fds 1 /bin/true'
		'/no/such/program'
	)
	bundle b '.process.args = ["/bin/sleep", "100000"]'
	"$MRUN" run --pid-file init --bundle b "$ID" </dev/null >log 2>&1 3>&- &
	parent=$!
	for _ in {1..100}; do [ -s init ] && x "$ID" true </dev/null 2>/dev/null && break; sleep 0.05; done
	count() {
		# Detached ones may not have ended yet.
		for _ in {1..100}; do [ "$("$MRUN" ps --format json "$ID" | jq length)" -eq 1 ] && break; sleep 0.05; done
		echo "descriptors $(find "/proc/$parent/fd" "/proc/$(cat init)/fd" -mindepth 1 | wc -l)" \
			"mounts $(wc -l <"/proc/$(cat init)/mountinfo")" \
			"processes $("$MRUN" ps --format json "$ID" | jq length)" \
			"RSS $(grep -E 'VmRSS' "/proc/$parent/status" "/proc/$(cat init)/status" | tr -s ' \t' ' ' | cut -d' ' -f2 | tr '\n' ' ')" \
			"files $(find "$XDG_RUNTIME_DIR" | wc -l) cgroups $(find /sys/fs/cgroup -path "*$ID*" -type d | wc -l)" \
			"keyrings $(grep -c "_ses.$ID" /proc/keys) sockets $(wc -l <"/proc/$(cat init)/net/unix")"
	}
	one() {
		# shellcheck disable=SC2086 # options
		(cd b && exec "$MRUN" exec ${how[$1]%%/*} "$ID" /${how[$1]#*/}) </dev/null 3</dev/null >out 2>&1
	}
	for i in "${!how[@]}"; do one "$i" || true; done
	before=$(count)
	for ((i = 0; i < n; i++)); do
		one $((i % 4)) || [ $((i % 4)) -eq 3 ] || { echo "$i: $(cat out)"; false; }
	done
	after=$(count)
	echo "# after $n: $after" >&3
	[ "$after" = "$before" ] || { echo "before: $before"; false; }
	"$MRUN" kill "$ID" KILL
	wait $parent || true
}

@test "a hook that start runs may call exec" {
	need_root
	printf '#!/bin/sh\nexec "%s" exec "%s" touch /by-hook\n' "$MRUN" "$ID" >hook
	chmod 755 hook
	bundle b '.process.args = ["/bin/sleep", "1000"] | .root.readonly = false
		| .hooks = {poststart: [{path: "'"$T"'/hook", env: ["XDG_RUNTIME_DIR='"$XDG_RUNTIME_DIR"'"]}]}'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1 || { cat log; false; }
	[ -e b/rootfs/by-hook ]
}

@test "20 at once, and delete while they run" {
	need_root
	waiting
	for i in {1..20}; do "$MRUN" exec "$ID" echo "$i" </dev/null >"out$i" 2>&1 3>&- & done
	for p in $(jobs -p); do wait "$p"; done
	[ "$(cat out? out?? | sort -n | tr '\n' ' ')" = "$(seq -s ' ' 20) " ]
	for i in {1..10}; do "$MRUN" exec "$ID" sleep 100 </dev/null >"out$i" 2>&1 3>&- & done
	sleep 0.05
	"$MRUN" delete -f "$ID"
	for p in $(jobs -p); do
		code=0
		wait "$p" || code=$?
		[ "$code" -eq 137 ] || [ "$code" -eq 255 ]
	done
	[ -z "$("$MRUN" list -q)" ]
}

@test "the same as runc's" {
	need_root
	need runc
	bundle b '.process.args = ["/bin/sleep", "1000"] | .linux.seccomp = null | .ociVersion = "1.0.2"
		| .process.capabilities |= with_entries(select(.key != "ambient"))
		| .process.user.umask = 18 | .hostname = "same"'
	probe='id; pwd; umask; hostname; env | sort; grep -E "^(Cap|NoNew|Uid|Gid|Groups|SigB)" /proc/self/status; ulimit -a
		cat /proc/self/oom_score_adj; ls /proc/self/fd | wc -l; cat /proc/self/cgroup | cut -d: -f3 | sed "s,.*/,,"'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run_all() {
		for o in "" "-u 5:6" "-e A=1 -e TERM=x" "--cwd /tmp" "-c CAP_NET_ADMIN" "-g 9 -u 8"; do
			# shellcheck disable=SC2086
			timeout 20 "$@" exec $o "$ID" sh -c "$probe" </dev/null 2>&1
		done
	}
	run_all "$MRUN" >mrun.out
	"$MRUN" delete -f "$ID"
	runc --root "$T/runc" run -d --bundle b "$ID" </dev/null >log 2>&1
	run_all runc --root "$T/runc" >runc.out
	runc --root "$T/runc" delete -f "$ID"
	diff runc.out mrun.out
}

# --- without root ------------------------------------------------------------------------------

rootless() { # JQ
	AS=1
	rm -rf "$TEST_HOME/b"
	mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/b" 2>/dev/null || true
	as_user sh -c "cd b && '$MRUN' spec --rootless"
	jq '.process.terminal = false | .process.args = ["/bin/sleep", "1000"] | '"${1:-.}" "$TEST_HOME/b/config.json" >c
	cat c >"$TEST_HOME/b/config.json"
	as_user sh -c "'$MRUN' run -d --bundle b --pid-file pid '$ID' </dev/null >log 2>&1"
	cp "$TEST_HOME/pid" init
}

@test "rootless: one id" {
	rootless
	run -0 as_user "$MRUN" exec "$ID" sh -c 'id -u; pwd; echo $HOME; hostname'
	[ "${lines[*]}" = "0 / /root mrun" ]
	run -9 as_user "$MRUN" exec "$ID" sh -c 'exit 9'
	run -255 as_user "$MRUN" exec "$ID" none
	[[ $output == *'"none": executable file not found in $PATH'* ]]
	run -255 as_user "$MRUN" exec -u 5 "$ID" true
	[[ $output == *"user 5"*hint:*/etc/subuid* ]]
	as_user sh -c "'$MRUN' exec -d --pid-file p '$ID' sleep 100 </dev/null >log 2>&1"
	if [ "$(id -u)" -eq 0 ]; then
		same_as_init "$(cat "$TEST_HOME/p")"
	fi
	run -0 as_user bash -c "echo word | timeout 20 '$MRUN' exec -t '$ID' sh -c 'tty; read x; echo got \$x'"
	[[ $output == */dev/pts/0*"got word"* ]]
	# Without a cgroup ps looks at the pid namespace.
	[ "$(as_user "$MRUN" ps --format json "$ID" | jq length)" -eq 2 ]
	run -0 as_user "$MRUN" kill --all "$ID" KILL
	for _ in {1..100}; do [ "$(as_user "$MRUN" state "$ID" | jq -r .status)" = stopped ] && break; sleep 0.05; done
	run -255 as_user "$MRUN" exec "$ID" true
	[[ $output == *"cannot exec in a stopped container"* ]]
	as_user "$MRUN" delete "$ID"
}

@test "rootless: a range of ids" {
	low=$(lib_subid "$TEST_USER" /etc/subuid)
	glow=$(lib_subid "$TEST_USER" /etc/subgid)
	need newuidmap newgidmap
	rootless ".linux.uidMappings = [{containerID: 0, hostID: $TEST_UID, size: 1}, {containerID: 1, hostID: $low, size: 65535}]
		| .linux.gidMappings = [{containerID: 0, hostID: $TEST_GID, size: 1}, {containerID: 1, hostID: $glow, size: 65535}]"
	run -0 as_user "$MRUN" exec -u 5:6 -g 7 "$ID" id
	[[ $output == "uid=5"*" gid=6"*groups=*7* ]]
	run -0 as_user "$MRUN" exec "$ID" sh -c 'id -u; grep -c . /proc/self/uid_map'
	[ "${lines[*]}" = "0 2" ]
	for _ in {1..20}; do as_user "$MRUN" exec "$ID" true; done
	as_user "$MRUN" delete -f "$ID"
}

@test "rootless: each option of exec" {
	need python3
	low=$(lib_subid "$TEST_USER" /etc/subuid)
	glow=$(lib_subid "$TEST_USER" /etc/subgid)
	rootless ".linux.uidMappings = [{containerID: 0, hostID: $TEST_UID, size: 1}, {containerID: 1, hostID: $low, size: 65535}]
		| .linux.gidMappings = [{containerID: 0, hostID: $TEST_GID, size: 1}, {containerID: 1, hostID: $glow, size: 65535}]
		| .process.noNewPrivileges = false"
	u() { as_user timeout 20 "$MRUN" exec "$@"; }
	run -0 u --user 5:6 --additional-gids 7 --additional-gids 8 --cwd /tmp --env A=1 --env "B=x y" -e A=2 "$ID" sh -c 'id -u; id -g; id -G; pwd; echo "$A $B"'
	[ "${lines[*]}" = "5 6 6 7 8 /tmp 2 x y" ]
	[ "$(echo word | u -i -w /tmp "$ID" sh -c 'read x; echo "$x in $PWD"')" = "word in /tmp" ]
	if [ ! -e /sys/fs/selinux/enforce ]; then
		run -255 u --process-label x "$ID" true
		[[ $output == *process.selinuxLabel*"SELinux"* ]]
	fi
	run -255 u --cwd /none "$ID" true
	[[ $output == *"/none"*"no such file or directory"* ]]
	run -0 u "$ID" grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
	before=$((16#$(awk '/CapEff/ { print $2 }' <<<"$output")))
	[[ $output == *NoNewPrivs*0* ]]
	run -0 u --cap CAP_SYS_CHROOT --cap CAP_NET_ADMIN --no-new-privs "$ID" grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
	[ $((16#$(awk '/CapEff/ { print $2 }' <<<"$output"))) -eq $((before | 1 << 18 | 1 << 12)) ]
	[[ $output == *NoNewPrivs*1* ]]
	# Where no AppArmor runs: what it cannot do is said, and unconfined is what it is.
	if [ ! -e /sys/module/apparmor ]; then
		run -255 u --apparmor x "$ID" true
		[[ $output == *process.apparmorProfile*"no AppArmor"* ]]
		run -0 u --apparmor unconfined "$ID" true
	fi
	run -0 as_user bash -c "echo content >file; exec 3<file 4</etc/passwd 9</etc/group; '$MRUN' exec --preserve-fds 1 '$ID' sh -c 'cat <&3; ls /proc/self/fd | tr \"\n\" \" \"'"
	[ "${lines[0]}" = content ]
	[ "${lines[1]}" = "0 1 2 3 4 " ]
	cat >"$TEST_HOME/p.json" <<-'END'
		{"cwd": "/tmp", "args": ["sh", "-c", "pwd; id -u; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj; echo $A"], "env": ["PATH=/bin:/usr/bin", "A=b"],
		"user": {"uid": 3, "gid": 4, "umask": 7, "additionalGids": [6]}, "oomScoreAdj": 400, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 70, "hard": 80}]}
	END
	run -0 as_user "$MRUN" exec --process p.json "$ID"
	[ "${lines[*]}" = "/tmp 3 4 6 0007 70 400 b" ]
	install -m 644 "$CLIENT" "$TEST_HOME/client.py"
	run -0 as_user timeout 30 python3 client.py console.sock sh -c '"$0" "$@" >log 2>&1' "$MRUN" exec --detach --tty --console-socket console.sock \
		--pid-file p "$ID" sh -c 'read x; tty; echo "got $x"'
	[[ $output == "message /dev/ptmx"*/dev/pts/0*"got word"* ]]
	run -0 as_user timeout 30 python3 client.py pidfd.sock sh -c '"$0" "$@" >log 2>&1' "$MRUN" exec -d --pidfd-socket pidfd.sock --pid-file p "$ID" sleep 100
	[ "${lines[*]}" = "message setns $(cat "$TEST_HOME/p")" ]
	[ "$(tr '\0' ' ' <"/proc/$(cat "$TEST_HOME/p")/cmdline")" = "sleep 100 " ]
	as_user "$MRUN" delete -f "$ID"
}

@test "rootless: an agent is asked by run and exec" {
	[ -x "$BUILD/tests/syscalls" ] || skip "the agent is not built (make tests-build)"
	install -m 755 "$BUILD/tests/syscalls" "$TEST_HOME/syscalls"
	agent() { # NAME ERRNO
		rm -f "$TEST_HOME/agent"
		as_user ./syscalls agent agent "$2" >"$1" 2>&1 3>&- &
		for _ in {1..100}; do [ -S "$TEST_HOME/agent" ] && break; sleep 0.02; done
	}
	agent first 97
	rootless ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", listenerPath: \"$TEST_HOME/agent\", listenerMetadata: \"m\",
		syscalls: [{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_NOTIFY\"}]} | .process.args = [\"/bin/sh\", \"-c\", \"mkdir /tmp/x; sleep 1000\"]"
	for _ in {1..100}; do grep -q '{.*}' first && break; sleep 0.02; done
	[ "$(grep -o '{.*}' first | jq -r '[.metadata, .state.id, .state.status, (.fds | join(" ")), .pid == .state.pid] | join("|")')" = "m|$ID|creating|seccompFd|true" ]
	agent second 98
	run -1 as_user timeout 20 "$MRUN" exec "$ID" mkdir /tmp/y
	[[ $output == *"/tmp/y"*ddress*"in use"* ]]
	[ "$(grep -o '{.*}' second | jq -r '[.metadata, .state.id, .state.status] | join("|")')" = "m|$ID|running" ]
	as_user "$MRUN" delete -f "$ID"
	wait
}

@test "rootless: --cgroup and --ignore-paused, in a cgroup of the user's own" {
	need_root
	export -f as_user lib_as
	AS=1
	rm -rf "$TEST_HOME/b"
	mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/b"
	as_user sh -c "cd b && '$MRUN' spec --rootless"
	jq --arg p "/$ID.own/$ID" '.process.terminal = false | .process.args = ["/bin/sleep", "1000"] | .linux.cgroupsPath = $p' "$TEST_HOME/b/config.json" >c
	cat c >"$TEST_HOME/b/config.json"
	run -0 unshare -m --propagation private bash -c '
		umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
		own=/sys/fs/cgroup/$2.own
		mkdir -p "$own/caller"
		chown -R "$TEST_USER" "$own"
		echo 0 >"$own/caller/cgroup.procs"
		as_user "$1" run -d -b b "$2" </dev/null >log 2>&1 || cat log
		as_user mkdir "$own/$2/sub"
		as_user "$1" exec --cgroup sub "$2" cat /proc/self/cgroup
		as_user "$1" exec --cgroup none "$2" true
		echo "code $?"
		as_user "$1" pause "$2"
		as_user "$1" exec "$2" true
		echo "code $?"
		as_user "$1" exec --ignore-paused "$2" echo finished &
		# Its process is in there, and frozen.
		for _ in {1..100}; do [ "$(wc -l <"$own/$2/cgroup.procs")" -lt 2 ] || break; sleep 0.05; done
		echo "in there: $(wc -l <"$own/$2/cgroup.procs")"
		as_user "$1" resume "$2"
		wait $!
		as_user "$1" delete -f "$2"
		ls -d "$own/$2"
		echo 0 >/sys/fs/cgroup/cgroup.procs
		rmdir "$own/caller" "$own"' - "$MRUN" "$ID"
	echo "$output"
	[[ $output == *$'\n0::/sub\n'* ]]
	[[ $output == *"code 255"*"paused container"*"code 255"*"in there: 2"*finished* ]]
	[[ $output == *"No such file"* ]]
}

@test "rootless: another user's container is not to be entered" {
	need_root
	rootless
	run -255 "$MRUN" exec "$ID" true
	[[ $output == *"does not exist"* ]]
	# root may, when it says where.
	run -0 "$MRUN" --root "$TEST_HOME/run/mrun" exec "$ID" id -u
	[ "$output" = 0 ]
	as_user "$MRUN" delete -f "$ID"
}
