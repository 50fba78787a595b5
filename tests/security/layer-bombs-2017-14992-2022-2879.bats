#!/usr/bin/env bats
# Small layers that would fill the disk, the memory or the day (CVE-2017-14992: docker and gzip bombs,
# CVE-2022-2879 and CVE-2025-58183: Go's tar reader and huge headers): 10 GiB of zeros, a zstd window of
# gigabytes, a sparse file of 8 EiB, a pax header of 16 MiB, more entries and attributes than any image
# has. Every one is refused within seconds and in bounded memory, and nothing stays; the caps can be
# raised.
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	need python3
}
teardown() { sec_teardown; }

bounded() { # MIB
	sanitized || [ "$(cat "$T/peak")" -lt $(($1 * 1024)) ] || { echo "took $(cat "$T/peak") KiB"; return 1; }
}

# A layer of one file of SIZE zeros, compressed COMMAND; made block by block, since gzip would take long.
zeros() { # FILE GIB
	python3 - "$T/$1" "$2" <<-'PY'
	import sys, tarfile, zlib
	info = tarfile.TarInfo("zeros")
	info.size = int(sys.argv[2]) << 30
	part = zlib.compressobj(1, zlib.DEFLATED, -15)
	head = part.compress(info.tobuf()) + part.flush(zlib.Z_FULL_FLUSH)
	part = zlib.compressobj(9, zlib.DEFLATED, -15)
	mib = part.compress(bytes(1 << 20)) + part.flush(zlib.Z_FULL_FLUSH)
	with open(sys.argv[1], "wb") as out:  # the checksum is never reached
	    out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + mib * (info.size >> 20))
	PY
}

# Image NAME whose layer is FILE: the diffID is never reached.
bomb_image() { # NAME FILE
	layer "$1-0.tar" <<<'[]'
	layers_image "$1"
	python3 - "$T/$1" "$T/$2" <<-'PY'
	import hashlib, json, os, sys
	layout, layer = sys.argv[1:]
	def read(digest):
	    with open(f"{layout}/blobs/sha256/{digest[7:]}") as file:
	        return json.load(file)
	def put(data):
	    digest = hashlib.sha256(data).hexdigest()
	    with open(f"{layout}/blobs/sha256/{digest}", "wb") as file:
	        file.write(data)
	    return {"digest": "sha256:" + digest, "size": len(data)}
	with open(layout + "/index.json") as file:
	    index = json.load(file)
	manifest = read(index["manifests"][0]["digest"])
	with open(layer, "rb") as file:
	    manifest["layers"][0].update(put(file.read()), mediaType="application/vnd.oci.image.layer.v1.tar+gzip")
	index["manifests"][0].update(put(json.dumps(manifest).encode()))
	with open(layout + "/index.json", "w") as file:
	    json.dump(index, file)
	PY
}

# What is in WHO's store and on its way there: of what is refused nothing stays.
store_list() {
	local store=$XDG_DATA_HOME/mrun
	[ "$WHO" != user ] || store=$TEST_HOME/.local/share/mrun
	find "$store"/{blobs/sha256,tmp,diffs} -mindepth 1 2>/dev/null | sort
}

# mrun ARG… takes little time and MIB, and is refused for a reason that matches PATTERN.
stopped() { # SECONDS MIB PATTERN ARG…
	local before
	before=$(store_list)
	peak "$1" "${@:4}"
	[ "$status" -eq 125 ]
	grep -q -- "$3" "$T/err"
	bounded "$2"
	[ "$(store_list)" = "$before" ]
	sentinel_same
}

@test "10 GiB of zeros are refused at the first" {
	zeros zeros.gz 10
	[ "$(stat -c %s "$T/zeros.gz")" -lt 20000000 ]
	bomb_image zeros zeros.gz
	local before after
	before=$(df -Pk "$T" | awk 'NR == 2 { print $3 }')
	for WHO in $(roles); do
		stopped 60 100 'grows more than 100-fold' load "oci:$T/zeros:t"
		grep -q '^hint: .*MRUN_UNPACK_MAX_BYTES' "$T/err"
	done
	after=$(df -Pk "$T" | awk 'NR == 2 { print $3 }')
	[ $((after - before)) -lt 200000 ]
}

@test "what an image may hold can be lowered and raised" {
	layer two-0.tar <<<'[f("a", b"x" * 600000)]'
	layer two-1.tar <<<'[f("b", b"x" * 600000)]'
	layers_image two
	for WHO in $(roles); do
		refuses two 'more than the [0-9]+ bytes allowed' MRUN_UNPACK_MAX_BYTES=1m
		refuses two 'more than the [0-9]+ bytes allowed' MRUN_UNPACK_MAX_BYTES=500k
		unpack two MRUN_UNPACK_MAX_BYTES=2m
		[ "$status" -eq 0 ]
		unpack_clean
	done
}

@test "a zstd window of 2 GiB is refused before memory is taken" {
	need zstd
	layer plain.tar <<<'[f("a", b"x" * 100000)]'
	python3 - "$T" <<-'PY'
	import subprocess, sys
	with open(sys.argv[1] + "/plain.tar", "rb") as file:
	    data = subprocess.run(["zstd", "-qc", "-1", "--long=31"], stdin=file, stdout=subprocess.PIPE, check=True).stdout
	# The window is said by hand: a frame of known size would not need one.
	with open(sys.argv[1] + "/window.zst", "wb") as file:
	    file.write(b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + data[6:])
	PY
	bomb_image window window.zst
	for WHO in $(roles); do
		stopped 20 64 'inflate zstd: .*too much memory' load -q "oci:$T/window:t"
	done
}

@test "a sparse file of 8 EiB, and one larger than an image may be" {
	local size
	for size in 2**63-1 2**62 2**36+1; do
		layer sparse-0.tar <<-PY
		[f("big", b"0\n".ljust(512, b"\0"), pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
		   "GNU.sparse.name": "big", "GNU.sparse.realsize": str($size)})]
		PY
		layers_image sparse
		for WHO in $(roles); do refuses sparse 'entry big: set the size to [0-9]+ bytes'; done
	done
}

staged_holes() {
	local before after
	before=$(df -Pk "$T" | awk 'NR == 2 { print $3 }')
	stopped 20 64 'entry manifest.json: stage: holes of more than 1073741824 bytes' load "$T/holes.tar"
	after=$(df -Pk "$T" | awk 'NR == 2 { print $3 }')
	[ $((after - before)) -lt 100000 ]
}

@test "holes in an archive of images are not written out" {
	layer holes.tar <<-'PY'
	[f("manifest.json", b"0\n".ljust(512, b"\0"), pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
	   "GNU.sparse.name": "manifest.json", "GNU.sparse.realsize": str(60 << 30)})]
	PY
	for WHO in $(roles); do staged_holes; done
}

headers() {
	peak 20 load -q "oci:$T/$1:t"
	[ "$status" -eq 0 ] || grep -q "$2" "$T/err"
	bounded "$3"
	refuses "$1" "$2"
}

@test "huge pax headers, and sparse maps without an end" {
	layer pax-0.tar <<<'[f("x", pax={"comment": "y" * (16 << 20)})]'
	layers_image pax
	# GNU's old form: an extension block follows the other, 21 pieces each.
	python3 - "$T/map-0.tar" <<-'PY'
	import struct, sys, tarfile
	info = tarfile.TarInfo("big")
	info.size = 0
	block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
	block[156:157] = b"S"
	block[482] = 1
	block[483:495] = b"00000000000\0"
	block[148:156] = b" " * 8
	block[148:156] = b"%06o\0 " % sum(block)
	piece = b"00000000001\0" b"00000000000\0"
	with open(sys.argv[1], "wb") as out:
	    out.write(block)
	    for _ in range(40000):
	        out.write((piece * 21 + b"\1").ljust(512, b"\0"))
	PY
	layers_image map
	for WHO in $(roles); do
		headers pax 'too large' 64
		headers map 'read the tar' 200
	done
}

@test "more entries than allowed, with the default limit as well" {
	python3 - "$T/many.gz" <<-'PY'
	import sys, tarfile, zlib
	# 10,000,000 headers of one and the same entry.
	part = zlib.compressobj(9, zlib.DEFLATED, -15)
	info = tarfile.TarInfo("d")
	info.type = tarfile.DIRTYPE
	data = part.compress(info.tobuf() * 10000) + part.flush(zlib.Z_FULL_FLUSH)
	with open(sys.argv[1], "wb") as out:
	    out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + data * 1000)
	PY
	bomb_image many many.gz
	layer few-0.tar <<<'[f(str(i)) for i in range(2000)]'
	layers_image few
	for WHO in $(roles); do
		refuses few 'more than the 1000 entries allowed in a layer' MRUN_UNPACK_MAX_ENTRIES=1000
		unpack few MRUN_UNPACK_MAX_ENTRIES=2000
		[ "$status" -eq 0 ]
		unpack_clean
		# All of it, at the true default: the load refuses it first, for what it inflates to.
		stopped 100 100 'grows more than 100-fold' load -q "oci:$T/many:t"
	done
}

@test "one entry more than the default limit" {
	python3 - "$T/million-0.tar.gz" <<-'PY'
	import struct, sys, tarfile, zlib
	info = tarfile.TarInfo("d")
	info.type = tarfile.DIRTYPE
	some, end = info.tobuf() * 20000, info.tobuf() + bytes(1024)
	part = zlib.compressobj(9, zlib.DEFLATED, -15)
	data = part.compress(some) + part.flush(zlib.Z_FULL_FLUSH)
	part = zlib.compressobj(9, zlib.DEFLATED, -15)
	crc = 0
	for _ in range(100):
	    crc = zlib.crc32(some, crc)
	with open(sys.argv[1], "wb") as out:
	    out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + data * 100 + part.compress(end) + part.flush() +
	              struct.pack("<II", zlib.crc32(end, crc), len(some) * 100 + len(end)))
	PY
	layers_image million million-0.tar.gz
	# It takes a while: once, without root's rights where there are such users.
	for WHO in $(roles | tail -1); do
		unpack_clean
		stopped 100 100 'more than the 2000000 entries allowed in a layer' unpack "oci:$T/million:t" "$(bundle_dir)"
		nothing_unpacked
	done
}

attributes() {
	refuses xattrs 'more than the 65536 bytes of names of extended attributes'
}

@test "more extended attributes than a file can list" {
	layer xattrs-0.tar <<<'[f("x", pax={f"SCHILY.xattr.user.{i:05}": "y" for i in range(20000)})]'
	layers_image xattrs
	for WHO in $(roles); do attributes; done
}
