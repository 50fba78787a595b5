# Shared by tests/bench/run and its rows (NN-*.bash): who runs what where, measuring in turns, and the
# rows of the table.
#
# What a rows file gets: $work (a directory of the run's, on a tmpfs where there is one), $rounds,
# $results; and for each way of running (as_root, as_single, as_subids): $run (a prefix: nothing,
# as_user2, as_user), $dir (its directory), $uid, $gid, $low (first subordinate id).
# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # run's variables and the rows'; $run is words or nothing

note() { echo "bench: $*" >&2; }
has() { command -v "$1" >/dev/null; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# --- where and as whom -------------------------------------------------------------------------


# Whether what is measured runs under a real-time policy. It does where that is allowed: then what
# else a busy machine does hardly counts (children inherit it). BENCH_POLICY=other: never.
real_time() {
	[ "${BENCH_POLICY:-rr}" = rr ] && chrt --rr 10 true 2>/dev/null
}

# CMD in a mount namespace whose /sys/fs/cgroup is KIND's: v2: the cgroup2 tree alone, with whatever
# controllers the v1 hierarchies leave it; hybrid: as it is; v1: without the cgroup2 tree, since crun
# refuses one that has controllers. The v1 hierarchies of cpu, which take no real-time process, are
# left out if what is measured is one.
in_cgroups() { # v2|v1|hybrid CMD…
	local hide=
	! real_time || hide=cpu
	# shellcheck disable=SC2016 # expanded inside
	unshare --mount --propagation private bash -c '
		set -e
		kind=$1 hide=$2 new=$3
		shift 3
		cd /
		if [ "$kind" = v2 ]; then
			[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || {
				umount -l /sys/fs/cgroup
				mount -t cgroup2 none /sys/fs/cgroup
			}
		elif [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
			mkdir -p "$new"
			mount -t tmpfs -o mode=755 none "$new"
			for dir in /sys/fs/cgroup/*; do
				name=${dir##*/}
				[ ! -L "$dir" ] || { cp -P "$dir" "$new/$name"; continue; }
				case $kind-$name in v1-unified) continue ;; esac
				case ,$name, in *",$hide,"*) continue ;; esac
				mkdir "$new/$name"
				mount --bind "$dir" "$new/$name"
			done
			umount -l /sys/fs/cgroup
			mount --move "$new" /sys/fs/cgroup
		fi
		set +e
		"$@"' bash "$1" "$hide" "$work/cgroup-mounts" "${@:2}"
}
in_v2() { in_cgroups v2 "$@"; }
in_v1() { in_cgroups v1 "$@"; }
in_hybrid() { in_cgroups hybrid "$@"; }

# v2, hybrid or v1: this machine's cgroups.
cgroup_kind() {
	if [ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then
		echo v2
	elif [ -d /sys/fs/cgroup/unified ]; then
		echo hybrid
	else
		echo v1
	fi
}

# The directories of v1 hierarchies in which a container of root's gets its cgroup: the caller's own,
# as a runtime takes it.
v1_parents() {
	local hierarchy path
	while IFS=: read -r _ hierarchy path; do
		hierarchy=/sys/fs/cgroup/${hierarchy#name=}
		[ -f "$hierarchy$path/tasks" ] && echo "${hierarchy%/}${path%/}"
	done </proc/self/cgroup
}

# The directories of the caller's cgroups, in whatever hierarchies there are.
own_cgroups() {
	if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
		echo "/sys/fs/cgroup$(sed -n 's|^0::/*|/|p' /proc/self/cgroup)"
	else
		v1_parents
	fi
}

# For the shells that in_cgroups starts.
export -f lib_as as_user as_user2 v1_parents own_cgroups

# crun, with what it needs to run here at all.
crun_command() {
	crun=(crun)
	[ ! -f "$work/memlock.so" ] || crun=(env "LD_PRELOAD=$work/memlock.so" crun)
}

as_root() { # NAME
	run='' uid=0 gid=0 low='' dir=$work/$1
	mkdir -p "$dir/home"
	mkdir -p "$dir/run"
	chmod 700 "$dir/run"
	export HOME=$dir/home XDG_DATA_HOME='' XDG_CACHE_HOME='' XDG_RUNTIME_DIR=$dir/run
}

# 1, with a line that says why, where no such user can be had.
as_single() { # NAME
	unset LIB_SKIP
	[ -n "${TEST_USER2:-}" ] || user_make_plain
	[ -z "${LIB_SKIP:-}" ] || {
		note "left out: $LIB_SKIP"
		return 1
	}
	run=as_user2 uid=$TEST_UID2 gid=$TEST_GID2 low='' dir=$TEST_HOME2/$1
	$run mkdir -p "$dir"
}

as_subids() { # NAME
	unset LIB_SKIP
	[ -n "${TEST_USER:-}" ] || user_make
	[ -z "${LIB_SKIP:-}" ] || {
		note "left out: $LIB_SKIP"
		return 1
	}
	run=as_user uid=$TEST_UID gid=$TEST_GID dir=$TEST_HOME/$1
	low=$(lib_subid "$TEST_USER" /etc/subuid)
	$run mkdir -p "$dir"
}

# --- bundles ---------------------------------------------------------------------------------------

# runc's default configuration, runc's own where it is installed, with /bin/true and no terminal.
# FILTER: a jq program for what is special.
bundle_make() { # FILTER [spec option…]
	local filter=$1 spec=runc
	shift
	has runc || spec=$MRUN
	$run mkdir -p "$dir/bundle/rootfs"
	tar -C "$dir/bundle/rootfs" --no-same-owner -xpf "$base_tar"
	[ -z "$run" ] || chown -R "$uid:$gid" "$dir/bundle/rootfs"
	rm -f "$dir/bundle/config.json"
	${wrap:-} $run "$spec" spec --bundle "$dir/bundle" "$@"
	jq ".process.terminal = false | .process.args = [\"/bin/true\"] | $filter" \
		"$dir/bundle/config.json" >"$work/config.json"
	# The file is the user's: its content changes, not its owner.
	cat "$work/config.json" >"$dir/bundle/config.json"
}

# In place: FILTER on $dir/bundle/config.json, into another bundle directory with the same root.
bundle_variant() { # NAME FILTER
	$run mkdir -p "$dir/$1"
	jq "$2 | .root.path = \"$dir/bundle/rootfs\"" "$dir/bundle/config.json" >"$work/config.json"
	cp "$work/config.json" "$dir/$1/config.json"
	[ -z "$run" ] || chown "$uid:$gid" "$dir/$1/config.json"
}

# --- measuring ---------------------------------------------------------------------------------------

commands=()
around=()
add() { # LABEL COMMAND…
	commands+=(::: "$@")
}

# Runs what add() collected in turns and keeps the times under GROUP. $before: a command before each.
# $expect: what each must print. $wrap: in_v2 or the like. $around: a command that runs its arguments.
measure() { # GROUP [ROUNDS]
	local group=$1 n=${2:-$rounds} raw=$work/raw.tsv options=()
	[ ${#commands[@]} -gt 0 ] || return 0
	[ -z "${before:-}" ] || options=(--before "$before")
	note "measuring: $group, $n rounds"
	: >"$raw"
	chmod 666 "$raw"
	(
		! real_time || chrt --rr -p 10 "$BASHPID" >/dev/null
		${wrap:-} $run "${around[@]}" "$work/timer" --raw "$raw" "${options[@]}" "$n" "${expect:-}" "${commands[@]}"
	) >"$work/times" 2>"$work/left-out" || true
	sed 's/^/bench: /' "$work/left-out" >&2
	sed "s/^/$group\t/" "$work/times" | tee -a "$results/times.tsv" >&2
	sed "s/^/$group\t/" "$raw" >>"$results/raw.tsv"
	commands=()
}

# A column of times.tsv: 3 median, 4 minimum, 5 90th percentile, 7 peak memory. Empty: not measured.
value() { # GROUP LABEL COLUMN
	awk -F'\t' -v g="$1" -v l="$2" -v c="$3" '$1 == g && $2 == l { v = $c } END { if (v != "") print v }' \
		"$results/times.tsv"
}

# Bytes that CMD and all that it starts write to files (not to pipes, sockets, memory files, /proc, /sys and
# /dev): the sum of what the calls returned, where the descriptor is one of a file. Needs strace.
bytes_written() { # CMD…
	$wrap $run strace -f -y -qq -e signal=none \
		-e trace=write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range \
		-o "$dir/strace" "$@" >/dev/null 2>"$work/log" || {
		note "strace: $(tail -n 1 "$work/log")"
		return 0
	}
	awk '
		/copy_file_range\(/ { split($0, part, "<"); text[$1] = part[3] }
		/(write|writev|pwrite64|pwritev2?|sendfile)\(/ { split($0, part, "<"); text[$1] = part[2] }
		/ = [0-9]+$/ && text[$1] ~ /^\// && text[$1] !~ /^\/(proc|sys|dev\/(null|pts|tty)|memfd:)/ { sum += $NF }
		/ = / { delete text[$1] }
		END { print sum + 0 }' "$dir/strace"
}

# The first of LABELs that was measured.
first_of() { # GROUP LABEL…
	local group=$1 label
	shift
	for label; do
		[ -z "$(value "$group" "$label" 3)" ] || {
			echo "$label"
			return 0
		}
	done
	echo "$1"
}

# --- rows --------------------------------------------------------------------------------------------

# One line of the table. MEASURED and TARGET are numbers, in UNIT; the lower the better.
# MIN: the same as MEASURED from minima, or "". MEDIAN: what it was measured from, as text.
row() { # WHAT AGAINST MEASURED MIN TARGET UNIT MEDIAN
	local verdict=no
	[ -n "$3" ] || {
		row_missing "$1" "$2" "$5" "$6" "not measured"
		return 0
	}
	[ -z "$5" ] || ! awk -v a="$3" -v b="$5" 'BEGIN { exit !(a + 0 <= b + 0) }' || verdict=yes
	[ -n "$5" ] || verdict=-
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" "$6" "$verdict" "$7" |
		tee -a "$results/rows.tsv" >&2
}

row_missing() { # WHAT AGAINST TARGET UNIT WHY
	printf '%s\t%s\t\t\t%s\t%s\tleft out\t%s\n' "$1" "$2" "$3" "$4" "$5" | tee -a "$results/rows.tsv" >&2
}

# A row that is the ratio of two commands of a group.
row_ratio() { # WHAT GROUP LABEL OTHER TARGET
	local a b a_min b_min
	a=$(value "$2" "$3" 3) b=$(value "$2" "$4" 3) a_min=$(value "$2" "$3" 4) b_min=$(value "$2" "$4" 4)
	if [ -z "$a" ] || [ -z "$b" ]; then
		row_missing "$1" "$4" "$5" times "not measured"
		return 0
	fi
	row "$1" "$4" "$(ratio "$a" "$b")" "$(ratio "$a_min" "$b_min")" "$5" times \
		"$(ms "$a") of $(ms "$b") ms, least $(ms "$a_min") of $(ms "$b_min")"
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
ms() { awk -v us="$1" 'BEGIN { printf us < 100000 ? "%.2f" : "%.0f", us / 1000 }'; }
