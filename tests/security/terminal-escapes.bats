#!/usr/bin/env bats
# Escape sequences, newlines and C1 controls in names, configs and archives, for the terminal of who
# looks at them (they move the cursor, forge a second line, and in some terminals more): tables,
# messages and warnings show question marks instead.
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

ESC=$'\033]0;owned\a\033[2J'
export ESC

# No control character but tab and newline, no C1 control, and at most this many lines.
plain() { # FILE [LINES]
	python3 - "$1" "${2:-1000}" <<-'PY'
	import sys
	data = open(sys.argv[1], "rb").read().decode("utf-8", "replace")
	bad = [c for c in data if (ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160]
	sys.exit(f"{bad!r} in {data!r}" if bad or data.count("\n") > int(sys.argv[2]) else 0)
	PY
}

said() { # LINES ARG…
	local lines=$1
	shift
	m "$@" >"$T/out" 2>"$T/err" || true
	cat -v "$T/err"
	plain "$T/out"
	plain "$T/err" "$lines"
}

@test "what an image's config says is shown without its control characters" {
	local nasty
	nasty=$(printf '\\u001b]0;owned\\u0007\\u009b2J\\nmrun: forged')
	hostile_image nasty "{Cmd: [\"/$nasty\"], Env: [\"$nasty\", \"A=$nasty\"], User: \"$nasty\", WorkingDir: \"/$nasty\",
		Volumes: {\"$nasty\": {}, \"/v/../../$nasty\": {}}, Labels: {\"$nasty\": \"$nasty\"}, StopSignal: \"$nasty\"}"
	for WHO in $(roles); do
		said 4 load "$T/nasty.tar"
		said 4 nasty
		said 4 nasty /bin/true
		said 4 unpack nasty "$(bundle_dir)"
		unpack_clean
		said 4 history nasty
		said 4 images
		said 4 fsck
	done
}

@test "names in archives and layers" {
	layer names-0.tar <<-'PY'
	[f("a\x1b]0;owned\x07\x9b2J\nmrun: forged"), l("l", "x\x1b[2J"), h("h\x1b[2J\n", "gone\x1b[2J\n\xc2\x9b")]
	PY
	layers_image names
	layer names-1.tar <<<'[d("manifest.json\x1b[2J\n"), h("\x1b[2J", "\x1b[2J")]'
	layer deep-0.tar <<<'[f("f"), f("f/\x1b[2J/\nx/y")]'
	layers_image deep
	for WHO in $(roles); do
		said 2 unpack "oci:$T/names:t" "$(bundle_dir)"
		said 2 unpack "oci:$T/deep:t" "$(bundle_dir)"
		said 2 "oci:$T/names:t" /x
		said 2 load "$T/names-1.tar"
	done
}

@test "manifests and indexes" {
	local text
	text=$(printf '\\u001b]0;owned\\u0007\\u009b2J\\nmrun: forged')
	mkdir a
	for manifest in "[{\"Config\":\"$text\",\"RepoTags\":[\"$text\"],\"Layers\":[\"$text\"]}]" \
		"[{\"Config\":\"c\",\"RepoTags\":[\"$text\"],\"Layers\":[\"$text\"]}]" \
		"{\"$text\":1}" "[{\"$text\":\"$text\",\"Config\":[\"$text\"]}]"; do
		printf '%s' "$manifest" >a/manifest.json
		printf '{"architecture":"%s","os":"%s","rootfs":{"diff_ids":["%s"]}}' "$text" "$text" "$text" >a/c
		tar -C a -cf a.tar manifest.json c
		for WHO in $(roles); do
			said 2 load "$T/a.tar"
			said 2 "docker-archive:$T/a.tar:none" /x
		done
	done
}
