#!/usr/bin/env bats
# config.json field by field, by what the program in the container sees (runtime-spec config.md,
# config-linux.md).
# shellcheck disable=SC2016 # programs for other shells
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	need_root
	ID=mrun-t$$-$RANDOM
	bundle b
	cp b/config.json base.json
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	[ -z "${HELD:-}" ] || kill "$HELD" 2>/dev/null
	lib_teardown
}

# The output of SCRIPT in a container with the configuration that JQ makes.
see() { # JQ SCRIPT
	jq "$1 | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$2" '$s')]" base.json >b/config.json
	"$MRUN" run --bundle b "$ID"
}
refuses() { # JQ TEXT
	run -1 see "$1" 'echo ran'
	[[ $output != *ran* ]]
	[[ $output == *"$2"* ]] || {
		echo "no '$2' in: $output"
		return 1
	}
}

@test "ociVersion: 1.x is taken, others are refused" {
	[ "$(see '.ociVersion = "1.0.2"' 'echo ran')" = ran ]
	[ "$(see '.ociVersion = "1.99.0-rc.1"' 'echo ran')" = ran ]
	refuses '.ociVersion = "2.0.0"' ociVersion
	refuses '.ociVersion = "one"' ociVersion
	# SemVer 2.0.0, and nothing that only looks like it.
	for v in 1.0.2-dev 1.3.0-rc.1+b.02 1.0.0+1; do
		[ "$(see ".ociVersion = \"$v\"" 'echo ran')" = ran ]
	done
	for v in 1 1.0 1.0. 1.0.0.0 v1.0.0 01.0.0 1.0.00 1..0 1.x.0 '1.0.0 ' 1.0.0- 1.0.0+ 1.0.0-01 1.0.0-a..b 1.0.0+a+b ''; do
		refuses ".ociVersion = \"$v\"" "ociVersion: '$v' is not a version"
	done
	for v in 0.9.0 10.0.0 2.0.0-rc1; do
		refuses ".ociVersion = \"$v\"" "ociVersion: version $v is not supported"
	done
	refuses 'del(.ociVersion)' 'ociVersion: required'
}

@test "process: user, groups, umask, cwd, env" {
	[ "$(see '.process.user = {uid: 7, gid: 8, additionalGids: [9, 10], umask: 7}' 'id -u; id -g; id -G; umask' | tr '\n' ' ')" = \
		"7 8 8 9 10 0007 " ]
	[ "$(see '.root.readonly = false | .process.cwd = "/new/dir"' pwd)" = /new/dir ]
	[ "$(see '.process.env += ["A=1 2"] | .process.user.uid = 1' 'echo "$A $HOME"')" = \
		"1 2 $(awk -F: '$3 == 1 { print $6 }' b/rootfs/etc/passwd)" ]
	# Of two values the last one counts, and an empty HOME is none.
	[ "$(see '.process.env += ["A=1", "B=", "A=2", "HOME="]' 'env | grep "^[AB]="; echo "$HOME"' | tr '\n' ' ')" = "A=2 B= /root " ]
	refuses '.process.cwd = "x"' process.cwd
	refuses '.process.env += ["x"]' 'process.env[2]'
}

@test "process: a working directory outside the root is refused (CVE-2024-21626)" {
	for n in 3 4 5 6 7 8 9 10 11 12; do
		jq ".process.cwd = \"/proc/self/fd/$n\" | .process.args = [\"/bin/cat\", \"../../../../etc/hostname\"]" base.json >b/config.json
		run "$MRUN" run --bundle b "$ID"
		[ "$status" -ne 0 ]
	done
}

@test "process: capabilities, the five sets" {
	sets='.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], inheritable: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]} | .process.noNewPrivileges = false'
	[ "$(see "$sets | .process.user.uid = 5" 'grep ^Cap /proc/self/status' | awk '{print $2}' | sed 's/^0*/0/' | tr '\n' ' ')" = "01 01 01 021 01 " ]
	# None are given: none there are.
	[ "$(see 'del(.process.capabilities)' 'grep ^Cap /proc/self/status' | awk '{print $2}' | sort -u)" = 0000000000000000 ]
	# Unknown ones, and ambient ones that cannot be, are warnings (config.md).
	see '.process.capabilities.bounding = ["CAP_NONSENSE"] | .process.capabilities.ambient = ["CAP_KILL"]' true
	run -0 --separate-stderr "$MRUN" --log log.json --log-format json run --bundle b "$ID"
	[ -z "$stderr" ]
	[ "$(jq -r 'select(.level == "warning") | .msg' log.json | grep -c "process.capabilities.bounding\[0\]\|ambient")" -eq 2 ]
	# What the kernel does not raise either is a warning, and not a line among the program's own.
	see "$sets" true
	rm log.json
	command -v capsh >/dev/null || skip "capsh (libcap2-bin) is not installed"
	# 64: SECBIT_NO_CAP_AMBIENT_RAISE.
	run -0 --separate-stderr capsh --secbits=64 -- -c "exec '$MRUN' --log log.json --log-format json run --bundle b $ID"
	[ -z "$stderr" ]
	jq -e 'select(.level == "warning") | .msg == "ambient capability CAP_CHOWN cannot be raised"' log.json
}

@test "process: noNewPrivileges, rlimits, oomScoreAdj" {
	[ "$(see . 'grep NoNewPrivs /proc/self/status | cut -f2')" = 1 ]
	[ "$(see '.process.noNewPrivileges = false' 'grep NoNewPrivs /proc/self/status | cut -f2')" = 0 ]
	[ "$(see '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 99, hard: 100}, {type: "RLIMIT_CORE", soft: 0, hard: 0}]' 'ulimit -Sn; ulimit -Hn; ulimit -c' | tr '\n' ' ')" = "99 100 0 " ]
	[ "$(see '.process.oomScoreAdj = 321' 'cat /proc/self/oom_score_adj')" = 321 ]
	# Also where the first process becomes another user.
	[ "$(see '.process.oomScoreAdj = 322 | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings' 'cat /proc/self/oom_score_adj')" = 322 ]
	refuses '.process.rlimits = [{type: "RLIMIT_X", soft: 1, hard: 1}]' 'process.rlimits[0].type'
	refuses '.process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}]' 'process.rlimits[0]'
	refuses '.process.rlimits = [{type: "RLIMIT_CORE", soft: 1, hard: 1}, {type: "RLIMIT_CORE", soft: 1, hard: 1}]' 'process.rlimits[1].type: RLIMIT_CORE is given twice'
	# A hard limit that cannot be raised is an error, but not that of locked memory.
	drop() { setpriv --bounding-set -sys_resource --inh-caps -all prlimit --nofile=100:100 --memlock=65536:65536 "$@"; }
	jq '.process.args = ["/bin/sh", "-c", "ulimit -l"] | .process.rlimits = [{type: "RLIMIT_MEMLOCK", soft: 1048576, hard: 1048576}]' base.json >b/config.json
	[ "$(drop "$MRUN" run --bundle b "$ID")" = 64 ]
	jq '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 101, hard: 101}]' base.json >b/config.json
	run -1 drop "$MRUN" run --bundle b "$ID"
	[[ $output == *"process.rlimits[0]: set RLIMIT_NOFILE to 101"*"hint: raising a hard limit needs CAP_SYS_RESOURCE"* ]]
}

@test "process: scheduler, ioPriority, personality, memoryPolicy" {
	[ "$(see '.process.scheduler = {policy: "SCHED_BATCH", nice: 5}' 'cut -d" " -f19,41 /proc/self/stat')" = "5 3" ]
	[[ "$(see '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE"}' 'ionice -p $$')" == *idle* ]]
	[ "$(see '.linux.personality = {domain: "LINUX32"}' 'uname -m')" = i686 ]
	refuses '.process.scheduler = {policy: "SCHED_X"}' process.scheduler.policy
	[ "$(see '.process.scheduler = {policy: "SCHED_OTHER", nice: -3}' 'cut -d" " -f19,41 /proc/self/stat')" = "-3 0" ]
	[ "$(see '.process.scheduler = {policy: "SCHED_IDLE"}' 'cut -d" " -f41 /proc/self/stat')" = 5 ]
	deadline='.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 10000000, period: 10000000'
	if chrt -d -T 1000000 -D 10000000 -P 10000000 0 true; then
		[ "$(see "$deadline, flags: [\"SCHED_FLAG_RECLAIM\"]}" 'cut -d" " -f41 /proc/self/stat')" = 6 ]
	fi
	# The kernel says "invalid argument" to all of these.
	refuses '.process.scheduler = {policy: "SCHED_OTHER", nice: 20}' 'process.scheduler.nice: 20'
	refuses '.process.scheduler = {policy: "SCHED_OTHER", priority: 1}' 'process.scheduler.priority: only for'
	refuses '.process.scheduler = {policy: "SCHED_FIFO"}' 'process.scheduler.priority: 0'
	refuses '.process.scheduler = {policy: "SCHED_RR", priority: 100}' 'process.scheduler.priority: 100'
	refuses '.process.scheduler = {policy: "SCHED_ISO"}' process.scheduler.policy
	refuses '.process.scheduler = {policy: "SCHED_DEADLINE"}' 'process.scheduler.runtime: 0'
	refuses "$deadline, flags: []} | .process.scheduler.runtime = 20000000" 'process.scheduler.deadline: runtime <= deadline'
	refuses "$deadline, flags: []} | .process.scheduler.period = 9000000" 'process.scheduler.period: runtime <= deadline'
	[[ "$(see '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 7}' 'ionice -p $$')" == *"best-effort: prio 7"* ]]
	refuses '.linux.personality = {domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"]}' 'linux.personality.flags[0]'
	refuses '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 9}' process.ioPriority.priority
	refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0-"}' linux.memoryPolicy.nodes
	if [ -e /proc/self/numa_maps ]; then
		policy() { see ".linux.memoryPolicy = $1" 'head -n 1 /proc/self/numa_maps | cut -d " " -f2'; }
		[ "$(policy '{mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]}')" = bind=static:0 ]
		[ "$(policy '{mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_RELATIVE_NODES"]}')" = bind=relative:0 ]
		[ "$(policy '{mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_NUMA_BALANCING"]}')" = bind=balancing:0 ]
		[ "$(policy '{mode: "MPOL_DEFAULT"}')" = default ]
		[ "$(policy '{mode: "MPOL_PREFERRED", nodes: "0"}')" = prefer:0 ]
		[ "$(policy '{mode: "MPOL_PREFERRED"}')" = local ]
		[ "$(policy '{mode: "MPOL_INTERLEAVE", nodes: "0-0"}')" = interleave:0 ]
		[ "$(policy '{mode: "MPOL_LOCAL"}')" = local ]
		# Newer kernels only.
		for mode in PREFERRED_MANY WEIGHTED_INTERLEAVE; do
			run policy "{mode: \"MPOL_$mode\", nodes: \"0\"}"
			[ "$status" -eq 0 ] || [[ $output == *"linux.memoryPolicy: set it: "*hint:* ]]
		done
		refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "1000"}' 'hint: are the nodes there'
	fi
	refuses '.linux.memoryPolicy = {mode: "MPOL_BIND"}' 'linux.memoryPolicy.nodes: the mode needs some'
	refuses '.linux.memoryPolicy = {mode: "MPOL_LOCAL", nodes: "0"}' 'linux.memoryPolicy.nodes: MPOL_LOCAL has none'
	refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}' linux.memoryPolicy.flags
}

@test "a passwd with /dev/null over it is an empty one" {
	for edit in '.linux.maskedPaths += ["/etc/passwd"]' \
		'.mounts += [{destination: "/etc/passwd", type: "bind", source: "/dev/null", options: ["bind"]}]'; do
		[ "$(see "$edit"' | .process.env = ["PATH=/bin"]' 'echo $HOME; cat /etc/passwd')" = / ]
	done
}

@test "hostname and domainname, and their namespace" {
	[ "$(see '.hostname = "h1" | .domainname = "d1"' 'hostname; cat /proc/sys/kernel/domainname' | tr '\n' ' ')" = "h1 d1 " ]
	refuses '.linux.namespaces |= map(select(.type != "uts"))' hostname
}

@test "root: readonly and writable" {
	run -1 see . 'touch /x'
	[ "$(see '.root.readonly = false' 'touch /x && echo ok')" = ok ]
	refuses '.root.path = "none"' root.path
}

@test "mounts: bind, ro, rbind, propagation, options of the file system" {
	mkdir src
	echo file >src/f
	[ "$(see ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/src\", options: [\"rbind\", \"ro\"]}]" 'cat /mnt/f; touch /mnt/x 2>/dev/null || echo ro' | tr '\n' ' ')" = "file ro " ]
	[ "$(see ".root.readonly = false | .mounts += [{destination: \"/etc/one\", source: \"$T/src/f\", options: [\"bind\"]}]" 'cat /etc/one')" = file ]
	[[ "$(see '.mounts += [{destination: "/tmp", type: "tmpfs", source: "x", options: ["size=8k", "noexec", "nodev", "noatime"]}]' 'grep " /tmp " /proc/self/mountinfo')" == *"nodev,noexec,noatime"*"size=8k"* ]]
	[[ "$(see ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/src\", options: [\"bind\", \"rshared\"]}]" 'grep " /mnt " /proc/self/mountinfo')" == *shared:* ]]
	# A destination that is not absolute is below the root.
	[ "$(see '.mounts += [{destination: "mnt/../tmp", type: "tmpfs", source: "x", options: ["mode=700"]}]' 'stat -c %a /tmp')" = 700 ]
	refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/none\", options: [\"bind\"]}]" "$T/none"
	refuses '.mounts += [{destination: "/tmp", type: "tmpfs", options: ["nonsense=1"]}]' /tmp
	refuses '.mounts += [{destination: "/tmp", type: "nosuchfs"}]' nosuchfs
}

@test "mounts: rro and rnoexec reach mounts below" {
	need_root
	mkdir -p src/sub
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount -t tmpfs t "$1/src/sub" && exec "$2" run --bundle "$1/b" "$3"' sh "$T" true x 2>/dev/null || true
	jq ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/src\", options: [\"rbind\", \"rro\", \"rnosuid\"]}] |
		.process.args = [\"/bin/sh\", \"-c\", \"grep ' /mnt' /proc/self/mountinfo\"]" base.json >b/config.json
	run -0 unshare -m sh -c "mount -t tmpfs t '$T/src/sub' && '$MRUN' run --bundle b '$ID'"
	[ "$(grep -c 'ro,nosuid' <<<"$output")" -eq 2 ]
}

@test "mounts: tmpcopyup, and the mode of the directory that a tmpfs covers" {
	[ "$(see '.mounts += [{destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"]}]' 'touch /etc/new && wc -l </etc/passwd')" = "$(wc -l <b/rootfs/etc/passwd)" ]
	[ "$(see '.mounts += [{destination: "/root", type: "tmpfs", source: "t"}]' 'stat -c %a /root')" = "$(stat -c %a b/rootfs/root)" ]
}

@test "mounts: a read-only tmpfs is filled before it is read-only" {
	[ "$(see '.mounts |= map(if .destination == "/dev" then .options += ["ro"] else . end)' 'ls /dev/null /dev/pts/ptmx; touch /dev/x 2>&1' | tr '\n' ' ')" = \
		"/dev/null /dev/pts/ptmx touch: /dev/x: Read-only file system " ]
	mkdir src
	[ "$(see '.mounts += [{destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup", "ro"]},
		{destination: "/etc/sub/dir", source: "'"$T"'/src", options: ["bind"]}]' 'grep -c ^root: /etc/passwd; touch /etc/sub/dir/x && ls /etc/sub/dir; touch /etc/x 2>&1' | tr '\n' ' ')" = \
		"1 x touch: /etc/x: Read-only file system " ]
}

@test "mounts: a link in the image as target stays inside, a dangling one is made" {
	mkdir src host
	echo secret >host/secret
	ln -s /../../../../../../../../.."$T"/host b/rootfs/link
	ln -s /made/here b/rootfs/dangling
	[ "$(see ".root.readonly = false | .mounts += [{destination: \"/link\", type: \"tmpfs\", source: \"t\"}, {destination: \"/dangling\", type: \"tmpfs\", source: \"t\"}]" \
		'touch /link/x /dangling/y; ls /made/here')" = y ]
	[ "$(ls host)" = secret ]
}

@test "mounts: a file on a directory and a directory on a file are named, in docker's words" {
	mkdir dir
	touch file
	refuses ".mounts += [{destination: \"/etc\", type: \"bind\", source: \"$T/file\", options: [\"bind\"]}]" \
		"mount /etc from $T/file: not a directory"
	refuses ".mounts += [{destination: \"/etc/passwd\", type: \"bind\", source: \"$T/dir\", options: [\"bind\"]}]" \
		"mount /etc/passwd: open /etc/passwd in the container's root: not a directory"
}

@test "mounts: idmap, with the mount's own mapping" {
	need_root
	mkdir src
	chown 0:0 src
	touch src/f
	[ "$(see ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/src\", options: [\"bind\"],
		uidMappings: [{containerID: 0, hostID: 1234, size: 1}], gidMappings: [{containerID: 0, hostID: 1234, size: 1}]}]" 'stat -c %u:%g /mnt/f')" = 1234:1234 ]
}

@test "mounts: options that would have no effect are refused" {
	mkdir src
	bind="destination: \"/mnt\", type: \"bind\", source: \"$T/src\""
	map='[{containerID: 0, hostID: 77, size: 5}]'
	refuses ".mounts += [{$bind, options: [\"bind\", \"size=4k\", \"x\"]}]" "mounts[7].options: 'size=4k,x' is none that a bind mount has"
	# But for words to podman and buildah, which these leave there (for a tmpfs they are none).
	[[ "$(see ".mounts += [{$bind, options: [\"bind\", \"z\", \"Z\", \"ro\", \"U\", \"copy\", \"nocopy\"]}]" 'grep " /mnt " /proc/self/mountinfo')" == *" /mnt ro,"* ]]
	refuses ".mounts += [{$bind, options: [\"bind\", \"z\", \"zz\", \"copy\"]}]" "mounts[7].options: 'zz' is none that a bind mount has"
	refuses '.mounts += [{destination: "/mnt", type: "tmpfs", source: "t", options: ["z"]}]' 'mount /mnt'
	refuses ".mounts += [{$bind, options: [\"bind\", \"tmpcopyup\"]}]" 'mounts[7].options: tmpcopyup is for a tmpfs'
	refuses '.mounts += [{destination: "/mnt", type: "proc", source: "p", options: ["tmpcopyup"]}]' 'mounts[7].options: tmpcopyup is for a tmpfs'
	refuses ".mounts += [{destination: \"/mnt\", type: \"tmpfs\", source: \"t\", uidMappings: $map, gidMappings: $map}]" 'mounts[7].uidMappings: only for bind mounts'
	refuses '.mounts += [{destination: "/mnt", type: "tmpfs", source: "t", options: ["idmap"]}]' 'mounts[7].options: idmap is for bind mounts'
	refuses ".mounts += [{$bind, options: [\"bind\", \"ridmap\"]}]" 'mounts[7].options: idmap needs a mapping'
	refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"/proc\", options: [\"rbind\"], uidMappings: $map, gidMappings: $map}]" 'hint: this file system cannot be id-mapped'
}

@test "id mappings that the kernel would not take are named" {
	user='.linux.namespaces += [{type: "user"}]'
	map='[{containerID: 0, hostID: 100000, size: 65536}]'
	bad() { # MAPPINGS MESSAGE
		refuses "$user | .linux.uidMappings = $1 | .linux.gidMappings = $map" "linux.uidMappings$2"
		refuses "$user | .linux.uidMappings = $map | .linux.gidMappings = $1" "linux.gidMappings$2"
		refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T\", options: [\"bind\"], uidMappings: $map, gidMappings: $1}]" \
			"mounts[7].gidMappings$2"
	}
	bad '[{containerID: 0, hostID: 1000, size: 0}]' '[0].size: 0'
	bad '[{containerID: 0, hostID: 100000, size: 5}, {containerID: 4, hostID: 200000, size: 1}]' '[1]: overlaps'
	bad '[{containerID: 0, hostID: 100000, size: 5}, {containerID: 5, hostID: 99999, size: 2}]' '[1]: overlaps'
	bad '[{containerID: 0, hostID: 4294967290, size: 6}]' '[0]: goes beyond'
	bad '[range(341) | {containerID: ., hostID: ., size: 1}]' ': 341 are more than'
}

@test "linux: masked and read-only paths" {
	[ "$(see '.linux.maskedPaths = ["/etc/passwd", "/none", "/etc/passwd", "/root"] | .root.readonly = false' 'cat /etc/passwd | wc -c; ls -A /root | wc -l; grep -c " /etc/passwd " /proc/self/mountinfo' | tr '\n' ' ')" = "0 0 1 " ]
	# What covers a file is the host's /dev/null: not for the container to change.
	run -1 see '.linux.maskedPaths = ["/etc/passwd"] | .process.capabilities |= map_values(. + ["CAP_FOWNER", "CAP_CHOWN"])' \
		'echo x >/etc/passwd && chmod 666 /etc/passwd'
	[[ $output == *"ead-only file system"* ]]
	run -1 see '.root.readonly = false | .linux.readonlyPaths = ["/etc"]' 'touch /etc/x'
	refuses '.linux.maskedPaths = ["x"]' 'linux.maskedPaths[0]'
}

@test "without a mount namespace: what would need one is refused by name" {
	none='.linux.namespaces |= map(select(.type != "mount")) | .mounts = [] | .root.readonly = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	[ "$(see "$none" 'echo ran')" = ran ]
	refuses "$none | .mounts = [{destination: \"/mnt\", type: \"tmpfs\", source: \"t\"}]" 'mounts: needs a mount namespace'
	refuses "$none | .root.readonly = true" 'root.readonly: needs a mount namespace'
	refuses "$none | .linux.maskedPaths = [\"/x\"]" 'linux.maskedPaths: needs a mount namespace'
	refuses "$none | .linux.readonlyPaths = [\"/x\"]" 'linux.readonlyPaths: needs a mount namespace'
	refuses "$none | .linux.rootfsPropagation = \"private\"" 'linux.rootfsPropagation: needs a mount namespace'
	refuses "$none | .linux.devices = [{path: \"/dev/x\", type: \"p\"}]" 'linux.devices: needs a mount namespace'
	refuses "$none | .process.terminal = true" 'process.terminal: needs a mount namespace'
}

# (runc mounts all of it in there, and makes the root of whose namespace it is the container's.)
@test "a mount namespace joined by path is another's: nothing is mounted in it, what would need it is refused" {
	unshare --mount --propagation private bash -c 'mount -t tmpfs held /mnt && echo "$1" >/mnt/f && echo ready >held && exec sleep 100' - "$T" 3>&- &
	HELD=$!
	for _ in {1..100}; do [ ! -s held ] || break; sleep 0.05; done
	cp "/proc/$HELD/mountinfo" before
	joined=".linux.namespaces |= map(if .type == \"mount\" then .path = \"/proc/$HELD/ns/mnt\" else . end)"
	none="$joined | .mounts = [] | .root.readonly = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []"
	refuses "$joined" 'mounts: needs a mount namespace in linux.namespaces, without a path'
	refuses "$none | .root.readonly = true" 'root.readonly: needs a mount namespace'
	refuses "$none | .linux.maskedPaths = [\"/x\"]" 'linux.maskedPaths: needs a mount namespace'
	refuses "$none | .linux.readonlyPaths = [\"/x\"]" 'linux.readonlyPaths: needs a mount namespace'
	refuses "$none | .linux.rootfsPropagation = \"slave\"" 'linux.rootfsPropagation: needs a mount namespace'
	refuses "$none | .linux.devices = [{path: \"/dev/x\", type: \"p\"}]" 'linux.devices: needs a mount namespace'
	refuses "$none | .process.terminal = true" 'process.terminal: needs a mount namespace'
	# Without any: it is in there, below its own root, as the mounts in there show it.
	[ "$(see "$none | .root.path = \"/\"" 'readlink /proc/self/ns/mnt; cat /mnt/f')" = "$(readlink /proc/$HELD/ns/mnt)
$T" ]
	[ "$(see "$none" "[ -x /bin/ls ] && [ ! -e /proc/1 ] && echo own root")" = "own root" ]
	diff before "/proc/$HELD/mountinfo"
	[ -e "/proc/$HELD/root/mnt/f" ]
}

@test "the host's own /dev/null is out of reach: standard streams, masked files" {
	mkdir out
	cat >out/look <<-'END'
		exec 3>/mnt/$1
		# Root in here is root outside, and this is the mode that it has anyway.
		for fd in 0 1 2; do
			chmod 666 /proc/self/fd/$fd || echo "no chmod" >&3
		done
		chmod 666 /proc/keys || echo "no chmod" >&3
		[ -z "$(cat /proc/keys)" ] && echo x >/proc/keys && echo null >&3
	END
	jq --arg t "$T" '.linux.maskedPaths = ["/proc/keys"] | .process.args = ["/bin/sh", "-c", "sh /mnt/look run; exec sleep 1000"]
		| .mounts += [{destination: "/mnt", type: "bind", source: "\($t)/out", options: ["rbind"]}]' base.json >b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >/dev/null 2>&1
	"$MRUN" exec "$ID" sh /mnt/look exec </dev/null >/dev/null 2>&1
	for _ in {1..100}; do ! grep -q null out/run || break; sleep 0.1; done
	for how in run exec; do
		[ "$(tr '\n' ' ' <out/$how)" = "no chmod no chmod no chmod no chmod null " ] || {
			head -20 out/run out/exec
			false
		}
	done
}

@test "linux: sysctl, only of the container's own namespaces" {
	[ "$(see '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "4096", "fs/mqueue/msg_max": "5"}' \
		'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max' | tr '\n' ' ')" = "1 4096 5 " ]
	refuses '.linux.sysctl = {"kernel.core_pattern": "|x"}' kernel.core_pattern
	refuses '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))' network
	refuses '.linux.sysctl = {"kernel.shm_rmid_forced=1+kernel.core_pattern": "x"}' linux.sysctl
	refuses '.linux.sysctl = {"net/../kernel/core_pattern": "x"}' linux.sysctl
}

@test "linux: devices" {
	need_root
	[ "$(see '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 384, uid: 3, gid: 4}, {path: "/dev/d/pipe", type: "p"}]' \
		'stat -c "%t:%T %a %u %g" /dev/mine; test -p /dev/d/pipe && echo pipe; ls /dev | tr "\n" " "' | head -n 2 | tr '\n' ' ')" = "1:5 600 3 4 pipe " ]
	# /dev/core is there where the kernel has a /proc/kcore.
	[ "$(see . 'ls /dev | grep -v core | tr "\n" " "')" = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero " ]
	refuses '.linux.devices = [{path: "dev/x", type: "c", major: 1, minor: 5}]' 'linux.devices[0].path'
	refuses '.linux.devices = [{path: "/dev/x", type: "q", major: 1, minor: 5}]' 'linux.devices[0].type'
	refuses '.linux.devices = [{path: "/dev/x", type: "c"}]' 'linux.devices[0]'
	# Something else is there.
	for path in /etc/passwd /etc; do
		refuses ".linux.devices = [{path: \"$path\", type: \"c\", major: 1, minor: 5}]" "linux.devices[0]: make the device $path: file exists"
	done
}

@test "linux: a bundle that says nothing of devices may use the default ones only" {
	local none
	for none in 'del(.linux.resources)' '.linux.resources = {pids: {limit: 100}}'; do
		run see "$none | .linux.devices = [{path: \"/dev/b\", type: \"c\", major: 10, minor: 183, fileMode: 438}]" \
			'head -c 1 /dev/zero | wc -c; head -c 1 /dev/b'
		[ "${lines[0]}" -eq 1 ]
		[[ $output == *"/dev/b"*"Operation not permitted"* ]]
	done
	[[ "$(see '.linux.resources.devices = [{allow: true, access: "rwm"}] | .linux.devices = [{path: "/dev/b", type: "c", major: 10, minor: 183, fileMode: 438}]' \
		'head -c 1 /dev/b 2>&1 >/dev/null; echo ran')" != *"not permitted"* ]]
}

@test "linux: a user namespace with its mapping" {
	need_root
	map='[{containerID: 0, hostID: 500000, size: 1000}]'
	chown -R 500000:500000 b/rootfs
	chmod 711 . b
	[ "$(see ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = $map | .linux.gidMappings = $map" 'id -u; awk "{print \$1, \$2, \$3}" /proc/self/uid_map; stat -c %u:%g /bin /dev/mqueue' | tr '\n' ' ')" = "0 0 500000 1000 0:0 0:0 " ]
	refuses '.linux.namespaces += [{type: "user"}]' uidMappings
	refuses ".linux.uidMappings = $map" uidMappings
}

@test "linux: namespaces joined by path" {
	need_root
	unshare --net --uts --ipc sleep 100 3>&- &
	HELD=$!
	sleep 0.3
	for ns in net uts ipc; do
		type=$ns
		[ $ns != net ] || type=network
		[ "$(see "del(.hostname) | .linux.namespaces |= map(select(.type != \"$type\")) + [{type: \"$type\", path: \"/proc/$HELD/ns/$ns\"}]" \
			"readlink /proc/self/ns/$ns")" = "$(readlink /proc/$HELD/ns/$ns)" ]
	done
	jq '.process.args = ["/bin/sleep", "100"]' base.json >b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	pid=$("$MRUN" state "$ID" | jq .pid)
	cp -r b b2
	jq ".linux.namespaces |= map(select(.type != \"pid\")) + [{type: \"pid\", path: \"/proc/$pid/ns/pid\"}] |
		.process.args = [\"/bin/sh\", \"-c\", \"cat /proc/1/cmdline | tr '\\\\0' ' '\"]" base.json >b2/config.json
	[ "$("$MRUN" run --bundle b2 "$ID.2")" = "/bin/sleep 100 " ]
	"$MRUN" delete -f "$ID"
	refuses '.linux.namespaces |= map(select(.type != "ipc")) + [{type: "ipc", path: "/none"}]' /none
	refuses '.linux.namespaces |= map(select(.type != "ipc")) + [{type: "ipc", path: "ns/ipc"}]' "linux.namespaces[5].path: 'ns/ipc' is not absolute"
	for path in /proc/self/ns/net /etc/passwd /; do
		refuses ".linux.namespaces |= map(select(.type != \"ipc\")) + [{type: \"ipc\", path: \"$path\"}]" "linux.namespaces[5].path: $path is no namespace of that type"
	done
	refuses '.linux.namespaces += [{type: "ipc"}]' 'linux.namespaces[6]: the ipc namespace is listed twice'
}

@test "linux: a time namespace, with and without offsets" {
	need_root
	[ "$(see '.linux.namespaces += [{type: "time"}]' 'echo ran')" = ran ]
	up=$(cut -d. -f1 /proc/uptime)
	in=$(see '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000, nanosecs: 5}}' 'cut -d. -f1 /proc/uptime')
	[ $((in - up)) -ge 1000000 ] && [ $((in - up)) -le 1000010 ]
	[[ "$(see '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: -5, nanosecs: 7}}' 'tr -s " \n" " " </proc/self/timens_offsets')" == "monotonic -5 7 boottime 0 0 "* ]]
	run -1 see '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: -1000000000}}' true
	[[ $output == *"linux.timeOffsets.monotonic: write 'monotonic -1000000000 0' to"* ]]
	refuses '.linux.timeOffsets = {boottime: {secs: 1}}' linux.timeOffsets
	refuses '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {noon: {secs: 1}}' linux.timeOffsets.noon
}

@test "linux: rootfsPropagation" {
	need_root
	[[ "$(see '.linux.rootfsPropagation = "shared" | .root.readonly = false' 'grep " / / " /proc/self/mountinfo || grep " / " /proc/self/mountinfo | head -n 1')" == *shared:* ]]
	[[ "$(see '.linux.rootfsPropagation = "private"' 'grep " / " /proc/self/mountinfo | head -n 1')" != *shared:* ]]
	refuses '.linux.rootfsPropagation = "sideways"' linux.rootfsPropagation
}

@test "what is known and not there is refused by name" {
	refuses '.linux.intelRdt = {closID: "x"}' linux.intelRdt
	refuses '.process.user.username = "x"' process.user.username
	refuses '.process.commandLine = "x"' process.commandLine
	refuses 'del(.linux) | .windows = {}' windows
}

@test "ill-typed values are reported by their full path" {
	refuses '.linux.resources.memory.limit = "1"' 'linux.resources.memory.limit: expected an integer'
	refuses '.linux.resources.memory = {limit: 1.5}' 'linux.resources.memory.limit: expected an integer'
	refuses '.mounts[2].destination = 7' 'mounts[2].destination: expected a string'
	refuses '.process.user.uid = -1' 'process.user.uid: expected an integer from 0'
	refuses '.process.user.uid = 4294967296' 'process.user.uid'
	refuses '.linux.namespaces[1].type = "x"' "linux.namespaces[1].type: unknown value 'x'"
	refuses '.process.env = [1]' 'process.env[0]: expected a string'
	refuses '.hooks.prestart = [{args: []}]' 'hooks.prestart[0].path: required'
	echo '{"ociVersion": "1.0.0", ' >b/config.json
	run -1 "$MRUN" run --bundle b "$ID"
	[[ $output == *"config.json"*"cut short"* ]]
}
