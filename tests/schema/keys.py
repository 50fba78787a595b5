#!/usr/bin/env python3
"""Lists every key that a JSON schema describes, one a line, as keys.txt does.

    keys.py SCHEMA-DIR FILE        for example keys.py ../../../shared/schema/runtime-spec config-schema.json

A line is PATH TYPE [required]. In PATH, [] is an item of a list and * any key of a map. TYPE is
object, array, boolean, string, string=A|B|C (an enumeration), string~REGEX, integer (of any size),
int32, uint64 and the like, or integer:MIN..MAX.
"""
import json
import os
import sys

# The limits of 64 bits stand in the schemas as they come out of a double.
EXACT = {9223372036854776000: 2**63 - 1, -9223372036854776000: -(2**63), 18446744073709552000: 2**64 - 1}
RANGES = {f"int{n}": (-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)}
RANGES.update({f"uint{n}": (0, 2**n - 1) for n in (8, 16, 32, 64)})
# Where the specification's text, which counts, says something else than its schema.
TEXT = {
    "linux.devices[].fileMode": "uint32",  # with the bits for setuid and the like
    "freebsd.devices[].mode": "uint32",
}


class Walker:
    def __init__(self, directory):
        self.directory = directory
        self.files = {}
        self.lines = []

    def load(self, name):
        if name not in self.files:
            with open(os.path.join(self.directory, name), encoding="utf-8") as f:
                self.files[name] = json.load(f)
        return self.files[name]

    def resolve(self, node, file):
        """Follows $ref and puts allOf, anyOf and oneOf together; returns (node, file)."""
        merged = {k: v for k, v in node.items() if k not in ("$ref", "allOf", "anyOf", "oneOf")}
        parts = [(p, file) for kind in ("allOf", "anyOf", "oneOf") for p in node.get(kind, [])]
        if "$ref" in node:
            name, _, fragment = node["$ref"].partition("#")
            target, where = self.load(name or file), name or file
            # defs.json has one "#definitions/uint32", without the slash.
            for step in fragment.strip("/").split("/"):
                target = target[step]
            parts.append((target, where))
        for part, where in parts:
            more, file = self.resolve(part, where)
            for key, value in more.items():
                if key == "properties":
                    merged.setdefault(key, {}).update({k: self.bind(v, file) for k, v in value.items()})
                elif key == "required":
                    merged[key] = merged.get(key, []) + value
                elif key in ("items", "additionalProperties", "patternProperties"):
                    merged[key] = self.bind(value, file)
                else:
                    merged.setdefault(key, value)
        return merged, file

    @staticmethod
    def bind(node, file):
        """The node, knowing which file its references are relative to."""
        if isinstance(node, list):
            return [Walker.bind(n, file) for n in node]
        if isinstance(node, dict) and "__file" not in node:
            return {"__file": file, **node}
        return node

    @staticmethod
    def type_of(node):
        kind = node.get("type", "object" if "properties" in node else None)
        if kind == "string" and "enum" in node:
            return "string=" + "|".join(node["enum"])
        if kind == "string" and "pattern" in node:
            return "string~" + node["pattern"].replace(" ", "\\s")
        if kind == "integer" and ("minimum" in node or "maximum" in node):
            low, high = (EXACT.get(node.get(k), node.get(k, "")) for k in ("minimum", "maximum"))
            named = [name for name, limits in RANGES.items() if limits == (low, high)]
            return named[0] if named else f"integer:{low}..{high}"
        return kind

    def walk(self, node, file, path, required):
        file = node.get("__file", file)
        node, file = self.resolve({k: v for k, v in node.items() if k != "__file"}, file)
        if path:
            self.lines.append(f"{path} {TEXT.get(path, self.type_of(node))}{' required' if required else ''}")
        for key, child in node.get("properties", {}).items():
            if key != "__file":
                self.walk(child, file, f"{path}.{key}" if path else key, key in node.get("required", []))
        items = node.get("items")
        if items:
            self.walk(items[0] if isinstance(items, list) else items, file, path + "[]", False)
        more = node.get("additionalProperties")
        if isinstance(more, dict):
            self.walk(more, file, path + ".*", False)
        for key, child in node.get("patternProperties", {}).items():
            if key != "__file":
                self.walk(child, file, path + ".*", False)


def keys(directory, file):
    walker = Walker(directory)
    walker.walk(walker.load(file), file, "", False)
    return sorted(walker.lines)


if __name__ == "__main__":
    print("\n".join(keys(sys.argv[1], sys.argv[2])))
