#!/usr/bin/env bats
# Other archive formats and compressions passed as a layer (CVE-2014-9357: docker gave an xz archive to
# a program that it looked for in the image; libarchive's CVEs are mostly in its other formats). A layer
# is a tar, plain or by gzip or zstd, whatever its media type says; everything else is refused by name.
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

# FILE by FILE, with what the message must say.
formats() {
	python3 - "$T" <<-'PY'
	import bz2, io, lzma, sys, tarfile, zipfile, zlib, struct
	def put(name, data):
	    with open(f"{sys.argv[1]}/{name}-0.tar", "wb") as file:
	        file.write(data)
	buffer = io.BytesIO()
	with tarfile.open(fileobj=buffer, mode="w") as tar:
	    tar.addfile(tarfile.TarInfo("evil"))
	tar = buffer.getvalue()
	buffer = io.BytesIO()
	with zipfile.ZipFile(buffer, "w") as out:
	    out.writestr("evil", "x")
	put("zip", buffer.getvalue())
	put("bzip2", bz2.compress(tar))
	put("xz", lzma.compress(tar))
	put("lzma", lzma.compress(tar, format=lzma.FORMAT_ALONE))
	put("lz4", b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", 0x80000000 | len(tar)) + tar + bytes(4))
	put("zlib", zlib.compress(tar))
	put("compress", b"\x1f\x9d\x90" + tar)
	put("cpio-newc", b"070701" + b"00000000" * 11 + b"00000005" + b"00000000" + b"evil\0" + bytes(500))
	put("cpio-odc", b"070707" + b"0" * 70 + b"evil\0" + bytes(500))
	put("cpio-binary", struct.pack("<13H", 0o070707, 0, 1, 0o100644, 0, 0, 1, 0, 0, 0, 5, 0, 0) + b"evil\0\0" + bytes(500))
	put("7z", b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(600))
	put("rar", b"Rar!\x1a\x07\x01\0" + bytes(600))
	put("ar", b"!<arch>\n" + b"evil/           0           0     0     100644  4         `\nevil" + bytes(600))
	put("mtree", b"#mtree\n./evil type=file contents=/etc/passwd\n" + b"\n" * 600)
	put("xar", b"xar!" + struct.pack(">HHQQI", 28, 1, 0, 0, 1) + bytes(600))
	put("cab", b"MSCF" + bytes(600))
	put("warc", b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 4\r\n\r\nevil" + b"\r\n" * 300)
	put("iso", bytes(32768) + b"\1CD001\1" + bytes(2041) + b"\xffCD001\1" + bytes(2041))
	put("lha", b"\x20\0-lh0-" + bytes(600))
	put("shar", b"#!/bin/sh\n# This is a shell archive\ntouch /tmp/evil\n" * 20)
	put("empty-zip", b"PK\5\6" + bytes(18))
	put("elf", b"\x7fELF" + bytes(600))
	put("raw", b"evil" * 200)
	PY
}

@test "other formats as layers are refused" {
	local name pattern
	formats
	while read -r name pattern; do
		layers_image "$name"
		for WHO in $(roles); do refuses "$name" "$pattern"; done
	done <<-'LIST'
		zip a zip archive
		bzip2 compressed with bzip2
		xz compressed with xz
		lzma not a tar archive
		lz4 compressed with lz4
		zlib not a tar archive
		compress not a tar archive
		cpio-newc a cpio archive
		cpio-odc a cpio archive
		cpio-binary not a tar archive
		7z a 7z archive
		rar a rar archive
		ar an ar archive
		mtree not a tar archive
		xar not a tar archive
		cab not a tar archive
		warc not a tar archive
		lha not a tar archive
		shar not a tar archive
		empty-zip not a tar archive
		elf an ELF program
		raw not a tar archive
	LIST
}

@test "the same given to load and import" {
	local name
	formats
	for WHO in $(roles); do
		m images -q >"$T/before"
		for name in zip xz cpio-newc mtree; do
			for command in load import; do
				status=0
				m $command "$T/$name-0.tar" >"$T/out" 2>"$T/err" || status=$?
				cat "$T/err"
				[ "$status" -eq 125 ]
				[ "$(grep -vc '^hint: ' "$T/err")" -eq 1 ]
				grep -qE 'read the tar: it is (not )?a' "$T/err" || grep -q 'compressed with' "$T/err"
			done
		done
		sentinel_same
		m images -q | cmp - "$T/before"
	done
}

empty() {
	takes iso
	[ -z "$(ls -A "$ROOTFS")" ]
	unpack_clean
}

@test "an ISO image begins as an empty tar does, and is one" {
	formats
	layers_image iso
	for WHO in $(roles); do empty; done
}

@test "compressed twice is not inflated twice" {
	layer twice.tar <<<'[f("x")]'
	gzip -c "$T/twice.tar" | gzip -c >"$T/twice-0.tar"
	layers_image twice
	for WHO in $(roles); do refuses twice 'not a tar archive'; done
}
