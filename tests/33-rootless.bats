#!/usr/bin/env bats
# Who runs it: an ordinary user with a subordinate range, one without, root; what belongs to whom
# inside and outside; and what a login may have wrong (HOME, XDG_RUNTIME_DIR), many runs at once,
# and a killed mrun.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world
ROOT_BASE=1879048192 # the documented range of root's containers

setup_file() {
	user_make
	user_make_plain
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	WHO=root
}
teardown() {
	[ -z "${TEST_UID:-}" ] || rm -rf "/tmp/mrun-$TEST_UID"
	rm -rf "${SQUAT:-}" "${NODE:-}"
	lib_teardown
}

load_image() { # FILE, readable for WHO
	case $WHO in
	plain)
		cp "$1" "$TEST_HOME2/image.tar"
		chmod 644 "$TEST_HOME2/image.tar"
		as_user2 "$MRUN" load -q -i "$TEST_HOME2/image.tar"
		;;
	*) m load -q -i "$1" ;;
	esac
}
# The home of WHO: a directory there is its own.
own_dir() { # NAME -> its path
	case $WHO in
	user) as_user mkdir -p "$TEST_HOME/$1" && echo "$TEST_HOME/$1" ;;
	plain) as_user2 mkdir -p "$TEST_HOME2/$1" && echo "$TEST_HOME2/$1" ;;
	*) mkdir -p "$T/$1" && echo "$T/$1" ;;
	esac
}
# An image with files of uid 1000 and 33, and a user of its own.
owners_image() {
	mkdir -p x/data y/data
	echo a >x/data/a && echo b >y/data/b
	tar -C x --owner=1000 --group=1000 --numeric-owner -cf x.tar data/a
	tar -C y --owner=33 --group=33 --numeric-owner -cf y.tar data/b
	"$ROOT/scripts/make-image" --no-hello --name owners --layer x.tar --layer y.tar --output owners.tar 2>/dev/null
	chmod 644 owners.tar
}
uid_map() { # its lines with one space
	m $I cat /proc/self/uid_map | sed 's/  */ /g; s/^ //'
}

# --- a user with a subordinate range -----------------------------------------------------------

@test "a user with a subordinate range: owners are right, other users can be" {
	WHO=user
	owners_image
	m load -q -i "$T/owners.tar"
	run -0 --separate-stderr m owners sh -c '
		stat -c %u:%g /data/a /data/b /etc/shadow /bin
		touch /f && chown 65535:65535 /f && stat -c %u:%g /f
		su nobody -s /bin/sh -c "id -u; touch /tmp/n && stat -c %u /tmp/n; cat /data/a"
		! chown 65537 /f 2>/dev/null && echo no more'
	[ "$output" = $'1000:1000\n33:33\n0:42\n0:0\n65535:65535\n65534\n65534\na\nno more' ]
	[ -z "$stderr" ]
	run -0 m -u 33:1000 owners sh -c 'id -u; id -g; ! cat /etc/shadow 2>/dev/null && echo closed'
	[ "$output" = $'33\n1000\nclosed' ]
}

@test "a user with a subordinate range: the mapping is what /etc/subuid says" {
	WHO=user
	first=$(lib_subid "$TEST_USER" /etc/subuid)
	[ "$(uid_map)" = "0 $TEST_UID 1"$'\n'"1 $first 65536" ]
	run -0 m $I sh -c 'cat /proc/self/setgroups; grep NoNewPrivs /proc/self/status'
	[ "$output" = $'allow\nNoNewPrivs:\t0' ]
	run -0 m --userns keep-id $I sh -c 'id -u; id -g'
	[ "$output" = "$TEST_UID"$'\n'"$TEST_GID" ]
}

@test "a user with a subordinate range: what it writes through -v is its own" {
	WHO=user
	dir=$(own_dir v)
	as_user sh -c "echo host >'$dir/host'; chmod 600 '$dir/host'"
	first=$(lib_subid "$TEST_USER" /etc/subuid)
	run -0 m -v "$dir:/v" $I sh -c 'cat /v/host && stat -c %u:%g /v/host && echo in >/v/in && mkdir /v/d && echo x >/v/other && chown 1000:33 /v/other'
	[ "$output" = $'host\n0:0' ]
	[ "$(stat -c %u:%g "$dir/in" "$dir/d")" = "$TEST_UID:$TEST_GID"$'\n'"$TEST_UID:$TEST_GID" ]
	[ "$(stat -c %u "$dir/other")" -eq $((first + 999)) ]
	as_user rm "$dir/in"
	# What is not the user's stays closed.
	run -0 m -v /etc:/e:ro $I sh -c 'stat -c %u /e/passwd; ! cat /e/shadow 2>/dev/null && ! touch /e/x 2>/dev/null && echo closed'
	[ "$output" = $'65534\nclosed' ]
	rm -rf "$dir" 2>/dev/null || as_user unshare --map-auto --map-root-user rm -rf "$dir"
}

# --- a user without ----------------------------------------------------------------------------

@test "a user without a range: one line says what is lost, and it runs" {
	WHO=plain
	load_image "$(hello_image)"
	m $I >/dev/null 2>&1
	run -0 --separate-stderr m $I
	[ "$output" = "Hello world!" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "mrun: no subordinate ids in /etc/subuid and /etc/subgid: only your own id is mapped"* ]]
	[ "$(uid_map 2>/dev/null)" = "0 $TEST_UID2 1" ]
	run -0 --separate-stderr m $I sh -c 'cat /proc/self/setgroups; grep NoNewPrivs /proc/self/status; ! su nobody -s /bin/true 2>/dev/null && echo no su'
	[ "$output" = $'deny\nNoNewPrivs:\t1\nno su' ]
	dir=$(own_dir v)
	m -v "$dir:/v" $I sh -c 'echo in >/v/in' 2>/dev/null
	[ "$(stat -c %u:%g "$dir/in")" = "$TEST_UID2:$TEST_GID2" ]
	run -125 --separate-stderr m -u 1000 $I true
	[[ $stderr == *"not mapped in the user namespace"* ]]
}

@test "a user without a range: an image with other owners, still one line" {
	WHO=plain
	owners_image
	load_image "$T/owners.tar"
	run -0 --separate-stderr m owners stat -c %u:%g /data/a /data/b
	[ "$output" = $'0:0\n0:0' ]
	# What the unpacking lost is in that one line.
	[ "${#stderr_lines[@]}" -eq 1 ]
	run -0 --separate-stderr m owners true
	[ "${#stderr_lines[@]}" -eq 1 ]
	m rmi owners >/dev/null
}

@test "a range without newuidmap: the same, and the line names it" {
	need_root
	WHO=user
	: >"$T/none"
	# In a mount namespace of our own the two are no programs.
	export -f lib_as as_user m
	run -0 --separate-stderr unshare -m --propagation private bash -c "
		for p in /usr/bin /bin /usr/local/bin /usr/sbin; do
			for h in newuidmap newgidmap; do [ ! -e \$p/\$h ] || mount --bind '$T/none' \$p/\$h; done
		done
		WHO=user; m $I"
	[ "$output" = "Hello world!" ]
	[[ $stderr == *"mrun: newuidmap and newgidmap are not installed"* ]]
}

# --- root --------------------------------------------------------------------------------------

@test "root: in a user namespace all the same" {
	need_root
	load_image "$(hello_image)"
	first=$(lib_subid root /etc/subuid)
	[ "$(uid_map)" = "0 ${first:-$ROOT_BASE} 65536" ]
	run -0 m $I sh -c 'readlink /proc/self/ns/user; touch /f; stat -c %u /f; ! mknod /d b 8 0 2>/dev/null && echo no devices'
	[ "${lines[0]}" != "$(readlink /proc/self/ns/user)" ]
	[ "$(printf '%s\n' "${lines[@]:1}")" = $'0\nno devices' ]
	# Its processes are nobody's on the host.
	m $I sleep 47.33 &
	for _ in {1..200}; do
		pid=$(pgrep -f '^sleep 47.33$') && break
		sleep 0.1
	done
	[ "$(stat -c %u "/proc/$pid")" -eq "${first:-$ROOT_BASE}" ]
	kill -KILL "$pid"
	wait $! || true
}

@test "root: a range of root's in /etc/subuid is taken instead" {
	need_root
	load_image "$(hello_image)"
	echo "root:700000:65536" | cat - /etc/subuid >subuid
	echo "root:800000:65536" | cat - /etc/subgid >subgid
	run -0 unshare -m --propagation private sh -c \
		"mount --bind subuid /etc/subuid && mount --bind subgid /etc/subgid && exec '$MRUN' $I cat /proc/self/uid_map /proc/self/gid_map"
	[ "$(tr -s ' ' <<<"$output")" = $' 0 700000 65536\n 0 800000 65536' ]
}

@test "root: -v is an id-mapped mount, root inside is root outside" {
	need_root
	load_image "$(hello_image)"
	mkdir v && echo host >v/host && chmod 600 v/host && echo other >v/other && chown 1000:33 v/other
	run -0 m -v "$T/v:/v" $I sh -c '
		cat /v/host && stat -c %u:%g /v/host /v/other && echo in >/v/in && mkdir /v/d && echo x >/v/user && chown 33:1000 /v/user
		grep " /v " /proc/self/mountinfo | grep -c idmapped'
	[ "$output" = $'host\n0:0\n1000:33\n1' ]
	[ "$(stat -c %u:%g v/in v/d v/user)" = $'0:0\n0:0\n33:1000' ]
	run -0 m -v "$T/v:/v:ro" $I sh -c '! touch /v/new 2>/dev/null && cat /v/host'
	[ "$output" = host ]
	# A file as a source.
	run -0 m -v "$T/v/host:/etc/motd" $I sh -c 'echo more >>/etc/motd; stat -c %u /etc/motd'
	[ "$output" = 0 ]
	[ "$(cat v/host)" = $'host\nmore' ]
}

@test "root: -v takes what is mounted below along, mapped as well" {
	need_root
	load_image "$(hello_image)"
	mkdir -p v/sub
	mount -t tmpfs -o mode=755 none v/sub
	echo below >v/sub/f && chmod 600 v/sub/f
	run -0 m -v "$T/v:/v" $I sh -c 'cat /v/sub/f && echo in >/v/sub/in && stat -c %u /v/sub'
	[ "$output" = $'below\n0' ]
	[ "$(stat -c %u:%g v/sub/in)" = 0:0 ]
	umount v/sub
}

@test "root: a file system that cannot be id-mapped is named" {
	need_root
	load_image "$(hello_image)"
	run -125 --separate-stderr m -v /proc:/v $I true
	[ "${stderr_lines[0]}" = "mrun: mount /v: map the ids of /proc (a file system proc): invalid argument" ]
	[[ ${stderr_lines[1]} == "hint: this file system cannot be id-mapped"* ]]
	mkdir -p v/p
	mount -t ramfs none v/p
	run -125 --separate-stderr m -v "$T/v:/v" $I true
	[ "${stderr_lines[0]}" = "mrun: mount /v: map the ids of $T/v/p (a file system ramfs): invalid argument" ]
	[[ ${stderr_lines[1]} == "hint: it is mounted below $T/v "*bind-nonrecursive ]]
	# The hint's own words do it.
	run -0 m --mount "type=bind,source=$T/v,target=/v,bind-nonrecursive" $I ls /v
	[ "$output" = p ]
	umount v/p
	[ -z "$(m list -q)" ]
}

# --- a volume and a port together --------------------------------------------------------------

published() { # RUNNER
	local dir port pid
	dir=$(own_dir pv)
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	"$1" --network pasta -p "127.0.0.1:$port:8080" -v "$dir:/v" $I \
		sh -c 'nc -l -p 8080 >/v/got; stat -c %u /v/got >/v/owner' &
	pid=$!
	for _ in {1..100}; do
		# Refused, or nobody listens inside yet: once more.
		(exec 9<>"/dev/tcp/127.0.0.1/$port" && echo "through the port" >&9) 2>/dev/null || true
		[ ! -s "$dir/owner" ] || break
		sleep 0.1
	done
	wait $pid
	[ "$(cat "$dir/got")" = "through the port" ]
	[ "$(cat "$dir/owner")" = 0 ]
	[ "$(stat -c %u "$dir/got")" = "$(stat -c %u "$dir")" ]
}
need_pasta() {
	need pasta python3
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
}
# Where /dev/net/tun is root's alone, the user gets an open one in a mount namespace of its own.
with_tun() {
	# shellcheck disable=SC2016
	unshare -m --propagation private bash -c 'mount --bind "$NODE" /dev/net/tun && WHO=user && m "$@"' bash "$@"
}

@test "root: a file through -v and a port through -p" {
	need_root
	need_pasta
	load_image "$(hello_image)"
	published m
}

@test "a user: a file through -v and a port through -p" {
	need_pasta
	WHO=user
	if as_user test -w /dev/net/tun; then
		published m
		return
	fi
	need_root
	NODE=$(mktemp -u /tmp/mrun-tun.XXXXXX)
	mknod -m 666 "$NODE" c 10 200
	export NODE
	export -f lib_as as_user m
	published with_tun
}

# --- what a login may have wrong -----------------------------------------------------------------

@test "HOME unset, relative or not there: a clear error that names it" {
	WHO=user
	run -125 --separate-stderr as_user env -u HOME "$MRUN" $I
	[ "${stderr_lines[0]}" = "mrun: find the image store: HOME is not set" ]
	[ "${stderr_lines[1]}" = "hint: set HOME, or XDG_DATA_HOME to a directory of yours" ]
	run -125 --separate-stderr as_user env HOME=rel "$MRUN" $I
	[[ $stderr == *"HOME is not an absolute path"*hint:* ]]
	run -125 --separate-stderr as_user env HOME=/nonexistent "$MRUN" $I
	[[ $stderr == *"HOME is /nonexistent: no such file or directory"*hint:* ]]
	# The XDG variables do without it.
	run -0 --separate-stderr as_user env -u HOME "XDG_DATA_HOME=$TEST_HOME/.local/share" "XDG_CACHE_HOME=$TEST_HOME/.cache" "$MRUN" $I
	[ "$output" = "Hello world!" ]
	[ -z "$stderr" ]
	# The store is there, the cache's place is not known.
	run -125 --separate-stderr as_user env -u HOME "XDG_DATA_HOME=$TEST_HOME/.local/share" "$MRUN" $I
	[[ $stderr == *"neither XDG_CACHE_HOME nor HOME is set"*hint:* ]]
}

@test "HOME of another user, as after su: a clear error, and nothing of ours in it" {
	need_root
	mkdir -m 755 theirs
	run -125 --separate-stderr as_user env "HOME=$T/theirs" "$MRUN" $I
	[[ $stderr == *"permission denied"*"hint: HOME or XDG_DATA_HOME must be a directory that you can write to"* ]]
	# Open to all is not ours either, but it can be written: then what we make there is.
	chmod 1777 theirs
	run -125 --separate-stderr as_user env "HOME=$T/theirs" "$MRUN" $I
	[[ $stderr == *"image 'multistage-hello-world' not found"* ]]
	rm -rf theirs
	# Root with a user's HOME would lock the user out of its own store.
	run -125 --separate-stderr env -u XDG_DATA_HOME "HOME=$TEST_HOME" "$MRUN" $I
	[[ $stderr == *"HOME is $TEST_HOME, which belongs to uid $TEST_UID, not to root"*"hint: use 'sudo -H'"* ]]
	# Somebody else made our cache directory.
	mkdir -p cache2/mrun/layers
	run -125 --separate-stderr as_user env "XDG_CACHE_HOME=$T/cache2" "$MRUN" $I
	[[ $stderr == *"it is not yours alone"*hint:* ]]
}

@test "HOME on a file system like NFS: the image is copied, said in one line" {
	need_root
	# NFS before 4.2 has no user.* attributes, and ramfs has none either: the stand-in. (Neither
	# does NFS let the container's other ids write, which no stand-in here shows.)
	mkdir nfs && mount -t ramfs -o mode=755 none nfs
	install -d -o "$TEST_USER" -m 700 nfs/home
	nfs() { as_user env "HOME=$T/nfs/home" "$MRUN" "$@"; }
	nfs load -q -i "$(hello_image)"
	run -0 --separate-stderr nfs $I
	[ "$output" = "Hello world!" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "mrun: the layer cache's file system has no user attributes, which an overlay needs: "* ]]
	# A cache elsewhere is all it takes.
	run -0 --separate-stderr as_user env "HOME=$T/nfs/home" "XDG_CACHE_HOME=$TEST_HOME/.cache" "$MRUN" $I
	[ -z "$stderr" ]
	nfs prune --all >/dev/null
	umount nfs
}

# XDG_RUNTIME_DIR in each way that it can be wrong.
runtime_dir() { # XDG_RUNTIME_DIR's value
	run -0 --separate-stderr as_user env "XDG_RUNTIME_DIR=$1" "$MRUN" $I
	[ "$output" = "Hello world!" ]
	[ -z "$stderr" ]
}

@test "XDG_RUNTIME_DIR unset, of another user, not there, relative: a verified fallback" {
	rm -rf "/tmp/mrun-$TEST_UID"
	run -0 --separate-stderr as_user env -u XDG_RUNTIME_DIR "$MRUN" $I
	[ "$output" = "Hello world!" ]
	[ -z "$stderr" ]
	[ "$(stat -c '%a %u' "/tmp/mrun-$TEST_UID")" = "700 $TEST_UID" ]
	runtime_dir "$T/run"
	runtime_dir /nonexistent/dir
	runtime_dir relative
	runtime_dir /etc/passwd
	runtime_dir ""
	# Its own, but not to be written.
	as_user mkdir -m 500 "$TEST_HOME/closed"
	runtime_dir "$TEST_HOME/closed"
	as_user rmdir "$TEST_HOME/closed"
	# The fallback is a place for list and delete as well.
	as_user env -u XDG_RUNTIME_DIR "$MRUN" $I sleep 47.3 &
	for _ in {1..200}; do
		id=$(as_user env -u XDG_RUNTIME_DIR "$MRUN" list -q)
		[ -z "$id" ] || break
		sleep 0.1
	done
	[ -n "$id" ]
	as_user env -u XDG_RUNTIME_DIR "$MRUN" delete --force "$id"
	wait $! || true
	[ -z "$(as_user env -u XDG_RUNTIME_DIR "$MRUN" list -q)" ]
	[ -z "$(ls "/tmp/mrun-$TEST_UID")" ]
}

refused_squat() {
	run -125 --separate-stderr as_user env -u XDG_RUNTIME_DIR "$MRUN" $I
	[ "${stderr_lines[0]}" = "mrun: $SQUAT is not a directory of yours alone" ]
	[ "${stderr_lines[1]}" = "hint: remove it, set XDG_RUNTIME_DIR, or give --root DIR" ]
	run ! as_user env -u XDG_RUNTIME_DIR "$MRUN" list
	# What the hint says works.
	run -0 as_user env -u XDG_RUNTIME_DIR "$MRUN" --root "$TEST_HOME/state" $I
	[ "$output" = "Hello world!" ]
	rm -rf "$SQUAT" "$TEST_HOME/state"
}

@test "the fallback squatted by somebody else, a link, too open, a file: refused" {
	need_root
	SQUAT=/tmp/mrun-$TEST_UID
	rm -rf "$SQUAT"
	mkdir -m 777 "$SQUAT"
	refused_squat
	mkdir -m 700 "$SQUAT" && chown "$TEST_USER2:" "$SQUAT"
	refused_squat
	as_user mkdir -p "$TEST_HOME/elsewhere"
	ln -s "$TEST_HOME/elsewhere" "$SQUAT"
	refused_squat
	as_user ln -s "$TEST_HOME/elsewhere" "$SQUAT"
	refused_squat
	as_user mkdir -m 755 "$SQUAT"
	refused_squat
	as_user touch "$SQUAT"
	refused_squat
	as_user rmdir "$TEST_HOME/elsewhere"
}

@test "installed setuid or setgid it refuses to run" {
	need_root
	[[ ,$(findmnt -no OPTIONS -T "$T"), != *,nosuid,* ]] || skip "$T is mounted nosuid"
	for mode in 4755 2755; do
		install -m $mode -g "$TEST_GID2" "$MRUN" mrun
		run -125 --separate-stderr as_user "$T/mrun" $I
		[ "${stderr_lines[0]}" = "mrun: refusing to run setuid or setgid" ]
		[[ ${stderr_lines[1]} == hint:* ]]
		run -125 as_user "$T/mrun" --version
	done
	# Root's own call of it changes nobody: only then it may run.
	install -m 4755 "$MRUN" mrun
	run -0 ./mrun --version
}

# mrun in the background; its own pid, whatever started it, is in $PID.
background() { # ARG…
	local file
	file=$(own_dir pids)/pid.$RANDOM
	case $WHO in
	user) as_user sh -c 'echo $$ >"$0"; exec "$@"' "$file" "$MRUN" "$@" & ;;
	*) sh -c 'echo $$ >"$0"; exec "$@"' "$file" "$MRUN" "$@" & ;;
	esac
	until [ -s "$file" ]; do
		sleep 0.001
	done
	PID=$(cat "$file")
	rm -f "$file"
}

# --- many, and killed ones ------------------------------------------------------------------------

@test "twenty at once" {
	many() {
		local i failed=0 pids=()
		load_image "$(hello_image)"
		# With nothing in the cache: they all want to unpack.
		rm -rf "$1"
		for i in {1..20}; do
			m $I sh -c "echo $i >/own; sleep 0.2; cat /own" >"$T/out.$i" 2>"$T/err.$i" &
			pids+=($!)
		done
		for i in {1..20}; do
			wait "${pids[i - 1]}" || failed=$((failed + 1))
		done
		cat "$T"/err.* >&2
		[ "$failed" -eq 0 ]
		for i in {1..20}; do
			[ "$(cat "$T/out.$i")" = "$i" ]
			[ ! -s "$T/err.$i" ]
		done
		[ -z "$(m list -q)" ]
		no_leftovers
	}
	WHO=user
	as_user "$MRUN" prune --all >/dev/null
	many /nonexistent
	if [ "$(id -u)" -eq 0 ]; then
		WHO=root
		many "$T/cache"
	fi
}

@test "killed: the container goes with it, the next run cleans up" {
	WHO=user
	killed() { # [OPTION…]
		background --name killed "$@" $I sh -c 'echo left >/tmp/left; exec sleep 47.35'
		for _ in {1..200}; do
			pgrep -f '^sleep 47.35$' >/dev/null && break
			sleep 0.1
		done
		pgrep -f '^sleep 47.35$'
		kill -KILL "$PID"
		wait || true
		for _ in {1..200}; do
			pgrep -f '^sleep 47.35$' >/dev/null || break
			sleep 0.1
		done
		run ! pgrep -f '^sleep 47.35$'
		[ -z "$(lib_mounts | lib_new "$T/.mounts")" ]
		run -0 m list
		[[ $output == *killed*stopped* ]]
		# The slot is taken again, with nothing of the killed one's in it.
		run -0 m $I sh -c '[ ! -e /tmp/left ] && grep -o "upperdir=[^,]*" /proc/self/mountinfo'
		[ "$output" = upperdir=run/0/u ]
		m delete killed
		[ -z "$(m list -q)" ]
		no_leftovers
	}
	# Another user, whom the filter does not let ask for that any more.
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["prctl"],"action":"SCMP_ACT_ERRNO"}]}' >"$T/no-prctl.json"
	chmod 644 "$T/no-prctl.json"
	filtered=(--user 1:1 --security-opt no-new-privileges --security-opt "seccomp=$T/no-prctl.json")
	killed
	killed "${filtered[@]}"
	if [ "$(id -u)" -eq 0 ]; then
		WHO=root
		load_image "$(hello_image)"
		killed
		killed "${filtered[@]}"
	fi
}

@test "killed at any moment: nothing but its state is left, and delete takes that" {
	WHO=user
	for delay in 0.001 0.003 0.005 0.007 0.009 0.012 0.015 0.02 0.03 0.05; do
		background $I sleep 47.36
		sleep $delay
		kill -KILL "$PID"
		wait || true
	done
	for _ in {1..200}; do
		pgrep -f '^sleep 47.36$' >/dev/null || break
		sleep 0.1
	done
	run ! pgrep -f '^sleep 47.36$'
	m list -q >ids
	while read -r id; do
		m delete --force "$id"
	done <ids
	[ -z "$(m list -q)" ]
	run -0 m $I
	[ "$output" = "Hello world!" ]
	no_leftovers
}
