#!/usr/bin/env bats
# What mrun reads and writes against the specifications' JSON schemas: every key of config.json with a
# wrong value, with a right one, missing, null; the schemas' own examples; text that is hardly JSON; and
# what mrun writes (state, features, spec, bundles, the store). schema/ has the programs.
# shellcheck disable=SC2030,SC2031 # bats: run sets output in the test it is called from
bats_require_minimum_version 1.5.0
load lib

SCHEMA=$ROOT/../shared/schema

# Only one test needs the user.
setup_file() { [ "$(id -u)" -ne 0 ] || user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	need python3
	export PYTHONDONTWRITEBYTECODE=1
	ID=mrun-t$$-$RANDOM
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

need_schema() {
	[ -d "$SCHEMA" ] || skip "../shared/schema is not there"
}
# The distribution's package belongs to the distribution's Python.
need_validator() {
	need_schema
	for PYTHON in python3 /usr/bin/python3; do
		! "$PYTHON" -c 'import jsonschema' 2>/dev/null || return 0
	done
	skip "python3-jsonschema is not installed"
}

# One kind of check for every key.
sweep() {
	mkdir -p bundle
	run -0 python3 "$ROOT/tests/schema/sweep.py" "$MRUN" "$T/bundle" "$ROOT/tests/schema/keys.txt" "$1"
	[[ ${lines[-1]} =~ ^([0-9]+)\ checks,\ 0\ bad$ ]]
	[ "${BASH_REMATCH[1]}" -ge "$2" ]
	[ ! -e bundle/state/sweep ]
}

# What create says of the text in config.json. The bundle has no root file system: what is taken ends
# in an error that begins with root.path.
says() { # TEXT EXPECTED-BEGINNING [OPTION…]
	mkdir -p bundle
	printf '%s' "$1" >bundle/config.json
	run -1 "$MRUN" create --bundle bundle "${@:3}" "$ID"
	output=${output#mrun: }
	output=${output#config.json: }
	[[ $output == "$2"* ]] || {
		echo "not '$2' but: $output"
		return 1
	}
}
# The smallest configuration that is taken, with members put in.
with() { # MEMBERS
	printf '{"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": {"cwd": "/", "args": ["x"]}, %s"linux": {}}' \
		"${1:+$1, }"
}

@test "the table of keys is the schema's" {
	need_schema
	diff <(python3 "$ROOT/tests/schema/keys.py" "$SCHEMA/runtime-spec" config-schema.json) \
		<(grep -v '^#' "$ROOT/tests/schema/keys.txt")
}

@test "every key with a value of a wrong type or out of range: the error names its full path" {
	sweep wrong 2300
}

@test "every key with a value of its type is taken, or refused by name" {
	sweep right 450
}

@test "every required key, when missing, is an error that names its path" {
	sweep missing 70
}

@test "null is the same as not given; in a list or a map it is an error" {
	sweep null 390
}

@test "keys that nobody knows are skipped, in every object" {
	sweep unknown 75
}

@test "all of it is the same for an ordinary user" {
	[ -n "${TEST_USER:-}" ] || skip "needs root to make a test user; the other tests ran as one"
	mkdir "$TEST_HOME/bundle"
	chown "$TEST_USER:" "$TEST_HOME/bundle" 2>/dev/null || true
	cp -r "$ROOT/tests/schema" "$TEST_HOME/schema"
	for kind in right missing; do
		run -0 as_user env PYTHONDONTWRITEBYTECODE=1 python3 "$TEST_HOME/schema/sweep.py" "$MRUN" "$TEST_HOME/bundle" \
			"$TEST_HOME/schema/keys.txt" "$kind"
	done
}

@test "the schema's good examples are taken" {
	need_schema
	for file in "$SCHEMA"/runtime-spec/test/config/good/*.json; do
		name=${file##*/}
		# What the examples leave out because it is optional there, and needed to create a container;
		# and their version, which is older than the specification.
		terminal=()
		! jq -e .process.terminal "$file" >/dev/null || terminal=(--console-socket "$T/none")
		text=$(jq '.ociVersion |= sub("^0"; "1") | .process //= {cwd: "/", args: ["x"]}' "$file")
		case $name in
		freebsd-* | zos-*)
			says "$text" "${name%%-*}: this configuration is not for Linux"
			text=$(jq '.linux = {namespaces: [{type: "uts"}]} | .mounts = []' <<<"$text")
			;;
		linux-netdevice*)
			[ "$("$MRUN" features | jq .linux.netDevices.enabled)" = true ] || {
				says "$text" "linux.netDevices: not supported"
				continue
			}
			text=$(jq '.linux.namespaces += [{type: "network"}]' <<<"$text")
			;;
		esac
		# A terminal is mounted on /dev/console: not on the host's.
		text=$(jq 'if .process.terminal and .linux and all(.linux.namespaces[]?; .type != "mount")
			then .linux.namespaces += [{type: "mount"}] else . end' <<<"$text")
		[ -e /sys/fs/selinux/enforce ] || text=$(jq 'del(.linux.mountLabel?)' <<<"$text")
		says "$text" "root.path: " "${terminal[@]}"
	done
	# And as they stand, where mrun refuses them, it says what it is that is missing or too old.
	says "$(cat "$SCHEMA/runtime-spec/test/config/good/spec-example.json")" "ociVersion: "
	says "$(cat "$SCHEMA/runtime-spec/test/config/good/minimal.json")" "process: required"
	says "$(cat "$SCHEMA/runtime-spec/test/config/good/minimal-for-start.json")" "root.path: "
}

@test "the schema's bad examples are refused, by the full path of the key" {
	need_schema
	declare -A key=(
		[freebsd-vnet-disable.json]="freebsd.jail.vnet: unknown value 'disable'"
		[invalid-json.json]="parse config.json, line 1: invalid JSON"
		[linux-hugepage.json]="linux.resources.hugepageLimits[0].pageSize: '64kB' is not"
		[linux-netdevice.json]="linux.netDevices.eth0.name: expected a string, got a number"
		[linux-rdma.json]="linux.resources.rdma.mlx5_1.hcaHandles: expected an integer, got a string"
	)
	for file in "$SCHEMA"/runtime-spec/test/config/bad/*.json; do
		[ -n "${key[${file##*/}]:-}" ]
		says "$(cat "$file")" "${key[${file##*/}]}"
	done
}

@test "a container without the section linux, as in the schema's example, runs" {
	need_root
	bundle b
	# Without it there is no mount namespace, and so no read-only root.
	jq '{ociVersion, root: {path: .root.path}, process: (.process | {cwd, env, args: ["/bin/sh", "-c", "echo ran"]})}' \
		b/config.json >c && mv c b/config.json
	run -0 "$MRUN" run --bundle b "$ID"
	[ "$output" = ran ]
}

@test "a key that is there twice: the last one counts" {
	says "$(with '"process": 5, "process": {"cwd": "/", "args": ["x"]}')" root.path:
	says "$(with '"process": {"cwd": "/", "args": ["x"]}, "process": 5')" 'process: expected an object, got a number 5'
	says "$(with '"hostname": "a", "hostname": 7')" 'hostname: expected'
	need_root
	bundle b
	sed -i '0,/{/s//{"hostname": "first", "annotations": {"k": "first", "k": "second"},/' b/config.json
	jq '.' b/config.json >/dev/null
	sed -i 's/"args": \[/"args": ["\/bin\/hostname"], "unused": [/' b/config.json
	[ "$("$MRUN" run --bundle b "$ID")" = "$(jq -r .hostname b/config.json)" ]
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	[ "$("$MRUN" state "$ID" | jq -r .annotations.k)" = second ]
}

@test "deep nesting, huge numbers and huge files are errors, not crashes" {
	deep=$(printf '[%.0s' {1..5000})
	says "$(with "\"x\": $deep")" 'parse config.json, line 1: nested too deeply'
	says "$(with "\"x\": $(printf '{"a":%.0s' {1..5000})")" 'parse config.json, line 1: nested too deeply'
	# 60 levels are no problem, known or unknown.
	says "$(with "\"x\": $(printf '[%.0s' {1..60})$(printf ']%.0s' {1..60})")" root.path:
	digits=$(printf '9%.0s' {1..10000})
	says "$(with "\"process\": {\"cwd\": \"/\", \"args\": [\"x\"], \"oomScoreAdj\": $digits}")" 'process.oomScoreAdj: expected an integer from'
	for n in 1e400 -1e400 1e3 1.0 0.1 -0.0 18446744073709551616 -1 -9223372036854775809; do
		says "$(with "\"process\": {\"cwd\": \"/\", \"args\": [\"x\"], \"rlimits\": [{\"type\": \"RLIMIT_CORE\", \"soft\": $n, \"hard\": 1}]}")" \
			'process.rlimits[0].soft: expected an integer from 0 to 18446744073709551615'
		says "$(with "\"x\": $n")" root.path:
	done
	{
		printf '{"ociVersion": "1.3.0", "x": "'
		head -c $((8 * 1024 * 1024)) /dev/zero | tr '\0' a
		printf '"}'
	} >bundle/config.json
	run -1 "$MRUN" create --bundle bundle "$ID"
	[[ $output == *config.json*8388608* ]]
}

@test "text that is no JSON is told with its line" {
	for text in '' ' ' '{' '{"ociVersion": "1.3.0"' '["' '{"a": "b'; do
		says "$text" 'parse config.json: the JSON is cut short'
	done
	for text in '{]' 'x' '{"a": 1,}' "{'a': 1}" '{"a": 01}' '{"a": +1}' '{"a": nul}' '{"a": NaN}' '{"a" 1}' \
		'{"a": "x	y"}' '{"a": "\x"}' '{"a": "\u12"}' $'\xef\xbb\xbf[[' '{} {}' '{"a": 1} x' \
		'// comment' '{"a": /* comment */ 1}'; do
		says "$text" 'parse config.json, line 1: '
	done
	for text in '[]' '5' '"x"' 'null' 'true'; do
		says "$text" 'expected a JSON object at the top'
	done
	says $'{\n"a": 1,\n\n"b": ]}' 'parse config.json, line 4: invalid JSON'
}

@test "invalid UTF-8, NUL and halves of surrogates in strings are errors" {
	for bytes in '\xff' '\xc0\xaf' '\xe2\x82' '\xed\xa0\x80' '\xed\xbf\xbf' '\xf4\x90\x80\x80' '\x80' \
		'\xe0\x9f\xbf' '\xf0\x8f\xbf\xbf' '\xf8\x88\x80\x80\x80' '\xe2\x28\xa1' '\xf0\x9f\x98'; do
		# shellcheck disable=SC2059 # the format makes the bytes
		says "$(with "\"hostname\": \"$(printf "a${bytes}b")\"")" 'parse config.json, line 1: invalid UTF-8'
	done
	says "$(with '"hostname": "a\u0000b"')" 'parse config.json, line 1: a string has a NUL byte in it'
	says "$(with '"a\u0000b": 1')" 'parse config.json, line 1: a string has a NUL byte in it'
	mkdir -p bundle
	printf '{"ociVersion": "1.3.0\0"}' >bundle/config.json
	run -1 "$MRUN" create --bundle bundle "$ID"
	[[ $output == *"parse config.json, line 1: "* ]]
	for half in '\ud800' '\udc00' '\uDC00\uD800' '\ud800x' '\ud800\u0041' '\ud800\ud800' '\ud800\\udc00' '\ud83d'; do
		says "$(with "\"hostname\": \"$half\"")" 'parse config.json, line 1: half of a surrogate pair'
	done
	says $'{\n"a": "\xff"' 'parse config.json, line 2: invalid UTF-8'
	# A character beyond 16 bits, as a pair and as it is, and an escaped key.
	says "$(with '"annotations": {"\ud83d\ude00": "x", "😀b": "\uffff\\ud800 \u007f é"}')" root.path:
	says "$(with '"host\u006eame": 5')" 'hostname: expected a string'
}

@test "exec --process: the keys of a process by their path" {
	need_root
	bundle b '.process.args = ["sleep", "100"]'
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	while IFS='|' read -r text expected; do
		echo "$text" >p.json
		run -255 "$MRUN" exec --process p.json "$ID"
		[[ $output == *"p.json: $expected"* ]]
	done <<-'CASES'
		{"cwd": "/", "args": 5}|process.args: expected an array
		{"cwd": 5, "args": ["true"]}|process.cwd: expected a string
		{"args": ["true"]}|process.cwd: required
		{"cwd": "/", "args": ["true"], "oomScoreAdj": 1001}|process.oomScoreAdj: 1001 is not
		{"cwd": "/", "args": ["true"], "scheduler": {"policy": "SCHED_OTHER", "flags": ["X"]}}|process.scheduler.flags[0]: unknown value 'X'
	CASES
}

# --- what mrun writes ------------------------------------------------------------------------

fits() { # SCHEMA FILE…
	run -0 "$PYTHON" "$ROOT/tests/schema/validate.py" "$SCHEMA/$1" "${@:2}"
	[ -z "$output" ]
}

@test "the validator takes the schema's good examples and no bad one" {
	need_validator
	for kind in config state features; do
		fits "runtime-spec/$kind-schema.json" "$SCHEMA/runtime-spec/test/$kind/good"/*.json
		for file in "$SCHEMA/runtime-spec/test/$kind/bad"/*.json; do
			run -1 "$PYTHON" "$ROOT/tests/schema/validate.py" "$SCHEMA/runtime-spec/$kind-schema.json" "$file"
		done
	done
}

@test "state fits its schema in every status, and so does what hooks are given" {
	need_root
	need_validator
	bundle b '.process.args = ["sleep", "100"] | .annotations = {"a.b/c": "d"} |
		.hooks = {createRuntime: [{path: "/bin/sh", args: ["sh", "-c", "cat >'"$T"'/creating.json"]}],
			poststart: [{path: "/bin/sh", args: ["sh", "-c", "cat >'"$T"'/poststart.json"]}],
			poststop: [{path: "/bin/sh", args: ["sh", "-c", "cat >'"$T"'/poststop.json"]}]}'
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	"$MRUN" state "$ID" >created.json
	"$MRUN" start "$ID"
	"$MRUN" state "$ID" >running.json
	"$MRUN" kill "$ID" KILL
	for _ in {1..200}; do
		[ "$("$MRUN" state "$ID" | jq -r .status)" != stopped ] || break
		sleep 0.05
	done
	"$MRUN" state "$ID" >stopped.json
	"$MRUN" delete "$ID"
	fits runtime-spec/state-schema.json creating.json created.json running.json stopped.json poststart.json poststop.json
	for status in creating created running stopped; do
		[ "$(jq -r .status $status.json)" = $status ]
	done
	[ "$(jq -r '.annotations["a.b/c"]' running.json)" = d ]
}

@test "features fits its schema" {
	need_validator
	"$MRUN" features >features.json
	fits runtime-spec/features-schema.json features.json
}

@test "what spec and unpack write fits the configuration's schema" {
	need_validator
	"$MRUN" spec
	mkdir r
	(cd r && "$MRUN" spec --rootless)
	"$MRUN" load -i "$(hello_image)" >/dev/null
	"$MRUN" unpack multistage-hello-world u
	fits runtime-spec/config-schema.json config.json r/config.json u/config.json
}

@test "the store and what save writes fit the image specification's schemas" {
	need_validator
	"$MRUN" load -i "$(hello_image)" >/dev/null
	"$MRUN" save --format oci-archive -o a.tar multistage-hello-world
	mkdir a
	tar -C a -xf a.tar
	for layout in a "$XDG_DATA_HOME/mrun"; do
		fits image-spec/image-layout-schema.json "$layout/oci-layout"
		fits image-spec/image-index-schema.json "$layout/index.json"
		manifest=$layout/blobs/$(jq -r '.manifests[0].digest | sub(":"; "/")' "$layout/index.json")
		fits image-spec/image-manifest-schema.json "$manifest"
		fits image-spec/config-schema.json "$layout/blobs/$(jq -r '.config.digest | sub(":"; "/")' "$manifest")"
	done
}
