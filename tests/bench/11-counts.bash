# Counts that noise can't touch, of `run` of runc's default configuration with a program of one system
# call: system calls of all processes (strace -f -c), their instructions (instructions.c, since valgrind does
# not know open_tree(2), and virtual machines often have no counters), the bytes they write to files, peak
# memory, and the size of the program.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # lib.bash's and run's variables; $run is words or nothing

# Instructions of CMD and all that it starts. Each takes six microseconds or more here, fewest with the
# tracer on the same processor.
instructions() { # CMD…
	local status=0 environment=()
	if [ "$1" = env ]; then
		environment=("$2")
		shift 2
	fi
	(
		! real_time || chrt --rr -p 10 "$BASHPID" >/dev/null
		# A program's start goes through its whole environment: one of the same size whoever runs this.
		$wrap $run env -i "PATH=$PATH" "HOME=$dir" "XDG_RUNTIME_DIR=$dir/run" "${environment[@]}" \
			taskset -c 0 timeout "$step_limit" "$work/instructions" --output "$dir/instructions" "$@" \
			>/dev/null 2>"$work/log"
	) || status=$?
	case $status in
	0) cat "$dir/instructions" ;;
	124) echo "not within $step_limit s" ;;
	*) note "instructions: $(tail -n 1 "$work/log")" ;;
	esac
}

# That what counts here counts right: a program of which it is known (known.c).
instructions_check() {
	compile instructions "$here/instructions.c" && compile known -nostartfiles -no-pie "$here/known.c" || return 1
	"$work/instructions" --output "$work/known.count" "$work/known" || [ $? -eq 7 ] || return 1
	[ "$(cat "$work/known.count")" = "$(sed -n 's/^ \* In all .* = \([0-9]*\)\.$/\1/p' "$here/known.c")" ]
}

instructions_row() { # TEXT FLOOR OPTIONS…
	local text=$1 crun list
	shift
	if [ -z "$can_step" ]; then
		row_missing "instructions, $text" "" "" instructions "stepping does not count right here (x86_64 only)"
		return 0
	fi
	crun_command
	[ -z "$run" ] || crun+=(--cgroup-manager=disabled)
	note "counting instructions: most of a minute"
	list="floor $(instructions "$work/floor" "$@" --rootfs "$dir/bundle/rootfs" /bin/nothing)"
	! has crun || list+=", crun $(instructions "${crun[@]}" --root "$dir/crun" run -b "$dir/bundle" bench-mrun-4)"
	! has runc || list+=", runc not counted (more than 20 million, minutes)"
	row "instructions, $text" "" "$(instructions "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1)" \
		"" "" instructions "$list"
}

# Of the second run: the first one makes the directory for the state of all containers.
system_calls() { # CMD…
	$wrap $run "$@" >/dev/null 2>"$work/log" || true
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

# Bytes written to files by all processes: what became of the descriptors is strace's to say (-y).
bytes_row() { # TEXT
	local crun list=''
	has strace || return 0
	crun_command
	[ -z "$run" ] || crun+=(--cgroup-manager=disabled)
	! has crun || list="crun $(bytes_written "${crun[@]}" --root "$dir/crun" run -b "$dir/bundle" bench-mrun-5)"
	! has runc || list+="${list:+, }runc $(bytes_written runc --root "$dir/runc" run -b "$dir/bundle" bench-mrun-6)"
	row "bytes written to files, $1" "" \
		"$(bytes_written "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-7)" "" "" bytes "$list"
}

peaks() { # GROUP TEXT FLOOR OPTIONS…
	local group=$1 text=$2 peer crun list='' n=5
	shift 2
	crun_command
	[ -z "$run" ] || crun+=(--cgroup-manager=disabled)
	add floor "$work/floor" "$@" --rootfs "$dir/bundle/rootfs" /bin/nothing
	add mrun "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1
	! has crun || add crun "${crun[@]}" --root "$dir/crun" run -b "$dir/bundle" bench-mrun-2
	! has runc || add runc runc --root "$dir/runc" run -b "$dir/bundle" bench-mrun-3
	measure "$group" "$n"
	for peer in floor crun runc; do
		list+="${list:+, }$peer $(value "$group" "$peer" 7)"
	done
	row "peak memory, $text" "" "$(value "$group" mrun 7)" "" 1536 KiB "$list"
}

step_limit=180
can_step=
if instructions_check 2>"$work/log"; then
	can_step=1
else
	note "instructions are left out: $(tail -n 1 "$work/log")"
fi
if is_root; then
	as_root counts
	wrap=in_v2
	bundle_make '.process.args = ["/bin/nothing"]'
	cp "$work/nothing" "$dir/bundle/rootfs/bin/"
	options=(--devices --cgroup-mount --read-only --masks --cgroup-ns --cgroup2 /sys/fs/cgroup)
	counts "root, cgroup v2" "${options[@]}"
	instructions_row "root, cgroup v2" "${options[@]}"
	bytes_row "root, cgroup v2"
	peaks counts-root "root, cgroup v2" "${options[@]}"
fi
if as_single counts; then
	wrap=
	! is_root || wrap=in_v2
	bundle_make '.process.args = ["/bin/nothing"]' --rootless
	cp "$work/nothing" "$dir/bundle/rootfs/bin/"
	options=(--map single --host-net --host-sys --read-only --masks)
	counts "rootless, one id" "${options[@]}"
	instructions_row "rootless, one id" "${options[@]}"
	bytes_row "rootless, one id"
	peaks counts-single "rootless, one id" "${options[@]}"
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
