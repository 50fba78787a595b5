# create, start and delete of a container, and exec into a running one, against crun; and what Docker's
# default seccomp profile adds to a run.
# shellcheck shell=bash disable=SC2034,SC2154 # lib.bash's and run's variables

# Docker's profile as containers-common has it, for this processor and runc's default capabilities, as
# linux.seccomp has it. What moby calls excludes and includes is decided here.
profile=/usr/share/containers/seccomp.json
seccomp_filter() {
	jq '
		def caps: ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
		def has_cap: . as $c | any($c[]; . as $x | caps | index([$x]) != null);
		def here: ((.includes.caps // []) | length == 0 or has_cap)
			and ((.excludes.caps // []) | has_cap | not)
			and ((.includes.arches // []) | length == 0 or index(["amd64"]) != null)
			and ((.excludes.arches // []) | index(["amd64"]) == null);
		{defaultAction, defaultErrnoRet, architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
		 syscalls: [.syscalls[] | select(here) | {names, action, errnoRet, args: (.args // [])}
			| with_entries(select(.value != null and .value != []))]}
		| with_entries(select(.value != null))' "$profile"
}

# A shell that runs the three after each other.
life() { # RUNTIME…
	# shellcheck disable=SC2016 # expanded inside
	printf 'id=bench-mrun-life-$$; %s create -b %q $id && %s start $id && %s delete -f $id' \
		"$*" "$dir/bundle" "$*" "$*"
}

# exec into containers that live as long as the measuring.
measure_exec() { # TEXT
	local start='' end='' around
	start="$MRUN --root $dir/mrun run -d -b $dir/sleeper bench-mrun-sleep-1"
	end="$MRUN --root $dir/mrun delete -f bench-mrun-sleep-1"
	add mrun "$MRUN" --root "$dir/mrun" exec bench-mrun-sleep-1 /bin/true
	if has crun; then
		start+=" && ${crun[*]} --root $dir/crun run -d -b $dir/sleeper bench-mrun-sleep-2"
		end+="; ${crun[*]} --root $dir/crun delete -f bench-mrun-sleep-2"
		add crun "${crun[@]}" --root "$dir/crun" exec bench-mrun-sleep-2 /bin/true
	fi
	around=(sh -c "{ $start; } </dev/null >$dir/log 2>&1; \"\$@\"; $end" sh)
	measure "exec-$user"
	row_ratio "exec, $1" "exec-$user" mrun crun 0.4
}

# The difference that a filter makes.
measure_seccomp() { # TEXT
	local with without with_min without_min
	[ -f "$profile" ] || {
		row_missing "with a seccomp profile, $1" "without" 0.3 ms "$profile is not there"
		return 0
	}
	seccomp_filter >"$work/seccomp.json"
	bundle_variant seccomp ".linux.seccomp = $(cat "$work/seccomp.json")"
	add "without" "$MRUN" --root "$dir/mrun" run -b "$dir/bundle" bench-mrun-1
	add "with seccomp" "$MRUN" --root "$dir/mrun" run -b "$dir/seccomp" bench-mrun-2
	if has crun; then
		add "crun without" "${crun[@]}" --root "$dir/crun" run -b "$dir/bundle" bench-mrun-3
		add "crun with" "${crun[@]}" --root "$dir/crun" run -b "$dir/seccomp" bench-mrun-4
	fi
	measure "seccomp-$user" $((rounds * 2))
	difference "with a seccomp profile, $1" "with seccomp" without 0.3
	! has crun || difference "crun with a seccomp profile, $1" "crun with" "crun without" ""
}

difference() { # TEXT LABEL OTHER TARGET
	local a b a_min b_min
	a=$(value "seccomp-$user" "$2" 3) b=$(value "seccomp-$user" "$3" 3)
	a_min=$(value "seccomp-$user" "$2" 4) b_min=$(value "seccomp-$user" "$3" 4)
	if [ -z "$a" ] || [ -z "$b" ]; then
		row_missing "$1" "without" "$4" ms "not measured"
		return 0
	fi
	row "$1" "without" "$(ms $((a - b)))" "$(ms $((a_min - b_min)))" "$4" ms \
		"$(ms "$a") and $(ms "$b") ms; $(jq '[.syscalls[].names[]] | length' "$work/seccomp.json") names of containers-common's profile"
}

lifecycle() { # root|single WRAP TEXT
	local crun wrap=$2 user=$1
	"as_$1" lifecycle || {
		row_missing "create, start, delete, $3" crun 0.4 times "no such user could be made"
		return 0
	}
	crun_command
	if [ "$1" = root ]; then
		bundle_make .
	else
		crun+=(--cgroup-manager=disabled)
		bundle_make . --rootless
	fi
	bundle_variant sleeper '.process.args = ["/bin/sleep", "1000000"]'
	add mrun sh -c "$(life "$MRUN" --root "$dir/mrun")"
	! has crun || add crun sh -c "$(life "${crun[@]}" --root "$dir/crun")"
	measure "life-$user"
	row_ratio "create, start, delete, $3" "life-$user" mrun crun 0.4
	measure_exec "$3"
	measure_seccomp "$3"
}

! is_root || lifecycle root in_v2 "root, cgroup v2"
rootless_wrap=
! is_root || rootless_wrap=in_v1
lifecycle single "$rootless_wrap" "rootless, one id"
