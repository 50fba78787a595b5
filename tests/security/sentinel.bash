# Shared by the attack tests: `load ../lib` and `load sentinel`, then sec_setup and sec_teardown.
#
# What an attack is after lies in $HOST (content, modes, owners, links; open to everybody where the
# permissions alone would otherwise stop what got out). Each test attacks, says what the outcome is,
# and calls sentinel_same. A control in the same test shows that the attack works on somebody
# careless. WHO says as whom mrun runs: root, or user (with subordinate ids).
# shellcheck shell=bash disable=SC2016,SC2034,SC2089,SC2090,SC2154 # bats and lib.bash set and use them; jq programs

sec_setup() {
	lib_setup
	WHO=root
	ID=mrun-sec-$$-$RANDOM
	SECRET=secret-$RANDOM$RANDOM$RANDOM
	HOST=$T/host
	export SECRET HOST
	sentinel_make
}

# Leftover containers are ended first: lib_teardown checks that there are none.
sec_teardown() {
	local id
	for id in $ID $ID-2 $ID-3; do
		"$MRUN" delete -f "$id" >/dev/null 2>&1
		[ -z "${TEST_USER:-}" ] || as_user "$MRUN" delete -f "$id" >/dev/null 2>&1
	done
	lib_teardown
}

# The tree that nothing may touch.
sentinel_make() {
	mkdir -m 755 "$HOST"
	mkdir -m 777 "$HOST/open" "$HOST/open/dir" "$HOST/empty"
	mkdir -m 700 "$HOST/private"
	echo "$SECRET" >"$HOST/open/secret"
	echo "$SECRET" >"$HOST/private/secret"
	cp /bin/true "$HOST/open/program"
	chmod 666 "$HOST/open/secret"
	chmod 4777 "$HOST/open/program"
	chmod 600 "$HOST/private/secret"
	ln "$HOST/open/secret" "$HOST/open/hardlink"
	ln -s secret "$HOST/open/link"
	mkfifo -m 666 "$HOST/open/fifo"
	if [ "$(id -u)" -eq 0 ] && [ -n "${TEST_USER:-}" ]; then
		mkdir -m 755 "$HOST/users"
		echo "$SECRET" >"$HOST/users/secret"
		chown -R "$TEST_USER:" "$HOST/users"
	fi
	sentinel_list >"$T/.sentinel"
}

# Everything about the tree but the times of reading, and what of the host an attack could turn.
sentinel_list() {
	find "$HOST" -printf '%P|%y|%m|%U|%G|%n|%s|%T@|%C@|%l\n' | sort
	find "$HOST" -type f -exec sha256sum {} + | sort
	stat -c '%n %F %a %u %g %t %T' /dev/null /dev/zero /dev/tty /dev/ptmx
	cat /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern
}

sentinel_same() {
	sentinel_list >"$T/.sentinel.now"
	diff "$T/.sentinel" "$T/.sentinel.now" >&2 || {
		echo "the host was changed" >&2
		return 1
	}
}

# The secret is in none of these files.
no_secret() { # FILE…
	run ! grep -l "$SECRET" "$@"
}

# mrun as WHO.
m() {
	case $WHO in
	user) as_user "$MRUN" "$@" ;;
	*) "$MRUN" "$@" ;;
	esac
}

# The same, for all users there are: root and user; without root only the one who runs the tests.
roles() {
	[ "$(id -u)" -ne 0 ] || echo root
	[ -z "${TEST_USER:-}" ] || echo user
}

# A bundle of WHO's at $B, with a root that can be written and the probes at /attack-*. Root's has no
# user namespace: what gets out is root. JQ changes its config.json.
hostile() { # [JQ]
	B=$T/b-$WHO
	rm -rf "$B"
	mkdir "$B"
	alpine_rootfs "$B/rootfs" || return 1
	cp "$BUILD"/tests/attack-* "$B/rootfs" || return 1
	if [ "$WHO" = user ]; then
		chown -R "$TEST_USER:" "$B" 2>/dev/null || true
		as_user "$MRUN" spec --rootless --bundle "$B" || return 1
	else
		"$MRUN" spec --bundle "$B" || return 1
	fi
	configure ".process.terminal = false | .root.readonly = false | ${1:-.}"
}

configure() { # JQ, on $B's config.json
	jq --arg host "$HOST" "$1" "$B/config.json" >"$T/.config.json" && cat "$T/.config.json" >"$B/config.json"
}

# Runs $B's container to its end: $status, and output and errors in $T/out and $T/err.
go() { # [OPTION…]
	status=0
	(cd "$B" && m run "$@" --bundle "$B" "$ID") </dev/null >"$T/out" 2>"$T/err" || status=$?
	cat "$T/out" "$T/err"
}

# Starts $B's container in the background; its output goes to $T/log.
start() { # [ID]
	(cd "$B" && m run -d --pid-file "$B/pid" --bundle "$B" "${1:-$ID}") </dev/null >"$T/log" 2>&1 || {
		cat "$T/log" >&2
		return 1
	}
	INIT=$(cat "$B/pid")
}

wait_for() { # CMD…, for at most 20 seconds
	local i
	for ((i = 0; i < 400; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	echo "waited in vain for: $*" >&2
	return 1
}

# mrun as WHO, killed after SECONDS: $status, output and errors in $T/out and $T/err, and in $T/peak what
# the largest of its processes had in memory, in KiB.
peak() { # SECONDS ARG…
	local seconds=$1 wrap
	shift
	wrap='import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], timeout=int(sys.argv[1])).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open(0, "w"))
sys.exit(code)'
	status=0
	case $WHO in
	user) as_user python3 -c "$wrap" "$seconds" "$MRUN" "$@" ;;
	*) python3 -c "$wrap" "$seconds" "$MRUN" "$@" ;;
	esac 0>"$T/peak" >"$T/out" 2>"$T/err" || status=$?
	cat "$T/err"
}

# All that a program in a container is allowed, and none of it is a wall: for attacks that shall not
# fail for want of a capability.
ALL_CAPS='([ "CHOWN","DAC_OVERRIDE","DAC_READ_SEARCH","FOWNER","FSETID","KILL","SETGID","SETUID",
	"SETPCAP","NET_BIND_SERVICE","NET_RAW","NET_ADMIN","SYS_CHROOT","MKNOD","SETFCAP","SYS_ADMIN",
	"SYS_PTRACE" ] | map("CAP_" + .)) as $c | .process.capabilities = {bounding: $c, effective: $c,
	permitted: $c} | .process.noNewPrivileges = false'
DEFAULT_CAPS='(["CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","SETGID","SETUID","SETPCAP",
	"NET_BIND_SERVICE","NET_RAW","SYS_CHROOT","MKNOD","AUDIT_WRITE","SETFCAP"] | map("CAP_" + .)) as $d
	| .process.capabilities = {bounding: $d, effective: $d, permitted: $d} | .process.noNewPrivileges = false'
export ALL_CAPS DEFAULT_CAPS

# An image file $T/NAME.tar (IMAGE is its source): the base layer, then the directory $T/NAME as a
# layer if there is one. CONFIG is the image config's "config", in jq's words.
hostile_image() { # NAME [CONFIG]
	local name=$1 dir=$T/.image-$1 layers=(base.tar)
	mkdir "$dir" || return 1
	ln -s "$(lib_cached "base-$BASE_KIND.tar" lib_make_base)" "$dir/base.tar"
	if [ -d "$T/$name" ]; then
		tar -C "$T/$name" --numeric-owner --owner=0 --group=0 -cf "$dir/layer.tar" . || return 1
		layers+=(layer.tar)
	fi
	(cd "$dir" && sha256sum "${layers[@]}") | jq -Rnc --arg arch "$(uname -m)" "{os: \"linux\",
		architecture: ({x86_64: \"amd64\", aarch64: \"arm64\"}[\$arch] // \$arch), config: (${2:-{\}}),
		rootfs: {type: \"layers\", diff_ids: [inputs | \"sha256:\" + split(\" \")[0]]}}" >"$dir/config.json" || return 1
	jq -nc --arg name "$name" '[{Config: "config.json", RepoTags: [$name + ":latest"], Layers: $ARGS.positional}]' \
		--args "${layers[@]}" >"$dir/manifest.json"
	tar -C "$dir" -chf "$T/$name.tar" manifest.json config.json "${layers[@]}" || return 1
	rm -r "$dir"
	IMAGE=docker-archive:$T/$name.tar
}

# --- images of hostile layers ----------------------------------------------------------------

layers_py() { SENTINEL=$HOST python3 "$ROOT/tests/layers/layers.py" "$@"; }

# A layer $T/FILE of the entries on standard input, a Python list of layers.py's d(), f(), l(), h()…
layer() { # FILE
	layers_py layer "$T/$1"
}

# An OCI layout $T/NAME, tag t, of layers in $T, bottom first. Without further names: of NAME-*.tar.
layers_image() { # NAME [LAYER…]
	local name=$1
	shift
	[ $# -gt 0 ] || set -- "$name"-*.tar
	rm -rf "${T:?}/$name"
	(cd "$T" && layers_py oci "$name" "$@")
}

# The bundle that WHO's unpack makes goes where WHO may write.
bundle_dir() {
	case $WHO in
	user) echo "$TEST_HOME/sec-bundle" ;;
	*) echo "$T/sec-bundle" ;;
	esac
}

# WHO unpacks image NAME: $status, $T/out and $T/err; the tree is $ROOTFS until the next one.
unpack() { # NAME [VARIABLE=VALUE…]
	local name=$1 bundle
	shift
	bundle=$(bundle_dir)
	unpack_clean
	ROOTFS=$bundle/rootfs
	status=0
	MRUN_VARIABLES=("$@")
	mv_ unpack "oci:$T/$name:t" "$bundle" >"$T/out" 2>"$T/err" || status=$?
	cat "$T/err"
}

unpack_clean() {
	local bundle
	bundle=$(bundle_dir)
	rm -rf "$bundle" 2>/dev/null || as_user unshare -r --map-auto rm -rf "$bundle"
}

# mrun as WHO with MRUN_VARIABLES in its environment.
mv_() {
	case $WHO in
	user) as_user env "${MRUN_VARIABLES[@]}" "$MRUN" "$@" ;;
	*) env "${MRUN_VARIABLES[@]}" "$MRUN" "$@" ;;
	esac
}

# The same image as a container's root: $status is its (127: all layers were taken, and the program is
# missing).
run_layers() { # NAME [VARIABLE=VALUE…]
	local name=$1
	shift
	status=0
	MRUN_VARIABLES=("$@")
	mv_ "oci:$T/$name:t" /no-such-program >"$T/out" 2>"$T/err" || status=$?
	cat "$T/err"
}

# Image NAME is refused for a reason that matches PATTERN, unpacked or run, and nothing of it stays.
refuses() { # NAME PATTERN [VARIABLE=VALUE…]
	local name=$1 pattern=$2 way
	shift 2
	cache_list >"$T/.cached"
	for way in unpack run_layers; do
		$way "$name" "$@"
		[ "$status" -eq 125 ] || { echo "$way: exit code $status"; return 1; }
		[ "$(grep -vc '^hint: ' "$T/err")" -eq 1 ] || { echo "not one line"; return 1; }
		grep -qE -- "$pattern" "$T/err" || { echo "$way: not: $pattern"; return 1; }
		sentinel_same
		nothing_unpacked
	done
}

# Image NAME is taken, in each of the forms that mrun has it: as an overlay's layers, as a copy, and as
# the tree $ROOTFS.
takes() { # NAME
	run_layers "$1"
	[ "$status" -eq 127 ]
	sentinel_same
	run_layers "$1" MRUN_STORAGE_DRIVER=copy
	[ "$status" -eq 127 ]
	sentinel_same
	unpack "$1"
	[ "$status" -eq 0 ]
	sentinel_same
}

cache_dir() {
	case $WHO in
	user) echo "$TEST_HOME/.cache/mrun/layers" ;;
	*) echo "$XDG_CACHE_HOME/mrun/layers" ;;
	esac
}

cache_list() {
	[ ! -d "$(cache_dir)" ] || find "$(cache_dir)" -mindepth 2 -maxdepth 2 -name '*-*' | sort
}

# No bundle, and in the cache what was there when refuses() began.
nothing_unpacked() {
	[ ! -e "$(bundle_dir)" ] || { echo "the bundle stayed"; return 1; }
	[ -e "$T/.cached" ] || : >"$T/.cached"
	cache_list | diff "$T/.cached" - >&2
}
