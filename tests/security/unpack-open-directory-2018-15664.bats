#!/usr/bin/env bats
# A bundle's directory that everybody may write to is not taken: another user could swap what is in it
# while root unpacks (CVE-2018-15664 is docker cp's race).
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	need python3
	need_root
}
teardown() { sec_teardown; }

@test "a bundle's directory that everybody may write to is refused" {
	layer open-0.tar <<<'[f("x")]'
	layers_image open
	mkdir -m 777 open-bundle
	run -125 "$MRUN" unpack "oci:$T/open:t" open-bundle
	[[ $output == *"open-bundle: everybody may write to it"*"hint: "* ]]
	[ -z "$(ls -A open-bundle)" ]
	chmod 755 open-bundle
	"$MRUN" unpack "oci:$T/open:t" open-bundle
	sentinel_same
}
