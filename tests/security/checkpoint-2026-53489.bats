#!/usr/bin/env bats
# Archives of checkpointed containers are strangers' files as well: links in them made containerd read the
# host's files on restore (CVE-2026-53489), annotations in them hand devices in (CVE-2026-53492). mrun
# does not restore anything, and says so before it looks at the archive.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

@test "checkpoint and restore are refused by name, and touch nothing" {
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/sleep", "1000"]'
		C=$T/checkpoint-$WHO
		mkdir -m 777 "$C"
		for f in config.dump spec.dump status.dump inventory.img core-1.img; do
			ln -s "$HOST/open/secret" "$C/$f"
		done
		mkfifo -m 666 "$C/rootfs-diff.tar"
		run -1 m restore --bundle "$B" --image-path "$C" --work-path "$HOST/open" "$ID"
		[[ $output == *"restore: mrun does not support checkpoint and restore"* ]]
		[[ $output != *"$SECRET"* ]]
		# As the one file that it is handed on as.
		tar -C "$C" -cf "$C.tar" .
		chmod 644 "$C.tar"
		run -1 m restore --bundle "$B" --image-path "$C.tar" --work-path "$HOST/open" "$ID"
		[[ $output == *"restore: mrun does not support checkpoint and restore"* ]]
		run -125 m load "$C.tar"
		[[ $output == *"not an image"* ]]
		[[ $output != *"$SECRET"* ]]
		run ! m state "$ID"
		start
		run -1 m checkpoint --image-path "$HOST/open" --work-path "$HOST/empty" "$ID"
		[[ $output == *"checkpoint: mrun does not support checkpoint and restore"* ]]
		m state "$ID" | grep -q '"running"'
		m delete -f "$ID"
		sentinel_same
	done
}
