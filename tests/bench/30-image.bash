# `mrun IMAGE` with its layers in the cache and --network none, against the floor over the same layers
# (an overlay), podman, docker, containerd and, for comparison, bubblewrap on the same files. docker's and
# ctr's time is the client's and what it waits for; their daemons run already.
# shellcheck shell=bash disable=SC2034,SC2086,SC2154,SC2206 # lib.bash's and run's variables; $run is words or nothing

# shellcheck disable=SC1091 # linted on its own
source "$here/daemons.bash"

name=multistage-hello-world
image=$work/image.tar
cp "$(hello_image)" "$image"
chmod 644 "$image"

unpack_layers() { # for the floor the image's layers as they are, for bubblewrap all in one
	local layer index=0
	lowers=
	while read -r layer; do
		index=$((index + 1))
		$run mkdir -p "$dir/layer$index" "$dir/flat"
		tar -xOf "$image" "$layer" | $run tar -C "$dir/layer$index" --numeric-owner -xf -
		tar -xOf "$image" "$layer" | $run tar -C "$dir/flat" --numeric-owner -xf -
		lowers=$dir/layer$index${lowers:+:$lowers}
	done < <(tar -xOf "$image" manifest.json | jq -r '.[0].Layers[]')
	$run mkdir -p "$dir/scratch"
	[ -n "$run" ] || chown -R "$base:$base" "$dir"/layer*
}

# Adds the first way of running it with podman that works here, if any does.
add_podman() {
	local store=(podman --root "$dir/podman" --runroot "$dir/podman-run" --cgroup-manager=cgroupfs)
	local limits=(--ulimit nofile=1000:1000 --ulimit nproc=1000:1000) runtime extra
	has podman || {
		note "left out: podman is not installed"
		return 0
	}
	$run "${store[@]}" load -i "$image" >"$work/log" 2>&1 || {
		note "left out: podman: $(tail -n 1 "$work/log")"
		return 0
	}
	for runtime in crun runc; do
		for extra in "" --cgroups=disabled; do
			podman=("${store[@]}" --runtime "$runtime" run --rm --network none $extra "${limits[@]}" "$name")
			if $wrap $run timeout 60 "${podman[@]}" >"$work/log" 2>&1; then
				note "podman with $runtime $extra"
				add podman "${podman[@]}"
				return 0
			fi
		done
	done
	podman=()
	note "left out: podman: $(tail -n 1 "$work/log")"
}

# By a dockerd of this row's own; docker with mrun in runc's place, too.
add_docker() {
	docker_start "$image" || return 0
	dockerd=1
	add docker "${docker[@]}" run --rm --network none "$name"
	add "docker with mrun" "${docker[@]}" run --rm --runtime mrun --network none "$name"
}

# In turns of their own: containerd sets cpu.shares, whose hierarchy on v1 takes no real-time process.
ctr_rows() {
	local ctr BENCH_POLICY=other expect="Hello world!" options
	containerd_start "$image" || return 0
	options=(run --rm --fifo-dir "$dir/fifo" --cgroup "/bench-mrun-$$-ctr")
	add mrun "$MRUN" --network none "$name"
	add ctr "${ctr[@]}" "${options[@]}" "docker.io/library/$name:latest" bench-mrun-ctr
	add "ctr with mrun" "${ctr[@]}" "${options[@]}" --runc-binary "$MRUN" --runc-root "$dir/ctr-mrun" \
		"docker.io/library/$name:latest" bench-mrun-ctr
	measure image-ctr
	daemon_stop containerd
	row_ratio "mrun IMAGE, root, ordinary scheduling" image-ctr mrun ctr ""
	row_ratio "ctr with mrun in runc's place" image-ctr "ctr with mrun" ctr ""
}

# Bytes written to files, mrun's and podman's (docker's and containerd's are written by their daemons).
bytes_row() { # TEXT PODMAN…
	local text=$1 list=''
	shift
	has strace || return 0
	[ $# -eq 0 ] || list="podman $(bytes_written "$@")"
	row "bytes written to files, mrun IMAGE, $text" "" "$(bytes_written "$MRUN" --network none "$name")" "" "" bytes "$list"
}

image_row() { # root|single|subids TEXT
	local wrap='' lowers map=$1 base expect="Hello world!" podman=() docker dockerd=''
	"as_$1" image || {
		row_missing "mrun IMAGE, $2" floor 1.5 times "no such user could be made"
		return 0
	}
	! is_root || wrap=in_v1
	if [ "$1" = root ]; then
		# The range that mrun maps when root starts it: root's in /etc/subuid, else its own (README.md).
		base=$(lib_subid root /etc/subuid)
		base=${base:-1879048192}
		map=range:$base
	fi
	unpack_layers
	$run "$MRUN" load -i "$image" >/dev/null
	add floor "$work/floor" --map "$map" --overlay "$lowers" --scratch "$dir/scratch" --cgroup-ns --masks \
		/app/hello-world
	add mrun "$MRUN" --network none "$name"
	# One id whoever calls it, a bind mount instead of an overlay, and it drops fewer things.
	! has bwrap || [ "$1" = subids ] ||
		add bubblewrap bwrap --unshare-all --bind "$dir/flat" / --proc /proc --dev /dev /app/hello-world
	[ "$1" = single ] || add_podman
	[ "$1" != root ] || add_docker
	measure "image-$1"
	[ -z "$dockerd" ] || daemon_stop docker
	row_ratio "mrun IMAGE, $2" "image-$1" mrun floor 1.5
	[ "$1" = single ] || row_ratio "mrun IMAGE, $2" "image-$1" mrun podman 0.0333
	if [ "$1" = root ]; then
		row_ratio "mrun IMAGE, root" image-root mrun docker 0.0333
		row_ratio "docker with mrun in runc's place" image-root "docker with mrun" docker ""
		ctr_rows
	fi
	[ -z "$(value "image-$1" bubblewrap 3)" ] || row_ratio "mrun IMAGE, $2" "image-$1" mrun bubblewrap ""
	[ "$1" = single ] || row_ratio "the floor itself, $2" "image-$1" floor podman ""
	# Under strace newuidmap has no right to map subordinate ids.
	[ "$1" = subids ] || bytes_row "$2" "${podman[@]}"
}

if is_root; then
	image_row root "root"
else
	row_missing "mrun IMAGE, root" floor 1.5 times "needs root"
fi
image_row single "one id"
image_row subids "subordinate ids"
