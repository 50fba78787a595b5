# The systemd driver as root, with the system's manager: units, slices, properties, their end.
# modes: v2 hybrid
# shellcheck shell=bash disable=SC2154,SC2016 # the harness sets status and output; $ for the container

SD='--systemd-cgroup'

# A property of a unit.
property() { # UNIT NAME
	systemctl show -P "$2" -- "$1"
}

# Neither loaded nor failed, whatever there was.
no_unit() { # UNIT
	until_ok eval '[ "$(property '"'$1'"' LoadState)" = not-found ]'
	is "$(property "$1" LoadState)" not-found "unit $1"
}

is_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

# The file of a controller in c1's cgroup: FILE on v2, else FILE1 in the hierarchy of CONTROLLER.
limit() { # FILE CONTROLLER FILE1
	if is_v2; then
		echo "$(<"$CG/$1")"
	else
		echo "$(<"$(cgroup_of "$PID" "$2")/$3")"
	fi
}

test_a_scope_in_its_slice_with_its_limits() {
	CGPATH=a-b.slice:pre:c1 TOP='"annotations": {"org.systemd.property.TimeoutStopSec": "7",
		"org.systemd.property.Description": "'"'of mine'"'", "other": "x"},' \
		bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}, "pids": {"limit": 20},
			"cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}'
	start c1 b $SD
	like "$(<"/proc/$PID/cgroup")" "*:/a.slice/a-b.slice/pre-c1.scope*"
	is "$(limit memory.max memory memory.limit_in_bytes)" 33554432
	is "$(limit pids.max pids pids.max)" 20
	is "$(limit cpuset.cpus cpuset cpuset.cpus)" 0
	is "$(property pre-c1.scope Slice)" a-b.slice
	is "$(property pre-c1.scope Delegate)" yes
	is "$(property pre-c1.scope Description)" "of mine"
	is "$(property pre-c1.scope TimeoutStopUSec)" 7s
	is "$(property pre-c1.scope TasksMax)" 20
	is "$(property pre-c1.scope CPUQuotaPerSecUSec)" 500ms
	if is_v2; then
		is "$(<"$CG/cpu.max")" "50000 100000"
		is "$(<"$CG/cpu.weight")" 59
		is "$(property pre-c1.scope MemoryMax)" 33554432
		is "$(property pre-c1.scope CPUWeight)" 59
		is "$(property pre-c1.scope AllowedCPUs)" 0
	else
		is "$(property pre-c1.scope MemoryLimit)" 33554432
		is "$(property pre-c1.scope CPUShares)" 512
		like "$(cgroup_of "$PID" freezer)" "*/a.slice/a-b.slice/pre-c1.scope"
	fi
	mrun delete -f c1
	no_unit pre-c1.scope
	is "$(find /sys/fs/cgroup -name 'pre-c1*')" ""
}

test_defaults_without_a_path() {
	bundle b '"sleep", "1000"'
	start c1 b $SD
	like "$(<"/proc/$PID/cgroup")" "*:/system.slice/mrun-c1.scope*"
	is "$(property mrun-c1.scope Description)" "mrun container c1"
	mrun delete -f c1
	no_unit mrun-c1.scope
	# A foreground run leaves nothing either; -.slice is the one above all.
	CGPATH=-.slice:p:c1 bundle b '"cat", "/proc/self/cgroup"'
	run mrun $SD run -b b c1
	is "$status" 0
	no_unit p-c1.scope
	no_unit mrun-c1.scope
}

test_without_a_cgroup_namespace_its_own_cgroup_is_mounted() {
	bundle b '"sh", "-c", "cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true"' '"pids": {"limit": 20}'
	jq '.linux.namespaces |= map(select(.type != "cgroup"))' b/config.json >c && mv c b/config.json
	run mrun $SD run -b b c1
	like "$output" "*:/system.slice/mrun-c1.scope*
20"
	no_unit mrun-c1.scope
}

test_create_waits_in_the_unit_and_start_goes_on() {
	bundle b '"sh", "-c", "echo ran; sleep 1000"'
	mrun $SD create -b b --pid-file pid c1 </dev/null >log 2>&1
	like "$(<"/proc/$(<pid)/cgroup")" "*:/system.slice/mrun-c1.scope*"
	is "$(status_of c1)" created
	mrun start c1
	until_ok grep -q ran log
	mrun delete -f c1
	no_unit mrun-c1.scope
}

test_systemd_writing_the_files_again_keeps_the_limits() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}, "pids": {"limit": 20}, "devices": [{"allow": false, "access": "rwm"}]'
	start c1 b $SD
	systemctl daemon-reload
	systemctl set-property --runtime mrun-c1.scope TimeoutStopSec=5 CPUWeight=50 2>/dev/null ||
		systemctl set-property --runtime mrun-c1.scope CPUWeight=50
	is "$(limit memory.max memory memory.limit_in_bytes)" 33554432
	is "$(limit pids.max pids pids.max)" 20
	run mrun exec c1 sh -c 'exec 2>/tmp/err; : </nodes/zero && echo zero; (: </nodes/kmsg) || echo denied'
	is "$output" $'zero\ndenied'
	like "$(property mrun-c1.scope DevicePolicy)" strict
	mrun delete -f c1
	no_unit mrun-c1.scope
}

test_update_sets_the_unit_and_the_files() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}, "cpu": {"quota": 20000, "period": 50000},
		"devices": [{"allow": false, "access": "rwm"}]'
	start c1 b $SD
	mrun update --memory 64m --pids-limit 30 --cpu-quota 10000 c1
	is "$(limit memory.max memory memory.limit_in_bytes)" 67108864
	is "$(limit pids.max pids pids.max)" 30
	is "$(property mrun-c1.scope TasksMax)" 30
	# Of the period that was there.
	is "$(property mrun-c1.scope CPUQuotaPerSecUSec)" 200ms
	if is_v2; then
		is "$(<"$CG/cpu.max")" "10000 50000"
		is "$(property mrun-c1.scope MemoryMax)" 67108864
	else
		is "$(property mrun-c1.scope MemoryLimit)" 67108864
	fi
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}' |
		mrun update -r - c1
	systemctl daemon-reload
	run mrun exec c1 sh -c 'exec 2>/tmp/err; : </nodes/kmsg && echo allowed; (: >/nodes/kmsg) || echo read-only'
	is "$output" $'allowed\nread-only'
	mrun delete -f c1
	no_unit mrun-c1.scope
}

test_pause_exec_ps_events_kill() {
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}'
	start c1 b $SD
	mrun exec -d c1 sleep 999
	is "$(mrun ps --format json c1 | jq length)" 2
	is "$(mrun events --stats c1 | jq .data.memory.usage.limit)" 33554432
	is "$(mrun list --format json | jq -r '.[0].status')" running
	mrun pause c1
	is "$(status_of c1)" paused
	mrun resume c1
	mrun kill --all c1 KILL
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	no_unit mrun-c1.scope
}

test_out_of_memory_leaves_no_failed_unit() {
	bundle b '"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"' '"memory": {"limit": 20971520, "swap": 20971520}'
	run mrun $SD run -b b c1
	is "$status" 137
	no_unit mrun-c1.scope
	# Nor while it waits for its delete.
	mrun $SD run -d -b b c1 </dev/null >log 2>&1 || true
	until_ok eval '[ "$(status_of c1)" = stopped ]'
	mrun delete c1
	no_unit mrun-c1.scope
	is "$(systemctl list-units --failed --no-legend 'mrun*')" ""
}

# systemd removes the cgroup of a scope when it is empty, with its count of what was killed, and may be
# faster than we are.
test_out_of_memory_is_said_when_the_cgroup_is_gone_already() {
	local how
	is_v2 || skip "v1's counts are of one cgroup each"
	bundle b '"sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; exec dd if=/dev/zero of=/dev/null bs=64M count=1"' \
		'"memory": {"limit": 20971520, "swap": 20971520}'
	for how in oom killed; do
		rm -f pid
		mrun $SD run -b b --pid-file pid c1 </dev/null >log 2>&1 &
		until_ok test -s pid
		CG=$(cgroup_of "$(<pid)")
		kill -STOP $!
		if [ $how = oom ]; then
			mrun exec c1 touch /tmp/go
		else
			kill -KILL "$(<pid)"
		fi
		until_ok test ! -e "$CG"
		kill -CONT $!
		status=0
		wait $! || status=$?
		is "$status" 137
		if [ $how = oom ]; then
			is "$(<log)" "mrun: container c1: killed: most likely out of memory (limit 20 MiB)"
		else
			is "$(<log)" ""
		fi
		no_unit mrun-c1.scope
	done
}

test_a_unit_of_that_name_that_is_anothers_is_left_alone() {
	systemd-run --quiet --scope --unit mrun-c1 sleep 1000 </dev/null >log 2>&1 &
	until_ok systemctl is-active mrun-c1.scope
	bundle b '"sleep", "1000"'
	run mrun $SD run -d -b b c1
	is "$status" 1
	like "$output" "*start unit mrun-c1.scope: *already*hint: *another container's*"
	is "$(property mrun-c1.scope ActiveState)" active
	is "$(mrun list -q)" ""
	# Not by a container either that died before its own unit was there.
	mkdir -p /run/mrun/c1
	chmod 711 /run/mrun
	jq -n '{id: "c1", bundle: "/b", owner: 0, newPidNamespace: false, cgroup: {id: "c1", layout: "v2",
		rootless: false, disabled: false, systemd: {unit: "mrun-c1.scope", slice: "system.slice", mark: "file:/run/mrun/c1", user: false},
		hierarchies: [{controllers: "", mount: "'"$CGROUP2"'", own: "/", path: "/system.slice/mrun-c1.scope", state: "planned"}]}}' \
		>/run/mrun/c1/state.json
	mrun delete --force c1
	[ ! -e /run/mrun/c1 ]
	is "$(property mrun-c1.scope ActiveState)" active
	systemctl stop mrun-c1.scope
	no_unit mrun-c1.scope
}

test_a_failed_unit_of_that_name_makes_way() {
	systemd-run --quiet --unit mrun-c1.scope --scope -p CollectMode=inactive true
	bundle b '"sleep", "1000"'
	start c1 b $SD
	mrun delete -f c1
	# And at once again, many times: the old unit may be just going.
	local i
	for i in 1 2 3; do
		start c1 b $SD
		mrun delete -f c1
	done
	no_unit mrun-c1.scope
}

test_a_slice_instead_of_a_scope() {
	CGPATH=a.slice:ignored:a-c1.slice bundle b '"sleep", "1000"' '"pids": {"limit": 20}'
	start c1 b $SD
	like "$(<"/proc/$PID/cgroup")" "*:/a.slice/a-c1.slice*"
	is "$(limit pids.max pids pids.max)" 20
	is "$(property a-c1.slice TasksMax)" 20
	mrun delete -f c1
	# Of slices every name is loaded.
	is "$(property a-c1.slice ActiveState)" inactive
	is "$(find /sys/fs/cgroup -name 'a-c1*')" ""
}

test_properties_that_systemd_refuses_are_named() {
	TOP='"annotations": {"org.systemd.property.NoSuchThing": "5"},' bundle b '"true"'
	run mrun $SD run -b b c1
	is "$status" 1
	like "$output" "mrun: start unit mrun-c1.scope: *NoSuchThing*"
	TOP='"annotations": {"org.systemd.property.CollectMode": "5"},' bundle b '"true"'
	run mrun $SD run -b b c1
	is "$status" 1
	like "$output" "mrun: start unit mrun-c1.scope: *"
	is "$(mrun list -q)" ""
	no_unit mrun-c1.scope
}

# At whatever moment mrun is killed, delete --force removes what there is.
test_a_killed_create_leaves_nothing_behind_after_delete() {
	local i pid
	bundle b '"sleep", "1000"' '"memory": {"limit": 33554432}'
	for i in 0.02 0.05 0.08 0.12 0.18 0.3; do
		mrun $SD create -b b c1 </dev/null >log 2>&1 &
		pid=$!
		nap "$i"
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		mrun delete --force c1
		is "$(mrun list -q)" ""
		no_unit mrun-c1.scope
		is "$(find /sys/fs/cgroup -name 'mrun-c1*')" ""
	done
}

test_many_at_once() {
	local i failed=''
	bundle b '"sleep", "1000"' '"pids": {"limit": 20}'
	for i in 1 2 3 4; do
		mrun $SD run -d -b b "c$i" </dev/null >"log$i" 2>&1 &
	done
	wait
	for i in 1 2 3 4; do
		[ "$(status_of "c$i")" = running ] || failed="$failed $(<"log$i")"
		is "$(property "mrun-c$i.scope" TasksMax)" 20
	done
	is "$failed" ""
	for i in 1 2 3 4; do mrun delete -f "c$i" & done
	wait
	for i in 1 2 3 4; do no_unit "mrun-c$i.scope"; done
}

test_the_container_may_manage_its_cgroup_when_it_is_delegated_to_it() {
	is_v2 || skip "v1 is not delegated"
	cp -r "$ROOTFS" rootfs
	chown -R 100000:100000 rootfs
	ROOTFS=$T/rootfs CGOPT=rw LINUX='"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
		"gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],' \
		bundle b '"sh", "-c", "mkdir /sys/fs/cgroup/sub && echo $$ >/sys/fs/cgroup/sub/cgroup.procs && echo moved; sleep 1000"'
	jq '.linux.namespaces += [{"type": "user"}]' b/config.json >c && mv c b/config.json
	start c1 b $SD
	until_ok grep -q moved c1.log
	is "$(<"$CG/sub/cgroup.procs")" "$PID"
	# exec goes where the first process is: a cgroup with children holds no processes itself.
	mrun exec c1 true
	mrun delete -f c1
	no_unit mrun-c1.scope
}

test_without_systemds_bus_daemon_its_own_socket_is_used() {
	bundle b '"sleep", "1000"'
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent start c1 b $SD
	# The bus may be gone for good when it is deleted: what is there is removed all the same.
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent mrun delete -f c1
	no_unit mrun-c1.scope
}

test_doctor_says_that_it_works() {
	HOME=/root run mrun doctor
	like "$output" "*ok       systemd          --systemd-cgroup works, with the system's manager (systemd 25*"
}
