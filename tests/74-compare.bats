#!/usr/bin/env bats
# The same bundles under mrun, runc and crun, and what a program sees in them (compare/run): a difference is
# a failure, or stands in compare/accepted.txt with its reason.
bats_require_minimum_version 1.5.0
load lib

# Those whose differences are known, and that run a container here.
setup_file() {
	user_make
	RUNTIMES=mrun
	local runtime version why=''
	for runtime in runc crun; do
		if ! command -v "$runtime" >/dev/null; then
			why+="$runtime is not installed; "
			continue
		fi
		version=$("$runtime" --version | awk 'NR == 1 { sub(/[+~-].*/, "", $3); print $3 }')
		if grep -q "^# versions:.*$runtime $version\\b" "$ROOT/tests/compare/accepted.txt"; then
			RUNTIMES+=" $runtime"
		else
			why+="the differences of $runtime $version are not known; "
		fi
	done
	[ "$RUNTIMES" != mrun ] || export LIB_SKIP="${why%; }"
	export RUNTIMES
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-t$$-$RANDOM
	export ID
}
teardown() { lib_teardown; }

# In a mount namespace of its own; of hybrid cgroups the cgroup2 tree is hidden there, as crun refuses
# one with controllers.
compare() { # CASES [USER]
	need_root
	need unshare script jq
	local here=$T
	[ -z "${2:-}" ] || here=$TEST_HOME
	# shellcheck disable=SC2016 # for the inner shell
	run unshare --mount --propagation private bash -c '
		[ ! -e /sys/fs/cgroup/unified/cgroup.controllers ] || umount -l /sys/fs/cgroup/unified
		. "$ROOT/tests/lib.bash"
		"$@"' - compare_as_"${2:-root}" "$1"
	echo "$output"
	[ "$status" -eq 0 ]
	# Each case ran with another runtime, and it ran at all.
	[[ $output =~ ([0-9]+)\ cases,\ ([0-9]+)\ runs,\ 0\ differences ]]
	[ "${BASH_REMATCH[1]}" -gt 0 ]
	[ "${BASH_REMATCH[2]}" -ge $((BASH_REMATCH[1] * 2)) ]
	[ "$(cat "$here"/results/*.mrun | grep -cE '^[a-z0-9]+ (out|exit) ')" -gt $((BASH_REMATCH[1] / 2)) ]
}

compare_as_root() { # CASES
	exec "$ROOT/tests/compare/run" "$ROOT/tests/compare/$1"
}

# In the home of the ordinary user, whose subordinate ids the bundles map; he cannot reach a clone in /root.
compare_as_user() { # CASES
	cp -r "$ROOT/tests/compare" "$BUILD/tests/probe" "$TEST_HOME"
	as_user env MRUN="$MRUN" PROBE_PROGRAM="$TEST_HOME/probe" RUNTIMES="$RUNTIMES" ID="$ID" \
		LOW="$(lib_subid "$TEST_USER" /etc/subuid)" "$TEST_HOME/compare/run" "$TEST_HOME/compare/$1"
}
export -f compare_as_root compare_as_user

@test "process" { compare process.cases; }

@test "mounts" { compare mounts.cases; }

@test "linux" { compare linux.cases; }

@test "hooks" { compare hooks.cases; }

@test "exec" { compare exec.cases; }

@test "options, commands, exit codes" { compare commands.cases; }

@test "rootless" { compare rootless.cases user; }
