"""What the fuzzers start from: tests/fuzz/seeds.py DIR MRUN writes DIR/HARNESS/*."""
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile

out, mrun = sys.argv[1:]


def put(harness, name, data):
    os.makedirs(f"{out}/{harness}", exist_ok=True)
    with open(f"{out}/{harness}/{name}", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def tar(entries, **options):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w", **options) as t:
        for name, kind, extra in entries:
            e = tarfile.TarInfo(name)
            e.type = kind
            if kind == tarfile.REGTYPE:
                e.size = len(extra)
                t.addfile(e, io.BytesIO(extra))
                continue
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                e.linkname = extra
            t.addfile(e)
    return b.getvalue()


# config.json: the defaults, and one that names most fields.
os.makedirs(f"{out}/spec", exist_ok=True)
for args in ([], ["--rootless"]):
    subprocess.run([mrun, "spec", *args], cwd=f"{out}/spec", check=True)
    with open(f"{out}/spec/config.json", encoding="utf-8") as f:
        spec = json.load(f)
    os.unlink(f"{out}/spec/config.json")
    put("config", f"default{len(args)}", json.dumps(spec))
    spec["linux"].update(
        seccomp={
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [
                {"names": ["read", "write", "clone"], "action": "SCMP_ACT_ALLOW"},
                {
                    "names": ["personality"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 8, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
                },
            ],
        },
        sysctl={"net.ipv4.ip_forward": "1", "kernel.shmmax": "65536"},
        timeOffsets={"monotonic": {"secs": 3, "nanosecs": 1}},
        resources={
            "memory": {"limit": 1 << 26, "swap": -1},
            "cpu": {"shares": 512, "quota": 20000, "period": 100000, "cpus": "0-1"},
            "pids": {"limit": 100},
            "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            "unified": {"memory.high": "1000"},
            "devices": [{"allow": False, "access": "rwm"}],
        },
        devices=[{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438}],
        personality={"domain": "LINUX32"},
        rootfsPropagation="rslave",
    )
    spec["process"].update(
        scheduler={"policy": "SCHED_BATCH", "nice": 3},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 4},
        rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 1}],
        user={"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
    )
    spec["hooks"] = {"poststop": [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 3}]}
    spec["mounts"].append({"destination": "/m", "type": "bind", "source": "/s", "options": ["rbind", "rro", "idmap"],
                           "uidMappings": [{"containerID": 0, "hostID": 5, "size": 1}],
                           "gidMappings": [{"containerID": 0, "hostID": 5, "size": 1}]})
    put("config", f"full{len(args)}", json.dumps(spec))

digest = "sha256:" + "ab" * 32
oci = "application/vnd.oci.image."
config = {"created": "2024-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
          "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin", "A=b"], "User": "1:2", "WorkingDir": "/x",
                     "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"},
                     "Entrypoint": ["e"], "StopSignal": "SIGUSR1"},
          "rootfs": {"type": "layers", "diff_ids": [digest]},
          "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "x", "empty_layer": True}]}
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
            "config": {"mediaType": oci + "config.v1+json", "digest": digest, "size": 3},
            "layers": [{"mediaType": oci + "layer.v1.tar+gzip", "digest": digest, "size": 4}]}
index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json",
         "manifests": [{"mediaType": oci + "manifest.v1+json", "digest": digest, "size": 3,
                        "platform": {"os": "linux", "architecture": "amd64", "variant": "v2"},
                        "annotations": {"org.opencontainers.image.ref.name": "x:1"}}]}
for i, document in enumerate((index, manifest, config)):
    put("image", f"{i}", bytes([i]) + json.dumps(document).encode())

R, D, S, L = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
plain = tar([("d", D, None), ("d/f", R, b"hello"), ("d/s", S, "../../sentinel"), ("d/h", L, "d/f"),
             ("d/.wh.gone", R, b""), ("e/.wh..wh..opq", R, b""), ("p", tarfile.FIFOTYPE, None),
             ("c", tarfile.CHRTYPE, None), ("../up", R, b"x"), ("/abs", R, b"y")])
gnu = tar([("n" * 300, R, b"long"), ("l", S, "t" * 200)], format=tarfile.GNU_FORMAT)
pax = tar([("n" * 300, R, b"long"), ("\u00e9", R, b"u")], format=tarfile.PAX_FORMAT,
          pax_headers={"SCHILY.xattr.user.a": "b", "comment": "c"})
evil = tar([("a", S, ".."), ("a/sentinel", R, b"changed"), ("b", S, "../.."), ("b/sentinel", L, "a/sentinel"),
            (".", S, ".."), ("sentinel", R, b"changed")])
for i, data in enumerate((plain, gnu, pax, evil, gzip.compress(plain, mtime=0))):
    for form in range(4):
        put("layer", f"{i}-{form}", bytes([form]) + data)

text = json.dumps(config).encode()
put("archive", "docker", tar([
    ("manifest.json", R, json.dumps([{"Config": "c.json", "RepoTags": ["a:b"], "Layers": ["l/layer.tar"]}]).encode()),
    ("c.json", R, text), ("l/layer.tar", R, plain), ("m/layer.tar", S, "../l/layer.tar")]))
put("archive", "gzip", gzip.compress(tar([("manifest.json", R, b"[]")]), mtime=0))

for i, line in enumerate(("root", "1000:5", "-1", "+0", "4294967296", "1:", "a/b:c@" + digest, "example.org:5000/a/b:tag",
                          "linux/arm64/v8", "1.5g", "512m", "SIGRTMIN+3", "/a:/b:ro,z", "vol:/x", "A=b", "nofile=1:2",
                          "type=bind,source=/a,target=/b,readonly", 'type=tmpfs,"target=/a,b",tmpfs-size=1m',
                          "/run:size=1m,mode=1777", "/dev/null:/dev/x:rwm", "../a/./b//c", "2024-01-01T00:00:00.5+02:00",
                          "0 1000 1\n1 100000 65536")):
    put("strings", str(i), line)
put("users", "names", b"user:group\0root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n\0group:x:50:user,root\n")
put("users", "numbers", b"1000:5\0user:x:1000:1000::/home:/\n# c\n\n:::\n\0")
put("subids", "subuid", "user:100000:65536\n1000:5:5\nother:1:1\n")
put("cmdline", "short", b"-it\0-e\0A=b\0-v\0/a:/b:ro\0--rm\0image\0sh\0-c\0true")
put("cmdline", "long", b"--name=x\0--memory\0" + b"64m\0--cpus=1.5\0--network\0none\0--cap-drop=ALL\0--cap-add\0net_raw\0"
    b"--ulimit\0nofile=1:2\0-p\0" b"8080:80/udp\0--tmpfs\0/x:size=1m\0--sysctl\0net.ipv4.ip_forward=1\0--label\0a=b\0i")
for i, value in enumerate(("uint64 30000000", "['crio.service', \"b\"]", "[('a', uint64 1), ('b', 2)]", "@a(ss) []", "1.5e3",
                           "'\\u00e4\\n\\''", "(byte 7, -0x1F, true, objectpath '/a')", "[[1], @ai []]")):
    put("systemd", str(i), "a-b.slice:p:n+1\0" + value)
