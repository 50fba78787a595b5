#!/usr/bin/env bats
# The image commands as ordinary users, with and without subordinate ids.
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	[ -n "${LIB_SKIP:-}" ] || user_make_plain
}
teardown_file() { user_clean; }
setup() { lib_setup; }
teardown() { lib_teardown; }

# Load, list, save, import and remove, as the user that RUNNER becomes.
round_trip() { # RUNNER HOME
	local as=$1 home=$2 archive=$2/in.tar data=$2/.local/share/mrun
	install -m 644 "$(hello_image)" "$archive"
	run -0 "$as" "$MRUN" load "$archive"
	[ "$output" = "Loaded image: multistage-hello-world:latest" ]
	[ "$(stat -c %a "$data")" = 700 ]
	# Everything in the store is the user's own, also what the unpacker wrote.
	[ -z "$(find "$data" ! -user "$(stat -c %u "$home")")" ]
	run -0 "$as" "$MRUN" images
	[[ ${lines[1]} == "multistage-hello-world   latest "* ]]
	gzip -kf "$archive"
	run -0 "$as" "$MRUN" load -q "$archive.gz"
	run -0 "$as" "$MRUN" save -o "$home/out.tar" multistage-hello-world
	run -0 "$as" "$MRUN" import "$home/out.tar" imported
	run -0 "$as" "$MRUN" fsck
	head -c 3000 "$archive" >"$home/cut.tar"
	run -125 "$as" "$MRUN" load "$home/cut.tar"
	run -0 "$as" "$MRUN" rmi multistage-hello-world imported
	[ -z "$(find "$data/blobs" "$data/tmp" -type f)" ]
}

@test "an ordinary user's images" {
	round_trip as_user "$TEST_HOME"
}

@test "the same without subordinate ids" {
	round_trip as_user2 "$TEST_HOME2"
}

@test "after su, HOME is still root's: the error says what to do" {
	need_root
	mkdir -m 700 "$T/roothome"
	run -125 as_user env HOME="$T/roothome" "$MRUN" images
	[[ $output == *"permission denied"*"hint: HOME or XDG_DATA_HOME"*"su -"* ]]
}

@test "another user's store is not used" {
	need_root
	mkdir -p "$T/shared/mrun"
	chmod 755 "$T/shared" "$T/shared/mrun"
	run -125 as_user env XDG_DATA_HOME="$T/shared" "$MRUN" images
	[[ $output == *"it belongs to uid 0, and you are uid $TEST_UID"* ]]
}
