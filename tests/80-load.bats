#!/usr/bin/env bats
# Many containers at once and one after the other, many processes on one store, and a disk that is full
# or read-only at each step. The numbers are small here; MRUN_LOAD=full takes 1,000 containers alive,
# 200 started at once, 10,000 runs and 20 processes for a minute, and prints figures.
# shellcheck disable=SC2015,SC2034,SC2094,SC2143,SC2016,SC2030,SC2031,SC2154 # programs for other shells; bats's variables
bats_require_minimum_version 1.5.0
load lib
load images

I=multistage-hello-world
if [ "${MRUN_LOAD:-}" = full ]; then
	ALIVE=1000 AT_ONCE=200 RUNS=10000 WORKERS=20 SECONDS_BUSY=60
else
	ALIVE=40 AT_ONCE=30 RUNS=80 WORKERS=8 SECONDS_BUSY=4
fi

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	P=l$$-$RANDOM
	WHO=root
	for WHO in $(everybody); do m load -q -i "$(hello_image)"; done
}
teardown() {
	cd /
	for WHO in $(everybody); do
		m list -q 2>/dev/null | grep "^$P" | xargs -r -n 1 -P 4 "$(runner)" delete -f >/dev/null 2>&1
	done
	! mountpoint -q "$T/disk" || umount -l "$T/disk"
	lib_teardown
}

everybody() { [ "$(id -u)" -ne 0 ] || echo root; echo user; }

# A program that is mrun as WHO, for xargs.
runner() {
	[ "$WHO" = user ] || {
		echo "$MRUN"
		return
	}
	declare -f as_user lib_as >"$T/functions"
	printf '#!/bin/bash\n. %s/functions\nas_user %s "$@"\n' "$T" "$MRUN" >"$T/as-user"
	chmod 755 "$T/as-user"
	echo "$T/as-user"
}

figure() { # TEXT: printed with the full numbers
	[ "${MRUN_LOAD:-}" != full ] || echo "# $*" >&3
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# What is there of WHO's that could become more: slots, states, mounts, cgroups.
held() {
	local cache=$XDG_CACHE_HOME/mrun state=$XDG_RUNTIME_DIR/mrun
	[ "$WHO" != user ] || cache=$TEST_HOME/.cache/mrun state=$TEST_RUNTIME/mrun
	find "$cache"/layers/*/run -mindepth 1 2>/dev/null | wc -l
	find "$cache" -mindepth 1 ! -path '*/run/*' 2>/dev/null | wc -l
	find "$state" -mindepth 1 2>/dev/null | wc -l
	grep -c mrun /proc/self/mountinfo || true
	find /sys/fs/cgroup -type d -name "*$P*" 2>/dev/null | wc -l
	lib_processes | wc -l
}

@test "containers alive at once, and listed" {
	local start n
	alive() {
		start=$(now)
		for ((n = 0; n < ALIVE; n++)); do echo "$P-$n"; done |
			xargs -P 2 -I ID "$(runner)" -d --name ID $I sleep 3000 >ids 2>err 3>&-
		cat err
		[ ! -s err ]
		[ "$(wc -l <ids)" -eq "$ALIVE" ]
		figure "$WHO: $ALIVE started in $(since "$start") s"
		start=$(now)
		m list --format json >list
		figure "$WHO: listed in $(since "$start") s"
		[ "$(jq "[.[] | select(.status == \"running\" and (.id | startswith(\"$P-\")))] | length" list)" -eq "$ALIVE" ]
		[ "$(jq -r '.[].pid' list | sort -u | wc -l)" -eq "$(jq length list)" ]
		[ "$(m exec "$P-$((ALIVE / 2))" echo in)" = in ]
		m list -q | grep "^$P-" >names
		start=$(now)
		xargs -n 1 -P 2 "$(runner)" delete -f <names
		figure "$WHO: removed in $(since "$start") s"
		[ -z "$(m list -q | grep "^$P-")" ]
	}
	for WHO in $(everybody); do alive; done
}

@test "containers of OCI bundles started at once" {
	local start n bad
	at_once() {
		rm -rf b
		bundle b '.process.args = ["/bin/true"]'
		if [ "$WHO" = user ]; then
			chown -R "$TEST_USER:" b 2>/dev/null || true
			as_user "$MRUN" spec --rootless --bundle "$T/r" 2>/dev/null || {
				mkdir -p r && chown "$TEST_USER:" r
				as_user "$MRUN" spec --rootless --bundle "$T/r"
			}
			jq '.process.terminal = false | .process.args = ["/bin/true"]' r/config.json >b/config.json
		fi
		start=$(now)
		for ((n = 0; n < AT_ONCE; n++)); do
			(m run --bundle "$T/b" "$P-$n" </dev/null >"out.$n" 2>&1 || echo "$?" >"bad.$n") 3>&- &
		done
		wait
		figure "$WHO: $AT_ONCE at once in $(since "$start") s"
		for bad in bad.*; do
			[ ! -f "$bad" ] || cat "$bad" "out.${bad#bad.}"
		done
		run ! ls bad.*
		[ -z "$(m list -q | grep "^$P-")" ]
	}
	for WHO in $(everybody); do at_once; done
}

@test "images started at once, the first of which has to be unpacked" {
	local start n bad
	images_at_once() {
		start=$(now)
		for ((n = 0; n < AT_ONCE; n++)); do
			([ "$(m $I </dev/null 2>"out.$n")" = 'Hello world!' ] || echo "$n" >"bad.$n") 3>&- &
		done
		wait
		figure "$WHO: $AT_ONCE images at once in $(since "$start") s"
		for bad in bad.*; do
			[ ! -f "$bad" ] || cat "out.${bad#bad.}"
		done
		run ! ls bad.*
	}
	for WHO in $(everybody); do images_at_once; done
}

@test "runs one after the other: memory, descriptors, mounts stay as they are" {
	need python3
	local start pid fds rss
	one_by_one() {
		m $I >/dev/null
		m -d --name "$P" $I sleep 3000 </dev/null >/dev/null 2>&1 3>&-
		m $I >/dev/null
		m exec "$P" true
		held >before
		for pid in $(pgrep -f -- "-d --name $P "); do
			[ "$(readlink "/proc/$pid/exe")" != "$MRUN" ] || break
		done
		fds=$(find "/proc/$pid/fd" | wc -l)
		rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
		start=$(now)
		python3 - "$(runner)" "$RUNS" "$I" "$P" <<-'END' >figures
			import os, subprocess, sys
			mrun, runs, image, stays = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
			# Pages touched. (The peak of the resident size begins as this program's own.)
			faults = []
			for n in range(runs):
			    # Every tenth goes into the container that stays.
			    args = [mrun, "exec", stays, "true"] if n % 10 == 9 else [mrun, image]
			    p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
			    out = p.stdout.read()
			    p.stdout.close()
			    _, status, usage = os.wait4(p.pid, 0)
			    p.returncode = 0
			    if status or (args[1] == image and out != b"Hello world!\n"):
			        sys.exit(f"run {n} of {runs}: status {status}: {out!r}")
			    if args[1] == image:
			        faults.append(usage.ru_minflt)
			tenth = max(10, len(faults) // 10)
			first, last = sorted(faults[:tenth])[tenth // 2], sorted(faults[-tenth:])[tenth // 2]
			print(f"{runs} runs: the median of the first tenth touched {first} pages, of the last {last}")
			# A page here and there is the machine's.
			sys.exit(f"{first} pages became {last}") if last > first + 32 else None
		END
		figure "$WHO: $(cat figures), $(since "$start") s"
		held >after
		figure "$WHO: slots' files, cache, state, mounts, cgroups, processes: $(tr '\n' ' ' <before)-> $(tr '\n' ' ' <after)"
		diff before after
		[ "$(find "/proc/$pid/fd" | wc -l)" -eq "$fds" ]
		figure "$WHO: the process that stays with -d: $fds descriptors, $rss KiB -> $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status") KiB"
		[ "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" -le $((rss + 128)) ]
		m delete -f "$P"
	}
	for WHO in $(everybody); do one_by_one; done
}

@test "processes that load, run and remove the same images" {
	local n start hello small
	hello=$(hello_image)
	small_image "$T/small.tar" --name small:1
	small=$T/small.tar
	# What another one removed meanwhile is no error; anything else is.
	worker() { # NUMBER
		local n=$1 end=$((SECONDS + SECONDS_BUSY)) out rounds=0
		try() { # CMD…
			out=$("$@" 2>&1 </dev/null) && return 0
			case $out in
			*"no such image"* | *"not found"* | *"is not in the store"*) return 1 ;;
			esac
			printf '%s\n%s\n' "$*" "$out" >>"bad.$n"
			return 1
		}
		while [ $SECONDS -lt $end ]; do
			try m load -q -i "$hello"
			! try m tag "$I" "mine-$n" || {
				out=$(m "mine-$n" 2>&1 </dev/null)
				[ "$out" = 'Hello world!' ] || printf 'mine-%s: %s\n' "$n" "$out" >>"bad.$n"
				try m rmi "mine-$n"
			}
			try m load -q -i "$small"
			try m "$I"
			[ $((rounds % 3)) -ne "$((n % 3))" ] || try m rmi -f small:1 "$I"
			[ $((rounds % 5)) -ne "$((n % 5))" ] || try m prune
			[ $((rounds % 7)) -ne "$((n % 7))" ] || try m prune --all
			[ "$(m "docker-archive:$hello" 2>"err.$n" </dev/null)" = 'Hello world!' ] || cat "err.$n" >>"bad.$n"
			try m images
			try m fsck
			rounds=$((rounds + 1))
		done
		echo "$rounds" >"rounds.$n"
	}
	together() {
		rm -f rounds.*
		for ((n = 0; n < WORKERS; n++)); do worker "$n" 3>&- & done
		wait
		cat bad.* 2>/dev/null && return 1
		figure "$WHO: $WORKERS processes, $SECONDS_BUSY s: $(cat rounds.* | paste -sd+ | bc) rounds"
		run -0 m fsck
		[[ $output == *" 0 problems"* ]]
		m load -q -i "$hello"
		[ "$(m $I)" = 'Hello world!' ]
		m rmi -f $I small:1 2>/dev/null || m rmi -f $I
		m prune --all
		run -0 m fsck
		[[ $output == "0 images, 0 blobs,"* ]]
	}
	for WHO in $(everybody); do together; done
}

# --- a disk that is full, or read-only ---------------------------------------------------------

# A tmpfs at $T/disk for the variable, and everything else elsewhere.
disk() { # VARIABLE [SIZE INODES]
	mkdir -p disk
	mount -t tmpfs -o "size=${2:-8m},nr_inodes=${3:-400},mode=700" mrun-test disk
	export "$1=$T/disk"
}

# Leaves N pages or inodes free there.
leave() { # pages|inodes N
	local free
	if [ "$1" = pages ]; then
		free=$(df -Pk disk | awk 'NR == 2 { print int($4 / 4) }')
		[ "$free" -le "$2" ] || head -c $(((free - $2) * 4096)) /dev/zero >disk/.filler
	else
		free=$(df -Pi disk | awk 'NR == 2 { print $4 }')
		mkdir disk/.filled
		free=$((free - 1))
		[ "$free" -le "$2" ] || (cd disk/.filled && seq -f 'f%g' $((free - $2)) | xargs touch)
	fi
}
refill() { rm -rf disk/.filler disk/.filled; }

on_disk() { (cd disk && find . -mindepth 1 ! -path './.fill*' | sort); }

# CMD works, or says in one line (a hint may follow) that the disk is full and leaves nothing.
full_or_fine() { # CMD…
	local status=0
	"$@" >out 2>err </dev/null || status=$?
	refill
	if [ "$status" -ne 0 ]; then
		failures=$((failures + 1))
		[ "$(grep -vc '^hint: ' err)" -eq 1 ] && grep -qiE 'no space left on device|read-only file system' err || {
			echo "$how: $*: status $status, said:"
			cat out err
			return 1
		}
	fi
	on_disk >after
}

# Each of them with nearly nothing, a little more, …, until it works.
each_way() { # FUNCTION
	local how failures=0 n
	for n in 0 1 2 4 6 10 20 60; do
		how="$n pages"
		"$1" pages "$n"
	done
	for n in 0 1 2 3 4 6 9 14; do
		how="$n inodes"
		"$1" inodes "$n"
	done
	# Was there anything to see?
	[ "$failures" -ge "${2:-4}" ]
}

@test "a full disk: load, tag, rmi" {
	need_root
	disk XDG_DATA_HOME
	small_image i.tar
	small_image other.tar --name other:1 --env A=b
	loads() {
		leave "$@"
		full_or_fine "$MRUN" load -q -i i.tar
		run -0 "$MRUN" fsck
		[[ $output == *" 0 problems"* && $output != *"belong to no image"* ]]
		run "$MRUN" images -q
		if [ -n "$output" ]; then
			leave "$@"
			full_or_fine "$MRUN" tag small:1 other:2
			leave "$@"
			full_or_fine "$MRUN" load -q -i other.tar
			"$MRUN" fsck
			# The way out of it has to be open.
			leave "$1" 0
			"$MRUN" rmi -f "$("$MRUN" images -q | head -n 1)" 2>err || {
				cat err
				grep -q 'no space left' err
			}
			refill
			"$MRUN" fsck
		fi
		rm -rf disk/mrun
	}
	each_way loads
}

@test "a full disk: the cache, when an image is run" {
	need_root
	disk XDG_CACHE_HOME 64m 3000 # an Alpine unpacked
	runs() {
		leave "$@"
		full_or_fine "$MRUN" $I
		# Nothing but what a complete layer may leave, and what is there serves the next run.
		[ -z "$(find disk -name '*.tmp*' -o -name 'tmp-*')" ]
		[ "$("$MRUN" $I)" = 'Hello world!' ]
		rm -rf disk/mrun
	}
	each_way runs 3
}

@test "a full disk: the state, at create, run, exec" {
	need_root
	disk XDG_RUNTIME_DIR
	export XDG_RUNTIME_DIR=$T/disk
	bundle b '.process.args = ["/bin/sleep", "3000"]'
	lives() {
		leave "$@"
		full_or_fine "$MRUN" --root disk/state create --bundle b "$P" 3>&-
		[ ! -d "disk/state/$P" ] || "$MRUN" --root disk/state delete -f "$P"
		[ ! -d disk/state ] || [ -z "$("$MRUN" --root disk/state list -q)" ]
		rm -rf disk/state
		"$MRUN" --root disk/state run -d --bundle b "$P" </dev/null >out 2>&1 3>&-
		leave "$@"
		# It reads, and writes nothing there.
		"$MRUN" --root disk/state exec "$P" true
		"$MRUN" --root disk/state state "$P" >/dev/null
		full_or_fine "$MRUN" --root disk/state exec --pid-file disk/pid "$P" true
		[ -s disk/pid ] || [ ! -e disk/pid ]
		leave "$1" 0
		"$MRUN" --root disk/state delete -f "$P"
		refill
		[ -z "$(find disk -name "$P*")" ]
		rm -rf disk/state disk/pid
	}
	each_way lives
}

@test "a full disk: the file that save writes" {
	need_root
	disk NOTHING
	saves() {
		leave "$@"
		full_or_fine "$MRUN" save -o disk/out.tar small:1
		[ "$(wc -l <after)" -eq "$([ -s err ] && echo 0 || echo 1)" ]
		rm -f disk/out.tar
	}
	small_image i.tar
	"$MRUN" load -q -i i.tar
	each_way saves
	"$MRUN" fsck
}

@test "a full disk: a detached container's log does not stop it" {
	need_root
	disk XDG_CACHE_HOME 64m 3000 # an Alpine unpacked
	"$MRUN" $I >/dev/null
	leave pages 60
	"$MRUN" -d --name "$P" $I sh -c 'i=0; while [ $i -lt 60000 ]; do echo "line $i of many that fill the disk"; i=$((i + 1)); done; exit 9' \
		</dev/null >out 2>&1 3>&-
	[ "$(timeout 60 "$MRUN" wait "$P")" = 9 ]
	"$MRUN" logs "$P" >log 2>&1 || true
	grep -q 'line 1 of' log
	refill
	"$MRUN" delete "$P"
}

@test "a read-only home: load, run, create, exec, save" {
	need_root
	small_image i.tar
	"$MRUN" load -q -i i.tar
	"$MRUN" $I >/dev/null
	bundle b '.process.args = ["/bin/sleep", "3000"]'
	mkdir disk
	cp -a data cache run disk
	mount --bind disk disk
	export XDG_DATA_HOME=$T/disk/data XDG_CACHE_HOME=$T/disk/cache
	"$MRUN" --root disk/run/c run -d --bundle b "$P" </dev/null >out 2>&1 3>&-
	mount -o remount,bind,ro disk
	local how=read-only failures=0
	refill() { :; }
	on_disk >before
	for command in "load -q -i i.tar" "tag small:1 s:2" "rmi -f small:1" "import b/config.json x" "prune" "prune --all" \
		"save -o disk/out.tar small:1" "--root disk/run/c create --bundle b $P-2" "-d $I true" \
		"--root disk/run/c exec --pid-file disk/pid $P true"; do
		# shellcheck disable=SC2086 # a command line
		full_or_fine "$MRUN" $command
		diff before after
	done
	[ "$failures" -ge 6 ]
	# What only reads works.
	"$MRUN" images | grep -q small
	"$MRUN" fsck
	"$MRUN" save -o out.tar small:1
	"$MRUN" history $I >/dev/null
	"$MRUN" --root disk/run/c exec "$P" true
	"$MRUN" --root disk/run/c list -q | grep -q "$P"
	mount -o remount,bind,rw disk
	"$MRUN" --root disk/run/c delete -f "$P"
	"$MRUN" fsck
}
