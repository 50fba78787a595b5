#!/usr/bin/env bats
# System-call filters as a container meets them: linux.seccomp of a bundle, --security-opt seccomp and
# the default profile of an image, the cache of compiled filters, the agent of SCMP_ACT_NOTIFY. What
# a compiled filter decides for every call and ABI is in tests/unit/test_seccomp.c.

bats_require_minimum_version 1.5.0
load lib

setup_file() {
	PROBE=$BUILD/tests/syscalls
	export PROBE
	[ "$(id -u)" -ne 0 ] || user_make
}

teardown_file() {
	user_clean
}

setup() {
	lib_setup
	ID=seccomp-$BATS_TEST_NUMBER-$$
}

teardown() {
	lib_teardown
}

probe_needed() {
	[ -x "$PROBE" ] || skip "$PROBE is not built"
	[ "$(uname -m)" = x86_64 ] || skip "the probe knows the numbers of x86_64 only"
}

# A bundle with the probe at /probe, the given process arguments and linux.seccomp.
filtered() { # ARGS(JSON) SECCOMP(JSON)
	bundle "$T/b" ".process.args = $1 | .linux.seccomp = $2 | .process.noNewPrivileges = false" || return 1
	[ ! -x "$PROBE" ] || install -m 755 "$PROBE" "$T/b/rootfs/probe"
}

# Not through `run`: a signal's exit code and the container's stderr matter.
start() {
	status=0
	"$MRUN" run --bundle "$T/b" "$ID" </dev/null >"$T/out" 2>"$T/err" || status=$?
	output=$(cat "$T/out" "$T/err")
}

image_probe() { # OPTION… -- ABI; the probe in an image's container
	local options=() image
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	image=$(hello_image) || return 1
	install -m 755 "$PROBE" "$T/probe"
	"$MRUN" --network none "${options[@]}" -v "$T/probe:/probe:ro" "docker-archive:$image" /probe "$2"
}

@test "errno: a call fails with errnoRet, others work" {
	need_root
	filtered '["/bin/mkdir", "/tmp/x"]' '{defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28}]}'
	start
	[ "$status" -eq 1 ]
	[[ $output == *"No space left on device"* ]]
}

@test "a profile that denies execveat, or kills for it, is no obstacle" {
	need_root
	for action in SCMP_ACT_ERRNO SCMP_ACT_KILL_PROCESS; do
		rm -rf x
		bundle x ".process.args = [\"/bin/echo\", \"ran\"] | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\",
			architectures: [\"SCMP_ARCH_X86_64\"], syscalls: [{names: [\"execveat\"], action: \"$action\"}]}"
		run -0 "$MRUN" run --bundle x mrun-t$$
		[ "$output" = ran ]
	done
}

@test "a profile that forbids what mrun itself calls last: it starts, with its umask, or says why not" {
	local nnp
	for nnp in true false; do
		bundle "$T/b" '.process.args = ["/bin/grep", "Umask", "/proc/self/status"] | .process.user.umask = 63 |
			.process.noNewPrivileges = '$nnp' | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
				{names: ["close_range", "sendmsg", "sendto", "umask"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]}'
		start
		[ "$output" = $'Umask:\t0077' ]
		[ "$status" -eq 0 ]
		jq '.process.args = ["not-there"]' "$T/b/config.json" >c && cp c "$T/b/config.json"
		start
		[ "$status" -eq 1 ]
		[[ $output == *'exec: "not-there": executable file not found in $PATH'* ]]
		run -1 "$MRUN" create --bundle "$T/b" "$ID"
		[[ $output == *'"not-there": executable file not found'* ]]
		rm -rf "$T/b"
	done
}

@test "errno: EPERM without errnoRet" {
	need_root
	filtered '["/bin/mkdir", "/tmp/x"]' '{defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	start
	[[ $output == *"Operation not permitted"* ]]
}

@test "kill: SIGSYS, exit code 159" {
	need_root
	local action
	for action in KILL KILL_THREAD KILL_PROCESS TRAP; do
		filtered '["/bin/mkdir", "/tmp/x"]' '{defaultAction: "SCMP_ACT_ALLOW",
			syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_'$action'"}]}'
		start
		echo "$action: $status $output"
		[ "$status" -eq 159 ]
		rm -rf "$T/b"
	done
}

@test "the filter is there: Seccomp is 2 in /proc/self/status, 0 without one" {
	need_root
	filtered '["/bin/grep", "^Seccomp:", "/proc/self/status"]' '{defaultAction: "SCMP_ACT_LOG"}'
	start
	[[ $output == *2* ]]
	rm -rf "$T/b"
	filtered '["/bin/grep", "^Seccomp:", "/proc/self/status"]' null
	start
	[[ $output == *0* ]]
}

@test "a profile without a newer call answers ENOSYS to it, EPERM to an older one" {
	need_root
	probe_needed
	filtered '["/probe", "64"]' '{defaultAction: "SCMP_ACT_ERRNO", syscalls: [
		{action: "SCMP_ACT_ALLOW", names: ["arch_prctl", "brk", "chdir", "capset", "capget", "clone",
		"close", "close_range", "dup", "dup2", "dup3", "execve", "execveat", "exit", "exit_group", "fchdir",
		"fcntl", "fstat", "futex", "getpid", "getrandom", "getuid", "getgid", "geteuid", "getegid",
		"getdents64", "ioctl", "lseek", "mmap", "mprotect", "munmap", "newfstatat", "open", "openat",
		"openat2", "poll", "prctl", "prlimit64", "read", "readlink", "readlinkat", "recvmsg", "rseq",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "seccomp", "sendmsg", "set_robust_list",
		"set_tid_address", "setgid", "setgroups", "setpgid", "setresgid", "setresuid", "setsid", "setuid",
		"sigaltstack", "stat", "statfs", "fstatfs", "statx", "umask", "uname", "write", "writev",
		"clone3"]}]}'
	start
	echo "$output"
	grep -qx "bpf EPERM" "$T/out"
	grep -qx "unknown ENOSYS" "$T/out"
	grep -qx "pidfd_getfd ENOSYS" "$T/out"
}

# PR_SET_PDEATHSIG: what is to outlive mrun says so before the filter can forbid it.
@test "a profile without prctl: what goes on after mrun does so" {
	need_root
	local nnp
	lived() {
		for _ in {1..200}; do
			[ ! -e "$T/b/rootfs/$1" ] || return 0
			sleep 0.05
		done
		return 1
	}
	for nnp in true false; do
		rm -rf b
		# Without setsid exec goes the other way.
		filtered '["/bin/sh", "-c", "sleep 0.3; touch /lived; exec sleep 1000"]' '{defaultAction: "SCMP_ACT_ALLOW",
			syscalls: [{names: ["prctl", "setsid"], action: "SCMP_ACT_ERRNO"}]}'
		jq ".process.noNewPrivileges = $nnp | .root.readonly = false" b/config.json >c
		cat c >b/config.json
		"$MRUN" run -d --bundle b "$ID" </dev/null >/dev/null 2>&1
		lived lived
		"$MRUN" exec -d "$ID" /bin/sh -c 'sleep 0.3; touch /entered' </dev/null >/dev/null 2>&1
		lived entered
		"$MRUN" delete -f "$ID"
		rm b/rootfs/lived
		"$MRUN" create --bundle b "$ID" </dev/null >/dev/null 2>&1
		"$MRUN" start "$ID"
		lived lived
		"$MRUN" delete -f "$ID"
	done
}

@test "bad values: the error names the field, nothing is left" {
	need_root
	local bad
	while IFS='|' read -r bad field; do
		filtered '["/bin/true"]' "$bad"
		start
		echo "$bad: $status $output"
		[ "$status" -eq 1 ]
		[[ $output == *"$field"* ]]
		rm -rf "$T/b"
	done <<-'EOF'
		{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_VAX"]}|linux.seccomp.architectures[0]
		{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_LOG", "X"]}|linux.seccomp.flags[1]
		{defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1}|linux.seccomp.defaultErrnoRet
		{defaultAction: "SCMP_ACT_NOTIFY"}|linux.seccomp.defaultAction
		{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["write"], action: "SCMP_ACT_NOTIFY"}]}|cannot be used for the write syscall
		{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}|linux.seccomp.listenerPath
		{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_TRAP", errnoRet: 3}]}|linux.seccomp.syscalls[0].errnoRet
	EOF
}

@test "unknown call names are skipped" {
	need_root
	filtered '["/bin/echo", "fine"]' '{defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["no_such_call"], action: "SCMP_ACT_KILL"}]}'
	start
	[ "$status" -eq 0 ]
	[ "$output" = fine ]
}

@test "notify: the agent gets the state and the descriptor, and its answer counts" {
	need_root
	probe_needed
	filtered '["/bin/mkdir", "/tmp/x"]' "{defaultAction: \"SCMP_ACT_ALLOW\", listenerPath: \"$T/agent\",
		listenerMetadata: \"some data\", syscalls: [{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_NOTIFY\"}]}"
	"$PROBE" agent "$T/agent" 17 >"$T/state" 2>"$T/agent.err" &
	local agent=$!
	for _ in {1..200}; do
		[ ! -S "$T/agent" ] || break
		sleep 0.1
	done
	start
	echo "$output"
	wait "$agent"
	cat "$T/state" "$T/agent.err"
	[ "$status" -eq 1 ]
	[[ $output == *"File exists"* ]]
	[ "$(jq -r '.fds[0], .metadata, .state.id, .state.status' "$T/state")" = "seccompFd
some data
$ID
creating" ]
	[ "$(jq -r '.pid == .state.pid and .pid > 0 and (.ociVersion | startswith("1."))' "$T/state")" = true ]
	grep -q notified "$T/agent.err"
}

@test "notify: no agent is an error that names the path" {
	need_root
	filtered '["/bin/true"]' "{defaultAction: \"SCMP_ACT_ALLOW\", listenerPath: \"$T/nobody\",
		syscalls: [{names: [\"mkdir\"], action: \"SCMP_ACT_NOTIFY\"}]}"
	start
	[ "$status" -eq 1 ]
	[[ $output == *"$T/nobody"* ]]
	[[ $output == *"hint:"* ]]
}

@test "the same filter decides alike under runc and crun" {
	need_root
	probe_needed
	local runtime compared=0
	# clone_newuser and its like differ by kernel, not by runtime: all three run on this one.
	filtered '["/probe", "64"]' '{defaultAction: "SCMP_ACT_ALLOW",
		architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], syscalls: [
		{names: ["keyctl", "bpf"], action: "SCMP_ACT_ERRNO"},
		{names: ["add_key"], action: "SCMP_ACT_ERRNO", errnoRet: 38},
		{names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 97, args: [{index: 0, value: 40, op: "SCMP_CMP_EQ"}]},
		{names: ["ioctl"], action: "SCMP_ACT_ERRNO", errnoRet: 22, args: [
			{index: 1, value: 4294967295, valueTwo: 21522, op: "SCMP_CMP_MASKED_EQ"},
			{index: 1, value: 4294967295, valueTwo: 21532, op: "SCMP_CMP_MASKED_EQ"}]}]}'
	start
	cp "$T/out" "$T/ours"
	echo "$output"
	[ "$status" -eq 0 ]
	grep -qx "tiocsti EINVAL" "$T/ours"
	for runtime in runc crun; do
		command -v "$runtime" >/dev/null || continue
		"$runtime" --root "$T/$runtime" run --bundle "$T/b" "$ID-$runtime" </dev/null >"$T/$runtime.out" 2>"$T/$runtime.err" || {
			# A machine on which it cannot run anything says nothing about seccomp.
			echo "$runtime: $(cat "$T/$runtime.err")"
			continue
		}
		diff "$T/ours" "$T/$runtime.out"
		compared=$((compared + 1))
	done
	[ "$compared" -gt 0 ] || skip "neither runc nor crun runs a container here: $(cat "$T"/*.err | tail -n 1)"
}

@test "image: the default profile denies what it should, on every ABI" {
	probe_needed
	local abi
	install -m 755 "$PROBE" "$T/probe"
	# The probe itself can tell: without a filter there is no EPERM in these.
	"$T/probe" 64 >"$T/host"
	grep -q '^tiocsti EBADF' "$T/host"
	for abi in 64 32 x32; do
		image_probe -- "$abi" >"$T/out" || {
			[ "$(cat "$T/out")" = "this kernel does not have the ABI" ] && continue
			cat "$T/out"
			return 1
		}
		echo "ABI $abi"
		cat "$T/out"
		local name
		for name in af_alg af_alg_high af_vsock af_rxrpc pair_alg io_uring_setup io_uring_enter \
			io_uring_register bpf keyctl add_key request_key userfaultfd clone_newuser unshare_newuser \
			setns_newuser tiocsti tiocsti_high tioclinux no_randomize pidfd_getfd fsopen; do
			grep -qx "$name EPERM" "$T/out"
		done
		grep -qx "clone3 ENOSYS" "$T/out"
		grep -qx "unknown ENOSYS" "$T/out"
		[ "$abi" = x32 ] || {
			grep -qx "getpid OK" "$T/out"
			grep -qx "af_unix OK" "$T/out"
			grep -qx "tcgets EBADF" "$T/out"
			grep -qx "personality OK" "$T/out"
		}
	done
}

@test "image: the default profile as an ordinary user, also with no_new_privs" {
	need_root
	probe_needed
	local image option
	image=$(hello_image)
	install -m 755 "$PROBE" "$TEST_HOME/probe"
	for option in --init=false --security-opt=no-new-privileges; do
		as_user "$MRUN" --network none "$option" -v "$TEST_HOME/probe:/probe:ro" "docker-archive:$image" /probe 64 >"$T/out"
		cat "$T/out"
		grep -qx "tiocsti EPERM" "$T/out"
		grep -qx "unshare_newuser EPERM" "$T/out"
		grep -qx "clone3 ENOSYS" "$T/out"
		grep -qx "af_unix OK" "$T/out"
	done
}

@test "image: socketcall is the stated exception" {
	probe_needed
	run image_probe -- socketcall
	echo "$output"
	[ "$status" -ne 77 ] || skip "this kernel does not run 32-bit programs"
	[[ $output == *"socketcall OK"* ]]
}

@test "image: --cap-add opens the calls of that capability" {
	probe_needed
	image_probe --cap-add SYS_ADMIN -- 64 >"$T/out"
	cat "$T/out"
	grep -qx "clone3 EINVAL" "$T/out"
	grep -qx "clone_newuser EINVAL" "$T/out"
	grep -qx "keyctl EPERM" "$T/out"
	image_probe --cap-add SYS_PTRACE -- 64 >"$T/out"
	grep -qx "pidfd_getfd EINVAL" "$T/out" || grep -qx "pidfd_getfd EBADF" "$T/out"
	grep -qx "clone3 ENOSYS" "$T/out"
}

@test "image: --security-opt seccomp=unconfined" {
	probe_needed
	image_probe --security-opt seccomp=unconfined -- 64 >"$T/out"
	cat "$T/out"
	grep -qx "tiocsti EBADF" "$T/out"
	grep -qx "clone3 EINVAL" "$T/out"
}

@test "image: --security-opt seccomp=FILE takes Docker's format" {
	probe_needed
	cat >"$T/profile.json" <<-'EOF'
		{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64",
		 "subArchitectures": ["SCMP_ARCH_X86"]}], "syscalls": [
		 {"name": "keyctl", "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "args": null},
		 {"names": ["userfaultfd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28,
		  "excludes": {"caps": ["CAP_SYS_PTRACE"]}},
		 {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "includes": {"arches": ["vax"]}}]}
	EOF
	image_probe --security-opt "seccomp=$T/profile.json" -- 64 >"$T/out"
	cat "$T/out"
	grep -qx "keyctl ENOSPC" "$T/out"
	grep -qx "userfaultfd ENOSPC" "$T/out"
	run grep -qx "bpf ENOSPC" "$T/out"
	[ "$status" -eq 1 ]
	image_probe --security-opt "seccomp=$T/profile.json" --cap-add SYS_PTRACE -- 64 >"$T/out"
	run grep -qx "userfaultfd ENOSPC" "$T/out"
	[ "$status" -eq 1 ]
}

@test "image: containers-common's profile works as --security-opt seccomp=FILE" {
	probe_needed
	[ -f /usr/share/containers/seccomp.json ] || skip "/usr/share/containers/seccomp.json is not installed"
	image_probe --security-opt seccomp=/usr/share/containers/seccomp.json -- 64 >"$T/out"
	cat "$T/out"
	grep -qx "userfaultfd EPERM" "$T/out"
	grep -qx "unknown ENOSYS" "$T/out"
	grep -qx "af_unix OK" "$T/out"
}

@test "image: a bad profile is one line that names the field, exit code 125" {
	local image
	image=$(hello_image)
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "X"}]}' >"$T/p.json"
	run "$MRUN" --security-opt "seccomp=$T/p.json" "docker-archive:$image" true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ ${lines[0]} == *"$T/p.json"*"syscalls[0].action"* ]]
	run "$MRUN" --security-opt "seccomp=$T/missing.json" "docker-archive:$image" true
	[ "$status" -eq 125 ]
	[[ $output == *"$T/missing.json"*"no such file"* ]]
}

@test "the cache: one private file a profile, read again, not written again" {
	need_root
	local file before
	filtered '["/bin/true"]' '{defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO"}]}'
	start
	[ "$status" -eq 0 ]
	file=$(echo "$XDG_CACHE_HOME"/mrun/seccomp/*)
	[ -f "$file" ]
	[ "$(stat -c '%a' "$file" "${file%/*}")" = "600
700" ]
	before=$(stat -c '%i %Y' "$file")
	start
	[ "$status" -eq 0 ]
	[ "$(stat -c '%i %Y' "$file")" = "$before" ]
}

@test "the cache: without HOME, or where nothing can be written, it works all the same" {
	need_root
	filtered '["/bin/mkdir", "/tmp/x"]' '{defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	XDG_CACHE_HOME=/proc/1/nowhere start
	[[ $output == *"Operation not permitted"* ]]
	(unset HOME XDG_CACHE_HOME && start && [[ $output == *"Operation not permitted"* ]])
}
