# The cold load of an image: a Debian base (60 MB of gzip, 8,700 entries) from its compressed layer to a
# root file system on a tmpfs, against umoci, bsdtar, GNU tar, and the two parts that it cannot do
# without: inflating alone and writing alone. And an image of ten layers on two processors against one.
#
# Three of mrun's: the first run of an image that is in the store (umoci and the tars start from there,
# too: a layout or a blob on disk); `mrun unpack` of a layout, which checks and imports it first; and the
# first run from a layout. COLD_ROUNDS: rounds of these, which take seconds each (default: as all).
# shellcheck shell=bash disable=SC2034,SC2154 # lib.bash's and run's variables

# Made once, and kept in $BUILD/bench; by the mirror that this machine's apt uses.
make_debian() {
	local tar=$BUILD/bench/debian.tar suite
	[ ! -f "$tar.gz" ] || return 0
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
	if has mmdebstrap; then
		mmdebstrap --quiet --format=tar --variant=minbase --mode=root "$suite" "$tar.new" >&2 || return 1
	elif has debootstrap; then
		debootstrap --variant=minbase "$suite" "$work/debian" >&2
		tar -C "$work/debian" --numeric-owner --sort=name -cf "$tar.new" .
		rm -rf "$work/debian"
	else
		return 1
	fi
	gzip -9n <"$tar.new" >"$tar.gz.new" || return 1
	mv "$tar.gz.new" "$tar.gz"
	rm "$tar.new"
}

# Ten tars of about the same size, each with the directories above what it has, as builders write them.
split_layers() {
	local i
	mkdir "$dir/tree"
	tar -C "$dir/tree" --numeric-owner -xpf "$dir/debian.tar"
	(
		cd "$dir/tree" || exit 1
		find . ! -type d -printf '%s\t%p\n' | awk -F'\t' -v d="$dir" '
			{ sum += $1 + 1500; size[NR] = $1 + 1500; name[NR] = $2 }
			END {
				for (i = 1; i <= NR; i++) {
					at += size[i]
					list = d "/list" int(at * 10 / (sum + 1))
					n = split(name[i], part, "/")
					path = "."
					for (k = 2; k < n; k++) {
						path = path "/" part[k]
						if (!((list, path) in seen)) print path >list
						seen[list, path] = 1
					}
					print name[i] >list
				}
			}'
		for i in {0..9}; do
			tar --numeric-owner --no-recursion -cf "$dir/part$i.tar" -T "$dir/list$i"
		done
	)
	rm -rf "$dir/tree"
}

load_rows() {
	local n=${COLD_ROUNDS:-$rounds} before layers=() i
	as_root load
	make_debian || {
		row_missing "cold load" umoci 0.25 times "no Debian base could be made (mmdebstrap or debootstrap, and a mirror)"
		return 0
	}
	gzip -dc "$BUILD/bench/debian.tar.gz" >"$dir/debian.tar"
	cp "$BUILD/bench/debian.tar.gz" "$dir/"
	"$root/scripts/make-image" --base none --no-hello --layer "$dir/debian.tar" --compress gzip --format oci \
		--name debian:1 --cmd '["/bin/true"]' --output "$dir/debian.oci.tar" 2>/dev/null
	mkdir "$dir/layout"
	tar -C "$dir/layout" -xf "$dir/debian.oci.tar"
	"$MRUN" load -i "$dir/debian.oci.tar" >/dev/null
	rm "$dir/debian.oci.tar"

	before="rm -rf $dir/out $dir/home/.cache/mrun/layers $dir/second && mkdir -p $dir/out $dir/second"
	add "mrun, first run" "$MRUN" --network none debian:1
	add "mrun unpack" env XDG_DATA_HOME="$dir/second" "$MRUN" unpack "oci:$dir/layout:1" "$dir/out/bundle"
	add "mrun, first run from a layout" env XDG_DATA_HOME="$dir/second" "$MRUN" --network none "oci:$dir/layout:1"
	! has umoci || add umoci umoci raw unpack --image "$dir/layout:1" "$dir/out/umoci"
	! has bsdtar || add bsdtar bsdtar -C "$dir/out" -xpf "$dir/debian.tar.gz"
	add "tar xzf" tar -C "$dir/out" --numeric-owner -xpzf "$dir/debian.tar.gz"
	! has igzip || add "igzip alone" sh -c "exec igzip -dc $dir/debian.tar.gz >/dev/null"
	! has igzip || add "igzip, tar" sh -c "igzip -dc $dir/debian.tar.gz | tar -C $dir/out --numeric-owner -xpf -"
	add "tar alone" tar -C "$dir/out" --numeric-owner -xpf "$dir/debian.tar"
	measure load "$n"
	slower="tar alone"
	[ "$(value load "igzip alone" 3 || echo 0)" -lt "$(value load "tar alone" 3)" ] || slower="igzip alone"
	for i in "mrun, first run" "mrun unpack" "mrun, first run from a layout"; do
		row_ratio "cold load: $i" load "$i" umoci 0.25
		row_ratio "cold load: $i" load "$i" "$slower" 1.6
	done
	row_ratio "cold load: mrun, first run" load "mrun, first run" bsdtar ""
	row_ratio "cold load: mrun, first run" load "mrun, first run" "tar xzf" ""
	row_ratio "cold load: mrun, first run" load "mrun, first run" "igzip, tar" ""

	split_layers
	for i in {0..9}; do
		layers+=(--layer "$dir/part$i.tar")
	done
	"$root/scripts/make-image" --base none --no-hello "${layers[@]}" --compress gzip --format oci \
		--name ten:1 --cmd '["/bin/true"]' --output "$dir/ten.tar" 2>/dev/null
	"$MRUN" load -i "$dir/ten.tar" >/dev/null
	rm "$dir"/part*.tar "$dir/ten.tar"
	before="rm -rf $dir/home/.cache/mrun/layers"
	add "two processors" taskset -c 0,1 "$MRUN" --network none ten:1
	add "one" taskset -c 0 "$MRUN" --network none ten:1
	measure layers "$n"
	row_ratio "cold load of ten layers on two processors" layers "two processors" one 0.6
	rm -rf "$dir"
}

if ! is_root; then
	row_missing "cold load" umoci 0.25 times "needs root"
elif [ "$(nproc)" -lt 2 ]; then
	row_missing "cold load" umoci 0.25 times "needs two processors"
else
	load_rows
fi
