# process.selinuxLabel and linux.mountLabel under a kernel that enforces them (selinux.cil).
# modes: selinux
# shellcheck shell=bash disable=SC2154,SC2016

CTR=sys_u:sys_r:ctr_t:s0:c1,c2

# Once a boot: the policy, the labels of the root file system, enforcement.
policy() {
	[ -d /sys/fs/selinux ] || skip "this kernel does not run SELinux"
	mountpoint -q /sys/fs/selinux || mount -t selinuxfs selinuxfs /sys/fs/selinux
	[ "$(</sys/fs/selinux/enforce)" = 0 ] || return 0
	mkdir -p /etc/selinux
	echo SELINUX=permissive >/etc/selinux/config # chcon wants it
	secilc -c 31 -o "$T/policy" -f "$T/contexts" /share/tests/vm/selinux.cil
	cat "$T/policy" >/sys/fs/selinux/load
	chcon sys_u:object_r:bin_t:s0 "$ROOTFS"/bin/busybox
	echo secret >"$ROOTFS/secret"
	chcon sys_u:object_r:secret_t:s0 "$ROOTFS/secret"
	echo 1 >/sys/fs/selinux/enforce
}

labelled() { # DIR LABEL ARGS
	policy
	bundle "$1" "$3"
	jq --arg l "$2" '.process.selinuxLabel = $l' "$1/config.json" >"$1/new"
	mv "$1/new" "$1/config.json"
}

# The policy has no right for the container to be entered by anything but its program's type: neither
# by a memory file nor by mrun.
test_run_labels_the_program() {
	labelled b $CTR '"sh", "-c", "cat /proc/self/attr/current; echo x >/secret || echo denied; cat /secret"'
	run mrun run -b b c1
	like "$output" "$CTR*denied*secret"
}

test_exec_takes_the_containers_label_or_its_own() {
	labelled b $CTR '"sleep", "1000"'
	start c1
	run mrun exec c1 cat /proc/self/attr/current
	echo "$output"
	is "${output%?}" "${CTR%?}"
	run mrun exec --process-label sys_u:sys_r:ctr2_t:s0 c1 cat /proc/self/attr/current
	like "$output" "sys_u:sys_r:ctr2_t:s0*"
	mrun delete -f c1
}

test_an_unknown_label_is_an_error_at_create() {
	labelled b sys_u:sys_r:nobody_t:s0 '"true"'
	run mrun create -b b c1
	is "$status" 1
	like "$output" "*process.selinuxLabel 'sys_u:sys_r:nobody_t:s0'*"
}

test_mount_label() {
	labelled b $CTR '"sh", "-c", "cat /proc/mounts; echo x >/tmp/x || echo denied"'
	jq '.linux.mountLabel = "sys_u:object_r:secret_t:s0:c1,c2"' b/config.json >b/new
	mv b/new b/config.json
	run mrun run -b b c1
	like "$output" "*tmpfs /tmp *context=*sys_u:object_r:secret_t:s0:c1,c2*denied*"
}

test_without_root() {
	labelled b $CTR '"true"'
	chmod 777 "$T"
	NS="user pid mount ipc uts" LINUX='"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
		"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],' \
		labelled b $CTR '"cat", "/proc/self/attr/current"'
	jq 'del(.mounts[] | select(.type == "cgroup"))' b/config.json >b/new # the cgroup here is root's
	mv b/new b/config.json
	run env XDG_RUNTIME_DIR=/run/user/1000 setpriv --reuid=1000 --regid=1000 --clear-groups mrun run -b "$T/b" c1
	like "$output" "$CTR*"
}
