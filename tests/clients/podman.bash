# Shared by podman*.bats and buildah.bats: podman and buildah of the file's own, as root and as the
# test user, with mrun as the runtime.
#
# In setup_file: podman_make; in teardown_file: podman_clean. In each test: podman_setup and
# podman_teardown, which fails if a container, its state or its cgroup is left.
#
# As root everything runs below a process of ours that has a mount, network and pid namespace of its
# own: what podman mounts, its bridge and firewall rules, and every conmon end with that process.
# In there /run/mrun is empty, and /dev/net/tun is open to the test user.
# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154 # bats's variables, and the files' that load this

TYPIST=$ROOT/tests/clients/typist.py
EXAMPLE=$ROOT/examples/multistage-hello-world
NONE=(--network none)

# --- the namespaces --------------------------------------------------------------------------

podman_namespaces_in() {
	# Propagation below it as on a host with systemd.
	mount --make-rprivate / && mount --make-rshared / && ip link set lo up &&
		mkdir -p /run/mrun && mount -t tmpfs -o mode=700 none /run/mrun &&
		mkdir -p /run/netns && mount -t tmpfs none /run/netns &&
		mount -t tmpfs -o mode=755 none "$P/dev" || return 1
	! mknod -m 666 "$P/dev/tun" c 10 200 || [ ! -c /dev/net/tun ] ||
		mount --bind "$P/dev/tun" /dev/net/tun || return 1
	: >"$P/ready"
	# A first process that reaps.
	while :; do
		sleep 3600 &
		wait $!
	done
}

podman_namespaces() { # [WHAT TO DO THERE FIRST]; $HOLDER is its first process
	local unshare _
	export -f podman_namespaces_in
	rm -f "$P/ready"
	mkdir -p "$P/dev"
	unshare -m -n -p --fork --mount-proc --propagation private \
		bash -c "${1:-:} && podman_namespaces_in" >"$P/namespaces.log" 2>&1 </dev/null 3>&- &
	unshare=$!
	for _ in {1..300}; do
		[ ! -e "$P/ready" ] || break
		kill -0 $unshare 2>/dev/null || break
		sleep 0.1
	done
	[ -e "$P/ready" ] || {
		cat "$P/namespaces.log" >&2
		return 1
	}
	HOLDER=$(pgrep -P $unshare)
	export HOLDER
}

podman_namespaces_end() { # PID
	local _
	[ -n "${1:-}" ] || return 0
	# What is frozen does not die.
	find /sys/fs/cgroup -path "*/$CGROUP/*" -name freezer.state -exec sh -c 'echo THAWED >"$1"' sh {} \; 2>/dev/null
	kill -KILL "$1" 2>/dev/null
	for _ in {1..100}; do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
}

in_ns() {
	if [ -n "${HOLDER:-}" ]; then
		nsenter -t "$HOLDER" -m -n -p -- "$@"
	else
		"$@"
	fi
}

# --- podman and buildah ------------------------------------------------------------------------

# The example's containers.conf with our path, and what keeps podman to itself. Limits: podman's own
# default is more than root may have without CAP_SYS_RESOURCE; none on the number of processes, as
# there may be no controller for it.
podman_config() { # DIR OWNER
	mkdir -p "$1"
	{
		cat <<-TOML
			[containers]
			default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
			pids_limit = 0
			log_driver = "k8s-file"
			[network]
			network_config_dir = "$1/networks"
		TOML
		sed "s|^mrun = .*|mrun = [\"$P/bin/mrun\"]|" "$ROOT/examples/containers.conf" | sed '/^\[engine\]/r /dev/fd/3' 3<<-TOML
			lock_type = "file"
			events_logger = "file"
			cgroup_manager = "cgroupfs"
			image_copy_tmp_dir = "$P/tmp"
		TOML
	} >"$1/containers.conf"
	{
		printf '[storage]\ndriver = "overlay"\n'
		[ "$2" != root ] || printf 'graphroot = "%s"\nrunroot = "%s"\n' "$P/root" "$P/runroot"
	} >"$1/storage.conf"
	echo 'unqualified-search-registries = []' >"$1/registries.conf"
	chown -R "$2:" "$1"
}

# WHO runs it: root or user.
as_who() { # [NAME=VALUE…] COMMAND…
	if [ "$WHO" = user ]; then
		in_ns bash -c 'as_user env "$@"' bash "TMPDIR=$P/tmp" "${PODMAN_ENV[@]}" "$@"
	else
		in_ns env -u XDG_RUNTIME_DIR "CONTAINERS_CONF=$P/etc/containers.conf" "CONTAINERS_STORAGE_CONF=$P/etc/storage.conf" \
			"CONTAINERS_REGISTRIES_CONF=$P/etc/registries.conf" "TMPDIR=$P/tmp" "${PODMAN_ENV[@]}" "$@"
	fi
}
PODMAN_ENV=()

# podman; what hangs is ended, in the foreground for the sake of terminals.
p() {
	own_options
	as_who timeout --foreground -s KILL 120 podman "${OWN[@]}" "$@"
}
own_options() {
	OWN=()
	[ "$WHO" = user ] || OWN=(--root "$P/root" --runroot "$P/runroot" --tmpdir "$P/libpod")
	# Else there is a warning about the propagation of / with every command.
	[ -n "${HOLDER:-}" ] || OWN+=(--log-level error)
}
# `podman run` and `podman create`, below a cgroup that we find again.
prun() {
	if [ "$WHO" = user ]; then
		p run "$@"
	else
		p run --cgroup-parent "/$CGROUP" "$@"
	fi
}
b() {
	local own=()
	[ "$WHO" = user ] || own=(--root "$P/root" --runroot "$P/runroot")
	[ -n "${HOLDER:-}" ] || own+=(--log-level error)
	as_who timeout --foreground -s KILL 120 buildah "${own[@]}" "$@"
}
# Under a terminal: steps as typist.py takes them, then a function of the above.
typed() { # STEP… -- COMMAND…
	local steps=()
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	export -f p own_options prun b as_who in_ns as_user lib_as
	WHO=$WHO P=$P CGROUP=$CGROUP python3 "$TYPIST" "${steps[@]}" -- bash -c 'PODMAN_ENV=(); "$@"' bash "$@"
}

# Both, where there is root.
both() {
	for WHO in root user; do
		[ "$WHO" = user ] || [ "$(id -u)" -eq 0 ] || continue
		echo "# as $WHO" >&2
		"$@" # (a "|| return" would switch errexit off in there)
	done
}
# For --userns=auto, which takes root's ids from the range of a user named so.
subids_for_auto() {
	local file
	for file in subuid subgid; do
		{ cat /etc/$file && echo containers:1200000000:1048576; } >"$T/$file" &&
			in_ns mount --bind "$T/$file" /etc/$file || return 1
	done
}
# A directory of WHO's.
own_dir() { # NAME
	local dir=$T/$1
	[ "$WHO" != user ] || dir=$TEST_HOME/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	[ "$WHO" != user ] || chown "$TEST_USER:" "$dir"
	echo "$dir"
}

# Waits until COMMAND succeeds, for half a minute.
eventually() {
	local _
	for _ in {1..150}; do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	echo "did not come: $*" >&2
	return 1
}

# --- the file's own ---------------------------------------------------------------------------

# LIB_SKIP where podman cannot run a container with any runtime; where it can with another one but
# not with mrun, the tests fail.
podman_make() { # PROGRAM…
	local program said other
	for program in podman conmon "$@" jq python3; do
		command -v "$program" >/dev/null && continue
		export LIB_SKIP="$program is not installed (scripts/install-deps clients)"
		return 0
	done
	user_make
	[ -z "${LIB_SKIP:-}" ] || return 0
	P=$(mktemp -d "$(lib_tmp_parent)/mrun-test.$LIB_RUN.XXXXXXXX")
	CGROUP=podman-test-$LIB_RUN
	HOLDER='' WHO=root
	export P CGROUP HOLDER WHO LIB_RUN
	chmod 755 "$P"
	mkdir "$P/bin" "$P/tmp"
	chmod 1777 "$P/tmp"
	podman_wrapper
	export -f lib_as as_user in_ns as_who
	if [ "$(id -u)" -eq 0 ]; then
		unshare -m -n -p --fork true 2>/dev/null || {
			export LIB_SKIP="no right to make namespaces here"
			return 0
		}
		podman_namespaces || return 1
		# Where podman makes none itself: a test shall find it there already.
		for program in unified systemd; do
			[ ! -d /sys/fs/cgroup/$program ] || mkdir -p "/sys/fs/cgroup/$program/$CGROUP"
		done
		podman_config "$P/etc" root
	fi
	podman_config "$TEST_HOME/.config/containers" "$TEST_USER"
	chown "$TEST_USER:" "$TEST_HOME/.config"
	both podman_images || return 1
	for WHO in root user; do
		[ "$WHO" = user ] || [ -n "$HOLDER" ] || continue
		! said=$(prun --rm "${NONE[@]}" alpine true 2>&1) || continue
		for other in crun runc; do
			command -v $other >/dev/null || continue
			! prun --rm "${NONE[@]}" --runtime $other alpine true >/dev/null 2>&1 || {
				echo "podman runs a container as $WHO with $other, but not with mrun: $said" >&2
				return 1
			}
		done
		export LIB_SKIP="podman cannot run a container here as $WHO: ${said##*$'\n'}"
		return 0
	done
}

# The runtime that podman and buildah are told: mrun, after a line in a log, so that a test sees who
# was called and how.
podman_wrapper() {
	cat >"$P/bin/mrun" <<-END
		#!/bin/sh
		[ ! -e "$P/calls" ] || echo "\$*" >>"$P/calls"
		exec "$MRUN" "\$@"
	END
	chmod 755 "$P/bin/mrun"
}
# From here on the calls are noted.
calls_begin() {
	: >"$P/calls"
	chmod 666 "$P/calls"
}

golang_image() { # OUT
	local layer=$P/tmp/golang-layer.tar
	"$ROOT/tests/clients/golang-layer" "$layer" &&
		"$ROOT/scripts/make-image" --no-hello --layer "$layer" --name golang:alpine --output "$1" &&
		rm -f "$layer"
}
podman_images() {
	local base
	base=$(lib_cached "base-$BASE_KIND.tar" lib_make_base) || return 1
	p import -q - alpine:latest <"$base" >/dev/null 2>"$P/log" || {
		cat "$P/log" >&2
		return 1
	}
}

podman_setup() {
	lib_setup
	cd "$T" || return 1
	WHO=root
	[ -n "$HOLDER" ] || WHO=user
	rm -f "$P/calls"
}

# Nothing is left: containers, pods, mrun's state, the containers' cgroups.
podman_left() {
	{
		p ps -aq
		p pod ps -q
	} 2>/dev/null | sed 's/^/container or pod /'
	if [ "$WHO" = user ]; then
		find "$TEST_RUNTIME/mrun" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sed 's/^/state /'
	else
		in_ns find /run/mrun -mindepth 1 -maxdepth 1 -type d | sed 's/^/state /'
		find /sys/fs/cgroup -path "*/$CGROUP/*" -type d ! -path '*/conmon*' 2>/dev/null | sed 's/^/cgroup /'
	fi
}
podman_none_left() {
	[ -z "$(podman_left)" ]
}

podman_remove_all() {
	local id
	p pod rm -f -t 0 -a
	p rm -f -t 0 -a
	as_who "$MRUN" list -q | while read -r id; do
		as_who "$MRUN" delete --force "$id"
	done
}

podman_teardown() {
	local failed=0
	if [ -n "${P:-}" ] && [ -z "${LIB_SKIP:-}" ]; then
		for WHO in root user; do
			[ "$WHO" = user ] || [ -n "$HOLDER" ] || continue
			if [ -n "${BATS_TEST_COMPLETED:-}" ] && ! eventually podman_none_left 2>/dev/null; then
				printf 'left behind as %s:\n%s\n' "$WHO" "$(podman_left)" >&2
				failed=1
			fi
			podman_none_left || podman_remove_all >/dev/null 2>&1
			# The process that keeps the user's namespaces.
			[ "$WHO" != user ] || p system migrate >/dev/null 2>&1
		done
	fi
	lib_teardown || failed=1
	return "$failed"
}

podman_clean() {
	local dir
	if [ -n "${P:-}" ]; then
		podman_namespaces_end "${HOLDER:-}"
		if [ -z "${HOLDER:-}" ]; then
			WHO=user p unshare rm -rf "$TEST_HOME/.local/share/containers"
			WHO=user p system migrate
		fi >/dev/null 2>&1
		find /sys/fs/cgroup -depth \( -path "*/$CGROUP/*" -o -name "$CGROUP" \) -type d -exec rmdir {} \; 2>/dev/null
		lib_remove "$P"
	fi
	user_clean
}
