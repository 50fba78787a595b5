# Shared by the podman files: podman with mrun as its runtime, which it tells to use systemd's driver.
# The configuration is where podman looks without being told: systemd starts it, too, for a healthcheck.
# shellcheck shell=bash disable=SC2016 # for eval

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
