#!/usr/bin/env bats
# Newlines and colons in user names, HOME and host names, for who writes them into a passwd file (CRI-O:
# CVE-2022-4318), an environment, a hosts file or a log.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

@test "HOME, USER and the names of an image" {
	mkdir -p "$T/image/etc"
	printf 'root:x:0:0::/root:/bin/sh\nodd:x:1000:1000::/h\ro\x1bme\x07:/bin/sh\nrelative:x:1001:1001::home:/bin/sh\n' >"$T/image/etc/passwd"
	hostile_image image '{Env: ["HOME=/x\nevil:x:0:0::/:/bin/sh", "USER=a\nevil:x:0:0::/:/bin/sh"], User: "odd",
		Cmd: ["sh", "-c", "cat /etc/passwd /etc/group /etc/hosts /etc/hostname"]}'
	for WHO in $(roles); do
		m "$IMAGE" >"$T/out"
		run ! grep -q ^evil "$T/out"
		cmp <(m "$IMAGE" cat /etc/passwd) "$T/image/etc/passwd"
		# HOME from passwd has no control characters; a relative one is no home.
		[ "$(m -e HOME "$IMAGE" sh -c 'echo $HOME' | head -1)" != $'/h\ro\x1bme\x07' ]
		run -125 m -u $'root\nevil' "$IMAGE"
		[[ $output == *"a blank or a control character"* ]]
		sentinel_same
	done
	mv "$T/image.tar" "$T/first.tar"
	hostile_image image '{Cmd: ["sh", "-c", "echo $HOME"]}'
	for WHO in $(roles); do
		[ "$(m -u odd "$IMAGE")" = / ]
		[ "$(m -u relative "$IMAGE")" = / ]
	done
}

@test "host names that would be more than one line of /etc/hosts" {
	hostile_image image
	for WHO in $(roles); do
		for name in $'a\n192.0.2.1 good.example' $'a\tb' 'a b' ''; do
			run m --hostname "$name" "$IMAGE" cat /etc/hosts
			[[ $output != *$'\n192.0.2.1'* ]]
		done
		for host in $'a\n192.0.2.1 evil:192.0.2.2' 'a b:192.0.2.2' $'a:192.0.2.2\n192.0.2.3 evil'; do
			run -125 m --add-host "$host" "$IMAGE" cat /etc/hosts
		done
		sentinel_same
	done
}

@test "an image's strings make one line of the log, and no commands for the terminal" {
	hostile_image image '{Entrypoint: ["/no\nsuch\u001b]0;title\u0007"], User: "0"}'
	for WHO in $(roles); do
		rm -f "$T/log.json" "$T/log.text"
		: >"$T/log.json"
		: >"$T/log.text"
		chmod 666 "$T"/log.*
		run -127 m --log "$T/log.json" --log-format json "$IMAGE"
		[ "$(wc -l <"$T/log.json")" -eq "$(jq -c . "$T/log.json" | wc -l)" ]
		run -127 m --log "$T/log.text" "$IMAGE"
		[ "$(grep -c ^time= "$T/log.text")" -eq "$(wc -l <"$T/log.text")" ]
		m "$IMAGE" >"$T/out" 2>"$T/err" || true
		cat -v "$T/err"
		run ! grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$T/out" "$T/err"
		sentinel_same
	done
}
