#!/usr/bin/env bats
# A sysctl's name or value smuggles in another one, of the host (CVE-2022-0811: kernel.core_pattern, and
# with it a program that the kernel runs as root), or a path.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

# What lies in the kernel's tree and is not to change: sentinel_list has core_pattern; this one is ours
# to lose.
host_values() {
	cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/domainname /proc/sys/kernel/panic
}

refused() { # KEY VALUE
	configure ".linux.sysctl = {$(jq -n --arg k "$1" '$k'): $(jq -n --arg v "$2" '$v')}"
	go
	[ "$status" -eq 1 ]
	[ ! -s "$T/out" ]
	[ "$before" = "$(host_values)" ]
	sentinel_same
}

@test "config.json: other names, paths, what belongs to no namespace" {
	before=$(host_values)
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/echo", "ran"] | .linux.namespaces |= (map(select(.type != "network")) + [{type: "network"}])'
		for key in kernel.core_pattern kernel/core_pattern kernel.panic vm.swappiness kernel.modprobe fs.suid_dumpable \
			net.ipv4.ip_default_ttl+kernel.core_pattern 'net.ipv4.ip_default_ttl kernel.core_pattern' \
			net/../kernel/core_pattern net....kernel.core_pattern net/ipv4/../../kernel/core_pattern \
			net.ipv4./proc/sys/kernel/core_pattern /proc/sys/kernel/core_pattern net. net '' . .. \
			kernel.shm_rmid_forced/../core_pattern kernel.msgmax.x kernel.hostname \
			net/ipv4//ip_default_ttl fs.mqueue../../kernel/core_pattern; do
			echo "as $WHO: '$key'"
			refused "$key" "|/bin/touch $HOST/open/ran"
		done
		refused $'net.ipv4.ip_default_ttl\nkernel.core_pattern' 65
		# A value is one file's, whatever is in it.
		configure '.linux.sysctl = {"net.ipv4.ip_default_ttl": "65\nkernel.core_pattern=|x"}'
		go
		[ "$before" = "$(host_values)" ]
		sentinel_same
		# The control: the namespace's own is set.
		configure '.linux.sysctl = {"net.ipv4.ip_default_ttl": "65"} | .process.args = ["/bin/cat", "/proc/sys/net/ipv4/ip_default_ttl"]'
		go
		[ "$(cat "$T/out")" = 65 ]
	done
}

@test "a namespace that is the host's, by not being there or by its path" {
	before=$(host_values)
	for WHO in $(roles); do of_host; done
}
of_host() {
	local kind key value
	hostile '.process.args = ["/bin/echo", "ran"]'
	# Should it be set after all, it is set to what it is.
	for kind in network:net ipc:ipc uts:uts; do
		case $kind in
		network:*) key=net.ipv4.ip_default_ttl ;;
		ipc:*) key=kernel.shm_rmid_forced ;;
		uts:*) key=kernel.domainname ;;
		esac
		value=$(cat "/proc/sys/${key//.//}")
		configure ".linux.namespaces |= map(select(.type != \"${kind%:*}\")) | del(.hostname)"
		refused "$key" "$value"
		grep -q "${kind%:*} namespace" "$T/err"
		configure ".linux.namespaces += [{type: \"${kind%:*}\", path: \"/proc/self/ns/${kind#*:}\"}]"
		refused "$key" "$value"
		grep -q "would change the host" "$T/err"
		configure ".linux.namespaces |= (map(select(.type != \"${kind%:*}\")) + [{type: \"${kind%:*}\"}])"
	done
}

@test "--sysctl" {
	before=$(host_values)
	hostile_image image
	for WHO in $(roles); do
		for s in 'kernel.core_pattern=x' 'net.ipv4.ip_default_ttl+kernel.core_pattern=1' 'net/../kernel/core_pattern=x' 'x' '=x'; do
			run -125 m --sysctl "$s" "$IMAGE" true
		done
		run -125 m --network host --sysctl "net.ipv4.ip_default_ttl=$(cat /proc/sys/net/ipv4/ip_default_ttl)" "$IMAGE" true
		[ "$before" = "$(host_values)" ]
		sentinel_same
	done
}
