# containerd with systemd's cgroup driver: ctr, the task service's update, and the CRI plugin as a kubelet
# drives it (SystemdCgroup = true).
# modes: v2
# shellcheck shell=bash disable=SC2154,SC2016 # the harness sets status and output; $ for the container

# shellcheck source=tests/vm/containerd.bash
. /share/tests/vm/containerd.bash
containerd_make
BOX=localhost/box:1
c() { ctr -n k8s.io "$@"; }
c image import /tmp/box.tar >/dev/null

# One process for all calls: its start takes longer than they do.
coproc RPC { exec python3 /share/rpc.py /run/containerd/containerd.sock --namespace k8s.io - 2>&1; }
exec {rpc_in}>&"${RPC[1]}" {rpc_out}<&"${RPC[0]}"
cri() { # METHOD [JSON]: the answer in answer
	echo "$1 $(jq -c . <<<"${2:-{\}}")" >&"$rpc_in"
	IFS= read -rt 100 answer <&"$rpc_out"
	case $answer in *'"error": '*) echo "$answer" && return 1 ;; esac
}
got() { jq -r "$1" <<<"$answer"; }

after_failure() {
	local id
	cri ListPodSandbox
	for id in $(got '.items[].id'); do end_pod "$id"; done
	for id in $(c task ls -q); do c task rm -f "$id"; done
	for id in $(c container ls -q); do c container rm "$id"; done
}
nothing_left() { # UNIT…
	local unit
	is "$(c container ls -q)" ""
	until_ok eval '[ -z "$(ls -A /run/containerd/runc/k8s.io)" ]'
	for unit; do no_unit "$unit"; done
}

test_ctr_makes_a_scope_whose_limits_hold() {
	local unit=ctr-one.scope CG=/sys/fs/cgroup/system.slice/ctr-one.scope
	c run -d --runc-binary /share/mrun --runc-systemd-cgroup --cgroup system.slice:ctr:one \
		--memory-limit 67108864 --cpus 0.5 $BOX one
	is "$(<"$CG/memory.max")" 67108864
	is "$(<"$CG/cpu.max")" "50000 100000"
	is "$(property "$unit" MemoryMax)" 67108864
	is "$(property "$unit" CPUQuotaPerSecUSec)" 500ms
	is "$(property "$unit" Delegate)" yes
	cri Update "$(jq -n --arg r '{"memory": {"limit": 50331648}, "pids": {"limit": 20}, "cpu": {"quota": 25000, "period": 100000}}' \
		'{container_id: "one", resources: {value: $r, type_url: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"}}')"
	systemctl daemon-reload
	is "$(<"$CG/memory.max") $(<"$CG/pids.max") $(<"$CG/cpu.max")" "50331648 20 25000 100000"
	is "$(property "$unit" MemoryMax) $(property "$unit" TasksMax) $(property "$unit" CPUQuotaPerSecUSec)" "50331648 20 250ms"
	run c task exec --exec-id e1 one sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo "dd: $?"; cat /proc/self/cgroup
		while :; do sleep 1000 >/tmp/out 2>&1 & done'
	like "$output" $'*dd: 137\n0::/*\n*can\'t fork: Resource temporarily unavailable*'
	is "$(key "$CG/memory.events" oom_kill)" 1
	[ "$(key "$CG/cpu.stat" nr_throttled)" -gt 0 ]
	run c task metrics --format json one
	is "$(jq .memory.usage_limit <<<"$output")" 50331648
	is "$(jq .pids.limit <<<"$output")" 20
	[ "$(jq .cpu.nr_throttled <<<"$output")" -gt 0 ]
	[ "$(jq .pids.current <<<"$output")" -gt 15 ]
	c task pause one
	is "$(key "$CG/cgroup.events" frozen)" 1
	c task resume one
	is "$(key "$CG/cgroup.events" frozen)" 0
	run c task rm -f one
	c container rm one
	nothing_left $unit
	[ ! -e "$CG" ]
}

end_pod() { # ID
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$1\"}"
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$1\"}"
}
start_container() { # JQ: more of its configuration; sets id
	cri CreateContainer "$(jq -n --arg pod "$pod" --arg image $BOX --argjson sandbox "$sandbox" "{pod_sandbox_id: \$pod,
		sandbox_config: \$sandbox, config: ({metadata: {name: \"c$RANDOM\"}, image: {image: \$image},
		linux: {security_context: {namespace_options: {network: 2, pid: 1}}}} | $1)}")"
	id=$(got .container_id)
	cri StartContainer "{\"container_id\": \"$id\"}"
}
has_ended() {
	cri ContainerStatus "{\"container_id\": \"$id\"}"
	[ "$(got .status.state)" = 2 ]
}

test_a_pod_is_scopes_in_the_slice_that_the_kubelet_names() {
	local pod id CG sandbox slice=kubepods-burstable-podx.slice
	local dir=/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/$slice
	sandbox='{"metadata": {"name": "p", "uid": "u", "namespace": "default"}, "linux": {"cgroup_parent": "'$slice'",
		"security_context": {"namespace_options": {"network": 2, "pid": 1}}}}'
	cri RunPodSandbox "{\"config\": $sandbox, \"runtime_handler\": \"mrun\"}"
	pod=$(got .pod_sandbox_id)
	[ -d "$dir/cri-containerd-$pod.scope" ]
	# As docker's: the first process outlives who is killed.
	start_container '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_quota: 50000, cpu_period: 100000} |
		.command = ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1; exit 3"]'
	CG=$dir/cri-containerd-$id.scope
	is "$(<"$CG/memory.max") $(<"$CG/cpu.max")" "67108864 50000 100000"
	is "$(property "cri-containerd-$id.scope" MemoryMax)" 67108864
	cri UpdateContainerResources "{\"container_id\": \"$id\", \"linux\": {\"memory_limit_in_bytes\": 50331648,
		\"cpu_quota\": 25000, \"cpu_period\": 100000}}"
	is "$(<"$CG/memory.max") $(<"$CG/cpu.max")" "50331648 25000 100000"
	is "$(property "cri-containerd-$id.scope" MemoryMax)" 50331648
	cri ContainerStats "{\"container_id\": \"$id\"}"
	[ "$(got .stats.cpu.usage_core_nano_seconds.value)" -gt 0 ]
	cri ExecSync "{\"container_id\": \"$id\", \"cmd\": [\"sh\", \"-c\", \"cat /proc/self/cgroup; : >/tmp/go; exit 5\"], \"timeout\": 30}"
	is "$(got '.stdout + (.exit_code | tostring)')" $'0::/\n5'
	until_ok has_ended
	has_ended
	is "$(got '"\(.status.exit_code) \(.status.reason)"')" "3 OOMKilled"
	end_pod "$pod"
	nothing_left "cri-containerd-$id.scope" "cri-containerd-$pod.scope"
	# The slice is the kubelet's to remove, and empty.
	is "$(echo $dir/*/)" ""
	systemctl stop kubepods.slice
	[ ! -e $dir ]
}
