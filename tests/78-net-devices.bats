#!/usr/bin/env bats
# linux.netDevices: devices that move into the container's network namespace (runtime-spec 1.3
# config-linux.md, "Network Devices"). The host is a network namespace that the test makes: nothing
# of the machine's own is touched.
# shellcheck disable=SC2016,SC2154 # programs for other shells; bats's variables
bats_require_minimum_version 1.5.0
load lib

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	need_root
	need ip
	ID=mrun-t$$-$RANDOM
	bundle b '.root.readonly = false'
	cp b/config.json base.json
	# The host: a process that keeps the namespace.
	unshare -n sleep 1000 3>&- &
	HOST=$!
	for _ in {1..200}; do
		[ "$(readlink /proc/$HOST/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
		sleep 0.05
	done
	# veth: the one kind of device that every kernel of a distribution has; its peer stays.
	host ip link add hveth0 type veth peer name peer0 ||
		skip "no virtual network devices can be made here"
}
teardown() {
	[ -z "${HOST:-}" ] || host "$MRUN" delete -f "$ID" >/dev/null 2>&1
	[ -z "${HOST:-}" ] || kill "$HOST"
	[ -z "${JOINED:-}" ] || kill "$JOINED"
	lib_teardown
}

host() { nsenter --net="/proc/$HOST/ns/net" "$@"; }
config() { # JQ SCRIPT
	jq "$1 | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$2" '$s')]" base.json >b/config.json
}
see() { # JQ SCRIPT: its output in a container
	config "$@"
	host "$MRUN" run --bundle b "$ID"
}
refuses() { # JQ TEXT
	run -1 see "$1" 'echo ran'
	[[ $output != *ran* ]]
	[[ $output == *"$2"* ]] || {
		echo "no '$2' in: $output"
		return 1
	}
	run ! host "$MRUN" state "$ID"
}
# hveth0 as the tests leave it to be moved.
dressed() {
	host ip link set hveth0 mtu 1400 address 02:00:00:00:00:17
	host ip addr add 10.55.0.7/24 dev hveth0
	host ip addr add 10.55.0.8/32 dev hveth0
	host ip addr add 2001:db8::7/64 dev hveth0 nodad
	# Neither permanent nor of global scope: these stay behind.
	host ip addr add 10.55.1.1/24 dev hveth0 valid_lft 1000 preferred_lft 1000
	host ip addr add 10.55.2.1/24 dev hveth0 scope link
	host ip link set hveth0 up
}
is_back() { # all of what dressed gave it
	run -0 host ip -o addr show dev hveth0
	[[ $output == *"10.55.0.7/24"*"10.55.0.8/32"*"2001:db8::7/64"* ]]
	run -0 host ip link show dev hveth0
	[[ $output == *",UP"*"mtu 1400"*"02:00:00:00:00:17"* ]]
}
# MTU, hardware address, state and the global addresses of the device $1, by what busybox has.
LOOK='cat /sys/class/net/$D/mtu /sys/class/net/$D/address; ip link show dev $D | grep -o "[<,]UP[,>]"; ip addr show dev $D | awk "/scope global/ { print \$2 }" | sort'
DRESSED=$'1400\n02:00:00:00:00:17\n,UP,\n10.55.0.7/24\n10.55.0.8/32\n2001:db8::7/64'

@test "a device moves with its permanent addresses, MTU and hardware address, and is up" {
	dressed
	[ "$(see '.linux.netDevices = {hveth0: {}}' "D=hveth0; $LOOK")" = "$DRESSED" ]
	# A virtual device ends with the namespace that it is in.
	for _ in {1..200}; do
		host ip link show dev peer0 >/dev/null 2>&1 || break
		sleep 0.05
	done
	run ! host ip link show dev hveth0
}

@test "a device that was down and without addresses is set up" {
	[ "$(see '.linux.netDevices = {hveth0: {name: ""}}' 'ip link show dev hveth0 | grep -o "[<,]UP[,>]"; ip addr show dev hveth0 | grep -c "scope global"')" = $',UP,\n0' ]
}

@test "it can have another name in the container, also one with a number for %d" {
	dressed
	[ "$(see '.linux.netDevices = {hveth0: {name: "eth0"}}' "D=eth0; $LOOK; ls /sys/class/net" | tr '\n' ' ')" = "$(echo "$DRESSED" | tr '\n' ' ')eth0 lo " ]
	# The first pair goes with the container's namespace, which the kernel takes down when it likes.
	for _ in {1..200}; do host ip link show peer0 >/dev/null 2>&1 || break; sleep 0.05; done
	host ip link add hveth0 type veth peer name peer0
	[ "$(see '.linux.netDevices = {hveth0: {name: "net%d"}, peer0: {name: "net%d"}}' 'ls /sys/class/net' | tr '\n' ' ')" = "lo net0 net1 " ]
}

@test "two at once, which swap their names" {
	host ip addr add 10.56.0.1/24 dev hveth0
	host ip addr add 10.57.0.1/24 dev peer0
	[ "$(see '.linux.netDevices = {hveth0: {name: "peer0"}, peer0: {name: "hveth0"}}' 'ip addr show dev peer0 | awk "/inet / { print \$2 }"; ip addr show dev hveth0 | awk "/inet / { print \$2 }"')" = $'10.56.0.1/24\n10.57.0.1/24' ]
}

@test "in a user namespace, and with the device's sysctls" {
	dressed
	[ "$(see '.linux.netDevices = {hveth0: {name: "eth0"}} | .linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1"}
		| .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings' \
		"D=eth0; $LOOK; cat /proc/sys/net/ipv4/conf/eth0/forwarding")" = "$DRESSED"$'\n1' ]
}

@test "create, start, delete" {
	config '.linux.netDevices = {hveth0: {name: "eth0"}}' 'ls /sys/class/net >/out; sleep 1000'
	host "$MRUN" create --bundle b "$ID" >log 2>&1 </dev/null 3>&-
	run ! host ip link show dev hveth0
	host "$MRUN" start "$ID"
	run -0 host "$MRUN" exec "$ID" ip link show dev eth0
	host "$MRUN" delete -f "$ID"
}

@test "a namespace that is joined by its path; there the device stays when the container has ended" {
	dressed
	unshare -n sleep 1000 3>&- &
	JOINED=$!
	for _ in {1..200}; do
		[ "$(readlink /proc/$JOINED/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
		sleep 0.05
	done
	join="(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$JOINED/ns/net\""
	[ "$(see "$join | .linux.netDevices = {hveth0: {name: \"eth0\"}}" "D=eth0; $LOOK")" = "$DRESSED" ]
	nsenter --net=/proc/$JOINED/ns/net ip link show dev eth0
	# A name that is taken there, and a free one beside it.
	host ip link add hveth1 type veth peer name peer1
	refuses "$join | .linux.netDevices = {hveth1: {name: \"eth0\"}}" \
		"linux.netDevices.hveth1: the container has a device eth0 already: file exists"
	host ip link show dev hveth1
	[ "$(see "$join | .linux.netDevices = {hveth1: {name: \"eth%d\"}}" 'ls /sys/class/net' | tr '\n' ' ')" = "eth0 eth1 lo " ]
}

@test "what cannot be moved is refused by name, and nothing is changed" {
	dressed
	refuses '.linux.netDevices = {hveth0: {}, nosuch0: {}}' "linux.netDevices.nosuch0: find the device: no such device"
	is_back
	refuses '.linux.netDevices = {hveth0: {name: "lo"}}' "linux.netDevices.hveth0: the container has a device lo already"
	is_back
	refuses '.linux.netDevices = {lo: {name: "x"}}' "linux.netDevices.lo: move it"
	refuses '.linux.netDevices = {hveth0: {}} | .linux.namespaces |= map(select(.type != "network"))' "linux.netDevices: unable to move network devices without a network namespace"
	refuses ".linux.netDevices = {hveth0: {}} | (.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$HOST/ns/net\"" \
		"linux.netDevices: unable to move network devices without a private network namespace"
	is_back
}

@test "names: the kernel's rule" {
	for name in . .. a/b a:b 'a b' 1234567890123456 'a%' 'a%s' '%d%d'; do
		refuses ".linux.netDevices = {hveth0: {name: \"$name\"}}" "linux.netDevices.hveth0.name: '$name' is not a network device's name"
	done
	refuses '.linux.netDevices = {"a/b": {}}' "linux.netDevices: 'a/b' is not"
	refuses '.linux.netDevices = {"": {}}' "linux.netDevices: '' is not"
	refuses '.linux.netDevices = {hveth0: {name: "x"}, peer0: {name: "x"}}' "is to be called x as well"
	refuses '.linux.netDevices = {hveth0: {name: "peer0"}, peer0: {}}' "is to be called peer0 as well"
	refuses '.linux.netDevices = {hveth0: {name: 7}}' 'linux.netDevices.hveth0.name: expected a string'
	host ip link show dev hveth0
}

@test "a container that fails later gives the device back as it was" {
	dressed
	config '.linux.netDevices = {hveth0: {name: "eth0"}, peer0: {name: "eth1"}}' true
	jq '.process.args = ["/no/such/program"]' b/config.json >b/c && mv b/c b/config.json
	run -1 host "$MRUN" run --bundle b "$ID"
	[[ $output == *"no such file"* ]]
	is_back
	host ip link show dev peer0
	refuses '.linux.netDevices = {hveth0: {name: "eth0"}} | .mounts += [{destination: "/x", type: "bind", source: "/no/such/source", options: ["bind"]}]' "/no/such/source"
	is_back
	refuses '.linux.netDevices = {hveth0: {name: "eth0"}} | .hooks.createRuntime = [{path: "/bin/false"}]' "createRuntime"
	is_back
}

@test "without root it is refused, and says so" {
	as_user mkdir "$TEST_HOME/b"
	alpine_rootfs "$TEST_HOME/b/rootfs"
	as_user sh -c "cd b && '$MRUN' spec --rootless && jq '.process.terminal = false | .linux.namespaces += [{type: \"network\"}] | .linux.netDevices = {lo: {name: \"x\"}}' config.json >c && mv c config.json"
	run -1 as_user "$MRUN" run --bundle "$TEST_HOME/b" "$ID"
	[[ $output == *"linux.netDevices: network devices cannot be moved without root"*hint:* ]]
}

@test "features says that it is there" {
	[ "$("$MRUN" features | jq .linux.netDevices.enabled)" = true ]
}
