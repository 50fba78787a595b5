# Without root where nothing is delegated, and the way there that our own hint names.
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016

# tester, but in root's service: no right to any cgroup.
plain() { # CMD…
	env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 setpriv --reuid=1000 --regid=1000 --init-groups "$@"
}

# A bundle as an ordinary user's.
user_bundle() { # DIR ARGS [RESOURCES]
	chmod 777 "$T"
	NS="user pid mount ipc uts cgroup" LINUX='"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
		"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],' bundle "$@"
}

test_no_limit_no_fuss() {
	user_bundle b '"cat", "/proc/self/cgroup"' '"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": -1}'
	run plain mrun run -b b c1
	is "$status" 0
	is "$output" 0::/
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

test_a_limit_is_an_error_with_the_way_out() {
	user_bundle b '"true"' '"memory": {"limit": 33554432}'
	run plain mrun run -b b c1
	is "$status" 1
	like "$output" "*linux.resources.memory.limit: controller memory*permission denied*"
	like "$output" "*hint: delegate it: run \`systemd-run --user --scope -p Delegate=yes mrun*"
	is "$(echo /sys/fs/cgroup/**/c1)" ""
}

# Into a cgroup that is ours from outside of what is delegated: clone3 and the move are both refused.
test_from_outside_the_delegated_tree() {
	local own=/user.slice/user-1000.slice/user@1000.service/mrun-test
	CGPATH=$own user_bundle b '"echo", "ran"'
	run plain strace -f -e trace=clone3 -o "$T/trace" /share/mrun run -b b c1
	echo "$output"
	is "$status" 0
	is "$output" ran
	grep -q 'clone3(.*CLONE_INTO_CGROUP.*EACCES' "$T/trace"
	[ ! -e "/sys/fs/cgroup$own" ]
	CGPATH=$own user_bundle b '"true"' '"memory": {"limit": 33554432}'
	run plain mrun run -b b c1
	is "$status" 1
	echo "$output"
	like "$output" "*move the container into cgroup *mrun-test: permission denied*hint: delegate it:*"
	[ ! -e "/sys/fs/cgroup$own" ]
}

test_what_the_hint_says_works() {
	local scope
	user_bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}, "pids": {"limit": 20}, "cpu": {"quota": 50000}'
	as-tester systemd-run --user --scope -q -p Delegate=yes mrun run -d -b b --pid-file pid c1 </dev/null >log 2>&1 || { cat log; return 1; }
	CG=$(cgroup_of "$(<pid)")
	echo "$CG"
	# In the scope: as long as it is there, systemd takes no controller away.
	like "$CG" "*/run-*.scope/c1"
	is "$(<"$CG/memory.max")" 33554432
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(<"$CG/cgroup.type")" domain
	# systemd has work to do meanwhile; nothing changes.
	as-tester true
	is "$(<"$CG/memory.max")" 33554432
	scope=${CG%/c1}
	as-tester mrun delete -f c1
	until_ok test ! -e "$scope"
	# In the foreground, killed for its memory.
	user_bundle b '"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"' '"memory": {"limit": 20971520}'
	run as-tester systemd-run --user --scope -q -p Delegate=yes mrun run -b b c1
	is "$status" 137
	like "$output" "*out of memory (limit 20 MiB)"
}
