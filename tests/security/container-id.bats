#!/usr/bin/env bats
# A container's id is a directory's name: one with slashes, dots, newlines or nothing in it leads to other
# directories, and `delete --force` would remove them.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() { sec_setup; }
teardown() { sec_teardown; }

BAD=(../../host ../../host/empty /etc a/b ./a a/ . .. '' $'a\nb' 'a b' $'a\x1b[2J' 'a:b' 'ä' '*' '$(id)' '~')

@test "every command refuses them, and touches nothing" {
	local id command
	for WHO in $(roles); do
		hostile '.process.args = ["/bin/true"]'
		jq .process "$B/config.json" >"$B/process.json"
		R=$T/state-$WHO
		mkdir -m 700 "$R"
		[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown "$TEST_USER:" "$R"
		for id in "${BAD[@]}"; do
			echo "as $WHO: '$id'"
			for command in 'delete -f' delete state kill start stop wait logs ps pause resume events \
				'update --pids-limit 5' "exec -p $B/process.json"; do
				# shellcheck disable=SC2086 # command and option
				run m --root "$R" $command "$id"
				[ "$status" -ne 0 ]
				[[ $output == *"container id"* ]]
			done
			for command in run create; do
				run m --root "$R" $command --bundle "$B" "$id"
				[ "$status" -ne 0 ]
				[[ $output == *"container id"* ]]
			done
			# Nor does what it says move the terminal's cursor.
			[[ $output != *$'\x1b'* ]]
		done
		[ -z "$(ls -A "$R")" ]
		sentinel_same
	done
}

@test "images: --name" {
	local id
	hostile_image image
	for WHO in $(roles); do
		for id in ../../host/empty /etc a/b .. 'a b'; do
			run -125 m --name "$id" "$IMAGE" true
		done
		sentinel_same
	done
}

@test "a link in the state directory is not a container" {
	for WHO in $(roles); do
		R=$T/state-$WHO
		mkdir -m 700 "$R"
		ln -s "$HOST/open" "$R/linked"
		ln -s "$HOST/open/secret" "$R/file"
		mkdir "$R/empty" "$R/half"
		ln -s "$HOST/open/secret" "$R/half/state.json"
		ln -s "$HOST/open/secret" "$R/half/init"
		[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown -hR "$TEST_USER:" "$R"
		for id in linked file half empty; do
			m --root "$R" state "$id" >"$T/out" 2>&1 || true
			m --root "$R" kill "$id" KILL >>"$T/out" 2>&1 || true
			m --root "$R" list >>"$T/out" 2>&1 || true
			m --root "$R" delete -f "$id" >>"$T/out" 2>&1 || true
			no_secret "$T/out"
			sentinel_same
		done
	done
}
