#!/usr/bin/env bats
# `mrun features` tells the truth: whatever it lists works here when a config.json asks for it, and what
# it leaves out or says no to is refused by name.
# shellcheck disable=SC2030,SC2031 # bats: run sets output in the test it is called from
bats_require_minimum_version 1.5.0
load lib

setup() {
	lib_setup
	need_root
	ID=mrun-t$$-$RANDOM
	bundle b
	cp b/config.json base.json
	"$MRUN" features >features.json
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

lists() { # JQ-PATH
	jq -r "$1 | .[]" features.json
}
# The output of SCRIPT in a container with the configuration that JQ makes.
see() { # JQ SCRIPT
	jq "$1 | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$2" '$s')]" base.json >b/config.json
	"$MRUN" run --bundle b "$ID"
}
takes() { # JQ
	run -0 see "$1" 'echo taken'
	[ "$output" = taken ]
}
refuses() { # JQ BEGINNING
	run -1 see "$1" 'echo taken'
	[[ ${lines[0]} == *"mrun: "*"$2"* ]] || {
		echo "no '$2' in: $output"
		return 1
	}
}

@test "versions: from the smallest to the largest" {
	for version in "$(jq -r .ociVersionMin features.json)" "$(jq -r .ociVersionMax features.json)"; do
		takes ".ociVersion = \"$version\""
	done
	[ "$(jq -r .ociVersionMax features.json)" = "$("$MRUN" --version | sed -n 's/^spec: //p')" ]
}

@test "namespaces: each is a new one, and another name is refused" {
	ids='.linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	for ns in $(lists .linux.namespaces); do
		file=${ns/network/net}
		change=".linux.namespaces |= map(select(.type != \"$ns\"))"
		[ "$ns" != mount ] || continue # without it there is no /proc to look into
		outside=$(readlink "/proc/self/ns/${file/mount/mnt}")
		more=.
		[ "$ns" != user ] || more=$ids
		[ "$ns" != uts ] || change+=' | del(.hostname)'
		[ "$ns" = user ] || [ "$(see "$change" "readlink /proc/self/ns/$file")" = "$outside" ]
		inside=$(see "$change | $more | .linux.namespaces += [{type: \"$ns\"}]" "readlink /proc/self/ns/$file")
		[ -n "$inside" ]
		[ "$inside" != "$outside" ]
	done
	[ "$(see . 'readlink /proc/self/ns/mnt')" != "$(readlink /proc/self/ns/mnt)" ]
	refuses '.linux.namespaces += [{type: "syslog"}]' 'linux.namespaces['
	# All that the specification has.
	[ "$(lists .linux.namespaces | sort | tr '\n' ' ')" = "cgroup ipc mount network pid time user uts " ]
}

@test "capabilities: each by its name is one bit, and all of the kernel's are there" {
	[ "$(lists .linux.capabilities | wc -l)" -eq $(($(cat /proc/sys/kernel/cap_last_cap) + 1)) ]
	mine=$((16#$(awk '/^CapBnd/ { print $2 }' /proc/self/status)))
	bit=0
	for cap in $(lists .linux.capabilities); do
		jq ".process.capabilities = {bounding: [\"$cap\"]} | .process.args = [\"/bin/grep\", \"^CapBnd\", \"/proc/self/status\"]" \
			base.json >b/config.json
		run -0 "$MRUN" run --bundle b "$ID"
		[ $((16#${output#CapBnd:?})) -eq $((mine & (1 << bit))) ]
		bit=$((bit + 1))
	done
}

@test "hooks: each is run" {
	# The file is at the same path in the container, for startContainer.
	all=$(lists .hooks | jq -Rn '[inputs | {key: ., value: [{path: "/bin/sh", args: ["sh", "-c", "echo \(.) >>'"$T"'/hooks"]}]}] | from_entries')
	: >hooks
	see ".hooks = $all | .mounts += [{destination: \"$T/hooks\", source: \"$T/hooks\", options: [\"bind\"]}] | .root.readonly = false" true
	cat hooks
	[ "$(sort hooks)" = "$(lists .hooks | sort)" ]
}

# Which options /tmp then has (of the mount and of the file system), given the options.
tmp_options() { # OPTION…
	see ".mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"t\", options: $(jq -nc '$ARGS.positional' --args "$@")}]" \
		'grep " /tmp tmpfs\| /tmp " /proc/self/mountinfo' | awk '{ print $6 "," $NF "," }'
}

@test "mountOptions: each does what it says" {
	done=" "
	# OPTION as it shows in mountinfo, and its opposite.
	for pair in ro:rw nosuid:suid nodev:dev noexec:exec noatime:atime nodiratime:diratime nosymfollow:symfollow \
		sync:async dirsync: lazytime:nolazytime relatime: strictatime:nostrictatime; do
		on=${pair%:*} off=${pair#*:} shows=${pair%:*}
		case $on in
		strictatime)
			[[ ",$(tmp_options strictatime)" != *[,e]relatime,* ]]
			[[ ",$(tmp_options strictatime nostrictatime)" == *,relatime,* ]]
			;;
		*)
			[[ ",$(tmp_options "$on")" == *",$shows,"* ]]
			[ -z "$off" ] || [[ ",$(tmp_options "$on" "$off")" != *",$shows,"* ]]
			;;
		esac
		done+="$on $off "
	done
	# Recursive ones, on a bind mount with another below it.
	mkdir -p src/sub
	for pair in rro:rrw rnosuid:rsuid rnodev:rdev rnoexec:rexec rnoatime:ratime rnodiratime:rdiratime \
		rnosymfollow:rsymfollow rstrictatime:rnostrictatime rrelatime:rnorelatime; do
		on=${pair%:*} off=${pair#*:} shows=${on#r}
		for options in "\"$on\"" "\"$on\", \"$off\""; do
			jq ".mounts += [{destination: \"/mnt\", type: \"none\", source: \"$T/src\", options: [\"rbind\", $options]}] |
				.process.args = [\"/bin/grep\", \" /mnt\", \"/proc/self/mountinfo\"]" base.json >b/config.json
			run -0 unshare -m sh -c "mount -t tmpfs t '$T/src/sub' && exec '$MRUN' run --bundle b '$ID'"
			[ "${#lines[@]}" -eq 2 ]
			for line in "${lines[@]}"; do
				flags=,$(awk '{ print $6 }' <<<"$line"),
				case $options in
				'"rstrictatime"') [[ $flags != *,relatime,* && $flags != *,noatime,* ]] || return 1 ;;
				'"rstrictatime", '* | '"rrelatime"'*) [[ $flags == *,relatime,* ]] ;;
				*,*) [[ $flags != *",$shows,"* ]] ;;
				*) [[ $flags == *",$shows,"* ]] ;;
				esac || {
					echo "$options: $line"
					return 1
				}
			done
		done
		done+="$on $off "
	done
	# Propagation.
	for kind in shared slave private unbindable; do
		for r in '' r; do
			jq ".mounts += [{destination: \"/mnt\", type: \"none\", source: \"$T/src\", options: [\"rbind\", \"$r$kind\"]}] |
				.process.args = [\"/bin/grep\", \" /mnt\", \"/proc/self/mountinfo\"]" base.json >b/config.json
			run -0 unshare -m --propagation shared sh -c "mount -t tmpfs t '$T/src/sub' && exec '$MRUN' run --bundle b '$ID'"
			[ "${#lines[@]}" -eq 2 ]
			case $kind in
			shared) pattern=' shared:' ;;
			slave) pattern=' master:' ;;
			private) pattern=' - ' ;;
			unbindable) pattern=' unbindable ' ;;
			esac
			[[ ${lines[0]} == *"$pattern"* ]]
			[ -z "$r" ] || [[ ${lines[1]} == *"$pattern"* ]]
			[ "$kind" != private ] || [[ ${lines[0]} != *shared:* && ${lines[0]} != *master:* && ${lines[0]} != *unbindable* ]]
			done+="$r$kind "
		done
	done
	# bind, without what is below; rbind was above.
	jq ".mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\"]}] |
		.process.args = [\"/bin/grep\", \"-c\", \" /mnt\", \"/proc/self/mountinfo\"]" base.json >b/config.json
	run -0 unshare -m sh -c "mount -t tmpfs t '$T/src/sub' && exec '$MRUN' run --bundle b '$ID'"
	[ "$output" = 1 ]
	[[ "$(see '.mounts += [{destination: "/proc", type: "none", source: "proc", options: ["remount", "ro", "nosuid"]}]' \
		'grep " /proc proc\| /proc " /proc/self/mountinfo')" == *" ro,nosuid"* ]]
	[ "$(see '.mounts += [{destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"]}]' 'test -s /etc/passwd && echo copied')" = copied ]
	done+="bind rbind remount tmpcopyup "
	# Ids of a mount, and of all below it.
	mkdir -p ids/sub
	touch ids/f
	for option in idmap ridmap; do
		jq ".mounts += [{destination: \"/mnt\", source: \"$T/ids\", options: [\"rbind\", \"$option\"],
			uidMappings: [{containerID: 0, hostID: 77, size: 1}], gidMappings: [{containerID: 0, hostID: 78, size: 1}]}] |
			.process.args = [\"/bin/stat\", \"-c\", \"%u:%g\", \"/mnt/f\", \"/mnt/sub/g\"]" base.json >b/config.json
		run -0 unshare -m sh -c "mount -t tmpfs t '$T/ids/sub' && touch '$T/ids/sub/g' && exec '$MRUN' run --bundle b '$ID'"
		[ "${lines[0]}" = 77:78 ]
		[ "${lines[1]}" = "$([ $option = idmap ] && echo 0:0 || echo 77:78)" ]
		done+="$option "
	done
	# These cannot be seen on a tmpfs; they must be taken as options of the mount and not of the file system,
	# which knows none of them.
	for option in acl noacl defaults iversion noiversion loud silent mand nomand norelatime; do
		[[ "$(tmp_options "$option")" != *"$option"* || $option == mand ]]
		done+="$option "
	done
	# That was all of them, and these are all that runc and the specification's table have.
	for option in $(lists .mountOptions); do
		[[ $done == *" $option "* ]] || {
			echo "not tried: $option"
			return 1
		}
	done
	example=$ROOT/../shared/schema/runtime-spec/test/features/good/runc.json
	missing=$([ ! -e "$example" ] || jq -r '.mountOptions[]' "$example" | grep -vxFf <(lists .mountOptions) || true)
	[ -z "$missing" ]
}

@test "seccomp: each action, operator, flag and architecture can be asked for, no other" {
	rule='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: null, syscalls: [{names: ["getsid", "setdomainname"], action: "SCMP_ACT_ERRNO"}]}'
	for action in $(lists .linux.seccomp.actions); do
		change="$rule | .linux.seccomp.syscalls[0].action = \"$action\""
		if [ "$action" = SCMP_ACT_NOTIFY ]; then
			refuses "$change" linux.seccomp.listenerPath
			refuses "$change | .linux.seccomp.listenerPath = \"$T/none\"" "$T/none"
		else
			takes "$change"
		fi
	done
	for operator in $(lists .linux.seccomp.operators); do
		takes "$rule | .linux.seccomp.syscalls[0].args = [{index: 0, value: 1, valueTwo: 1, op: \"$operator\"}]"
	done
	for flag in $(lists .linux.seccomp.supportedFlags); do
		takes "$rule | .linux.seccomp.flags = [\"$flag\"]"
	done
	for arch in $(lists .linux.seccomp.archs); do
		# One of the other byte order does not go with the native one: libseccomp says so.
		run see "$rule | .linux.seccomp.architectures = [\"$arch\"]" 'echo taken'
		[ "$output" = taken ] || [[ $output == *"linux.seccomp.architectures[0]: add $arch: numerical argument out of domain"* ]]
	done
	[[ $(lists .linux.seccomp.archs) == *SCMP_ARCH_$(uname -m | tr '[:lower:]' '[:upper:]')* ]]
	# What the specification has besides.
	for flag in $(lists .linux.seccomp.knownFlags); do
		jq -e --arg f "$flag" '.linux.seccomp.supportedFlags | index($f)' features.json >/dev/null ||
			refuses "$rule | .linux.seccomp.flags = [\"$flag\"]" 'linux.seccomp.flags[0]: this kernel does not have'
	done
	keys=$ROOT/tests/schema/keys.txt
	for arch in $(sed -n 's/^linux.seccomp.architectures\[\] string=//p' "$keys" | tr '|' ' '); do
		jq -e --arg a "$arch" '.linux.seccomp.archs | index($a)' features.json >/dev/null ||
			refuses "$rule | .linux.seccomp.architectures = [\"$arch\"]" 'linux.seccomp.architectures[0]: unknown'
	done
	for list in 'flags[]:knownFlags' 'defaultAction:actions' 'syscalls[].args[].op:operators'; do
		[ "$(lists ".linux.seccomp.${list#*:}" | sort)" = \
			"$(awk -v k="linux.seccomp.${list%:*}" '$1 == k { sub("string=", "", $2); gsub(/\|/, "\n", $2); print $2 }' "$keys" | sort)" ]
	done
}

@test "cgroup: v1, v2 and rdma are there; systemd only if it says so" {
	jq -e '.linux.cgroup.v1 and .linux.cgroup.v2 and .linux.cgroup.rdma' features.json >/dev/null
	[[ "$(see . 'cat /proc/self/cgroup; echo; ls -d /sys/fs/cgroup/*')" == *"/$ID"* || -n "$(see . 'cat /proc/self/cgroup')" ]]
	jq ".linux.cgroupsPath = \"/mrun-$ID\"" base.json >b/config.json
	if [ "$(jq .linux.cgroup.systemd features.json)" = false ]; then
		run -1 "$MRUN" --systemd-cgroup run --bundle b "$ID"
		[[ $output == *systemd* ]]
		[ "$(jq .linux.cgroup.systemdUser features.json)" = false ]
	fi
}

@test "netDevices, intelRdt, memoryPolicy, idmap, apparmor, selinux: as it says" {
	enabled() { jq -e ".linux.$1.enabled" features.json >/dev/null; }
	enabled mountExtensions.idmap # tried above
	if enabled intelRdt; then
		run see '.linux.intelRdt = {closID: "mrun-none"}' 'echo taken'
		[[ $output != *"not supported"* ]]
	else
		refuses '.linux.intelRdt = {closID: "x"}' 'linux.intelRdt: not supported'
	fi
	if enabled netDevices; then
		need ip
		jq '.linux.netDevices = {mrundummy: {name: "inside"}} | .process.args = ["/bin/ls", "/sys/class/net"]' base.json >b/config.json
		run unshare -n sh -c "ip link add mrundummy type dummy || exit 77; exec '$MRUN' run --bundle b '$ID'"
		[ "$status" -eq 77 ] || [[ $status -eq 0 && $output == *inside* ]]
	else
		refuses '.linux.netDevices = {eth0: {}}' 'linux.netDevices: not supported'
	fi
	enabled memoryPolicy
	for mode in $(sed -n 's/^linux.memoryPolicy.mode string=//p' "$ROOT/tests/schema/keys.txt" | tr '|' ' '); do
		nodes='"0"'
		case $mode in MPOL_DEFAULT | MPOL_LOCAL) nodes='""' ;; esac
		run see ".linux.memoryPolicy = {mode: \"$mode\", nodes: $nodes}" 'echo taken'
		[ "$output" = taken ] || [[ $output == *"linux.memoryPolicy: set it: "* && ($mode == *WEIGHTED* || $mode == *MANY*) ]]
	done
	enabled apparmor
	[ -e /sys/module/apparmor ] || refuses '.process.apparmorProfile = "x"' process.apparmorProfile
	enabled selinux
	[ -e /sys/fs/selinux/enforce ] || refuses '.process.selinuxLabel = "x"' process.selinuxLabel
	[ -e /sys/fs/selinux/enforce ] || refuses '.linux.mountLabel = "x"' linux.mountLabel
}
