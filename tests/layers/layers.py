#!/usr/bin/env python3
"""Layers for the tests, and the trees that they become.

  layers.py make DIR            the odd layers, DIR/<case>-<n>.tar, and the bad ones, DIR/bad/<case>.tar
  layers.py layer FILE          one layer of the list of entries that standard input has, in d(), f(), l() …
  layers.py oci DIR LAYER...    an OCI layout of one image, tag t
  layers.py list DIR [MAP]      one line an entry: type, mode, owner, mtime, content, links, attributes;
                                MAP (INSIDE:OUTSIDE:COUNT,...) turns owners back into the image's
  layers.py diff OURS UMOCI [nodev]   compares two lists
  layers.py names LAYOUT CACHE  the overlay layers that the cache has for the image, top first
"""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile

SENTINEL = os.environ.get("SENTINEL", "/nonexistent/sentinel")


# --- layers ----------------------------------------------------------------------------------

def entry(name, kind=tarfile.REGTYPE, mode=0o644, data=None, link="", uid=0, gid=0,
          mtime=1600000000, pax=None, dev=(0, 0)):
    t = tarfile.TarInfo(name)
    t.type, t.mode, t.linkname, t.uid, t.gid, t.mtime = kind, mode, link, uid, gid, mtime
    t.devmajor, t.devminor = dev
    t.pax_headers = pax or {}
    t.size = len(data or b"")
    return t, data


def d(name, mode=0o755, **k):
    return entry(name, tarfile.DIRTYPE, mode, **k)


def f(name, data=b"x", mode=0o644, **k):
    return entry(name, data=data, mode=mode, **k)


def l(name, to, **k):
    return entry(name, tarfile.SYMTYPE, 0o777, link=to, **k)


def h(name, to):
    return entry(name, tarfile.LNKTYPE, link=to)


def dev(name, kind, mode, numbers, **k):
    return entry(name, kind, mode, dev=numbers, **k)


def xattrs(**k):  # a double underscore is a dot
    return {"SCHILY.xattr." + key.replace("__", "."): value.decode("utf-8", "surrogateescape")
            for key, value in k.items()}


def write(path, entries, fmt=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=fmt, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)


CAP_NET_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
# Version 2, tag user_obj rwx, user 7 rw, group_obj rx, mask rwx, other none.
ACL = struct.pack("<I" + "HHI" * 5, 2, 1, 7, 2**32 - 1, 2, 6, 7, 4, 5, 2**32 - 1, 16, 7, 2**32 - 1,
                  32, 0, 2**32 - 1)
BASE = [d("etc"), f("etc/a", b"A", mtime=5), f("etc/b", b"B"), d("usr"),
        d("usr/lib", 0o751, mtime=77, uid=3, gid=4), f("usr/lib/libx", b"lib", uid=5, gid=6),
        l("lib", "usr/lib", mtime=99), d("tmp", 0o1777, mtime=1234), d("opt"), d("opt/x"),
        f("opt/x/1"), f("opt/x/2"), d("opt/x/sub"), f("opt/x/sub/3"), d("opt/y"), f("opt/y/1"),
        d("var", mtime=42), d("var/q", 0o700, uid=8), f("var/q/deep")]
ODD = {
    "whiteout": [BASE, [d("etc"), f("etc/.wh.a", b""), d("opt"), f("opt/.wh.y", b""), f("opt/new")]],
    "whiteout-implied": [BASE, [f("etc/.wh.a", b""), f("opt/.wh.x", b""), f("nodir/.wh.z", b""),
                                f(".wh.var", b"")], [d("etc"), f("etc/a", b"new")]],
    "whiteout-late": [BASE, [d("etc"), f("etc/a", b"mine"), f("etc/.wh.a", b""), d("opt"),
                             d("opt/x"), f("opt/x/k"), f("opt/.wh.x", b""), f("etc/.wh.b", b"")]],
    "whiteout-late-implied": [BASE, [f("etc/a", b"mine"), f("etc/.wh.a", b""), f("opt/x/k"),
                                     f("opt/.wh.x", b""), f("etc/.wh.b", b"")]],
    "opaque": [BASE, [d("opt"), d("opt/x"), f("opt/x/.wh..wh..opq", b""), f("opt/x/9")]],
    "opaque-late": [BASE, [d("opt"), d("opt/x"), d("opt/x/sub"), f("opt/x/sub/new"), f("opt/x/9"),
                           f("opt/x/.wh..wh..opq", b"")]],
    "opaque-late-implied": [BASE, [f("opt/x/sub/new"), f("opt/x/9"),
                                   f("opt/x/.wh..wh..opq", b"")]],
    "opaque-root": [BASE, [f("new"), f(".wh..wh..opq", b"")]],
    "link-parent": [BASE, [f("lib/new", b"through the link"), d("lib2"), f("lib2/z")]],
    "link-replaced": [BASE, [d("lib"), f("lib/new", b"a directory replaces the link")]],
    "link-same-layer": [[d("usr"), d("usr/lib"), l("lib", "usr/lib"), f("lib/in", b"x"),
                         h("usr/hard", "lib/in")]],
    "link-odd": [[d("usr"), l("abs", "/usr"), f("abs/x"), l("out", "../../../etc"), d("etc"),
                  f("out/y"), l("dangling", "not/there"), f("dangling/z", b"made")]],
    "only-tmp-x": [BASE, [f("tmp/x", b"only", 0o600, uid=10)], [f("var/q/w")]],
    "hard-link-lower": [BASE, [d("etc"), h("etc/hb", "etc/b")], [h("var/q/h2", "usr/lib/libx")]],
    "hard-links": [[f("a", b"aaa"), h("b", "a"), h("c", "/b"), h("d", "./x/../a"), l("s", "a"),
                    h("hs", "s")]],
    "replace": [BASE, [d("etc", mtime=7), d("etc/a", mtime=8), f("etc/a/in"), d("opt"),
                       f("opt/x", b"file now"), l("var", "opt"), f("usr", b"no directory")]],
    "replace-same-layer": [[d("a"), f("a/b"), f("a", b"file"), d("a"), f("a/c"), l("s", "a"), d("s"),
                            f("s/k"), f("e", b"1"), f("e", b"22"), l("e2", "x"), f("e2", b"3"),
                            f("k", b"aaa"), l("m", "k"), f("m", b"not through the link")]],
    "replace-opaque": [[d("a"), d("a/z"), f("a/z/y"), f("a/b")],
                       [d("p"), f("a", b"file"), d("a"), f("a/c")]],
    "implied": [[f("x/y/z", b"1"), d("q", mtime=55), f("q/r/s"), f("q/r2/s")]],
    "names": [[d("d"), f("d/" + "n" * 200), f("d/" + "e" * 255), f("d/\udcff\udcfe-bad"),
               f("d/\u00fc-fine"), f("d/new\nline"), l("d/long", "t" * 150), f("/abs/path"),
               f("../../dotdot"), f("./a/./b/../c"), f("d/sp ace"), f("/".join(["p" * 99] * 12))]],
    "metadata": [[d(".", 0o750, mtime=11, uid=1, gid=2), d("g", 0o2775, gid=50), f("g/in", mode=0o640),
                  d("g/sub"), f("suid", mode=0o4755, uid=9), f("sgid", mode=0o2755, gid=9),
                  f("sticky", mode=0o1644), l("lnk", "x", uid=4, gid=5, mtime=6),
                  entry("fifo", tarfile.FIFOTYPE, 0o622, uid=3),
                  f("t", pax={"mtime": "1500000000.123456789"}), f("before", mtime=-5),
                  f("zero", mtime=0), f("none", mode=0)], [d("z"), f("z/1")], [f("q")]],
    "owners": [[d(".", mtime=12), d("d", 0o700, uid=1, gid=2), f("d/f", mode=0o4755, uid=1000, gid=1001),
                l("d/l", "f", uid=7, gid=8), f("e", mode=0, gid=65534)]],
    "xattrs": [[d("d", pax=xattrs(user__dd=b"1")), f("d/u", pax=xattrs(user__k=b"val")),
                f("c", b"prog", 0o755, pax=xattrs(security__capability=CAP_NET_BIND)),
                f("c2", b"p", 0o755, uid=7, pax=xattrs(security__capability=CAP_NET_BIND))],
               [d("d"), f("d/u2", pax=xattrs(user__k=b"2"))]],
    "acl": [[d("d", pax=xattrs(system__posix_acl_default=ACL)), f("d/none", mode=0o640), d("d/sub"),
             f("d/sub/f"), f("d/own", mode=0o670, pax=xattrs(system__posix_acl_access=ACL))]],
    "devices": [[d("dev"), dev("dev/null", tarfile.CHRTYPE, 0o666, (1, 3)),
                 dev("dev/sda", tarfile.BLKTYPE, 0o660, (8, 0), gid=6), f("f")]],
    "repeated": [BASE, [d("a"), f("a/1")], [], [d("a"), f("a/1", b"other")], [d("a"), f("a/1")], []],
    "empty": [[]],
}
# What umoci takes over as it is and mrun leaves out.
SMUGGLED = {
    "overlay": [[d("etc"), f("etc/a")],
                [d("etc", pax=xattrs(user__overlay__opaque=b"y", trusted__overlay__opaque=b"y")),
                 dev("etc/a", tarfile.CHRTYPE, 0o666, (0, 0)),
                 f("etc/z", pax=xattrs(user__overlay__redirect=b"/x"))]],
    "aufs": [[f(".wh..wh.aufs", b""), d(".wh..wh.plnk"), f(".wh..wh.plnk/1.2"), f("f")]],
}
ATTACKS = {
    "dot-dot": [[f("../../../.." + SENTINEL + "/x"), f(SENTINEL + "/y"), f("a/../../x")]],
    "write-through-link": [[l("s", SENTINEL), f("s/evil")],
                           [f("s/evil2"), l("t", "../../../../../../.." + SENTINEL)], [f("t/evil3")]],
    "replace-link": [[l("s", SENTINEL), d("s/", 0o777)], [l("q", SENTINEL + "/file"), f("q", b"no")]],
    "whiteout-through-link": [[l("s", SENTINEL), f("s/.wh.file", b""), f("s/.wh..wh..opq", b"")],
                              [f("s/.wh.file", b""), f("s/.wh..wh..opq", b"")]],
    "hard-link-absolute": [[h("hl", SENTINEL + "/file")]],
    "hard-link-dot-dot": [[h("hl", "../../../../../../.." + SENTINEL + "/file")]],
    "hard-link-through-link": [[l("s", SENTINEL), h("hl", "s/file")]],
    "hard-link-data": [[l("s", SENTINEL + "/file"), h("s", SENTINEL + "/file"), f("s", b"over")]],
    "root-is-link": [[l("/.", SENTINEL), f("evil")]],
    "root-is-link-2": [[l(".", SENTINEL), f("evil")]],
}
# Single layers that are refused, each with what the message must say.
BAD = {
    "whiteout-dot": ([d("a"), f("a/.wh..", b"")], "whiteout names no entry"),
    "whiteout-dot-dot": ([d("a"), f("a/.wh...", b"")], "whiteout names no entry"),
    "whiteout-nothing": ([d("a"), f("a/.wh.", b"")], "whiteout names no entry"),
    "root-link": ([l(".", "/etc")], "root must be a directory"),
    "link-to-root": ([h("x", "/")], "link to the root directory"),
    "link-to-directory": ([d("d"), h("x", "d")], "link to d: operation not permitted"),
    "link-to-nothing": ([h("x", "y")], "link to y: no such file or directory"),
    "loop": ([l("a", "b"), l("b", "a"), f("a/x")], "too many levels of symbolic links"),
    "file-as-directory": ([f("a"), f("a/b")], "entry a/b: open directory /a: not a directory"),
    "long-name": ([f("x" * 256)], "file name too long"),
    "long-path": ([f("/".join(["x" * 200] * 30))], "file name too long"),
    "owner": ([f("a", uid=2**32 - 1)], "not a user or group id"),
}


def bad_bytes():
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for info, data in BASE:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    a = plain.getvalue()
    g = gzip.compress(a)
    z = subprocess.run(["zstd", "-qc"], input=a, stdout=subprocess.PIPE, check=True).stdout
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a", "b")
    sparse = io.BytesIO()
    with tarfile.open(fileobj=sparse, mode="w") as tar:
        info, data = f("big", b"0\n".ljust(512, b"\0"))
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "big",
                            "GNU.sparse.realsize": str(2**63 - 1)}
        tar.addfile(info, io.BytesIO(data))
    pax = io.BytesIO()
    with tarfile.open(fileobj=pax, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(f("x", pax={"comment": "y" * (16 << 20)})[0])
    window = subprocess.run(["zstd", "-qc", "-1", "--long=31"], input=a, stdout=subprocess.PIPE,
                            check=True).stdout
    # A frame header of one segment's size would not need the window: ask for it by hand.
    window = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + window[6:]
    return {
        "gzip-short": (g[:len(g) // 2], "cut short"),
        "gzip-trailing": (g + b"garbage!", "not gzip follows"),
        "gzip-crc": (g[:-8] + bytes([g[-8] ^ 1]) + g[-7:], ("checksum", "incorrect data check")),
        "zstd-short": (z[:len(z) // 2], "cut short"),
        "zstd-trailing": (z + b"garbage!", "inflate zstd"),
        "zstd-window": (window, "too much memory"),
        "tar-short": (a[:700], "Truncated"),
        "tar-checksum": (a[:10] + b"XX" + a[12:], "not a tar archive"),
        "tar-checksum-2": (a[:522] + b"XX" + a[524:], "read the tar"),
        "sparse-8-eib": (sparse.getvalue(), "entry big: set the size"),
        "pax-header": (pax.getvalue(), "too large"),
        "text": (b"hello world\n" * 100, "not a tar archive"),
        "zip": (archive.getvalue(), "it is a zip archive"),
        "bzip2": (bz2.compress(a), "compressed with bzip2"),
        "xz": (lzma.compress(a), "compressed with xz"),
    }


# Unusual, but to be taken: they all are BASE.
def same_as_base():
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for info, data in BASE:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    a = plain.getvalue()
    end = (len(a.rstrip(b"\0")) + 511) // 512 * 512
    zstd = ["zstd", "-qc"]
    return {
        "gzip-members": gzip.compress(a[:1000]) + gzip.compress(a[1000:]),
        "gzip-padded": gzip.compress(a) + b"\0" * 700,
        "zstd": subprocess.run(zstd, input=a, stdout=subprocess.PIPE, check=True).stdout,
        "zstd-frames": b"\x50\x2a\x4d\x18\x04\0\0\0skip".join(
            subprocess.run(zstd, input=part, stdout=subprocess.PIPE, check=True).stdout
            for part in (a[:1000], a[1000:])),
        "no-end-mark": a[:end],
        "trailing": a + b"behind the end mark" * 100,
    }


def make(out):
    os.makedirs(out + "/bad")
    os.makedirs(out + "/same")
    for group in (ODD, SMUGGLED, ATTACKS):
        for case, layers in group.items():
            for i, entries in enumerate(layers):
                write(f"{out}/{case}-{i}.tar", entries)
    write(out + "/names-gnu-0.tar", [d("d"), f("d/" + "n" * 200), f("d/\udcff\udcfe-bad"),
                                     l("d/long", "t" * 150)], tarfile.GNU_FORMAT)
    for name, group in ("odd", ODD), ("smuggled", SMUGGLED), ("attacks", ATTACKS):
        with open(f"{out}/{name}.list", "w") as file:
            file.writelines(case + "\n" for case in group)
    with open(out + "/odd.list", "a") as file:
        file.write("names-gnu\n")
    messages = {}
    for case, (entries, message) in BAD.items():
        write(f"{out}/bad/{case}.tar", entries)
        messages[case] = message
    for case, (data, message) in bad_bytes().items():
        with open(f"{out}/bad/{case}.tar", "wb") as file:
            file.write(data)
        messages[case] = message
    with open(out + "/bad.list", "w") as file:
        for case, message in messages.items():
            either = message if isinstance(message, tuple) else (message,)
            file.write(case + "\t" + "\t".join(either) + "\n")
    for case, data in same_as_base().items():
        with open(f"{out}/same/{case}.tar", "wb") as file:
            file.write(data)


# --- images ----------------------------------------------------------------------------------

def inflate(data):
    if data[:2] == b"\x1f\x8b":
        command, kind = ["gzip", "-dcq"], "+gzip"
    elif data[:4] in (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"):
        command, kind = ["zstd", "-dcq", "--long=31"], "+zstd"
    else:
        return data, ""
    # A damaged one gets the digest of what can be had of it.
    return subprocess.run(command, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout, kind


def oci(out, layers):
    os.makedirs(out + "/blobs/sha256")

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{out}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    kind = "application/vnd.oci.image."
    descriptors, diff_ids = [], []
    for path in layers:
        with open(path, "rb") as file:
            data = file.read()
        plain, suffix = inflate(data)
        descriptors.append({"mediaType": f"{kind}layer.v1.tar{suffix}", **put(data)})
        diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = put(json.dumps({"architecture": machine, "os": "linux",
                             "config": {"Cmd": ["/no-such-program"]},
                             "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
    manifest = put(json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": descriptors}).encode())
    with open(out + "/index.json", "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [{
            "mediaType": kind + "manifest.v1+json", **manifest,
            "annotations": {"org.opencontainers.image.ref.name": "t"}}]}, file)
    with open(out + "/oci-layout", "w") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)


def names(layout, cache):
    def blob(digest):
        with open(f"{layout}/blobs/sha256/{digest.split(':')[1]}") as file:
            return json.load(file)

    with open(layout + "/index.json") as file:
        manifest = blob(json.load(file)["manifests"][0]["digest"])
    chain, seen, found = None, set(), []
    for diff in (layer["digest"] for layer in manifest["layers"]):
        chain = diff if chain is None else "sha256:" + hashlib.sha256(
            f"{chain} {diff}".encode()).hexdigest()
        name = "diff-" + diff[7:27]
        if diff in seen or not os.path.isdir(f"{cache}/{name}"):
            name = "chain-" + chain[7:27]
        seen.add(diff)
        found.append(name)
    # The layer that carries the root directory's metadata, if the topmost does not.
    roots = [n for n in found if os.path.isdir(f"{cache}/root-{n.split('-')[1]}")]
    if roots and roots[-1] != found[-1]:
        found.append("root-" + roots[-1].split("-")[1])
    kept = [n for n in found if os.listdir(f"{cache}/{n}/r") or n.startswith("root-")] or found[:1]
    print(":".join(n + "/r" for n in reversed(kept)))


# --- trees -----------------------------------------------------------------------------------

def list_tree(root, mapping):
    ranges = [tuple(int(n) for n in part.split(":")) for part in mapping.split(",")]
    first = {}

    def owner(number):
        for inside, outside, count in ranges:
            if outside <= number < outside + count:
                return inside + number - outside
        return f"?{number}"

    def show(path):
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        attributes = {}
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            value = os.getxattr(path, name, follow_symlinks=False)
            if name == "security.capability" and len(value) >= 24:  # version 3 has a root id
                value = bytes([*value[:3], 2]) + value[4:20]
            if name.startswith("system.posix_acl"):
                value = value[:4] + b"".join(
                    struct.pack("<HHI", tag, perm, owner(ident) if tag in (2, 8) else ident)
                    for tag, perm, ident in struct.iter_unpack("<HHI", value[4:]))
            attributes[name] = value.hex()
        what = ""
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                what = f"{st.st_size} {hashlib.file_digest(file, 'sha256').hexdigest()[:20]}"
        elif kind == stat.S_IFLNK:
            what = repr(os.readlink(path))
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            what = f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
        name = os.path.relpath(path, root)
        links = ""
        if kind != stat.S_IFDIR and st.st_nlink > 1:
            links = repr(first.setdefault((st.st_dev, st.st_ino), name))
        print("\t".join([repr(name), oct(st.st_mode), f"{owner(st.st_uid)}:{owner(st.st_gid)}",
                         str(st.st_mtime_ns), what, links, json.dumps(attributes)]))

    root = os.fsencode(root)
    show(root)
    for path, dirs, files in os.walk(root):
        dirs.sort()
        for name in sorted(dirs + files):
            show(os.path.join(path, name))


def diff(ours, theirs, nodev):
    def load(path):
        with open(path) as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        return {row[0]: row[1:] for row in rows
                if not (nodev and re.match("0o[26]0", row[1]) and len(row[1]) == 7)}

    a, b, bad = load(ours), load(theirs), 0
    # umoci leaves the time of unpacking on directories that no entry describes and on those that a
    # whiteout was applied to.
    recent = os.stat(theirs).st_mtime_ns - 3600 * 10**9
    for name in sorted(a.keys() | b.keys()):
        x, y = a.get(name), b.get(name)
        if x and y and int(y[2]) > recent:
            y = y[:2] + [x[2]] + y[3:]
        if x != y:
            bad = 1
            print(f"ours  {name} {x}\numoci {name} {y}")
    return bad


def main():
    command, args = sys.argv[1], sys.argv[2:]
    if command == "make":
        make(args[0])
    elif command == "layer":
        write(args[0], eval(sys.stdin.read(), globals()))  # pylint: disable=eval-used
    elif command == "oci":
        oci(args[0], args[1:])
    elif command == "names":
        names(*args)
    elif command == "list":
        list_tree(args[0], args[1] if len(args) > 1 else "0:0:4294967295")
    elif command == "diff":
        return diff(args[0], args[1], "nodev" in args)
    return 0


sys.exit(main())
