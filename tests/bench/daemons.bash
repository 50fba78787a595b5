# A dockerd and a containerd of a rows file's own: everything of theirs is below $dir, and the rest, /run
# and what they write to /etc, in a mount namespace; their networks in a namespace, too. They run under
# the policy of what is measured, as podman does, and see the cgroups that it sees.
# shellcheck shell=bash disable=SC2154 # lib.bash's and run's variables

daemon_start() { # NAME CMD…: in the background
	local name=$1
	shift
	mkdir -p "$dir/$name/etc" "$dir/$name/etc-work"
	(
		trap - EXIT
		! real_time || chrt --rr -p 10 "$BASHPID" >/dev/null
		# shellcheck disable=SC2016 # expanded inside
		in_v1 unshare --net bash -c '
			set -e
			ip link set lo up
			mount -t tmpfs none /run
			mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" none /etc
			echo $$ >"$1/pid"
			shift
			exec "$@"' bash "$dir/$name" "$@"
	) >"$dir/$name/log" 2>&1 </dev/null &
	echo $! >"$dir/$name/job"
}

daemon_answers() { # NAME CMD…: within half a minute
	local name=$1 i
	shift
	for ((i = 0; i < 300; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		kill -0 "$(cat "$dir/$name/job")" 2>/dev/null || break
		sleep 0.1
	done
	note "left out: $name does not start: $(tail -n 1 "$dir/$name/log")"
	daemon_stop "$name"
	return 1
}

daemon_stop() { # NAME
	local pid i
	pid=$(cat "$dir/$1/pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || true
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null || true
	wait "$(cat "$dir/$1/job")" || true
	rm -f "$dir/$1/pid"
}

# Sets $docker, the client with where to find it, and loads the image. mrun is a runtime by that name.
docker_start() { # IMAGE-FILE
	local own=$dir/docker client=/usr/bin/docker name
	# A client that belongs to the daemon, if there is one: another may want plugins that are not there.
	[ -x $client ] || client=$(command -v docker)
	for name in dockerd containerd containerd-shim-runc-v2 runc docker; do
		has "$name" || {
			note "left out: docker: $name is not installed"
			return 1
		}
	done
	mkdir -p "$own/config"
	jq -n --arg d "$own" --arg mrun "$MRUN" --arg cgroup "/bench-mrun-$$-docker" '{
		runtimes: {mrun: {path: $mrun}}, "data-root": "\($d)/data", "exec-root": "\($d)/exec",
		pidfile: "\($d)/dockerd.pid", hosts: ["unix://\($d)/docker.sock"],
		"cgroup-parent": $cgroup, bridge: "none", iptables: false}' >"$own/daemon.json"
	docker=(env "DOCKER_HOST=unix://$own/docker.sock" "DOCKER_CONFIG=$own/config" "$client")
	daemon_start docker dockerd --config-file "$own/daemon.json"
	daemon_answers docker "${docker[@]}" version || return 1
	"${docker[@]}" load -qi "$1" >/dev/null 2>"$work/log" || {
		note "left out: docker: $(tail -n 1 "$work/log")"
		daemon_stop docker
		return 1
	}
}

# Sets $ctr, the client with where to find it, and imports the image: docker.io/library/NAME:latest.
containerd_start() { # IMAGE-FILE
	local own=$dir/containerd name
	for name in containerd ctr containerd-shim-runc-v2 runc; do
		has "$name" || {
			note "left out: containerd: $name is not installed"
			return 1
		}
	done
	mkdir -p "$own"
	cat >"$own/config.toml" <<-TOML
		version = 2
		root = "$own/root"
		state = "$own/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$own/socket"
	TOML
	ctr=(ctr -a "$own/socket" -n bench-mrun)
	daemon_start containerd containerd --config "$own/config.toml"
	daemon_answers containerd "${ctr[@]}" --connect-timeout 1s version || return 1
	"${ctr[@]}" image import "$1" >/dev/null 2>"$work/log" || {
		note "left out: containerd: $(tail -n 1 "$work/log")"
		daemon_stop containerd
		return 1
	}
}
