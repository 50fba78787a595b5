#!/usr/bin/env bats
# The process that parses an image is taken over, and says that what it read is a layer of another
# image (CVE-2014-8178: docker's cache could be filled under another image's id). Whatever it says,
# and whatever it leaves in the directory that it may write to, the other image is what it was.
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	need python3
	# A copy of mrun with the attacker beside it, for all users.
	mkdir -m 755 "$T/bin"
	install -m 755 "$MRUN" "$T/bin/mrun"
	install -m 755 "$BUILD/tests/attack-unpack" "$T/bin/mrun-unpack"
}
teardown() { sec_teardown; }

taken_over() { # ARG…: with the script on standard input
	cat >"$T/bin/mrun-unpack.script"
	status=0
	MRUN=$T/bin/mrun m "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
	cat "$T/err"
}

# The victim: an image of one compressed layer, and the same layer plain.
victim() {
	layer good-0.tar <<<'[f("file", b"good")]'
	gzip -nkf "$T/good-0.tar"
	layers_image good good-0.tar
	layers_image goodgz good-0.tar.gz
	DIFF=$(sha256sum <"$T/good-0.tar" | cut -d' ' -f1)
	echo evil >"$T/evil"
	layer evil-0.tar <<<'[f("file", b"evil")]'
}

# An image of the attacker's that claims to hold the victim's layer.
claim() { # NAME LAYER
	layers_image "$1" "$2"
	local manifest config
	manifest=$T/$1/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$T/$1/index.json")
	config=$T/$1/blobs/sha256/$(jq -r '.config.digest | ltrimstr("sha256:")' "$manifest")
	jq -c ".rootfs.diff_ids = [\"sha256:$DIFF\"]" "$config" >"$T/.c"
	put_blob "$1" "$T/.c"
	jq -c --argjson c "$BLOB" '.config += $c' "$manifest" >"$T/.m"
	put_blob "$1" "$T/.m"
	jq -c --argjson m "$BLOB" '.manifests[0] += $m' "$T/$1/index.json" >"$T/.i"
	cp "$T/.i" "$T/$1/index.json"
}

put_blob() { # LAYOUT FILE -> $BLOB
	local hex
	hex=$(sha256sum <"$2" | cut -d' ' -f1)
	cp "$2" "$T/$1/blobs/sha256/$hex"
	BLOB="{\"digest\":\"sha256:$hex\",\"size\":$(stat -c %s "$2")}"
}

still_good() {
	local name
	for name in good goodgz; do
		unpack "$name"
		[ "$status" -eq 0 ]
		[ "$(cat "$ROOTFS/file")" = good ]
		[ ! -e "$ROOTFS/evil" ]
		unpack_clean
		# The cache's layers, as a container sees them.
		run_layers "$name"
		[ "$status" -eq 127 ]
		[ -z "$(find "$(cache_dir)" -name evil)" ]
	done
	m fsck
	sentinel_same
}

archive_is_taken_over() {
	victim
	claim claim evil-0.tar
	local manifest config
	manifest=$T/claim/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$T/claim/index.json")
	config=$T/claim/blobs/sha256/$(jq -r '.config.digest | ltrimstr("sha256:")' "$manifest")
	cp "$config" "$T/config"
	echo '[{"Config":"c.json","RepoTags":["evil:1"],"Layers":["l.tar"]}]' >"$T/manifest"
	: >"$T/any.tar"
	taken_over load "$T/any.tar" <<-END
		copy $T/manifest 0
		copy $T/config 1
		copy $T/evil-0.tar 2
		say {"entry":{"name":"manifest.json","type":"f","number":0,"size":$(stat -c %s "$T/manifest"),"digest":"sha256:$(sha256sum <"$T/manifest" | cut -d' ' -f1)"}}
		say {"entry":{"name":"c.json","type":"f","number":1,"size":$(stat -c %s "$T/config"),"digest":"sha256:$(sha256sum <"$T/config" | cut -d' ' -f1)"}}
		say {"entry":{"name":"l.tar","type":"f","number":2,"size":$(stat -c %s "$T/evil-0.tar"),"digest":"sha256:$DIFF"}}
		say {"done":true}
	END
	[ "$status" -eq 125 ]
	grep -q 'its content has digest .*but the image config says sha256:'"$DIFF" "$T/err"
	still_good
}

@test "who takes an archive apart cannot name another image's layer" {
	for WHO in $(roles); do archive_is_taken_over; done
}

inflating_is_taken_over() {
	victim
	gzip -nkf "$T/evil-0.tar"
	claim claim evil-0.tar.gz
	taken_over load -q "oci:$T/claim:t" <<-END
		say {"blob":{"diff_id":"$DIFF","digest":"$DIFF","compression":"gzip","size":1,"diff_size":10240}}
		say {"done":true}
	END
	[ "$status" -eq 0 ]
	taken_over "oci:$T/claim:t" /no-such-program <<-END
		tree $T/evil
		say {"layer":0,"independent":true,"root_given":false,"root_default":true,"entries":1,"bytes":5,"devices":0,"xattrs":0,"owners":0}
		say {"done":true}
	END
	# The attacker's image is what the attacker says; nobody else's is.
	[ -n "$(find "$(cache_dir)" -name evil)" ]
	for name in good goodgz; do
		unpack "$name"
		[ "$(cat "$ROOTFS/file")" = good ]
		m "oci:$T/$name:t" /no-such-program 2>&1 | grep -q no-such-program
		in_cache "$name"
	done
	unpack_clean
	sentinel_same
}

# What a container of image NAME would have for a root has the victim's file, and not the attacker's.
in_cache() { # NAME
	local cache names
	cache=$(find "$(cache_dir)" -mindepth 1 -maxdepth 1 -name 'u*')
	names=$(layers_py names "$T/$1" "$cache")
	[ "$(cat "$cache/${names%%:*}/file")" = good ]
	[ ! -e "$cache/${names%%:*}/evil" ]
}

@test "who inflates a layer cannot fill another image's place in the cache" {
	need_root # to look into the user's cache
	for WHO in $(roles); do inflating_is_taken_over; done
}

fifo_for_a_blob() {
	: >"$T/any.tar"
	taken_over load "$T/any.tar" <<-END
		fifo 0
		say {"entry":{"name":"manifest.json","type":"f","number":0,"size":10}}
		say {"done":true}
	END
	[ "$status" -eq 125 ]
	grep -q 'not a regular file' "$T/err"
	local endless='{"entry":{"name":"x","type":"d"}}'
	{
		for ((i = 0; i < 3000; i++)); do echo "say $endless"; done
		echo 'say {"done":true}'
	} >"$T/script"
	MRUN_UNPACK_MAX_ENTRIES=1000 taken_over load "$T/any.tar" <"$T/script"
	[ "$status" -eq 125 ]
}

@test "FIFOs for files and endless replies end in an error" {
	for WHO in $(roles); do fifo_for_a_blob; done
}

terminal() {
	rm -f "$T/open/held"
	: >"$T/any.tar"
	taken_over load "$T/any.tar" <<<"hold $T/open/held"
	[ "$(cat "$T/open/held")" = $'0 null\n1 null\n2 null' ]
}

@test "the caller's terminal is not within its reach" {
	[[ $(ldd "$BUILD/mrun-unpack" 2>&1) != *asan* ]] || skip "the sanitizer writes there"
	mkdir -m 777 "$T/open"
	for WHO in $(roles); do terminal; done
}
