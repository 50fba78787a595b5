#!/usr/bin/env bats
# USER as a number that is too large, signed, or empty is taken for root, or for a name that the image's
# passwd gives uid 0 (CVE-2024-40635, CVE-2026-46680); exec's `-u 1` for uid 0 (CVE-2026-30892).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

# Every odd name is one of the image's users, and that is root.
passwd() {
	local name
	mkdir -p "$T/image/etc"
	{
		echo root:x:0:0:root:/root:/bin/sh
		echo plain:x:1234:1234::/:/bin/sh
		for name in 1 01 1000 -1 +0 +1 4294967295 4294967296 4294967297 18446744073709551616 0x0 '' ' ' 1: :0 evil; do
			echo "$name:x:0:0::/:/bin/sh"
		done
		# Lines that do not parse, and are nobody.
		printf 'short:x\nempty:x::\nnegative:x:-1:0::/:/bin/sh\nlarge:x:4294967296:0::/:/bin/sh\nhex:x:0x0:0::/:/bin/sh\n'
		printf 'word:x:zero:0::/:/bin/sh\nblank:x: 0:0::/:/bin/sh\nplus:x:+0:0::/:/bin/sh\n'
	} >"$T/image/etc/passwd"
	cp "$T/image/etc/passwd" "$T/image/etc/group"
}

REFUSED=(-1 +0 +1 4294967295 4294967296 4294967297 18446744073709551616 1: 1:: 1:1:1 :0 0:-1 0:4294967296
	1000:+0 ' ' ' 0' '0 ' $'0\n' short empty negative large hex word blank plus nobody-there)

ids() { # USER -> uid:gid or what was said
	m -u "$1" "$IMAGE" sh -c 'echo $(id -u):$(id -g)' 2>&1
}

@test "an image's USER and -u" {
	local user
	passwd
	hostile_image image
	for WHO in $(roles); do
		echo "as $WHO"
		[ "$(ids 1)" = 1:0 ]
		[ "$(ids 01)" = 1:0 ]
		[ "$(ids 1000)" = 1000:0 ]
		[ "$(ids 1000:1)" = 1000:1 ]
		[ "$(ids plain)" = 1234:1234 ]
		[ "$(ids evil)" = 0:0 ] # a name is what passwd says
		for user in "${REFUSED[@]}"; do
			run -125 m -u "$user" "$IMAGE" id
			[[ $output == *"user '"* ]]
			[[ $output != *uid=* ]]
		done
		sentinel_same
	done
	# The image's own word; and in an image that has no such names.
	mkdir "$T/bare"
	for user in 1 4294967296 -1 1: +0; do
		for name in image bare; do
			rm -f "$T/$name.tar"
			hostile_image $name "{User: \"$user\", Cmd: [\"id\", \"-u\"]}"
			for WHO in $(roles); do
				if [ "$user" = 1 ]; then
					[ "$(m "$IMAGE")" = 1 ]
				else
					run -125 m "$IMAGE"
					[[ $output == *"user '$user'"* ]]
				fi
			done
		done
	done
	sentinel_same
	# It is an error as well where the user is written down in numbers.
	run -125 "$MRUN" unpack "$IMAGE" "$T/unpacked"
	[[ $output == *"user '+0'"* ]]
}

@test "exec's --user, and config.json's" {
	local user
	passwd
	for WHO in $(roles); do
		hostile "$DEFAULT_CAPS"' | .process.args = ["/bin/sleep", "1000"]'
		cp "$T/image/etc/passwd" "$B/rootfs/etc/passwd"
		start
		if [ "$WHO" = root ]; then
			[ "$(m exec -u 1 "$ID" id -u)" = 1 ]
			[ "$(m exec --user=1 "$ID" id -u)" = 1 ]
			[ "$(m exec -u 1:2 "$ID" sh -c 'echo $(id -u):$(id -g)')" = 1:2 ]
			[ "$(m exec -u 01 "$ID" id -u)" = 1 ]
		fi
		for user in -1 +0 4294967295 4294967296 1: :1 1:-1 1:4294967296 '' ' ' '0 ' root 0x0; do
			run m exec -u "$user" "$ID" id
			[ "$status" -ne 0 ]
			[[ $output == *"--user"* ]]
			[[ $output != *uid=* ]]
		done
		m delete -f "$ID"
		for user in -1 4294967296 4294967295 1.5 '"0"' '"1"' null; do
			configure ".process.user.uid = $user | .process.args = [\"/bin/id\"]"
			go
			# null is as if it were not there: 0, as the specification has it.
			[ "$user" = null ] || [ "$status" -ne 0 ]
			[ "$user" = null ] || run ! grep -q uid= "$T/out"
		done
		sentinel_same
	done
}
