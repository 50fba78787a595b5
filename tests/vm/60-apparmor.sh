# process.apparmorProfile under a kernel that enforces it.
# shellcheck shell=bash disable=SC2154,SC2016

# Profiles are loaded into the kernel once; a boot is thrown away afterwards.
profile() { # NAME RULES
	mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
	[ -e /sys/kernel/security/apparmor/.replace ] || skip "this kernel does not run AppArmor"
	printf 'profile %s flags=(attach_disconnected,mediate_deleted) {\n%s\n}\n' "$1" "$2" >"$T/profile"
	apparmor_parser --replace --skip-cache "$T/profile"
}

confined() { # DIR PROFILE ARGS
	bundle "$1" "$3"
	jq --arg p "$2" '.process.apparmorProfile = $p' "$1/config.json" >"$1/new"
	mv "$1/new" "$1/config.json"
}

test_run_confines_the_program() {
	profile t1 'file, deny /tmp/** w, signal, capability, network,'
	confined b t1 '"sh", "-c", "cat /proc/self/attr/current; echo x >/tmp/x || echo denied"'
	run mrun run -b b c1
	like "$output" "t1 (enforce)*denied"
}

# As with runc, the profile says what the program may execute, not whether it may start.
test_a_profile_without_execution_rights_starts_the_program() {
	profile t2 '/** r, /bin/busybox m, signal, deny /bin/** x,'
	confined b t2 '"cat", "/proc/self/attr/current"'
	run mrun run -b b c1
	is "$output" "t2 (enforce)"
}

test_exec_takes_the_containers_profile_or_its_own() {
	profile t1 'file, signal, capability,'
	profile t2 '/** r, /bin/busybox m, signal, deny /bin/** x,'
	confined b t1 '"sleep", "1000"'
	start c1
	run mrun exec c1 cat /proc/self/attr/current
	is "$output" "t1 (enforce)"
	run mrun exec --apparmor t2 c1 cat /proc/self/attr/current
	is "$output" "t2 (enforce)"
	run mrun exec --apparmor unconfined c1 cat /proc/self/attr/current
	like "$output" "unconfined*"
	mrun delete -f c1
}

test_a_profile_that_is_not_loaded_is_an_error() {
	profile t1 'file,'
	confined b nothing-of-that-name '"true"'
	run mrun run -b b c1
	is "$status" 1
	like "$output" "*process.apparmorProfile*nothing-of-that-name*"
}

test_without_root() {
	profile t2 '/** r, /bin/busybox m, signal, deny /bin/** x,'
	chmod 777 "$T"
	NS="user pid mount ipc uts" LINUX='"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
		"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],' \
		confined b t2 '"cat", "/proc/self/attr/current"'
	run as-tester mrun run -b "$T/b" c1
	is "$output" "t2 (enforce)"
}
