#!/usr/bin/env bats
# Capabilities that are inheritable without need (CVE-2022-24769, CVE-2022-27650), also those of exec
# (CVE-2022-29162) or left over from the caller: with them a program that has inheritable file
# capabilities gives to an ordinary user what only root was to have.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

sets() { # FILE -> "Inh Prm Eff Bnd Amb", each none or some
	awk '/^Cap/ { sub(":", "", $1); printf "%s=%s ", substr($1, 4), $2 == "0000000000000000" ? "none" : "some" }' "$1"
}
SHOW='["/bin/grep", "^Cap", "/proc/self/status"]'

@test "run and exec: as root, as a user, with --cap, from a caller that has some" {
	for WHO in $(roles); do
		echo "as $WHO"
		hostile "$DEFAULT_CAPS | .process.args = $SHOW"
		go
		[ "$(sets "$T/out")" = "Inh=none Prm=some Eff=some Bnd=some Amb=none " ]
		# Without the object there are none at all, whatever the caller has.
		configure 'del(.process.capabilities)'
		go
		[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=none Amb=none " ]
		hostile "$DEFAULT_CAPS"' | .process.args = ["/bin/sleep", "1000"]'
		start
		m exec "$ID" /bin/grep ^Cap /proc/self/status >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=some Eff=some Bnd=some Amb=none " ]
		m exec --cap CAP_SYS_ADMIN --cap CAP_NET_RAW "$ID" /bin/grep ^Cap /proc/self/status >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=some Eff=some Bnd=some Amb=none " ]
		if [ "$WHO" = root ]; then
			m exec --user 1000 --cap CAP_NET_RAW "$ID" /bin/grep ^Cap /proc/self/status >"$T/out"
			[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=some Amb=none " ]
		fi
		m delete -f "$ID"
	done
}

@test "a caller's inheritable and ambient ones end at the container" {
	need_root
	need setpriv
	for jq in . "$DEFAULT_CAPS"; do
		hostile "$jq | .process.args = $SHOW"
		setpriv --inh-caps=+net_raw,+sys_admin --ambient-caps=+net_raw,+sys_admin "$MRUN" run --bundle "$B" "$ID" </dev/null >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=some Eff=some Bnd=some Amb=none " ]
	done
	hostile_image image
	setpriv --inh-caps=+net_raw,+sys_admin --ambient-caps=+net_raw,+sys_admin "$MRUN" -u 1000 "$IMAGE" grep ^Cap /proc/self/status >"$T/out"
	[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=some Amb=none " ]
}

@test "images: root has what docker gives, others nothing" {
	hostile_image image
	for WHO in $(roles); do
		m "$IMAGE" grep ^Cap /proc/self/status >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=some Eff=some Bnd=some Amb=none " ]
		m -u 1000 "$IMAGE" grep ^Cap /proc/self/status >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=some Amb=none " ]
		m -u 1000 --cap-add NET_ADMIN "$IMAGE" grep ^Cap /proc/self/status >"$T/out"
		[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=some Amb=none " ]
	done
}

@test "a file with inheritable capabilities gives an ordinary user nothing" {
	need_root
	need setcap
	hostile "$DEFAULT_CAPS | .process.user = {uid: 1000, gid: 1000} | .process.args = [\"/grep\", \"^Cap\", \"/proc/self/status\"]"
	cp "$(readlink -f "$(command -v grep)")" "$B/rootfs/grep"
	# Debian's grep is not static; busybox is, under that name.
	cp "$B/rootfs/bin/busybox" "$B/rootfs/grep" 2>/dev/null
	setcap cap_net_raw+ei "$B/rootfs/grep" || skip "this file system has no capabilities"
	go
	[ "$(sets "$T/out")" = "Inh=none Prm=none Eff=none Bnd=some Amb=none " ]
	# The control: with an inheritable one it does.
	configure '.process.capabilities.inheritable = ["CAP_NET_RAW"]'
	go
	[ "$(sets "$T/out")" = "Inh=some Prm=some Eff=some Bnd=some Amb=none " ]
}
