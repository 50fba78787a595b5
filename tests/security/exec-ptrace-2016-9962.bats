#!/usr/bin/env bats
# A program in a container attacks what enters it from outside: the process that exec brings in, or
# the first process of another container that shares its namespaces. It lies in wait for new pids and
# tries their root, their working directory, their descriptors and ptrace (CVE-2016-9962); or it
# takes the socket that leads to mrun out of the shim and speaks on it (found here).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() {
	[ -z "${VICTIM:-}" ] || kill "$VICTIM" 2>/dev/null
	sec_teardown
}

# The file that the attack writes to.
mark() {
	rm -f "$HOST/open/fallen"
	: >"$HOST/open/fallen"
	chmod 666 "$HOST/open/fallen"
	sentinel_list >"$T/.sentinel"
}

entered() {
	for _ in {1..10}; do
		m exec "$ID" /bin/true
		m exec -d "$ID" /bin/sh -c 'exit 0' </dev/null >/dev/null 2>&1
	done
}

lie_in_wait() { # MODE TARGET [JQ]
	hostile "$ALL_CAPS | .process.args = [\"/attack-trace\", \"$1\", \"600\", \"$2\"] | ${3:-.}"
	start
	wait_for grep -q ready "$T/log"
}

# A process of WHO's on the host, which has nothing to do with any of this.
bystander() {
	rm -f "$T/victim"
	mkfifo -m 666 "$T/victim"
	if [ "$WHO" = root ]; then
		sh -c "echo \$\$ >'$T/victim'; exec sleep 600" 3>&- &
	else
		as_user sh -c "echo \$\$ >'$T/victim'; exec sleep 600" 3>&- &
	fi
	VICTIM=$(cat "$T/victim")
}

# Whoever enters carelessly is caught, so the attack is a real one. (It ends with the container.)
control() { # NSENTER-OPTION…
	local try
	for try in 1 2 3; do # a race, on a machine that may be busy
		nsenter --target "$INIT" "$@" "$BUILD/tests/attack-trace" victim / </dev/null >"$T/victim" 2>&1 3>&- &
		! wait_for grep -q reached "$T/log" || break
		cat "$T/victim"
	done
	grep -q 'reached the host by root' "$T/log"
	grep -q taken "$HOST/open/fallen"
}

userns='.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 700000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

@test "exec into a container whose root may trace" {
	for WHO in $(roles); do
		echo "as $WHO"
		mark
		if [ "$WHO" = root ]; then
			lie_in_wait reach "$HOST/open/fallen" "$userns"
		else
			lie_in_wait reach "$HOST/open/fallen"
		fi
		entered
		[ "$(cat "$T/log")" = ready ]
		sentinel_same
		if [ "$WHO" = root ]; then
			control --user --pid
		fi
		m delete -f "$ID"
	done
}

@test "exec into a container without a user namespace" {
	need_root
	mark
	lie_in_wait reach "$HOST/open/fallen" "$DEFAULT_CAPS"
	entered
	[ "$(cat "$T/log")" = ready ]
	sentinel_same
}

# With CAP_SYS_PTRACE in the user namespace that mrun is in, nothing is hidden from the container that
# it can see: there must be nothing to find.
@test "exec into a container that may trace, without a user namespace" {
	need_root
	local filter='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls:
		[{names: ["kcmp"], action: "SCMP_ACT_ERRNO"}]}'
	mark
	lie_in_wait gain "$HOST/open/fallen" "$filter | .process.noNewPrivileges = false"
	entered
	[ "$(cat "$T/log")" = ready ]
	# no_new_privs is another order of things, and so is another user.
	jq '.process | .noNewPrivileges = true | .user = {uid: 1000, gid: 1000} | .args = ["/bin/true"]
		| .terminal = false | .capabilities = {}' "$B/config.json" >"$T/process.json"
	for _ in {1..10}; do
		m exec --process "$T/process.json" "$ID"
	done
	[ "$(cat "$T/log")" = ready ]
	sentinel_same
	for _ in 1 2 3; do # as in control
		nsenter --target "$INIT" --pid "$BUILD/tests/attack-trace" victim / </dev/null 3>&- &
		! wait_for grep -q 'found the capabilities' "$T/log" || break
	done
	grep -q 'found the capabilities' "$T/log"
}

@test "a container that joins another's user and pid namespaces" {
	for WHO in $(roles); do
		echo "as $WHO"
		mark
		if [ "$WHO" = root ]; then
			lie_in_wait reach "$HOST/open/fallen" "$userns"
		else
			lie_in_wait reach "$HOST/open/fallen"
		fi
		B2=$T/b2-$WHO
		cp -a "$B" "$B2"
		jq --arg p "/proc/$INIT/ns" '.process.args = ["/bin/true"] | .linux.namespaces |= map(
			if .type == "user" or .type == "pid" then .path = $p + "/" + .type else . end)
			| del(.linux.uidMappings, .linux.gidMappings)' "$B/config.json" >"$T/c"
		cat "$T/c" >"$B2/config.json"
		for i in {1..10}; do
			m run --bundle "$B2" "$ID-2" </dev/null
		done
		[ "$(cat "$T/log")" = ready ]
		sentinel_same
		m delete -f "$ID"
	done
}

@test "a container that joins the pid namespace of one that may trace, without a user namespace" {
	need_root
	local filter='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls:
		[{names: ["kcmp"], action: "SCMP_ACT_ERRNO"}]}'
	mark
	lie_in_wait gain "$HOST/open/fallen" "$filter"
	B2=$T/b2
	cp -a "$B" "$B2"
	# What it sees in /proc is the namespace that it joins.
	jq --arg p "/proc/$INIT/ns" '.process.args = ["/bin/grep", "-q", "attack", "/proc/1/comm"]
		| .linux.namespaces |= map(if .type == "pid" then .path = $p + "/" + .type else . end)' "$B/config.json" >"$B2/config.json"
	for i in {1..10}; do
		m run --bundle "$B2" "$ID-2" </dev/null
	done
	# Also while it waits for start; its state names the process that waits.
	m create --bundle "$B2" --pid-file "$T/pid2" "$ID-2" </dev/null
	[ "$(m state "$ID-2" | jq -r '"\(.status) \(.pid)"')" = "created $(cat "$T/pid2")" ]
	[ "$(readlink "/proc/$(cat "$T/pid2")/ns/pid")" = "$(readlink "/proc/$INIT/ns/pid")" ]
	sleep 0.3
	m start "$ID-2"
	wait_for eval 'm state "$ID-2" | grep -q stopped'
	m delete "$ID-2"
	[ "$(cat "$T/log")" = ready ]
	sentinel_same
}

# A program behind a chain of links, so that execve(2) takes its time.
slow_program() { # -> /l0
	local d i
	d=$(printf 'd/../%.0s' {1..780})
	mkdir "$B/rootfs/d"
	for i in {0..37}; do ln -s "/${d}l$((i + 1))" "$B/rootfs/l$i"; done
	ln -s /bin/true "$B/rootfs/l38"
}

@test "who keeps the shim's socket keeps mrun no longer than the process lives" {
	local r
	for WHO in $(roles); do
		echo "as $WHO"
		lie_in_wait forge keep "$DEFAULT_CAPS"
		slow_program
		for _ in {1..100}; do
			r=0
			if [ "$WHO" = root ]; then
				timeout -s KILL 15 "$MRUN" exec "$ID" /l0 || r=$?
			else
				as_user timeout -s KILL 15 "$MRUN" exec "$ID" /l0 || r=$?
			fi
			[ "$r" -ne 137 ]
			! grep -q kept "$T/log" || break
		done
		grep -q kept "$T/log"
		m delete -f "$ID"
	done
}

@test "the shim's socket does not make mrun end a process of the host" {
	for WHO in $(roles); do
		echo "as $WHO"
		bystander
		lie_in_wait forge "$VICTIM" "$DEFAULT_CAPS"
		slow_program
		for _ in {1..100}; do
			m exec "$ID" /l0 >"$T/exec" 2>&1 || true
			! grep -q sent "$T/log" || break
		done
		grep -q sent "$T/log"
		grep -q 'unexpected message from the container' "$T/exec"
		kill -0 "$VICTIM"
		kill "$VICTIM"
		m delete -f "$ID"
	done
}
