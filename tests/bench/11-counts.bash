# Counts that noise can't touch, of `run` of runc's default configuration with a
# program of one system call: system calls of all processes
# (strace -f -c), peak memory, and the size of the program. Instructions would be another, but valgrind
# 3.19 does not know open_tree(2), and virtual machines often have no counters.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # lib.bash's and run's variables; $run is words or nothing

system_calls() { # CMD…
	$wrap $run strace -f -c -U calls,name -o "$dir/strace" "$@" >/dev/null 2>"$work/log" || {
		note "strace: $(tail -n 1 "$work/log")"
		return 0
	}
	awk '$2 == "total" { print $1 }' "$dir/strace"
}

counts() { # TEXT FLOOR OPTIONS…
	local text=$1 crun list=''
	shift
	crun_command
	[ -z "$run" ] || crun+=(--cgroup-manager=disabled)
	if ! has strace; then
		row_missing "system calls, $text" "" 200 calls "strace is not installed"
		return 0
	fi
	list="floor $(system_calls "$work/floor" "$@" --rootfs "$dir/bundle/rootfs" /bin/nothing)"
	! has crun || list+=", crun $(system_calls "${crun[@]}" --root "$dir/crun" run -b "$dir/bundle" bench-mrun-2)"
	! has runc || list+=", runc $(system_calls runc --root "$dir/runc" run -b "$dir/bundle" bench-mrun-3)"
	row "system calls, $text" "" "$(system_calls "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1)" \
		"" 200 calls "$list"
}

peaks() { # TEXT FLOOR OPTIONS…
	local text=$1 peer list='' n=5
	shift
	add floor "$work/floor" "$@" --rootfs "$dir/bundle/rootfs" /bin/nothing
	add mrun "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1
	! has crun || add crun crun --root "$dir/crun" --cgroup-manager=disabled run -b "$dir/bundle" bench-mrun-2
	! has runc || add runc runc --root "$dir/runc" run -b "$dir/bundle" bench-mrun-3
	measure counts "$n"
	for peer in floor crun runc; do
		list+="${list:+, }$peer $(value counts "$peer" 7)"
	done
	row "peak memory, $text" "" "$(value counts mrun 7)" "" 1536 KiB "$list"
}

if is_root; then
	as_root counts
	wrap=in_v2
	bundle_make '.process.args = ["/bin/nothing"]'
	cp "$work/nothing" "$dir/bundle/rootfs/bin/"
	counts "root, cgroup v2" --devices --cgroup-mount --read-only --masks --cgroup-ns --cgroup2 /sys/fs/cgroup
fi
if as_single counts; then
	wrap=
	! is_root || wrap=in_v2
	bundle_make '.process.args = ["/bin/nothing"]' --rootless
	cp "$work/nothing" "$dir/bundle/rootfs/bin/"
	counts "rootless, one id" --map single --host-net --host-sys --read-only --masks
	peaks "rootless, one id" --map single --host-net --host-sys --read-only --masks
else
	row_missing "peak memory" "" 1536 KiB "no such user could be made"
fi

strip -o "$work/stripped" "$MRUN"
size=$(stat -c %s "$work/stripped")
peers=
if has crun; then
	peers="crun $(($(stat -Lc %s "$(command -v crun)") / 1024)) and $(ldd "$(command -v crun)" | grep -c '=> /') libraries"
fi
linked=static
! ldd "$MRUN" >/dev/null 2>&1 || linked=dynamic
row "size of mrun, stripped ($linked)" "" "$((size / 1024))" "" 1536 KiB "$peers"
