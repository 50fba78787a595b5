#!/usr/bin/env bats
# Small archives whose JSON would grow in memory (CVE-2023-25153: containerd read what an archive
# called its manifest.json or blob whole into memory): a thousand names for each of a thousand
# images, one config that is all empty arrays, an index that lists one image again and again, entries
# with long names. Read by the core, which no limit holds: every one is refused, at once and in less
# than 64 MiB, and nothing of it stays. Config lists that are searched for each of their entries are
# bounded as well.
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() {
	user_make
	command -v python3 >/dev/null || return 0
	BOMBS=$(mktemp -d "$(lib_tmp_parent)/mrun-bombs.$LIB_RUN.XXXXXXXX")
	export BOMBS
	chmod 755 "$BOMBS"
	python3 - "$BOMBS" <<-'PY'
	import hashlib, io, json, os, sys, tarfile
	os.chdir(sys.argv[1])
	machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

	def archive(name, files):
	    with tarfile.open(name + ".tar", "w") as tar:
	        for path, data in files.items():
	            info = tarfile.TarInfo(path)
	            info.size = len(data)
	            tar.addfile(info, io.BytesIO(data))

	def text(value):
	    return json.dumps(value, separators=(",", ":")).encode()

	layer = io.BytesIO()
	with tarfile.open(fileobj=layer, mode="w") as tar:
	    tar.addfile(tarfile.TarInfo("file"))
	layer = layer.getvalue()
	digest = "sha256:" + hashlib.sha256(layer).hexdigest()

	def config(more=None, **run):
	    return text({"architecture": machine, "os": "linux", "config": run, **(more or {}),
	                 "rootfs": {"type": "layers", "diff_ids": [digest]}})

	def docker(name, conf, tags=(), times=1):
	    archive(name, {"manifest.json": text([{"Config": "c.json", "RepoTags": list(tags),
	                                           "Layers": ["l.tar"]}] * times),
	                   "c.json": conf, "l.tar": layer})

	def oci(name, conf, times=1):
	    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

	    def put(kind, data):
	        hex = hashlib.sha256(data).hexdigest()
	        files["blobs/sha256/" + hex] = data
	        return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + hex,
	                "size": len(data)}
	    manifest = put("manifest.v1+json", text({
	        "schemaVersion": 2, "config": put("config.v1+json", conf),
	        "layers": [put("layer.v1.tar", layer)]}))
	    files["index.json"] = text({"schemaVersion": 2, "manifests": [manifest] * times})
	    archive(name, files)

	padding = b" " * 3000000
	docker("good", config(), ["good:1"])
	docker("tags", config(), (f"a:{i}" for i in range(200000)))
	docker("items", config() + padding, times=50)
	docker("values", config({"x": [[]] * 1000000}))
	docker("nested", config({"x": [[1]] * 900000}))
	oci("index", config() + padding, 50)
	oci("list", config(), 9000)
	oci("config", config({"x": [[]] * 1000000}))
	docker("env", config(Env=[f"A{i}=x" for i in range(60000)]))
	docker("volumes", config(Volumes={f"/v{i}": {} for i in range(60000)}))
	with tarfile.open("names.tar", "w", format=tarfile.GNU_FORMAT) as tar:
	    for i in range(6000):
	        info = tarfile.TarInfo(f"{i}" + "n" * 4000)
	        info.type = tarfile.DIRTYPE
	        tar.addfile(info)
	with tarfile.open("entries.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
	    for i in range(2000):
	        tar.addfile(tarfile.TarInfo(f"{i}"))
	PY
}
teardown_file() {
	user_clean
	[ -z "${BOMBS:-}" ] || rm -r "$BOMBS"
}
setup() {
	sec_setup
	need python3
}
teardown() { sec_teardown; }

# Whatever is loaded as WHO, the store is as empty as it was.
no_image() {
	[ -z "$(m images -q)" ]
	[ -z "$(find "$XDG_DATA_HOME/mrun" "${TEST_HOME:-$T}/.local/share/mrun" -path '*/tmp/*' -o -path '*/blobs/sha256/*' 2>/dev/null)" ]
}

bomb() { # FILE PATTERN
	local kib
	peak 20 load "$BOMBS/$1.tar"
	[ "$status" -eq 125 ]
	grep -q "load image from $BOMBS/$1.tar: .*$2" "$T/err"
	kib=$(cat "$T/peak")
	sanitized || [ "$kib" -lt 65536 ] || { echo "$1 took $kib KiB"; return 1; }
	sentinel_same
	no_image
}

small_archives() {
	m load -q "$BOMBS/good.tar"
	m rmi good:1
	m prune -f >/dev/null
	bomb tags 'more than the 1000 images and names'
	grep -q '^hint: take one image of it by its name' "$T/err"
	bomb list 'more than the 1000 images and names'
	bomb items 'more than the 16777216 bytes of JSON allowed'
	bomb index 'more than the 16777216 bytes of JSON allowed'
	bomb values 'more values than allowed'
	bomb nested 'more values than allowed'
	bomb config 'more values than allowed'
	bomb names 'the names in the archive take more than the 16777216 bytes allowed'
	bomb env '60000 variables in config.Env, more than the 8192 allowed'
	bomb volumes '60000 entries in config.Volumes, more than the 1024 allowed'
}

@test "small archives whose JSON would fill the memory are refused" {
	for WHO in $(roles); do small_archives; done
}

@test "one image can be taken out of an archive that has too many names" {
	"$MRUN" load -q "docker-archive:$BOMBS/tags.tar:a:77777"
	[ "$("$MRUN" images --format '{{.Repository}}:{{.Tag}}')" = a:77777 ]
	"$MRUN" load "docker-archive:$BOMBS/tags.tar:none:1" 2>&1 | grep -q "it has no image 'none:1' (there is: a:0, .* \.\.\.)"
}

@test "the limit for an archive's entries can be raised" {
	MRUN_UNPACK_MAX_ENTRIES=1000 run -125 "$MRUN" load "$BOMBS/entries.tar"
	[[ $output == *"more than the 1000 entries allowed in an archive"*"hint: "*MRUN_UNPACK_MAX_ENTRIES* ]]
	MRUN_UNPACK_MAX_ENTRIES=2000 run -125 "$MRUN" load "$BOMBS/entries.tar"
	[[ $output == *"not an image"* ]]
	no_image
}
