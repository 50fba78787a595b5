#!/usr/bin/env bats
# mrun needs no privileges of its file's. Installed setuid, setgid or with file capabilities it would act
# on the word of whoever calls it: it refuses.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() {
	[ -z "${D:-}" ] || rm -rf "$D"
	sec_teardown
}

# $D: a directory on a file system where the setuid bit counts.
suid_directory() {
	local parent
	for parent in "$T" "${TMPDIR:-/tmp}" /var/tmp "$BUILD/tests"; do
		case ,$(findmnt -no OPTIONS -T "$parent"), in *,nosuid,*) continue ;; esac
		as_user test -x "$parent" || continue
		D=$(mktemp -d "$parent/mrun-test.$LIB_RUN.XXXXXXXX")
		chmod 755 "$D"
		return 0
	done
	skip "every directory that could be used is mounted nosuid"
}

refuses() {
	run -125 as_user "$D/mrun" --version
	[ "${lines[0]}" = "mrun: refusing to run setuid or setgid" ]
	# Whatever is asked of it.
	run -125 as_user "$D/mrun" run --bundle "$B" "$ID"
	[ "${lines[0]}" = "mrun: refusing to run setuid or setgid" ]
	run -125 as_user "$D/mrun" "docker-archive:$HOST/open/secret"
	[ "${lines[0]}" = "mrun: refusing to run setuid or setgid" ]
	sentinel_same
}

@test "setuid, setgid, file capabilities" {
	need_root
	suid_directory
	WHO=user
	hostile '.process.args = ["/bin/true"]'
	# The control: the bits count here.
	install -m 4755 "$BUILD/tests/attack-misc" "$D/control"
	run as_user "$D/control" suid
	[ "$output" = "uid $TEST_UID euid 0" ]
	cp "$MRUN" "$D/mrun"
	chown 0:0 "$D/mrun"
	chmod 4755 "$D/mrun"
	refuses
	chmod 2755 "$D/mrun"
	refuses
	# To another user than root.
	chown 33:33 "$D/mrun"
	chmod 4755 "$D/mrun"
	refuses
	chmod 755 "$D/mrun"
	if command -v setcap >/dev/null && setcap cap_sys_admin+ep "$D/mrun"; then
		refuses
		setcap -r "$D/mrun"
	fi
	# Without any of it, the same file works.
	run -0 as_user "$D/mrun" --version
}

@test "mrun-unpack, too, gains nothing by it" {
	need_root
	suid_directory
	install -m 4755 "${MRUN%/*}/mrun-unpack" "$D/mrun-unpack"
	install -m 755 "$MRUN" "$D/mrun"
	hostile_image image
	WHO=user
	# It becomes root of the caller's namespace at most; on its own it has no request.
	run as_user "$D/mrun-unpack"
	[ "$status" -ne 0 ]
	as_user "$D/mrun" "$IMAGE" true
	# Nothing of it belongs to root.
	[ -z "$(find "$TEST_HOME/.cache/mrun" -uid 0)" ]
	sentinel_same
}
