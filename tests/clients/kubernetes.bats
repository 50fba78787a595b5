#!/usr/bin/env bats
# What Kubernetes asks of a node: containerd's CRI plugin with the handler of examples/containerd.toml,
# driven through its socket as a kubelet does it (by rpc.py: Debian has no crictl), and the examples,
# each read by the program that it is for. Nothing reaches the network: containerd is in a network
# namespace of its own, and the pause image is made here.
# shellcheck disable=SC2016,SC2030,SC2031,SC2086
bats_require_minimum_version 1.5.0
load ../lib
load containerd

setup_file() {
	export CONTAINERD_NAMESPACE=k8s.io CNI_HAD=
	[ ! -d /var/lib/cni ] || CNI_HAD=1
	containerd_can || return 0
	PYTHON=$(python_grpc) || {
		export LIB_SKIP="python3-grpcio is not installed (scripts/install-deps clients)"
		return 0
	}
	export PYTHON
	containerd_prepare
	cri_config >>"$D/config.toml"
	cni_config
	containerd_start unshare -n
	pause_image
	c image import "$D/pause.tar" >/dev/null
	c image import "$(hello_image)" >/dev/null
	# The plugin learns of images by events.
	until_true known localhost/pause:1
	until_true known $HELLO
}
teardown_file() {
	[ -z "$LIB_SKIP" ] || return 0
	[ ! -S "$CONTAINERD_ADDRESS" ] || end_pods
	containerd_clean
	[ -n "$CNI_HAD" ] || [ ! -d /var/lib/cni ] || find /var/lib/cni -depth -type d -empty -delete
}
setup() {
	lib_setup
	mkdir logs
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || [ -n "$LIB_SKIP" ] || end_pods
	containerd_teardown
}

# --- the node --------------------------------------------------------------------------------

cri_config() {
	local plugins='' dir
	for dir in /usr/lib/cni /usr/libexec/cni /opt/cni/bin; do
		if [ -z "$plugins" ] && [ -x $dir/bridge ] && [ -x $dir/host-local ] && [ -x $dir/loopback ]; then
			plugins=$dir
		fi
	done
	sed -e '/^version/d' -e "s|BinaryName = .*|BinaryName = \"$MRUN\"\n  Root = \"$D/runc\"|" "$ROOT/examples/containerd.toml"
	# Root without CAP_SYS_RESOURCE can't set the OOM scores that the plugin asks for.
	cat <<-TOML
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  stream_server_address = "127.0.0.1"
		  stream_server_port = "0"
		  netns_mounts_under_state_dir = true
		  restrict_oom_score_adj = true
		[plugins."io.containerd.grpc.v1.cri".cni]
		  bin_dir = "${plugins:-/nonexistent}"
		  conf_dir = "$D/cni"
	TOML
}

cni_config() {
	mkdir "$D/cni"
	jq -n --arg d "$D" '{cniVersion: "0.4.0", name: "pods", plugins: [{type: "bridge", bridge: "pods0", isGateway: true,
		ipam: {type: "host-local", dataDir: "\($d)/addresses", ranges: [[{subnet: "10.99.0.0/24"}]]}}]}' >"$D/cni/10-pods.conflist"
}

# A program that only waits, as Kubernetes' own.
pause_image() {
	mkdir "$D/pause"
	gcc -static -O1 -o "$D/pause/pause" -x c - <<-'C'
		#include <signal.h>
		#include <unistd.h>
		static void end(int sig) { (void)sig; _exit(0); }
		int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
	C
	tar -C "$D/pause" -cf "$D/pause.layer" --owner=0 --group=0 pause
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$D/pause.layer" --name localhost/pause:1 \
		--cmd '["/pause"]' --output "$D/pause.tar" 2>/dev/null
}

cri() { # METHOD [JSON]
	"$PYTHON" "$RPC" "$CONTAINERD_ADDRESS" "$@"
}
known() { cri ListImages | jq -e --arg i "$1" '.images | any(.repo_tags | index($i))' >/dev/null; }

end_pods() {
	local id
	for id in $(cri ListPodSandbox | jq -r '.items[].id'); do
		cri StopPodSandbox "{\"pod_sandbox_id\": \"$id\"}" >/dev/null
		cri RemovePodSandbox "{\"pod_sandbox_id\": \"$id\"}" >/dev/null
	done
}

# --- a pod, as a kubelet makes it ------------------------------------------------------------

# In the node's network unless JQ says otherwise.
pod() { # [JQ [HANDLER]]: its id in $POD, its configuration in pod.json
	jq -n --arg parent "/$CGROUP/pod" --arg logs "$T/logs" "{
		metadata: {name: \"pod$RANDOM\", uid: \"u$RANDOM\", namespace: \"default\"},
		log_directory: \$logs, linux: {cgroup_parent: \$parent, security_context: {
			namespace_options: {network: 2, pid: 1}}}} | ${1:-.}" >pod.json
	POD=$(cri RunPodSandbox "$(jq -c --arg handler "${2-mrun}" '{config: ., runtime_handler: $handler}' pod.json)" |
		jq -er .pod_sandbox_id)
}
end_pod() {
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$POD\"}" >/dev/null
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$POD\"}" >/dev/null
}

create() { # JQ COMMAND…: its id in $ID
	local change=$1
	shift
	jq -n --arg image $HELLO --args "{metadata: {name: \"c$RANDOM\"}, image: {image: \$image}, log_path: \"log.$RANDOM\",
		linux: {security_context: {namespace_options: {network: 2, pid: 1}}}, command: \$ARGS.positional}
		| $change" -- "$@" >container.json
	ID=$(cri CreateContainer "$(jq -cs --arg pod "$POD" '{pod_sandbox_id: $pod, config: .[0], sandbox_config: .[1]}' \
		container.json pod.json)" | jq -er .container_id)
	LOG=$T/logs/$(jq -r .log_path container.json)
}
start() { # JQ COMMAND…
	create "$@"
	cri StartContainer "{\"container_id\": \"$ID\"}" >/dev/null
}
status() { cri ContainerStatus "{\"container_id\": \"$ID\"}" | jq -r ".status | $1"; }
exited() { [ "$(status .state)" -eq 2 ]; }
# What it printed; a line is TIME STREAM F TEXT.
printed() { sed 's/^[^ ]* [^ ]* [^ ]* //' "$LOG"; }
# Runs to its end, and what it printed.
output_of() { # JQ COMMAND…
	start "$@"
	until_true exited
	printed
}
execute() { # COMMAND…
	cri ExecSync "$(jq -cn --arg id "$ID" '{container_id: $id, cmd: $ARGS.positional, timeout: 30}' --args -- "$@")"
}
limit() { # V1CONTROLLER V1FILE V2FILE -> the container's
	cat "/sys/fs/cgroup/$1/$CGROUP/pod/$ID/$2" 2>/dev/null || cat "/sys/fs/cgroup/$CGROUP/pod/$ID/$3"
}

@test "the node is ready, and knows the handler mrun, also as its default" {
	run -0 cri Status
	jq -e '.status.conditions[] | select(.type == "RuntimeReady") | .status' <<<"$output"
	for handler in mrun ''; do
		pod . "$handler"
		[ "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\"}" | jq -r .status.state)" = 0 ]
		find "$D/runc/k8s.io" -mindepth 1 -maxdepth 1 -name "$POD" | grep -q .
		end_pod
	done
	run pod . none
	[[ $output == *"no runtime for \"none\" is configured"* ]]
}

@test "a pod's life: two containers, logs, exec, stats, stop, exit codes" {
	pod
	start . /app/hello-world
	until_true exited
	[ "$(printed) $(status .exit_code)" = "Hello world! 0" ]
	start '.envs = [{key: "A", value: "b"}] | .working_dir = "/tmp"' sh -c 'echo "$A $(pwd)"; exit 7'
	until_true exited
	[ "$(printed) $(status .exit_code)" = "b /tmp 7" ]
	start . sh -c 'trap "echo term; exit 3" TERM; echo ready; while :; do sleep 0.1; done'
	ready() { printed | grep -qx ready; }
	until_true ready
	run -0 execute sh -c 'echo out; echo err >&2; exit 5'
	[ "$(jq -c . <<<"$output")" = '{"stdout":"out\n","stderr":"err\n","exit_code":5}' ]
	run -1 execute /nowhere
	[[ $output == *"no such file or directory"* ]]
	used() { cri ContainerStats "{\"container_id\": \"$ID\"}" | jq -e '.stats.memory.working_set_bytes.value > 0
		and .stats.cpu.usage_core_nano_seconds.value > 0' >/dev/null; }
	until_true used
	cri StopContainer "{\"container_id\": \"$ID\", \"timeout\": 30}"
	[ "$(status '"\(.exit_code) \(.reason)"')" = "3 Error" ]
	[ "$(printed)" = $'ready\nterm' ]
	cri RemoveContainer "{\"container_id\": \"$ID\"}"
	start . sleep 1000
	cri StopContainer "{\"container_id\": \"$ID\", \"timeout\": 1}"
	[ "$(status .exit_code)" -eq 137 ]
	# What still runs ends with the pod.
	start . sleep 1000
	end_pod
}

@test "security contexts: user, groups, root, capabilities, seccomp, sysctls, masked paths" {
	pod '.linux.sysctls = {"kernel.shm_rmid_forced": "1"}'
	run -0 output_of '.linux.security_context += {run_as_user: {value: 1000}, run_as_group: {value: 2000},
		supplemental_groups: [3000], readonly_rootfs: true, no_new_privs: true,
		capabilities: {add_capabilities: ["NET_ADMIN"], drop_capabilities: ["CHOWN"]},
		seccomp: {profile_type: 0}, masked_paths: ["/proc/meminfo"], readonly_paths: ["/proc/sys"]}' sh -c '
		id -u; id -g; id -G
		touch /x 2>/dev/null || echo read-only
		sed -n "s/^NoNewPrivs:./nnp /p; s/^Seccomp:./seccomp /p" /proc/self/status
		bound=$((0x$(sed -n "s/^CapBnd:.//p" /proc/self/status)))
		echo "net_admin $((bound >> 12 & 1)) chown $((bound & 1))"
		cat /proc/sys/kernel/shm_rmid_forced
		wc -c </proc/meminfo
		grep -c " /proc/sys ro," /proc/self/mountinfo'
	[ "$output" = "1000
2000
2000 3000
read-only
nnp 1
seccomp 2
net_admin 1 chown 0
1
0
1" ]
	end_pod
}

@test "the pod's namespaces: processes and IPC shared, and another container as target" {
	pod '.linux.security_context.namespace_options.pid = 0'
	start '.linux.security_context.namespace_options.pid = 0' sleep 1000
	run -0 execute sh -c 'tr "\0" " " </proc/1/cmdline; readlink /proc/1/ns/ipc; readlink /proc/self/ns/ipc'
	[[ $(jq -r .stdout <<<"$output") =~ ^/pause\ (ipc:.*)$'\n'(ipc:.*)$ ]]
	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
	end_pod
	pod
	start . sleep 1000
	start ".linux.security_context.namespace_options += {pid: 3, target_id: \"$ID\"}" sh -c 'tr "\0" " " </proc/1/cmdline'
	until_true exited
	[ "$(printed)" = "sleep 1000 " ]
	end_pod
}

@test "a pod's own network, by CNI: both containers have its address" {
	cri Status | jq -e '.status.conditions[] | select(.type == "NetworkReady") | .status' ||
		skip "no CNI plugins here (scripts/install-deps clients)"
	local own='.linux.security_context.namespace_options.network = 0' ip
	pod "$own | .hostname = \"podname\" | .dns_config = {servers: [\"10.0.0.9\"]}"
	ip=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\"}" | jq -r .status.network.ip)
	[[ $ip == 10.99.0.* ]]
	for _ in 1 2; do
		run -0 output_of "$own" sh -c 'hostname; ip addr show eth0 | sed -n "s/^ *inet \([^/]*\).*/\1/p"; cat /etc/resolv.conf; ping -c 1 -W 10 10.99.0.1'
		[ "${lines[0]} ${lines[1]} ${lines[2]}" = "podname $ip nameserver 10.0.0.9" ]
		[[ $output == *" 0% packet loss"* ]]
	done
	end_pod
}

@test "limits, their update, and OOMKilled" {
	pod
	start '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_quota: 20000, cpu_period: 100000, cpu_shares: 512}' sleep 1000
	[ "$(limit memory memory.limit_in_bytes memory.max)" -eq 67108864 ]
	[[ $(limit cpu cpu.cfs_quota_us cpu.max) == 20000* ]]
	cri UpdateContainerResources "{\"container_id\": \"$ID\", \"linux\": {\"memory_limit_in_bytes\": 33554432, \"cpu_quota\": 40000, \"cpu_period\": 100000}}"
	[ "$(limit memory memory.limit_in_bytes memory.max)" -eq 33554432 ]
	[[ $(limit cpu cpu.cfs_quota_us cpu.max) == 40000* ]]
	start '.linux.resources = {memory_limit_in_bytes: 16777216}' dd if=/dev/zero of=/dev/null bs=100M count=1
	until_true exited
	[ "$(status '"\(.exit_code) \(.reason)"')" = "137 OOMKilled" ]
	end_pod
}

@test "a container that cannot start says why" {
	pod
	create '.mounts = [{container_path: "/etc/passwd", host_path: "/tmp"}]' true
	run -1 cri StartContainer "{\"container_id\": \"$ID\"}"
	[[ $output == *"/etc/passwd"*"not a directory"* ]]
	create . /nowhere
	run -1 cri StartContainer "{\"container_id\": \"$ID\"}"
	[[ $output == *"/nowhere"*"no such file or directory"* ]]
	[ "$(status '"\(.exit_code) \(.reason)"')" = "128 StartError" ]
	create . /etc/passwd
	run -1 cri StartContainer "{\"container_id\": \"$ID\"}"
	[[ $output == *"/etc/passwd"*"permission denied"* ]]
	end_pod
}

# --- the examples ----------------------------------------------------------------------------

@test "examples/containerd.toml is what containerd reads" {
	run -0 --separate-stderr containerd --config "$ROOT/examples/containerd.toml" config dump
	[[ $output == *'runtimes.mrun.options]'*'BinaryName = "/usr/local/bin/mrun"'* ]]
	[[ $output == *'default_runtime_name = "mrun"'* ]]
}

@test "examples/daemon.json is what dockerd reads" {
	need dockerd
	dockerd --validate --config-file "$ROOT/examples/daemon.json" 2>err || {
		# Before version 23 dockerd has no such option; docker.bats runs with the file in any case.
		grep -q 'unknown flag' err || {
			cat err
			false
		}
		skip "this dockerd cannot validate a file; docker.bats starts it with this one"
	}
}

@test "examples/runtimeclass.yaml: kubectl takes it for a RuntimeClass and a Pod" {
	need kubectl
	# The one command that decodes into the API's types without a server; it has no use for a RuntimeClass.
	run kubectl set image --local -f "$ROOT/examples/runtimeclass.yaml" hello=other -o json
	[[ $output == *"runtimeclass.node.k8s.io/mrun"*"not a pod"* ]]
	[ "$(kubectl set image --local -f "$ROOT/examples/runtimeclass.yaml" hello=other -o json 2>/dev/null |
		jq -r '.spec.runtimeClassName + " " + .spec.containers[0].image')" = "mrun other" ]
}

@test "examples/crio.conf is what crio reads" {
	python3 -c 'import tomllib' 2>/dev/null || need crio
	[ "$(python3 -c 'import json, sys, tomllib; print(json.dumps(tomllib.load(open(sys.argv[1], "rb"))))' "$ROOT/examples/crio.conf" |
		jq -r '.crio.runtime | .default_runtime + " " + .runtimes.mrun.runtime_path')" = "mrun /usr/local/bin/mrun" ]
	command -v crio >/dev/null || skip "crio is not installed: only seen to be TOML"
	run -0 crio --config "$ROOT/examples/crio.conf" config
	[[ $output == *'[crio.runtime.runtimes.mrun]'* ]]
}
