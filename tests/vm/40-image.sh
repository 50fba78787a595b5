# Limits of `mrun IMAGE`: as root, and as a user whose manager has to be asked.
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016

# Images of root and of tester, made of the same root file system. (A tmpfs holds no overlay's upper
# directory before Linux 6.6.)
export XDG_DATA_HOME=/root/data XDG_CACHE_HOME=/root/cache
import() { # [RUNNER]
	[ ! -e "/tmp/imported.${1:-}" ] || return 0
	tar -C "$ROOTFS" -cf /tmp/rootfs.tar bin tmp root etc proc dev sys
	"$@" mrun import /tmp/rootfs.tar box >/dev/null && : >"/tmp/imported.${1:-}"
}
user() { # CMD…: with tester's own store
	cd /home/tester || return 1
	as-tester -E XDG_DATA_HOME=/home/tester/data -E XDG_CACHE_HOME=/home/tester/cache -- "$@"
}

test_root_every_limit() {
	import
	run mrun -m 20m --memory-swap 30m --pids-limit 20 --cpus 0.5 --cpu-shares 512 --cpuset-cpus 1 box sh -c 'cd /sys/fs/cgroup
		cat memory.max memory.swap.max pids.max cpu.max cpu.weight cpuset.cpus /proc/self/cgroup'
	is "$status" 0
	is "$output" $'20971520\n10485760\n20\n50000 100000\n59\n1\n0::/'
}

test_root_memory_and_pids_hold() {
	import
	run mrun -m 20m box dd if=/dev/zero of=/dev/null bs=64M count=1
	echo "$output"
	is "$status" 137
	like "$output" "mrun: container *: killed: out of memory (limit 20 MiB)"
	run mrun --pids-limit 10 box sh -c 'while :; do sleep 1000 & done'
	like "$output" "*can't fork: Resource temporarily unavailable*"
}

test_user_limits_hold() {
	import user
	# In a service of the user's that nobody delegated: systemd is asked for a scope.
	run user mrun -m 20m --pids-limit 20 --cpus 0.5 box sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max'
	is "$output" $'20971520\n20\n50000 100000'
	run user mrun -m 20m box dd if=/dev/zero of=/dev/null bs=64M count=1
	echo "$output"
	is "$status" 137
	like "$output" "mrun: container *: killed: *out of memory (limit 20 MiB)"
}

test_user_in_a_delegated_scope() {
	import user
	run user systemd-run --user --scope -q -p Delegate=yes mrun -m 20m --cpus 0.5 -v /sys/fs/cgroup:/host box sh -c '
		cd /sys/fs/cgroup; cat memory.max cpu.max; cd /host/user.slice/user-1000.slice/user@1000.service/app.slice/run-*.scope && ls -d [0-9a-f]*[0-9a-f]'
	echo "$output"
	like "$output" $'20971520\n50000 100000\n*[0-9a-f][0-9a-f][0-9a-f]*'
}
