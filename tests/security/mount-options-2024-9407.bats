#!/usr/bin/env bats
# Commas, colons, backslashes and newlines in paths become options of a mount (CVE-2024-9407), or further
# directories of an overlay; options of a tmpfs become others.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

@test "a cache whose path is full of them" {
	hostile_image image
	for WHO in $(roles); do
		for name in "a,b" "a:$HOST/open" 'a\:b\,c' "x,lowerdir=$HOST,upperdir=$HOST/open" $'new\nline' 'bl ank' '$(touch x)'; do
			name=${name//\//_}
			local cache=$T/cache-$WHO/$name
			mkdir -p "$cache"
			[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -R "$TEST_USER:" "$T/cache-$WHO"
			case $WHO in
			user) as_user env "XDG_CACHE_HOME=$cache" "$MRUN" "$IMAGE" sh -c 'ls /; cat /secret; echo x >/new; rm -rf /etc; echo done' >"$T/out" 2>"$T/err" ;;
			*) XDG_CACHE_HOME=$cache "$MRUN" "$IMAGE" sh -c 'ls /; cat /secret; echo x >/new; rm -rf /etc; echo done' >"$T/out" 2>"$T/err" ;;
			esac
			[ "$(tail -1 "$T/out")" = "done" ]
			no_secret "$T/out"
			[ -d "$cache/mrun/layers" ]
			sentinel_same
			case $WHO in
			user) as_user env "XDG_CACHE_HOME=$cache" "$MRUN" prune --all >/dev/null ;;
			*) XDG_CACHE_HOME=$cache "$MRUN" prune --all >/dev/null ;;
			esac
		done
	done
}

@test "sources and targets of mounts" {
	hostile_image image
	for WHO in $(roles); do
		for name in 'a,rw' 'ro,b' 'a\,b' 'bl ank' $'new\nline' 'dev=x,exec'; do
			mkdir -p "$T/src/$name"
			echo "there" >"$T/src/$name/file"
			# A bundle's are what they are.
			hostile '.process.args = ["/bin/sh", "-c", "cd /t/*; cat file; touch new"]'
			configure ".mounts += [{destination: $(jq -n --arg n "/t/$name" '$n'), type: \"bind\", source: $(jq -n --arg n "$T/src/$name" '$n'), options: [\"bind\", \"ro\"]}]"
			go
			grep -qx there "$T/out"
			[ ! -e "$T/src/$name/new" ]
			# -v has colons between its parts, and no other separator.
			m -v "$T/src/$name:/t/$name:ro" "$IMAGE" sh -c 'cd /t/*; cat file; touch new' >"$T/out" 2>/dev/null || true
			[ "$(cat "$T/out")" = there ]
			[ ! -e "$T/src/$name/new" ]
		done
		# --mount's parts are separated by commas: a path with one must not add an option silently.
		mkdir -p "$T/src/x,readonly=false"
		run m --mount "type=bind,source=$T/src/x,readonly=false,target=/t,readonly" "$IMAGE" true
		[ "$status" -eq 125 ]
		for v in "$HOST/open:/a:/b:/c" "$HOST/open:/a:evil" "$HOST/open:/a:ro,upperdir=/x" ":/a" "$HOST/open:"; do
			run -125 m -v "$v" "$IMAGE" true
		done
		sentinel_same
	done
}

@test "options of tmpfs and of config.json's file systems" {
	hostile_image image
	for WHO in $(roles); do
		for o in 'size=1m,lowerdir=/' 'mode=777,context=x' 'evil' 'size=1m,source=/etc' 'nr_inodes=1,bind'; do
			run -125 m --tmpfs "/t:$o" "$IMAGE" true
		done
		hostile '.process.args = ["/bin/ls", "/t"]'
		for o in 'lowerdir=/' "upperdir=$HOST/open" 'size=1m,lowerdir=/'; do
			configure "del(.mounts[] | select(.destination == \"/t\")) | .mounts += [{destination: \"/t\", type: \"tmpfs\", source: \"tmpfs\", options: [\"$o\"]}]"
			go
			[ "$status" -eq 1 ]
		done
		sentinel_same
	done
}
