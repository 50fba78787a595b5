#!/usr/bin/env bats
# Descriptors, manifests and configs that lie: a document that is a manifest to one reader and an index
# to the next (CVE-2021-41190), digests that are paths or of other algorithms (CVE-2024-3727), negative
# and wrong sizes, diffIDs that differ or are missing. Each is refused with one line, and nothing of it
# is in the store.
bats_require_minimum_version 1.5.0
load ../lib
load ../images
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

store() { # of WHO
	case $WHO in
	user) echo "$TEST_HOME/.local/share/mrun" ;;
	*) echo "$XDG_DATA_HOME/mrun" ;;
	esac
}

# Loading ./DIR is refused for whoever tries.
lies() { # DIR PATTERN
	for WHO in $(roles); do
		refused "$2" m load "oci:$T/$1"
		refused "$2" m "oci:$T/$1" /bin/true
	done
	sentinel_same
}

@test "manifests that are something else" {
	small_layout l
	change_image l . '.manifests = []'
	lies l 'is a manifest and an index at once.*CVE-2021-41190'
	small_layout l
	change_image l . '.mediaType = "application/vnd.oci.image.index.v1+json"'
	lies l 'media type .*index.*, expected an image manifest'
	small_layout l
	change_image l . '.mediaType = "application/vnd.docker.distribution.manifest.v2+json"'
	lies l 'its media type is .*docker.*, but its descriptor says'
	small_layout l
	change_image l . '.config.mediaType = "application/vnd.cncf.helm.config.v1+json"'
	lies l 'not a container image, its config is of type application/vnd.cncf.helm'
	small_layout l
	change_image l . '{schemaVersion: 1, name: "x", tag: "y", fsLayers: [], history: []}'
	lies l 'Docker schema 1 manifest'
	small_layout l
	change_index l '.manifests[0].mediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws"'
	lies l 'Docker schema 1 manifest'
	small_layout l
	change_image l . '.schemaVersion = 3'
	lies l 'schemaVersion 3, expected 2'
	small_layout l
	change_index l '.layers = []'
	lies l 'CVE-2021-41190'
	small_layout l
	change_index l '.manifests = []'
	lies l 'it holds no image'
	small_layout l
	echo '{"imageLayoutVersion":"2.0"}' >l/oci-layout
	lies l "imageLayoutVersion '2.0' is not supported"
}

@test "digests and sizes that are none" {
	while read -r digest why; do
		small_layout l
		change_index l ".manifests[0].digest = \"$digest\""
		lies l "$why"
	done <<-'LIST'
		../../../../etc/passwd invalid digest
		sha256:abc invalid digest
		sha256:../../../../../../../../../../../../../../../../../../etc/passwd00000 invalid digest
		sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e sha512 is not supported, only sha256
	LIST
	small_layout l
	change_index l '.manifests[0].size = -1'
	lies l 'negative size -1'
	small_layout l
	change_index l '.manifests[0].size = 1e300'
	lies l 'manifests\[0\].size: expected an integer'
	small_layout l
	change_index l '.manifests[0].size = "7"'
	lies l 'manifests\[0\].size: expected an integer, got a string'
	small_layout l
	change_index l 'del(.manifests[0].digest)'
	lies l 'manifests\[0\].digest: required, and not there'
}

@test "a layer that lies about what it holds" {
	for compress in none gzip zstd; do
		small_layout "l-$compress" --compress $compress
		change_image "l-$compress" '.rootfs.diff_ids[0] = "sha256:" + ("0" * 64)' .
		lies "l-$compress" '(layer 1 of 1|unpack layer [0-9a-f]{12}): its content has digest .*config says sha256:0000.*diffID'
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
	lies n '1 layers in the manifest, but 2 diff_ids'
	small_layout m
	change_image m . '.layers[0].mediaType = "application/vnd.oci.image.layer.v1.tar+encrypted"'
	lies m 'layers\[0\]: unknown layer type .*encrypted'
	small_layout o
	change_image o 'del(.rootfs)' .
	lies o 'rootfs: required, and not there'
	small_layout p
	change_image p 'del(.rootfs.diff_ids)' .
	lies p '1 layers in the manifest, but 0 diff_ids'
	small_layout q
	change_image q '.rootfs.diff_ids = ["sha256:../../../../etc/passwd"]' .
	lies q 'rootfs.diff_ids\[0\]: invalid digest'
}

@test "sizes that are not those of the blobs" {
	local what size
	for what in '.config' '.layers[0]'; do
		for size in 0 1 '. + 1' 9223372036854775807; do
			small_layout s
			change_image s . "$what.size |= $size"
			lies s 'its descriptor says|size: expected an integer'
		done
		small_layout s
		change_image s . "$what.size = -9007199254740992"
		lies s 'negative size'
		small_layout s
		change_image s . "$what.size = 18446744073709551616"
		lies s 'size: .*integer'
	done
}
