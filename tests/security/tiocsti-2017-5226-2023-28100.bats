#!/usr/bin/env bats
# A program that has the caller's terminal as its standard streams types commands into it, which the
# caller's shell would run: TIOCSTI (CVE-2017-5226), TIOCLINUX (CVE-2023-28100), also with upper bits
# set in the request, which some filters do not look at (CVE-2019-10063).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	PROBE=$BUILD/tests/attack-misc
	cp "$PROBE" "$T/attack-misc"
}
teardown() { sec_teardown; }

# CMD as WHO on a terminal of its own; prints how much was typed.
on_terminal() {
	case $WHO in
	user) as_user "$T/attack-misc" terminal "$@" ;;
	*) "$T/attack-misc" terminal "$@" ;;
	esac
}

@test "control: without a wall it can be typed into" {
	need_root # since Linux 6.2 others may not where dev.tty.legacy_tiocsti is 0
	run ! on_terminal "$PROBE" type
	[[ $output != *" 0 characters were typed"* ]]
	[[ $output == *"characters were typed"* ]]
}

@test "config.json's containers" {
	for WHO in $(roles); do
		for caps in "$DEFAULT_CAPS" .; do
			hostile "$caps"' | .process.args = ["/attack-misc", "type"]'
			run -0 on_terminal "$MRUN" run --bundle "$B" "$ID"
			echo "$output"
			[[ $output == *"0 TIOCSTI"*"0 TIOCSTI with upper bits"*"0 TIOCLINUX with upper bits"*"0 characters were typed"* ]]
			configure '.process.args = ["/bin/sleep", "1000"]'
			start
			run -0 on_terminal "$MRUN" exec "$ID" /attack-misc type
			[[ $output == *"0 TIOCSTI"*"0 TIOCSTI with upper bits"*"0 TIOCLINUX with upper bits"*"0 characters were typed"* ]]
			m delete -f "$ID"
		done
	done
}

@test "images, whatever rights they are given" {
	hostile_image image
	for WHO in $(roles); do
		for options in -i '-i --cap-add all' '-i --cap-add all --security-opt seccomp=unconfined' -it; do
			echo "as $WHO: $options"
			# shellcheck disable=SC2086 # several words
			run -0 on_terminal "$MRUN" $options -v "$T/attack-misc:/attack:ro" "$IMAGE" /attack type
			echo "$output"
			[[ $output == *"0 characters were typed"* ]]
			sentinel_same
			case $options in -i | *'all') [[ $output == *"0 TIOCSTI with upper bits: Operation not permitted"* ]] ;; esac
		done
	done
}
