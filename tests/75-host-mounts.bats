#!/usr/bin/env bats
# A host whose mounts are shared, as systemd makes them: what a container mounts and unmounts is not
# to be seen on it. Each test plays the host in a mount namespace of its own.
# shellcheck disable=SC2016
bats_require_minimum_version 1.5.0
load lib

setup() {
	lib_setup
	need_root
	ID=mrun-m$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

# Runs SCRIPT in a mount namespace with shared mounts; $1 is mrun, $2 the id. `unchanged` fails when
# other mounts are there than before.
as_host() { # SCRIPT
	timeout 300 unshare -m bash -ec '
		mount --make-rprivate /
		# What others mount meanwhile may go meanwhile.
		awk "\$5 ~ \"^/(dev/shm|tmp|var)/\" { print \$5 }" /proc/self/mountinfo | sort -r | xargs -r umount -l 2>/dev/null || true
		mount --make-rshared /
		cd "$0"
		mkdir -p host/sub
		mount -t tmpfs host host
		mkdir host/sub
		mount -t tmpfs sub host/sub
		look() { cut -d" " -f 5,6 /proc/self/mountinfo | sort; }
		look >before
		unchanged() { look | diff before - || { echo "the mounts of the host have changed"; exit 9; }; }
		'"$1" "$T" "$MRUN" "$ID"
}

# A container that mounts something on each of its volumes and waits.
prepare() { # [JQ]
	bundle b '.process.args = ["/bin/sh", "-c", "for m in /tmp /mnt/sub; do mount -t tmpfs inside $m; done; touch /tmp/ready /mnt/sub/ready; sleep 1000"]
		| .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) | .root.readonly = false
		| .mounts += [{destination: "/mnt", source: "'"$T"'/host", options: ["rbind"]}] | '"${1:-.}"
}
USERNS='.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 1879048192, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

# From create to delete, and looking at each step.
ROUND='
	"$1" create --bundle b "$2" </dev/null >log 2>&1 || { cat log; exit 1; }
	unchanged
	"$1" start "$2"
	for _ in {1..600}; do "$1" exec "$2" test -e /mnt/sub/ready && break; sleep 0.05; done
	"$1" exec "$2" test -e /mnt/sub/ready -a -e /tmp/ready
	unchanged
	"$1" delete --force "$2"
	unchanged
	"$1" run -d --bundle b "$2" </dev/null >log 2>&1 || { cat log; exit 1; }
	"$1" delete --force "$2"
	unchanged'

@test "a container as root" {
	prepare
	as_host "$ROUND"
}

@test "a container with a user namespace" {
	prepare "$USERNS"
	chown -R 1879048192:1879048192 b/rootfs
	as_host "$ROUND"
}

@test "linux.rootfsPropagation" {
	for p in private slave shared unbindable rprivate rslave rshared runbindable; do
		prepare '.linux.maskedPaths = [] | .linux.rootfsPropagation = "'$p'" | .mounts[-1].options += ["rprivate"]'
		as_host "$ROUND" || { echo "$p"; false; }
		rm -r b
	done
	for p in private slave shared unbindable rshared; do
		prepare "$USERNS | "'.linux.rootfsPropagation = "'$p'"'
		chown -R 1879048192:1879048192 b/rootfs
		as_host "$ROUND" || { echo "$p"; false; }
		rm -r b
	done
}

@test "an id-mapped mount" {
	prepare '.mounts[-1] += {uidMappings: [{containerID: 0, hostID: 0, size: 65536}]} | .mounts[-1].gidMappings = .mounts[-1].uidMappings
		| .mounts[-1].options = ["bind"] | .process.args[2] |= gsub("/mnt/sub"; "/mnt")'
	as_host "${ROUND//\/mnt\/sub/\/mnt}"
}

@test "--no-pivot" {
	prepare
	as_host '"$1" run -d --no-pivot --bundle b "$2" </dev/null >log 2>&1 || { cat log; exit 1; }
		unchanged
		"$1" delete --force "$2"
		unchanged'
}

@test "a volume that is shared on purpose" {
	prepare '.linux.maskedPaths = [] | .linux.rootfsPropagation = "rshared" | .mounts[-1].options += ["rshared"]'
	as_host '"$1" run -d --bundle b "$2" </dev/null >log 2>&1 || { cat log; exit 1; }
		for _ in {1..600}; do [ -e host/sub/ready ] && break; sleep 0.05; done
		ls host/sub/ready
		umount host/sub
		"$1" delete --force "$2"
		unchanged'
}

@test "an image with a volume, as root" {
	image=$(hello_image)
	"$MRUN" load -i "$image"
	as_host '"$1" --root "$PWD/s" -v "$PWD/host:/mnt" --cap-add SYS_ADMIN --name "$2" multistage-hello-world sh -c "mount -t tmpfs t /mnt/sub && echo mounted; ls /proc/1/ns" >out 2>&1 || { cat out; exit 1; }
		grep -q mounted out
		unchanged'
}
