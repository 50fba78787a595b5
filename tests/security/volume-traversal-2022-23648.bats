#!/usr/bin/env bats
# An image's VOLUME that leads out of its root: a runtime that copies what is there into the volume reads
# the host's files (CVE-2022-23648), one that makes it, makes it on the host.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

@test "VOLUME with .., through links, relative, over what the runtime mounts" {
	mkdir -p "$T/image"
	ln -s "$HOST/open" "$T/image/link"
	ln -s "../../../../../..$HOST/empty" "$T/image/relative"
	local volumes="\"/../../../../../../../..$HOST/open\": {}, \"/..$HOST/open\": {}, \"/link\": {}, \"/link/new\": {},
		\"/relative/new\": {}, \"..$HOST/open\": {}, \"open\": {}, \"/\": {}, \"/..\": {}, \"\": {}, \"/a,rw:b\": {},
		\"$HOST/open:/vol\": {}, \"/x\\n/y\": {}"
	hostile_image image "{Cmd: [\"sh\", \"-c\", \"cat /link/secret /vol/secret $HOST/open/secret /secret open/secret; find / -xdev -name secret | grep -v ^/proc; echo ran\"],
		Volumes: {$volumes}}"
	for WHO in $(roles); do
		for options in '' --read-only; do
			echo "as $WHO $options"
			# shellcheck disable=SC2086 # perhaps none
			m $options "$IMAGE" >"$T/out" 2>"$T/err"
			grep -qx ran "$T/out"
			no_secret "$T/out" "$T/err"
			sentinel_same
		done
	done
	"$MRUN" unpack "$IMAGE" "$T/unpacked" 2>/dev/null
	no_secret -r "$T/unpacked"
	# The control: such a path, taken as it is, leads there.
	grep -q "$SECRET" "$T/unpacked/rootfs/../../../../../../../..$HOST/open/secret"
	sentinel_same
	# What cannot be made is said by name.
	rm "$T/image.tar"
	hostile_image image '{Volumes: {"/proc/1/root/x": {}}}'
	for WHO in $(roles); do
		run -125 m "$IMAGE" true
		[[ $output == *"make the volume /proc/1/root/x"* ]]
	done
	sentinel_same
}
