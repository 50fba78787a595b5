#!/usr/bin/env bats
# Layers on disk: the tree that mrun makes of an image equals, entry by entry, the one that umoci
# makes of it as root; in each of the three forms in which mrun has it: unpacked by `mrun unpack`
# as root, the same in a user namespace, and the cache's overlay layers. Then what bad layers get.
bats_require_minimum_version 1.5.0
load lib
load images

setup_file() {
	LAYERS=$(mktemp -d "$(lib_tmp_parent)/mrun-layers.$LIB_RUN.XXXXXXXX")
	export LAYERS
	export SENTINEL=$LAYERS/sentinel
	chmod 755 "$LAYERS"
	user_make
	user_make_plain
	command -v python3 >/dev/null && command -v zstd >/dev/null || return 0
	python3 "$BATS_TEST_DIRNAME/layers/layers.py" make "$LAYERS/tars"
}
teardown_file() {
	user_clean
	rm -rf "$LAYERS"
}
setup() {
	lib_setup
	need python3 zstd
}
teardown() { lib_teardown; }

layers() { python3 "$BATS_TEST_DIRNAME/layers/layers.py" "$@"; }

# An OCI layout of the layers of CASE in ./oci.
image_of() { # CASE
	rm -rf oci
	layers oci oci "$LAYERS/tars/$1"-[0-9].tar
}

umoci_tree() { # -> ./umoci, ./umoci.list
	rm -rf umoci
	umoci raw unpack --image oci:t umoci >umoci.log 2>&1 || {
		cat umoci.log
		return 1
	}
	layers list umoci >umoci.list
}

# The mapping that a bundle's config.json has.
mapping_of() { # BUNDLE
	jq -r '[.linux.uidMappings[] | "\(.containerID):\(.hostID):\(.size)"] | join(",")' "$1/config.json"
}

same_as_umoci() { # NAME DIR [MAP] [nodev]
	if [ "$1" = overlay ]; then
		with_layers python3 "$BATS_TEST_DIRNAME/layers/layers.py" list merged "$3" >overlay.list || return 1
	else
		layers list "$2" ${3:+"$3"} >"$1.list"
	fi
	layers diff "$1.list" umoci.list ${4:+"$4"} >"$1.diff" || {
		echo "$1 differs from umoci:"
		head -20 "$1.diff"
		return 1
	}
}

# Runs CMD with what the cache has for the image in ./oci mounted at ./merged, in a mount namespace of
# its own.
with_layers() { # CMD…
	local cache names upper
	cache=$(find "$XDG_CACHE_HOME/mrun/layers" -mindepth 1 -maxdepth 1)
	names=$(layers names oci "$cache")
	upper=$cache/${names%%:*}
	rm -rf merged up work
	mkdir merged up work
	chown "$(stat -c %u:%g "$upper")" up work
	chmod --reference="$upper" up
	touch -r "$upper" up
	unshare -m bash -c 'cd "$1" && mount -t overlay mrun-test -o "$2" "$3/merged" && cd "$3" && shift 3 && "$@"' \
		- "$cache" "userxattr,lowerdir=$names,upperdir=$T/up,workdir=$T/work" "$T" "$@"
}

# All three forms of the image in ./oci against umoci.
all_forms() { # [nodev]
	umoci_tree || return 1
	rm -rf root mapped
	"$MRUN" unpack oci:oci:t root >/dev/null 2>&1 || { echo unpack failed; return 1; }
	same_as_umoci root root/rootfs '' || return 1
	"$MRUN" unpack --rootless oci:oci:t mapped >/dev/null 2>&1 || { echo unpack --rootless failed; return 1; }
	same_as_umoci mapped mapped/rootfs "$(mapping_of mapped)" nodev || return 1
	overlay_form
}

overlay_form() {
	rm -rf "$XDG_CACHE_HOME/mrun"
	# The layers are made ready before the command turns out to be missing.
	"$MRUN" oci:oci:t /no-such-program >run.log 2>&1 || true
	same_as_umoci overlay merged "0:$(stat -c %u "$XDG_CACHE_HOME"/mrun/layers/*):65536" nodev || {
		cat run.log
		return 1
	}
}

@test "odd layers become what umoci makes of them" {
	need_root
	need umoci
	local case failed=''
	while read -r case; do
		image_of "$case"
		all_forms || failed+=" $case"
	done <"$LAYERS/tars/odd.list"
	echo "failed:$failed"
	[ -z "$failed" ]
}

@test "the Alpine image becomes what umoci makes of it" {
	need_root
	need umoci
	[ "$BASE_KIND" = alpine ] || skip "no Alpine tarball here"
	layers oci oci "$ROOT"/../shared/alpine/*.tar.gz
	all_forms
}

make_debian() { # FILE
	# shellcheck source=/dev/null
	# bats keeps descriptors open, and dash, which mmdebstrap hands its own to, knows no two-digit ones.
	mmdebstrap --quiet --variant=minbase --mode=root "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$1.tar" \
		2>"$T/mmdebstrap" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &&
		gzip -f "$1.tar" && mv "$1.tar.gz" "$1"
}

@test "a Debian image becomes what umoci makes of it" {
	need_root
	need umoci mmdebstrap
	local tar
	grep -qx 'ID=debian' /etc/os-release || skip "mmdebstrap's default mirror is this distribution's, which is not Debian"
	tar=$(lib_cached debian.tar.gz make_debian) || skip "mmdebstrap failed: $(tail -n 1 "$T/mmdebstrap")"
	layers oci oci "$tar"
	all_forms
}

@test "sparse files keep their holes" {
	local form
	need tar
	mkdir sparse
	truncate -s 5M sparse/end && printf end >>sparse/end
	truncate -s 3M sparse/middle && printf middle | dd of=sparse/middle bs=1 seek=1000000 conv=notrunc status=none
	truncate -s 4M sparse/hole
	for form in --format=gnu '--format=pax --sparse-version=0.0' '--format=pax --sparse-version=0.1' --format=pax; do
		rm -rf oci out sparse.tar
		# shellcheck disable=SC2086
		tar -C sparse -S $form -cf sparse.tar .
		layers oci oci sparse.tar
		"$MRUN" unpack oci:oci:t out
		diff -r sparse out/rootfs
		[ "$(du -sk out/rootfs | cut -f1)" -lt 1000 ]
		rm -rf out
	done
}

@test "unusual but sound streams are taken" {
	local file first=''
	for file in "$LAYERS"/tars/same/*.tar; do
		rm -rf oci out
		layers oci oci "$file"
		"$MRUN" unpack oci:oci:t out
		layers list out/rootfs | sha256sum >sum
		: "${first:=$(cat sum)}"
		[ "$(cat sum)" = "$first" ] || { echo "$file"; false; }
		rm -rf out
	done
}

@test "a layer's own overlay attributes, whiteout devices and aufs names are left out" {
	local list
	need_root
	image_of overlay
	run -0 "$MRUN" unpack oci:oci:t out
	[[ "$output" == *"left out while unpacking: 1 device nodes, 3 extended attributes"* ]]
	list=$(layers list out/rootfs)
	! grep -q overlay <<<"$list"
	[ -f out/rootfs/etc/a ]
	"$MRUN" oci:oci:t /no-such-program >run.log 2>&1 || true
	run -0 with_layers ls merged/etc
	[ "$output" = $'a\nz' ]
	image_of aufs
	"$MRUN" unpack oci:oci:t out2
	[ "$(ls -A out2/rootfs)" = f ]
}

@test "devices are left out in a user namespace, and counted in one line" {
	image_of devices
	run -0 "$MRUN" unpack --rootless oci:oci:t out
	[ "$(grep -c 'left out while unpacking: 2 device nodes' <<<"$output")" -eq 1 ]
	[ "$(ls -A out/rootfs/dev)" = "" ]
	[ -f out/rootfs/f ]
}

@test "an ordinary user's unpacked image has the image's owners" {
	local sub
	need_root
	need umoci
	image_of owners
	umoci_tree
	cp -r oci "$TEST_HOME/oci" && chown -R "$TEST_USER:" "$TEST_HOME/oci"
	as_user "$MRUN" unpack "oci:$TEST_HOME/oci:t" "$TEST_HOME/out"
	sub=$(lib_subid "$TEST_USER" /etc/subuid)
	same_as_umoci user "$TEST_HOME/out/rootfs" "0:$TEST_UID:1,1:$sub:65535"
	as_user "$MRUN" "oci:$TEST_HOME/oci:t" /no-such-program || [ $? -ne 125 ]
	as_user find "$TEST_HOME/.cache/mrun/layers" -maxdepth 1 | grep -q "u0.$TEST_UID.1+1.$sub"
	as_user "$MRUN" prune --all --force
	[ -z "$(find "$TEST_HOME/.cache/mrun/layers" -name 'diff-*' -o -name 'chain-*' -o -name 'tmp-*')" ]
	rm -rf "$TEST_HOME/out" "$TEST_HOME/oci"
}

@test "without subordinate ids everything is the user's, and it says so" {
	need_root
	image_of metadata
	cp -r oci "$TEST_HOME2/oci" && chown -R "$TEST_USER2:" "$TEST_HOME2/oci"
	run -0 as_user2 "$MRUN" unpack "oci:$TEST_HOME2/oci:t" "$TEST_HOME2/out"
	[[ "$output" == *"the owners of "*" entries"* ]]
	[ -z "$(find "$TEST_HOME2/out/rootfs" ! -user "$TEST_USER2")" ]
	[ "$(stat -c %a "$TEST_HOME2/out/rootfs/suid")" = 4755 ]
	rm -rf "$TEST_HOME2/out" "$TEST_HOME2/oci"
}

@test "an owner outside of the mapped ids is an error that says what to do" {
	need_root
	python3 - <<'PY'
import tarfile
with tarfile.open("l-0.tar", "w") as t:
    i = tarfile.TarInfo("file")
    i.uid = 70000
    t.addfile(i)
PY
	layers oci oci l-0.tar
	run ! "$MRUN" unpack --rootless oci:oci:t out
	[[ "$output" == *"entry file: set owner 70000:0"*"hint:"*"/etc/subuid"* ]]
}

# --- bad layers ------------------------------------------------------------------------------

# Neither command leaves anything of the image in ./oci behind.
nothing_left() {
	[ ! -e out ] || { ls -lR out; return 1; }
	[ ! -d "$XDG_CACHE_HOME/mrun/layers" ] ||
		[ -z "$(find "$XDG_CACHE_HOME/mrun/layers" -mindepth 2 -maxdepth 2 -name '*-*')" ]
}

@test "bad layers get one clear line that names the layer, and leave nothing" {
	local case one two out status failed=''
	while IFS=$'\t' read -r case one two; do
		rm -rf oci
		layers oci oci "$LAYERS/tars/bad/$case.tar"
		for out in "unpack oci:oci:t out" "oci:oci:t /bin/true"; do
			status=0
			# shellcheck disable=SC2086
			"$MRUN" $out >out.log 2>&1 || status=$?
			{ [ "$status" -eq 125 ] && [ "$(grep -vc '^hint: ' out.log)" -eq 1 ] &&
				grep -q -e "$one" ${two:+-e "$two"} out.log && nothing_left; } || {
				failed+=" $case"
				echo "$case ($out): $status, wanted '$one'"
				cat out.log
			}
		done
	done <"$LAYERS/tars/bad.list"
	echo "failed:$failed"
	[ -z "$failed" ]
}

@test "a blob or tar of another digest is refused" {
	local file hex=''
	image_of metadata
	"$MRUN" load -q oci:oci:t
	# Every blob of the store that is a tar, with one byte of a file changed.
	for file in "$(store)"/blobs/sha256/*; do
		grep -qa ustar "$file" || continue
		chmod u+w "$file"
		printf '\001' | dd of="$file" bs=1 seek=200 conv=notrunc status=none
		hex=${file##*/}
	done
	[ -n "$hex" ]
	run -125 "$MRUN" unpack "$("$MRUN" images --quiet)" out
	[[ "$output" == *"layer "* ]]
	nothing_left
}

@test "what grows too large is refused, and the limits can be raised" {
	image_of metadata
	export MRUN_UNPACK_MAX_ENTRIES=3
	run -125 "$MRUN" unpack oci:oci:t out
	[[ "$output" == *"more than the 3 entries allowed"*"hint: "*MRUN_UNPACK_MAX_ENTRIES* ]]
	nothing_left
	export MRUN_UNPACK_MAX_ENTRIES=100 MRUN_UNPACK_MAX_BYTES=1k
	run -125 "$MRUN" unpack oci:oci:t out
	[[ "$output" == *"more than the 1024 bytes allowed"*"hint: "*MRUN_UNPACK_MAX_BYTES* ]]
	nothing_left
	export MRUN_UNPACK_MAX_BYTES=1x
	run -125 "$MRUN" unpack oci:oci:t out
	[[ "$output" == *"MRUN_UNPACK_MAX_BYTES: '1x' is not a size"* ]]
	unset MRUN_UNPACK_MAX_BYTES MRUN_UNPACK_MAX_ENTRIES
	"$MRUN" unpack oci:oci:t out
}

@test "a decompression bomb is refused early, in bounded memory" {
	need gzip
	# One file of 4 GiB of zeros: a tar header made by hand, as tar would read them all.
	python3 - <<'PY' >head
import sys, tarfile
i = tarfile.TarInfo("zeros")
i.size = 4 << 30
sys.stdout.buffer.write(i.tobuf())
PY
	{ cat head && head -c 4294967296 /dev/zero; } | gzip -1 >bomb.tar.gz
	layers oci oci "$LAYERS/tars/empty-0.tar"
	# The diffID is never reached.
	layer=$(put oci bomb.tar.gz)
	change_image oci '.' ".layers[0] += $layer | .layers[0].mediaType += \"+gzip\""
	run -125 "$MRUN" unpack oci:oci:t out
	[[ "$output" == *"grows more than 100-fold"* ]]
	nothing_left
}

@test "layers cannot reach outside of their directory" {
	local case before after
	while read -r case; do
		rm -rf "$SENTINEL" out oci
		mkdir -p "$SENTINEL" && echo keep >"$SENTINEL/file" && ln -s file "$SENTINEL/link"
		touch -d @1000 "$SENTINEL/file" "$SENTINEL"
		before=$(layers list "$SENTINEL")
		image_of "$case"
		"$MRUN" unpack oci:oci:t out || [ $? -eq 125 ]
		"$MRUN" oci:oci:t /no-such-program || true
		after=$(layers list "$SENTINEL")
		[ "$before" = "$after" ] || { echo "$case: $after"; false; }
		rm -rf out
	done <"$LAYERS/tars/attacks.list"
}

# --- the cache -------------------------------------------------------------------------------

entries() { find "$XDG_CACHE_HOME/mrun/layers" -mindepth 2 -maxdepth 2 -name "${1:-*-*}" | sort; }

@test "a layer that depends on what is below it is kept apart, others are shared" {
	need_root
	image_of only-tmp-x
	"$MRUN" oci:oci:t /no-such-program || true
	[ "$(entries 'diff-*' | wc -l)" -eq 1 ]
	[ "$(entries 'chain-*' | wc -l)" -eq 2 ]
	entries >before
	# Another image on the same base.
	image_of hard-link-lower
	"$MRUN" oci:oci:t /no-such-program || true
	[ "$(entries 'diff-*' | wc -l)" -eq 1 ]
	[ -z "$(comm -23 before <(entries))" ]
}

@test "127 layers, the topmost depending on the rest" {
	need_root
	need umoci
	python3 - <<'PY'
import io, tarfile
for i in range(127):
    with tarfile.open(f"m-{i:03}.tar", "w") as t:
        if i < 126:
            e = tarfile.TarInfo(f"d{i % 7}")
            e.type, e.mode = tarfile.DIRTYPE, 0o700 + i % 8
            t.addfile(e)
        e = tarfile.TarInfo(f"d{i % 7}/f{i}")
        e.size = 3
        t.addfile(e, io.BytesIO(b"abc"))
PY
	layers oci oci m-*.tar
	umoci_tree
	overlay_form
	[ "$(entries 'chain-*' | wc -l)" -eq 1 ]
}

@test "what a killed run left is removed by the next one" {
	local pid i
	need_root
	# Large enough to be caught in the middle.
	python3 - <<'PY'
import tarfile
with tarfile.open("many-0.tar", "w") as t:
    for i in range(60000):
        t.addfile(tarfile.TarInfo(f"f{i}"))
PY
	layers oci oci many-0.tar
	"$MRUN" load -q oci:oci:t
	for _ in {1..10}; do # a machine may be so slow, or so fast, that the moment is missed
		"$MRUN" oci:oci:t /no-such-program 2>/dev/null &
		pid=$!
		for ((i = 0; i < 2000; i++)); do
			[ -d "$XDG_CACHE_HOME/mrun/layers" ] && [ -n "$(entries 'tmp-*')" ] && break
			sleep 0.01
		done
		kill -KILL "$pid"
		wait "$pid" || true
		[ -z "$(entries 'tmp-*')" ] || break
		"$MRUN" prune --all --force >/dev/null
		"$MRUN" load -q oci:oci:t
	done
	[ -n "$(entries 'tmp-*')" ]
	[ -z "$(entries 'diff-*')" ]
	image_of opaque
	"$MRUN" oci:oci:t /no-such-program || true
	[ -z "$(entries 'tmp-*')" ]
	[ "$(entries 'diff-*' | wc -l)" -eq 2 ]
}

@test "many at once make each layer once" {
	local i pids=()
	image_of only-tmp-x
	"$MRUN" load -q oci:oci:t
	for i in 1 2 3 4 5 6 7 8; do
		"$MRUN" oci:oci:t /no-such-program >"log$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || [ $? -eq 127 ]
	done
	! grep -v 'no-such-program\|hint' log?
	[ "$(entries | wc -l)" -eq 3 ]
	[ -z "$(entries 'tmp-*')" ]
}

@test "a full disk is one clear line, and leaves the cache as it was" {
	need_root
	mkdir small
	mount -t tmpfs -o size=300k mrun-test small
	python3 - <<'PY'
import io, tarfile
with tarfile.open("big-0.tar", "w") as t:
    i = tarfile.TarInfo("big")
    i.size = 1 << 20
    t.addfile(i, io.BytesIO(b"b" * i.size))
PY
	layers oci oci big-0.tar
	XDG_CACHE_HOME=$T/small run -125 "$MRUN" oci:oci:t /bin/true
	[[ "$output" == *"no space left on device"* ]]
	[ -z "$(find small -name 'tmp-*' -o -name 'diff-*')" ]
	umount small
}

@test "pruning leaves what is in use" {
	local cache fd
	need_root
	image_of opaque
	"$MRUN" oci:oci:t /no-such-program || true
	cache=$(entries 'diff-*' | head -1)
	exec {fd}<"$cache"
	flock -s "$fd"
	"$MRUN" prune --all --force
	[ "$(entries 'diff-*')" = "$cache" ]
	exec {fd}<&-
	"$MRUN" prune --all --force
	[ -z "$(entries)" ]
}
