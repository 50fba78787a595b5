# `run` of a bundle with runc's default configuration and /bin/true: root on cgroup v2, on v1 and on
# hybrid cgroups, a user with one id, a user with subordinate ids. Against the floor, crun, runc.
# shellcheck shell=bash disable=SC2034,SC2154 # lib.bash's and run's variables

# The runtimes on $dir/bundle; each with a state directory beside it. As root crun makes a cgroup as
# the others do; without root none of them has one, and crun must be told so.
add_runtimes() {
	local crun manager=cgroupfs
	crun_command
	[ -z "$run" ] || manager=disabled
	add mrun "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1
	if has crun; then
		add crun "${crun[@]}" --root "$dir/crun" --cgroup-manager=$manager run -b "$dir/bundle" bench-mrun-2
	else
		note "left out: crun is not installed"
	fi
	if has runc; then
		add runc runc --root "$dir/runc" run -b "$dir/bundle" bench-mrun-3
	else
		note "left out: runc is not installed"
	fi
}

rows() { # GROUP TEXT
	row_ratio "run, $2" "$1" mrun floor 1.4
	row_ratio "run, $2" "$1" mrun crun 0.333
	row_ratio "run, $2" "$1" mrun runc 0.125
	# What nobody can beat, as a part of crun's and runc's time.
	row_ratio "the floor itself, $2" "$1" floor crun ""
	row_ratio "the floor itself, $2" "$1" floor runc ""
}

bundle_root() { # v2|v1|hybrid TEXT
	local floor=("$work/floor" --devices --cgroup-mount --read-only --masks) parent wrap=
	as_root "bundle-$1"
	wrap=in_$1
	bundle_make .
	case $1 in
	v2) floor+=(--cgroup2 /sys/fs/cgroup) ;;
	hybrid) floor+=(--cgroup2 /sys/fs/cgroup/unified) ;;
	esac
	if [ "$1" != v2 ]; then
		for parent in $($wrap v1_parents); do
			floor+=(--cgroup1 "$parent")
		done
	fi
	! jq -e '.linux.namespaces[] | select(.type == "cgroup")' "$dir/bundle/config.json" >/dev/null ||
		floor+=(--cgroup-ns)
	add floor "${floor[@]}" --rootfs "$dir/bundle/rootfs" /bin/true
	add_runtimes
	measure "bundle-$1"
	rows "bundle-$1" "$2"
}

bundle_rootless() { # single|subids TEXT
	local maps=. wrap='' shown floor=("$work/floor" --map "$1" --host-net --host-sys --read-only --masks)
	# There is no cgroup for any of them; crun would still refuse hybrid ones. Most users have v2.
	! is_root || [ "$(cgroup_kind)" != hybrid ] || wrap=in_v2
	"as_$1" "bundle" || {
		row_missing "run, $2" floor 1.4 times "no such user could be made"
		return 0
	}
	[ -z "$low" ] || maps="(.linux.uidMappings, .linux.gidMappings) |=
		[.[0], {containerID: 1, hostID: $low, size: 65535}]"
	bundle_make "$maps" --rootless
	# The configuration mounts cgroups: without one of its own, those of the host that it is in.
	for shown in $($wrap own_cgroups); do
		floor+=(--cgroup-show "$shown")
	done
	add floor "${floor[@]}" --rootfs "$dir/bundle/rootfs" /bin/true
	add_runtimes
	measure "bundle-$1"
	rows "bundle-$1" "$2"
}

if is_root; then
	bundle_root v2 "root, cgroup v2"
	[ "$(cgroup_kind)" != hybrid ] || bundle_root hybrid "root, hybrid cgroups"
	[ "$(cgroup_kind)" = v2 ] || bundle_root v1 "root, cgroup v1"
else
	row_missing "run, root" floor 1.4 times "needs root"
fi
bundle_rootless single "rootless, one id"
bundle_rootless subids "rootless, subordinate ids"
