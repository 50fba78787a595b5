# Shared by all bats files: `load lib`, then setup() { lib_setup; } and teardown() { lib_teardown; }.
#
# What it is careful about: each test has a directory, a home, a store, a cache and a state directory
# of its own; whatever a test starts can be recognised as its own afterwards (by an environment
# variable, by the binary, by the test user's ids, by its directory in the mount table), so that
# cleaning up never touches anything else; and a test that leaves something behind fails.
# shellcheck shell=bash disable=SC2154 # bats sets the BATS_ variables

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
: "${MRUN:=$BUILD/mrun}"
export ROOT BUILD MRUN
LIB_CACHE=$BUILD/test-cache
BASE_KIND=busybox
for lib_base in "$ROOT"/../shared/alpine/*.tar.gz; do
	[ ! -f "$lib_base" ] || BASE_KIND=alpine
done
export BASE_KIND
# The suite may be called with sbin missing (an ordinary user's PATH on Debian).
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# What is made outside of $T carries the run's number, so that tests/run finds it after a crash.
LIB_RUN=${MRUN_TEST_RUN:-$$}

# --- temporary directories -------------------------------------------------------------------

# A directory for many small files: on a tmpfs where programs may be run from it.
lib_tmp_parent() {
	local options
	if [ -d /dev/shm ] && [ -w /dev/shm ]; then
		options=$(awk '$5 == "/dev/shm" { print $6 }' /proc/self/mountinfo)
		case ",$options," in
		*,noexec,*) ;;
		*) [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -lt 1000000 ] || {
			echo /dev/shm
			return
		} ;;
		esac
	fi
	echo "${TMPDIR:-/tmp}"
}

lib_setup() {
	# bats has no skip in setup_file.
	[ -z "${LIB_SKIP:-}" ] || skip "$LIB_SKIP"
	T=$(mktemp -d "$(lib_tmp_parent)/mrun-test.$LIB_RUN.XXXXXXXX")
	# Ordinary users of the tests read what lies here; run is private, as XDG_RUNTIME_DIR must be.
	chmod 755 "$T"
	mkdir -m 755 "$T/home" "$T/data" "$T/cache"
	mkdir -m 700 "$T/run"
	export T HOME=$T/home XDG_DATA_HOME=$T/data XDG_CACHE_HOME=$T/cache XDG_RUNTIME_DIR=$T/run
	export MRUN_TEST_MARK=$T
	cd "$T" || return 1
	lib_mounts >"$T/.mounts"
	lib_cgroups >"$T/.cgroups"
	lib_state >"$T/.state"
}

# Fails the test if it left something behind, but takes it away in any case.
lib_teardown() {
	local failed=0 pid mount
	[ -n "${T:-}" ] && [ -d "$T" ] || return 0
	cd /
	# A test that failed half-way had no chance to clean up: not a second failure.
	if [ -n "${BATS_TEST_COMPLETED:-}" ]; then
		no_leftovers || failed=1
	fi
	lib_end_processes
	while read -r mount; do
		umount -l "$mount" 2>/dev/null
	done < <(lib_mounts | lib_new "$T/.mounts" | sort -r)
	[ "$failed" -eq 0 ] || sort -r "$T/.left" | while read -r dir; do
		rmdir "$dir" 2>/dev/null
	done
	lib_remove "$T" || {
		echo "could not remove $T" >&2
		failed=1
	}
	return "$failed"
}

# Files in a cache may be a subordinate id's; without root only mrun itself can remove those.
lib_remove() {
	rm -rf "$1" 2>/dev/null && return 0
	[ ! -x "$MRUN" ] || "$MRUN" prune --all >/dev/null 2>&1
	chmod -R u+rwx "$1" 2>/dev/null
	rm -rf "$1"
}

# --- what is left behind ---------------------------------------------------------------------

lib_new() { # standard input's lines that aren't in the file $1
	grep -vxFf "$1" - || true
}

# Mount points here that are this test's.
lib_mounts() {
	awk -v t="${T:-/nonexistent}" -v h="${TEST_HOME:-/nonexistent}" -v h2="${TEST_HOME2:-/nonexistent}" \
		'index($0, t) || index($0, h) || index($0, h2) { print $5 }' /proc/self/mountinfo | sort
}

# Without a process in them or below: those with some are another test's that runs beside this one
# (ours would be found by its processes).
lib_cgroups() {
	local dir
	find /sys/fs/cgroup -mindepth 1 -type d -name '*mrun*' 2>/dev/null | while read -r dir; do
		[ -n "$(find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null | head -c 1)" ] || echo "$dir"
	done | sort
}

# Containers' state directories.
lib_state() {
	find /run/mrun "${XDG_RUNTIME_DIR:-/nonexistent}/mrun" "${TEST_RUNTIME:-/nonexistent}/mrun" \
		-mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort
}

# Processes that this test started: "PID COMMAND" a line. Ours is what carries the test's mark, has a
# test user's id, or has its root on a mount from the test's directories (a mount elsewhere says
# nothing: propagation shows ours to everybody's namespaces; nor does the binary: somebody may be
# using it). Nothing else is listed, as what is listed gets killed.
lib_processes() {
	local pid path low=-1 high=-1 command
	# What runs here for the test's sake shall not find itself.
	local -x MRUN_TEST_MARK=
	if [ -n "${LIB_USER_MADE:-}" ]; then
		low=$(lib_subid "$TEST_USER" /etc/subuid)
		low=${low:--1}
		[ "$low" -lt 0 ] || high=$((low + 65535))
	fi
	{
		grep -lsF "MRUN_TEST_MARK=$T" /proc/[0-9]*/environ
		awk -v t="$T" -v h="${TEST_HOME:-$T}" -v h2="${TEST_HOME2:-$T}" \
			'$5 == "/" && (index($0, t) || index($0, h) || index($0, h2)) { print FILENAME; nextfile }' \
			/proc/[0-9]*/mountinfo 2>/dev/null
		[ -z "${LIB_USER_MADE:-}${LIB_USER_MADE2:-}" ] || stat -c '%u %n' /proc/[0-9]* 2>/dev/null |
			awk -v a="${TEST_UID:-x}" -v b="${TEST_UID2:-x}" -v low="$low" -v high="$high" \
				'$1 == a || $1 == b || ($1 >= low && $1 <= high) { print $2 "/" }'
	} >"$T/.candidates"
	while read -r path; do
		pid=${path#/proc/}
		pid=${pid%%/*}
		case $pid in 1 | "$$" | "$BASHPID" | "${PPID:-}") continue ;; esac
		# Empty: a zombie or gone. bats: the suite itself was started with these variables.
		command=$(tr '\0' ' ' <"/proc/$pid/cmdline") || continue
		case $command in '' | *bats-exec-* | *bats-format-* | *libexec/bats* | *tests/run*) continue ;; esac
		echo "$pid $command"
	done <"$T/.candidates" 2>/dev/null | sort -un
}

lib_end_processes() {
	local i pid
	for i in {1..20}; do
		lib_processes >"$T/.processes"
		[ -s "$T/.processes" ] || return 0
		while read -r pid _; do
			kill -KILL "$pid" 2>/dev/null
		done <"$T/.processes"
		sleep 0.1
	done
}

# Nothing of this test's is left: no process, mount, cgroup, state. The kernel takes a moment to
# reap a killed namespace, hence some patience; and a cgroup must be empty all the time: between its
# making and its first process another test's is, too.
no_leftovers() {
	local i left
	lib_cgroups | lib_new "$T/.cgroups" >"$T/.left"
	for i in {1..40}; do
		left=$(
			lib_processes >"$T/.processes"
			sed 's/^/process /' "$T/.processes"
			lib_mounts | lib_new "$T/.mounts" | sed 's/^/mount /'
			[ ! -s "$T/.left" ] || {
				lib_cgroups | grep -xFf "$T/.left" >"$T/.left.still" || true
				mv "$T/.left.still" "$T/.left"
			}
			sed 's/^/cgroup /' "$T/.left"
			lib_state | lib_new "$T/.state" | sed 's/^/state /'
		)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	printf 'left behind:\n%s\n' "$left" >&2
	return 1
}

# --- conditions ------------------------------------------------------------------------------

# A sanitizer's own memory would be counted.
sanitized() { [[ ${ASAN_OPTIONS:-} == *log_path* ]]; }

need_no_sanitizer() { # WHY
	! sanitized || skip "under a sanitizer: $1"
}

# mrun is executed in a container's root, which has no libraries for it.
need_static() {
	! ldd "$MRUN" >/dev/null 2>&1 || skip "mrun is linked dynamically: it cannot run in the container"
}

need() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "$command is not installed"
	done
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

# --- ordinary users --------------------------------------------------------------------------

lib_subid() { # USER FILE -> the first id of its range
	awk -F: -v u="$1" '$1 == u && $3 >= 65536 { print $2; exit }' "$2" 2>/dev/null
}

lib_user_add() { # NAME HOME [OPTION…]; another test run may hold the lock on /etc/passwd
	local name=$1 home=$2 i
	shift 2
	for i in {1..20}; do
		useradd -M -U -d "$home" -s /bin/bash "$@" "$name" 2>"$home/.useradd" && break
		sleep 0.2
	done
	id "$name" >/dev/null 2>&1 || {
		echo "useradd $name: $(cat "$home/.useradd")" >&2
		return 1
	}
	rm -f "$home/.useradd"
	mkdir -m 700 "$home/run"
	chown -R "$name:" "$home"
	chmod 755 "$home"
}

lib_user_name() { # a name that is free
	local name
	for _ in {1..50}; do
		name=mrt${LIB_RUN}x$RANDOM
		id "$name" >/dev/null 2>&1 || break
	done
	echo "$name"
}

# In setup_file: a user with a home and subordinate ranges. Without root it is the one who runs the
# tests, if that one has such ranges; else the file's tests are skipped.
user_make() {
	if [ "$(id -u)" -ne 0 ]; then
		TEST_USER=$(id -un)
		if [ -z "$(lib_subid "$TEST_USER" /etc/subuid)" ]; then
			export LIB_SKIP="needs root to make a test user, and $TEST_USER has no subordinate ids"
			return 0
		fi
		TEST_HOME=$(mktemp -d "$(lib_tmp_parent)/mrun-user.$LIB_RUN.XXXXXXXX")
		mkdir -m 700 "$TEST_HOME/run"
	else
		TEST_HOME=$(mktemp -d "$(lib_tmp_parent)/mrun-user.$LIB_RUN.XXXXXXXX")
		TEST_USER=$(lib_user_name)
		lib_user_add "$TEST_USER" "$TEST_HOME" || return 1
		export LIB_USER_MADE=1
		lib_user_ranges "$TEST_USER" || return 1
	fi
	TEST_UID=$(id -u "$TEST_USER")
	TEST_GID=$(id -g "$TEST_USER")
	TEST_RUNTIME=$TEST_HOME/run
	export TEST_USER TEST_UID TEST_GID TEST_HOME TEST_RUNTIME
	lib_reachable "$TEST_HOME" as_user
}

# useradd gives ranges on Debian, but not everywhere.
lib_user_ranges() {
	local file option next
	for file in /etc/subuid /etc/subgid; do
		[ -z "$(lib_subid "$1" "$file")" ] || continue
		next=$(awk -F: 'BEGIN { m = 100000 } $2 + $3 > m { m = $2 + $3 } END { print m }' "$file" 2>/dev/null)
		option=--add-subuids
		[ "$file" = /etc/subuid ] || option=--add-subgids
		usermod "$option" "${next:-100000}-$((${next:-100000} + 65535))" "$1" || return 1
	done
}

# The same without subordinate ids: TEST_USER2, as_user2.
user_make_plain() {
	if [ "$(id -u)" -ne 0 ]; then
		export LIB_SKIP="needs root to make a test user without subordinate ids"
		return 0
	fi
	TEST_HOME2=$(mktemp -d "$(lib_tmp_parent)/mrun-user.$LIB_RUN.XXXXXXXX")
	TEST_USER2=$(lib_user_name)
	lib_user_add "$TEST_USER2" "$TEST_HOME2" -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 || return 1
	export LIB_USER_MADE2=1
	[ -z "$(lib_subid "$TEST_USER2" /etc/subuid)" ] || return 1
	TEST_UID2=$(id -u "$TEST_USER2")
	TEST_GID2=$(id -g "$TEST_USER2")
	TEST_RUNTIME2=$TEST_HOME2/run
	export TEST_USER2 TEST_UID2 TEST_GID2 TEST_HOME2 TEST_RUNTIME2
	lib_reachable "$TEST_HOME2" as_user2
}

# A clone in /root is closed to other users: they get a copy of the programs, helpers beside mrun.
lib_reachable() { # HOME RUNNER
	[ -x "$MRUN" ] || return 0
	! "$2" test -x "$MRUN" || return 0
	mkdir -p "$1/bin"
	find "$BUILD" -maxdepth 1 -type f -perm -u+x -exec cp -t "$1/bin" {} +
	chmod 755 "$1/bin" "$1"/bin/*
	MRUN=$1/bin/${MRUN##*/}
	export MRUN
}

# In teardown_file.
user_clean() {
	local user uid home low pid owner i
	for i in '' 2; do
		eval "user=\${TEST_USER$i:-} uid=\${TEST_UID$i:-} home=\${TEST_HOME$i:-} made=\${LIB_USER_MADE$i:-}"
		[ -n "$user" ] || continue
		if [ -n "$made" ]; then
			# Every process with an id that was made for the test is the test's.
			low=$(lib_subid "$user" /etc/subuid)
			low=${low:--70000}
			while read -r owner pid; do
				if [ "$owner" = "$uid" ] || { [ "$owner" -ge "$low" ] && [ "$owner" -lt $((low + 65536)) ]; }; then
					kill -KILL "${pid#/proc/}" 2>/dev/null
				fi
			done < <(stat -c '%u %n' /proc/[0-9]* 2>/dev/null)
			for _ in {1..20}; do
				userdel "$user" >/dev/null 2>&1
				id "$user" >/dev/null 2>&1 || break
				sleep 0.2
			done
			# What podman and the like keep outside of the home.
			find /dev/shm "${TMPDIR:-/tmp}" -mindepth 1 -maxdepth 1 -uid "$uid" -exec rm -rf {} + 2>/dev/null
			groupdel "$user" >/dev/null 2>&1 || true
			if id "$user" >/dev/null 2>&1; then
				echo "could not remove user $user" >&2
				return 1
			fi
		fi
		[ -z "$home" ] || HOME=$home XDG_DATA_HOME='' XDG_CACHE_HOME='' XDG_RUNTIME_DIR=$home/run lib_remove "$home"
	done
}

lib_as() { # USER HOME CMD…: a login's environment and nothing else
	local user=$1 home=$2
	shift 2
	local clean=(env -i "HOME=$home" "USER=$user" "LOGNAME=$user" "SHELL=/bin/bash" "TERM=${TERM:-dumb}"
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" "XDG_RUNTIME_DIR=$home/run"
		"MRUN_TEST_MARK=${T:-$home}" "MRUN_TEST_RUN=$LIB_RUN")
	(
		cd "$home" || exit 125
		if [ "$(id -un)" = "$user" ]; then
			exec "${clean[@]}" "$@"
		fi
		exec setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all -- "${clean[@]}" "$@"
	)
}

as_user() { lib_as "$TEST_USER" "$TEST_HOME" "$@"; }
as_user2() { lib_as "$TEST_USER2" "$TEST_HOME2" "$@"; }

# mrun as WHO: user, plain (the one without subordinate ids), else whoever runs the tests.
m() {
	case $WHO in
	user) as_user "$MRUN" "$@" ;;
	plain) as_user2 "$MRUN" "$@" ;;
	*) "$MRUN" "$@" ;;
	esac
}
# Calls FUNCTION as root and as the user; without root only as the user.
both() { # FUNCTION [ARG…]
	for WHO in root user; do
		[ "$WHO" = user ] || [ "$(id -u)" -eq 0 ] || continue
		echo "# as $WHO" >&2
		"$@" # nothing behind it: || would switch errexit off inside
	done
}

# Makes FILE a program of Python's with the arguments PATH COMMAND…: it listens there, runs the command, prints
# the message that comes and what the descriptor with it is; a terminal gets a line, and its output is printed.
lib_listen_py() { # FILE
	cat >"$1" <<-'END'
		import array, os, select, socket, subprocess, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(20)
		subprocess.run(sys.argv[2:], check=True, stdin=subprocess.DEVNULL)
		data, anc, _, _ = s.accept()[0].recvmsg(100, socket.CMSG_SPACE(4))
		fd = array.array("i", anc[0][2])[0]
		print("message", data.decode())
		if not os.isatty(fd):
		    print(*[l.split()[1] for l in open(f"/proc/self/fdinfo/{fd}") if l.startswith("Pid:")])
		    sys.exit()
		os.write(fd, b"word\n")
		while select.select([fd], [], [], 10)[0]:
		    try:
		        d = os.read(fd, 1000)
		    except OSError:
		        break
		    if not d:
		        break
		    sys.stdout.write(d.decode())
	END
	chmod 644 "$1"
}

# --- images and bundles ----------------------------------------------------------------------

# A file in the suite's cache, made once: by the rest of the arguments, into the path added to them.
lib_cached() { # NAME COMMAND…
	local file=$LIB_CACHE/$1
	shift
	if [ ! -f "$file" ] || [ "$ROOT/scripts/make-image" -nt "$file" ]; then
		mkdir -p "$LIB_CACHE"
		(
			flock 9
			[ -f "$file" ] && [ "$file" -nt "$ROOT/scripts/make-image" ] && exit 0
			"$@" "$file.new" >&2 && mv -f "$file.new" "$file"
		) 9>"$LIB_CACHE/lock" || return 1
	fi
	echo "$file"
}

lib_make_base() {
	"$ROOT/scripts/make-image" --no-hello --output "$1.image" 2>/dev/null &&
		tar -xOf "$1.image" --wildcards '*/layer.tar' >"$1" && rm -f "$1.image"
}

lib_make_hello() {
	"$ROOT/scripts/make-image" --output "$1" 2>/dev/null
}

alpine_rootfs() { # DIR
	local tar
	tar=$(lib_cached "base-$BASE_KIND.tar" lib_make_base) || return 1
	mkdir -p "$1" && tar -C "$1" --numeric-owner -xpf "$tar"
}

# The path of the example image as a docker-archive; a copy where the test user can't reach it.
hello_image() {
	local file
	file=$(lib_cached "hello-$BASE_KIND.tar" lib_make_hello) || return 1
	if [ -n "${TEST_USER:-}" ] && ! as_user test -r "$file"; then
		[ -f "$TEST_HOME/hello.tar" ] || install -m 644 "$file" "$TEST_HOME/hello.tar"
		file=$TEST_HOME/hello.tar
	fi
	echo "$file"
}

# An OCI bundle of the base root file system, config.json being `mrun spec`'s without a terminal,
# then changed by the jq program.
bundle() { # DIR [JQ]
	alpine_rootfs "$1/rootfs" || return 1
	(cd "$1" && "$MRUN" spec) || return 1
	jq ".process.terminal = false | ${2:-.}" "$1/config.json" >"$1/config.json.new" &&
		mv -f "$1/config.json.new" "$1/config.json"
}
