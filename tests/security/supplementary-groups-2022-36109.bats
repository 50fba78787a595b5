#!/usr/bin/env bats
# A file that denies a group: who is not in his own primary group's list of supplementary groups sheds
# it through a setgid program, and gets in (CVE-2022-36109, CVE-2023-25173). And a mapping that allows
# setgroups(2) would let a user shed a group of the host's (CVE-2018-7169).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() {
	user_make
	[ -n "${LIB_SKIP:-}" ] || user_make_plain
}
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

@test "the primary group is a supplementary one as well: a setgid program does not shed it" {
	need_root # to make files with owners
	mkdir -p "$T/image"
	echo denied >"$T/image/denied"
	cp "$BUILD/tests/attack-misc" "$T/image/setgid"
	cp "$BUILD/tests/attack-misc" "$T/image/plain"
	# Of root and group 1000, and closed to that group alone; the program's group is 5.
	tar -C "$T/image" -cf "$T/layer.tar" --owner=0 --group=5 --mode=2755 setgid
	tar -C "$T/image" -rf "$T/layer.tar" --owner=0 --group=1000 --mode=0604 denied
	tar -C "$T/image" -rf "$T/layer.tar" --owner=0 --group=0 --mode=0755 plain
	rm -rf "$T/image"
	mkdir "$T/image"
	tar -C "$T/image" --numeric-owner -xpf "$T/layer.tar"
	tar -C "$T/image" --numeric-owner -cf "$T/layer.tar" .
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$T/layer.tar" --name image --output "$T/image.tar" 2>/dev/null
	chmod 644 "$T/image.tar"
	IMAGE=docker-archive:$T/image.tar
	for WHO in $(roles); do
		run m -u 1000:1000 "$IMAGE" /plain open /denied
		[[ $output == *"gid 1000 groups 1000"*"Permission denied"* ]]
		run m -u 1000:1000 "$IMAGE" /setgid open /denied
		[[ $output == *"gid 5 groups 1000"*"Permission denied"* ]]
		sentinel_same
	done
	# The control: without the supplementary group it is open. (config.json's list is the caller's word.)
	WHO=root
	hostile '.process.user = {uid: 1000, gid: 1000} | .process.noNewPrivileges = false | .process.args = ["/setgid", "open", "/denied"]'
	cp -a "$T/image/." "$B/rootfs/"
	go
	grep -q "^opened" "$T/out"
	configure '.process.user.additionalGids = [1000]'
	go
	grep -q "^Permission denied" "$T/out"
}

@test "a user without subordinate ids cannot shed a group of the host's" {
	need_root
	echo denied >"$HOST/open/denied"
	chown "0:$TEST_GID2" "$HOST/open/denied"
	chmod 604 "$HOST/open/denied"
	cp "$BUILD/tests/attack-misc" "$T/attack-misc"
	sentinel_list >"$T/.sentinel"
	run ! as_user2 cat "$HOST/open/denied"
	hostile_image image
	as_user2 "$MRUN" -v "$HOST/open:/h" -v "$T/attack-misc:/attack:ro" "$IMAGE" sh -c '
		cat /proc/self/setgroups; /attack open /h/denied; chgrp 0 /h/denied; su nobody -s /bin/cat /h/denied' >"$T/out" 2>&1 || true
	cat "$T/out"
	grep -qx deny "$T/out"
	grep -qx "Permission denied" "$T/out"
	run ! grep -qx denied "$T/out"
	sentinel_same
}
