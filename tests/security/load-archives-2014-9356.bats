#!/usr/bin/env bats
# Archives of images and layout directories whose files are something else: links out, names with `..`,
# manifest.json as a link, a directory, a FIFO or a device, blobs as links and FIFOs; the same in front
# of `import`, and what `save` and `unpack` meet where they write. Names in an archive are data; a
# directory is read beneath its root, and only regular files of it.
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

# ./FILE is refused for whoever tries, without waiting for anything.
lies() { # FILE PATTERN
	for WHO in $(roles); do
		refused "$2" timeout_m load "$T/$1"
		refused "$2" timeout_m "$T/$1" /bin/true
	done
	sentinel_same
}

timeout_m() {
	case $WHO in
	user) as_user timeout 20 "$MRUN" "$@" ;;
	*) timeout 20 "$MRUN" "$@" ;;
	esac
}

# A docker-archive's files in ./da.
docker_files() {
	rm -rf da && mkdir da
	small_image i.tar
	tar -C da -xf i.tar
	LAYER=$(cd da && echo */layer.tar)
	CONFIG=$(jq -r '.[0].Config' da/manifest.json)
}

@test "links in an archive lead nowhere but to its own entries" {
	local target
	docker_files
	mv "da/$LAYER" da/real.tar
	ln -s ../real.tar "da/$LAYER"
	tar -C da -cf good.tar .
	for WHO in $(roles); do
		m load -q "$T/good.tar"
		m prune -af >/dev/null
	done
	for target in "$HOST/open/secret" /etc/passwd ../../../../../../../../etc/passwd layer.tar; do
		ln -sf "$target" "da/$LAYER"
		tar -C da -cf bad.tar .
		lies bad.tar 'in the archive: no such file'
	done
	# Hard links, too, and the other documents.
	docker_files
	rm "da/$CONFIG"
	ln -s "$HOST/open/secret" "da/$CONFIG"
	tar -C da -cf bad.tar .
	lies bad.tar 'read the image config: find .* in the archive: no such file'
	docker_files
	rm da/manifest.json
	ln -s "$HOST/open/secret" da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'not an image'
	ln -sf manifest.json da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'not an image'
}

@test "manifest.json as a directory, FIFO, device or hard link" {
	docker_files
	rm da/manifest.json
	mkdir da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'not an image'
	rmdir da/manifest.json
	mkfifo da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'not an image'
	python3 - <<-'PY'
	import tarfile
	for name, kind, link in ("device.tar", tarfile.CHRTYPE, ""), ("hard.tar", tarfile.LNKTYPE, "/etc/passwd"):
	    with tarfile.open(name, "w") as tar:
	        info = tarfile.TarInfo("manifest.json")
	        info.type, info.linkname, info.devmajor, info.devminor = kind, link, 1, 5
	        tar.addfile(info)
	PY
	lies device.tar 'not an image'
	lies hard.tar 'not an image'
}

@test "names that lead out of an archive are names of nothing" {
	docker_files
	tar -C da -cPf bad.tar --transform "s,manifest.json,../../../../../../../../..$HOST/open/escaped," .
	lies bad.tar 'not an image'
	tar -C da -cPf bad.tar --transform "s,manifest.json,$HOST/open/secret," .
	lies bad.tar 'not an image'
	[ -z "$(find "$T" "$(store)" -name escaped 2>/dev/null)" ]
	# What manifest.json says is looked for in the archive.
	docker_files
	jq -c ".[0].Layers[0] = \"../../../../../..$HOST/open/secret\"" da/manifest.json >m && cp m da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'find \.\./.* in the archive: no such file'
	jq -c ".[0].Config = \"$HOST/open/secret\"" da/manifest.json >m && cp m da/manifest.json
	tar -C da -cf bad.tar .
	lies bad.tar 'find /.* in the archive: no such file'
}

# The file that $FILE names in the layout ./l becomes what the command makes there.
becomes() { # COMMAND…
	rm -rf "$FILE"
	"$@"
}

@test "a layout whose files are links, FIFOs, devices or directories" {
	local what manifest
	for what in index config manifest layer; do
		small_layout l
		manifest=$(manifest_of l)
		case $what in
		index) FILE=l/index.json ;;
		manifest) FILE=$manifest ;;
		config) FILE=$(blob l "$(jq -r .config.digest "$manifest")") ;;
		layer) FILE=$(blob l "$(jq -r '.layers[0].digest' "$manifest")") ;;
		esac
		cp "$FILE" outside
		becomes ln -s "$T/outside" "$FILE"
		lies l 'no such file|not an image'
		becomes ln -s ../../../outside "$FILE"
		lies l 'no such file|not an image'
		becomes mkfifo -m 666 "$FILE"
		lies l 'not a regular file|not an image'
		becomes mkdir "$FILE"
		lies l 'not a regular file|not an image'
		becomes ln -s /dev/zero "$FILE"
		lies l 'no such file|not an image'
		[ "$(id -u)" -ne 0 ] || {
			becomes mknod -m 666 "$FILE" c 1 5
			lies l 'not a regular file|not an image'
		}
		# Inside it links may be.
		[ "$what" = index ] || {
			cp outside l/aside
			becomes ln -s ../../aside "$FILE"
			for WHO in $(roles); do
				m load -q "$T/l"
				m prune -af >/dev/null
			done
		}
		rm -rf l
	done
}

@test "a layout whose blobs directory is the host's" {
	small_layout l
	mv l/blobs moved
	ln -s "$T/moved" l/blobs
	lies l 'no such file'
	rm l/blobs
	ln -s ../moved l/blobs
	lies l 'no such file'
}

@test "import takes a layer's tar, and no more than load makes of it" {
	local bundle
	need python3
	layer import.tar <<<'[l("s", SENTINEL + "/open"), f("s/evil", b"1"), f("../../x"), h("hl", "s/evil")]'
	for WHO in $(roles); do
		m import -c 'CMD ["/x"]' "$T/import.tar" hostile:1 >/dev/null
		sentinel_same
		bundle=$(bundle_dir)
		unpack_clean
		m unpack hostile:1 "$bundle" >/dev/null
		[ -f "$bundle/rootfs/x" ]
		[ "$(cat "$bundle/rootfs$HOST/open/evil")" = 1 ]
		unpack_clean
		sentinel_same
		m rmi hostile:1 >/dev/null
	done
}

@test "unpack writes through no link that lies where the bundle goes" {
	small_image i.tar
	for WHO in $(roles); do
		m load -q "$T/i.tar"
		mkdir -m 755 "$T/there-$WHO"
		[ "$WHO" = root ] || chown "$TEST_USER:" "$T/there-$WHO"
		ln -s "$HOST/open/dir" "$T/there-$WHO/rootfs"
		refused_here 'rootfs: file exists'
		rm "$T/there-$WHO/rootfs"
		ln -s "$HOST/open/new" "$T/there-$WHO/config.json"
		refused_here 'has a config.json already'
		rm "$T/there-$WHO/config.json"
		ln -s "$HOST/open/new" "$T/there-$WHO/rootfs"
		refused_here 'rootfs: file exists'
		[ "$(ls -A "$T/there-$WHO")" = rootfs ]
		sentinel_same
	done
}
refused_here() { # PATTERN
	status=0
	m unpack small:1 "$T/there-$WHO" >"$T/out" 2>"$T/err" || status=$?
	cat "$T/err"
	[ "$status" -eq 125 ]
	grep -q "$1" "$T/err"
}

@test "save names nothing but its own files, whatever an image is called" {
	small_image i.tar
	for WHO in $(roles); do
		m load -q "$T/i.tar"
		m save small:1 >"$T/saved.tar"
		run ! grep -E '^/|(^|/)\.\.(/|$)' <(tar -tPf "$T/saved.tar")
		run ! grep -vE '^[-dlh]' <(tar -tvPf "$T/saved.tar")
		m tag small:1 ../../x 2>"$T/err" && return 1
		grep -q "invalid image name" "$T/err"
	done
}
