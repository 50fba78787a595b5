# Shared by the podman files: podman with mrun as its runtime, which it tells to use systemd's driver.
# The configuration is where podman looks without being told: systemd starts it, too, for a healthcheck.
# shellcheck shell=bash disable=SC2016,SC2154 # for eval; run sets status

p() { podman "$@"; }

# Of the caller's own manager.
manager=(systemctl)
[ "$(id -u)" -eq 0 ] || manager=(systemctl --user)
property() { # UNIT NAME
	"${manager[@]}" show -P "$2" -- "$1"
}
no_unit() { # UNIT
	until_ok eval '[ "$(property '"'$1'"' LoadState)" = not-found ]'
	is "$(property "$1" LoadState)" not-found "unit $1"
}

# Neither a container of podman's nor one of mrun's, nor a unit of theirs.
nothing_left() {
	is "$(p ps -aq)" ""
	is "$(mrun list -q)" ""
	until_ok eval '[ -z "$(units)" ]'
	is "$(units)" ""
}
units() { "${manager[@]}" list-units --all --plain --no-legend 'libpod*'; }

# What podman says is conmon's, who looks at the scope's count of kills, and crun's in the same guest. (The first
# process outlives who is killed: else systemd removes the scope before conmon has looked, and no runtime's
# container is OOMKilled. Conmon 2.1.6, bookworm's, misses these, too.)
oom_killed() {
	local runtime said try
	# On a busy machine conmon may come too late for either.
	for try in 1 2 3; do
		said=
		for runtime in crun mrun; do
			run p --runtime $runtime run --name c -m 20m --network none box sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1; exit 3'
			is "$status" 3
			said+="$(p inspect c --format '{{.State.OOMKilled}}') "
			p rm c
		done
		case $said in "false false " | "true true ") return 0 ;; esac
	done
	echo "OOMKilled with crun and mrun: $said, $try times unlike" && return 1
}

after_failure() {
	p rm -f -t 0 -a
	p pod rm -f -a
}

podman_make() { # CONFIG-DIRECTORY
	mkdir -p "$1"
	sed 's|^mrun = .*|mrun = ["/share/mrun"]|; s|^\[engine\]|&\ncgroup_manager = "systemd"\nevents_logger = "file"|' \
		/share/examples/containers.conf >"$1/containers.conf"
	printf '[containers]\nlog_driver = "k8s-file"\n' >>"$1/containers.conf"
	# (Bookworm's warns of the networks that it could not make.)
	said=$(tar -C "$ROOTFS" -c . | p import -q - box 2>&1) || echo "# podman import: $said"
}
