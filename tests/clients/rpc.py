#!/usr/bin/env python3
"""One gRPC call to containerd: the container runtime interface of Kubernetes, or its tasks service.

    rpc.py SOCKET [--namespace NAME] METHOD [JSON]
    rpc.py SOCKET [--namespace NAME] -

Prints the answer as JSON. Where the server says no, its message goes to standard error and the
exit status is 1. With - it makes the calls that it reads as lines, METHOD [JSON], and prints a line
for each, a message as {"error": MESSAGE}: to load gRPC takes seconds in an emulated guest. There is no crictl in Debian, and no compiled interface definition: the messages
below are the few fields that the tests use, with their numbers from the published api.proto and
tasks.proto, and the wire format (varints and length-delimited fields) is written out here.
"""
import json
import sys

import grpc

# FIELD: (number, type). s string, b bytes, i integer, B boolean, M map of strings, Any (JSON inside,
# as containerd packs the runtime specification), or a message's name. *: repeated.
MESSAGES = {
    "Empty": {},
    "Any": {"type_url": (1, "s"), "value": (2, "b")},
    "Int64Value": {"value": (1, "i")},
    "KeyValue": {"key": (1, "s"), "value": (2, "s")},
    # runtime.v1
    "VersionRequest": {"version": (1, "s")},
    "VersionResponse": {"runtime_name": (2, "s"), "runtime_version": (3, "s"), "runtime_api_version": (4, "s")},
    "Condition": {"type": (1, "s"), "status": (2, "B"), "reason": (3, "s"), "message": (4, "s")},
    "Conditions": {"conditions": (1, "*Condition")},
    "StatusResponse": {"status": (1, "Conditions")},
    "NamespaceOption": {"network": (1, "i"), "pid": (2, "i"), "ipc": (3, "i"), "target_id": (4, "s")},
    "SecurityProfile": {"profile_type": (1, "i"), "localhost_ref": (2, "s")},
    "SandboxSecurity": {"namespace_options": (1, "NamespaceOption"), "run_as_user": (3, "Int64Value"),
                        "readonly_rootfs": (4, "B"), "privileged": (6, "B"), "seccomp": (9, "SecurityProfile")},
    "LinuxSandbox": {"cgroup_parent": (1, "s"), "security_context": (2, "SandboxSecurity"), "sysctls": (3, "M")},
    "SandboxMetadata": {"name": (1, "s"), "uid": (2, "s"), "namespace": (3, "s"), "attempt": (4, "i")},
    "DNSConfig": {"servers": (1, "*s"), "searches": (2, "*s"), "options": (3, "*s")},
    "SandboxConfig": {"metadata": (1, "SandboxMetadata"), "hostname": (2, "s"), "log_directory": (3, "s"),
                      "dns_config": (4, "DNSConfig"), "labels": (6, "M"), "annotations": (7, "M"),
                      "linux": (8, "LinuxSandbox")},
    "RunPodSandboxRequest": {"config": (1, "SandboxConfig"), "runtime_handler": (2, "s")},
    "SandboxId": {"pod_sandbox_id": (1, "s")},
    "SandboxNetwork": {"ip": (1, "s")},
    "SandboxStatus": {"id": (1, "s"), "metadata": (2, "SandboxMetadata"), "state": (3, "i"),
                      "network": (5, "SandboxNetwork"), "runtime_handler": (9, "s")},
    "PodSandboxStatusResponse": {"status": (1, "SandboxStatus")},
    "Sandbox": {"id": (1, "s"), "metadata": (2, "SandboxMetadata"), "state": (3, "i"), "runtime_handler": (7, "s")},
    "ListPodSandboxResponse": {"items": (1, "*Sandbox")},
    "ImageSpec": {"image": (1, "s")},
    "Mount": {"container_path": (1, "s"), "host_path": (2, "s"), "readonly": (3, "B"), "propagation": (5, "i")},
    "Resources": {"cpu_period": (1, "i"), "cpu_quota": (2, "i"), "cpu_shares": (3, "i"),
                  "memory_limit_in_bytes": (4, "i"), "oom_score_adj": (5, "i"), "cpuset_cpus": (6, "s"),
                  "memory_swap_limit_in_bytes": (10, "i")},
    "Capability": {"add_capabilities": (1, "*s"), "drop_capabilities": (2, "*s")},
    "ContainerSecurity": {"capabilities": (1, "Capability"), "privileged": (2, "B"),
                          "namespace_options": (3, "NamespaceOption"), "run_as_user": (5, "Int64Value"),
                          "readonly_rootfs": (7, "B"), "supplemental_groups": (8, "*i"), "no_new_privs": (11, "B"),
                          "run_as_group": (12, "Int64Value"), "masked_paths": (13, "*s"),
                          "readonly_paths": (14, "*s"), "seccomp": (15, "SecurityProfile")},
    "LinuxContainer": {"resources": (1, "Resources"), "security_context": (2, "ContainerSecurity")},
    "ContainerMetadata": {"name": (1, "s"), "attempt": (2, "i")},
    "ContainerConfig": {"metadata": (1, "ContainerMetadata"), "image": (2, "ImageSpec"), "command": (3, "*s"),
                        "args": (4, "*s"), "working_dir": (5, "s"), "envs": (6, "*KeyValue"),
                        "mounts": (7, "*Mount"), "log_path": (11, "s"), "linux": (15, "LinuxContainer")},
    "CreateContainerRequest": {"pod_sandbox_id": (1, "s"), "config": (2, "ContainerConfig"),
                               "sandbox_config": (3, "SandboxConfig")},
    "ContainerId": {"container_id": (1, "s")},
    "StopContainerRequest": {"container_id": (1, "s"), "timeout": (2, "i")},
    "ContainerStatus": {"id": (1, "s"), "state": (3, "i"), "exit_code": (7, "i"), "reason": (10, "s"),
                        "message": (11, "s"), "log_path": (15, "s")},
    "ContainerStatusResponse": {"status": (1, "ContainerStatus")},
    "ContainerItem": {"id": (1, "s"), "state": (6, "i")},
    "ListContainersResponse": {"containers": (1, "*ContainerItem")},
    "UpdateContainerResourcesRequest": {"container_id": (1, "s"), "linux": (2, "Resources")},
    "ExecSyncRequest": {"container_id": (1, "s"), "cmd": (2, "*s"), "timeout": (3, "i")},
    "ExecSyncResponse": {"stdout": (1, "b"), "stderr": (2, "b"), "exit_code": (3, "i")},
    "UInt64Value": {"value": (1, "i")},
    "CpuUsage": {"usage_core_nano_seconds": (2, "UInt64Value")},
    "MemoryUsage": {"working_set_bytes": (2, "UInt64Value")},
    "ContainerStats": {"cpu": (2, "CpuUsage"), "memory": (3, "MemoryUsage")},
    "ContainerStatsResponse": {"stats": (1, "ContainerStats")},
    "Image": {"id": (1, "s"), "repo_tags": (2, "*s")},
    "ListImagesResponse": {"images": (1, "*Image")},
    # containerd.services.tasks.v1
    "UpdateTaskRequest": {"container_id": (1, "s"), "resources": (2, "Any")},
}

RUNTIME, IMAGES, TASKS = "/runtime.v1.RuntimeService/", "/runtime.v1.ImageService/", "/containerd.services.tasks.v1.Tasks/"
METHODS = {
    "Version": (RUNTIME, "VersionRequest", "VersionResponse"),
    "Status": (RUNTIME, "Empty", "StatusResponse"),
    "RunPodSandbox": (RUNTIME, "RunPodSandboxRequest", "SandboxId"),
    "StopPodSandbox": (RUNTIME, "SandboxId", "Empty"),
    "RemovePodSandbox": (RUNTIME, "SandboxId", "Empty"),
    "PodSandboxStatus": (RUNTIME, "SandboxId", "PodSandboxStatusResponse"),
    "ListPodSandbox": (RUNTIME, "Empty", "ListPodSandboxResponse"),
    "CreateContainer": (RUNTIME, "CreateContainerRequest", "ContainerId"),
    "StartContainer": (RUNTIME, "ContainerId", "Empty"),
    "StopContainer": (RUNTIME, "StopContainerRequest", "Empty"),
    "RemoveContainer": (RUNTIME, "ContainerId", "Empty"),
    "ListContainers": (RUNTIME, "Empty", "ListContainersResponse"),
    "ContainerStatus": (RUNTIME, "ContainerId", "ContainerStatusResponse"),
    "ContainerStats": (RUNTIME, "ContainerId", "ContainerStatsResponse"),
    "UpdateContainerResources": (RUNTIME, "UpdateContainerResourcesRequest", "Empty"),
    "ReopenContainerLog": (RUNTIME, "ContainerId", "Empty"),
    "ExecSync": (RUNTIME, "ExecSyncRequest", "ExecSyncResponse"),
    "ListImages": (IMAGES, "Empty", "ListImagesResponse"),
    "Update": (TASKS, "UpdateTaskRequest", "Empty"),
}


def varint(n):
    n &= (1 << 64) - 1  # negative numbers are ten bytes of two's complement
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode_field(number, kind, value):
    if kind == "i" or kind == "B":
        return varint(number << 3) + varint(int(value))
    if kind == "s" or kind == "b":
        return delimited(number, value.encode())
    if kind == "M":
        return b"".join(delimited(number, delimited(1, k.encode()) + delimited(2, v.encode()))
                        for k, v in value.items())
    return delimited(number, encode(kind, value))


def encode(message, values):
    out = b""
    for name, value in values.items():
        number, kind = MESSAGES[message][name]
        for one in value if kind[0] == "*" else [value]:
            out += encode_field(number, kind.lstrip("*"), one)
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[key & 7]
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def decode(message, data):
    names = {number: (name, kind) for name, (number, kind) in MESSAGES[message].items()}
    # A field at its default is not sent.
    out = {name: [] if kind[0] == "*" else 0 if kind == "i" else False if kind == "B" else "" if kind in "sb" else None
           for name, kind in names.values()}
    for number, value in fields(data):
        if number not in names:
            continue
        name, kind = names[number]
        single = kind.lstrip("*")
        if single == "i":
            value -= (value >> 63) << 64
        elif single == "B":
            value = bool(value)
        elif single in "sb":
            value = value.decode(errors="replace")
        else:
            value = decode(single, value)
        if kind[0] == "*":
            out[name].append(value)
        else:
            out[name] = value
    return out


def call(channel, metadata, method, request):
    service, asked, answered = METHODS[method]
    function = channel.unary_unary(service + method, request_serializer=lambda m: encode(asked, m),
                                   response_deserializer=lambda m: decode(answered, m))
    return function(request, metadata=metadata, timeout=60)


def main():
    arguments, metadata = sys.argv[1:], []
    if "--namespace" in arguments:
        at = arguments.index("--namespace")
        metadata = [("containerd-namespace", arguments[at + 1])]
        del arguments[at:at + 2]
    socket, *words = arguments
    # The name of the socket's path is no host name to send to the server.
    options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel("unix:" + socket, options=options) as channel:
        for line in sys.stdin if words == ["-"] else [" ".join(words)]:
            method, _, text = line.strip().partition(" ")
            try:
                print(json.dumps(call(channel, metadata, method, json.loads(text or "{}"))), flush=True)
            except grpc.RpcError as error:
                message = f"rpc.py: {method}: {error.code().name}: {error.details()}"
                if words != ["-"]:
                    sys.exit(message)
                print(json.dumps({"error": message}), flush=True)


main()
