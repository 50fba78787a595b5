# Shared by the bats files about images: making small images, odd ones, and broken ones.
# shellcheck shell=bash

store() { echo "$XDG_DATA_HOME/mrun"; }

# A small image in FILE: one layer with /hello.txt, made by scripts/make-image with further options.
small_image() { # FILE [OPTION…]
	local file=$1 name=(--name small:1)
	shift
	case " $* " in *' --name '*) name=() ;; esac
	if [ ! -f "$T/small.layer" ]; then
		mkdir -p "$T/small"
		head -c 200000 /dev/zero >"$T/small/zeros"
		echo hello >"$T/small/hello.txt"
		tar -C "$T/small" -cf "$T/small.layer" --mtime=@1704067200 --owner=0 --group=0 hello.txt zeros
	fi
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$T/small.layer" \
		"${name[@]}" --cmd '["/bin/true"]' "$@" --output "$file" 2>/dev/null
}

# The same as an OCI layout directory.
small_layout() { # DIR [OPTION…]
	local dir=$1
	shift
	small_image "$T/.layout.tar" --format oci "$@" || return 1
	mkdir -p "$dir" && tar -C "$dir" -xf "$T/.layout.tar"
}

# Puts FILE into the layout's blobs; prints digest and size as JSON members of a descriptor.
put() { # DIR FILE
	local hex
	hex=$(sha256sum "$2" | cut -d' ' -f1)
	cp "$2" "$1/blobs/sha256/$hex"
	printf '{"digest":"sha256:%s","size":%s}' "$hex" "$(stat -c %s "$2")"
}

blob() { # DIR DIGEST -> path
	echo "$1/blobs/sha256/${2#sha256:}"
}

manifest_of() { # DIR -> path of the first manifest
	blob "$1" "$(jq -r '.manifests[0].digest' "$1/index.json")"
}

# Changes config and then manifest by jq programs, with every digest made right again.
change_image() { # DIR CONFIG_JQ MANIFEST_JQ
	local dir=$1 manifest config
	manifest=$(manifest_of "$dir")
	jq -cj "$2" "$(blob "$dir" "$(jq -r .config.digest "$manifest")")" >"$T/.config"
	config=$(put "$dir" "$T/.config")
	jq -cj --argjson c "$config" ".config += \$c | $3" "$manifest" >"$T/.manifest"
	change_index "$dir" ".manifests[0] += $(put "$dir" "$T/.manifest")"
}

change_index() { # DIR JQ
	jq -cj "$2" "$1/index.json" >"$T/.index" && cp "$T/.index" "$1/index.json"
}

# The store holds nothing at all: no image, no blob, nothing half-made.
store_is_empty() {
	local left
	[ -d "$(store)" ] || return 0
	left=$(find "$(store)/blobs" "$(store)/tmp" "$(store)/diffs" -mindepth 1 ! -path "$(store)/blobs/sha256")
	[ -z "$left" ] || {
		echo "left in the store: $left" >&2
		return 1
	}
	[ ! -f "$(store)/index.json" ] || [ "$(jq '.manifests | length' "$(store)/index.json")" -eq 0 ]
}

# CMD fails with exit code 125 and one line on standard error (a hint may follow) that matches the
# pattern, and the store is as empty as before.
refused() { # PATTERN CMD…
	local pattern=$1 status=0
	shift
	"$@" >"$T/.out" 2>"$T/.err" || status=$?
	cat "$T/.err"
	[ "$status" -eq 125 ] || {
		echo "exit code $status" >&2
		return 1
	}
	[ ! -s "$T/.out" ] || {
		echo "printed $(cat "$T/.out")" >&2
		return 1
	}
	[ "$(grep -vc '^hint: ' "$T/.err")" -eq 1 ] || {
		echo "not one line" >&2
		return 1
	}
	grep -qE -- "$pattern" "$T/.err" || {
		echo "does not match: $pattern" >&2
		return 1
	}
	store_is_empty
}
