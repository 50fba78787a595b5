# The harness of the tests that run inside a guest (tests/vm/NN-topic.sh), and what they share.
#
# Why not bats: under QEMU's emulation starting a program costs 60 ms, and bats starts so many that an
# empty test takes 1.5 s. Here a test costs a fork. A file is bash; every function test_NAME is a test,
# run in the file's order in a subshell of its own with `set -e`; what it prints is shown when it
# fails. Its first lines may say, as comments, where it belongs:
#     # modes: v2 hybrid v1     the cgroup layouts to run under (default: v2)
#     # as: root                who runs it: root; tester, in a service of tester's own systemd
#                               manager; delegated, the same with Delegate=yes (default: root)
# A test may use: skip REASON; run CMD… (sets status and output); is GOT WANT; like TEXT PATTERN;
# until_ok CMD… (polls); nap SECONDS; bundle, start, and what else stands below. $T is its directory.
#
# A test that leaves a container or a cgroup behind fails, and one that takes longer than LIMIT. After one
# that fails the file's after_failure is called, if there is that.
# shellcheck shell=bash disable=SC2034 # the tests use them

LIMIT=${LIMIT:-300}
export PATH=/opt/busybox:$PATH:/usr/sbin:/sbin
ROOTFS=/tmp/rootfs

# --- what tests use --------------------------------------------------------------------------

skip() { # REASON
	echo "$*" >"$T/skip"
	exit 77
}

# Sets status and output, standard error included.
run() { # CMD…
	status=0
	output=$("$@" 2>&1) || status=$?
}

is() { # GOT WANT [WHAT]
	[ "$1" = "$2" ] || {
		echo "${3:-value}: got '$1', want '$2'"
		return 1
	}
}

like() { # TEXT PATTERN (of the shell)
	# shellcheck disable=SC2254 # a pattern on purpose
	case $1 in
	$2) ;;
	*)
		echo "got '$1', want '$2'"
		return 1
		;;
	esac
}

# Sleeps without starting a program.
nap() { # SECONDS
	read -rt "$1" <&"$nap_fd" || true
}

# Until CMD succeeds, for at most 60 s.
until_ok() { # CMD…
	local i
	for ((i = 0; i < 600; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		nap 0.1
	done
	echo "still failing after 60 s: $*"
	return 1
}

# DIR/config.json: ARGS and RESOURCES are JSON without the outer brackets. The container has a cgroup
# namespace, a cgroup mount and some of docker's capabilities, and as an ordinary user a user namespace
# with one id.
#   CGPATH   linux.cgroupsPath          CGOPT   options of the cgroup mount (default: ro)
#   LINUX    more members of linux, with a comma behind     TOP   the same for the outermost object
#   NS       the namespaces (default: pid mount ipc uts cgroup)
bundle() { # DIR ARGS [RESOURCES]
	local list='' maps='' sys='' ns caps='["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID"]'
	if [ "$(id -u)" -ne 0 ]; then
		list='{"type": "user"}'
		maps="\"uidMappings\": [{\"containerID\": 0, \"hostID\": $(id -u), \"size\": 1}],
			\"gidMappings\": [{\"containerID\": 0, \"hostID\": $(id -g), \"size\": 1}],"
	fi
	sys="{\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",
		\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"${CGOPT:-ro}\"]}"
	for ns in ${NS:-pid mount ipc uts cgroup}; do list+="${list:+, }{\"type\": \"$ns\"}"; done
	mkdir -p "$1"
	cat >"$1/config.json" <<END
{ "ociVersion": "1.0.2", "root": {"path": "$ROOTFS"}, ${TOP:-}
  "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": [$2], "env": ["PATH=/bin"],
              "capabilities": {"bounding": $caps, "permitted": $caps, "effective": $caps}},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
             {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
             {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}, $sys],
  "linux": { ${CGPATH:+"\"cgroupsPath\": \"$CGPATH\","} $maps ${LINUX:-} "resources": {${3:-}},
    "namespaces": [$list] } }
END
}

# Runs the bundle detached as ID and sets PID and CG, the directory of its (v2) cgroup.
start() { # ID [DIR [OPTION…]]
	mrun "${@:3}" run -d -b "${2:-b}" --pid-file "$T/$1.pid" "$1" </dev/null >"$T/$1.log" 2>&1 || {
		cat "$T/$1.log"
		return 1
	}
	PID=$(<"$T/$1.pid")
	CG=$(cgroup_of "$PID") || CG=
}

# The directory of a process's cgroup in the v2 hierarchy, or in the one that has CONTROLLER.
cgroup_of() { # PID [CONTROLLER]
	local line list
	while IFS= read -r line; do
		list=${line#*:}
		case ",${list%%:*}," in
		,, ) [ -z "${2:-}" ] && echo "$CGROUP2${list#*:}" && return 0 ;;
		*,"${2:-none}",*) echo "/sys/fs/cgroup/${list%%:*}${list#*:}" && return 0 ;;
		esac
	done <"/proc/$1/cgroup"
	return 1
}

# The number behind KEY in a file of "key value" lines.
key() { # FILE KEY
	local k v
	while read -r k v; do
		[ "$k" != "$2" ] || echo "$v"
	done <"$1"
}

has_controller() { # NAME [DIR]: in the v2 hierarchy
	case " $(<"${2:-$CGROUP2}/cgroup.controllers") " in *" $1 "*) ;; *) return 1 ;; esac
}

status_of() { # ID
	mrun state "$1" | jq -r .status
}

# --- the harness -----------------------------------------------------------------------------

# Sets cgroups to the list of all of them but the services and scopes of systemd, which come and go.
list_cgroups() {
	local dir
	cgroups=
	for dir in /sys/fs/cgroup/**/; do
		case $dir in
		*.service/ | *.scope/ | *.slice/) ;;
		*) cgroups+=$dir$'\n' ;;
		esac
	done
}

left_behind() { # FILE with the cgroups of before: prints what there is more
	local dir id
	list_cgroups
	while IFS= read -r dir; do
		case $'\n'$before in *$'\n'"$dir"$'\n'*) ;; *) [ -z "$dir" ] || echo "cgroup $dir" ;; esac
	done <<<"$cgroups"
	for id in /run/mrun/*/ "${XDG_RUNTIME_DIR:-/nonexistent}"/mrun/*/; do
		[ ! -e "$id" ] || echo "state $id"
	done
}

one_test() { # NAME: in a subshell; its status goes to the FIFO
	local -
	trap 'echo "${?}" >&"$done_fd"' EXIT
	set -eE
	trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
	cd "$T"
	"test_$1"
}

clean_up() {
	local id
	for id in /run/mrun/*/ "${XDG_RUNTIME_DIR:-/nonexistent}"/mrun/*/; do
		[ ! -e "$id" ] || {
			id=${id%/}
			mrun delete -f "${id##*/}"
		}
	done >/dev/null 2>&1
}

report() { # ok|not-ok NAME [DIRECTIVE]
	local word=ok
	[ "$1" = ok ] || word='not ok'
	echo "$word - $LABEL: $TOPIC: ${2//_/ }${3:-}"
}

# Runs it once and sets status: 0, 77 (a skip), or what is wrong.
try_test() { # NAME
	local pid left='' i
	status=0
	T=$(mktemp -d /tmp/t.XXXXXX)
	list_cgroups
	before=$cgroups
	set -m
	one_test "$1" >"$T/.out" 2>&1 </dev/null &
	pid=$!
	set +m
	if ! read -rt "$LIMIT" -u "$done_fd" status; then
		status="still running after $LIMIT s"
	fi
	kill -KILL -- "-$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	# Only a test that passed is asked to have cleaned up; processes take a moment to end.
	for ((i = 0; i < 100; i++)); do
		[ "$status" = 0 ] || break
		left=$(left_behind)
		[ -n "$left" ] || break
		nap 0.1
	done
	[ -z "$left" ] || status="left behind: $left"
	clean_up
}

run_test() { # NAME
	local status began=$EPOCHREALTIME us line
	try_test "$1"
	us=$((${EPOCHREALTIME/./} - ${began/./}))
	case $status in
	0) report ok "$1" " ($((us / 1000000)).$((us / 100000 % 10)) s)" ;;
	77) report ok "$1" " # SKIP $(<"$T/skip")" ;;
	*)
		report not-ok "$1"
		echo "# status: ${status//$'\n'/, }"
		while IFS= read -r line; do echo "# $line"; done <"$T/.out"
		! declare -F after_failure >/dev/null || after_failure >/dev/null 2>&1
		;;
	esac
	rm -rf "$T"
}

# Runs the tests of FILE whose names contain PATTERN.
run_file() { # FILE [PATTERN]
	local line name pattern=${2:-}
	TOPIC=${1##*/}
	TOPIC=${TOPIC%.sh} TOPIC=${TOPIC#[0-9][0-9]-}
	CGROUP2=/sys/fs/cgroup
	[ -e "$CGROUP2/cgroup.controllers" ] || CGROUP2=/sys/fs/cgroup/unified
	export CGROUP2
	shopt -s globstar nullglob
	mkfifo "/tmp/fifo.$$" "/tmp/nap.$$"
	exec {done_fd}<>"/tmp/fifo.$$" {nap_fd}<>"/tmp/nap.$$"
	rm -f "/tmp/fifo.$$" "/tmp/nap.$$"
	# shellcheck disable=SC1090
	. "$1"
	while IFS= read -r line; do
		case $line in "test_"*"()"*) ;; *) continue ;; esac
		name=${line#test_}
		name=${name%%(*}
		[[ $name != *"$pattern"* ]] || run_test "$name"
	done <"$1"
}
