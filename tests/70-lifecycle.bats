#!/usr/bin/env bats
# The OCI lifecycle from outside: create, start, state, kill, delete, run, list on a bundle.
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	case $BATS_TEST_DESCRIPTION in rootless* | --version*) ;; *) need_root ;; esac
	ID=mrun-t$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	"$MRUN" delete -f "$ID.2" >/dev/null 2>&1
	lib_teardown
}

status() { "$MRUN" state "$1" | jq -r .status; }
sh_bundle() { # SCRIPT [JQ]
	rm -rf b
	bundle b ".process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$1" '$s')] | ${2:-.}"
}

@test "create, start, kill, delete: each state in turn" {
	sh_bundle 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'
	"$MRUN" create --bundle b --pid-file pid "$ID" </dev/null >log 2>&1
	[ "$(status "$ID")" = created ]
	[ "$(cat pid)" = "$("$MRUN" state "$ID" | jq .pid)" ]
	# What waits is mrun itself: the program has not started.
	run -0 "$MRUN" list -q
	[ "$output" = "$ID" ]
	"$MRUN" start "$ID"
	[ "$(status "$ID")" = running ]
	run -1 "$MRUN" start "$ID"
	[[ $output == *"cannot start an already running container"* ]]
	run -1 "$MRUN" delete "$ID"
	[[ $output == *"not stopped"* ]]
	for _ in {1..200}; do grep -q up log && break; sleep 0.05; done
	"$MRUN" kill "$ID" TERM
	for _ in {1..200}; do [ "$(status "$ID")" = stopped ] && break; sleep 0.1; done
	[ "$(status "$ID")" = stopped ]
	run -1 "$MRUN" kill "$ID" TERM
	[[ $output == *"container not running"* ]]
	"$MRUN" kill --all "$ID" KILL
	"$MRUN" delete "$ID"
	run -1 "$MRUN" state "$ID"
	[[ $output == *"does not exist"* ]]
	run -1 "$MRUN" delete "$ID"
	run -0 "$MRUN" delete --force "$ID"
}

@test "delete --force ends what runs and what was only created" {
	sh_bundle 'sleep 1000'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" delete --force "$ID"
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" delete "$ID"
	[ "$("$MRUN" list -q)" = "" ]
}

@test "run gives the program's exit code, and removes the container" {
	sh_bundle 'echo out; echo err >&2; exit 7'
	run -7 --separate-stderr "$MRUN" run --bundle b "$ID"
	[ "$output" = out ]
	[ "$stderr" = err ]
	[ "$("$MRUN" list -q)" = "" ]
	sh_bundle 'exit 5'
	run -5 "$MRUN" run --keep --bundle b "$ID"
	[ "$(status "$ID")" = stopped ]
	"$MRUN" delete "$ID"
}

@test "a program that is not there: create, start and run say so" {
	bundle b '.process.args = ["/no/such/program"]'
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"exec /no/such/program: no such file or directory"* ]]
	bundle b2 '.process.args = ["no-such-program"]'
	run -1 "$MRUN" create --bundle b2 "$ID"
	[[ $output == *'"no-such-program": executable file not found in $PATH'* ]]
	# As runc: podman and docker take the exit code 127 or 126 from what create says.
	run -1 "$MRUN" create --bundle b "$ID"
	[[ $output == *"exec /no/such/program: no such file or directory"*"hint: there is no /no/such/program in the image"* ]]
	use() { jq ".process.args = [\"$1\"]" b/config.json >c.json && mv c.json b/config.json; }
	for program in /etc /etc/passwd; do
		use $program
		run -1 "$MRUN" create --bundle b "$ID"
		[[ $output == *"exec $program: permission denied"* ]]
	done
	[ -z "$("$MRUN" list -q)" ]
	# What only execve(2) finds out is start's to say.
	use /bad
	printf '\177ELFnonsense' >b/rootfs/bad
	chmod 755 b/rootfs/bad
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	run -1 "$MRUN" start "$ID"
	[[ $output == *"exec /bad: exec format error"* ]]
	"$MRUN" delete -f "$ID"
}

@test "names: what is accepted and what is not" {
	sh_bundle true
	for name in .. . '' a/b 'a b' "$(printf 'x%.0s' {1..5000})" $'a\nb'; do
		run -1 "$MRUN" run --bundle b "$name"
		[[ $output == *"container id"* ]]
	done
	for name in A_b+c-1.2 a,b -a _ ... "$(printf 'x%.0s' {1..255})"; do
		run -0 "$MRUN" run --bundle b -- "$name"
	done
	sh_bundle 'sleep 100'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"container with given ID already exists: $ID"* ]]
}

@test "list: columns, JSON, and which roots must exist" {
	sh_bundle 'sleep 100' '.annotations = {"a.b": "c"}'
	run -0 "$MRUN" list
	[[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -0 "$MRUN" list
	[[ ${lines[1]} == "$ID"*running*"$T/b"*root ]]
	run -0 "$MRUN" list --format json
	[ "$(jq -r '.[0] | [.ociVersion, .id, .status, .bundle, .rootfs, .owner, .annotations["a.b"]] | join(" ")' <<<"$output")" = \
		"1.3.0 $ID running $T/b $T/b/rootfs root c" ]
	run -1 "$MRUN" --root "$T/none" list
	run -1 "$MRUN" list --format yaml
	"$MRUN" delete -f "$ID"
}

@test "create: what config.json becomes later is not looked at" {
	sh_bundle 'echo "as it was" >/ran' '.root.readonly = false | .hooks.poststart = [{path: "/bin/sh", args: ["sh", "-c", "echo poststart >>'"$T"'/hooks"]}]
		| .hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo poststop >>'"$T"'/hooks"]}]'
	for what in '{}' '{' '{"ociVersion": "9.0.0", "process": {"args": ["/none"], "cwd": "/none"}, "hooks": {"poststop": [{"path": "/none"}]}}'; do
		cp b/config.json kept
		rm -f hooks b/rootfs/ran
		"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
		echo "$what" >b/config.json
		"$MRUN" start "$ID"
		for _ in {1..100}; do [ "$("$MRUN" state "$ID" | jq -r .status)" != stopped ] || break; sleep 0.05; done
		"$MRUN" delete "$ID"
		[ "$(cat b/rootfs/ran)" = "as it was" ]
		[ "$(tr '\n' ' ' <hooks)" = "poststart poststop " ]
		mv kept b/config.json
	done
}

@test "hooks: order, state on stdin, env, where they run; a failing one ends it" {
	cat >hook <<-'END'
		#!/bin/sh
		echo "$1 $(jq -r '.status + " " + .id + " " + if .pid then "pid" else "none" end' 2>/dev/null) ${EXTRA:-}" >>"$2"
		[ "$1" != "$FAIL" ] || { echo "no way" >&2; exit 4; }
	END
	chmod 755 hook
	hooks=$(jq -n --arg h "$T/hook" --arg o "$T/order" '
		["prestart", "createRuntime", "poststart", "poststop"] | map({key: ., value: [{path: $h,
			args: ["hook", ., $o], env: ["PATH=/usr/bin:/bin", "EXTRA=x"]}]}) | from_entries')
	sh_bundle 'sleep 0.2' ".hooks = $hooks"
	"$MRUN" run --bundle b "$ID"
	[ "$(cut -d' ' -f1-2 order | tr '\n' ' ')" = \
		"prestart creating createRuntime creating poststart running poststop stopped " ]
	[ "$(cut -d' ' -f3- order | tr '\n' ' ')" = "$ID pid x $ID pid x $ID pid x $ID none x " ]
	# A failing createRuntime ends it before the program ran.
	sh_bundle 'echo ran' ".hooks = $hooks | .hooks.createRuntime[0].env += [\"FAIL=createRuntime\"]"
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"hooks.createRuntime[0]"*"no way"* ]]
	[[ $output != *ran* ]]
	# A failing poststart kills it; a failing poststop is a warning.
	sh_bundle 'sleep 100' ".hooks = $hooks | .hooks.poststart[0].env += [\"FAIL=poststart\"]"
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"hooks.poststart[0]"* ]]
	sh_bundle 'exit 6' ".hooks = $hooks | .hooks.poststop[0].env += [\"FAIL=poststop\"]"
	run -6 "$MRUN" run --bundle b "$ID"
	[[ $output == *warning*"hooks.poststop[0]"* ]]
}

@test "hooks run in the bundle, with the caller's environment unless they have one; poststop to the last" {
	sh_bundle 'exit 0' '.root.readonly = false | .hooks = (["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
		| map({key: ., value: [{path: "/bin/sh", args: ["sh", "-c", "echo \(.) $(pwd) $CALLER >>'"$T"'/where"]},
			{path: "/bin/sh", args: ["sh", "-c", "echo \(.) [$CALLER] >>'"$T"'/where"], env: []}]}) | from_entries)
		| .hooks.poststop |= [{path: "/bin/false"}] + .
		| .process.env += ["INSIDE=y"] | .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo $CALLER $INSIDE >/tmp/start"]}]'
	mkdir elsewhere
	cd elsewhere
	# By create, start and delete, too: the three are called from anywhere.
	CALLER=x "$MRUN" run --bundle ../b "$ID" 2>../log
	CALLER=x "$MRUN" create --bundle ../b "$ID" </dev/null >/dev/null 2>&1
	CALLER=x "$MRUN" start "$ID"
	for _ in {1..100}; do [ "$("$MRUN" state "$ID" | jq -r .status)" != stopped ] || break; sleep 0.1; done
	CALLER=x "$MRUN" delete "$ID" 2>>../log
	cd ..
	for h in prestart createRuntime poststart poststop; do
		[ "$(grep -cx "$h $T/b x" where)" -eq 2 ]
		[ "$(grep -cxF "$h []" where)" -eq 2 ]
	done
	[ "$(grep -cx "createContainer $T/b/rootfs x" where)" -eq 2 ]
	[ "$(grep -c 'warning: hooks.poststop\[0\] (/bin/false): exit status 1' log)" -eq 2 ]
	[ "$(cat b/rootfs/tmp/start)" = y ]
}

@test "a hook that does not end meets its timeout" {
	sh_bundle 'echo ran' '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
	SECONDS=0
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"timeout of 1 s"* ]]
	[ $SECONDS -lt 10 ]
}

@test "createContainer and startContainer hooks run where the specification says" {
	sh_bundle 'cat /tmp/start' '.root.readonly = false |
		.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "hostname >'"$T"'/create; cat >>'"$T"'/create"]}] |
		.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "hostname >/tmp/start; cat >>/tmp/start"]}]'
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$(head -n 1 create)" = mrun ]
	# The pid as the container sees it (runtime.md, State).
	[ "$(tail -n +2 create | jq -r '.status + " " + (.pid | tostring) + " " + .id')" = "creating 1 $ID" ]
	[ "${lines[0]}" = mrun ]
	[ "$(jq -r '.status + " " + (.pid | tostring) + " " + .id' <<<"${lines[1]}")" = "created 1 $ID" ]
	sh_bundle 'echo ran' '.hooks.startContainer = [{path: "/bin/false"}]'
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"hooks.startContainer[0]"* ]]
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	run -1 "$MRUN" start "$ID"
	[[ $output == *"hooks.startContainer[0]"* ]]
	"$MRUN" delete --force "$ID"
}

@test "--console-socket receives a terminal; without one, detaching is refused" {
	need python3
	sh_bundle 'tty; stty size; read x; echo "got $x"' '.process.terminal = true | .process.consoleSize = {height: 33, width: 77}'
	run -1 "$MRUN" create --bundle b "$ID"
	[[ $output == *--console-socket* ]]
	cat >console.py <<-'END'
		import array, os, socket, subprocess, sys
		mrun, ident = sys.argv[1:]
		s = socket.socket(socket.AF_UNIX)
		s.bind("sock")
		s.listen(1)
		subprocess.run([mrun, "create", "--bundle", "b", "--console-socket", "sock", ident], check=True)
		c = s.accept()[0]
		data, anc, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
		fd = array.array("i", anc[0][2])[0]
		subprocess.run([mrun, "start", ident], check=True)
		os.write(fd, b"hello\n")
		out = b""
		while True:
		    try:
		        d = os.read(fd, 1000)
		    except OSError:
		        break
		    if not d:
		        break
		    out += d
		sys.stdout.write(out.decode())
	END
	run -0 timeout 20 python3 console.py "$MRUN" "$ID"
	[[ $output == */dev/pts/0* ]]
	[[ $output == *"33 77"* ]]
	[[ $output == *"got hello"* ]]
	"$MRUN" delete -f "$ID"
}

@test "a foreground terminal works when stdin is none" {
	sh_bundle 'tty; read x; echo "got $x"' '.process.terminal = true'
	run -0 bash -c "echo word | timeout 20 '$MRUN' run --bundle b '$ID'"
	[[ $output == */dev/pts/0* ]]
	[[ $output == *"got word"* ]]
	# LF alone, however early the program writes.
	sh_bundle 'echo word' '.process.terminal = true'
	for _ in {1..20}; do
		[ "$("$MRUN" run --bundle b "$ID" </dev/null)" = word ]
	done
}

@test "descriptors: none leaks, --preserve-fds and LISTEN_FDS pass theirs" {
	sh_bundle 'ls /proc/self/fd | wc -l; cat <&3'
	echo content >file
	# 0-2 and the one that ls itself has open.
	run -1 bash -c "exec 3<file 7</etc/passwd; '$MRUN' run --bundle b '$ID'"
	[ "${lines[0]}" = 4 ]
	run -0 bash -c "exec 3<file 7</etc/passwd; '$MRUN' run --preserve-fds 1 --bundle b '$ID'"
	[ "${lines[0]}" = 5 ]
	[ "${lines[1]}" = content ]
	sh_bundle 'echo $LISTEN_FDS $LISTEN_PID $$; cat <&3'
	run -0 bash -c "exec 3<file; LISTEN_PID=\$\$ LISTEN_FDS=1 exec '$MRUN' run --bundle b '$ID'"
	[ "${lines[0]}" = "1 1 1" ]
	[ "${lines[1]}" = content ]
	run -1 bash -c "exec 3<&-; '$MRUN' run --preserve-fds 1 --bundle b '$ID'"
	[[ $output == *"descriptor 3 is not open"* ]]
}

@test "two at once on one container wait for each other" {
	sh_bundle 'sleep 100'
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" start "$ID" 3>&- &
	pids=($!)
	"$MRUN" start "$ID" 3>&- &
	pids+=($!) # not jobs -p, which leaves out what has ended already
	ok=0
	for p in "${pids[@]}"; do wait "$p" && ok=$((ok + 1)); done
	[ $ok -eq 1 ]
	[ "$(status "$ID")" = running ]
	"$MRUN" delete -f "$ID"
}

@test "a killed create leaves something that delete removes" {
	sh_bundle 'sleep 100' '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "30"]}]'
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1 3>&- &
	pid=$!
	for _ in {1..200}; do [ "$("$MRUN" list -q)" = "$ID" ] && break; sleep 0.05; done
	sleep 0.2
	[[ $(status "$ID") == creat* ]]
	kill -KILL $pid
	wait $pid || true
	"$MRUN" delete --force "$ID"
	[ "$("$MRUN" list -q)" = "" ]
}

@test "rootless: the same lifecycle from spec --rootless" {
	mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/b"
	as_user sh -c "cd b && '$MRUN' spec --rootless"
	jq '.process.terminal = false | .process.args = ["/bin/sh", "-c", "id -u; cat /proc/self/uid_map; sleep 100"]' \
		"$TEST_HOME/b/config.json" >c && cat c >"$TEST_HOME/b/config.json"
	as_user sh -c "'$MRUN' create --bundle b --pid-file pid '$ID' </dev/null >log 2>&1"
	as_user "$MRUN" start "$ID"
	for _ in {1..200}; do [ "$(wc -l <"$TEST_HOME/log")" -ge 2 ] && break; sleep 0.05; done
	[ "$(as_user "$MRUN" state "$ID" | jq -r .status)" = running ]
	run -0 cat "$TEST_HOME/log"
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} =~ ^\ +0\ +$TEST_UID\ +1$ ]]
	as_user "$MRUN" kill "$ID" KILL
	as_user "$MRUN" delete -f "$ID"
	# Without a pid namespace of its own, as in a pod, and without a cgroup to kill.
	jq '.process.args = ["sleep", "100"] | .linux.namespaces |= map(select(.type != "pid")) |
		.mounts |= map(if .destination == "/proc" then {destination: "/proc", type: "bind", source: "/proc", options: ["rbind"]} else . end)' \
		"$TEST_HOME/b/config.json" >c && cat c >"$TEST_HOME/b/config.json"
	as_user sh -c "'$MRUN' run -d --bundle b '$ID' </dev/null >log 2>&1"
	as_user "$MRUN" kill "$ID" KILL
	stopped() { [ "$(as_user "$MRUN" state "$ID" | jq -r .status)" = stopped ]; }
	for _ in {1..200}; do stopped && break; sleep 0.05; done
	stopped
	as_user "$MRUN" delete "$ID"
}

@test "rootless: where no new /sys may be mounted, nothing below the host's can be written to" {
	mkdir "$TEST_HOME/sys"
	alpine_rootfs "$TEST_HOME/sys/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/sys"
	as_user sh -c "cd sys && '$MRUN' spec --rootless"
	# The network namespace is the caller's: the kernel refuses a new one.
	jq '.process.terminal = false | .process.args = ["/bin/sh", "-c", "grep -E \"^([^ ]+ ){4}/sys\" /proc/self/mountinfo"] |
		.mounts |= [.[] | select(.destination | startswith("/sys") | not)] +
			[{destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]}]' \
		"$TEST_HOME/sys/config.json" >c && cat c >"$TEST_HOME/sys/config.json"
	run -0 as_user "$MRUN" run --bundle sys "$ID"
	[ "${#lines[@]}" -ge 2 ] # /sys and what the host has there, its cgroups
	for line in "${lines[@]}"; do
		echo "$line"
		[[ $line == *" ro,nosuid,nodev,noexec,"* ]]
	done
}

@test "rootless on cgroup v2 without a cgroup of its own: it runs, and the hierarchy is not to be written to" {
	need_root
	mkdir "$TEST_HOME/v2"
	alpine_rootfs "$TEST_HOME/v2/rootfs"
	chown -R "$TEST_USER:" "$TEST_HOME/v2"
	as_user sh -c "cd v2 && '$MRUN' spec --rootless"
	# The last mount is as runc 1.1 writes it there.
	jq '.process.terminal = false | .process.args = ["sh", "-c", "mkdir /sys/fs/cgroup/x 2>/dev/null; echo $?"] |
		.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
			options: ["nosuid", "noexec", "nodev", "relatime", "ro"]}]' \
		"$TEST_HOME/v2/config.json" >c && cat c >"$TEST_HOME/v2/config.json"
	export -f as_user lib_as
	run -0 --separate-stderr unshare -m --propagation private bash -c '
		umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
		as_user "$0" run -b "$1" "$2"' "$MRUN" "$TEST_HOME/v2" "$ID"
	[ "$output" = 1 ]
	[ -z "$stderr" ]
}

@test "--version and --help have the shape that clients parse" {
	run -0 "$MRUN" --version
	[[ ${lines[0]} =~ ^mrun\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[[ ${lines[1]} == "commit: "* ]]
	[ "${lines[2]}" = "spec: 1.3.0" ]
	ln -s "$MRUN" runc
	run -0 ./runc --version
	[[ ${lines[0]} == "runc version "* ]]
	for c in create start run state kill delete list spec features load images; do
		run -0 "$MRUN" "$c" -h
		[ "${lines[0]}" = NAME: ]
	done
	run -3 "$MRUN" help nonsense
	[[ $output == *"No help topic for 'nonsense'"* ]]
}

@test "errors go to the log as clients read it" {
	run -1 "$MRUN" --log log.json --log-format json --root "$T/r" state nothing
	[ "$(jq -r '.level + " " + .msg' log.json)" = "error container nothing does not exist" ]
	[ -n "$(jq -r .time log.json)" ]
	run -1 "$MRUN" --log log.txt state nothing
	grep -q 'level=error msg="container nothing does not exist"' log.txt
}

@test "log: one that cannot be written is told first; what is in it can be read again" {
	for command in list 'state x' "delete -f $ID" 'images'; do
		# shellcheck disable=SC2086
		run -1 "$MRUN" --log "$T/none/log" $command
		[[ $output == *"open the log $T/none/log: no such file or directory"* ]]
	done
	run -0 "$MRUN" --log '' list
	run -1 "$MRUN" --log log.json --log-format json state $'a"\xff\\\t'
	jq -e '.msg | startswith("invalid container id")' log.json
	iconv -f utf-8 -t utf-8 log.json >/dev/null
	run -1 "$MRUN" --log log.txt state $'a"b\\'
	grep -F 'msg="invalid container id '"'"'a\"b\\'"'"': ' log.txt
	run -1 "$MRUN" --log log.txt state $'a\xc3\xbc'
	[[ $output == *"its character 2 is not allowed"* ]]
}

@test "global options: before the command, with one dash or two, and Go's words for true and false" {
	mkdir r
	for value in 1 t T true TRUE True; do
		run -0 --separate-stderr "$MRUN" "--debug=$value" --root r list -q
	done
	for option in -root --root -root= --root=; do
		case $option in
		*=) run -0 "$MRUN" "${option}r" list -q ;;
		*) run -0 "$MRUN" "$option" r list -q ;;
		esac
		[ -z "$output" ]
	done
	sh_bundle true
	run -0 --separate-stderr "$MRUN" -debug=1 run --bundle b "$ID"
	[[ $stderr == *debug:* ]]
	for value in 0 f F false FALSE False; do
		run -0 --separate-stderr "$MRUN" "-debug=$value" run --bundle b "$ID"
		[ -z "$stderr" ]
	done
	for option in --debug=banana --systemd-cgroup= --rootless=maybe --log-format=xml --root=; do
		run -125 "$MRUN" "$option" list
		[[ $output == *"${option%%=*}"* ]]
	done
	for value in auto AUTO '' true 1 f; do
		run -0 "$MRUN" --rootless "$value" --criu /none list
	done
	run -125 "$MRUN" --log
	[[ $output == *"--log needs a value"* ]]
	# Behind the command they are the command's, and it has none of that name (as with runc).
	run -1 "$MRUN" list --root r
	[[ $output == *"unknown option '--root'"* ]]
}

@test "a bundle whose path JSON cannot hold is refused, not lost" {
	sh_bundle 'sleep 100'
	mv b $'b\xff'
	run -1 "$MRUN" run -d --bundle $'b\xff' "$ID"
	[[ $output == *"not UTF-8"* ]]
	[ -z "$("$MRUN" list -q)" ]
	mv $'b\xff' bü
	"$MRUN" run -d --bundle bü "$ID" </dev/null >log 2>&1
	[ "$("$MRUN" state "$ID" | jq -r .bundle)" = "$T/bü" ]
}

@test "kill: names and numbers of signals; 0 asks whether it is there" {
	sh_bundle 'for s in HUP USR1 USR2 WINCH CONT TERM; do trap "echo $s" $s; done; echo up; while :; do sleep 0.05; done'
	"$MRUN" run -d --bundle b ".$ID" </dev/null >log 2>&1
	for _ in {1..200}; do grep -q up log && break; sleep 0.05; done
	got() { for _ in {1..100}; do [ "$(tail -n 1 log)" = "$1" ] && return; sleep 0.05; done; return 1; }
	for s in HUP SIGUSR1 usr2 sigwinch 18 15; do
		"$MRUN" kill ".$ID" $s
		case $s in 18) got CONT ;; 15) got TERM ;; *) s=${s^^}; got "${s#SIG}" ;; esac
	done
	: >log
	"$MRUN" kill ".$ID"
	got TERM
	: >log
	"$MRUN" kill ".$ID" ''
	got TERM
	: >log
	"$MRUN" kill ".$ID" 0
	"$MRUN" kill --all ".$ID" 0
	for s in NOSUCH 65 99 -1 1x SIG; do
		run -1 "$MRUN" kill -- ".$ID" "$s"
		[[ $output == *"unknown signal '$s'"* ]]
	done
	[ ! -s log ]
	# A name with a dot in front is one like others.
	[ "$("$MRUN" list -q)" = ".$ID" ]
	"$MRUN" delete --force --regex "^\\.$ID\$"
	run -1 "$MRUN" kill ".$ID" 0
	[ -z "$("$MRUN" list -q)" ]
}

@test "signals that the caller ignores are not ignored in the container" {
	sh_bundle 'grep SigIgn /proc/self/status | cut -f2'
	run -0 bash -c "trap '' PIPE HUP INT QUIT USR1 TERM WINCH RTMIN RTMAX; exec '$MRUN' run --bundle b '$ID'"
	[ "$output" = 0000000000000000 ]
	# Ignoring SIGCHLD lets the kernel reap: nobody would be told of the container's end.
	run -0 timeout 60 bash -c "trap '' CHLD; exec '$MRUN' run --bundle b '$ID'"
	[ "$output" = 0000000000000000 ]
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	run -0 timeout 60 bash -c "trap '' CHLD; exec '$MRUN' exec '$ID' grep SigIgn /proc/self/status"
	[ "$output" = "SigIgn:	0000000000000000" ]
}

@test "--debug says what happens, to stderr or to the log" {
	sh_bundle true
	run -0 --separate-stderr "$MRUN" --debug run --bundle b "$ID"
	[[ $stderr == *"mrun: debug: container $ID: first process "* ]]
	run -0 --separate-stderr "$MRUN" --debug --log log.json --log-format json run --bundle b "$ID"
	[ -z "$stderr" ]
	[ "$(jq -rs '[.[] | select(.level == "debug")] | length > 2' log.json)" = true ]
}

@test "run without a bundle says how an image is run" {
	run -1 "$MRUN" run some-image
	[[ $output == *"hint:"*"mrun IMAGE"* ]]
	run -1 "$MRUN" run -it some-image sh
	[[ $output == *"hint:"*"without the word run"* ]]
}

# Each system call of mrun's own that changes something is a point to be killed at.
@test "a process that cannot be looked at is not taken for ended" {
	need strace
	strace -o "$T/probe" -e trace=none true 2>/dev/null || skip "strace may not trace here"
	bundle b '.process.args = ["/bin/sleep", "1000"]'
	# A cgroup would not let itself be removed with a process in it.
	"$MRUN" --cgroup-manager disabled run -d --bundle b --pid-file pid "$ID" </dev/null >log 2>&1
	for error in EIO EMFILE ENOMEM; do
		run strace -o trace -P "/proc/$(cat pid)/stat" -e trace=openat,open -e "inject=openat,open:error=$error" \
			"$MRUN" delete "$ID"
		grep -q INJECTED trace
		[ "$status" -eq 1 ]
		[ "$("$MRUN" state "$ID" | jq -r .status)" = running ]
	done
	"$MRUN" delete --force "$ID"
}

@test "mrun killed at any step of a create: delete --force takes away what is there" {
	need strace
	strace -o "$T/probe" -e trace=none true 2>/dev/null || skip "strace may not trace here"
	local call n k killed=0
	sh_bundle 'sleep 1000' '.linux.resources = {} | .linux.namespaces += [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 1879048192:1879048192 b/rootfs
	strace -o trace "$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" delete -f "$ID"
	for call in mkdir mkdirat mknodat write setxattr rename renameat clone3 socketpair fchown sendmsg; do
		n=$(grep -c "^$call(" trace) || continue
		for ((k = 1; k <= n; k++)); do
			strace -o trace.k -e inject="$call:signal=KILL:when=$k" "$MRUN" create --bundle b "$ID" </dev/null >log 2>&1 || true
			! grep -q 'killed by SIGKILL' trace.k || killed=$((killed + 1))
			tail -n 2 trace.k
			run "$MRUN" delete -f "$ID"
			echo "$output"
			[ "$status" -eq 0 ]
			run -1 "$MRUN" state "$ID"
			[ -z "$(find /sys/fs/cgroup -name "$ID")" ]
		done
	done
	[ "$killed" -ge 10 ]
}

# What it said and its end both reach the parent while the parent's own message lies unread there: the
# socket then says "connection reset" first, which was taken for a program that runs. And it may be
# gone before the parent is done with it.
@test "a first process that fails early says why, whenever that is" {
	local inject
	need strace
	strace -o "$T/probe" -e trace=none true 2>/dev/null || skip "strace may not trace here"
	"$MRUN" load -qi "$(hello_image)"
	"$MRUN" multistage-hello-world # its layers are unpacked
	for inject in dup2:error=EMFILE \
		"dup2:error=EMFILE:delay_exit=500000 -e inject=recvmsg:delay_enter=1500000" \
		"dup2:error=EMFILE -e inject=openat:delay_enter=20000"; do
		# shellcheck disable=SC2086 # two options
		run -125 strace -f -o trace -e inject=$inject "$MRUN" multistage-hello-world </dev/null
		echo "$output"
		[[ ${lines[0]} == "mrun: open /dev/null: too many open files"* ]]
	done
}
