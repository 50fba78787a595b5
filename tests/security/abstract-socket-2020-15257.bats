#!/usr/bin/env bats
# Services of the host that listen on abstract sockets (containerd's shims did: CVE-2020-15257) are
# reached from a container, unless it has a network namespace of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	NAME=mrun-test-$$-$RANDOM
	"$BUILD/tests/attack-misc" listen "$NAME" >"$T/service" 3>&- &
	SERVICE=$!
	cp "$BUILD/tests/attack-misc" "$T/attack"
	chmod 755 "$T/attack"
	wait_for grep -q ready "$T/service"
}
teardown() {
	kill "$SERVICE" 2>/dev/null
	sec_teardown
}

@test "a container's network is its own by default; --network host is not" {
	hostile_image image
	for WHO in $(roles); do
		for options in '' '--network none' '--cap-add all --security-opt seccomp=unconfined'; do
			# shellcheck disable=SC2086 # several words
			run -1 m $options -v "$T/attack:/attack:ro" "$IMAGE" /attack connect "$NAME"
			[[ $output == *"connect: Connection refused"* ]]
		done
		[ "$(cat "$T/service")" = ready ]
		hostile "$DEFAULT_CAPS | .process.args = [\"/attack-misc\", \"connect\", \"$NAME\"]
			| .linux.namespaces |= (map(select(.type != \"network\")) + [{type: \"network\"}])"
		go
		[ "$status" -eq 1 ]
		[ "$(cat "$T/service")" = ready ]
		sentinel_same
	done
	# The control, and what SECURITY.md says of it.
	m --network host -v "$T/attack:/attack:ro" "$IMAGE" /attack connect "$NAME"
	wait_for grep -q hello "$T/service"
}
