#!/usr/bin/env bats
# Fields of config.json and options of create and run, as root and as an ordinary user, where 70 to 73 show
# them for one of the two or not at all: by what the probe, or a program in the container, sees.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154,SC2317 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	lib_listen_py "$TEST_HOME/listen.py"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-f$$-$RANDOM
	export ID
	WHO=root
}
teardown() {
	local WHO
	for WHO in root user; do m delete -f "$ID" >/dev/null 2>&1; done
	lib_teardown
}

# WHO's bundle b, in the directory where m works (B), with all of the user's ids.
begin() {
	B=$T
	[ "$WHO" = root ] || B=$TEST_HOME
	rm -rf "$B/b"
	mkdir "$B/b"
	alpine_rootfs "$B/b/rootfs"
	install -m 755 "$BUILD/tests/probe" "$B/b/rootfs/probe"
	if [ "$WHO" = root ]; then
		"$MRUN" spec --bundle b
		cp b/config.json base.json
		return
	fi
	chown -R "$TEST_USER:" "$B/b" 2>/dev/null || true
	as_user "$MRUN" spec --rootless --bundle b
	jq --argjson uid "$TEST_UID" --argjson gid "$TEST_GID" --argjson low "$(lib_subid "$TEST_USER" /etc/subuid)" --argjson glow "$(lib_subid "$TEST_USER" /etc/subgid)" '
		.linux.uidMappings = [{containerID: 0, hostID: $uid, size: 1}, {containerID: 1, hostID: $low, size: 65535}] |
		.linux.gidMappings = [{containerID: 0, hostID: $gid, size: 1}, {containerID: 1, hostID: $glow, size: 65535}]' "$B/b/config.json" >base.json
}
config() { # JQ
	jq ".process.terminal = false | $1" base.json >c
	cat c >"$B/b/config.json"
}
see() { # JQ SCRIPT
	config "$1 | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$2" '$s')]"
	m run --bundle b "$ID"
}
report() { # JQ FILTER: of what the probe says
	config "$1 | .process.args = [\"/probe\"]"
	m run --bundle b "$ID" >report || {
		cat report
		return 1
	}
	jq -r "$2" report
}
refuses() { # JQ TEXT
	run -1 see "$1" 'echo "it ran"'
	[[ $output == *"$2"* && $output != *"it ran"* ]] || {
		echo "no '$2' in: $output"
		return 1
	}
}
# In the foreground, with a descriptor and variables of the caller's, by WHO.
calls() { # SHELL-CODE: "$0" is mrun, $1 the id
	if [ "$WHO" = root ]; then bash -c "$1" "$MRUN" "$ID"; else as_user bash -c "$1" "$MRUN" "$ID"; fi
}

@test "rlimits: every one of the specification" {
	limits() {
		begin
		rm -f want
		while read -r name soft hard; do
			echo "{\"type\": \"RLIMIT_$name\", \"soft\": $soft, \"hard\": $hard}" >>want
		done <<-'END'
			AS 3000000000 4000000000
			CORE 0 4096
			CPU 100 200
			DATA 1000000000 2000000000
			FSIZE 1000000 2000000
			LOCKS 10 20
			MEMLOCK 1000 2000
			MSGQUEUE 1000 2000
			NICE 0 0
			NOFILE 99 100
			NPROC 500 600
			RSS 1000000 2000000
			RTPRIO 0 0
			RTTIME 1000000 2000000
			SIGPENDING 10 20
			STACK 1000000 2000000
		END
		[ "$(report ".process.rlimits = $(jq -sc . want)" '.rlimits | to_entries | sort_by(.key)[] | "\(.key) \(.value)"')" = \
			"$(jq -r '"\(.type | sub("RLIMIT_"; "")) \(.soft) \(.hard)"' want)" ]
	}
	both limits
	# Nobody here may have other values of these two than 0.
	need_root
	need strace
	WHO=root
	begin
	config '.process.rlimits = [{type: "RLIMIT_NICE", soft: 0, hard: 0}, {type: "RLIMIT_RTPRIO", soft: 0, hard: 0}] | .process.args = ["/bin/true"]'
	strace -f -o trace -e trace=prlimit64,setrlimit "$MRUN" run --bundle b "$ID"
	grep -q 'RLIMIT_NICE, {rlim_cur=0, rlim_max=0}' trace
	grep -q 'RLIMIT_RTPRIO, {rlim_cur=0, rlim_max=0}' trace
}

@test "scheduler: every flag, in run and exec" {
	flags() {
		begin
		set_flags() { echo ".process.scheduler = {policy: \"$1\", nice: 5, flags: [\"SCHED_FLAG_$2\"]}"; }
		seen='.scheduler | "\(.policy) \(.nice) \(.flags)"'
		[ "$(report "$(set_flags SCHED_BATCH RESET_ON_FORK)" "$seen")" = "3 5 0x1" ]
		# What it had: the default. (The policy is one of the parameters, for kernels that there are.)
		[ "$(report "$(set_flags SCHED_BATCH KEEP_POLICY)" "$seen")" = "0 5 0" ]
		[[ "$(report "$(set_flags SCHED_BATCH KEEP_PARAMS)" "$seen")" == [03]" 0 0" ]]
		for f in UTIL_CLAMP_MIN UTIL_CLAMP_MAX; do
			run report "$(set_flags SCHED_BATCH "$f")" "$seen"
			[[ $output == "3 5 "* ]] || [[ $output == *"process.scheduler: set it"*"hint: this kernel does not have it"* ]]
		done
		# exec's process has it from config.json, and is no child of whom it is reset for.
		config "$(set_flags SCHED_BATCH RESET_ON_FORK)"' | .process.args = ["sleep", "1000"]'
		calls '"$0" run -d --bundle b "$1" </dev/null >log 2>&1'
		[ "$(m exec "$ID" /probe | jq -r "$seen")" = "3 5 0x1" ]
		m delete -f "$ID"
	}
	both flags
	need_root
	chrt -d -T 1000000 -D 10000000 -P 10000000 0 true || skip "nobody has deadlines here"
	WHO=root
	begin
	[ "$(report '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 10000000, period: 10000000, flags: ["SCHED_FLAG_DL_OVERRUN"]}' \
		'.scheduler | "\(.policy) \(.flags)"')" = "6 0x4" ]
}

@test "execCPUAffinity: before and after" {
	affinity() {
		begin
		config '.process.execCPUAffinity = {initial: "0", final: "0"} | .process.args = ["sleep", "1000"]'
		calls '"$0" run -d --bundle b "$1" </dev/null >log 2>&1'
		[ "$(m exec "$ID" grep Cpus_allowed_list /proc/self/status)" = "Cpus_allowed_list:	0" ]
		m delete -f "$ID"
	}
	both affinity
}

@test "capabilities: five sets of another user's" {
	caps() {
		begin
		[ "$(report '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], inheritable: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]}
			| .process.noNewPrivileges = false | .process.user = {uid: 5, gid: 6, umask: 7, additionalGids: [8, 9]}' \
			'"\(.capabilities | [.bounding, .permitted, .effective, .inheritable, .ambient] | join(" ")) \(.no_new_privs) \(.uid[0]) \(.gid[0]) \(.groups | join(",")) \(.umask)"')" = \
			"0x21 0x1 0x1 0x1 0x1 0 5 6 6,8,9 0x7" ] || [ "$(jq -rc .groups report)" = "[8,9]" ]
		[ "$(jq -r '.capabilities | [.bounding, .permitted, .effective, .inheritable, .ambient] | join(" ")' report)" = "0x21 0x1 0x1 0x1 0x1" ]
	}
	both caps
}

@test "cwd is made, args and env are as given" {
	given() {
		begin
		[ "$(report '.root.readonly = false | .process.cwd = "/new/dir" | .process.env = ["PATH=/", "A=1", "B=c=d"]' '.cwd')" = /new/dir ]
		[ "$(jq -r '.environ[:3] | join(" ")' report)" = "PATH=/ A=1 B=c=d" ]
		config '.process.args = ["/probe", "", "a b", "x\ny"]'
		m run --bundle b "$ID" | jq -e '.argv == ["/probe", "", "a b", "x\ny"]'
	}
	both given
}

@test "namespaces joined by path" {
	need nsenter
	joined() {
		begin
		if [ "$WHO" = root ]; then
			unshare --net --uts --ipc sh -c 'hostname "$0"; echo ready >ready; exec sleep 100' "$ID" 3>&- &
		else
			rm -f "$B/ready"
			as_user unshare --map-root-user --net --uts --ipc sh -c 'hostname "$0"; echo ready >ready; exec sleep 100' "$ID" 3>&- &
		fi
		for _ in {1..100}; do [ ! -s "$B/ready" ] || break; sleep 0.05; done
		# as_user has a shell between.
		held=$(pgrep -f '^sleep 100$' | while read -r p; do [ "$(nsenter -t "$p" -u hostname)" != "$ID" ] || echo "$p"; done | head -n 1)
		types='network uts ipc'
		[ "$WHO" = root ] || types+=' user'
		change='del(.hostname, .linux.uidMappings, .linux.gidMappings)'
		for type in $types; do
			change+=" | .linux.namespaces |= (map(select(.type != \"$type\")) + [{type: \"$type\", path: \"/proc/$held/ns/${type/network/net}\"}])"
		done
		[ "$(see "$change | .mounts |= map(select(.type != \"mqueue\"))" 'hostname; for n in net uts ipc user; do readlink /proc/self/ns/$n; done')" = "$ID
$(for n in net uts ipc user; do readlink "/proc/$held/ns/$n"; done)" ]
		kill "$held"
	}
	both joined
}

@test "hooks: all six, their state, and one that fails" {
	hooks() {
		begin
		rm -f "$B/order" "$B/b/rootfs/order"
		cat >"$B/hook" <<-'END'
			#!/bin/sh
			read -r state
			echo "$1 $(echo "$state" | sed 's/.*"status":"\([a-z]*\)".*/\1/') $EXTRA" >>"$2"
			[ "$1" != "$FAIL" ] || { echo "no way" >&2; exit 4; }
		END
		chmod 755 "$B/hook"
		cp "$B/hook" "$B/b/rootfs/hook"
		[ "$WHO" = root ] || chown "$TEST_USER:" "$B/hook" "$B/b/rootfs/hook"
		all=$(jq -nc --arg b "$B" '["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] | map({key: ., value: [{path: "\($b)/hook",
			args: ["hook", ., "\($b)/order"], env: ["EXTRA=x", "PATH=/usr/bin:/bin"]}]}) | from_entries
			| .startContainer[0] |= (.path = "/hook" | .args[2] = "/order")')
		see ".root.readonly = false | .hooks = $all" 'sleep 0.3'
		[ "$(tr '\n' ' ' <"$B/order")" = "prestart creating x createRuntime creating x createContainer creating x poststart running x poststop stopped x " ]
		[ "$(cat "$B/b/rootfs/order")" = "startContainer created x" ]
		for kind in prestart createRuntime createContainer startContainer poststart; do
			run -1 see ".root.readonly = false | .hooks = $all | .hooks.${kind}[0].env += [\"FAIL=$kind\"]" 'sleep 20; echo "it ran"'
			[[ $output == *"hooks.${kind}[0]"*"no way"* && $output != *"it ran"* ]]
			[ "$(tail -n 1 "$B/order")" = "poststop stopped x" ]
		done
		run -6 see ".root.readonly = false | .hooks = $all | .hooks.poststop[0].env += [\"FAIL=poststop\"]" 'exit 6'
		[[ $output == *warning*"hooks.poststop[0]"* ]]
		[ -z "$(m list -q)" ]
	}
	both hooks
}

@test "mounts: each flag, recursive ones, and propagation" {
	flags() {
		begin
		mkdir -p "$B/src/sub"
		[ "$WHO" = root ] || chown -R "$TEST_USER:" "$B/src"
		line() { # MOUNT-JSON
			see ".mounts += [$1]" 'grep " /mnt " /proc/self/mountinfo' | awk '{ o = "," $6 ","; for (i = 7; $i != "-"; i++) o = o $i ","; print o $NF "," }'
		}
		tmp() { line "{destination: \"/mnt\", type: \"tmpfs\", source: \"t\", options: $1}"; }
		bound() { line "{destination: \"/mnt\", type: \"bind\", source: \"$B/src\", options: $1}"; }
		for pair in ro:rw nosuid:suid nodev:dev noexec:exec noatime:atime nodiratime:diratime nosymfollow:symfollow; do
			on=${pair%:*} off=${pair#*:}
			[[ "$(tmp "[\"$on\"]")" == *",$on,"* ]]
			[[ "$(tmp "[\"$on\", \"$off\"]")" != *",$on,"* ]]
			if [ "$WHO" = user ] && [[ $on == *atime ]]; then
				refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$B/src\", options: [\"bind\", \"$on\"]}]" "hint: in a user namespace"
				continue
			fi
			[[ "$(bound "[\"bind\", \"$on\"]")" == *",$on,"* ]]
			[[ "$(bound "[\"rbind\", \"r$on\"]")" == *",$on,"* ]]
			# A user namespace keeps what the host's mount has.
			if [ "$WHO" = root ] && [ "$off" != dev ] && [ "$off" != suid ]; then
				[[ "$(bound "[\"rbind\", \"r$on\", \"r$off\"]")" != *",$on,"* ]]
			fi
		done
		[[ "$(tmp '["sync"]')" == *,sync,* ]]
		[[ "$(tmp '["size=16k", "mode=711", "nr_inodes=9"]')" == *size=16k,* ]]
		[[ "$(bound '["bind", "rshared"]')" == *,shared:* ]]
		[[ "$(bound '["bind", "rprivate"]')" != *shared:* ]]
		[[ "$(bound '["bind", "unbindable"]')" == *,unbindable,* ]]
		map='[{containerID: 0, hostID: 100, size: 1}]'
		idmapped="{destination: \"/mnt\", type: \"bind\", source: \"$B/src\", options: [\"bind\"], uidMappings: $map, gidMappings: $map}"
		if [ "$WHO" = root ]; then
			[ "$(see ".mounts += [$idmapped]" 'stat -c %u:%g /mnt')" = 100:100 ]
		else
			refuses ".mounts += [$idmapped]" 'hint: an id-mapped mount needs CAP_SYS_ADMIN'
			refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$B/src\", options: [\"rbind\", \"ridmap\"]}]" 'hint: an id-mapped mount'
		fi
		rm -rf "$B/src"
	}
	both flags
}

@test "rootfsPropagation: each value" {
	propagation() {
		begin
		root() { report ".linux.rootfsPropagation = \"$1\"" '.mounts[] | select(.target == "/") | .propagation' | head -n 1; }
		[ "$(root private)" = private ]
		[ "$(root rprivate)" = private ]
		[[ "$(root shared)" == shared* ]]
		[[ "$(root rshared)" == shared* ]]
		for value in slave rslave unbindable runbindable; do
			run -0 root $value
			[[ $output == private* || $output == slave* || $output == unbindable* ]]
			[[ $value != *unbindable || $output == unbindable* ]]
		done
		refuses '.linux.rootfsPropagation = "sideways"' linux.rootfsPropagation
	}
	both propagation
}

@test "seccomp: each operator decides by the argument" {
	operators() {
		begin
		# chmod(2)'s mode; tried are 0577, 0600 and 0601.
		which() { # OP VALUE [VALUE2]
			see ".root.readonly = false | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [
				{names: [\"chmod\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 28, args: [{index: 1, value: $2, valueTwo: ${3:-0}, op: \"SCMP_CMP_$1\"}]},
				{names: [\"fchmodat\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 28, args: [{index: 2, value: $2, valueTwo: ${3:-0}, op: \"SCMP_CMP_$1\"}]}]}" \
				'for m in 577 600 601; do chmod $m /etc/passwd 2>/dev/null && printf "%s " $m; done; chmod 644 /etc/passwd 2>/dev/null || true'
		}
		[ "$(which EQ 384)" = "577 601 " ]
		[ "$(which NE 384)" = "600 " ]
		[ "$(which LT 384)" = "600 601 " ]
		[ "$(which LE 384)" = "601 " ]
		[ "$(which GE 384)" = "577 " ]
		[ "$(which GT 384)" = "577 600 " ]
		# (mode & 0700) == 0600
		[ "$(which MASKED_EQ 448 384)" = "577 " ]
	}
	both operators
}

@test "seccomp: each action, and the flags that the kernel is given" {
	need_no_sanitizer "a process of its that may do nothing does not end"
	actions() {
		begin
		does() { # ACTION SCRIPT
			see ".root.readonly = false | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_$1\"${3:-}}]}" "$2"
		}
		[ "$(does ALLOW 'mkdir /x && echo made')" = made ]
		[ "$(does LOG 'mkdir /y && echo made')" = made ]
		[[ "$(does ERRNO 'mkdir /z 2>&1; true')" == *"not permitted"* ]]
		[[ "$(does ERRNO 'mkdir /z 2>&1; true' ', errnoRet: 28')" == *"No space"* ]]
		# Nobody traces it: ENOSYS.
		[[ "$(does TRACE 'mkdir /z 2>&1; true' ', errnoRet: 5')" == *"not implemented"* ]]
		for action in KILL KILL_THREAD KILL_PROCESS TRAP; do
			[ "$(does $action 'mkdir /z; echo "code $?"' 2>/dev/null)" = "code 159" ]
		done
		# The other way round: all but some.
		run see '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 28, syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ALLOW"}]}' true
		[ "$status" -ne 0 ]
	}
	both actions
	need_root
	need strace
	WHO=root
	begin
	while read -r flag kernels; do
		config ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", flags: [\"SECCOMP_FILTER_FLAG_$flag\"], syscalls: [{names: [\"mkdir\"], action: \"SCMP_ACT_ERRNO\"}]} | .process.args = [\"/bin/true\"]"
		rm -f trace
		strace -f -o trace -e trace=seccomp "$MRUN" run --bundle b "$ID"
		grep -qE "SECCOMP_SET_MODE_FILTER, $kernels" trace || {
			cat trace
			false
		}
	done <<-'END'
		LOG SECCOMP_FILTER_FLAG_LOG
		SPEC_ALLOW SECCOMP_FILTER_FLAG_SPEC_ALLOW
		TSYNC (0|SECCOMP_FILTER_FLAG_TSYNC)
	END
}

@test "create and run: sockets, descriptors, the pid file" {
	need python3
	options() {
		begin
		[ "$WHO" = user ] || cp "$TEST_HOME/listen.py" .
		rm -f "$B/sock1"
		# A terminal through the socket, with the size that config.json has; a pidfd; the pid in a file.
		config '.process.terminal = true | .process.consoleSize = {height: 33, width: 77} | .process.args = ["sh", "-c", "read x; tty; stty size; echo \"got $x\""]'
		run -0 calls 'timeout 30 python3 listen.py sock1 "$0" run -d --bundle b --console-socket sock1 --pid-file pid "$1"'
		[[ $output == "message /dev/ptmx"*/dev/pts/0*"33 77"*"got word"* ]]
		m delete -f "$ID"
		config '.process.args = ["sleep", "1000"]'
		for how in 'run -d' create; do
			rm -f "$B/sock2"
			run -0 calls "timeout 30 python3 listen.py sock2 sh -c '\"\$0\" \"\$@\" >log 2>&1' \"\$0\" $how --bundle b --pidfd-socket sock2 --pid-file pid \"\$1\""
			[ "${lines[*]}" = "message standard $(cat "$B/pid")" ]
			m delete -f "$ID"
		done
		# Descriptors: those and no other.
		config '.process.args = ["/probe"]'
		run -0 calls 'exec 3</etc/passwd 4</etc/group 9</etc/hosts; "$0" run --preserve-fds 2 --bundle b "$1" </dev/null'
		[ "$(jq -r '.descriptors | keys | join(" ")' <<<"$output")" = "0 1 2 3 4" ]
		run -0 calls 'exec 3</etc/passwd 9</etc/hosts; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run --bundle b "$1" </dev/null'
		[ "$(jq -r '.descriptors | keys | join(" ")' <<<"$output")" = "0 1 2 3" ]
		[ "$(jq -r '.environ[] | select(startswith("LISTEN"))' <<<"$output" | sort | tr '\n' ' ')" = "LISTEN_FDS=1 LISTEN_PID=1 " ]
	}
	both options
}

@test "create and run: --keep, --no-pivot, --no-new-keyring, --rootless; annotations in state and list" {
	options() {
		begin
		config '.annotations = {"a.b": "c"} | .process.args = ["true"]'
		m run --keep --bundle b "$ID"
		[ "$(m state "$ID" | jq -r '.status + .annotations["a.b"]')" = stoppedc ]
		[ "$(m list --format json | jq -r '.[0] | .id + .status + .annotations["a.b"] + .owner')" = "${ID}stoppedc$([ "$WHO" = user ] && echo "$TEST_USER" || echo root)" ]
		m delete "$ID"
		[ "$(see . 'echo ran')" = ran ]
		config '.process.args = ["/probe"]'
		m run --no-pivot --bundle b "$ID" >report
		jq -e 'any(.mounts[]; .target == "/")' report
		keyring() { jq -r .keyring <<<"$1" | cut -d';' -f5; }
		[ "$(keyring "$(m run --bundle b "$ID")")" = "_ses.$ID" ]
		[ "$(keyring "$(m run --no-new-keyring --bundle b "$ID")")" != "_ses.$ID" ]
		for value in true false auto; do
			m --rootless "$value" run --bundle b "$ID" | jq -e '.is_pid_1'
		done
	}
	both options
}

# Each waits for the other before it does anything.
@test "user namespace: newuidmap and newgidmap run at the same time" {
	need_root
	need newuidmap newgidmap
	WHO=user
	begin
	config '.process.args = ["/bin/grep", "-c", ".", "/proc/self/uid_map", "/proc/self/gid_map"]'
	mkdir -m 755 real
	mkdir -m 777 met
	for name in newuidmap newgidmap; do
		touch "real/$name"
		cat >"$name" <<-END
			#!/bin/sh
			touch "$T/met/$name"
			i=0
			while [ ! -e "$T/met/newuidmap" ] || [ ! -e "$T/met/newgidmap" ]; do
				i=\$((i + 1))
				[ \$i -lt 200 ] || exit 9
				sleep 0.05
			done
			exec "$T/real/$name" "\$@"
		END
		chmod 755 "$name"
	done
	export -f m as_user lib_as
	run -0 unshare --mount --propagation private bash -c '
		for name in newuidmap newgidmap; do
			path=$(command -v $name)
			mount --bind "$path" "$T/real/$name" && mount --bind "$T/$name" "$path" || exit 7
		done
		WHO=user m run --bundle b "$ID"'
	echo "$output"
	[ "${lines[0]}" = /proc/self/uid_map:2 ]
	[ "${lines[1]}" = /proc/self/gid_map:2 ]
	[ -e met/newuidmap ]
	[ -e met/newgidmap ]
}
