#!/usr/bin/env bats
# Images: every layout that they come in, the store, and the commands about them. What reads and
# writes the store besides mrun are the real programs.
bats_require_minimum_version 1.5.0
load lib
load images

setup() { lib_setup; }
teardown() {
	[ -z "${LOWER:-}" ] || rm -f "$LOWER"
	lib_teardown
}

ids() { "$MRUN" images --quiet --no-trunc | sort -u; }

# --- loading ---------------------------------------------------------------------------------

@test "every archive layout and compression loads to the same image" {
	local format archive first=''
	for format in docker docker-new oci; do
		for archive in none gzip zstd; do
			small_image i.tar --format $format --compress-archive $archive
			run -0 "$MRUN" load -i i.tar
			[ "$output" = "Loaded image: small:1" ]
			run -0 "$MRUN" inspect -f '{{.Id}} {{.RootFS.Layers}}' small:1
			: "${first:=$output}"
			[ "$output" = "$first" ]
			"$MRUN" rmi small:1
			store_is_empty
		done
	done
}

@test "layers may be plain, gzip or zstd, and are kept as they are" {
	local format compress layer
	for format in docker docker-new oci; do
		for compress in none gzip zstd; do
			small_image i.tar --format $format --compress $compress --name "c-$format:$compress"
			"$MRUN" load -q i.tar
			layer=$(jq -r '.layers[0].mediaType' "$(blob "$(store)" "$("$MRUN" inspect -f '{{.Descriptor.digest}}' "c-$format:$compress")")")
			case $compress in
			none) [ "$layer" = application/vnd.oci.image.layer.v1.tar ] ;;
			*) [ "$layer" = "application/vnd.oci.image.layer.v1.tar+$compress" ] ;;
			esac
		done
	done
	[ "$(ids | wc -l)" -eq 1 ]
	# The size is that of the tar, whatever the blob has.
	[ "$("$MRUN" images --format '{{.Size}}' | sort -u | wc -l)" -eq 1 ]
	"$MRUN" fsck
}

@test "load reads standard input, but not from a terminal" {
	small_image i.tar
	"$MRUN" load <i.tar | grep -qx 'Loaded image: small:1'
	gzip -c i.tar | "$MRUN" load - | grep -qx 'Loaded image: small:1'
	run -0 "$MRUN" load -q i.tar
	[ -z "$output" ]
	need script
	run script -qec "'$MRUN' load" /dev/null
	[ "$status" -eq 125 ]
	[[ $output == *"standard input is a terminal"* ]]
}

@test "make install with another PREFIX than make had: the helper program is found from mrun's own place" {
	small_image i.tar
	mkdir -p p/bin p/libexec/mrun elsewhere
	cp "$MRUN" p/bin/mrun
	cp "${MRUN%/*}/mrun-unpack" p/libexec/mrun/
	p/bin/mrun load -q i.tar
	"$MRUN" rmi small:1
	ln -s ../p/bin/mrun elsewhere/runc
	elsewhere/runc load -q i.tar
	[ "$("$MRUN" images -q | wc -l)" -eq 1 ]
	# Nowhere but below a bin.
	mv p/bin p/sbin
	cp i.tar j.tar
	"$MRUN" rmi small:1
	[ -e /usr/local/libexec/mrun/mrun-unpack ] || {
		run -125 p/sbin/mrun load -q j.tar
		[[ $output == *"find the helper program mrun-unpack: no such file"*"hint: it belongs beside mrun"* ]]
	}
}

@test "an archive of several images: all are loaded, or the one that is named" {
	small_image a.tar --name one:1 --name two:2
	"$MRUN" load a.tar >out
	diff out - <<<$'Loaded image: one:1\nLoaded image: two:2'
	small_image b.tar --name b:1 --cmd '["b"]'
	"$MRUN" load -q b.tar
	"$MRUN" save -o both.tar one:1 b:1
	"$MRUN" rmi one:1 two:2 b:1
	"$MRUN" load "docker-archive:both.tar:b:1" >out
	diff out - <<<'Loaded image: b:1'
	[ "$("$MRUN" images -q | wc -l)" -eq 1 ]
	"$MRUN" load both.tar >out
	diff <(sort out) - <<<$'Loaded image: b:1\nLoaded image: one:1'
	run -125 "$MRUN" load docker-archive:both.tar:c
	[[ $output == *"no image 'c'"*"one:1"* ]]
}

@test "an image without a name is known by its ID" {
	small_image i.tar --name ''
	run -0 "$MRUN" load i.tar
	[[ $output == "Loaded image ID: sha256:"* ]]
	id=${output##*sha256:}
	run -0 "$MRUN" images
	[[ ${lines[1]} == "<none> "*" <none> "*" ${id:0:12} "* ]]
	"$MRUN" tag "${id:0:6}" named
	[ "$("$MRUN" images --format '{{.Repository}}:{{.Tag}}')" = named:latest ]
}

@test "a path is a source, with or without the transport in front" {
	small_layout dir
	small_image d.tar
	for source in docker-archive:d.tar ./d.tar "$T/d.tar" oci:dir oci:dir:small:1 dir oci-archive:.layout.tar; do
		run -0 "$MRUN" load "$source"
		[ "$output" = "Loaded image: small:1" ]
		"$MRUN" rmi small:1
	done
	run -125 "$MRUN" load oci-archive:d.tar
	[[ $output == *"hint: it is what docker save writes: try docker-archive:"* ]]
	run -125 "$MRUN" load docker-archive:.layout.tar
	[[ $output == *"hint: it is an OCI layout: try oci-archive:"* ]]
	store_is_empty
}

@test "an OCI layout with a bare tag is named after its file" {
	small_layout lay
	change_index lay '.manifests[0].annotations = {"org.opencontainers.image.ref.name": "v1"}'
	run -0 "$MRUN" load oci:lay:v1
	[ "$output" = "Loaded image: lay:v1" ]
	tar -C lay -czf other.tar.gz .
	run -0 "$MRUN" load oci-archive:other.tar.gz
	[ "$output" = "Loaded image: other:v1" ]
}

# --- indexes and platforms -------------------------------------------------------------------

# index.json -> an index blob with one image a platform, and an attestation.
make_index() { # DIR PLATFORM…
	local dir=$1 list='[]' platform media=${INDEX_TYPE:-application/vnd.oci.image.index.v1+json}
	shift
	small_layout "$dir"
	cp "$dir/index.json" "$T/.plain"
	for platform; do
		cp "$T/.plain" "$dir/index.json"
		change_image "$dir" "(.os, .architecture, .variant) |= empty
			| .os = \"${platform%%/*}\" | .architecture = \"$(cut -d/ -f2 <<<"$platform")\"
			| .variant = \"$(cut -s -d/ -f3 <<<"$platform")\" | .author = \"$platform\"
			| if .variant == \"\" then del(.variant) else . end" .
		list=$(jq -c --arg p "$platform" --argjson l "$list" '$l + [.manifests[0] | del(.annotations) | .platform =
			($p | split("/") | {os: .[0], architecture: .[1]} + if .[2] then {variant: .[2]} else {} end)]' "$dir/index.json")
	done
	list=$(jq -c '[.[0] + {platform: {os: "unknown", architecture: "unknown"},
		annotations: {"vnd.docker.reference.type": "attestation-manifest"}}] + .' <<<"$list")
	jq -cnj --arg m "$media" --argjson l "$list" '{schemaVersion: 2, mediaType: $m, manifests: $l}' >"$T/.list"
	jq -cnj --arg m "$media" --argjson d "$(put "$dir" "$T/.list")" '{schemaVersion: 2, manifests:
		[{mediaType: $m, annotations: {"org.opencontainers.image.ref.name": "multi:1"}} + $d]}' >"$dir/index.json"
}

@test "of an index the image for the platform is taken" {
	case $(uname -m) in x86_64) here=amd64 ;; aarch64) here=arm64 ;; *) skip "needs amd64 or arm64" ;; esac
	make_index multi linux/386 linux/amd64 linux/arm64 linux/arm/v6 linux/arm/v7
	"$MRUN" load -q oci:multi
	[ "$("$MRUN" inspect -f '{{.Author}}' multi:1)" = "linux/$here" ]
	while read -r ask got; do
		"$MRUN" load -q --platform "$ask" multi
		[ "$("$MRUN" inspect -f '{{.Author}}' multi:1)" = "$got" ]
	done <<-'LIST'
		linux/386 linux/386
		linux/arm64 linux/arm64
		linux/arm64/v8 linux/arm64
		aarch64 linux/arm64
		linux/arm/v7 linux/arm/v7
		linux/arm linux/arm/v7
		linux/arm/v6 linux/arm/v6
		armhf linux/arm/v7
	LIST
	"$MRUN" load -q --platform linux/arm/v6 multi
	"$MRUN" prune -f
	# The digest of the index names the image as well.
	[ "$("$MRUN" inspect -f '{{.Author}}' "multi@$(jq -r '.manifests[0].digest' multi/index.json)")" = linux/arm/v6 ]
}

@test "a lower variant serves, a higher one does not; 386 is not taken for amd64" {
	make_index low linux/arm/v6
	"$MRUN" load -q --platform linux/arm/v7 low
	make_index high linux/arm/v7 linux/386
	run -125 "$MRUN" load --platform linux/arm/v6 high
	[[ $output == *"no image for platform linux/arm/v6 (there is: linux/arm/v7, linux/386)"* ]]
	run -125 "$MRUN" load --platform linux/amd64 high
	[[ $output == *"no image for platform linux/amd64"* ]]
	run -125 "$MRUN" load --platform linux/amd64/x/y high
	[[ $output == *"invalid platform"* ]]
	run -125 "$MRUN" load --platform windows/amd64 high
	[[ $output == *"only linux images run here"* ]]
}

@test "--platform refuses an image that is for another one" {
	small_image i.tar --arch arm64
	run -125 "$MRUN" load --platform linux/amd64 i.tar
	[[ $output == *"the image is for linux/arm64, not for linux/amd64"* ]]
	store_is_empty
	"$MRUN" load -q --platform linux/arm64 i.tar
}

@test "Docker schema 2 becomes OCI, and its digest still names the image" {
	INDEX_TYPE=application/vnd.docker.distribution.manifest.list.v2+json make_index d linux/amd64
	small_layout s2 --compress gzip
	change_image s2 . '.mediaType = "application/vnd.docker.distribution.manifest.v2+json"
		| .config.mediaType = "application/vnd.docker.container.image.v1+json"
		| .layers[0].mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip"'
	change_index s2 '.manifests[0].mediaType = "application/vnd.docker.distribution.manifest.v2+json"'
	"$MRUN" load -q oci:s2
	digest=$(jq -r '.manifests[0].digest' s2/index.json)
	[ "$("$MRUN" inspect -f '{{.Id}}' small:1)" = "$("$MRUN" inspect -f '{{.Id}}' "small@$digest")" ]
	cmp "$(blob "$(store)" "$digest")" "$(blob s2 "$digest")"
	run -0 jq -r '.mediaType, .config.mediaType, .layers[].mediaType' "$(manifest_of "$(store)")"
	[[ $output != *docker* ]]
	"$MRUN" load -q --platform linux/amd64 oci:d
	"$MRUN" prune -f
	"$MRUN" fsck
	[ -f "$(blob "$(store)" "$digest")" ]
	need umoci
	umoci stat --image "$(store):small:1" >/dev/null
}

# --- names -----------------------------------------------------------------------------------

@test "one image, many ways to call it" {
	small_image i.tar --name hello-world
	"$MRUN" load -q i.tar
	id=$("$MRUN" images -q --no-trunc)
	for name in hello-world hello-world:latest library/hello-world docker.io/library/hello-world \
		docker.io/hello-world index.docker.io/library/hello-world:latest "$id" "${id#sha256:}" "${id:0:20}" \
		"${id:7:5}" "hello-world@$("$MRUN" images --digests --format '{{.Digest}}')"; do
		[ "$("$MRUN" inspect -f '{{.Id}}' "$name")" = "$id" ]
	done
	jq -e '.manifests[0].annotations["org.opencontainers.image.ref.name"] == "hello-world:latest"' "$(store)/index.json"
}

@test "podman's localhost/NAME is found as NAME, unless there is another" {
	small_image i.tar --name localhost/app:1
	"$MRUN" load -q i.tar
	[ "$("$MRUN" inspect -f '{{.RepoTags}}' app:1)" = '[localhost/app:1]' ]
	small_image j.tar --name app:1 --cmd '["other"]'
	"$MRUN" load -q j.tar
	[ "$("$MRUN" inspect -f '{{.RepoTags}}' app:1)" = '[app:1]' ]
}

@test "a name that is not there: what was searched, and what is near" {
	small_image i.tar --name multistage-hello-world
	"$MRUN" load -q i.tar
	run -125 "$MRUN" inspect -f x multistage-helo-world
	[[ $output == *"image 'multistage-helo-world' not found: not in the image store"* ]]
	[[ $output == *"did you mean multistage-hello-world:latest?"* ]]
	run -125 "$MRUN" history nothing/like/it
	[[ $output == *"docker save nothing/like/it | mrun load"* ]]
}

@test "names that are none are refused by name" {
	small_image i.tar
	"$MRUN" load -q i.tar
	while read -r name why; do
		run -125 "$MRUN" tag small:1 "$name"
		[[ $output == *"'$name'"*"$why"* ]]
	done <<-'LIST'
		a/Upper lowercase
		a..b single
		a:b:c single
		a:.tag tag
		a//b name
		../../etc name
		host:99999/x host
		x@sha256:12 digest
		x@sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e sha512
	LIST
	run -125 "$MRUN" tag small:1 "$(printf 'a%.0s' {1..300})"
	[[ $output == *"longer than 255"* ]]
	run -125 "$MRUN" tag small:1 "$(printf 'a%.0s' {1..64})"
	[[ $output == *"are an image ID"* ]]
	run -125 "$MRUN" tag small:1 ""
	[[ $output == *"empty"* ]]
}

@test "an ambiguous ID says so" {
	for i in {1..20}; do
		small_image i.tar --name "n$i" --cmd "[\"$i\"]"
		"$MRUN" load -q i.tar
	done
	# Of twenty IDs, two begin with the same digit.
	digit=$("$MRUN" images -q | cut -c1 | sort | uniq -d | head -1)
	run -125 "$MRUN" inspect "$digit"
	[[ $output == *"image ID '$digit' is ambiguous"* ]]
}

# --- the commands ----------------------------------------------------------------------------

@test "images prints docker's columns" {
	run -0 "$MRUN" images
	[ "$output" = "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE" ]
	small_image i.tar --name example.com:5000/team/app:v1
	"$MRUN" load -q i.tar
	run -0 "$MRUN" images
	[ "${lines[0]}" = "REPOSITORY                  TAG       IMAGE ID       CREATED       SIZE" ]
	[[ ${lines[1]} =~ ^example.com:5000/team/app\ \ \ v1\ {8}[0-9a-f]{12}\ {3}[0-9]+\ (months|years)\ ago\ {3}205kB$ ]]
	run -0 "$MRUN" images --digests --no-trunc
	[[ ${lines[1]} == *" sha256:"*" sha256:"* ]]
	"$MRUN" images --format json | jq -e '.Repository == "example.com:5000/team/app" and .Tag == "v1" and
		(.ID | length == 12) and .Size == "205kB" and (keys == ["Containers","CreatedAt","CreatedSince","Digest",
		"ID","Repository","SharedSize","Size","Tag","UniqueSize","VirtualSize"])'
	run -0 "$MRUN" images --format 'table {{.Tag}}\t{{.Repository}}'
	[ "${lines[1]}" = "v1        example.com:5000/team/app" ]
	run -125 "$MRUN" images --format '{{range .}}'
	[[ $output == *"'{{range .}}' is not supported"* ]]
	run -125 "$MRUN" images --format '{{.Nothing}}'
	[[ $output == *"there is no field 'Nothing'"* ]]
}

@test "images can be filtered" {
	small_image a.tar --name team/a:1 --label tier=web
	small_image b.tar --name b:2 --cmd '["b"]'
	small_image c.tar --name '' --cmd '["c"]'
	for f in a b c; do "$MRUN" load -q $f.tar; done
	count() { "$MRUN" images -q "$@" | wc -l; }
	[ "$(count)" -eq 3 ]
	[ "$(count team/a)" -eq 1 ]
	[ "$(count 'team/*')" -eq 1 ]
	[ "$(count b:1)" -eq 0 ]
	[ "$(count -f dangling=true)" -eq 1 ]
	[ "$(count --filter dangling=false)" -eq 2 ]
	[ "$(count -f label=tier)" -eq 1 ]
	[ "$(count -f label=tier=db)" -eq 0 ]
	[ "$(count -f reference=b)" -eq 1 ]
	run -125 "$MRUN" images -f size=3
	[[ $output == *"unknown filter 'size=3'"* ]]
}

@test "a name that moves leaves its image behind without one; prune removes it" {
	small_image a.tar
	small_image b.tar --cmd '["b"]'
	"$MRUN" load -q a.tar
	"$MRUN" load -q b.tar
	[ "$("$MRUN" images --format '{{.Tag}}' | sort | tr '\n' ' ')" = "1 <none> " ]
	run -0 "$MRUN" prune
	[[ $output == "Deleted: sha256:"*"Total reclaimed space: "* ]]
	[ "$("$MRUN" images --format '{{.Tag}}')" = 1 ]
	"$MRUN" fsck
	run -0 "$MRUN" prune --all --force
	store_is_empty
}

@test "rmi takes names away, and the blobs with the last one" {
	small_image a.tar --name a:1 --name a:2
	small_image b.tar --name b:1 --cmd '["b"]'
	"$MRUN" load -q a.tar
	"$MRUN" load -q b.tar
	run -0 "$MRUN" rmi a:1
	[ "$output" = "Untagged: a:1" ]
	"$MRUN" tag a:2 a:3
	id=$("$MRUN" inspect -f '{{.Id}}' a:2)
	run -125 "$MRUN" rmi "$id"
	[[ $output == *"several names"*"-f"* ]]
	run -0 "$MRUN" rmi -f "$id"
	[ "$output" = $'Untagged: a:2\nUntagged: a:3\nDeleted: '"$id" ]
	# The layer is b's as well.
	"$MRUN" fsck
	run -0 "$MRUN" rmi b:1
	store_is_empty
	run -125 "$MRUN" rmi b:1 c:1
	[ "$(grep -c 'not found' <<<"$output")" -eq 2 ]
	"$MRUN" rmi -f b:1
}

@test "inspect has docker's shape" {
	small_image i.tar --env A=b --label l=v --user 5:6 --workdir /w --expose 80 --volume /data --stop-signal SIGQUIT
	"$MRUN" load -q i.tar
	"$MRUN" inspect small:1 | jq -e '.[0] | .RepoTags == ["small:1"] and .Os == "linux" and .Size == 204800 + 0
		and .Config.User == "5:6" and .Config.WorkingDir == "/w" and .Config.Labels == {"l": "v"}
		and (.Config.Env | index("A=b")) and .Config.ExposedPorts == {"80/tcp": {}} and .Config.Volumes == {"/data": {}}
		and .Config.StopSignal == "SIGQUIT" and .Config.Cmd == ["/bin/true"] and .RootFS.Type == "layers"
		and (.RootFS.Layers | length == 1) and (.Id | startswith("sha256:")) and (.RepoDigests[0] | startswith("small@sha256:"))' ||
		{ "$MRUN" inspect small:1; false; }
	[ "$("$MRUN" inspect -f '{{.Architecture}} {{.Config.Cmd}} {{json .Config.Cmd}}' small:1)" = \
		"$(jq -rn --arg a "$("$MRUN" inspect small:1 | jq -r '.[0].Architecture')" '$a') [/bin/true] [\"/bin/true\"]" ]
	# What was found is printed, what was not is an error.
	run -125 "$MRUN" inspect -f '{{.Os}}' small:1 nope
	[ "${lines[0]}" = linux ]
	[[ ${lines[1]} == *"'nope' not found"* ]]
}

@test "history shows the steps, newest first" {
	small_image i.tar
	"$MRUN" load -q i.tar
	run -0 "$MRUN" history small:1
	[[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +CREATED\ BY\ +SIZE\ +COMMENT$ ]]
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ .*\ 0B\  ]]
	[[ ${lines[2]} =~ ^\<missing\>\ .*\ 205kB\  ]]
	run -0 "$MRUN" history -q --no-trunc small:1
	[ "${lines[0]}" = "$("$MRUN" inspect -f '{{.Id}}' small:1)" ]
	[ "$("$MRUN" history --human=false --format '{{.Size}}' small:1 | tail -1)" = 204800 ]
}

@test "what an image says cannot drive the terminal" {
	small_layout evil
	change_image evil '.history[0].created_by = "\u001b]0;pwned\u0007\nroot#"' .
	"$MRUN" load -q oci:evil
	"$MRUN" history --no-trunc small:1 >out
	run ! env LC_ALL=C grep -q $'[\033\a]' out
	[ "$(wc -l <out)" -eq 3 ]
}

@test "import makes an image of a tar" {
	mkdir root && echo x >root/file
	tar -C root -cf root.tar .
	run -0 "$MRUN" import -m "my words" -c 'CMD ["/bin/x", "y z"]' -c 'ENV A=1 B="two words"' -c 'EXPOSE 80 53/udp' \
		-c 'LABEL k=v' -c 'USER 1000' -c 'VOLUME /data' -c 'WORKDIR /w' -c 'WORKDIR sub' -c 'STOPSIGNAL SIGINT' \
		-c 'ENTRYPOINT exec foo' root.tar imported:1
	[[ $output == sha256:* ]]
	"$MRUN" inspect imported:1 | jq -e --arg id "$output" '.[0] | .Id == $id and .Comment == "my words" and .Config == {
		User: "1000", ExposedPorts: {"80/tcp": {}, "53/udp": {}}, Env: ["A=1", "B=two words"],
		Entrypoint: ["/bin/sh", "-c", "exec foo"], Cmd: ["/bin/x", "y z"], Volumes: {"/data": {}}, WorkingDir: "/w/sub",
		Labels: {k: "v"}, StopSignal: "SIGINT"}'
	gzip -c root.tar | "$MRUN" import - zipped
	"$MRUN" fsck
	[ "$("$MRUN" images -q | wc -l)" -eq 2 ]
	run -125 "$MRUN" import -c 'RUN x' root.tar
	[[ $output == *"--change 'RUN x'"* ]]
	run -125 "$MRUN" import https://example.com/x.tar
	[[ $output == *"curl -fL"* ]]
	head -c 100000 /dev/urandom >junk
	run -125 "$MRUN" import junk junk
	"$MRUN" prune -af
	store_is_empty
}

# --- saving, and other programs --------------------------------------------------------------

@test "what save writes, load reads: every format" {
	small_image a.tar --name a:1 --name a:2
	small_image b.tar --name b:1 --cmd '["b"]' --compress gzip --format oci
	"$MRUN" load -q a.tar
	"$MRUN" load -q b.tar
	"$MRUN" images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}}' | sort >before
	for format in docker-archive oci-archive oci-dir; do
		"$MRUN" save --format $format -o "out.$format" a:1 a:2 b:1
		"$MRUN" prune -af
		"$MRUN" load -q "out.$format"
		"$MRUN" images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}}' | sort >after
		diff before after
	done
	"$MRUN" save a:1 | "$MRUN" load | grep -qx 'Loaded image: a:1'
	# A name without a tag means all of its tags.
	[ "$("$MRUN" save a | tar -xO manifest.json | jq -c '[.[].RepoTags[]] | sort')" = '["a:1","a:2"]' ]
	"$MRUN" tag b:1 localhost/only:3
	[ "$("$MRUN" save only | tar -xO manifest.json | jq -c '[.[].RepoTags[]]')" = '["localhost/only:3"]' ]
	"$MRUN" rmi localhost/only:3
	run -125 "$MRUN" save -o x.tar c
	# The same images give the same bytes.
	"$MRUN" save a:1 b:1 | cmp - <("$MRUN" save a:1 b:1)
	run -125 "$MRUN" save -o x.tar a:1 nope
	[ ! -e x.tar ]
	run -125 "$MRUN" save --format zip -o x.tar a:1
	[[ $output == *"unknown format 'zip'"* ]]
	need script
	run script -qec "'$MRUN' save a:1" /dev/null
	[ "$status" -eq 125 ]
	[[ $output == *"standard output is a terminal"* ]]
}

# How often the program that inflates was started for a command.
unpackers() { # COMMAND…
	strace -f -qq -o trace -e trace=execve,execveat "$@"
	grep -c 'mrun-unpack' trace
}

@test "the first run inflates each layer once, and then the store has the image" {
	need strace
	strace -o "$T/probe" -e trace=none true 2>/dev/null || skip "strace may not trace here"
	for compress in gzip zstd; do
		small_layout l --compress $compress
		small_image i.tar --compress $compress
		[ "$(unpackers "$MRUN" unpack oci:l b)" -eq 1 ]
		[ "$("$MRUN" images -q | wc -l)" -eq 1 ]
		"$MRUN" fsck
		"$MRUN" prune -af >/dev/null
		rm -rf b
		# An archive is taken apart first. (The layers are in the cache only when it is run.)
		[ "$(unpackers "$MRUN" unpack ./i.tar b)" -eq 2 ]
		"$MRUN" fsck
		# What is in the store already is not inflated to find out what it is.
		rm -rf b
		[ "$(unpackers "$MRUN" unpack oci:l b)" -eq 1 ]
		"$MRUN" prune -af >/dev/null
		rm -rf b l i.tar
	done
}

@test "skopeo reads the store, and what save writes" {
	need skopeo
	small_image i.tar
	"$MRUN" load -q i.tar
	id=$("$MRUN" inspect -f '{{.Id}}' small:1)
	"$MRUN" save -o d.tar small:1
	"$MRUN" save -o o.tar --format oci-archive small:1
	"$MRUN" save -o dir --format oci-dir small:1
	for from in "oci:$(store):small:1" docker-archive:d.tar docker-archive:d.tar:small:1 oci-archive:o.tar \
		oci-archive:o.tar:small:1 oci:dir:small:1; do
		rm -rf copy
		skopeo copy -q "$from" dir:copy
		[ "sha256:$(sha256sum "copy/${id#sha256:}" | cut -d' ' -f1)" = "$id" ]
	done
}

@test "skopeo writes into the store, and its archives load" {
	need skopeo
	small_image i.tar
	"$MRUN" load -q i.tar
	size=$("$MRUN" images --format '{{.Size}}')
	skopeo copy -q docker-archive:i.tar "oci:$(store):by-skopeo:2"
	[ "$("$MRUN" images --format '{{.Size}}' by-skopeo)" = "$size" ]
	"$MRUN" fsck
	skopeo copy -q "oci:$(store):small:1" docker-archive:sk.tar:sk:1
	skopeo copy -q "oci:$(store):small:1" oci-archive:sko.tar:sko:1
	skopeo copy -q --format v2s2 "oci:$(store):small:1" dir:v2s2
	"$MRUN" load sk.tar | grep -qx 'Loaded image: sk:1'
	"$MRUN" load sko.tar | grep -qx 'Loaded image: sko:1'
	"$MRUN" rmi small:1 by-skopeo:2 sk:1 sko:1
	store_is_empty
}

@test "an index that skopeo put into the store: ours is shown and used, all with --all" {
	need skopeo
	case $(uname -m) in x86_64) here=amd64 ;; aarch64) here=arm64 ;; *) skip "needs amd64 or arm64" ;; esac
	make_index multi linux/amd64 linux/arm64 linux/arm/v7
	change_index multi '.manifests[0].annotations["org.opencontainers.image.ref.name"] = "m"'
	# skopeo takes no attestation without a config of its own kind: leave it out.
	jq -cj '.manifests |= map(select(.platform.os == "linux"))' "$(manifest_of multi)" >list
	change_index multi ".manifests[0] += $(put multi list)"
	"$MRUN" images >/dev/null
	skopeo copy -q --all oci:multi:m "oci:$(store):multi:1"
	[ "$("$MRUN" images -q | wc -l)" -eq 1 ]
	[ "$("$MRUN" images -aq | wc -l)" -eq 3 ]
	[ "$("$MRUN" inspect -f '{{.Author}}' multi:1)" = "linux/$here" ]
	[ "$("$MRUN" inspect --platform linux/arm/v7 -f '{{.Author}}' multi:1)" = linux/arm/v7 ]
	run -125 "$MRUN" inspect --platform linux/s390x multi:1
	[[ $output == *"there is: linux/amd64, linux/arm64, linux/arm/v7"* ]]
	"$MRUN" prune >/dev/null
	"$MRUN" fsck
	"$MRUN" rmi multi:1
	store_is_empty
}

@test "umoci reads the store, unpacks from it and adds to it" {
	need umoci
	small_image i.tar
	"$MRUN" load -q i.tar
	[ "$(umoci ls --layout "$(store)")" = small:1 ]
	umoci unpack --rootless --image "$(store):small:1" bundle
	[ "$(cat bundle/rootfs/hello.txt)" = hello ]
	echo more >bundle/rootfs/more
	umoci repack --image "$(store):small:2" bundle
	[ "$("$MRUN" inspect small:2 | jq '.[0].RootFS.Layers | length')" -eq 2 ]
	umoci config --image "$(store):small:2" --config.cmd /more
	[ "$("$MRUN" inspect -f '{{.Config.Cmd}}' small:2)" = '[/more]' ]
	"$MRUN" images | grep -q '^small '
	"$MRUN" prune
	"$MRUN" fsck
}

# umoci insert ends the tar without padding, and what Go programs read must be read here.
@test "a layer that umoci insert made is taken" {
	need umoci
	small_image i.tar
	"$MRUN" load -q i.tar
	echo more >added
	umoci insert --rootless --image "$(store):small:1" --tag small:2 added /more
	[ "$("$MRUN" inspect small:2 | jq '.[0].RootFS.Layers | length')" -eq 2 ]
}

containers() { # PROGRAM ARG…: with storage of its own
	local program=$1
	shift
	"$program" --root "$T/storage" --runroot "$T/runroot" --storage-driver vfs "$@"
}

@test "buildah reads the store" {
	need buildah
	need_root
	small_image i.tar
	"$MRUN" load -q i.tar
	# buildah makes a name of the path, and names are lowercase.
	LOWER=$(lib_tmp_parent)/mrun-test.$LIB_RUN.lower
	ln -s "$(store)" "$LOWER"
	id=$(containers buildah pull -q "oci:$LOWER:small:1")
	[ "sha256:$id" = "$("$MRUN" inspect -f '{{.Id}}' small:1)" ]
}

@test "podman loads what save writes, and load reads what podman saves" {
	need podman
	need_root
	small_image i.tar --name app:7
	"$MRUN" load -q i.tar
	id=$("$MRUN" inspect -f '{{.Id}}' app:7)
	for format in docker-archive oci-archive oci-dir; do
		"$MRUN" save --format $format -o "p.$format" app:7
		run -0 containers podman load -q -i "p.$format"
		run -0 containers podman images --no-trunc -q
		[ "$output" = "$id" ]
		[ $format = oci-dir ] || containers podman image exists app:7
		[ $format = oci-archive ] || containers podman rmi -af >/dev/null
	done
	"$MRUN" load -q p.docker-archive
	containers podman load -q -i p.docker-archive
	"$MRUN" rmi app:7
	for format in docker-archive oci-archive; do
		containers podman save -q --format $format -o "back.$format" app:7
		"$MRUN" load "back.$format" | grep -qx 'Loaded image: app:7'
		[ "$("$MRUN" inspect -f '{{.Id}}' app:7)" = "$id" ]
		"$MRUN" rmi app:7
	done
	store_is_empty
}
