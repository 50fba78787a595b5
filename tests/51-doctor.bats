#!/usr/bin/env bats
# `mrun doctor`: what it says is compared with what `mrun IMAGE` then does, the commands that it
# prints are run and have to mend what they are for, and it changes nothing.
# shellcheck disable=SC2030,SC2031,SC2016
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	[ "$(id -u)" -ne 0 ] || user_make_plain
	# Most tests do without another user.
	export NO_USER=${LIB_SKIP:-}
	unset LIB_SKIP
}
teardown_file() { user_clean; }

need_user() { # one with subordinate ids
	[ -z "$NO_USER" ] || skip "$NO_USER"
}
setup() {
	lib_setup
	need jq
}
teardown() { lib_teardown; }

# Runs the doctor (through the words before it, if any): its JSON is $T/doctor.json, its exit code
# $code, which says the same as the JSON.
doctor() { # [RUNNER…]
	code=0
	"$@" "$MRUN" doctor --format json >"$T/doctor.json" 2>"$T/doctor.err" || code=$?
	[ ! -s "$T/doctor.err" ] || {
		cat "$T/doctor.err"
		return 1
	}
	[ "$code" -eq "$(jq 'if .works then 0 else 1 end' "$T/doctor.json")" ]
	[ "$(jq 'any(.checks[]; .status == "missing") | not' "$T/doctor.json")" = "$(jq .works "$T/doctor.json")" ]
}

check() { # NAME STATUS [PATTERN]; the commands are in $commands
	jq -e --arg n "$1" --arg s "$2" --arg p "${3:-}" \
		'any(.checks[]; .name == $n and .status == $s and (.message | test($p)))' "$T/doctor.json" >/dev/null || {
		echo "expected: $1 $2 ${3:-}; there is:" >&2
		jq -c '.checks[] | select(.status != "ok" or .name == "'"$1"'")' "$T/doctor.json" >&2
		return 1
	}
	commands=$(jq -r --arg n "$1" --arg s "$2" '.checks[] | select(.name == $n and .status == $s) | .commands[]' "$T/doctor.json")
}

# mrun IMAGE agrees with the doctor's exit code.
agrees() { # [RUNNER…]
	local image works=0
	image=$(hello_image)
	"$@" "$MRUN" "$image" >"$T/run.out" 2>"$T/run.err" || works=1
	cat "$T/run.err"
	[ "$works" -eq 1 ] || [ "$(cat "$T/run.out")" = 'Hello world!' ]
	[ "$works" -eq "$code" ] || {
		echo "the doctor said $code, the run $works" >&2
		return 1
	}
}

alone() { # SCRIPT, in a mount namespace of its own
	export LIB_RUN MRUN T
	export -f lib_as as_user as_user2
	unshare -m --propagation private bash -eu -c "$1"
}

@test "everything that a container needs has a line, and the exit code is right" {
	local name
	doctor
	agrees
	for name in kernel architecture seccomp 'memory files' 'user namespaces' 'subordinate ids' HOME store \
		cache XDG_RUNTIME_DIR overlay /proc /sys mrun-unpack network cgroups systemd; do
		jq -e --arg n "$name" 'any(.checks[]; .name == $n)' doctor.json >/dev/null || {
			echo "no line for $name" >&2
			return 1
		}
	done
	if [ -e /proc/sys/user/max_user_namespaces ]; then
		grep -q "user.max_user_namespaces is $(cat /proc/sys/user/max_user_namespaces)" doctor.json
	fi
	for name in unprivileged_userns_clone apparmor_restrict_unprivileged_userns; do
		[ ! -e /proc/sys/kernel/$name ] || grep -q "kernel.$name is" doctor.json
	done
	grep -qF "$(uname -r)" doctor.json
}

@test "the text says the same as the JSON" {
	doctor
	"$MRUN" doctor >text || [ $? -eq "$code" ]
	jq -r '.checks[] | .status as $s | .name as $n | .commands[] // empty' doctor.json >commands
	[ "$(grep -cE '^(ok|limited|missing) ' text)" -eq "$(jq '.checks | length' doctor.json)" ]
	while read -r command; do
		grep -qF "            $command" text
	done <commands
	run -1 "$MRUN" doctor --format yaml || [ "$status" -eq 125 ]
	[[ $output == *"'yaml' is neither text nor json"* ]]
}

@test "it changes nothing" {
	need_root
	list() { find "$T/home" "$T/data" "$T/cache" "$TEST_HOME" -printf '%p %s %i\n' | sort; }
	as_user true
	list >before
	"$MRUN" doctor >/dev/null || true
	as_user "$MRUN" doctor >/dev/null || true
	list >after
	diff before after
	# Nor where there is an unpacked image.
	"$MRUN" "$(hello_image)" >/dev/null
	list >before
	"$MRUN" doctor >/dev/null
	list >after
	diff before after
}

@test "an ordinary user with subordinate ids" {
	need_user
	doctor as_user
	agrees as_user
	check 'subordinate ids' ok 'a container.s ids are 6553[0-9] user ids'
	check newuidmap ok
	check newgidmap ok
	check 'file owners' ok
}

@test "no subordinate ids: the command that it prints mends it" {
	need_root
	doctor as_user2
	agrees as_user2
	check 'subordinate ids' limited 'no subordinate ids in /etc/subuid'
	[[ $commands == "sudo usermod --add-subuids "*" --add-subgids "*" $TEST_USER2" ]]
	# The range is nobody else's.
	local range first
	range=$(echo "$commands" | grep -o 'add-subuids [0-9]*' | cut -d' ' -f2)
	while read -r first; do
		[ "$range" -ge $((first + 65536)) ] || [ $((range + 65535)) -lt "$first" ]
	done < <(cut -d: -f2 /etc/subuid /etc/subgid)
	eval "${commands#sudo }"
	doctor as_user2
	usermod --del-subuids "$range-$((range + 65535))" --del-subgids "$range-$((range + 65535))" "$TEST_USER2"
	check 'subordinate ids' ok
}

@test "newuidmap without its setuid bit: the command that it prints mends it" {
	need_root
	need newuidmap
	export -f doctor check agrees hello_image lib_cached lib_make_hello
	export LIB_CACHE BASE_KIND
	install -m 755 "$(command -v newuidmap)" "$T/newuidmap"
	alone '
		mount --bind $T/newuidmap $(command -v newuidmap)
		doctor as_user
		[ $code -eq 1 ]
		check newuidmap limited "neither setuid root"
		check "subordinate ids" missing "newuidmap failed"
		agrees as_user
		eval "${commands#sudo }"
		doctor as_user
		check "subordinate ids" ok
		agrees as_user'
}

@test "newuidmap is not installed: the package's name" {
	need_root
	need newuidmap
	export -f doctor check
	alone '
		mount --bind /dev/null $(command -v newuidmap)
		doctor as_user
		check newuidmap limited "not installed: only your own id"
		if command -v apt-get >/dev/null; then
			[ "$commands" = "sudo apt-get install -y uidmap" ]
		fi
		check "subordinate ids" limited'
}

@test "user namespaces switched off: the command that it prints mends it" {
	unshare -Urm true 2>/dev/null || skip "no user namespace can be made here"
	export -f doctor check
	unshare -Urm --propagation private bash -eu -c '
		doctor
		check "user namespaces" ok
		echo 0 >/proc/sys/user/max_user_namespaces
		doctor
		[ $code -eq 1 ]
		check "user namespaces" missing "user.max_user_namespaces is 0"
		check sysctl missing "user.max_user_namespaces is 0"
		first=$(echo "$commands" | head -n 1)
		[ "$first" = "sysctl -w user.max_user_namespaces=15000" ]
		eval "$first" >/dev/null
		doctor
		check "user namespaces" ok'
}

# Where the kernel has no such switch, a file in its place says what it would say.
@test "Debian's and Ubuntu's switches" {
	need_root
	export -f doctor check
	alone '
		mount -t tmpfs tmpfs /proc/sys/kernel
		echo 0 >/proc/sys/kernel/unprivileged_userns_clone
		doctor as_user
		check sysctl missing "kernel.unprivileged_userns_clone is 0"
		[ "$(echo "$commands" | head -n 1)" = "sudo sysctl -w kernel.unprivileged_userns_clone=1" ]
		rm /proc/sys/kernel/unprivileged_userns_clone
		echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
		doctor as_user
		check sysctl ok "apparmor_restrict_unprivileged_userns is 1, and this program may"'
	unshare -Urm --propagation private bash -eu -c '
		echo 0 >/proc/sys/user/max_user_namespaces
		mount -t tmpfs tmpfs /proc/sys/user
		mount -t tmpfs tmpfs /proc/sys/kernel
		echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
		doctor
		check sysctl missing "kernel.apparmor_restrict_unprivileged_userns is 1"
		[ "$(echo "$commands" | head -n 1)" = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" ]'
}

@test "a limit on another namespace is named" {
	unshare -Urm true 2>/dev/null || skip "no user namespace can be made here"
	export -f doctor check
	unshare -Urm --propagation private bash -eu -c '
		echo 0 >/proc/sys/user/max_net_namespaces
		doctor
		check namespaces missing "no network namespace"
		eval "$(echo "$commands" | head -n 1)" >/dev/null
		doctor
		! check namespaces missing 2>/dev/null'
}

@test "memory files that may not be executed" {
	[ -e /proc/sys/vm/memfd_noexec ] || skip "this kernel has no vm.memfd_noexec"
	unshare -Urmpf --mount-proc sh -c 'echo 2 >/proc/sys/vm/memfd_noexec' 2>/dev/null ||
		skip "vm.memfd_noexec cannot be set for a pid namespace here"
	export -f doctor check
	unshare -Urmpf --mount-proc bash -eu -c '
		echo 2 >/proc/sys/vm/memfd_noexec
		doctor
		[ $code -eq 1 ]
		check "memory files" missing "vm.memfd_noexec is 2"
		[[ $commands == "sysctl -w vm.memfd_noexec=1"* ]]'
}

@test "HOME and XDG_RUNTIME_DIR" {
	need_root
	doctor env -u HOME -u XDG_DATA_HOME -u XDG_CACHE_HOME
	[ "$code" -eq 1 ]
	check HOME missing 'not set'
	[ "$commands" = "export HOME=$(awk -F: '$3 == 0 { print $6; exit }' /etc/passwd)" ]
	agrees env -u HOME -u XDG_DATA_HOME -u XDG_CACHE_HOME
	doctor as_user env HOME=/nonexistent
	check HOME missing 'no such file'
	agrees as_user env HOME=/nonexistent
	doctor env -u XDG_DATA_HOME -u XDG_CACHE_HOME HOME="$TEST_HOME"
	check HOME missing "belongs to uid $TEST_UID"
	agrees env -u XDG_DATA_HOME -u XDG_CACHE_HOME HOME="$TEST_HOME"
	mkdir -m 700 "$T/closed"
	doctor as_user env HOME="$T/closed"
	[ "$code" -eq 1 ]
	check store missing 'permission denied'
	check cache missing 'permission denied'
	agrees as_user env HOME="$T/closed"
	doctor as_user env XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR"
	check XDG_RUNTIME_DIR limited "/tmp/mrun-$TEST_UID instead"
	agrees as_user env XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR"
	doctor as_user
	check XDG_RUNTIME_DIR ok
}

@test "the cache's file system: no attributes, no room" {
	need_root
	export -f doctor check
	alone '
		mkdir $T/small
		mount -t ramfs ramfs $T/small
		XDG_CACHE_HOME=$T/small doctor
		[ $code -eq 0 ]
		check overlay limited "no user.* attributes"
		# Another container, say: an overlay on an overlay.
		mkdir $T/l $T/u $T/w $T/m
		mount -t overlay overlay -o lowerdir=$T/l,upperdir=$T/u,workdir=$T/w $T/m
		XDG_CACHE_HOME=$T/m doctor
		[ $code -eq 0 ]
		check overlay limited "kept in memory"
		mount -t tmpfs -o size=2m tmpfs $T/small
		XDG_CACHE_HOME=$T/small doctor
		[ $code -eq 1 ]
		check cache missing "tmpfs, [0-9]* MiB free: too little"
		XDG_DATA_HOME=$T/small doctor
		check store missing "too little"
		mount -o remount,ro $T/small
		XDG_CACHE_HOME=$T/small doctor
		check cache missing "read-only file system"'
}

@test "fuse-overlayfs as the fallback" {
	need_root
	need fuse-overlayfs
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	export -f doctor check
	alone '
		mkdir $T/ram $T/dev
		mount -t ramfs ramfs $T/ram
		mount -t tmpfs tmpfs $T/dev
		mknod -m 600 $T/dev/fuse c 10 229 # a copy: the host keeps the mode of its own
		mount --bind $T/dev/fuse /dev/fuse
		XDG_CACHE_HOME=$T/ram doctor
		check overlay limited "copied for each run"
		eval "$(echo "$commands" | grep chmod)"
		XDG_CACHE_HOME=$T/ram doctor
		check overlay limited "fuse-overlayfs is used instead"
		mount --bind /dev/null $(command -v fuse-overlayfs)
		XDG_CACHE_HOME=$T/ram doctor
		check overlay limited "fuse-overlayfs is not installed: .*copied"
		if command -v apt-get >/dev/null; then
			[[ $commands == *"apt-get install -y fuse-overlayfs"* ]]
		fi'
}

@test "the helper programs" {
	need_root
	export -f doctor check
	# Alone in a directory; an installed helper does not count.
	install -m 755 "$MRUN" "$T/mrun"
	alone '
		for dir in /usr/local/libexec/mrun /usr/libexec/mrun; do
			[ ! -d $dir ] || mount -t tmpfs tmpfs $dir
		done
		MRUN=$T/mrun doctor
		[ $code -eq 1 ]
		check mrun-unpack missing "mrun-unpack"
		for helper in pasta slirp4netns; do
			! command -v $helper >/dev/null || mount --bind /dev/null $(command -v $helper)
		done
		doctor
		check network limited "neither pasta nor slirp4netns is installed"
		if command -v apt-get >/dev/null; then
			[ "$commands" = "apt-get install -y passt" ]
		fi'
}

@test "limits" {
	need_root
	doctor as_user
	check cgroups limited 'no limits|not handed down' || check cgroups ok
	if as_user "$MRUN" -m 64m "$(hello_image)" >/dev/null 2>err; then
		check cgroups ok || ! grep -q memory <(jq -r '.checks[] | select(.name == "cgroups").message' doctor.json)
	else
		cat err
		check cgroups limited
	fi
	doctor
	if check cgroups ok; then
		"$MRUN" -m 64m --pids-limit 20 "$(hello_image)"
	fi
}

@test "inside a container: what forbids user namespaces is named" {
	local image
	image=$(hello_image)
	inside() { "$MRUN" -v "$(dirname "$MRUN"):/b:ro" -e HOME=/root "$image" "/b/${MRUN##*/}" "$@"; }
	inside --version >/dev/null 2>&1 || skip "mrun is not a static program here"
	run -1 inside doctor
	[[ $output == *"missing  user namespaces  operation not permitted: a container manager's seccomp filter forbids it"*"--security-opt seccomp=unconfined"* ]]
}
