#!/usr/bin/env bats
# The errors that people meet: each test makes one and reads what mrun says about it, the line that
# names it and the hint that says what to do.
# shellcheck disable=SC2030,SC2031,SC2016
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	[ "$(id -u)" -ne 0 ] || user_make_plain
	# Most tests do without another user.
	export NO_USER=${LIB_SKIP:-}
	unset LIB_SKIP
	export ODD=$BATS_FILE_TMPDIR/odd.tar
	odd_programs "$BATS_FILE_TMPDIR/odd" &&
		tar -C "$BATS_FILE_TMPDIR/odd" --owner=0 --group=0 -cf "$BATS_FILE_TMPDIR/odd.layer" . &&
		"$ROOT/scripts/make-image" --no-hello --layer "$BATS_FILE_TMPDIR/odd.layer" --name odd:1 \
			--cmd '["odd-command"]' --output "$ODD" 2>/dev/null
}
teardown_file() { user_clean; }

need_user() { # one with subordinate ids
	[ -z "$NO_USER" ] || skip "$NO_USER"
}
setup() { lib_setup; }
teardown() { lib_teardown; }

# --- making what is wrong --------------------------------------------------------------------

number() { # VALUE BYTES, little-endian
	local value=$1 i
	for ((i = 0; i < $2; i++)); do
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $((value & 255)))"
		value=$((value >> 8))
	done
}

# A small ELF file for a machine, that wants INTERPRETER ("": none): as much of one as the kernel
# reads before it gives up.
elf() { # MACHINE INTERPRETER
	local length=$((${#2} + 1)) phdrs=0
	[ -z "$2" ] || phdrs=1
	printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0'
	number 2 2 && number "$1" 2 && number 1 4
	number $((0x400000)) 8 && number 64 8 && number 0 8 # entry, program headers, section headers
	number 0 4 && number 64 2 && number 56 2 && number $phdrs 2 && number 64 2 && number 0 4
	if [ $phdrs -eq 1 ]; then
		number 3 4 && number 4 4 # PT_INTERP, readable
		number 120 8 && number 0 8 && number 0 8 && number $length 8 && number $length 8 && number 1 8
		printf '%s\0' "$2"
	fi
}

machine() { # this one's number, or with "other" one that this is not
	local here=62 other=183
	[ "$(uname -m)" != aarch64 ] || here=183 other=62
	if [ "${1:-}" = other ]; then echo $other; else echo $here; fi
}

odd_programs() { # DIR
	mkdir -p "$1/odd" "$1/usr/local/bin" && cd "$1/odd" || return 1
	cp "$(readlink -f "$(command -v sleep)")" host-program
	elf "$(machine)" /lib64/ld-linux-odd.so.2 >glibc
	elf "$(machine)" /lib/ld-musl-odd.so.1 >musl
	elf "$(machine other)" '' >foreign
	printf '#!/bin/no-such-shell\necho hi\n' >script
	printf '#!/bin/sh\r\necho hi\r\n' >crlf
	printf 'echo hi\n' >text
	printf '#!/bin/sh\necho hi\n' >closed
	chmod 755 ./*
	chmod 644 closed
	cp closed "$1/usr/local/bin/closed-command"
}

# --- reading what is said --------------------------------------------------------------------

# CMD ends with exit code CODE, prints nothing on standard output, and its error and hint are one
# line each, which match.
explains() { # CODE ERROR HINT CMD…
	local code=$1 error=$2 hint=$3 status=0
	shift 3
	"$@" >"$T/.out" 2>"$T/.err" || status=$?
	cat "$T/.err"
	[ "$status" -eq "$code" ] || {
		echo "exit code $status, expected $code" >&2
		return 1
	}
	[ ! -s "$T/.out" ]
	grep '^mrun: ' "$T/.err" | tail -n 1 | grep -qE -- "$error" || {
		echo "no such error: $error" >&2
		return 1
	}
	[ "$(grep -c '^hint: ' "$T/.err")" -eq 1 ]
	grep '^hint: ' "$T/.err" | grep -qE -- "$hint" || {
		echo "no such hint: $hint" >&2
		return 1
	}
}

odd() { # [OPTION…] [COMMAND…]
	"$MRUN" odd:1 "$@"
}

load_odd() {
	"$MRUN" load -q "$ODD"
}

# A shell script in a mount namespace of its own, where as_user and as_user2 are known.
alone() { # SCRIPT
	export LIB_RUN MRUN ODD T
	export -f lib_as as_user as_user2
	unshare -m --propagation private bash -eu -c "$1"
}

hello_for_user() { # RUNNER
	local image
	image=$(hello_image)
	"$1" "$MRUN" load -q "$image"
}

# --- the program cannot be executed ----------------------------------------------------------

@test "a program that was linked against glibc, in an image without glibc" {
	local interpreter
	load_odd
	explains 127 'exec /odd/glibc: no such file' \
		'^hint: /odd/glibc is there, but its ELF interpreter /lib64/ld-linux-odd.so.2 is missing in the image: .*glibc.*CGO_ENABLED=0' odd /odd/glibc
	interpreter=$(head -c 4096 "$BATS_FILE_TMPDIR/odd/odd/host-program" | tr -c '[:graph:]' '\n' |
		grep -m 1 '^/lib.*/ld-linux') || skip "the rest needs a host whose programs use glibc"
	explains 127 'exec /odd/host-program: no such file' \
		"its ELF interpreter $interpreter is missing in the image: .*glibc" odd /odd/host-program 1
}

@test "a program that was linked against musl, in an image without musl" {
	load_odd
	explains 127 'exec /odd/musl: no such file' \
		'its ELF interpreter /lib/ld-musl-odd.so.1 is missing in the image: .*musl.*Alpine' odd /odd/musl
}

@test "a program for another architecture" {
	local built=arm64 here=amd64
	[ "$(machine)" = 62 ] || built=amd64 here=arm64
	load_odd
	explains 126 'exec /odd/foreign: exec format error' \
		"was built for $built and this machine is $here: .*--platform" odd /odd/foreign
}

@test "an image for another architecture only" {
	local other=arm64
	[ "$(machine)" = 62 ] || other=amd64
	command -v go >/dev/null || skip "no Go compiler to build for $other with"
	"$ROOT/scripts/make-image" --base busybox --arch $other --name foreign:1 --output f.tar 2>make.err || {
		cat make.err
		skip "cannot build for $other here"
	}
	"$MRUN" load -q f.tar
	explains 126 'exec /app/hello-world: exec format error' "was built for $other" "$MRUN" foreign:1
}

@test "a script whose interpreter is missing" {
	load_odd
	explains 127 'exec /odd/script: no such file' \
		'/odd/script is a script, and its interpreter /bin/no-such-shell is missing in the image' odd /odd/script
}

@test "a script with the line ends of Windows" {
	load_odd
	explains 127 'exec /odd/crlf: no such file' 'ends in a carriage return: save .*Unix line ends' odd /odd/crlf
}

@test "a script without a first line that says so" {
	load_odd
	explains 126 'exec /odd/text: exec format error' 'neither a program nor a script with a #! line' odd /odd/text
}

@test "a file that is not executable, and a directory" {
	load_odd
	explains 126 'exec /odd/closed: permission denied' '/odd/closed may not be executed.*\+x' odd /odd/closed
	explains 126 'exec /odd: permission denied' '/odd may not be executed' odd /odd
	explains 126 'exec: "closed-command": permission denied' 'chmod \+x' odd closed-command
}

@test "a program that is not there" {
	load_odd
	explains 127 'exec /odd/nothing: no such file or directory' \
		'there is no /odd/nothing in the image: check COPY and CMD' odd /odd/nothing
}

@test "the image's own command is not in its PATH" {
	load_odd
	explains 127 'exec: "odd-command": executable file not found in \$PATH' \
		'PATH in the container is /usr/local/sbin:/usr/local/bin:' odd
	"$MRUN" -e PATH=/a:/b odd:1 2>"$T/.err" || true
	grep -q 'PATH in the container is /a:/b$' "$T/.err"
}

# --- the name --------------------------------------------------------------------------------

@test "an image that is not there: what was searched, and what is near" {
	load_odd
	"$MRUN" tag odd:1 multistage-hello-world:latest
	explains 125 "image 'multistage-hello-wrld' not found: not in the image store" \
		'did you mean multistage-hello-world:latest\?' "$MRUN" multistage-hello-wrld
	explains 125 "image 'odd:2' not found" 'did you mean odd:1\?' "$MRUN" odd:2
	explains 125 "image 'quite-another' not found: .*no file of that name" \
		"'mrun images' lists .*docker save quite-another \| mrun load" "$MRUN" quite-another
}

@test "a file that is not there, and one with nothing in it" {
	explains 125 "image 'missing.tar' not found: .*no file of that name" 'is the path of the file right' "$MRUN" missing.tar
	: >empty.tar
	tar -cf nothing.tar -T /dev/null
	for file in empty.tar nothing.tar; do
		explains 125 "load image from $file: not an image: nothing is in it" 'docker save\) fail' "$MRUN" load -i $file
	done
	explains 125 'load image from standard input: not an image: nothing is in it' 'docker save\) fail' "$MRUN" load </dev/null
	mkdir nothing
	explains 125 'load image from nothing: not an image: an OCI layout directory has' 'give the directory' "$MRUN" load -i nothing
	run --separate-stderr -125 "$MRUN" inspect missing
	[ "$output" = '[]' ]
}

@test "a command of docker's that mrun does not have, and a misspelled one" {
	load_odd
	explains 125 "image 'pull' not found" 'mrun has no command pull: .*docker save IMAGE \| mrun load' "$MRUN" pull alpine
	explains 125 "image 'build' not found" 'mrun has no command build: mrun builds nothing' "$MRUN" build .
	explains 125 "image 'rm' not found" "mrun delete CONTAINER" "$MRUN" rm x
	explains 125 "image 'image' not found" "no groups of commands: mrun images" "$MRUN" image ls
	explains 125 "image 'imags' not found" "did you mean 'mrun images'" "$MRUN" imags
	explains 125 "image 'exe' not found" "did you mean 'mrun exec'" "$MRUN" exe x ls
	# An image's name that is near is said first, and an image is an image, whatever it is called.
	explains 125 "image 'odx' not found" 'did you mean odd:1' "$MRUN" odx
	"$MRUN" tag odd:1 pull
	explains 127 'exec: "odd-command"|odd-command' . "$MRUN" pull
	explains 125 "image 'pul' not found" 'did you mean pull:latest' "$MRUN" pul
}

@test "a container that is not there" {
	explains 1 'container nosuch does not exist' "'mrun list'" "$MRUN" kill nosuch
	explains 255 'container nosuch does not exist' "'mrun list'" "$MRUN" exec nosuch ls
	run -0 "$MRUN" delete --force nosuch
	[ -z "$output" ]
}

# --- ids -------------------------------------------------------------------------------------

@test "no subordinate ids: it runs, and one line says what is lost" {
	need_root
	hello_for_user as_user2
	as_user2 "$MRUN" multistage-hello-world >out 2>err
	cat err
	[ "$(cat out)" = 'Hello world!' ]
	grep -qE '^mrun: no subordinate ids in /etc/subuid and /etc/subgid: only your own id is mapped' err
}

@test "newuidmap without its setuid bit" {
	need_root
	need newuidmap newgidmap
	hello_for_user as_user
	as_user "$MRUN" multistage-hello-world
	local helper
	for helper in newuidmap newgidmap; do
		# A copy, over the system's one in a mount namespace only: the system's stays as it is.
		install -m 755 "$(command -v $helper)" "$T/$helper"
		getcap "$T/$helper" | grep -q . && setcap -r "$T/$helper"
		explains 125 "map ids: $helper failed" "$helper setuid root .*chmod u\+s .*/$helper" \
			alone "mount --bind \$T/$helper \$(command -v $helper); as_user \$MRUN multistage-hello-world"
	done
	# What the hint says mends it.
	alone "mount --bind \$T/newuidmap \$(command -v newuidmap); chmod u+s \$(command -v newuidmap)
		as_user \$MRUN multistage-hello-world"
}

@test "newuidmap is not installed: a single id, and one line that says so" {
	need_root
	need newuidmap
	hello_for_user as_user
	alone 'mount --bind /dev/null $(command -v newuidmap); as_user $MRUN multistage-hello-world' >out 2>err
	cat err
	[ "$(cat out)" = 'Hello world!' ]
	grep -q '^mrun: newuidmap and newgidmap are not installed: only your own id is mapped' err
}

@test "an installation that is setuid is refused" {
	need_root
	hello_for_user as_user
	install -m 4755 "$MRUN" "$T/mrun"
	explains 125 'refusing to run setuid' 'chmod u-s' as_user "$T/mrun" multistage-hello-world
}

# --- user namespaces that are switched off ---------------------------------------------------

# As root of a user namespace with the test user's ids, where the switch counts for what is below it:
# the host's stays.
nested() { # SCRIPT
	as_user env MRUN="$MRUN" unshare -Urm --map-auto --propagation private bash -eu -c "$1"
}

need_nested() {
	need_user
	need newuidmap
	unshare --help | grep -q -e --map-auto || skip "unshare without --map-auto (util-linux before 2.38)"
	nested true || skip "no user namespace with a range of ids can be made here"
}

@test "user.max_user_namespaces=0, with the image unpacked" {
	need_nested
	local image
	image=$(hello_image)
	explains 125 "make the container's user namespace: no space left on device" \
		'sysctl -w user.max_user_namespaces=' nested "
		$MRUN load -q '$image'
		[ \"\$($MRUN multistage-hello-world)\" = 'Hello world!' ]
		echo 0 >/proc/sys/user/max_user_namespaces
		exec $MRUN multistage-hello-world"
}

@test "user.max_user_namespaces=0, with the image still to unpack" {
	need_nested
	local image
	image=$(hello_image)
	explains 125 'start mrun-unpack: .*user namespace: no space left on device' \
		'user.max_user_namespaces|mrun doctor' nested "
		echo 0 >/proc/sys/user/max_user_namespaces
		exec $MRUN '$image'"
}

# Where the kernel has no such switch, a file in its place says what it would say; the refusal is
# the kernel's own.
@test "Debian's and Ubuntu's switches are named" {
	need_nested
	local image
	image=$(hello_image)
	switch() { # NAME VALUE
		nested "
			$MRUN load -q '$image'
			$MRUN multistage-hello-world >/dev/null
			echo 0 >/proc/sys/user/max_user_namespaces
			mount -t tmpfs tmpfs /proc/sys/user
			mount -t tmpfs tmpfs /proc/sys/kernel
			echo $2 >/proc/sys/kernel/$1
			exec $MRUN multistage-hello-world"
	}
	explains 125 'user namespace' 'sysctl -w kernel.unprivileged_userns_clone=1' \
		switch unprivileged_userns_clone 0
	explains 125 'user namespace' 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' \
		switch apparmor_restrict_unprivileged_userns 1
}

# --- directories -----------------------------------------------------------------------------

@test "XDG_RUNTIME_DIR unset, missing or another user's: a fallback of the user's own" {
	need_root
	hello_for_user as_user
	local value
	for value in '' /nonexistent relative "$XDG_RUNTIME_DIR" /run; do
		as_user env XDG_RUNTIME_DIR="$value" "$MRUN" multistage-hello-world >out
		[ "$(cat out)" = 'Hello world!' ]
	done
	as_user env -u XDG_RUNTIME_DIR "$MRUN" multistage-hello-world >out
	[ "$(cat out)" = 'Hello world!' ]
	[ "$(stat -c '%u %a' "/tmp/mrun-$TEST_UID")" = "$TEST_UID 700" ]
}

@test "the fallback for XDG_RUNTIME_DIR is somebody else's" {
	need_root
	hello_for_user as_user
	as_user mkdir -p -m 700 "/tmp/mrun-$TEST_UID"
	explains 125 "/tmp/mrun-$TEST_UID is not a directory of yours alone" 'XDG_RUNTIME_DIR|--root' alone '
		mount -t tmpfs tmpfs /tmp/mrun-$TEST_UID
		as_user env -u XDG_RUNTIME_DIR $MRUN multistage-hello-world'
}

@test "HOME unset, relative, missing or closed" {
	local value image
	image=$(hello_image)
	explains 125 'HOME is not set' 'set HOME, or XDG_DATA_HOME' \
		env -u XDG_DATA_HOME -u XDG_CACHE_HOME -u HOME "$MRUN" "$image"
	explains 125 'HOME is not an absolute path' 'set HOME' \
		env -u XDG_DATA_HOME -u XDG_CACHE_HOME HOME=here "$MRUN" "$image"
	explains 125 'HOME is /nonexistent: no such file' 'set HOME' \
		env -u XDG_DATA_HOME -u XDG_CACHE_HOME HOME=/nonexistent "$MRUN" "$image"
	# The cache needs a place as well.
	explains 125 'cache directory: neither XDG_CACHE_HOME nor HOME' 'set HOME, or XDG_CACHE_HOME' \
		env -u XDG_CACHE_HOME -u HOME "$MRUN" "$image"
	need_root
	mkdir -m 700 "$T/closed"
	explains 125 'permission denied' "HOME or XDG_DATA_HOME .*su -" as_user env HOME="$T/closed" "$MRUN" "$image"
	# root with the HOME that sudo left: root's files would lock its owner out.
	explains 125 "HOME is $TEST_HOME, which belongs to uid $TEST_UID" 'sudo -H' \
		env -u XDG_DATA_HOME HOME="$TEST_HOME" "$MRUN" "$image"
}

@test "a full disk, while an image is loaded and while it is unpacked" {
	need_root
	local image status
	image=$(hello_image)
	alone "mkdir $T/small && mount -t tmpfs -o size=3m tmpfs $T/small
		export XDG_DATA_HOME=$T/small
		$MRUN load '$image' >$T/out 2>$T/err || echo \$? >$T/status
		find $T/small/mrun/blobs $T/small/mrun/tmp -type f >$T/left"
	cat err
	[ "$(cat status)" -eq 125 ]
	grep -q '^mrun: .*: no space left on device$' err
	[ ! -s left ]
	"$MRUN" load -q "$image"
	alone "mount -t tmpfs -o size=3m tmpfs $T/small
		export XDG_CACHE_HOME=$T/small
		$MRUN multistage-hello-world >$T/out 2>$T/err || echo \$? >$T/status
		find $T/small -name 'tmp-*' -o -name 'diff-*' >$T/left"
	cat err
	[ "$(cat status)" -eq 125 ]
	grep -q '^mrun: .*: no space left on device$' err
	[ ! -s left ]
	# With room again, it runs.
	[ "$("$MRUN" multistage-hello-world)" = 'Hello world!' ]
}

# --- limits ----------------------------------------------------------------------------------

@test "limits without root and without delegation: which controller, and what to do" {
	need_root # the test's user, unlike the one who runs it, surely has no delegated cgroup
	[ -n "$(awk '$(NF - 2) ~ /^cgroup/' /proc/self/mountinfo)" ] || skip "no cgroups are mounted here"
	hello_for_user as_user
	explains 125 'memory.limit: controller memory' 'delegat' as_user "$MRUN" -m 64m multistage-hello-world
	explains 125 'pids.limit: controller pids' 'delegat' as_user "$MRUN" --pids-limit 20 multistage-hello-world
	explains 125 'cpu.*: controller cpu' 'delegat' as_user "$MRUN" --cpus 1 multistage-hello-world
	# Without them it runs.
	[ "$(as_user "$MRUN" multistage-hello-world)" = 'Hello world!' ]
}
