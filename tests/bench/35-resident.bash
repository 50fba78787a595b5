# What stays resident for each detached container, in PSS of all processes that are not the container's:
# `mrun -d IMAGE` for one container and for ten (they share the program's pages), podman's conmon and
# containerd's shim for one.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # lib.bash's and run's variables; $run is words or nothing

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

conmon_pss() {
	local store=(podman --root "$dir/podman" --runroot "$dir/podman-run" --cgroup-manager=cgroupfs) pids i
	has podman && has conmon || return 0
	"${store[@]}" load -i "$image" >/dev/null 2>"$work/log" || return 0
	"${store[@]}" --runtime runc run -d --network none --ulimit nofile=1000:1000 \
		--ulimit nproc=1000:1000 sleeper >/dev/null 2>"$work/log" ||
		note "left out: podman: $(tail -n 1 "$work/log")"
	mapfile -t pids < <(pids_of "$(command -v conmon)")
	[ ${#pids[@]} -eq 0 ] || echo $(($(pss "${pids[@]}") / ${#pids[@]}))
	"${store[@]}" rm -f -a -t 0 >/dev/null 2>&1 || true
}

shim_pss() {
	local address=$dir/containerd.sock pids i name=docker.io/library/sleeper:latest ctr containerd
	has containerd && has ctr && has runc || return 0
	cat >"$dir/containerd.toml" <<-TOML
		version = 2
		root = "$dir/containerd"
		state = "$dir/containerd-state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$address"
	TOML
	containerd --config "$dir/containerd.toml" >"$work/log" 2>&1 &
	containerd=$!
	for ((i = 0; i < 200; i++)); do
		! ctr -a "$address" version >/dev/null 2>&1 || break
		sleep 0.1
	done
	ctr=(ctr -a "$address" -n bench-mrun)
	"${ctr[@]}" image import "$image" >/dev/null 2>>"$work/log" || true
	"${ctr[@]}" run -d --cgroup /bench-mrun-shim "$name" bench-mrun-shim /bin/sleep 1000000 >/dev/null \
		2>>"$work/log" || note "left out: containerd: $(tail -n 1 "$work/log")"
	mapfile -t pids < <(pids_of "$(command -v containerd-shim-runc-v2)")
	[ ${#pids[@]} -eq 0 ] || echo $(($(pss "${pids[@]}") / ${#pids[@]}))
	"${ctr[@]}" task kill -s KILL bench-mrun-shim >/dev/null 2>&1 || true
	"${ctr[@]}" task delete -f bench-mrun-shim >/dev/null 2>&1 || true
	"${ctr[@]}" container delete bench-mrun-shim >/dev/null 2>&1 || true
	kill "$containerd"
	wait "$containerd" || true
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
		peers="conmon $(conmon_pss), containerd-shim-runc-v2 $(shim_pss)"
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
