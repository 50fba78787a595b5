#!/usr/bin/env bats
# What a failing system call, or a death in the middle, does to the runtime's commands: each call of
# each process of run, create, start, kill, delete and exec fails once (ENOMEM, EIO, EPERM, EMFILE), or
# its process is killed at it. The outcome is success or one clear error, never a hang, and nothing is
# left: after a foreground run nothing needs to be done, after the others `delete --force`.
#
# tests/faults/sweep.c does it. By default as many trials as fit into a few seconds, at random (the
# seed is told when something fails); with MRUN_SWEEP=full every one of them, which takes minutes.
bats_require_minimum_version 1.5.0
load lib

SWEEP=${SWEEP:-$BUILD/tests/sweep}
BUDGET=${MRUN_SWEEP_SECONDS:-1.2}
SEED=${MRUN_SWEEP_SEED:-$RANDOM}

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	[ "$(uname -m)" = x86_64 ] || skip "tests/faults changes the registers of x86_64"
	strace_allowed || skip "ptrace(2) is not allowed here"
	P=mrun-f$$-$RANDOM
	ID=$P
}
teardown() {
	for WHO in root user; do
		D=$T/d.$WHO
		[ ! -d "$D/run" ] || for id in "$ID" "$ID.2"; do
			XDG_RUNTIME_DIR=$D/run m_here delete -f "$id" >/dev/null 2>&1
		done
	done
	lib_teardown
}

strace_allowed() { $SWEEP --errnos EIO --only 0:1:EIO "trace /bin/true" >/dev/null 2>&1; }

# /tell says what a program has of what was asked for: a success with less would be another output. Not
# what may be another way to the same (a device's node bound, /sys shown where no new one may be
# mounted), nor HOME, which an image's unreadable /etc/passwd does not keep a program from.
TELL='awk "!/ .dev.(null|zero|full|random|urandom|tty) / { print \$5, \$6 }" /proc/self/mountinfo | sort -u
grep -E "^(Uid|Gid|Groups|Cap|NoNew|Seccomp:|Sig[IBC])" /proc/self/status
cat /proc/self/limits /proc/self/cgroup /proc/self/uid_map /proc/self/gid_map \
	/proc/sys/kernel/hostname /proc/sys/kernel/domainname
pwd; umask; env | grep -Ev "MARK|HOME"; ls /proc/self/fd | wc -l; ls /proc | grep -v "^[0-9]"
ls -ln /dev | sed -E "s/[A-Z][a-z]{2} +[0-9]+ [0-9:]{5}//"
'
# A bundle for whoever it is, in $B; its state and everything else that mrun writes lie below $D.
make_bundle() { # PROGRAM AND ARGUMENTS AS JSON
	B=$T/b.$WHO
	D=$T/d.$WHO
	rm -rf "$B" "$D"
	mkdir -p "$D/run" "$D/cache" "$D/home"
	chmod 700 "$D/run"
	alpine_rootfs "$B/rootfs"
	echo "$TELL" >"$B/rootfs/tell"
	if [ "$WHO" = root ]; then
		bundle "$B" ".process.args = $1"
	else
		chown -R "$TEST_USER:" "$B" "$D"
		as_user "$MRUN" spec --rootless --bundle "$B"
		jq ".process.terminal = false | .process.args = $1" "$B/config.json" >c
		cat c >"$B/config.json"
	fi
}

sweep() { # WHAT OPTION… STEP…
	local what=$1 who=() amount=(--budget "$BUDGET" --seed "$SEED")
	shift
	[ "${MRUN_SWEEP:-}" != full ] && [ "${ALL:-}" != 1 ] || amount=()
	[ "$WHO" = root ] || who=(--user "$TEST_UID:$TEST_GID")
	# Without memory of its own it ends; nor does it find leaks in who is traced.
	! sanitized || amount+=(--leave "mmap,munmap,mprotect,prlimit64" --env ASAN_OPTIONS=detect_leaks=0)
	# shellcheck disable=SC2086 # options of whoever calls
	$SWEEP --name "$what as $WHO" "${who[@]}" "${amount[@]}" --dir "$B" --env "PATH=$PATH" \
		--env "HOME=$D/home" --env "XDG_RUNTIME_DIR=$D/run" --env "XDG_CACHE_HOME=$D/cache" \
		--env "MRUN_TEST_MARK=$T" --cgroups "$P" --watch "$D" --watch "$B" --codes 1,125,255 ${MRUN_SWEEP_OPTIONS:-} "$@"
}
faults() { sweep "$1" --errnos "${ERRNOS:-ENOMEM,EIO,EPERM,EMFILE}" "${@:2}"; }
kills() { sweep "$1, killed" --kill "${@:2}" "after $MRUN list" "after $MRUN delete --force $ID"; }

# Also the user's where root's has failed: both show what there is to mend.
both_all() { # FUNCTION HOW
	local failed=0
	for WHO in root user; do
		[ "$WHO" = user ] || [ "$(id -u)" -eq 0 ] || continue
		"$@" || failed=1
	done
	return "$failed"
}

foreground() {
	make_bundle '["/bin/echo", "hello"]'
	"$1" run "trace $MRUN run $ID"
}
lifecycle() {
	make_bundle '["/bin/sleep", "1000"]'
	"$1" lifecycle "trace $MRUN create $ID" "trace $MRUN start $ID" "trace $MRUN kill $ID KILL" \
		"trace @settle" "trace $MRUN delete $ID" "after $MRUN delete --force $ID"
}
forced() {
	make_bundle '["/bin/sleep", "1000"]'
	"$1" "run -d" "trace $MRUN run -d $ID" "trace $MRUN delete --force $ID" \
		"after $MRUN delete --force $ID"
}
# The container that it goes into, or whose pid namespace it joins, must not take notice.
beside() { # HOW WHAT STEP…
	local how=$1 what=$2
	shift 2
	if [ "$how" = kills ]; then
		set -- "$@" "after $MRUN list"
		what="$what, killed"
		how=--kill
	else
		how=--errnos=${ERRNOS:-ENOMEM,EIO,EPERM,EMFILE}
	fi
	sweep "$what" "$how" "$@" "after $MRUN kill $ID 0"
}
into() {
	make_bundle '["/bin/sleep", "1000"]'
	beside "$1" exec "once $MRUN run -d $ID" "trace $MRUN exec $ID /bin/sh /tell" \
		"end $MRUN delete --force $ID"
}
# Where the filter denies what the shim would have to do: mrun makes the process.
into_filtered() {
	make_bundle '["/bin/sleep", "1000"]'
	jq '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["setsid"], action: "SCMP_ACT_ERRNO"}]}' \
		"$B/config.json" >c
	cat c >"$B/config.json"
	beside "$1" "exec, setsid denied" "once $MRUN run -d $ID" "trace $MRUN exec $ID /bin/sh /tell" \
		"end $MRUN delete --force $ID"
}
# As a pod's second container; its first process is made last, by the shim.
joined() {
	local status=0 pid
	make_bundle '["/bin/sleep", "1000"]'
	(
		cd "$B" || exit
		export XDG_RUNTIME_DIR=$D/run
		m_here run -d "$ID" </dev/null >/dev/null 2>&1
		m_here state "$ID" | jq .pid
	) >pid
	pid=$(cat pid)
	cp "$B/config.json" "$B/first.json"
	jq --arg p "/proc/$pid/ns/" '.process.args = ["/bin/sh", "/tell"] |
		.linux.namespaces |= map(select(.type == "pid" or .type == "user") |= . + {path: ($p + .type)}) |
		del(.linux.uidMappings, .linux.gidMappings)' "$B/first.json" >c
	cat c >"$B/config.json"
	beside "$1" "run in a pod" "trace $MRUN run $ID.2" "after $MRUN delete --force $ID.2" || status=1
	XDG_RUNTIME_DIR=$D/run m_here delete --force "$ID" || status=1
	return "$status"
}
# mrun as WHO, with this shell's directory and XDG_RUNTIME_DIR.
m_here() {
	if [ "$WHO" = root ] || [ "$(id -u)" -ne 0 ]; then
		"$MRUN" "$@"
	else
		setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups --inh-caps=-all -- "$MRUN" "$@"
	fi
}
# More of what a configuration can ask for: limits, a filter, hooks, devices, a user, a nested cgroup.
rich() {
	[ "$(id -u)" -eq 0 ] || skip "newuidmap has no rights when who traces it is not root"
	make_bundle '["/bin/sh", "/tell"]'
	jq --arg id "$P" '.process.user = {uid: 1, gid: 1, additionalGids: [5]} | .process.oomScoreAdj = 500 |
		.process.rlimits += [{type: "RLIMIT_CORE", soft: 0, hard: 0}] |
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["ptrace"], action: "SCMP_ACT_ERRNO"}]} |
		.hooks = {prestart: [{path: "/bin/true"}], createContainer: [{path: "/bin/true"}],
			startContainer: [{path: "/bin/true"}], poststart: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]} |
		.mounts += [{destination: "/new/dir", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "tmpcopyup"]},
			{destination: "/etc/hosts", type: "bind", source: "/etc/hosts", options: ["bind", "ro"]}] |
		if .linux.uidMappings then .linux.uidMappings += [{containerID: 1, hostID: $sub, size: 1000}] |
			.linux.gidMappings += [{containerID: 1, hostID: $sub, size: 1000}] else
		.linux.cgroupsPath = ("/" + $id + ".above/" + $id) | .linux.resources.pids = {limit: 100} |
		.linux.resources.memory = {limit: 100000000} |
		.linux.sysctl = {"kernel.domainname": "x"} |
		.linux.devices = [{path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 438}] end' \
		--argjson sub "$(lib_subid "$TEST_USER" /etc/subuid)" "$B/config.json" >c
	cat c >"$B/config.json"
	"$1" "run, much asked" "trace $MRUN run $ID"
}
# A terminal, whose master the first process makes; all that the program says goes through it. (EIO is
# what a terminal says at its end.)
terminal() {
	terminal_bundle
	ERRNOS=ENOMEM,EPERM,EMFILE "$1" "run with a terminal" --told "trace $MRUN run $ID"
}
# The same of exec.
into_terminal() {
	make_bundle '["/bin/sleep", "1000"]'
	ERRNOS=ENOMEM,EPERM,EMFILE beside "$1" "exec with a terminal" --told "once $MRUN run -d $ID" \
		"trace $MRUN exec -t $ID /bin/sh /tell" "end $MRUN delete --force $ID"
}
# Somebody at $T/sock who is given terminals, and reads each to its end. Who says "told?" there gets, once
# those before him have come to their end, all that was read since the last one asked.
receiver() {
	cat >"$T/receiver.py" <<-'END'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		if len(sys.argv) > 2:
		    s.connect(sys.argv[1])
		    s.send(b"told?")
		    while data := s.recv(10000):
		        sys.stdout.write(data.decode())
		    sys.exit()
		s.bind(sys.argv[1])
		os.chmod(sys.argv[1], 0o777)
		s.listen(10)
		told = b""
		while True:
		    c = s.accept()[0]
		    data, anc, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
		    if data == b"told?":
		        c.sendall(told)
		        told = b""
		    for fd in array.array("i", anc[0][2] if anc else b""):
		        try:
		            while data := os.read(fd, 10000):
		                told += data
		        except OSError:
		            pass  # nobody has it any more
		        os.close(fd)
		    c.close()
	END
	chmod 644 "$T/receiver.py"
	rm -f "$T/sock"
	python3 "$T/receiver.py" "$T/sock" 3>&- &
	RECEIVER=$!
	for _ in {1..200}; do [ ! -S "$T/sock" ] || break; sleep 0.05; done
	SOCKET="--console-socket $T/sock"
	# Not one from root's home.
	TOLD="$(PATH=/usr/local/bin:/usr/bin:/bin command -v python3) $T/receiver.py $T/sock told"
}
# FUNCTION HOW with such a receiver.
received() {
	local status=0
	receiver
	"$@" || status=1
	kill "$RECEIVER"
	wait "$RECEIVER" || true
	return "$status"
}
terminal_bundle() {
	make_bundle '["/bin/sh", "/tell"]'
	jq '.process.terminal = true' "$B/config.json" >c
	cat c >"$B/config.json"
}
run_to_socket() {
	terminal_bundle
	"$1" "run -d with a console socket" "before $TOLD" "trace $MRUN run -d $SOCKET $ID" "trace $TOLD" \
		"trace $MRUN delete --force $ID" "after $MRUN delete --force $ID"
}
create_to_socket() {
	terminal_bundle
	"$1" "create with a console socket" "before $TOLD" "trace $MRUN create $SOCKET $ID" "trace $MRUN start $ID" \
		"trace $TOLD" "trace $MRUN delete --force $ID" "after $MRUN delete --force $ID"
}
into_socket() {
	make_bundle '["/bin/sleep", "1000"]'
	beside "$1" "exec with a console socket" "once $MRUN run -d $ID" "before $TOLD" \
		"trace $MRUN exec -d -t $SOCKET $ID /bin/sh /tell" "trace $TOLD" "end $MRUN delete --force $ID"
}
# The other layout of cgroups, in a mount namespace of our own.
unified() {
	need_root
	WHO=root
	make_bundle '["/bin/sh", "/tell"]'
	jq --arg id "$P" '.linux.cgroupsPath = ("/" + $id + ".above/" + $id)' "$B/config.json" >c
	cat c >"$B/config.json"
	local SWEEP_REAL=$SWEEP
	SWEEP=$T/unified
	cat >"$SWEEP" <<-END
		#!/bin/sh
		umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$SWEEP_REAL" "\$@"
	END
	chmod 755 "$SWEEP"
	SWEEP="unshare -m $SWEEP" "$1" "run, cgroup v2" "trace $MRUN run $ID"
}
# Whatever happens, the container can be resumed.
paused() {
	need_root
	make_bundle '["/bin/sleep", "1000"]'
	printf '#!/bin/sh\n%s resume %s 2>/dev/null\nexit 0\n' "$MRUN" "$ID" >"$T/resume"
	chmod 755 "$T/resume"
	beside "$1" "pause, resume" "once $MRUN run -d $ID" "trace $MRUN pause $ID" "trace $MRUN resume $ID" \
		"after $T/resume" "after $MRUN exec $ID /bin/true" "end $MRUN delete --force $ID"
}
updated() {
	need_root
	make_bundle '["/bin/sleep", "1000"]'
	beside "$1" update "once $MRUN run -d $ID" \
		"trace $MRUN update --pids-limit 50 --memory 100000000 --cpu-share 512 $ID" \
		"after $MRUN exec $ID /bin/true" "end $MRUN delete --force $ID"
}
# They change nothing, and do not show less than there is.
looks() {
	make_bundle '["/bin/sleep", "1000"]'
	beside "$1" "list, state" "once $MRUN run -d $ID" "trace $MRUN list -q" "trace $MRUN state $ID" \
		"trace $MRUN delete --regex none" "end $MRUN delete --force $ID"
	# EPERM: a process that is another's.
	ERRNOS=ENOMEM,EIO,EMFILE beside "$1" ps "once $MRUN run -d $ID" "trace $MRUN ps --format json $ID" \
		"end $MRUN delete --force $ID"
}

@test "run: a call that fails is success or one error, and nothing is left" { both_all foreground faults; }
@test "run: killed at a call, what is left is listed, and removed by delete --force" { both_all foreground kills; }
@test "create, start, kill, delete: a call that fails is success or one error, and nothing is left" { both_all lifecycle faults; }
@test "create, start, kill, delete: killed at a call, delete --force removes what is left" { both_all lifecycle kills; }
@test "run -d, delete --force: a call that fails is success or one error, and nothing is left" { both_all forced faults; }
@test "run -d, delete --force: killed at a call, delete --force removes what is left" { both_all forced kills; }
@test "exec: a call that fails is success or one error, and the container goes on" { both_all into faults; }
@test "exec: killed at a call, nothing is left, and the container goes on" { both_all into kills; }
@test "exec past a filter: a call that fails is success or one error, and the container goes on" { both_all into_filtered faults; }
@test "exec past a filter: killed at a call, nothing is left, and the container goes on" { both_all into_filtered kills; }
@test "run in another's pid namespace: a call that fails is success or one error" { both_all joined faults; }
@test "run in another's pid namespace: killed at a call, delete --force removes what is left" { both_all joined kills; }
@test "run with hooks, a filter, limits: a call that fails is success or one error" { both_all rich faults; }
@test "run with hooks, a filter, limits: killed at a call, delete --force removes what is left" { both_all rich kills; }
@test "run with a terminal: a call that fails is success or one error" { both_all terminal faults; }
@test "run with a terminal: killed at a call, delete --force removes what is left" { both_all terminal kills; }
@test "exec with a terminal: a call that fails is success or one error" { both_all into_terminal faults; }
@test "exec with a terminal: killed at a call, the container goes on" { both_all into_terminal kills; }
@test "run -d with a console socket: a call that fails is success or one error" { received both_all run_to_socket faults; }
@test "run -d with a console socket: killed at a call, delete --force removes what is left" { received both_all run_to_socket kills; }
@test "create with a console socket: a call that fails is success or one error" { received both_all create_to_socket faults; }
@test "create with a console socket: killed at a call, delete --force removes what is left" { received both_all create_to_socket kills; }
@test "exec with a console socket: a call that fails is success or one error" { received both_all into_socket faults; }
@test "exec with a console socket: killed at a call, the container goes on" { received both_all into_socket kills; }
@test "run on cgroup v2: a call that fails is success or one error" { unified faults; }
@test "run on cgroup v2: killed at a call, delete --force removes what is left" { unified kills; }
@test "pause, resume: a call that fails is success or one error, and the container can go on" { WHO=root paused faults; }
@test "pause, resume: killed at a call, the container can go on" { WHO=root paused kills; }
@test "update: a call that fails is success or one error" { WHO=root updated faults; }
@test "update: killed at a call, the container goes on" { WHO=root updated kills; }
# Few calls, and what happens to a container when they fail is mrun's to find out: always all of them.
in_shim() { ALL=1 MRUN_SWEEP_OPTIONS="--of shim" both_all "$@"; }
@test "exec: whatever fails in the shim ends it" {
	in_shim into faults
	in_shim into kills
}
@test "run in another's pid namespace: whatever fails in the shim ends it" {
	in_shim joined faults
	in_shim joined kills
}

@test "list, state, ps, delete --regex: a call that fails is an error, and not less shown" { both_all looks faults; }

@test "what cannot be looked at is not missing" {
	need strace
	need_root
	need_no_sanitizer "its own calls would fail as well"
	failing() { # CALLS ARG…
		local calls=$1
		shift
		run -1 strace -qq -o /dev/null -e "trace=$calls" -e "inject=$calls:error=EIO" "$MRUN" "$@"
		[[ $output == "mrun: "*": input/output error" ]]
	}
	WHO=root make_bundle '["/bin/sleep", "1000"]'
	XDG_RUNTIME_DIR=$D/run
	"$MRUN" run -d --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	# The process: a delete would take it for stopped.
	failing readlinkat delete --force "$ID"
	failing readlinkat delete "$ID"
	# The FIFO: a container that was created would pass for a running one.
	failing faccessat,faccessat2 state "$ID"
	# XDG_RUNTIME_DIR: root's containers would be looked for in /run.
	failing newfstatat list
	failing access list
	failing getdents64 list
	failing getdents64 delete --regex .
	[ "$("$MRUN" state "$ID" | jq -r .status)" = running ]
	"$MRUN" delete --force "$ID"
	# A cgroup that was there before: it would be taken for the container's, and removed with it.
	local up=/sys/fs/cgroup
	[ ! -d $up/pids ] || up=$up/pids
	mkdir "$up/$P.there"
	jq --arg p "/$P.there" '.linux.cgroupsPath = $p' "$B/config.json" >c
	cat c >"$B/config.json"
	# By its name on v2, from /sys/fs/cgroup on v1.
	[ "$up" = /sys/fs/cgroup ] && set -- -P "$up/$P.there" -e inject=faccessat2:error=EIO ||
		set -- -e inject=faccessat2:error=EIO
	run -1 strace -qq -o /dev/null "$@" "$MRUN" run -d --bundle "$B" "$ID" </dev/null
	"$MRUN" delete --force "$ID" >/dev/null 2>&1 || true
	rmdir "$up/$P.there"
	[[ $output == *"look for cgroup /sys/fs/cgroup/"*"$P.there: input/output error" ]]
}

@test "output that could not be passed on is told, and the exit code is the program's" {
	WHO=root
	[ "$(id -u)" -eq 0 ] || WHO=user
	make_bundle '["/bin/sh", "-c", "echo hello; exit 3"]'
	jq '.process.terminal = true' "$B/config.json" >c
	cat c >"$B/config.json"
	lose() { (cd "$B" && XDG_RUNTIME_DIR=$D/run m_here run "$ID" </dev/null >/dev/full 2>"$T/err"); }
	run -3 lose
	[ "$(cat "$T/err")" = "mrun: warning: write to stdout: no space left on device" ]
}
