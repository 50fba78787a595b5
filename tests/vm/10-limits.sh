# Limits as root, with the file-system driver on pure v2: enforced, not only written.
# modes: v2
# shellcheck shell=bash disable=SC2154 # the harness sets status and output

test_limits_are_in_their_files() {
	bundle b '"sleep", "100"' '"memory": {"limit": 33554432}, "pids": {"limit": 20},
		"cpu": {"quota": 50000, "period": 100000}'
	start c1
	is "$(<"$CG/memory.max")" 33554432
	is "$(<"$CG/pids.max")" 20
	is "$(<"$CG/cpu.max")" "50000 100000"
	mrun delete -f c1
}
