#!/usr/bin/env bats
# What bad images get: one clear line, exit code 125, and nothing left behind in the store.
# shellcheck disable=SC2154 # bats sets stderr
bats_require_minimum_version 1.5.0
load lib
load images

setup() { lib_setup; }
teardown() { lib_teardown; }

# --- archives --------------------------------------------------------------------------------

@test "a file that is cut short" {
	local format size
	for format in docker docker-new oci; do
		small_image i.tar --format $format
		size=$(stat -c %s i.tar)
		for at in 600 3000 $((size / 2)) $((size - 11000)); do
			head -c "$at" i.tar >cut.tar
			refused 'load image from .*cut.tar' "$MRUN" load cut.tar
		done
		gzip -c i.tar | head -c 500 >cut.tgz
		refused 'load image from .*cut.tgz' "$MRUN" load cut.tgz
		zstd -qc i.tar | head -c 500 >cut.tzst
		refused 'load image from .*cut.tzst' "$MRUN" load cut.tzst
	done
}

@test "a file that is not an image" {
	: >empty
	head -c 50000 /dev/urandom >random
	head -c 50000 /dev/zero >zeros
	seq 10000 >text
	seq 10000 | gzip >text.gz
	for file in empty random zeros text text.gz; do
		refused "load image from .*$file" "$MRUN" load "$file"
	done
	mkdir d && echo x >d/file
	tar -cf d.tar d
	refused 'neither manifest.json .* nor index.json' "$MRUN" load d.tar
	grep -q '^hint: .*mrun import' "$T/.err"
	refused 'not an image: an OCI layout directory has' "$MRUN" load ./d
	refused 'no such file' "$MRUN" load nothing.tar
	refused 'no such file' "$MRUN" load oci:nothing
	refused 'not a directory' "$MRUN" load oci:d.tar
	refused 'is a directory' "$MRUN" load docker-archive:d
	mkfifo fifo
	refused 'not found' "$MRUN" history fifo
}

# manifest.json of a docker-archive changed by a jq program.
docker_archive() { # JQ
	rm -rf da && mkdir da
	small_image i.tar
	tar -C da -xf i.tar
	jq -c "$1" da/manifest.json >m && cp m da/manifest.json
	tar -C da -cf bad.tar .
}

@test "a docker-archive that lies" {
	docker_archive '.[0].Layers += .[0].Layers'
	refused '2 layers in manifest.json, but 1 diff_ids' "$MRUN" load bad.tar
	docker_archive '.[0].Layers = []'
	refused '0 layers in manifest.json, but 1 diff_ids' "$MRUN" load bad.tar
	docker_archive '.[0].Layers[0] = "../../../etc/passwd"'
	refused 'find \.\./\.\./\.\./etc/passwd in the archive: no such file' "$MRUN" load bad.tar
	docker_archive '.[0].Config = "/etc/passwd"'
	refused 'image config: find /etc/passwd in the archive' "$MRUN" load bad.tar
	docker_archive '.[0].RepoTags = ["../../x"]'
	refused "invalid image name '../../x'" "$MRUN" load bad.tar
	docker_archive '.[0]'
	refused 'manifest.json: expected an array' "$MRUN" load bad.tar
	docker_archive '.[0].Layers = "x"'
	refused 'manifest.json\[0\].Layers: expected an array, got a string' "$MRUN" load bad.tar
	docker_archive '[]'
	refused 'it holds no image' "$MRUN" load bad.tar
	docker_archive .
	config=$(jq -r '.[0].Config' da/manifest.json)
	echo ' ' >>"da/$config"
	tar -C da -cf bad.tar .
	refused "config ${config%.json}: wrong digest" "$MRUN" load bad.tar
	docker_archive .
	cp "$T/small.layer" x
	tar -rf x small
	layer=$(jq -r '.[0].Layers[0]' da/manifest.json)
	cp x "da/$layer"
	tar -C da -cf bad.tar .
	refused 'layer 1 of 1 .*its content has digest sha256:.*, but the image config says sha256:.*diffID' "$MRUN" load bad.tar
	gzip -c x >"da/$layer"
	tar -C da -cf bad.tar .
	refused 'layer 1 of 1 .*diffID' "$MRUN" load bad.tar
}

@test "links in an archive lead nowhere but to its own entries" {
	docker_archive .
	layer=$(cd da && echo */layer.tar)
	mv "da/$layer" da/real.tar
	ln -s ../real.tar "da/$layer"
	tar -C da -cf good.tar .
	"$MRUN" load -q good.tar
	"$MRUN" prune -af >/dev/null
	ln -sf /etc/passwd "da/$layer"
	tar -C da -cf bad.tar .
	refused 'in the archive: no such file' "$MRUN" load bad.tar
	ln -sf ../../../../../../../../etc/passwd "da/$layer"
	tar -C da -cf bad.tar .
	refused 'in the archive: no such file' "$MRUN" load bad.tar
	ln -sf layer.tar "da/$layer"
	tar -C da -cf bad.tar .
	refused 'in the archive: no such file' "$MRUN" load bad.tar
	# An entry's name is data: nothing appears beside the store.
	tar -C da -cPf bad.tar --transform 's,real.tar,../../../escaped,' real.tar
	refused 'not an image' "$MRUN" load bad.tar
	[ -z "$(find "$T" -name escaped)" ]
}

# --- layouts ---------------------------------------------------------------------------------

@test "wrong digests and sizes" {
	small_layout g --compress gzip
	for part in manifest config layer; do
		rm -rf b && cp -r g b
		manifest=$(manifest_of b)
		case $part in
		manifest) file=$manifest ;;
		config) file=$(blob b "$(jq -r .config.digest "$manifest")") ;;
		layer) file=$(blob b "$(jq -r '.layers[0].digest' "$manifest")") ;;
		esac
		printf x | dd of="$file" bs=1 seek=20 conv=notrunc status=none
		refused 'load image from oci:b: .*' "$MRUN" load oci:b
		cp "$(dirname "$file" | sed s/^b/g/)/$(basename "$file")" "$file"
		echo >>"$file"
		refused 'has [0-9]+ bytes, its descriptor says [0-9]+' "$MRUN" load oci:b
		rm "$file"
		refused 'no such file' "$MRUN" load oci:b
		# The same from an archive.
		cp "$(dirname "$file" | sed s/^b/g/)/$(basename "$file")" "$file"
		printf x | dd of="$file" bs=1 seek=20 conv=notrunc status=none
		tar -C b -cf b.tar .
		refused 'load image from b.tar: ' "$MRUN" load b.tar
	done
	small_layout p
	layer=$(blob p "$(jq -r '.layers[0].digest' "$(manifest_of p)")")
	printf x | dd of="$layer" bs=1 seek=1000 conv=notrunc status=none
	refused 'layer 1 of 1: blob sha256:.*: wrong digest' "$MRUN" load oci:p
}

@test "a layer that lies about what it holds" {
	for compress in none gzip zstd; do
		small_layout "l-$compress" --compress $compress
		change_image "l-$compress" '.rootfs.diff_ids[0] = "sha256:" + ("0" * 64)' .
		refused 'layer 1 of 1: its content has digest .*config says sha256:0000.*diffID' "$MRUN" load "oci:l-$compress"
	done
	# It is found out also when the blob itself is in the store already.
	small_layout good --compress gzip
	"$MRUN" load -q oci:good
	run -125 "$MRUN" load oci:l-gzip
	[[ $output == *diffID* ]]
	[ "$("$MRUN" images -q | wc -l)" -eq 1 ]
	"$MRUN" fsck
	"$MRUN" prune -af >/dev/null
	small_layout n
	change_image n '.rootfs.diff_ids += .rootfs.diff_ids' .
	refused '1 layers in the manifest, but 2 diff_ids' "$MRUN" load oci:n
	small_layout m
	change_image m . '.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar+encrypted"'
	refused 'layers\[0\]: unknown layer type .*encrypted' "$MRUN" load oci:m
}

# A layout of two layers, whose blobs are large enough to be digested while they are inflated.
large_layout() { # DIR [OPTION…]
	local dir=$1 i
	shift
	mkdir -p large
	for i in 1 2; do
		[ -f "large/$i.tar" ] || {
			head -c 1500000 /dev/urandom >"large/file$i"
			tar -C large -cf "large/$i.tar" --owner=0 --group=0 "file$i"
		}
	done
	"$ROOT/scripts/make-image" --base none --no-hello --layer large/1.tar --layer large/2.tar --name large:1 \
		--cmd '["/bin/true"]' --format oci "$@" --output large.tar 2>/dev/null
	rm -rf "$dir" && mkdir "$dir" && tar -C "$dir" -xf large.tar
}
layer_of() { # DIR N -> path
	blob "$1" "$(jq -r ".layers[$2].digest" "$(manifest_of "$1")")"
}
nothing_unpacked() {
	[ ! -e out ] && [ -z "$(find "$XDG_CACHE_HOME" -name 'diff-*' -o -name 'chain-*' -o -name 'tmp-*')" ]
}

@test "a wrong digest of a large blob, which is found out while it is inflated" {
	local compress layer at file right
	for compress in gzip zstd none; do
		large_layout l --compress $compress
		for layer in 0 1; do
			file=$(layer_of l $layer)
			cp "$file" right
			# 4: gzip's time, whatever it says the content is the same. 700000: damages that, too.
			for at in 4 700000; do
				printf '\377\376\375\374' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
				refused "layer $((layer + 1)) of 2: blob sha256:.*: wrong digest, its content has sha256:" "$MRUN" load oci:l
				refused 'load image from oci:l: (layer . of 2: )?blob sha256:.*: wrong digest' "$MRUN" unpack oci:l out
				nothing_unpacked
				refused 'load image from oci:l: (layer . of 2: )?blob sha256:.*: wrong digest' "$MRUN" --network none oci:l
				nothing_unpacked
				cp right "$file"
			done
		done
		truncate -s -1 "$file"
		refused 'has [0-9]+ bytes, its descriptor says' "$MRUN" unpack oci:l out
		cp right "$file"
		# It is looked at also when the cache has the layers already, and the store has not.
		run -127 "$MRUN" --network none oci:l /no-such-program
		"$MRUN" fsck
		"$MRUN" rmi -q large:1 >/dev/null 2>&1 || "$MRUN" rmi large:1
		"$MRUN" prune -f >/dev/null
		printf x | dd of="$file" bs=1 seek=4 conv=notrunc status=none
		run -125 "$MRUN" --network none oci:l /no-such-program
		[[ $output == *'wrong digest'* ]]
		"$MRUN" prune -af >/dev/null
		store_is_empty
	done
}

@test "blobs about as large as those that are digested by a thread" {
	local size n=1048576 more file
	mkdir part
	for more in -512 0 512 262144; do
		head -c $((n + more - 1536)) /dev/urandom >part/file
		tar -b 1 -C part -cf part.tar --owner=0 --group=0 file
		size=$(stat -c %s part.tar)
		[ "$size" -eq $((n + more)) ]
		"$ROOT/scripts/make-image" --base none --no-hello --layer part.tar --name part:1 --cmd '["/bin/true"]' \
			--format oci --output part.oci 2>/dev/null
		rm -rf l out && mkdir l && tar -C l -xf part.oci
		"$MRUN" unpack oci:l out
		cmp part/file out/rootfs/file
		"$MRUN" fsck
		"$MRUN" prune -af >/dev/null
		file=$(layer_of l 0)
		printf x | dd of="$file" bs=1 seek=$((size - 1)) conv=notrunc status=none
		rm -r out
		refused 'blob sha256:.*: wrong digest' "$MRUN" unpack oci:l out
		refused 'blob sha256:.*: wrong digest' "$MRUN" load oci:l
	done
}

@test "a layout that is written to while it is read" {
	local file writer i good=0 bad=0
	large_layout l --compress gzip
	file=$(layer_of l 1)
	# Another time of gzip's, and back: one byte, by which nothing but the blob's digest is another.
	dd if="$file" bs=1 skip=4 count=1 of=byte status=none
	while [ ! -e stop ]; do
		printf x | dd of="$file" bs=1 seek=4 conv=notrunc status=none
		dd if=byte of="$file" bs=1 seek=4 conv=notrunc status=none
	done 3>&- &
	writer=$!
	for ((i = 0; i < 20; i++)); do
		if "$MRUN" unpack oci:l out 2>err; then
			good=$((good + 1))
			cmp large/file2 out/rootfs/file2
			"$MRUN" fsck
		else
			bad=$((bad + 1))
			grep -q 'wrong digest' err
			[ ! -e out ]
		fi
		"$MRUN" prune -af >/dev/null
		rm -rf out
	done
	touch stop
	wait "$writer"
	echo "$good good, $bad bad"
	store_is_empty
}

@test "manifests that are something else" {
	small_layout l
	change_image l . '.manifests = []'
	refused 'is a manifest and an index at once.*CVE-2021-41190' "$MRUN" load oci:l
	small_layout l
	change_image l . '.mediaType = "application/vnd.oci.image.index.v1+json"'
	refused 'media type .*index.*, expected an image manifest' "$MRUN" load oci:l
	small_layout l
	change_image l . '.mediaType = "application/vnd.docker.distribution.manifest.v2+json"'
	refused 'its media type is .*docker.*, but its descriptor says' "$MRUN" load oci:l
	small_layout l
	change_image l . '.config.mediaType = "application/vnd.cncf.helm.config.v1+json"'
	refused 'not a container image, its config is of type application/vnd.cncf.helm' "$MRUN" load oci:l
	small_layout l
	change_image l . '{schemaVersion: 1, name: "x", tag: "y", fsLayers: [], history: []}'
	refused 'Docker schema 1 manifest' "$MRUN" load oci:l
	small_layout l
	change_index l '.manifests[0].mediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws"'
	refused 'Docker schema 1 manifest' "$MRUN" load oci:l
	small_layout l
	change_image l . '.schemaVersion = 3'
	refused 'schemaVersion 3, expected 2' "$MRUN" load oci:l
	small_layout l
	change_index l '.layers = []'
	refused 'CVE-2021-41190' "$MRUN" load oci:l
	small_layout l
	change_index l '.manifests = []'
	refused 'it holds no image' "$MRUN" load oci:l
	small_layout l
	echo '{"imageLayoutVersion":"2.0"}' >l/oci-layout
	refused "imageLayoutVersion '2.0' is not supported" "$MRUN" load oci:l
}

@test "digests and sizes that are none" {
	while read -r digest why; do
		small_layout l
		change_index l ".manifests[0].digest = \"$digest\""
		refused "$why" "$MRUN" load oci:l
	done <<-'LIST'
		../../../../etc/passwd invalid digest
		sha256:abc invalid digest
		sha256:../../../../../../../../../../../../../../../../../../etc/passwd00000 invalid digest
		sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e sha512 is not supported, only sha256
	LIST
	small_layout l
	change_index l '.manifests[0].size = -1'
	refused 'negative size -1' "$MRUN" load oci:l
	small_layout l
	change_index l '.manifests[0].size = 1e300'
	refused 'manifests\[0\].size: expected an integer' "$MRUN" load oci:l
	small_layout l
	change_index l '.manifests[0].size = "7"'
	refused 'manifests\[0\].size: expected an integer, got a string' "$MRUN" load oci:l
	small_layout l
	change_index l 'del(.manifests[0].digest)'
	refused 'manifests\[0\].digest: required, and not there' "$MRUN" load oci:l
}

# Replaces one JSON document of a layout by a file, with the digests made right.
replace() { # DIR index|manifest|config FILE
	local manifest
	case $2 in
	index) cp "$3" "$1/index.json" ;;
	manifest) change_index "$1" ".manifests[0] += $(put "$1" "$3")" ;;
	config)
		manifest=$(manifest_of "$1")
		jq -cj ".config += $(put "$1" "$3")" "$manifest" >"$T/.manifest"
		change_index "$1" ".manifests[0] += $(put "$1" "$T/.manifest")"
		;;
	esac
}

@test "JSON that is broken, too deep or too big" {
	printf '{"schemaVersion": 2, "manifests": [' >cut.json
	printf '{"a": nope}' >word.json
	printf '[1, 2]' >array.json
	printf '{"schemaVersion": 2} {"schemaVersion": 2}' >two.json
	printf '{"a": "\xff\xfe"}' >utf8.json
	printf '{"a": "x\\u0000y"}' >nul.json
	: >empty.json
	head -c 100000 /dev/zero | tr '\0' '[' >deep.json
	python3 -c 'print("{\"a\":" * 100000 + "1" + "}" * 100000, end="")' >deepobj.json
	python3 -c 'print("[" * 100000 + "]" * 100000, end="")' >deeparr.json
	head -c 5000000 /dev/zero | tr '\0' ' ' >big.json
	for document in index manifest config; do
		for file in cut word array two utf8 nul empty deep deepobj deeparr big; do
			rm -rf j && small_layout j
			replace j $document $file.json
			refused 'load image from oci:j: ' "$MRUN" load oci:j
			case $file in
			deep*) grep -q 'nested too deeply' "$T/.err" ;;
			big) grep -Eq 'more than the [0-9]+ (bytes )?allowed' "$T/.err" ;;
			esac
		done
	done
	for file in cut word deep big; do
		docker_archive .
		cp $file.json da/manifest.json
		tar -C da -cf bad.tar .
		refused 'load image from bad.tar: ' "$MRUN" load bad.tar
	done
}

@test "links in a layout cannot lead out of it" {
	small_layout l
	manifest=$(manifest_of l)
	config=$(blob l "$(jq -r .config.digest "$manifest")")
	cp "$config" outside
	ln -sf "$T/outside" "$config"
	refused 'no such file' "$MRUN" load oci:l
	ln -sf ../../../outside "$config"
	refused 'no such file' "$MRUN" load oci:l
	rm "$config"
	mkfifo "$config"
	refused 'not a regular file' timeout 10 "$MRUN" load oci:l
	rm "$config"
	ln -s /dev/zero "$config"
	refused 'no such file' timeout 10 "$MRUN" load oci:l
	# Inside it they may.
	rm "$config"
	cp outside l/aside
	ln -s ../../aside "$config"
	"$MRUN" load -q oci:l
}

@test "running a bad image fails the same way" {
	small_image i.tar
	head -c 3000 i.tar >cut.tar
	refused 'load image from ./cut.tar: ' "$MRUN" ./cut.tar
	refused "image 'nothing' not found: not in the image store, and there is no file of that name" "$MRUN" nothing
	# Its layers are inflated once, when they are unpacked: it is found out there, and nothing stays.
	for compress in none gzip zstd; do
		small_layout "l-$compress" --compress $compress
		change_image "l-$compress" '.rootfs.diff_ids[0] = "sha256:" + ("0" * 64)' .
		for command in "" unpack; do
			# shellcheck disable=SC2086 # a word or none
			refused 'load image from .*its content has digest .*config says sha256:0000.*diffID' \
				"$MRUN" $command "oci:l-$compress" bundle
			grep -q '^hint: the image is damaged' "$T/.err"
			[ ! -e bundle ]
		done
	done
	run -0 find "$XDG_CACHE_HOME/mrun/layers" -mindepth 2 ! -name lock
	[ -z "$output" ]
}

@test "an image in two forms under two names: each is looked at, whichever is run" {
	small_layout l --compress gzip
	manifest=$(manifest_of l)
	seq 1000 >file
	tar -czf other file
	jq -cj ".layers[0] += $(put l other)" "$manifest" >second
	change_index l ".manifests += [.manifests[0] + $(put l second) | .annotations = {\"org.opencontainers.image.ref.name\": \"other\"}]"
	refused 'its content has digest .*diffID' "$MRUN" oci:l
}

# --- the store -------------------------------------------------------------------------------

@test "a full disk" {
	need_root
	need unshare
	small_image i.tar
	mkdir full
	cat >in-namespace <<-'SH'
		set -e
		mount -t tmpfs -o "size=$1" none full
		XDG_DATA_HOME=$PWD/full "$MRUN" load i.tar >out 2>err || echo "$?" >code
		find full/mrun/blobs full/mrun/tmp full/mrun/diffs -type f >left
		cp full/mrun/index.json index.json 2>/dev/null || true
	SH
	# Too small for the archive, and for this or that part of what follows.
	for size in 60k 100k 204k 212k 220k; do
		rm -f code index.json
		unshare -m bash in-namespace $size
		[ -f code ] || {
			[ -s index.json ]
			continue
		}
		[ "$(cat code)" -eq 125 ]
		grep -q 'no space left on device' err
		[ "$(grep -vc ^hint: err)" -eq 1 ]
		[ ! -s left ]
	done
	unshare -m bash in-namespace 10m
	[ ! -f code ] || [ "$(cat code)" -eq 125 ]
	"$MRUN" load -q i.tar
	run -125 bash -c '"$MRUN" images >/dev/full'
	[[ $output == *"no space left on device"* ]]
	run -125 bash -c '"$MRUN" save small:1 >/dev/full'
	[[ $output == *"no space left on device"* ]]
	run -125 "$MRUN" save -o /dev/full small:1
}

@test "a crash leaves nothing that stays" {
	small_image i.tar
	mkdir -p "$(store)/tmp/0123456789abcdef/in"
	echo half >"$(store)/tmp/0123456789abcdef/in/0"
	"$MRUN" load -q i.tar
	[ -z "$(ls -A "$(store)/tmp")" ]
	# What another process still fills is left alone.
	mkdir "$(store)/tmp/fedcba9876543210"
	exec 8<"$(store)/tmp/fedcba9876543210"
	flock 8
	"$MRUN" prune >/dev/null
	[ -d "$(store)/tmp/fedcba9876543210" ]
	exec 8<&-
	"$MRUN" prune >/dev/null
	[ -z "$(ls -A "$(store)/tmp")" ]
}

@test "killed at any moment, the store stays whole" {
	small_image a.tar
	small_image b.tar --name b:1 --cmd '["b"]'
	"$MRUN" load -q a.tar
	for ms in 1 2 3 5 8 13 20 30; do
		"$MRUN" load -q b.tar 2>/dev/null 8>&- &
		sleep "0.0$(printf %02d $ms)"
		kill -KILL $! 2>/dev/null || true
		wait $! 2>/dev/null || true
		"$MRUN" fsck >/dev/null
		"$MRUN" inspect small:1 >/dev/null
	done
	"$MRUN" load -q b.tar
	"$MRUN" rmi b:1 small:1 >/dev/null
	"$MRUN" prune >/dev/null
	store_is_empty
}

@test "many at once: no image is lost" {
	for i in {1..8}; do
		small_image "i$i.tar" --name "n:$i" --cmd "[\"$i\"]"
	done
	pids=()
	for i in {1..8}; do
		"$MRUN" load -q "i$i.tar" &
		pids+=($!)
		"$MRUN" prune >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$("$MRUN" images -q n | wc -l)" -eq 8 ]
	"$MRUN" fsck
}

@test "fsck finds what is damaged, missing or too much" {
	small_image i.tar
	"$MRUN" load -q i.tar
	run -0 "$MRUN" fsck
	[[ $output == "1 images, 3 blobs, "*": 0 problems" ]]
	manifest=$(manifest_of "$(store)")
	layer=$(blob "$(store)" "$(jq -r '.layers[0].digest' "$manifest")")
	cp "$layer" layer
	printf x | dd of="$layer" bs=1 seek=1000 conv=notrunc status=none
	run -125 "$MRUN" fsck
	[[ $output == *"blob $(basename "$layer"): damaged"* ]]
	run -125 "$MRUN" save -o s.tar small:1
	[[ $output == *"is damaged"* ]]
	[ ! -e s.tar ]
	rm "$layer"
	run -125 "$MRUN" fsck
	[[ $output == *"image small:1: layer 1: open blob"* ]]
	# Loading again mends it.
	"$MRUN" load -q i.tar
	"$MRUN" fsck
	echo x >x
	put "$(store)" x >/dev/null
	run -0 "$MRUN" fsck
	[[ $output == *"1 blobs belong to no image"* ]]
	run -0 "$MRUN" prune
	[ "$output" = "Total reclaimed space: 2B" ]
	printf x >>"$manifest"
	run -125 "$MRUN" fsck
	run -125 "$MRUN" inspect small:1
	"$MRUN" rmi small:1
	"$MRUN" prune >/dev/null
	store_is_empty
}

@test "images lists what can be read, names what cannot, and fails" {
	small_image i.tar
	small_image other.tar --name other:1 --env A=1
	small_image third.tar --name third:1 --env A=2
	for f in i other third; do "$MRUN" load -q $f.tar; done
	manifest=$(blob "$(store)" "$("$MRUN" images --digests --format '{{.Digest}}' small:1)")
	printf x >>"$manifest"
	run --separate-stderr -125 "$MRUN" images --format '{{.Repository}}'
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "other third " ]
	[[ $stderr == "mrun: image small:1 is left out: "*"$(basename "$manifest")"*$'\n'"hint: "*"remove the image and load it again" ]]
	# Of several each one is named.
	rm "$(blob "$(store)" "$("$MRUN" images --digests --format '{{.Digest}}' third:1 2>/dev/null)")"
	run --separate-stderr -125 "$MRUN" images -q
	[ "${#lines[@]}" -eq 1 ]
	[ "$(grep -c ' is left out: ' <<<"$stderr")" -eq 2 ]
	run -125 "$MRUN" images -a
	[ "$(grep -c ' is left out: ' <<<"$output")" -eq 2 ]
	[[ $output == *$'\nother '* ]]
	"$MRUN" rmi small:1 third:1
	run -0 "$MRUN" images -q
	[ "${#lines[@]}" -eq 1 ]
}

@test "images -a: an index that cannot be read keeps nothing else from being listed" {
	small_image i.tar
	"$MRUN" load -q i.tar
	jq '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .manifests}' \
		"$(store)/index.json" >index
	change_index "$(store)" ".manifests += [$(put "$(store)" index) + {mediaType: \"application/vnd.oci.image.index.v1+json\",
		annotations: {\"org.opencontainers.image.ref.name\": \"many:1\"}}]"
	run -0 "$MRUN" images -a --format '{{.Repository}}'
	[ "$output" = $'many\nsmall' ]
	# One of its images.
	manifest=$(manifest_of "$(store)")
	cp "$manifest" kept
	printf x | dd of="$manifest" bs=1 conv=notrunc status=none
	run --separate-stderr -125 "$MRUN" images -a --format '{{.Repository}}'
	[ "$(grep -c ' is left out: ' <<<"$stderr")" -eq 2 ]
	cp kept "$manifest"
	printf x >>"$(blob "$(store)" "sha256:$(sha256sum <index | cut -d' ' -f1)")"
	run --separate-stderr -125 "$MRUN" images -a --format '{{.Repository}}'
	[ "$output" = small ]
	[[ $stderr == "mrun: image many:1 is left out: "* ]]
}

@test "a store that is not ours, or nowhere" {
	small_image i.tar
	run -125 env -u HOME -u XDG_DATA_HOME "$MRUN" images
	[[ $output == *"HOME is not set"*"XDG_DATA_HOME"* ]]
	run -125 env -u XDG_DATA_HOME HOME=/nonexistent "$MRUN" images
	[[ $output == *"HOME is /nonexistent: no such file"* ]]
	run -0 env XDG_DATA_HOME=relative HOME="$T/home" "$MRUN" images
	[ -d "$T/home/.local/share/mrun" ]
	[ "$(stat -c %a "$T/home/.local/share/mrun")" = 700 ]
	: >file
	run -125 env XDG_DATA_HOME="$T/file" "$MRUN" images
	mkdir -p other/mrun
	chmod 777 other/mrun
	XDG_DATA_HOME=$T/other "$MRUN" images
	[ "$(stat -c %a other/mrun)" = 700 ]
	need_root
	chown 12345 other/mrun
	run -125 env XDG_DATA_HOME="$T/other" "$MRUN" images
	[[ $output == *"belongs to uid 12345, and you are uid 0"* ]]
	mkdir theirs && chown 12345 theirs
	run -125 env -u XDG_DATA_HOME HOME="$T/theirs" "$MRUN" images
	[[ $output == *"which belongs to uid 12345, not to root"*"su -"* ]]
	[ -z "$(ls -A theirs)" ]
}

@test "a damaged index.json is not overwritten" {
	small_image i.tar
	"$MRUN" load -q i.tar
	echo '{"schemaVersion": 2, "manifests": [' >"$(store)/index.json"
	cp "$(store)/index.json" before
	for cmd in images "load i.tar" "rmi small:1" prune "tag small:1 x" fsck; do
		# shellcheck disable=SC2086
		run -125 "$MRUN" $cmd
		[[ $output == *"index.json"* ]]
	done
	cmp before "$(store)/index.json"
	[ -z "$(ls -A "$(store)/tmp")" ]
}
