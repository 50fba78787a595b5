# The systemd driver of an ordinary user, by the user's own manager.
# modes: v2
# as: tester
# shellcheck shell=bash disable=SC2154,SC2016

SD='--systemd-cgroup'
MANAGER=/user.slice/user-1000.slice/user@1000.service

property() { # UNIT NAME
	systemctl --user show -P "$2" -- "$1"
}

no_unit() { # UNIT
	until_ok eval '[ "$(property '"'$1'"' LoadState)" = not-found ]'
	is "$(property "$1" LoadState)" not-found "unit $1"
}

test_a_scope_of_the_users_manager_with_its_limits() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}, "pids": {"limit": 20},
		"cpu": {"quota": 50000, "period": 100000, "shares": 512}, "devices": [{"allow": false, "access": "rwm"}]'
	start c1 b $SD
	is "$(<"/proc/$PID/cgroup")" "0::$MANAGER/user.slice/mrun-c1.scope"
	is "$(<"$CG/memory.max")" 33554432
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(property mrun-c1.scope MemoryMax)" 33554432
	mrun update --memory 64m c1
	is "$(<"$CG/memory.max")" 67108864
	is "$(property mrun-c1.scope MemoryMax)" 67108864
	mrun exec -d c1 sleep 999
	is "$(mrun ps --format json c1 | jq length)" 2
	mrun pause c1
	is "$(status_of c1)" paused
	mrun resume c1
	mrun delete -f c1
	no_unit mrun-c1.scope
	[ ! -e "$CG" ]
}

test_a_slice_of_ones_own() {
	CGPATH=x-y.slice:p:c1 bundle b '"sleep", "1000"'
	start c1 b $SD
	is "$(<"/proc/$PID/cgroup")" "0::$MANAGER/x.slice/x-y.slice/p-c1.scope"
	mrun delete -f c1
	no_unit p-c1.scope
}

test_a_limit_is_enforced() {
	bundle b '"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"' '"memory": {"limit": 20971520, "swap": 20971520}'
	run mrun $SD run -b b c1
	is "$status" 137
	no_unit mrun-c1.scope
}

test_a_controller_that_is_not_delegated_is_named() {
	bundle b '"true"' '"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]'
	run mrun $SD run -b b c1
	is "$status" 1
	like "$output" "mrun: set linux.resources.hugepageLimits: controller hugetlb is not available in cgroup *mrun-c1.scope*"
	like "$output" "*hint: systemd does not hand it to you: as root put *Delegate=*"
	no_unit mrun-c1.scope
}

# As podman calls it: root of a user namespace, with the bundle's ids mapped there already.
test_from_inside_a_user_namespace() {
	cat >inside <<-'END'
		. /share/tests/vm/lib.bash
		T=$1
		bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}'
		mrun --systemd-cgroup run -d -b b --pid-file pid c1 </dev/null >log 2>&1 || { cat log; exit 1; }
		mrun exec c1 true || exit
		mrun update --memory 64m c1 || exit
		read -r pid <pid
		cat "/proc/$pid/cgroup"
		IFS=: read -r _ _ path <"/proc/$pid/cgroup"
		cat "/sys/fs/cgroup$path/memory.max"
		mrun delete -f c1
	END
	run unshare --user --map-auto --map-root-user --mount bash inside "$T"
	is "$output" "0::$MANAGER/user.slice/mrun-c1.scope
67108864"
	is "$status" 0
	no_unit mrun-c1.scope
}

test_no_bus_named_in_the_environment() {
	bundle b '"sleep", "1000"'
	DBUS_SESSION_BUS_ADDRESS='' XDG_RUNTIME_DIR='' start c1 b $SD --root "$T/state"
	is "$(<"/proc/$PID/cgroup")" "0::$MANAGER/user.slice/mrun-c1.scope"
	DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent mrun --root "$T/state" delete -f c1
	no_unit mrun-c1.scope
}

test_image_mode_and_doctor() {
	local where="*ok       systemd          --systemd-cgroup works, with your own manager (systemd 25*"
	run mrun doctor
	like "$output" "$where"
	tar -C "$ROOTFS" -c bin | mrun import - base >/dev/null
	run mrun --systemd-cgroup -m 64m base sh -c 'cat /sys/fs/cgroup/memory.max'
	is "$output" 67108864
	mrun rmi base >/dev/null
	mrun prune --all >/dev/null
}
