# Many containers: 200 started at once (each by a process of its own), 500 one after another, and what
# one costs while up to a thousand others live. Of runc's default configuration, as root on cgroup v2;
# the last without root.
# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # sh expands later; lib.bash's and run's variables

at_once=${BENCH_AT_ONCE:-200} in_a_row=${BENCH_IN_A_ROW:-500} live=${BENCH_LIVE:-1000}

# One program starts them all: xargs, which fails if any of them does.
throughput() { # GROUP TEXT NUMBER XARGS-OPTIONS…
	local group=$1 text=$2 count=$3 n=$((rounds / 10))
	shift 3
	[ "$n" -gt 1 ] || n=2
	add floor sh -c "seq $count | xargs $* -I {} $work/floor --cgroup2 /sys/fs/cgroup --cgroup-ns --devices \
		--cgroup-mount --read-only --masks --rootfs $dir/bundle/rootfs /bin/true"
	add mrun sh -c "seq $count | xargs $* -I {} $MRUN --root $dir/mrun run -b $dir/bundle bench-mrun-{}"
	! has crun || add crun sh -c "seq $count | xargs $* -I {} ${crun[*]} --root $dir/crun run -b $dir/bundle bench-mrun-c{}"
	measure "$group" "$n"
	row_ratio "$text" "$group" mrun crun 0.5
	row_ratio "$text" "$group" mrun floor ""
	row_ratio "the floor itself, $text" "$group" floor crun ""
}

# The time of a run, of state, and system calls of both while 10, and while $live containers live. The two
# cannot be measured in turns: each is taken as a multiple of the floor's run in the same minute, which
# neither the machine's mood nor the kernel's own growth changes.
growth() { # LABEL COLUMN
	ratio "$(ratio "$(value "live-$live" "$1" "$2")" "$(value "live-$live" floor "$2")")" \
		"$(ratio "$(value live-10 "$1" "$2")" "$(value live-10 floor "$2")")"
}

many_live() {
	local n start count a b
	start='for i in $(seq $1 $2); do '"$MRUN --root $dir/mrun run -d -b $dir/sleeper bench-mrun-\$i"' || exit 1; done'
	for n in 10 "$live"; do
		$run sh -c "$start" sh "${count:-1}" "$n" </dev/null >/dev/null 2>"$work/log" || {
			note "$n live containers: $(tail -n 1 "$work/log")"
			break
		}
		count=$((n + 1))
		add run "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-more
		add state "$MRUN" --root "$dir/mrun" state bench-mrun-5
		add floor "$work/floor" --map single --host-net --host-sys --read-only --masks \
			--rootfs "$dir/bundle/rootfs" /bin/true
		measure "live-$n"
		! has strace || $run strace -f -c -U calls,name -o "$dir/strace" "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-more
		! has strace || calls[n]=$(awk '$2 == "total" { print $1 }' "$dir/strace")
	done
	for a in run state; do
		b=$(value live-10 $a 3)
		if [ -z "$b" ] || [ -z "$(value "live-$live" $a 3)" ]; then
			row_missing "$a beside $live live containers" "beside 10" 1.1 times "not measured"
			continue
		fi
		row "$a beside $live live containers" "beside 10" "$(growth $a 3)" "$(growth $a 4)" 1.1 times \
			"$(ms "$(value "live-$live" $a 3)") of $(ms "$b") ms, the floor $(ms "$(value "live-$live" floor 3)") of $(ms "$(value live-10 floor 3)")"
	done
	[ -z "${calls[live]:-}" ] || row "system calls of a run beside $live live containers" "beside 10" \
		$((calls[live] - calls[10])) "" 0 calls "${calls[live]} and ${calls[10]}"
	$run sh -c "for i in \$(seq 1 $live); do $MRUN --root $dir/mrun delete -f bench-mrun-\$i; done" >/dev/null 2>&1 || true
}

calls=()
crun_command
if is_root; then
	wrap=in_v2
	as_root many
	bundle_make .
	throughput at-once "$at_once containers at once" "$at_once" -P "$at_once"
	throughput in-a-row "$in_a_row containers one after another" "$in_a_row"
else
	row_missing "many containers" crun 0.5 times "needs root"
fi
if as_single many; then
	wrap=
	! is_root || wrap=in_v1
	bundle_make . --rootless
	bundle_variant sleeper '.process.args = ["/bin/sleep", "1000000"]'
	many_live
else
	row_missing "a run beside $live live containers" "beside 10" 1.1 times "no such user could be made"
fi
