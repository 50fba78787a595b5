#!/usr/bin/env bats
# Id mappings that are too long, too large or overflow (CVE-2021-43784: a length of 16 bits, behind which
# the attacker's bytes were read as settings), or that map what is not the caller's.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

SHOW='["/bin/sh", "-c", "cat /proc/self/uid_map; echo ran"]'

refused() { # JQ for the mappings
	configure ".linux.uidMappings = $1 | .linux.gidMappings = $1"
	go
	[ "$status" -ne 0 ]
	run ! grep -q ran "$T/out"
	sentinel_same
}

@test "too many, overlapping, out of range, negative, empty" {
	for WHO in $(roles); do
		hostile ".process.args = $SHOW"'
			| .linux.namespaces |= (map(select(.type != "user")) + [{type: "user"}])'
		refused '[range(20000) | {containerID: ., hostID: (. + 100000), size: 1}]'
		refused '[range(341) | {containerID: ., hostID: (. + 100000), size: 1}]'
		refused '[{containerID: 0, hostID: 100000, size: 10}, {containerID: 5, hostID: 200000, size: 10}]'
		refused '[{containerID: 0, hostID: 4294967290, size: 100}]'
		refused '[{containerID: 4294967290, hostID: 0, size: 100}]'
		refused '[{containerID: 0, hostID: 100000, size: 4294967296}]'
		refused '[{containerID: 0, hostID: 4294967296, size: 1}]'
		refused '[{containerID: 4294967296, hostID: 0, size: 1}]'
		refused '[{containerID: 0, hostID: -1, size: 1}]'
		refused '[{containerID: -1, hostID: 0, size: 1}]'
		refused '[{containerID: 0, hostID: 100000, size: -1}]'
		refused '[{containerID: 0, hostID: 100000, size: 0}]'
		refused '[{containerID: 0, hostID: "0 0 4294967295\n0", size: 1}]'
	done
}

@test "a user maps neither root nor another user's ids" {
	need newuidmap
	[ -n "${TEST_USER:-}" ] || skip "no test user"
	WHO=user
	hostile ".process.args = $SHOW"
	refused '[{containerID: 0, hostID: 0, size: 1}]'
	refused '[{containerID: 0, hostID: 0, size: 65536}]'
	refused "[{containerID: 0, hostID: $((TEST_UID + 1)), size: 1}]"
	refused "[{containerID: 0, hostID: $TEST_UID, size: 2}]"
	refused "[{containerID: 0, hostID: $TEST_UID, size: 1}, {containerID: 1, hostID: 0, size: 1}]"
	# The control: his own he may.
	configure ".linux.uidMappings = [{containerID: 0, hostID: $TEST_UID, size: 1}] | .linux.gidMappings = [{containerID: 0, hostID: $TEST_GID, size: 1}]"
	go
	grep -q ran "$T/out"
}
