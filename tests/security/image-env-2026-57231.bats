#!/usr/bin/env bats
# Env entries of an image that a command line would take for requests to import the caller's variables:
# a name alone, a wildcard, an empty name, nothing at all (CVE-2026-57231).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

with_secret() { # ARG…
	case $WHO in
	user) as_user env "MRUN_SECRET=$SECRET" "AWS_SECRET=$SECRET" "$MRUN" "$@" ;;
	*) MRUN_SECRET=$SECRET AWS_SECRET=$SECRET "$MRUN" "$@" ;;
	esac
}

@test "none of them imports anything" {
	hostile_image image '{Env: ["MRUN_SECRET", "*", "AWS_*", "MRUN_*", "", "=x", "=", " MRUN_SECRET", "A=1\nMRUN_SECRET",
		"\nMRUN_SECRET", "PLAIN=\($ENV.HOME // "x")", "DOLLAR=$MRUN_SECRET", "BRACE=${MRUN_SECRET}", "TICK=`echo $MRUN_SECRET`", "GOOD=1"], Cmd: ["env"]}'
	for WHO in $(roles); do
		with_secret "$IMAGE" env >"$T/out" 2>"$T/err"
		cat "$T/out" "$T/err"
		no_secret "$T/out" "$T/err"
		grep -qx GOOD=1 "$T/out"
		# What looks like an expansion is text.
		grep -qx 'DOLLAR=$MRUN_SECRET' "$T/out"
		grep -q 'malformed Env entries of the image left out' "$T/err"
		# The control: what the caller types does import.
		with_secret -e MRUN_SECRET "$IMAGE" env >"$T/out" 2>/dev/null
		grep -qx "MRUN_SECRET=$SECRET" "$T/out"
		# As data it goes where images go: into a bundle, and nowhere near the caller's variables.
		with_secret load -q "${IMAGE#docker-archive:}" >/dev/null
		with_secret inspect image >"$T/out"
		no_secret "$T/out"
	done
	MRUN_SECRET=$SECRET "$MRUN" unpack "$IMAGE" "$T/unpacked" 2>/dev/null
	no_secret "$T/unpacked/config.json"
}

@test "config.json's env and exec's" {
	for WHO in $(roles); do
		hostile '.process.env = ["PATH=/bin", "MRUN_SECRET", "*", "=x", "DOLLAR=$MRUN_SECRET"] | .process.args = ["/bin/env"]'
		with_secret run --bundle "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" || true
		no_secret "$T/out" "$T/err"
		hostile '.process.args = ["/bin/sleep", "1000"]'
		start
		with_secret exec --env "MRUN_SECRET" "$ID" /bin/env >"$T/out" 2>&1 || true
		no_secret "$T/out"
		m delete -f "$ID"
	done
}
