# What stays resident for each detached container, in PSS of all processes that are not the container's:
# `mrun -d IMAGE` for one container and for ten (they share the program's pages), podman's conmon (over
# runc, and over mrun in runc's place) and containerd's shim for one.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # lib.bash's and run's variables; $run is words or nothing

# shellcheck disable=SC1091 # linted on its own
source "$here/daemons.bash"

pss() { # PID…: the sum in KiB
	local pid sum=0 n
	for pid; do
		n=$(awk '$1 == "Pss:" { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null)
		sum=$((sum + ${n:-0}))
	done
	echo "$sum"
}

# Processes whose executable is FILE and that were started here.
pids_of() { # FILE
	local pid
	grep -lsF "MRUN_TEST_MARK=$work" /proc/[0-9]*/environ | cut -d/ -f3 | while read -r pid; do
		[ "$(readlink "/proc/$pid/exe")" != "$(readlink -f "$1")" ] || echo "$pid"
	done
}

# conmon over a container of a bundle, as podman starts it; podman itself starts no detached container on
# cgroups such as these.
conmon_pss() { # NAME RUNTIME
	local id=bench-mrun-$1 own=$dir/conmon-$1 runtime=("$2" --root "$dir/conmon-$1/root") pid='' i
	mkdir -p "$own/root" "$own/sockets" "$own/exits"
	conmon -c "$id" -u "$id" -n "$id" -r "$2" --runtime-arg=--root --runtime-arg="$own/root" -b "$dir/bundle" \
		-p "$own/pid" -P "$own/conmon.pid" --exit-dir "$own/exits" --socket-dir-path "$own/sockets" \
		-l "k8s-file:$own/log" --log-level error </dev/null >/dev/null 2>"$work/log" || true
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$own/pid" ] || break
		sleep 0.1
	done
	if "${runtime[@]}" start "$id" >/dev/null 2>>"$work/log"; then
		pid=$(cat "$own/conmon.pid")
		[ -z "$pid" ] || pss "$pid"
	else
		note "left out: conmon over $1: $(tail -n 1 "$work/log")"
	fi
	"${runtime[@]}" delete -f "$id" >/dev/null 2>&1 || true
	# It ends with its container.
	pid=$(cat "$own/conmon.pid" 2>/dev/null) || return 0
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL "$pid"
}

# One line of all that can be had.
conmon_peers() {
	has conmon || {
		echo "conmon not installed"
		return 0
	}
	# With the mark it is found and ended if this is interrupted.
	bundle_make ".process.args = [\"/bin/sleep\", \"1000000\"] | .process.env += [\"MRUN_TEST_MARK=$work\"]"
	! has runc || echo -n "conmon over runc $(conmon_pss runc "$(command -v runc)"), "
	echo "conmon over mrun $(conmon_pss mrun "$MRUN")"
}

shim_pss() {
	# Not in real time: containerd sets cpu.shares, whose hierarchy on v1 takes no such process.
	local ctr pids BENCH_POLICY=other
	containerd_start "$image" || return 0
	"${ctr[@]}" run -d --fifo-dir "$dir/fifo" --cgroup "/bench-mrun-$$-shim" docker.io/library/sleeper:latest \
		bench-mrun-shim /bin/sleep 1000000 >/dev/null 2>"$work/log" ||
		note "left out: containerd: $(tail -n 1 "$work/log")"
	mapfile -t pids < <(pids_of "$(command -v containerd-shim-runc-v2)")
	[ ${#pids[@]} -eq 0 ] || echo $(($(pss "${pids[@]}") / ${#pids[@]}))
	"${ctr[@]}" task kill -s KILL bench-mrun-shim >/dev/null 2>&1 || true
	"${ctr[@]}" task delete -f bench-mrun-shim >/dev/null 2>&1 || true
	"${ctr[@]}" container delete bench-mrun-shim >/dev/null 2>&1 || true
	daemon_stop containerd
}

of_mrun() {
	if [ -z "$run" ]; then
		pids_of "$MRUN"
	else
		pgrep -u "$uid" -x mrun
	fi
}

resident() { # root|single TEXT
	local image=$work/sleeper.tar pids i one peers=''
	"as_$1" resident || {
		row_missing "resident, $2" "" 717 KiB "no such user could be made"
		return 0
	}
	[ -f "$image" ] || "$root/scripts/make-image" --no-hello --name sleeper --cmd '["/bin/sleep", "1000000"]' \
		--output "$image" 2>/dev/null
	chmod 644 "$image"
	$run "$MRUN" load -i "$image" >/dev/null
	for ((i = 0; i < 10; i++)); do
		$run "$MRUN" -d --network none --name "bench-$i" sleeper </dev/null >/dev/null 2>"$work/log"
		[ "$i" = 0 ] || continue
		# Until it has given its memory back.
		sleep 2
		mapfile -t pids < <(of_mrun)
		one=$(pss "${pids[@]}")
	done
	if [ "$1" = root ]; then
		peers="$(conmon_peers), containerd-shim-runc-v2 $(shim_pss)"
	fi
	row "resident for one detached container, $2" "" "$one" "" 717 KiB "$peers"
	sleep 2
	mapfile -t pids < <(of_mrun)
	row "resident for each of ten detached containers, $2" "" $(($(pss "${pids[@]}") / 10)) "" 717 KiB \
		"${#pids[@]} processes"
	for ((i = 0; i < 10; i++)); do
		$run "$MRUN" delete -f "bench-$i" >/dev/null 2>&1 || true
	done
}

! is_root || resident root "root"
resident single "one id"
