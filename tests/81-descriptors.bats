#!/usr/bin/env bats
# Descriptors that mrun's caller left open reach no program that mrun starts: not the container's, no
# helper (newuidmap, pasta, mrun-unpack, fuse-overlayfs, mrun-systemd), no hook, ps. And mrun closed or
# half-closed at 0, 1 and 2 does what it does otherwise, and writes into nobody's file.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # programs for other shells; bats's variables
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	lib_setup
	ID=mrun-d$$-$RANDOM
	[ "$(id -u)" -ne 0 ] || "$MRUN" load -q -i "$(hello_image)"
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown() {
	cd /
	[ ! -f "$T/watch" ] || rm -f "$T/watch"
	for WHO in root user; do
		for id in "$ID" "$ID-2"; do m delete -f "$id" >/dev/null 2>&1; done
	done
	lib_teardown
}

# Looks at all processes, again and again, while $T/watch is there: a line for each program other than
# mrun that has a descriptor of the file $T/leak, and one for each program that it looked at.
scan() {
	python3 - "$T" <<-'END'
		import os, sys
		t, leaks, seen = sys.argv[1], set(), set()
		others = set(os.listdir("/proc"))
		ours = ("mrun", "strace", "bash", "setpriv", "python3", "env", "sh", "timeout", "pgrep", "ls", "readlink", "jq")
		while os.path.exists(t + "/watch"):
		    for pid in set(os.listdir("/proc")) - others:
		        p = f"/proc/{pid}"
		        try:
		            exe = os.readlink(p + "/exe").removesuffix(" (deleted)")
		            name = os.path.basename(exe)
		            root = os.readlink(p + "/root")
		            fds = [f for f in os.listdir(p + "/fd") if os.readlink(f"{p}/fd/{f}") == t + "/leak"]
		            line = open(p + "/cmdline").read().split("\0")[0]
		        except OSError:
		            continue
		        if name in ours and root == "/":
		            continue
		        seen.add(name)
		        if fds:
		            leaks.add(f"{name} ({line}): {sorted(map(int, fds))}")
		for line in sorted(seen):
		    print("seen", line)
		for line in sorted(leaks):
		    print("LEAK", line)
	END
}

# mrun, each program that it executes slowed down so that scan() sees it, with descriptors open that
# it has no business with. Output in $T/out.
leaky() { # ARG…
	local user=() status=0
	[ "$WHO" = root ] || user=(-u "$TEST_USER")
	(
		[ "$WHO" = root ] || {
			export HOME=$TEST_HOME XDG_RUNTIME_DIR=$TEST_RUNTIME
			unset XDG_DATA_HOME XDG_CACHE_HOME
		}
		exec 3<>"$T/leak" 17<"$T/leak" 250>>"$T/leak" 900<>"$T/leak"
		timeout 60 strace "${user[@]}" -DDD -f -qq -o /dev/null -e trace=execve,execveat -e signal=none \
			-e inject=execve,execveat:delay_exit=60000 "$MRUN" "$@" </dev/null >"$T/out" 2>&1
	) || status=$?
	[ "$status" -eq 0 ] || {
		echo "$*: $status"
		cat "$T/out"
	}
	return "$status"
}

# The commands of the table, and the ways to run that have helpers of their own.
all_commands() {
	local b=$T/b-$WHO
	bundle "$b" '.process.args = ["/bin/sleep", "1000"]'
	[ "$WHO" = root ] || {
		mkdir -p "$T/spec" && chown -R "$TEST_USER:" "$T/spec" "$b"
		as_user "$MRUN" spec --rootless --bundle "$T/spec"
		jq '.process.terminal = false | .process.args = ["/bin/sleep", "1000"]' "$T/spec/config.json" >"$b/config.json"
		rm -r "$T/spec"
	}
	jq '.hooks = {createRuntime: [{path: "/bin/sleep", args: ["hook", "0.05"]}], poststop: [{path: "/bin/sleep", args: ["hook", "0.05"]}]}' \
		"$b/config.json" >"$T/c" && cat "$T/c" >"$b/config.json"
	chmod 777 "$T"
	leaky load -q -i "$(hello_image)"
	leaky save -o "$T/saved-$WHO.tar" $I
	leaky import "$(lib_cached "base-$BASE_KIND.tar" lib_make_base)" imported
	leaky tag $I other
	leaky images
	leaky inspect $I
	leaky history $I
	leaky rmi other
	leaky fsck
	leaky prune
	leaky unpack $([ "$WHO" = root ] || echo --rootless) $I "$T/unpacked-$WHO"
	leaky run -d --bundle "$b" "$ID"
	leaky exec "$ID" sleep 0.05
	leaky exec -d "$ID" sleep 0.05
	leaky ps "$ID"
	leaky list
	leaky state "$ID"
	leaky events --stats "$ID" || [ "$WHO" = user ]
	leaky pause "$ID" && leaky resume "$ID" || [ "$WHO" = user ]
	leaky update --pids-limit 100 "$ID" || [ "$WHO" = user ]
	leaky kill "$ID" KILL
	leaky delete -f "$ID"
	leaky create --bundle "$b" "$ID"
	leaky start "$ID"
	leaky delete -f "$ID"
	leaky -d --name "$ID" $I sleep 1000
	for pid in $(pgrep -f -- "-d --name $ID"); do
		[ "$(readlink "/proc/$pid/exe")" = "$MRUN" ] || continue
		ls -l "/proc/$pid/fd" >"$T/stays"
	done
	[ -s "$T/stays" ]
	run ! grep "$T/leak" "$T/stays"
	leaky logs "$ID"
	leaky stop -t 0 "$ID"
	leaky wait "$ID"
	leaky delete "$ID"
	leaky $I
	leaky --network pasta -p "$((20000 + RANDOM % 20000)):80" $I sleep 0.1 || ! command -v pasta
	leaky features
	leaky doctor || true
	rm -rf "$T/spec" && mkdir -m 777 "$T/spec"
	(cd "$T/spec" && leaky spec)
	leaky --systemd-cgroup run --bundle "$b" "$ID-2" || true
	leaky delete -f "$ID-2" || true
	MRUN_STORAGE_DRIVER=fuse-overlayfs leaky $I || true
	chmod 755 "$T"
}

no_leaks() {
	need python3 strace
	head -c 100 /dev/urandom >leak
	chmod 666 leak
	sha256sum leak >leak.sum
	touch watch
	scan >scanned 2>scan.err 3>&- &
	all_commands
	rm watch
	wait
	cat scan.err scanned
	[ ! -s scan.err ]
	# It saw what there is to see.
	for seen in mrun-unpack sleep "$@"; do
		grep -q "^seen $seen" scanned || {
			echo "not seen: $seen"
			return 1
		}
	done
	run ! grep LEAK scanned
	sha256sum -c --quiet leak.sum
}

@test "descriptors that the caller left open reach nothing: root" {
	need_root
	WHO=root no_leaks
}

@test "descriptors that the caller left open reach nothing: a user" {
	need_root # for strace and setuid programs
	WHO=user no_leaks newuidmap newgidmap
}

@test "the container's program has the standard descriptors and no other, whatever the caller has" {
	only_three() {
		local b=$T/b-$WHO how
		bundle "$b" '.process.args = ["/bin/sh", "-c", "ls /proc/self/fd | tr \"\\n\" \" \""]'
		[ "$WHO" = root ] || {
			mkdir -p "$T/spec" && chown -R "$TEST_USER:" "$T/spec" "$b"
			as_user "$MRUN" spec --rootless --bundle "$T/spec"
			jq --slurpfile o "$b/config.json" '.process.terminal = false | .process.args = $o[0].process.args' \
				"$T/spec/config.json" >"$T/c" && cat "$T/c" >"$b/config.json"
		}
		# 3 is the directory that ls reads.
		[ "$(m run --bundle "$b" "$ID" 3<"$T" 4<"$T" 17<"$T" 255<"$T" 900<"$T" </dev/null)" = "0 1 2 3 " ]
		[ "$(m $I ls /proc/self/fd 3<"$T" 4<"$T" 17<"$T" 900<"$T" </dev/null | tr '\n' ' ')" = "0 1 2 3 " ]
		[ "$(m $I ls /proc/self/fd 2>&- </dev/null | tr '\n' ' ')" = "0 1 2 3 " ]
		[ "$(m $I ls /proc/self/fd <&- | tr '\n' ' ')" = "0 1 2 3 " ]
	}
	for WHO in root user; do
		[ "$WHO" = user ] || [ "$(id -u)" -eq 0 ] || continue
		only_three
	done
}

@test "standard descriptors closed: each command ends as it does otherwise, and nothing is written to a file of another" {
	bundle b '.process.args = ["/bin/sleep", "1000"]'
	"$MRUN" load -q -i "$(hello_image)"
	closed() { # ARG…: with all of them open, then with each of them and all of them closed
		local expected=0 status how
		"$MRUN" "$@" </dev/null >out 2>&1 || expected=$?
		for how in '<&-' '2>&-' '<&- 2>&-' '>&-' '<&- >&- 2>&-'; do
			status=0
			eval '"$MRUN" "$@" '"$([[ $how == *'<'* ]] || echo '</dev/null') $([[ $how == *'>&-'* && $how != '2>&-' && $how != '<&- 2>&-' ]] || echo '>out') $how" || status=$?
			[ "$status" -eq "$expected" ] || {
				echo "$* $how: $status, not $expected"
				return 1
			}
		done
	}
	"$MRUN" run -d --bundle b "$ID" </dev/null >out 2>&1
	closed load -q -i "$(hello_image)"
	closed save -o saved.tar $I
	closed tag $I other
	closed images
	closed inspect $I
	closed history $I
	closed history no-such-image
	closed fsck
	closed prune
	closed $I
	closed $I sh -c 'exit 7'
	closed $I sh -c 'echo out; echo err >&2'
	closed exec "$ID" sh -c 'echo out; echo err >&2; exit 3'
	closed state "$ID"
	closed state no-such-container
	closed list
	closed ps "$ID"
	closed events --stats "$ID"
	closed pause "$ID-2"
	closed features
	closed kill "$ID" 0
	closed delete -f "$ID-2"
	closed no-such-image
	"$MRUN" fsck
	"$MRUN" delete -f "$ID"
	tar -tf saved.tar >/dev/null
	for how in '<&-' '>&-' '<&- >&- 2>&-'; do
		eval '"$MRUN" create --bundle b "$ID" '"$([[ $how == *'<&'* ]] || echo '</dev/null') $how"
		"$MRUN" start "$ID"
		[ "$("$MRUN" state "$ID" | jq -r .status)" = running ]
		run ! grep -E "$T|store" <(ls -l "/proc/$("$MRUN" state "$ID" | jq .pid)/fd" | grep -v 'out$')
		"$MRUN" delete -f "$ID"
	done
}
