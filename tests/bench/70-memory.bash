# The smallest memory.max in which a container starts. It needs cgroup v2 with the memory controller: on
# this machine, or, with BENCH_GUEST=1, in a guest (scripts/vm), which takes minutes to make.
# shellcheck shell=bash disable=SC2034,SC2154 # lib.bash's and run's variables

in_guest() {
	local share=$dir/share programs="./mrun"
	mkdir -p "$share/lib"
	"$root/scripts/vm" build bookworm >&2 || return 1
	cp "$MRUN" "$base_tar" "$here/memory-max" "$work/nothing" "$share/"
	if has crun; then
		# Of the guest's own release when this machine runs it; else the libraries do not fit.
		cp "$(command -v crun)" "$share/crun.program"
		ldd "$(command -v crun)" | awk '$2 == "=>" { print $3 }' | grep -v '/libc\.so\|/ld-linux' | xargs cp -t "$share/lib"
		printf '#!/bin/sh\nLD_LIBRARY_PATH=/share/lib exec /share/crun.program "$@"\n' >"$share/crun"
		chmod 755 "$share/crun"
		programs+=" ./crun"
	fi
	"$root/scripts/vm" run bookworm "mount -t tmpfs tmpfs /tmp
		for p in $programs; do list=\"\$list \$(realpath \$p)\"; done
		./memory-max ${base_tar##*/} ./nothing /tmp/bench \$list" "$share"/* | tr -d '\r'
}

memory_row() {
	local found where="here" own crun
	as_root memory
	if grep -qw memory "/sys/fs/cgroup/cgroup.controllers" 2>/dev/null; then
		found=$("$here/memory-max" "$base_tar" "$work/nothing" "$dir/bench" "$MRUN" "$(command -v crun || true)")
	elif [ "${BENCH_GUEST:-}" = 1 ]; then
		where="in a guest of bookworm's"
		found=$(in_guest) || true
	else
		row_missing "smallest memory.max" "" 256 KiB "no memory controller of cgroup v2 (BENCH_GUEST=1: in a guest)"
		return 0
	fi
	own=$(sed -n 's/^mrun \([0-9]*\)$/\1/p' <<<"$found")
	crun=$(sed -n 's/^crun \([0-9]*\)$/\1/p' <<<"$found")
	row "smallest memory.max" "" "$own" "" 256 KiB "$where${crun:+, crun $crun}"
}

if is_root; then
	memory_row
else
	row_missing "smallest memory.max" "" 256 KiB "needs root"
fi
