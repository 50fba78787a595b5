#!/usr/bin/env bats
# Hosts under systemd have all mounts shared: nothing that a container mounts may reach them. Each
# test makes such a host of a mount namespace of its own.
bats_require_minimum_version 1.5.0
load lib

setup() {
	lib_setup
	need_root
	need unshare jq
	ID=mrun-t$$-$RANDOM
	mkdir -p source/sub host/mnt
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

# Runs the bundle b where everything is shared; what it mounted there is in the file `new`.
on_shared_host() {
	export ID
	unshare --mount --propagation private bash -euc '
		mount --make-rshared /
		mount -t tmpfs tmpfs source/sub
		cut -d" " -f4- /proc/self/mountinfo | sort >before
		"$MRUN" run --bundle b "$ID" </dev/null >out 2>&1 || { cat out; exit 1; }
		cut -d" " -f4- /proc/self/mountinfo | sort >after
		comm -13 before after >new' 3>&-
	cat out
	cat new
	[ ! -s new ]
}

# Binds, mounts on binds, a tmpfs, /proc; and one made by the program itself.
all_kinds() { # JQ
	bundle b ".process.args = [\"/bin/sh\", \"-c\", \"mount -t tmpfs tmpfs /b/sub && mount -t tmpfs tmpfs /mnt && echo mounted\"] |
		.process.capabilities[] = [\"CAP_SYS_ADMIN\"] |
		.mounts += [{destination: \"/b\", type: \"bind\", source: \"$T/source\", options: [\"rbind\"]},
			{destination: \"/b/sub\", type: \"tmpfs\", source: \"tmpfs\"},
			{destination: \"/one\", type: \"bind\", source: \"$T/source\", options: [\"bind\"]},
			{destination: \"/one/sub\", type: \"tmpfs\", source: \"tmpfs\"}] | ${1:-.}"
}
userns='.linux.namespaces += [{type: "user"}] |
	.linux.uidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}] | .linux.gidMappings = .linux.uidMappings'

@test "a bundle's mounts stay in the container" {
	all_kinds .
	on_shared_host
	grep -qx mounted out
}

@test "with a user namespace, whose mounts root's mrun opens on the host" {
	all_kinds "$userns"
	chown -R 1879048192:1879048192 b/rootfs
	on_shared_host
	grep -qx mounted out
}

@test "with a user namespace and each rootfsPropagation" {
	local kind
	for kind in private slave unbindable shared; do
		rm -rf b
		all_kinds "$userns | .linux.rootfsPropagation = \"$kind\""
		chown -R 1879048192:1879048192 b/rootfs
		on_shared_host
		grep -qx mounted out
	done
}

@test "an image's container" {
	local image
	image=$(hello_image)
	export image
	unshare --mount --propagation private bash -euc '
		mount --make-rshared /
		cut -d" " -f4- /proc/self/mountinfo | sort >before
		"$MRUN" --tmpfs /mnt -v "$T/source:/b" --tmpfs /b/sub --cap-add SYS_ADMIN --entrypoint /bin/sh "docker-archive:$image" \
			-c "mount -t tmpfs tmpfs /b/sub && echo mounted" </dev/null >out 2>&1 || { cat out; exit 1; }
		cut -d" " -f4- /proc/self/mountinfo | sort >after
		comm -13 before after >new' 3>&-
	cat out new
	[ ! -s new ]
	grep -qx mounted out
}
