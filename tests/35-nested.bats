#!/usr/bin/env bats
# mrun inside of other containers and namespaces: a rootless podman container with podman's default
# options (its seccomp profile, its masks: neither procfs nor sysfs can be mounted anew there),
# nests made by unshare(1), and under filters as container managers load them (tests/probe/filter.c).
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	FILTER=$BUILD/tests/filter
	if [ ! -x "$FILTER" ]; then
		FILTER=$LIB_CACHE/filter
		mkdir -p "$LIB_CACHE"
		[ "$FILTER" -nt "$ROOT/tests/probe/filter.c" ] || ! command -v cc >/dev/null ||
			cc -static -o "$FILTER" "$ROOT/tests/probe/filter.c"
	fi
	install -D -m 755 "$FILTER" "$TEST_HOME/filter"
	export FILTER=$TEST_HOME/filter
}
teardown_file() { user_clean; }
setup() { lib_setup; }
teardown() { lib_teardown; }

# Under a filter. Loaded before the change of user, so that newuidmap keeps its setuid bit.
filtered() { # RULE… -- CMD…
	local rules=()
	while [ "$1" != -- ]; do
		rules+=("$1")
		shift
	done
	shift
	case $WHO in
	user)
		if [ "$(id -u)" -eq 0 ]; then
			"$FILTER" "${rules[@]}" -- setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups \
				--inh-caps=-all -- env -i "HOME=$TEST_HOME" "XDG_RUNTIME_DIR=$TEST_RUNTIME" "PATH=$PATH" \
				"MRUN_TEST_MARK=$T" "$@"
		else
			as_user "$FILTER" "${rules[@]}" -- "$@"
		fi
		;;
	*) "$FILTER" "${rules[@]}" -- "$@" ;;
	esac
}
need_filter() {
	[ "$(id -u)" -eq 0 ] || skip "without root a filter needs no_new_privs, which newuidmap does not survive"
	[ -x "$FILTER" ] || skip "tests/probe/filter.c is not built, and no C compiler is installed"
}

# --- podman ------------------------------------------------------------------------------------

# A root file system with mrun, its helper, the libraries of that, and the example image.
outer_rootfs() { # DIR
	local library
	alpine_rootfs "$1" || return 1
	install -D -t "$1/opt/mrun" "$MRUN" "${MRUN%/*}/mrun-unpack"
	ldd "${MRUN%/*}/mrun-unpack" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		install -D "$library" "$1$library"
	done
	cp "$(hello_image)" "$1/hello.tar"
	chmod 644 "$1/hello.tar"
	mkdir -m 755 "$1/home/plain"
	[ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$1"
}

# What keeps podman itself from running here is no matter of ours: then the reason is the skip's.
outer_podman() { # DIR OPTION… -- CMD…
	local dir=$1 options=() said
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	if [ -z "${PODMAN:-}" ]; then
		# Limits: raising them to podman's own needs CAP_SYS_RESOURCE. runc: crun refuses hybrid cgroups.
		PODMAN=(podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
		if ! said=$(as_user "${PODMAN[@]}" --rootfs "$dir" true 2>&1); then
			PODMAN+=(--runtime runc)
			said=$(as_user "${PODMAN[@]}" --rootfs "$dir" true 2>&1) ||
				skip "a rootless podman container cannot be run here: ${said##*$'\n'}"
		fi
	fi
	as_user "${PODMAN[@]}" "${options[@]}" --rootfs "$dir" "$@" 2> >(grep -v 'not a shared mount' >&2)
}
# The process that keeps podman's namespaces.
end_podman() {
	as_user podman system migrate >/dev/null 2>&1
}

@test "inside a rootless podman container with its default options" {
	need_static
	need podman
	outer_rootfs "$TEST_HOME/outer"
	cat >"$TEST_HOME/outer/in.sh" <<-'END'
		export HOME=/root
		/opt/mrun/mrun load -q -i /hello.tar >/dev/null || exit 3
		/opt/mrun/mrun multistage-hello-world 2>/tmp/err || exit 4
		[ ! -s /tmp/err ] || { cat /tmp/err; exit 5; }
		/opt/mrun/mrun multistage-hello-world sh -c '
			touch /f && chown 1000:33 /f && stat -c %u:%g /f /etc/shadow
			su nobody -s /bin/sh -c "id -u"
			grep -q "^[0-9]* [0-9]* [0-9:]* / /proc " /proc/self/mountinfo && echo proc
			[ -d /sys/kernel ] && echo sys
			! touch /sys/x 2>/dev/null && ! echo 1 2>/dev/null >/proc/sys/kernel/core_pattern && echo read-only
			[ $$ -eq 1 ] && echo pid 1'
		mkdir /v && echo mine >/v/f
		/opt/mrun/mrun -v /v:/v multistage-hello-world sh -c 'cat /v/f; echo inner >/v/g'
		stat -c %u /v/g
		/opt/mrun/mrun multistage-hello-world sh -c 'exit 9'
		echo $?
		# Asked for, it cannot be left out without a word.
		/opt/mrun/mrun --hostname box multistage-hello-world hostname 2>/tmp/err
		echo $?; cat /tmp/err
		[ -z "$(/opt/mrun/mrun list -q)" ] && echo none left
	END
	run -0 --separate-stderr outer_podman "$TEST_HOME/outer" -- sh /in.sh
	end_podman
	rm -rf "$TEST_HOME/outer"
	printf '%s\n' "$output" "$stderr" >&2
	[ "${lines[0]}" = "Hello world!" ]
	[ "${lines[1]}" = 1000:33 ]
	[ "${lines[2]}" = 0:42 ]
	[ "${lines[3]}" = 65534 ]
	[ "$(printf '%s\n' "${lines[@]:4:7}")" = $'proc\nsys\nread-only\npid 1\nmine\n0\n9' ]
	case ${lines[11]} in
	box) [ "${lines[12]}" = 0 ] ;; # a newer podman's profile allows it
	*)
		[ "${lines[11]}" = 125 ]
		[[ ${lines[12]} == *"set the host name 'box': operation not permitted" ]]
		[[ ${lines[13]} == "hint: a seccomp filter"* ]]
		;;
	esac
	[ "${lines[-1]}" = "none left" ]
}

@test "inside podman as an ordinary user of the container, who has one id" {
	need_static
	need podman
	outer_rootfs "$TEST_HOME/outer"
	chmod 777 "$TEST_HOME/outer/home/plain"
	cat >"$TEST_HOME/outer/in.sh" <<-'END'
		export HOME=/home/plain
		/opt/mrun/mrun load -q -i /hello.tar >/dev/null || exit 3
		/opt/mrun/mrun multistage-hello-world 2>/tmp/err || { cat /tmp/err; exit 4; }
		grep -c . /tmp/err; cat /tmp/err
	END
	run -0 --separate-stderr outer_podman "$TEST_HOME/outer" --user 1000:1000 -- sh /in.sh
	end_podman
	as_user podman unshare rm -rf "$TEST_HOME/outer"
	end_podman
	[ "${lines[0]}" = "Hello world!" ]
	[ "${lines[1]}" = 1 ]
	[[ $output == *"only your own id is mapped"* ]]
}

# --- unshare -----------------------------------------------------------------------------------

@test "as root of a user namespace with one id" {
	as_user "$MRUN" load -q -i "$(hello_image)"
	run -0 --separate-stderr as_user unshare -Urmpf --mount-proc "$MRUN" $I
	[ "$output" = "Hello world!" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"maps one id only"* ]]
	run -0 --separate-stderr as_user unshare -Urmpf --mount-proc "$MRUN" $I sh -c 'cat /proc/self/uid_map; id -u; touch /f && stat -c %u /f'
	[ "$(tr -s ' ' <<<"$output")" = $' 0 0 1\n0\n0' ]
	# -v needs no id-mapped mount there, which could not be had.
	as_user mkdir -p "$TEST_HOME/v"
	run -0 --separate-stderr as_user unshare -Urmpf --mount-proc "$MRUN" -v "$TEST_HOME/v:/v" $I touch /v/nested
	[ "$(stat -c %u "$TEST_HOME/v/nested")" -eq "$TEST_UID" ]
}

@test "as root of a user namespace with many ids" {
	as_user unshare --map-auto --map-root-user true || skip "this unshare(1) has no --map-auto"
	as_user "$MRUN" load -q -i "$(hello_image)"
	nested() { as_user unshare --map-auto --map-root-user -mpf --mount-proc "$MRUN" "$@"; }
	run -0 --separate-stderr nested $I
	[ "$output" = "Hello world!" ]
	[ -z "$stderr" ]
	run -0 --separate-stderr nested $I sh -c 'touch /f && chown 33:1000 /f && stat -c %u:%g /f && su nobody -s /bin/sh -c "id -u"'
	[ "$output" = $'33:1000\n65534' ]
	as_user mkdir -p "$TEST_HOME/v"
	run -0 nested -v "$TEST_HOME/v:/v" $I sh -c 'touch /v/many && chown 5 /v/many'
	[ "$(stat -c %u "$TEST_HOME/v/many")" -gt 65536 ]
	as_user unshare --map-auto --map-root-user rm -rf "$TEST_HOME/v"
	# Its files are ids that only that namespace has.
	as_user unshare --map-auto --map-root-user "$MRUN" prune --all
}

@test "mrun's containers two deep" {
	need_static
	alpine_rootfs rootfs
	install -D -t rootfs/opt "$MRUN" "${MRUN%/*}/mrun-unpack"
	ldd "${MRUN%/*}/mrun-unpack" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		install -D "$library" "rootfs$library"
	done
	cp "$(hello_image)" rootfs/hello.tar
	tar -C rootfs --owner=0 --group=0 -cf rootfs.tar .
	chmod 644 rootfs.tar
	two_deep() {
		m import "$T/rootfs.tar" outer >/dev/null
		# The default profile denies nested user namespaces, and says what to do.
		run -125 m outer /opt/mrun --root /tmp/s docker-archive:/hello.tar
		[[ $output == *"make the container's user namespace: operation not permitted"*"hint: "*seccomp=unconfined* ]]
		run -0 --separate-stderr m --security-opt seccomp=unconfined outer /opt/mrun docker-archive:/hello.tar
		[ "$output" = "Hello world!" ]
		m rmi outer
	}
	both two_deep
}

@test "where a new procfs may not be mounted, the one that is there is shown" {
	as_user "$MRUN" load -q -i "$(hello_image)"
	cat >"$TEST_HOME/masked.sh" <<-END
		# What container managers do; from here on the kernel refuses a new procfs below this namespace.
		mount -t tmpfs none /proc/scsi 2>/dev/null || mount -t tmpfs none /proc/fs || exit 3
		unshare -Urpf mount -t proc none /proc 2>/dev/null && exit 4
		exec "$MRUN" $I sh -c 'echo \$\$; grep -c "^Name:" /proc/self/status; ls /proc/self/fd | wc -l'
	END
	run -0 --separate-stderr as_user unshare -Urmpf --mount-proc sh "$TEST_HOME/masked.sh"
	[ "$output" = $'1\n1\n4' ]
}

# --- filters -----------------------------------------------------------------------------------

# What Docker's default profile does to a container without CAP_SYS_ADMIN.
DOCKER=(userns=EPERM clone3=ENOSYS setns=EPERM mount=EPERM fsopen=EPERM pivot_root=EPERM)

@test "under Docker's default profile: one clear error, exit code 125" {
	need_filter
	denied() {
		run -125 --separate-stderr filtered "${DOCKER[@]}" -- "$MRUN" load -i "$(hello_image)"
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" -eq 2 ]
		[[ ${stderr_lines[0]} == "mrun: "*"operation not permitted" ]]
		[[ ${stderr_lines[1]} == "hint: "*"--security-opt seccomp=unconfined"* ]]
		m load -q -i "$(hello_image)"
		# With the layers to be unpacked, and with them there.
		run -125 --separate-stderr filtered "${DOCKER[@]}" -- "$MRUN" $I
		[ "${#stderr_lines[@]}" -eq 2 ]
		[[ ${stderr_lines[1]} == "hint: "*"--security-opt seccomp=unconfined"* ]]
		m $I
		run -125 --separate-stderr filtered "${DOCKER[@]}" -- "$MRUN" $I
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" -eq 2 ]
		[[ ${stderr_lines[0]} == "mrun: make the container's user namespace: operation not permitted" ]]
		[[ ${stderr_lines[1]} == "hint: "*"--security-opt seccomp=unconfined"* ]]
		[ -z "$(m list -q)" ]
	}
	both denied
}

@test "where clone3 is not there, clone does all of it" {
	need_filter
	without_clone3() {
		m prune --all >/dev/null
		run -0 filtered clone3=ENOSYS -- "$MRUN" load -q -i "$(hello_image)"
		run -0 --separate-stderr filtered clone3=ENOSYS -- "$MRUN" $I
		[ "$output" = "Hello world!" ]
		[ -z "$stderr" ]
		case $WHO in user) dir=$TEST_HOME/c ;; *) dir=$T/c ;; esac
		mkdir "$dir"
		[ "$WHO" = root ] || [ "$(id -u)" -ne 0 ] || chown "$TEST_USER:" "$dir"
		run -0 --separate-stderr filtered clone3=ENOSYS -- "$MRUN" -v "$dir:/v" $I touch /v/f
		[ "$(stat -c %u "$dir/f")" = "$(stat -c %u "$dir")" ]
		rm -r "$dir"
	}
	both without_clone3
}

@test "where clone3 is not there, a bundle runs, too" {
	need_filter
	need_root
	bundle b '.process.args = ["echo", "from a bundle"]'
	cd b
	run -0 "$FILTER" clone3=ENOSYS -- "$MRUN" run "clone3-$$" </dev/null
	[ "$output" = "from a bundle" ]
}

@test "where openat2 is not there, a walk takes its place" {
	need_filter
	without_openat2() {
		m prune --all >/dev/null
		run -0 filtered openat2=ENOSYS -- "$MRUN" load -q -i "$(hello_image)"
		run -0 --separate-stderr filtered openat2=ENOSYS -- "$MRUN" $I
		[ "$output" = "Hello world!" ]
	}
	both without_openat2
}

@test "user namespaces used up, or switched off" {
	load_both() { m load -q -i "$(hello_image)" && m $I; }
	both load_both
	as_user unshare -Ur "$MRUN" $I
	# The limit of a user namespace holds for what is made in it, whoever makes it.
	run -125 --separate-stderr as_user unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces; exec $MRUN $I"
	[[ $stderr == *"make the container's user namespace: no space left on device"* ]]
	[[ $stderr == *"hint: user namespaces are switched off: sysctl -w user.max_user_namespaces="* ]]
	need_filter
	need_root
	run -125 --separate-stderr "$FILTER" clone3=ENOSPC userns=ENOSPC -- "$MRUN" $I
	[[ $stderr == *"hint: a limit of /proc/sys/user/max_"* ]]
}
