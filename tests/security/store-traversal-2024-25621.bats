#!/usr/bin/env bats
# Other users of the machine reach a store or a cache, and the setuid programs in it (CVE-2024-25621):
# with one of these a user becomes the store's owner. Or they put their own things where mrun looks.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() {
	user_make
	[ -n "${LIB_SKIP:-}" ] || user_make_plain
}
teardown_file() { user_clean; }
setup() {
	sec_setup
	need_root # two users that are strangers to each other
	# An image with a setuid program of root's, who is the user outside.
	mkdir -p "$T/layer"
	cp "$BUILD/tests/attack-misc" "$T/layer/suid"
	chmod 4755 "$T/layer/suid"
	tar -C "$T/layer" --owner=0 --group=0 -cf "$T/layer.tar" suid
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$T/layer.tar" --name suid --cmd '["/suid", "suid"]' --output "$T/suid.tar" 2>/dev/null
	chmod 644 "$T/suid.tar"
	install -m 755 "$BUILD/tests/attack-misc" "$T/attack"
}
teardown() { sec_teardown; }

# Every way to a file named suid below DIR is closed to the stranger.
closed() { # DIR
	local file
	find "$1" -name suid -type f >"$T/files"
	[ -s "$T/files" ]
	while read -r file; do
		run ! as_user2 test -e "$file"
		run ! as_user2 "$file" suid
	done <"$T/files"
	# Nothing at all below it.
	run ! as_user2 ls "$1"
}

@test "the cache, the store and what unpack writes are closed to others" {
	umask 0
	as_user sh -c "umask 0; '$MRUN' load -q -i '$T/suid.tar' && '$MRUN' suid && '$MRUN' unpack suid '$TEST_HOME/unpacked'"
	closed "$TEST_HOME/.cache/mrun"
	closed "$TEST_HOME/unpacked"
	[ -d "$TEST_HOME/.local/share/mrun" ]
	run ! as_user2 ls "$TEST_HOME/.local/share/mrun"
	# The control: where it can be reached, the stranger becomes the user.
	chmod 755 "$TEST_HOME/unpacked"
	case $(findmnt -no OPTIONS -T "$TEST_HOME/unpacked") in
	*nosuid*) ;;
	*)
		run -0 as_user2 "$TEST_HOME/unpacked/rootfs/suid" suid
		[ "$output" = "uid $TEST_UID2 euid $TEST_UID" ]
		;;
	esac
	rm -rf "$TEST_HOME/unpacked"
	# Root's.
	"$MRUN" load -q -i "$T/suid.tar"
	"$MRUN" suid >/dev/null
	"$MRUN" unpack suid "$T/unpacked"
	closed "$XDG_CACHE_HOME/mrun"
	closed "$T/unpacked"
	run ! as_user2 ls "$XDG_DATA_HOME/mrun"
}

@test "a running container's state, upper directory and pipes are closed to others" {
	WHO=user
	hostile '.process.args = ["/bin/sleep", "1000"]'
	start
	run ! as_user2 cat "$TEST_RUNTIME/mrun/$ID/state.json"
	run ! as_user2 "$MRUN" --root "$TEST_RUNTIME/mrun" exec "$ID" /bin/true
	run ! as_user2 "$MRUN" --root "$TEST_RUNTIME/mrun" kill "$ID" KILL
	run ! as_user2 nsenter -t "$INIT" -U -m true
	m state "$ID" | grep -q running
	m delete -f "$ID"
	WHO=root
	hostile '.process.args = ["/bin/sleep", "1000"]'
	"$MRUN" --root "$T/state" create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	run ! as_user2 cat "$T/state/$ID/state.json"
	run ! as_user2 sh -c "echo 0 >'$T/state/$ID/exec.fifo'"
	run ! as_user2 touch "$T/state/other"
	"$MRUN" --root "$T/state" delete -f "$ID"
}

@test "a stranger's cache, store, state and runtime directories are not used" {
	cp "$T/suid.tar" "$TEST_HOME/suid.tar"
	as_user2 mkdir -p "$TEST_HOME2/evil/mrun/layers"
	chmod -R 777 "$TEST_HOME2/evil"
	run -125 as_user env XDG_CACHE_HOME="$TEST_HOME2/evil" "$MRUN" "docker-archive:$TEST_HOME/suid.tar"
	[[ $output == *"not yours alone"* ]]
	run -125 as_user env XDG_DATA_HOME="$TEST_HOME2/evil" "$MRUN" images
	# One's own, but open to all.
	as_user sh -c 'mkdir -p open/mrun/layers && chmod 777 open/mrun/layers'
	run -125 as_user env XDG_CACHE_HOME="$TEST_HOME/open" "$MRUN" "docker-archive:$TEST_HOME/suid.tar"
	[[ $output == *"not yours alone"* ]]
	# XDG_RUNTIME_DIR of another: /tmp/mrun-UID is taken instead, unless somebody has been there.
	[ ! -e "/tmp/mrun-$TEST_UID" ]
	as_user2 mkdir "/tmp/mrun-$TEST_UID"
	run as_user env XDG_RUNTIME_DIR="$TEST_HOME2/run" "$MRUN" "docker-archive:$TEST_HOME/suid.tar"
	rmdir "/tmp/mrun-$TEST_UID"
	[ "$status" -eq 125 ]
	[[ $output == *"is not a directory of yours alone"* ]]
	rm -rf "$TEST_HOME/open" "$TEST_HOME/suid.tar"
}
