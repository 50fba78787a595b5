#!/usr/bin/env python3
"""Drives `mrun create` with one config.json after the other and looks at how each is refused.

    sweep.py MRUN DIR KEYS wrong|right|missing|unknown|null

KEYS is a table as keys.py prints it. The bundle in DIR has no root file system: a configuration that
is taken ends in `root.path: …`, before anything is made. What is checked, for every key:

    wrong     each other type, and each value out of the key's range, enumeration or pattern, is
              refused, and the message begins with the key's full path
    right     a value of its type is taken
    missing   without a required key, the message begins with that key's path
    unknown   a key that nobody knows is skipped, in every object
    null      null is the same as not given; in a list or a map it is refused by its path

Prints what is not so, then the number of checks; exit status 1 if there was anything.
"""
import copy
import json
import os
import re
import subprocess
import sys

from keys import RANGES

TAKEN = "root.path: "

ID = [{"containerID": 0, "hostID": 0, "size": 1}]

# A value where not any of that type would do.
SAMPLES = {
    "ociVersion": "1.3.0",
    "root.path": "rootfs",
    "process.cwd": "/",
    "process.args[]": "true",
    "process.env[]": "A=1",
    "process.rlimits[].type": "RLIMIT_CORE",
    "process.execCPUAffinity.initial": "0-3,7",
    "process.execCPUAffinity.final": "1",
    "process.scheduler.runtime": 1024,
    "process.scheduler.deadline": 1000000,
    "process.scheduler.period": 1000000,
    "linux.namespaces[].path": "/proc/self/ns/mnt",
    "linux.memoryPolicy.nodes": "0",
    "linux.resources.cpu.cpus": "0",
    "linux.resources.cpu.mems": "0",
    "linux.resources.devices[].type": "c",
    "linux.resources.devices[].access": "rwm",
    "linux.resources.hugepageLimits[].pageSize": "2MB",
    "linux.devices[].type": "c",
    "linux.sysctl.*": "1",
    "linux.intelRdt.memBwSchema": "MB:0=50",
    "linux.uidMappings": ID,
    "linux.gidMappings": ID,
    "mounts[].type": "tmpfs",
    "mounts[].uidMappings": ID,
    "mounts[].gidMappings": ID,
    "process.args": ["true"],
    "process.terminal": False,  # true needs --console-socket
}
PATHS = ("destination", "source", "path", "maskedPaths[]", "readonlyPaths[]")  # absolute ones
MAP_KEYS = {"linux.sysctl": "kernel.shm_rmid_forced", "linux.resources.unified": "cpu.weight"}

MAPS = {"linux.timeOffsets"}  # a map, of which the schema lists the keys

# What a key needs beside it, as a document that is laid over.
NEEDS = {
    "hostname": {"linux": {"namespaces": [{"type": "uts"}]}},
    "domainname": {"linux": {"namespaces": [{"type": "uts"}]}},
    "linux.uidMappings": {"linux": {"namespaces": [{"type": "user"}], "gidMappings": ID}},
    "linux.gidMappings": {"linux": {"namespaces": [{"type": "user"}], "uidMappings": ID}},
    "linux.timeOffsets": {"linux": {"namespaces": [{"type": "time"}]}},
    "linux.maskedPaths": {"linux": {"namespaces": [{"type": "mount"}]}},
    "linux.readonlyPaths": {"linux": {"namespaces": [{"type": "mount"}]}},
    "linux.netDevices": {"linux": {"namespaces": [{"type": "network"}]}},
    "linux.sysctl": {"linux": {"namespaces": [{"type": "ipc"}]}},
    "linux.devices": {"linux": {"namespaces": [{"type": "mount"}]}},
    "linux.rootfsPropagation": {"linux": {"namespaces": [{"type": "mount"}]}},
    "root.readonly": {"linux": {"namespaces": [{"type": "mount"}]}},
    "mounts": {"linux": {"namespaces": [{"type": "mount"}]}},
    "process.scheduler.priority": {"process": {"scheduler": {"policy": "SCHED_FIFO"}}},
    "process.scheduler.runtime": {"process": {"scheduler": {"policy": "SCHED_DEADLINE", "deadline": 1000000}}},
    "process.scheduler.deadline": {"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1024}}},
    "process.scheduler.period": {
        "process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 1000000}}
    },
    "linux.memoryPolicy.nodes": {"linux": {"memoryPolicy": {"mode": "MPOL_PREFERRED"}}},
    "mounts[].uidMappings": {"mounts": [{"options": ["bind"], "source": "/", "gidMappings": ID}]},
    "mounts[].gidMappings": {"mounts": [{"options": ["bind"], "source": "/", "uidMappings": ID}]},
}
NEEDS_VALUE = {  # the same, for one value of an enumeration
    ("linux.namespaces[].type", "user"): {"linux": {"uidMappings": ID, "gidMappings": ID}},
    ("process.scheduler.policy", "SCHED_FIFO"): {"process": {"scheduler": {"priority": 1}}},
    ("process.scheduler.policy", "SCHED_RR"): {"process": {"scheduler": {"priority": 1}}},
    ("process.scheduler.policy", "SCHED_DEADLINE"): {
        "process": {"scheduler": {"runtime": 1024, "deadline": 1000000, "period": 1000000}}
    },
}
for mode in ("BIND", "INTERLEAVE", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE"):
    NEEDS_VALUE["linux.memoryPolicy.mode", "MPOL_" + mode] = {"linux": {"memoryPolicy": {"nodes": "0"}}}
# Values of an enumeration that Linux does not have.
REFUSED_VALUES = {("process.scheduler.policy", "SCHED_ISO")}
# Refused with any value, because the specification has it for another platform or defines none.
REFUSED = {"process.commandLine", "process.user.username", "linux.personality.flags[]"}
# Where the specification's text asks for more than its schema does, or mrun knows that the kernel does.
REQUIRED = {
    "root",
    "process",
    "process.args",
    "mounts[].type",
    "linux.devices[].major",
    "linux.devices[].minor",
    "linux.personality.domain",
    "linux.memoryPolicy.mode",
}
# Each is required beside the other, or beside what NEEDS says.
PAIRS = {
    "linux.uidMappings",
    "linux.gidMappings",
    "mounts[].uidMappings",
    "mounts[].gidMappings",
    "process.scheduler.priority",
    "process.scheduler.runtime",
    "process.scheduler.deadline",
}

VALUES = {
    "null": None,
    "boolean": True,
    "number": 7,
    "fraction": 1.5,
    "string": "x",
    "array": [],
    "object": {},
}


def within(path, prefix):
    """Whether PATH is PREFIX or below it."""
    return path == prefix or path.startswith((prefix + "[", prefix + "."))


class Key:
    def __init__(self, line):
        self.path, kind, *rest = line.split(" ")
        self.required = "required" in rest or self.path in REQUIRED
        self.kind, self.enum, self.pattern, self.range = kind, None, None, None
        if kind.startswith("string="):
            self.kind, self.enum = "string", kind[7:].split("|")
        elif kind.startswith("string~"):
            self.kind, self.pattern = "string", re.compile(kind[7:].replace("\\s", " "))
        elif kind in RANGES:
            self.kind, self.range = "integer", RANGES[kind]
        elif kind.startswith("integer:"):
            low, high = kind[8:].split("..")
            self.kind, self.range = "integer", (int(low), int(high) if high else None)
        self.tokens = re.findall(r"\[\]|[^.\[\]]+", self.path)
        self.parent = re.sub(r"(\[\]|(^|\.)[^.\[\]]+)$", "", self.path)

    def sample(self):
        """A value of the right type; objects and lists are filled by Sweep."""
        if self.path in SAMPLES:
            return SAMPLES[self.path]
        if self.enum:
            return self.enum[0]
        if self.kind == "string":
            return "/x" if self.path.endswith(PATHS) else "x"
        if self.kind == "integer":
            return max(self.range[0], 1) if self.range else 1
        return {"boolean": True, "array": [], "object": {}}[self.kind]

    def wrong(self):
        """Values that this key must not have."""
        fits = {"integer": "number"}.get(self.kind, self.kind)
        for name, value in VALUES.items():
            if name not in ("null", fits):
                yield value
        if self.kind == "integer":
            yield "7"
            low, high = self.range or (None, None)
            if low is not None:
                yield low - 1
            if high is not None:
                yield high + 1
        if self.enum:
            yield from ("", self.enum[0] + "X", self.enum[0].swapcase())
        if self.pattern and not self.pattern.match("!"):
            yield "!"


class Sweep:
    def __init__(self, mrun, directory, keys):
        self.mrun, self.directory = mrun, directory
        self.keys = {key.path: key for key in keys}
        self.children = {}
        for key in keys:
            self.children.setdefault(key.parent, []).append(key)
        self.checks, self.bad = 0, []
        features = json.loads(subprocess.run([mrun, "features"], check=True, capture_output=True).stdout)
        self.refused = {path: path for path in REFUSED}
        if os.geteuid() != 0:  # id-mapped mounts need it
            self.refused.update({path: "mounts[0]" for path in PAIRS if path.startswith("mounts")})
        if not os.path.exists("/sys/fs/selinux/status"):
            self.refused["linux.mountLabel"] = "linux.mountLabel"
        for path, children in (("linux.intelRdt", ""), ("linux.netDevices", ".*")):
            if not features["linux"][path.split(".")[1]]["enabled"]:
                self.refused[path + children] = path

    def filled(self, key):
        """A value of the right type, with what is required inside."""
        value = copy.deepcopy(key.sample())
        if key.kind == "object":
            for child in self.children.get(key.path, []):
                if child.required:
                    value[child.tokens[-1]] = self.filled(child)
        return value

    def base(self):
        return {
            "ociVersion": "1.3.0",
            "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": ["true"]},
            "linux": {},
        }

    def document(self, key, value):
        """A configuration with VALUE at KEY and what has to be around it; and the path of the place."""
        doc = self.base()
        for prefix, more in NEEDS.items():
            if within(key.path, prefix):
                self.lay_over(doc, more)
        if isinstance(value, str):
            self.lay_over(doc, NEEDS_VALUE.get((key.path, value), {}))
        here, path, place = doc, "", ""
        for i, token in enumerate(key.tokens):
            path += token if token == "[]" else ("." if path else "") + token
            name = MAP_KEYS.get(place, "k") if token == "*" else token
            place += "[0]" if token == "[]" else ("." if place else "") + name
            if i + 1 == len(key.tokens):
                self.put(here, token, name, value)
                break
            inner = self.filled(self.keys[path]) if path in self.keys else {}
            have = self.get(here, token, name)
            if isinstance(have, dict) and isinstance(inner, dict):
                inner.update(have)
            elif have is not None:
                inner = have
            self.put(here, token, name, inner)
            here = inner
        return doc, place

    @staticmethod
    def get(here, token, name):
        if token == "[]":
            return here[0] if here else None
        return here.get(name)

    @staticmethod
    def put(here, token, name, value):
        if token != "[]":
            here[name] = value
        elif here:
            here[0] = value
        else:
            here.append(value)

    def lay_over(self, doc, more):
        for key, value in more.items():
            if isinstance(value, dict):
                self.lay_over(doc.setdefault(key, {}), value)
            else:
                doc[key] = copy.deepcopy(value)

    def create(self, doc):
        with open(self.directory + "/config.json", "w", encoding="utf-8") as f:
            f.write(json.dumps(doc))
        output = self.directory + "/output"
        # A few times faster than subprocess, which matters here.
        pid = os.posix_spawn(
            self.mrun,
            [self.mrun, "--root", self.directory + "/state", "create", "--bundle", self.directory, "sweep"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with open(output, encoding="utf-8", errors="replace") as f:
            return status, f.read()

    def expect(self, doc, what, *starts):
        """The message begins with one of STARTS (behind the program's and the file's name)."""
        self.checks += 1
        code, text = self.create(doc)
        text = text.removeprefix("mrun: ").removeprefix("config.json: ")
        # Taken, and then not for an ordinary user to do.
        if TAKEN in starts and os.geteuid() != 0:
            starts += ("linux.netDevices: network devices cannot be moved without root",)
        if code != 1 or not text.startswith(starts):
            self.bad.append(f"{what}: exit status {code}, {text.strip() or 'no message'}")

    def taken(self, key):
        """The beginning of the message that a value of the right type brings."""
        for prefix, field in self.refused.items():
            if within(key.path, prefix):
                return (field.replace("[]", "[0]") + ":",)
        return (TAKEN,)

    def wrong(self):
        for key in self.keys.values():
            for value in key.wrong():
                doc, place = self.document(key, value)
                # A text of a pattern that is not looked at, where the key is refused in any case.
                more = self.taken(key) if value == "!" and self.taken(key) != (TAKEN,) else ()
                self.expect(doc, f"{place} = {json.dumps(value)}", place + ":", *more)

    def right(self):
        for key in self.keys.values():
            values = [self.filled(key)] + (key.enum[1:] if key.enum else [])
            for value in values:
                doc, place = self.document(key, value)
                refused = isinstance(value, str) and (key.path, value) in REFUSED_VALUES
                starts = (place + ":",) if refused else self.taken(key)
                self.expect(doc, f"{place} = {json.dumps(value)}", *starts)

    def missing(self):
        for key in self.keys.values():
            if not key.required:
                continue
            doc, place = self.document(key, None)
            here = doc
            for token in key.tokens[:-1]:
                here = here[0] if token == "[]" else here[token]
            del here[key.tokens[-1]]
            self.expect(doc, f"without {place}", place + ":")

    def null(self):
        for key in self.keys.values():
            doc, place = self.document(key, None)
            if key.tokens[-1] in ("[]", "*") or key.parent in MAPS:
                self.expect(doc, f"{place} = null", place + ": expected")
            elif key.required or key.path in PAIRS:
                self.expect(doc, f"{place} = null", place + ":")
            elif key.path in self.refused:
                self.expect(doc, f"{place} = null", TAKEN)
            else:
                self.expect(doc, f"{place} = null", *self.taken(self.keys.get(key.parent, key)))

    def unknown(self):
        self.expect({**self.base(), "mrunUnknown": {"a": [1]}}, "mrunUnknown", TAKEN)
        maps = MAPS | {k.parent for k in self.keys.values() if k.tokens[-1] == "*"}
        for key in self.keys.values():
            if key.kind == "object" and key.path not in maps:
                doc, place = self.document(key, {**self.filled(key), "mrunUnknown": {"a": [1]}})
                self.expect(doc, f"{place}.mrunUnknown", *self.taken(key))


def main():
    mrun, directory, table, what = sys.argv[1:]
    with open(table, encoding="utf-8") as f:
        keys = [Key(line.strip()) for line in f if line.strip() and not line.startswith("#")]
    sweep = Sweep(mrun, directory, keys)
    getattr(sweep, what)()
    print("\n".join(sweep.bad))
    print(f"{sweep.checks} checks, {len(sweep.bad)} bad")
    sys.exit(1 if sweep.bad or not sweep.checks else 0)


if __name__ == "__main__":
    main()
