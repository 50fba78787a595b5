# A user's plain login: a session's scope, in which nothing may be changed. Limits come from the user's
# own systemd all the same. (Run as root, who logs tester in.)
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016

MANAGER=/user.slice/user-1000.slice/user@1000.service

# SCRIPT in a session of tester's, with a store and a cache on a disk (a tmpfs holds no overlay before
# Linux 6.6).
login() { # SCRIPT
	install -d -o tester "$T/home" /home/tester/store
	printf '%s\n' 'export PATH='"$PATH"' T='"$T"' CGROUP2=/sys/fs/cgroup LABEL=x' '. /share/tests/vm/lib.bash' \
		'cd "$T/home" || exit; export XDG_DATA_HOME=~/store/data XDG_CACHE_HOME=~/store/cache' "$1" >script
	chmod 755 "$T"
	# Not busybox's, which makes no session.
	/bin/su -l tester -c "bash $T/script"
}

image='tar -C "$ROOTFS" -c bin | mrun import - base >/dev/null'
clean='mrun rmi base >/dev/null; mrun prune --all >/dev/null; systemctl --user list-units --all --no-legend "mrun*"'

test_limits_in_image_mode_just_work() {
	run login "$image"'
		grep -q /session- /proc/self/cgroup || echo "no session of its own"
		mrun -m 64m --pids-limit 33 base sh -c "cd /sys/fs/cgroup; cat memory.max pids.max"
		mrun -m 20m base dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?
		mrun base true; echo $?
		'"$clean"
	is "$output" "67108864
33
137
0"
}

test_create_exec_update_delete_across_sessions() {
	run login 'bundle b "\"sleep\", \"1000\"" "\"memory\": {\"limit\": 33554432}"
		mrun --systemd-cgroup run -d -b b --pid-file pid c1 </dev/null >log 2>&1 || cat log
		cat "/proc/$(<pid)/cgroup"'
	is "$output" "0::$MANAGER/user.slice/mrun-c1.scope"
	# The new process has to get into the container's cgroup from another session's.
	run login 'mrun exec c1 sh -c "cat /proc/self/cgroup"; mrun exec -d c1 sleep 999
		mrun ps --format json c1 | jq length; mrun update --memory 64m c1; cat /sys/fs/cgroup'$MANAGER'/user.slice/mrun-c1.scope/memory.max
		mrun delete -f c1; systemctl --user list-units --all --no-legend "mrun*"'
	is "$output" "0::/
2
67108864"
}

test_without_a_bus_the_managers_own_socket_is_used() {
	run login "$image"'
		export DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent
		mrun --systemd-cgroup -m 64m base cat /sys/fs/cgroup/memory.max
		'"$clean"
	is "$output" 67108864
}

test_doctor_knows_that_way() {
	run login 'mrun doctor'
	like "$output" "*ok       cgroups          v2, made by your own systemd, with all controllers*"
	like "$output" "*ok       systemd          --systemd-cgroup works, with your own manager*"
}
