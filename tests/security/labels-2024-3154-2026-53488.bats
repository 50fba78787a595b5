#!/usr/bin/env bats
# Labels of an image and annotations that runtimes and their managers take for settings: systemd
# properties of the scope (CVE-2024-3154), a logger's command line (CVE-2026-53488), hooks, crun's and
# krun's handlers, mounts, seccomp profiles. To mrun they are text.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

LABELS='{"org.systemd.property.ExecStartPre": "[\u0027/bin/touch\u0027, \u0027HOST/open/ran\u0027]", "run.oci.handler": "krun",
	"org.systemd.property.Slice": "\u0027system.slice\u0027",
	"containerd.io/restart.loguri": "binary:///bin/sh?-c=touch%20HOST/open/ran", "containerd.io/restart.status": "running",
	"run.oci.hooks.stdout": "HOST/open/ran", "run.oci.hooks.stderr": "HOST/open/secret", "run.oci.keep_original_groups": "1",
	"run.oci.seccomp.receiver": "HOST/open/ran", "run.oci.mount_context_type": "rootcontext", "run.oci.pidfd_receiver": "HOST/open/ran",
	"run.oci.systemd.force_cgroup_v1": "HOST/empty", "run.oci.timens_offset": "1000000", "run.oci.systemd.subgroup": "../..",
	"io.podman.annotations.privileged": "TRUE", "io.podman.annotations.init": "TRUE", "io.podman.annotations.userns": "host",
	"io.containers.trace-syscall": "of:HOST/open/ran", "com.docker.security.seccomp": "unconfined", "mrun.volume": "HOST:/h",
	"bad\nname": "x\u001b]0;title\u0007", "cdi.k8s.io/x": "vendor.com/device=HOST"}'

plain() { # what the program is and sees
	echo 'cat /proc/self/status | grep -e ^Cap -e ^Seccomp: -e ^NoNewPrivs -e ^Uid -e ^Groups; cut -d" " -f5 /proc/self/mountinfo; date +%Y; cat /proc/self/cgroup'
}

@test "an image's labels change nothing of how it runs" {
	hostile_image with "{Labels: ${LABELS//HOST/$HOST}, Cmd: [\"sh\", \"-c\", $(plain | jq -Rs .)]}"
	with=$IMAGE
	hostile_image without "{Cmd: [\"sh\", \"-c\", $(plain | jq -Rs .)]}"
	for WHO in $(roles); do
		m "$with" >"$T/with"
		m "$IMAGE" >"$T/without"
		diff "$T/with" "$T/without"
		sentinel_same
	done
	# They are not handed on as annotations, which the next runtime might take for settings.
	"$MRUN" unpack "$with" "$T/unpacked" 2>/dev/null
	[ "$(jq -r '.annotations // {} | keys[]' "$T/unpacked/config.json" | grep -v '^org.opencontainers.image\.')" = "" ]
	# On a terminal they stay one line each, without control characters.
	"$MRUN" load -q "$T/with.tar" >/dev/null
	"$MRUN" inspect with >"$T/inspect"
	jq -e '.[0]' "$T/inspect" >/dev/null
	run ! grep -q $'[\x01-\x08\x0b-\x1f]' "$T/inspect"
}

@test "config.json's annotations change nothing either" {
	for WHO in $(roles); do
		hostile ".process.args = [\"/bin/sh\", \"-c\", $(plain | jq -Rs .)]"
		go
		cp "$T/out" "$T/without"
		configure ".annotations = ${LABELS//HOST/$HOST}"
		go
		[ "$status" -eq 0 ]
		diff "$T/out" "$T/without"
		sentinel_same
	done
}
